"""What each rule of a policy says of a release, and how its value has to be written."""

import math

import pytest

from aivcs.errors import PolicyError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.run import RunId, RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.policy.proposal import EvidenceRun, ProposedRelease
from aivcs.policy.registry import check_rule
from aivcs.policy.select import Policy, evaluate
from aivcs.policy.version import is_semver, precedence
from aivcs.signing.check import PLANNED, TRUSTED, UNCHECKED, UNKNOWN, WRONG, SignatureCheck

SPEC = ContentDigest.from_bytes(b"spec")
OTHER = ContentDigest.from_bytes(b"another spec")
SCORE = {"kind": "evaluation", "pointer": "/score", "min": 0.8}


def run(number=1, *, status=RunStatus.COMPLETED, success=True, spec=SPEC, **last):
    return EvidenceRun(RunId(f"run-{number}"), status, success, spec, last)


def release(label, *, seq, spec):
    return ReleaseRecord(
        seq=seq, action="promote", name="bot", spec_digest=spec, target_seq=seq, parent_seq=None,
        metadata=ReleaseMetadata("ci", version_label=label), created_at=Timestamp.now(),
    )  # fmt: skip


def judge(rule, value, **fields):
    """The verdicts of one rule on a release that has nothing but what is given."""
    release = {"label": None, "notes": None, "evidence": [], **fields}
    candidate = ProposedRelease(name="bot", spec_digest=SPEC, **release)
    return evaluate(Policy({rule: check_rule(rule, value, "here")}), candidate)


def is_met(rule, value, **fields):
    verdicts = judge(rule, value, **fields)
    for verdict in verdicts:
        assert bool(verdict.remedy) is (verdict.ok is not True), verdict
    return all(verdict.ok for verdict in verdicts)


class TestRequireRuns:
    def test_counts_runs_that_completed_with_success_for_exactly_this_spec(self):
        good = [run(1), run(2)]
        others = [
            run(3, status=RunStatus.FAILED, success=False),
            run(4, status=RunStatus.RUNNING, success=False),
            run(5, success=False),
            run(6, spec=OTHER),
        ]
        assert is_met("require_runs", 2, evidence=good + others)
        (verdict,) = judge("require_runs", 3, evidence=good + others)
        assert not verdict.ok
        assert verdict.found == (
            "2 of 6 runs that count (run-3 is FAILED, run-4 is RUNNING, run-5 did not succeed, "
            f"run-6 is of spec {OTHER[:12]})"
        )
        assert verdict.needed == f"3 completed with success for spec {SPEC[:12]}"
        assert "--evidence" in verdict.remedy

    @pytest.mark.parametrize("value", [-1, 1.0, True, "3", None, 10**7])
    def test_takes_a_number_of_runs(self, value):
        with pytest.raises(UsageError, match=r"here\.require_runs must be a number of runs"):
            check_rule("require_runs", value, "here")


class TestRequireEvent:
    @pytest.mark.parametrize(
        ("score", "met"),
        [(0.8, True), (1, True), (0.79, False), (True, False), ("1", False), (None, False),
         (10**400, True), ([1], False)],
    )  # fmt: skip
    def test_holds_the_value_at_the_pointer_to_its_least(self, score, met):
        evidence = [run(evaluation={"score": score})]
        assert is_met("require_event", SCORE, evidence=evidence) is met

    @pytest.mark.parametrize(
        ("bounds", "value", "met"),
        [
            ({"max": 2}, 2.0, True), ({"max": 2}, 2.5, False), ({"min": 1, "max": 2}, 3, False),
            ({"equals": True}, True, True), ({"equals": True}, 1, False),
            ({"equals": 1}, 1.0, True), ({"equals": 1}, True, False),
            ({"equals": "ok"}, "ok", True), ({"equals": "ok"}, "OK", False),
            ({}, None, True),
        ],
    )  # fmt: skip
    def test_compares_as_json_does(self, bounds, value, met):
        wanted = {"kind": "check", "pointer": "/a/0/b~1c", **bounds}
        evidence = [run(check={"a": [{"b/c": value}]})]
        assert is_met("require_event", wanted, evidence=evidence) is met

    def test_wants_it_in_every_run_that_counts_and_in_one_at_least(self):
        good, bad = run(1, evaluation={"score": 0.9}), run(2, evaluation={"score": 0.1})
        assert is_met("require_event", SCORE, evidence=[good])
        assert not is_met("require_event", SCORE, evidence=[good, bad])
        assert not is_met("require_event", SCORE, evidence=[good, run(2)])
        assert not is_met("require_event", SCORE, evidence=[good, run(2, evaluation={})])
        assert not is_met("require_event", SCORE, evidence=[])
        failed = run(3, status=RunStatus.FAILED, success=False, evaluation={"score": 0.9})
        (verdict,) = judge("require_event", SCORE, evidence=[failed])
        assert (verdict.ok, verdict.found) == (False, "no run that counts (run-3 is FAILED)")
        other = run(2, spec=OTHER, evaluation={"score": 0.1})
        assert is_met("require_event", SCORE, evidence=[good, other])

    def test_may_be_several(self):
        wanted = [SCORE, {"kind": "review", "pointer": "/by", "equals": "ada"}]
        evidence = [run(evaluation={"score": 1}, review={"by": "bob"})]
        first, second = judge("require_event", wanted, evidence=evidence)
        assert first.ok
        assert not second.ok
        assert second.found == 'run-1 has "bob"'

    @pytest.mark.parametrize(
        ("value", "complaint"),
        [
            ("evaluation", "must be a table with a kind"),
            ({"pointer": "/score"}, "must be a table with a kind"),
            ({"kind": ""}, "must be a table with a kind"),
            ({"kind": "e", "minimum": 1}, "'minimum' means nothing"),
            ({"kind": "e", "pointer": "score"}, "pointer: 'score' is not a JSON pointer"),
            ({"kind": "e", "pointer": "/~2"}, "is not a JSON pointer"),
            ({"kind": "e", "pointer": 1}, "must be a JSON pointer"),
            ({"kind": "e", "min": "1"}, r"here\.require_event\.min must be a number"),
            ({"kind": "e", "max": True}, "must be a number"),
            ({"kind": "e", "min": math.nan}, "must be a number"),
            ({"kind": "e", "max": math.inf}, "must be a number"),
            ({"kind": "e", "max": 2**53}, "must be a number"),
            ({"kind": "e", "equals": [1]}, "equals must be"),
            ({"kind": "e", "equals": math.inf}, "equals must be"),
        ],
    )
    def test_is_refused_where_it_is_not_understood(self, value, complaint):
        with pytest.raises(UsageError, match=complaint):
            check_rule("require_event", value, "here")


class TestRequireCompleteSpec:
    def test_wants_all_four_parts_of_a_spec_that_has_parts(self):
        assert is_met("require_complete_spec", True, missing_parts=[])
        assert not is_met("require_complete_spec", True, missing_parts=None)
        (verdict,) = judge("require_complete_spec", True, missing_parts=["tools", "config"])
        assert (verdict.ok, verdict.found) == (False, "no tools, no config")
        assert "--complete" in verdict.remedy
        (verdict,) = judge("require_complete_spec", True, missing_parts=["graph"], is_rollback=True)
        assert "--force" in verdict.remedy


class TestLabels:
    @pytest.mark.parametrize(
        "label",
        ["0.0.4", "1.2.3", "1.1.2-prerelease+meta", "1.0.0-alpha.1", "1.0.0-0A.is.legal",
         "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "2.0.0+build.1848",
         "1.2.3----RC-SNAPSHOT.12.9.1--.12",
         "99999999999999999999999.999999999999999999.99999999999999999"],
    )  # fmt: skip
    def test_are_versions_of_semver(self, label):
        assert is_semver(label)
        assert is_met("require_label", "semver", label=label)

    @pytest.mark.parametrize(
        "label",
        ["1", "1.2", "v1.2.3", "01.1.1", "1.01.1", "1.1.01", "1.2.3-0123", "1.2.3-0123.0123",
         "1.1.2+.123", "1.0.0-alpha..1", "1.2.3.DEV", "1.2-SNAPSHOT", "+justmeta", "1.0.0-",
         "1.2.3\n", "\uff11.2.3", "9.8.7-whatever+meta+meta"],
    )  # fmt: skip
    def test_are_not(self, label):
        assert not is_semver(label)
        assert not is_met("require_label", "semver", label=label)
        assert is_met("require_label", "any", label=label)

    def test_are_not_asked_of_what_is_being_returned_to(self):
        assert not is_met("require_label", "any")
        assert is_met("require_label", "any", is_rollback=True)
        assert is_met("unique_label", True, label="1.0.0", label_taken_by=3, is_rollback=True)

    def test_may_have_to_be_unique(self):
        assert is_met("unique_label", True, label="1.0.0")
        (verdict,) = judge("unique_label", True, label="1.0.0", label_taken_by=3)
        assert (verdict.ok, verdict.found) == (False, "1.0.0 at @3, on another spec")

    def test_are_ordered_as_the_specification_says(self):
        # The example of SemVer 2.0.0, section 11.
        ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
                   "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"]  # fmt: skip
        keys = [precedence(label) or ((0, 0, 0), False, ()) for label in ordered]
        assert keys == sorted(set(keys))
        assert precedence("1.0.0+b1") == precedence("1.0.0+b2")

    @pytest.mark.parametrize(
        ("label", "met"),
        [("1.10.0", True), ("1.9.1", True), ("2.0.0-rc.1", True), ("1.9.0", False),
         ("1.9.0+build", False), ("1.9.0-rc.2", False), ("1.8.9", False), ("v2", False)],
    )  # fmt: skip
    def test_may_have_to_increase(self, label, met):
        before = release("1.9.0", seq=4, spec=OTHER)
        assert is_met("require_label", "semver-increasing", label=label, highest=before) is met
        assert not is_met("require_label", "semver-increasing", highest=before)

    def test_may_be_that_of_the_same_spec_again(self):
        again = release("1.9.0", seq=4, spec=SPEC)
        assert is_met("require_label", "semver-increasing", label="1.9.0", highest=again)
        assert not is_met("require_label", "semver-increasing", label="1.8.0", highest=again)
        assert is_met("require_label", "semver-increasing", label="0.0.1")


class TestNotes:
    @pytest.mark.parametrize(("notes", "met"), [(None, False), (" \n", False), ("why", True)])
    def test_have_to_say_something(self, notes, met):
        assert is_met("require_notes", True, notes=notes) is met

    def test_are_the_reason_of_a_rollback(self):
        (verdict,) = judge("require_notes", True, is_rollback=True)
        assert verdict.remedy == "say why: --reason"


@pytest.mark.parametrize(
    ("states", "ok"),
    [([], False), ([TRUSTED], True), ([UNKNOWN], False), ([WRONG], False), ([UNCHECKED], None),
     ([PLANNED], True), ([WRONG, UNKNOWN, TRUSTED], True), ([UNKNOWN, WRONG], False)],
)  # fmt: skip
def test_a_signature_has_to_be_that_of_an_allowed_signer(states, ok):
    (verdict,) = judge(
        "require_signature", True, signatures=[SignatureCheck(state, "ada") for state in states]
    )
    assert verdict.ok is ok


@pytest.mark.parametrize(
    "rule", ["unique_label", "require_notes", "require_signature", "require_complete_spec"]
)
def test_a_flag_is_true_or_false(rule):
    with pytest.raises(UsageError, match="must be true or false"):
        check_rule(rule, 1, "here")


def test_an_unknown_rule_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"here: there is no rule 'require_run'; did you mean"):
        check_rule("require_run", 3, "here")


def test_a_refusal_says_what_was_found_what_is_needed_and_the_way_out():
    verdicts = judge("require_runs", 2, evidence=[run()]) + judge("require_notes", True, notes="x")
    assert str(PolicyError("bot", verdicts)) == (
        "bot: refused by policy, nothing was changed. require_runs: found 1 of 1 runs that count, "
        f"needed 2 completed with success for spec {SPEC[:12]} "
        "(run the agent with this spec, and name its runs: --evidence RUN)"
    )
