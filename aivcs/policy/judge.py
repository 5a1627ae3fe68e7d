"""Judges a planned release by the policy for its name, and signs it."""

from __future__ import annotations

from aivcs.errors import PolicyError, UsageError
from aivcs.log.release_changes import encode, signature_of
from aivcs.model.digest import ContentDigest
from aivcs.model.release_entries import NAMESPACE
from aivcs.policy.approvals import NO_SIGNERS, approvals_of, check_approvals
from aivcs.policy.evidence import RunReader, grounds_of, propose
from aivcs.policy.late import LateEvents
from aivcs.policy.proposal import APPROVALS, LABEL
from aivcs.policy.rules.evidence_from import NAME as EVIDENCE_FROM
from aivcs.policy.rules.late import NAME as LATE
from aivcs.policy.select import evaluate, policy_for
from aivcs.signing.check import PLANNED, TRUSTED, UNCHECKED, SignatureCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.log.release_changes import ReleaseChange, ReleaseView
    from aivcs.policy.enforce import Outcome, PolicyContext
    from aivcs.policy.evidence import Grounds
    from aivcs.policy.proposal import CheckedApproval, Verdict
    from aivcs.repository import Repository


class Judge:
    """Judges and signs planned changes of one name.

    Attributes:
        read: Reads runs, with the events that the policy looks at.
        is_signing: Whether changes are signed.
        judges_labels: Whether the policy decides about labels.
    """

    def __init__(self, repo: Repository, name: str, context: PolicyContext, *, force: bool) -> None:
        """Finds the policy that holds for a name.

        Args:
            repo: Where runs are, and where the policy is stored.
            name: The name.
            context: The policies and who signs.
            force: Whether rules may be broken, if the notes say why.

        Raises:
            UsageError: A policy is not understood.
        """
        self._repo = repo
        self._name = name
        self._force = force
        self._signers = context.signers
        self._verifier = context.verifier
        self._policy = policy_for(name, context.policies)
        self._document = self._policy.document() if self._policy else b""
        self._grounds: Grounds | None = None
        self._approvals: Sequence[CheckedApproval] = ()
        self.is_signing = bool(context.signers)
        self.judges_labels = self._policy is not None and self._policy.needs(LABEL)
        kinds = self._policy.kinds if self._policy else ()
        late = None
        rules = self._policy.rules if self._policy else {}
        if self._policy is not None and (rules.get(LATE) or rules.get(EVIDENCE_FROM)):
            late = LateEvents(repo, self._policy, context.verifier)
        self.read = RunReader(repo, kinds, late, context.erasers)

    def look(self, view: ReleaseView, change: ReleaseChange) -> None:
        """Reads the input from the releases before a change from a view."""
        if self._policy is None:
            return
        release = change.release
        choose = self.read.late.choose if self.read.late is not None else None
        self._grounds = grounds_of(self._policy, release, view.releases(), choose)
        if self._policy.needs(APPROVALS):
            found = approvals_of(release.spec_digest, view.entries(), release.seq)
            store = self._repo.identity if found else None
            self._approvals = check_approvals(found, self._verifier, None, store)

    def judge(self, outcome: Outcome) -> None:
        """Judges a planned change and adds policy and `forced` to it.

        Raises:
            UsageError: The change is forced, and the notes give no reason.
        """
        self._evaluate(outcome, self._planned_signatures())
        is_met = all(verdict.ok for verdict in outcome.verdicts)
        outcome.is_forced, outcome.is_refused = self._force and not is_met, False
        if outcome.is_forced and not (outcome.release.metadata.notes or "").strip():
            raise UsageError("a forced release needs a reason, which is recorded with it")
        outcome.is_refused = not is_met and not self._force
        if self._document:
            policy = ContentDigest.from_bytes(self._document)
            outcome.change = outcome.change.resting_on(
                policy=policy,
                forced=outcome.is_forced,
                baseline=self._grounds.baseline if self._grounds else (),
            )

    def settle(self, outcome: Outcome) -> None:
        """Signs a change that may be made, and stores the policy.

        Raises:
            PolicyError: A rule is not met.
            ConflictError: The log has grown before the change was signed.
            BackendError: No signature could be made.
        """
        if outcome.is_refused:
            raise PolicyError(self._name, outcome.verdicts)
        if self._signers:
            self._sign(outcome)
        if self._document:
            self._repo.blobs.put(self._document)

    def _evaluate(self, outcome: Outcome, signatures: Sequence[SignatureCheck]) -> None:
        verdicts: list[Verdict] = []
        if self._policy is not None and self._grounds is not None:
            release = propose(
                self._policy,
                outcome.release,
                self._grounds,
                self.read,
                signatures,
                self._approvals,
            )
            verdicts = evaluate(self._policy, release)
        outcome.verdicts = verdicts

    def _planned_signatures(self) -> list[SignatureCheck]:
        if self._verifier is None:
            return [SignatureCheck(UNCHECKED, NO_SIGNERS) for _ in self._signers]
        return [SignatureCheck(PLANNED, "", each.fingerprint()) for each in self._signers]

    def _sign(self, outcome: Outcome) -> None:
        """Signs the hash of the planned entry, and judges again with these signatures."""
        if self._verifier is not None:  # before somebody touches a hardware key in vain
            self._verifier.require_readable()
        with self._repo.releases.view(self._name) as view:
            view.require_head(outcome.change.if_head)
            _, link = encode(view, outcome.change.entries)[-1]
        texts = [signer.sign(link, NAMESPACE) for signer in self._signers]
        seq = outcome.release.seq
        outcome.change = outcome.change.signed(
            *(
                signature_of(self._name, seq + number, seq, link, text)
                for number, text in enumerate(texts, 1)
            )
        )
        if self._verifier is None:
            return
        signed = [self._verifier.check(link, text, NAMESPACE, None) for text in texts]
        outcome.signed_by = ", ".join(each.detail for each in signed if each.state == TRUSTED)
        if outcome.is_forced:
            return
        self._evaluate(outcome, signed)
        if not all(verdict.ok for verdict in outcome.verdicts):
            raise PolicyError(self._name, outcome.verdicts)
