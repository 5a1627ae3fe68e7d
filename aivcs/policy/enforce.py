"""What stands between a release and the log: policies, and signatures.

`GuardedReleases` is the registry of a repository behind a gate: its changes are judged by the
policies that hold for the name, and signed if there is a signer. All of that happens before the log
is locked, by what was seen of it; if the log has moved on meanwhile, it is judged anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import ConflictError, PolicyError, UsageError
from aivcs.model import ContentDigest, Head, RunStatus
from aivcs.policy.rules import PLANNED, TRUSTED, UNCHECKED, Attested, Candidate, Signed
from aivcs.policy.select import evaluate, policy_for
from aivcs.signing.ssh import RELEASE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from aivcs.model import Evidence, ReleaseMetadata, ReleaseRecord
    from aivcs.policy.rules import Verdict
    from aivcs.policy.select import Policy, Table
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Signer, Verifier

ATTEMPTS = 10
"""How often a change is judged anew because the log has moved on."""
NO_SIGNERS = "signing.allowed_signers is not set"


class Gate(NamedTuple):
    """What a change has to pass.

    Attributes:
        policies: The policy table of each configuration file that has one, strongest first, after
            the file's name.
        signer: Who signs, or None.
        verifier: Who knows whose signatures count, or None.
    """

    policies: Sequence[tuple[str, Table]] = ()
    signer: Signer | None = None
    verifier: Verifier | None = None


class GuardedReleases:
    """Promotes and rolls back as the registry does, if the policies allow it.

    What it promotes and what it stores, the policy, must not vanish before the log refers to it: so
    it is called in `Repository.hold`.

    Attributes:
        verdicts: What each rule said of the last change.
        was_forced: Whether that change was made against them.
        is_refused: Whether they refused it.
        signed_by: Who signed it, if somebody did and that is known.
    """

    def __init__(self, repo: Repository, gate: Gate) -> None:
        """Takes the repository whose registry is guarded."""
        self.verdicts: list[Verdict] = []
        self.was_forced = self.is_refused = False
        self.signed_by = ""
        self._repo = repo
        self._gate = gate

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: ContentDigest | int | str | None = None,
        evidence: Iterable[Evidence] = (),
        forced: bool = False,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """Makes a spec live, as `ReleaseRegistry.promote`.

        Args:
            name: See there, as for all that follow but the last two.
            spec_digest: See there.
            metadata: See there.
            expect: See there.
            evidence: See there.
            forced: Whether rules may be broken, if the notes say why.
            dry_run: Whether only to judge: then what is against the rules is no error.

        Raises:
            PolicyError: A rule is not met.
            ConflictError: As there; or the log kept moving on.
            UsageError: A policy is not understood, or what is forced has no reason.
            BackendError: No signature could be made.
        """
        change = partial(
            self._repo.releases.promote,
            name,
            spec_digest,
            metadata,
            expect=expect,
            evidence=tuple(evidence),
        )
        return self._pass(name, change, forced=forced, dry_run=dry_run)

    def rollback(
        self,
        name: str,
        *,
        to: ContentDigest | int | str | None = None,
        metadata: ReleaseMetadata | None = None,
        expect: ContentDigest | int | str | None = None,
        block: bool = False,
        forced: bool = False,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """Makes an earlier release live again, as `ReleaseRegistry.rollback`.

        What counts as evidence is that of the spec's newest promotion.

        Args:
            name: See there, as for all that follow but the last two.
            to: See there.
            metadata: See there.
            expect: See there.
            block: See there.
            forced: As for `promote`.
            dry_run: As for `promote`.

        Raises:
            PolicyError: A rule is not met.
            ReleaseNotFoundError: As there.
            NoPreviousReleaseError: As there.
            ConflictError: As there; or the log kept moving on.
            UsageError: A policy is not understood, or what is forced has no reason.
            BackendError: No signature could be made.
        """
        change = partial(
            self._repo.releases.rollback, name, to=to, metadata=metadata, expect=expect, block=block
        )
        return self._pass(name, change, forced=forced, dry_run=dry_run)

    def _pass(
        self, name: str, change: Callable[..., ReleaseRecord], *, forced: bool, dry_run: bool
    ) -> ReleaseRecord:
        policy = policy_for(name, self._gate.policies)
        for _ in range(ATTEMPTS):
            seen = self._head(name)
            try:
                return self._attempt(
                    partial(change, seen=seen), policy, forced=forced, dry_run=dry_run
                )
            except PolicyError:
                raise
            except ConflictError:
                # What was signed is not signed again behind the back of who holds the key.
                if self._gate.signer is not None or self._head(name) == seen:
                    raise
        raise ConflictError(
            f"{name}: the log moved on {ATTEMPTS} times while the change was judged; nothing was "
            "changed. Try again"
        )

    def _attempt(
        self,
        change: Callable[..., ReleaseRecord],
        policy: Policy | None,
        *,
        forced: bool,
        dry_run: bool,
    ) -> ReleaseRecord:
        """Judges a change by what was seen of the log, and makes it if nothing came between."""
        document = policy.document() if policy else b""
        change = partial(change, policy=ContentDigest.from_bytes(document) if policy else None)
        planned = change(dry_run=True)
        self._judge(policy, planned, self._planned_signatures())
        is_met = all(verdict.ok for verdict in self.verdicts)
        self.was_forced, self.is_refused = forced and not is_met, not forced and not is_met
        if self.was_forced and not (planned.metadata.notes or "").strip():
            raise UsageError("what is forced needs a reason, which is recorded with it")
        if dry_run:
            return change(forced=True, dry_run=True) if self.was_forced else planned
        if self.is_refused:
            raise PolicyError(planned.name, self.verdicts)
        if self._gate.signer is None:
            self._store(document)
            return change(forced=self.was_forced)

        def sign(text: str) -> str:
            signature = self._sign(text, policy, planned)
            self._store(document)
            return signature

        return change(forced=self.was_forced, sign=sign)

    def _head(self, name: str) -> Head:
        standing = self._repo.releases.standing(name)
        return standing.head if standing else Head(0, "")

    def _store(self, document: bytes) -> None:
        """Stores the policy, when all that could be refused was not."""
        if document:
            self._repo.blobs.put(document)

    def _planned_signatures(self) -> list[Signed]:
        if self._gate.signer is None:
            return []
        if self._gate.verifier is None:
            return [Signed(UNCHECKED, NO_SIGNERS)]
        return [Signed(PLANNED, "")]

    def _sign(self, text: str, policy: Policy | None, planned: ReleaseRecord) -> str:
        """Signs the hash of the entry to be, and looks whether that is what the policy wants."""
        assert self._gate.signer is not None
        if self._gate.verifier is not None:  # before somebody touches a key for nothing
            self._gate.verifier.require_readable()
        signature = self._gate.signer.sign(text, RELEASE)
        if self._gate.verifier is not None:
            signed = self._gate.verifier.check(text, signature, RELEASE, None)
            self.signed_by = signed.detail if signed.state == TRUSTED else ""
            if policy is not None and "require_signature" in policy.rules and not self.was_forced:
                self._judge(policy, planned, [signed])
                if not all(verdict.ok for verdict in self.verdicts):
                    raise PolicyError(planned.name, self.verdicts)
        return signature

    def _judge(
        self, policy: Policy | None, planned: ReleaseRecord, signatures: Sequence[Signed]
    ) -> None:
        if policy is None:
            self.verdicts = []
            return
        before = self._repo.releases.iter_history(planned.name)
        candidate = candidate_of(self._repo, policy, planned, before, signatures)
        self.verdicts = evaluate(policy, candidate)


def candidate_of(
    repo: Repository,
    policy: Policy,
    record: ReleaseRecord,
    before: Iterable[ReleaseRecord],
    signatures: Sequence[Signed],
) -> Candidate:
    """Returns what a policy looks at in a release.

    Args:
        repo: Where the runs are.
        policy: What it is gathered for; what the policy does not ask for is not read.
        record: The release, made or to be made.
        before: The releases before it, newest first.
        signatures: What is known of its signatures.

    Raises:
        RunNotFoundError: A run that is its evidence is not there.
        IntegrityError: What is read is damaged.
    """
    is_rollback = record.action == "rollback"
    wants_runs = bool(policy.rules.keys() & {"require_runs", "require_event"})
    evidence = evidence_for(record, before) if wants_runs else ()
    taken = None
    if "unique_label" in policy.rules and record.metadata.version_label and not is_rollback:
        taken = label_taken(record, before)
    return Candidate(
        name=record.name,
        spec_digest=record.spec_digest,
        label=record.metadata.version_label,
        notes=record.metadata.notes,
        evidence=attest(repo, evidence, policy.kinds),
        is_rollback=is_rollback,
        label_taken_by=taken,
        signatures=signatures,
    )


def label_taken(record: ReleaseRecord, before: Iterable[ReleaseRecord]) -> int | None:
    """Returns the newest release of another spec before one that bears its label, or None."""
    label = record.metadata.version_label
    return next(
        (
            other.seq
            for other in before
            if other.metadata.version_label == label and other.spec_digest != record.spec_digest
        ),
        None,
    )


def evidence_for(record: ReleaseRecord, before: Iterable[ReleaseRecord]) -> tuple[Evidence, ...]:
    """Returns the runs that speak for a release.

    A rollback brings none of its own: those of its spec's newest promotion speak for it.

    Args:
        record: The release.
        before: The releases before it, newest first; read only of a rollback.
    """
    if record.action == "promote":
        return record.evidence
    for other in before:
        if other.action == "promote" and other.spec_digest == record.spec_digest:
            return other.evidence
    return ()


def attest(
    repo: Repository, evidence: Iterable[Evidence], kinds: Collection[str]
) -> list[Attested]:
    """Returns what the runs that are given as evidence say, each once.

    A run counts as running if what was given is not the end of its log.

    Raises:
        RunNotFoundError: There is no such run.
        IntegrityError: Its log is damaged.
    """
    attested = []
    for item in dict.fromkeys((item.run_id, item.head.lines, item.head.hash) for item in evidence):
        run_id, *_ = item
        record = repo.runs.get_run(run_id)
        last = {}
        if kinds:
            for event in repo.runs.iter_events(run_id):
                if event.kind in kinds:
                    last[event.kind] = event.payload
        is_whole = repo.runs.head(run_id) == Head(*item[1:])
        attested.append(
            Attested(
                run_id,
                record.status if is_whole else RunStatus.RUNNING,
                record.summary is not None and record.summary.success,
                record.spec_digest,
                last,
            )
        )
    return attested
