"""`require_baseline` and `evidence_from`: no worse than what is live, by the word of whom."""

import json

import pytest

from aivcs.errors import UsageError
from aivcs.policy.registry import check_rule

RULE = {"kind": "evaluation", "pointer": "/score", "max_regression": 0.1}


@pytest.fixture
def rule(aivcs):
    def rule(name="require_baseline", value=None, **changed):
        value = {**RULE, **changed} if value is None else value
        aivcs.ok("config", "set", f"policy.bot.{name}", json.dumps(value))

    return rule


def run(aivcs, content, *scores):
    """A run of a spec for each score; None is a run without one."""
    runs = []
    for score in scores:
        runs.append(aivcs.begin("bot", content))
        if score is not None:
            aivcs.ok("run", "log", runs[-1], "evaluation", f"score:={score}")
        aivcs.ok("run", "finish", runs[-1], "--exit-code", "0")
    return runs


def promote(aivcs, content, runs, *words, code=0):
    evidence = [word for each in runs for word in ("--evidence", each)]
    return aivcs("release", "promote", "bot", aivcs.put(content), *evidence, *words, code=code)


def verdict(aivcs, content, runs):
    words = "--dry-run", "--json"
    (found,) = promote(aivcs, content, runs, *words, code=None).json["verdicts"]
    return found


def results(aivcs, check, code=0):
    told = aivcs("release", "verify", "bot", "--json", code=code).json_lines
    return [line["result"] for line in told if line["check"] == check]


class TestBaseline:
    def test_is_the_mean_of_what_is_live(self, aivcs, rule):
        rule()
        promote(aivcs, b"one\n", run(aivcs, b"one\n", 0.9, 0.7))
        found = verdict(aivcs, b"two\n", run(aivcs, b"two\n", 0.8, 0.59))
        assert (found["ok"], found["found"]) == (False, "0.695 in 2 runs, 0.8 in 2 runs of @1")
        promote(aivcs, b"two\n", run(aivcs, b"two\n", 0.8, 0.6))
        entry = json.loads(aivcs.release_log("bot").read_bytes().splitlines()[-1])
        assert [each["run_id"] for each in entry["baseline"]] != []
        assert results(aivcs, "require_baseline") == ["ok", "ok"]
        aivcs.ok("verify")

    def test_is_exact_at_its_limit(self, aivcs, rule):
        rule()
        promote(aivcs, b"one\n", run(aivcs, b"one\n", 0.8))
        assert verdict(aivcs, b"two\n", run(aivcs, b"two\n", 0.7))["ok"] is True  # 0.8 - 0.1 > 0.7

    def test_may_be_of_what_is_better_if_lower(self, aivcs, rule):
        rule(pointer="/ms", better="lower", max_regression=10)
        for content, ms in ((b"one\n", 100), (b"two\n", 110)):
            (made,) = run(aivcs, content, None)
            aivcs.ok("run", "annotate", made, "evaluation", f"ms:={ms}")
            rule("late", True)
            promote(aivcs, content, [made])
        assert results(aivcs, "require_baseline") == ["ok", "ok"]

    def test_is_that_of_the_release_it_was_rolled_back_to(self, aivcs, rule):
        rule()
        promote(aivcs, b"one\n", run(aivcs, b"one\n", 0.5))
        promote(aivcs, b"two\n", run(aivcs, b"two\n", 0.9))
        aivcs.ok("release", "rollback", "bot")
        found = verdict(aivcs, b"three\n", run(aivcs, b"three\n", 0.5))
        assert (found["ok"], found["found"]) == (True, "0.5 in 1 runs, 0.5 in 1 runs of @3")

    def test_is_missing_until_the_live_release_has_evidence(self, aivcs, rule):
        promote(aivcs, b"one\n", [])
        rule()
        done = promote(aivcs, b"two\n", run(aivcs, b"two\n", 0.9), code=15)
        assert "aivcs release promote bot @1 --evidence RUN" in done.complaint
        aivcs.ok("release", "promote", "bot", "@1", "--evidence", *run(aivcs, b"one\n", 0.9))
        promote(aivcs, b"two\n", run(aivcs, b"two\n", 0.9))

    def test_wants_a_number_in_every_run_that_counts(self, aivcs, rule):
        rule()
        promote(aivcs, b"one\n", run(aivcs, b"one\n", 0.1))
        runs = run(aivcs, b"two\n", 0.9, None)
        assert f"no number evaluation/score in {runs[1]}" in verdict(aivcs, b"two\n", runs)["found"]
        assert "no run that counts" in verdict(aivcs, b"two\n", [])["found"]

    def test_counts_scores_that_came_later_and_names_them(self, aivcs, rule):
        (old,) = run(aivcs, b"one\n", None)
        promote(aivcs, b"one\n", [old])
        rule()
        rule("late", True)
        (new,) = run(aivcs, b"two\n", 0.6)
        assert not verdict(aivcs, b"two\n", [new])["ok"]
        digest = aivcs.ok("run", "annotate", old, "evaluation", "score:=0.6").text
        promote(aivcs, b"two\n", [new])
        entry = json.loads(aivcs.release_log("bot").read_bytes().splitlines()[-1])
        assert entry["baseline"][0]["annotations"] == [digest]
        aivcs.ok("run", "annotate", old, "evaluation", "score:=0.99")
        assert results(aivcs, "require_baseline") == ["ok"]
        (aivcs.store / "notes" / old[:2] / old / digest).unlink()
        assert results(aivcs, "policy", code=14) == ["not proven", "ok", "failed"]

    def test_of_an_entry_that_names_another_is_noticed(self, aivcs, rule):
        rule()
        promote(aivcs, b"one\n", run(aivcs, b"one\n", 0.9))
        promote(aivcs, b"two\n", run(aivcs, b"two\n", 0.9))
        weak = run(aivcs, b"one\n", 0.1)
        head = aivcs.ok("run", "show", weak[0], "--json").json
        log = aivcs.release_log("bot")
        first, second = log.read_bytes().splitlines()
        entry = json.loads(second)
        entry["baseline"][0]["run_id"] = head["run_id"]
        relinked(log, first, entry)
        assert "failed" in results(aivcs, "policy", code=14)


def relinked(log, first, entry):
    """Writes a log whose second line was made anew by who may write to it."""
    from aivcs.log import chain

    entry.pop("hash")
    body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)[:-1]
    log.write_bytes(first + b"\n" + chain.link(body, json.loads(first)["hash"])[0])


class TestEvidenceFrom:
    @pytest.fixture
    def judges(self, aivcs, keys, rule):
        allowed = keys.allow(judge="", bob="")
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(allowed))
        rule("require_event", {"kind": "evaluation", "pointer": "/score", "min": 0.8})
        rule("evidence_from", ["signer:judge@example.com"])

    def test_hears_only_the_signed_word_of_whom_it_names(self, aivcs, keys, judges):
        (made,) = run(aivcs, b"one\n", 0.99)
        found = verdict(aivcs, b"one\n", [made])["found"]
        assert "no event evaluation (only by one whose word does not count)" in found
        note = ("run", "annotate", made, "evaluation", "score:=0.9")
        aivcs.ok(*note[:3], "evaluation", "score:=0.95", "--by", "judge@example.com")
        assert not verdict(aivcs, b"one\n", [made])["ok"]
        aivcs("run", "annotate", made, "--signing-key", keys("bob"), *note[3:], code=0)
        assert not verdict(aivcs, b"one\n", [made])["ok"]
        aivcs("run", "annotate", made, "--signing-key", keys("judge"), *note[3:], code=0)
        promote(aivcs, b"one\n", [made])
        assert results(aivcs, "require_event") == ["ok"]

    def test_is_proven_with_the_signers_of_who_asks(self, aivcs, keys, judges):
        (made,) = run(aivcs, b"one\n", 0.99)
        aivcs(
            "run", "annotate", "--signing-key", keys("judge"), made, "evaluation", "score:=0.9",
            code=0,
        )  # fmt: skip
        promote(aivcs, b"one\n", [made])
        keys.allow(bob="")
        assert results(aivcs, "require_event", code=14) == ["failed"]


@pytest.mark.parametrize(
    ("rule", "value", "complaint"),
    [
        ("require_baseline", "evaluation", "must be a table with a kind"),
        ("require_baseline", {"kind": "e", "pointer": "score"}, "begin it with /"),
        ("require_baseline", {"kind": "e", "max_regression": -1}, "must be a number, 0 or more"),
        ("require_baseline", {"kind": "e", "max_regression": float("nan")}, "must be a number"),
        ("require_baseline", {"kind": "e", "better": "most"}, "must be \"higher\" or \"lower\""),
        ("require_baseline", {"kind": "e", "min": 1}, "'min' means nothing"),
        ("evidence_from", 3, "must be a list"),
        ("evidence_from", ["ada@example.com"], "write signer:WHO"),
        ("evidence_from", ["signer:"], "names no signer"),
        ("evidence_from", ["role:judge"], "name who signs it"),
        ("require_label", "increasing", "semver-increasing"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_understood_is_refused(rule, value, complaint):
    with pytest.raises(UsageError, match=complaint):
        check_rule(rule, value, "here")


def test_labels_that_must_increase_are_judged_again_from_the_log(aivcs):
    aivcs.ok("config", "set", "policy.bot.require_label", "semver-increasing")
    for content, label, code in (
        (b"one\n", "1.2.0", 0), (b"two\n", "1.10.0", 0), (b"three\n", "1.9.0", 15),
        (b"two\n", "1.10.0", 0), (b"three\n", "1.10.0", 15), (b"three\n", "1.10.1", 0),
    ):  # fmt: skip
        aivcs("release", "promote", "bot", aivcs.put(content), "--label", label, code=code)
    aivcs.ok("release", "rollback", "bot")
    aivcs("release", "promote", "bot", aivcs.put(b"four\n"), "--label", "1.10.1", code=15)
    assert results(aivcs, "require_label") == ["ok"] * 5
