"""Which rules hold for a name: of several patterns, several files, in whatever order."""

import json
from hashlib import sha256

import pytest
from hypothesis import given, strategies as st

from aivcs.errors import SerializationError, UnsupportedFormatError, UsageError
from aivcs.policy.select import policy_for, read_document


def rules(name, *layers):
    policy = policy_for(name, [(f"file{number}", table) for number, table in enumerate(layers)])
    return dict(policy.rules) if policy else None


TABLE = {
    "bot": {
        "require_runs": 3,
        "require_event": {"min": 0.8, "pointer": "/score", "kind": "evaluation"},
        "require_label": "semver",
    }
}
BYTES = (
    b'{"format":1,"rules":{"require_event":[{"kind":"evaluation","min":0.8,"pointer":"/score"}],'
    b'"require_label":"semver","require_runs":3},"type":"policy"}'
)


class TestChoice:
    def test_is_none_where_nothing_fits_or_nothing_is_asked(self):
        assert rules("bot") is None
        assert rules("bot", {}) is None
        assert rules("bot", {"prod/*": {"require_runs": 1}}) is None
        assert rules("bot", {"bot": {"require_runs": 0, "require_notes": False}}) is None

    @pytest.mark.parametrize(
        ("pattern", "name", "fits"),
        [
            ("*", "a/b", True), ("prod/*", "prod/a/b", True), ("prod/*", "prod", False),
            ("bot-?", "bot-1", True), ("bot-?", "bot-10", False), ("Bot", "bot", False),
            ("b.t", "bot", False), ("*-prod", "x-prod", True),
        ],
    )  # fmt: skip
    def test_reads_patterns(self, pattern, name, fits):
        assert (rules(name, {pattern: {"require_runs": 1}}) is not None) is fits

    def test_takes_each_rule_from_the_most_specific_pattern_that_has_it(self):
        table = {
            "*": {"require_notes": True, "require_runs": 1},
            "prod/*": {"require_runs": 3, "require_label": "any"},
            "prod/bot": {"require_label": "semver"},
        }
        assert rules("prod/bot", table) == {
            "require_runs": 3, "require_label": "semver", "require_notes": True,
        }  # fmt: skip
        assert rules("dev/bot", table) == {"require_runs": 1, "require_notes": True}

    def test_lets_a_narrower_table_make_an_exception(self):
        table = {
            "*": {"require_runs": 3, "require_label": "any", "require_notes": True},
            "dev/*": {"require_runs": 0, "require_label": "none", "require_notes": False},
        }
        assert rules("dev/bot", table) is None

    def test_refuses_two_that_are_equally_specific_and_differ(self):
        table = {"bot*": {"require_runs": 1}, "*bot": {"require_runs": 2}}
        with pytest.raises(UsageError, match="file0: require_runs of bot is set under 'bot"):
            rules("bot", table)
        assert rules("bot-1", table) == {"require_runs": 1}
        assert rules("bot", {**table, "bot": {"require_runs": 5}}) == {"require_runs": 5}
        assert rules("bot", {"bot*": {"require_runs": 1}, "*bot": {"require_runs": 1}})

    @given(st.permutations(["*", "b*", "*t", "bo*", "bot", "prod/*", "?ot"]))
    def test_does_not_depend_on_the_order_in_the_file(self, patterns):
        values = {"*": 1, "b*": 2, "*t": 2, "bo*": 3, "bot": 4, "prod/*": 5, "?ot": 3}
        table = {pattern: {"require_runs": values[pattern]} for pattern in patterns}
        assert rules("bot", table) == {"require_runs": 4}
        del table["bot"]
        assert rules("bot", table) == {"require_runs": 3}

    def test_puts_the_stronger_file_first_rule_by_rule(self):
        system = {"*": {"require_runs": 2, "require_notes": False}}
        store = {"bot": {"require_runs": 9, "require_notes": True, "unique_label": True}}
        assert rules("bot", system, store) == {"require_runs": 2, "unique_label": True}


class TestRefusals:
    @pytest.mark.parametrize(
        ("table", "complaint"),
        [
            (3, "file0: policy is not a table"),
            ({"bot": 3}, "file0: policy.bot is not a table"),
            ({"bot": {"require_rums": 3}}, "file0: policy.bot: there is no rule 'require_rums'"),
            ({"bot": {"require_runs": "3"}}, r"file0: policy.bot.require_runs must be a number"),
            ({"": {}}, "matches no release name"),
            ({"[ab]": {}}, "matches no release name"),
            ({"bot ": {}}, "matches no release name"),
            ({"b\x1bt": {}}, r"'b\\x1bt' matches no release name"),
            ({"*" * 201: {}}, "matches no release name"),
        ],
    )
    def test_hold_for_every_name_so_that_no_mistake_is_passed_over(self, table, complaint):
        with pytest.raises(UsageError, match=complaint):
            rules("quite/another", table)


class TestDocument:
    def test_is_the_canonical_json_of_the_rules(self):
        policy = policy_for("bot", [("file", TABLE)])
        assert policy.document() == BYTES  # type: ignore[union-attr]
        assert policy.kinds == {"evaluation"}  # type: ignore[union-attr]

    def test_is_read_again_as_the_same_policy(self):
        policy = policy_for("bot", [("file", TABLE)])
        again = read_document(BYTES)
        assert again == policy
        assert sha256(again.document()).digest() == sha256(BYTES).digest()

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"format": 2}, UnsupportedFormatError),
            ({"rules": {"require_moon": True}}, UnsupportedFormatError),
            ({"rules": []}, SerializationError),
            ({"rules": {"require_runs": "3"}}, SerializationError),
            ({"type": "heads"}, SerializationError),
        ],
    )
    def test_is_refused_where_it_is_not_understood(self, change, error):
        with pytest.raises(error):
            read_document(json.dumps({**json.loads(BYTES), **change}).encode())

    @pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"policy"])
    def test_is_refused_if_it_is_none(self, data):
        with pytest.raises(SerializationError):
            read_document(data)
