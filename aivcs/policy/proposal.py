"""The release that a policy judges, what is known of its evidence and signatures, and verdicts.

A run **counts** as evidence for a spec if it ran exactly this spec, is `COMPLETED`, and its summary
says that it succeeded. Which agent's name the run bore does not matter: the digest says what ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import UsageError
from aivcs.model.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from aivcs.model.digest import ContentDigest
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Approval
    from aivcs.model.run import RunId, RunStatus
    from aivcs.signing.check import SignatureCheck


RUNS, LABEL, PARTS = "runs", "label", "parts"
HIGHEST, BASELINE, APPROVALS = "highest", "baseline", "approvals"
"""Input that a rule may need besides the release: its evidence runs; earlier uses of its label; the
parts of its spec; the highest version before; the evidence of what was live; approvals."""

EPOCH = Timestamp("1970-01-01T00:00:00.000000Z")
REDACTED = object()
"""What stands for the payload of an event that was erased: no rule is met by it, or by an earlier
one."""
MAX_NAMED = 5
"""Runs that a verdict names, at most."""


class EvidenceRun(NamedTuple):
    """A run given as evidence, with the fields that policies use.

    Attributes:
        run_id: The run.
        status: Its status; RUNNING if its log has changed since it was given.
        success: Whether its summary says that it succeeded.
        spec_digest: The spec that ran.
        last: The payload of the last event of each kind that the policy asks for, or `REDACTED`.
        discounted: The kinds of which there are events, but by nobody whose word counts.
        is_proven: Whether allowed erasers signed what was erased in it, where they must.
    """

    run_id: RunId
    status: RunStatus
    success: bool
    spec_digest: ContentDigest
    last: Mapping[str, Any]
    discounted: Collection[str] = ()
    is_proven: bool = True

    def objection(self, spec_digest: ContentDigest) -> str:
        """Returns why the run does not count for a spec; empty if it does."""
        if not self.is_proven:
            return "has redacted lines for which no allowed eraser signed"
        if self.spec_digest != spec_digest:
            return f"is of spec {self.spec_digest.short}"
        if self.status != "COMPLETED":
            return f"is {self.status}"
        return "" if self.success else "did not succeed"

    def unheard(self, kind: str) -> str:
        """Returns, in parentheses, that events of a kind do not count; empty if there are none."""
        return " (only by one whose word does not count)" if kind in self.discounted else ""


class Baseline(NamedTuple):
    """The release that was live before, with its evidence.

    Attributes:
        seq: The entry that made it live.
        spec_digest: Its spec.
        runs: Its evidence.
        missing: The runs of its evidence that are not in this store: never pulled, erased or lost.
    """

    seq: int
    spec_digest: ContentDigest
    runs: Sequence[EvidenceRun]
    missing: tuple[RunId, ...] = ()

    def counting_runs(self) -> list[EvidenceRun]:
        """Returns the runs that count for its spec."""
        return [run for run in self.runs if not run.objection(self.spec_digest)]


class CheckedApproval(NamedTuple):
    """An approval and what is known of its signature.

    Attributes:
        approval: The approval.
        signed: The check of its signature.
        is_foreign: Whether it was given in another store than that of the release.
    """

    approval: Approval
    signed: SignatureCheck
    is_foreign: bool = False


class ProposedRelease(NamedTuple):
    """A release that a policy judges.

    Attributes:
        name: The name under which the spec goes live.
        spec_digest: The spec.
        label: The label, or None.
        notes: The notes, or a rollback's reason; None if there are none.
        evidence: The evidence runs; of a rollback, those of the spec's newest promotion.
        is_rollback: Whether an earlier release is returned to.
        label_taken_by: The seq of another spec's release with the same label, or None.
        signatures: What is known of the entry's signatures.
        missing_parts: The parts that the spec lacks; None if that is not known, since it is not
            stored, or is not a spec with parts.
        promoted_by: The actor, in their own words.
        created_at: When it became live, or would.
        highest: The earlier release whose label is the highest version, or None.
        baseline: What was live before; None if nothing was, or no rule asks.
        approvals: The approvals of the spec before it in the log, newest first.
        promoters: The signatures of who promoted; None is all `signatures`, as of a release that
            is about to be made.
        takes_late: Which evaluations count that were added to a run later: "any", "signed", or
            none.
    """

    name: str
    spec_digest: ContentDigest
    label: str | None
    notes: str | None
    evidence: Sequence[EvidenceRun]
    is_rollback: bool = False
    label_taken_by: int | None = None
    signatures: Sequence[SignatureCheck] = ()
    missing_parts: Sequence[str] | None = None
    promoted_by: str = ""
    created_at: Timestamp = EPOCH
    highest: ReleaseRecord | None = None
    baseline: Baseline | None = None
    approvals: Sequence[CheckedApproval] = ()
    promoters: Sequence[SignatureCheck] | None = None
    takes_late: str = ""

    def promoter_signatures(self) -> Sequence[SignatureCheck]:
        """Returns the signatures of who promoted, without those that were added later."""
        return self.signatures if self.promoters is None else self.promoters

    def counting_runs(self) -> list[EvidenceRun]:
        """Returns the evidence runs that count for the spec."""
        return [run for run in self.evidence if not run.objection(self.spec_digest)]

    def discounted_runs(self) -> str:
        """Returns the evidence runs that do not count, with why, in parentheses; else nothing."""
        others = [
            f"{run.run_id} {why}"
            for run in self.evidence
            if (why := run.objection(self.spec_digest))
        ]
        return f" ({shortened(others)})" if others else ""

    def remedy_for_runs(self) -> str:
        """Returns the way out where evidence is missing."""
        if self.is_rollback:
            return "return to another release, or say --force --reason TEXT"
        return "run the agent with this spec, and name its runs: --evidence RUN"


class Verdict(NamedTuple):
    """The verdict of one rule on a release.

    Attributes:
        rule: The rule.
        ok: Whether it is met; None if that cannot be told here.
        found: The present value, in words.
        needed: The required value, in words.
        remedy: The way out; empty if the rule is met.
    """

    rule: str
    ok: bool | None
    found: str
    needed: str
    remedy: str


class Rule(NamedTuple):
    """A rule that a policy may have.

    Attributes:
        name: Its key in a policy table.
        about: What it asks, in a few words.
        check: Returns a configured value in its one form; raises `UsageError`. Takes the value, and
            where it stands, for the message.
        judge: Yields the verdicts of such a value on a release.
        needs: Returns which of `RUNS`, `LABEL` … a value looks at; nothing else is read for it.
        kinds: Returns the kinds of events that a value looks at.
        rollback_option: What a rollback must say to meet it, for hints; empty if nothing.
    """

    name: str
    about: str
    check: Callable[[Any, str], Any]
    judge: Callable[[Any, ProposedRelease], Iterable[Verdict]]
    needs: Callable[[Any], Collection[str]] = lambda _: ()
    kinds: Callable[[Any], set[str]] = lambda _: set()
    rollback_option: str = ""


def shortened(texts: list[str]) -> str:
    """Returns the first few texts on one line."""
    return ", ".join(texts[:MAX_NAMED]) + (" …" if len(texts) > MAX_NAMED else "")


def check_flag(value: Any, where: str) -> bool:
    """Returns a value that must be true or false.

    Raises:
        UsageError: It is neither.
    """
    if type(value) is not bool:
        raise UsageError(f"{where} must be true or false, not {value!r}")
    return value
