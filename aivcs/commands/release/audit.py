"""`aivcs release sign` and `release verify NAME`: proves offline that releases followed the rules.

For each release: whether it met, when it went live, the rules that held then. Everything that can
be computed again is computed: the chain, the stack, the blocks in force, the logs of the evidence
runs, the verdict of the recorded policy, and the signatures. A check that cannot be made is "not
proven", which is not a failure.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.release.provenance import find_release
from aivcs.errors import (
    BackendError,
    IntegrityError,
    NotFoundError,
    ReleaseNotFoundError,
    RunNotFoundError,
    SerializationError,
    StorageError,
    UnsupportedFormatError,
)
from aivcs.log.erasure import said
from aivcs.log.release_changes import entry_of
from aivcs.log.verify_release import release_problems
from aivcs.log.verify_run import DAMAGE
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseRecord, check_release_name
from aivcs.model.release_entries import Approval, Block, Signature
from aivcs.policy.approvals import NO_SIGNERS, approvals_of, check_approvals
from aivcs.policy.evidence import RunReader, grounds_of, propose
from aivcs.policy.late import LateEvents
from aivcs.policy.proposal import APPROVALS
from aivcs.policy.redactions import Redactions, are_signed
from aivcs.policy.select import evaluate, looks_at_runs, read_document
from aivcs.signing.check import TRUSTED, UNCHECKED, UNKNOWN, WRONG, SignatureCheck
from aivcs.signing.ssh import RELEASE, look
from aivcs.store.place import START
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from aivcs.model.release import Evidence
    from aivcs.model.release_entries import LogEntry
    from aivcs.policy.proposal import CheckedApproval
    from aivcs.policy.select import Policy
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Signer, Verifier

OK, FAILED, UNPROVEN = "ok", "failed", "not proven"


class Check(NamedTuple):
    """One check of an audit and its result.

    Attributes:
        seq: The entry it is about; None is the whole log.
        check: The subject: `chain`, `stack`, `block`, `evidence`, `policy`, the name of a
            rule, `forced` or `signature`.
        result: `OK`, `FAILED` or `UNPROVEN`.
        detail: The finding.
    """

    seq: int | None
    check: str
    result: str
    detail: str


def verify(
    repo: Repository,
    name: str,
    *,
    seqs: Collection[int] | None = None,
    own: Policy | None = None,
    present: Policy | None = None,
    verifier: Verifier | None,
    environment: Mapping[str, str],
    erasers: Verifier | None = None,
) -> Iterator[Check]:
    """Yields all checks of the releases of a name, oldest first.

    Args:
        repo: The repository.
        name: The agent's name.
        seqs: Only these entries, and the log as a whole; None is all.
        own: A policy of the reader, by which each release is judged as well; force does not
            override it, and what cannot be told fails.
        present: The policy that holds now, by which the newest release is judged as well, unless it
            was already: a log that was made elsewhere and copied here followed no rule of here.
        verifier: Knows the allowed signers.
        environment: The environment for ssh-keygen.
        erasers: Knows the allowed erasers; without them, a run with redacted lines proves nothing.

    Raises:
        ReleaseNotFoundError: The name has no release, or not all of these.
        UsageError: The allowed signers cannot be read.
    """
    check_release_name(name)
    if verifier is not None:
        verifier.require_readable()

    def has_blob(digest: str) -> bool:
        return repo.blobs.contains(ContentDigest(digest))

    try:
        read = list(repo.store.logs.read(f"release/{name}"))
        lines = [line for line, _ in read]
        if not read:
            raise ReleaseNotFoundError(name)
        yield Check(None, "chain", OK, f"{read[-1][1].lines} lines, head {read[-1][1].hash}")
        problems = [
            problem
            for problem in release_problems(enumerate(lines, 1), name, has_blob, DiskMap)
            if problem.severity == DAMAGE
        ]
        for problem in problems:
            yield Check(problem.line, "stack", FAILED, problem.problem)
        if not problems:
            yield Check(None, "stack", OK, "every entry follows from those before it")
        entries = [entry_of(line, name) for line in lines]
    except (IntegrityError, UnsupportedFormatError) as error:
        yield Check(None, "chain", FAILED, str(error))
        return
    proof = _Proof(repo, entries, verifier, environment, own, present, erasers)
    missing = set(seqs or ())
    for entry in entries:
        if isinstance(entry.value, ReleaseRecord) and (seqs is None or entry.value.seq in seqs):
            missing.discard(entry.value.seq)
            yield from proof.checks(entry, entry.value)
    if missing:
        raise ReleaseNotFoundError(name, f"{name} has no release @{min(missing)}")


def sign(
    repo: Repository, name: str, seq: int | None, signer: Signer, verifier: Verifier | None
) -> tuple[Signature, SignatureCheck | None]:
    """Signs a release. Returns the signature entry, and the signer.

    Args:
        repo: The repository.
        name: The agent's name.
        seq: The entry.
        signer: The key.
        verifier: Finds the signer; None leaves the signer unknown.

    Raises:
        ReleaseNotFoundError: The name has no such release.
        UsageError: The allowed signers cannot be read.
        BackendError: The signature could not be made.
    """
    entry, record = find_release(repo, name, seq)
    if verifier is not None:  # before a key has to be touched for nothing
        verifier.require_readable()
    signature = signer.sign(entry.hash, RELEASE)
    signed = verifier.check(entry.hash, signature, RELEASE, None) if verifier else None
    return repo.releases.add_signature(name, record.seq, entry.hash, signature), signed


class _Proof:
    """The facts about the whole log that the checks of an entry need."""

    def __init__(
        self,
        repo: Repository,
        entries: Sequence[LogEntry],
        verifier: Verifier | None,
        environment: Mapping[str, str],
        own: Policy | None,
        present: Policy | None,
        erasers: Verifier | None,
    ) -> None:
        self._repo = repo
        self._erasers = erasers
        self._own = own
        self._present = present
        self._verifier = verifier
        self._environment = environment
        self._approval_entries = [e for e in entries if isinstance(e.value, Approval | Block)]
        self._last_approvals: tuple[int, Sequence[CheckedApproval]] = (0, ())
        self._releases: list[ReleaseRecord] = []
        self._signatures: dict[int, list[Signature]] = {}
        self._blocks: dict[str, list[Block]] = {}
        for entry in entries:
            if isinstance(entry.value, Signature):
                self._signatures.setdefault(entry.value.signed_seq, []).append(entry.value)
            elif isinstance(entry.value, Block):
                self._blocks.setdefault(entry.value.spec_digest, []).append(entry.value)
            elif not isinstance(entry.value, Approval):
                self._releases.append(entry.value)

    def checks(self, entry: LogEntry, record: ReleaseRecord) -> Iterator[Check]:
        yield self._block(record)
        broken = False
        for item in record.evidence:
            check = self._evidence(record, item)
            broken = broken or check.result == FAILED
            yield check
        signatures = [self._signed(entry, mark) for mark in self._signatures.get(record.seq, [])]
        yield from self._policy(record, signatures, is_broken=broken)
        if self._own is not None and not broken:
            yield from self._verdicts(record, self._own, signatures, is_own=True)
        if not broken and record.seq == self._releases[-1].seq:
            yield from self._present_verdicts(record, signatures)
        if record.forced:
            why = record.metadata.notes
            yield Check(record.seq, "forced", UNPROVEN, f"against the rules: {why}")
        yield from self._approvals(record)
        if not signatures:
            yield Check(record.seq, "signature", UNPROVEN, "it is not signed")
        for signed in signatures:
            yield _signature(record.seq, signed)

    def _approvals(self, record: ReleaseRecord) -> Iterator[Check]:
        for approval, signed, _ in self._checked_approvals(record):
            if signed.state == TRUSTED:
                yield Check(record.seq, "approval", OK, f"@{approval.seq} by {signed.detail}")
            else:
                why = f"@{approval.seq}, {approval.by} by their own word: {signed.detail}"
                yield Check(record.seq, "approval", UNPROVEN, why)

    def _checked_approvals(self, record: ReleaseRecord) -> Sequence[CheckedApproval]:
        """The approvals of a release's spec before it; those of the last release asked for."""
        if self._last_approvals[0] != record.seq:
            found = approvals_of(record.spec_digest, self._approval_entries, record.seq)
            checked = check_approvals(found, self._verifier, record.created_at)
            self._last_approvals = record.seq, checked
        return self._last_approvals[1]

    def _promoters(
        self, record: ReleaseRecord, signatures: Sequence[SignatureCheck]
    ) -> Sequence[SignatureCheck]:
        """The signature of who promoted: the first that counts of those right behind the entry.

        The log does not tell which others came with the entry and which were added later.
        """
        marks = self._signatures.get(record.seq, [])
        pairs = enumerate(zip(marks, signatures, strict=True), record.seq + 1)
        found = [signed for seq, (mark, signed) in pairs if mark.seq == seq]
        return [signed for signed in found if signed.state == TRUSTED][:1] or found

    def _block(self, record: ReleaseRecord) -> Check:
        marks = [m for m in self._blocks.get(record.spec_digest, ()) if m.seq < record.seq]
        if marks and marks[-1].is_block:
            return Check(record.seq, "block", FAILED, f"the spec was blocked at @{marks[-1].seq}")
        return Check(record.seq, "block", OK, "the spec was not blocked")

    def _evidence(self, record: ReleaseRecord, item: Evidence) -> Check:
        """Checks that a run's log still has the line that was its head."""
        log = START
        link = ""
        redactions = Redactions(self._repo, f"run/{item.run_id}")
        try:
            for line, log in self._repo.store.logs.read(f"run/{item.run_id}"):
                redactions.look(log.lines, line)
                if log.lines == item.head.lines:
                    link = log.hash
        except StorageError as error:
            if error.is_store_away:
                raise
            return Check(record.seq, "evidence", FAILED, f"run {item.run_id}: {error}")
        if not log.lines:
            return self._gone(record, item)
        if link != item.head.hash:
            has = f"the hash {link}" if link else f"only {log.lines} lines"
            return Check(
                record.seq,
                "evidence",
                FAILED,
                f"run {item.run_id} has {has}, where line {item.head.lines} had {item.head.hash}",
            )
        detail = f"run {item.run_id} has line {item.head.lines} as it was"
        if not are_signed(redactions.records, self._erasers):
            detail += (
                "; no allowed eraser (signing.allowed_erasers) signed for its redacted lines, so "
                "nothing proves the lines before them"
            )
            return Check(record.seq, "evidence", UNPROVEN, detail)
        return Check(record.seq, "evidence", OK, detail)

    def _gone(self, record: ReleaseRecord, item: Evidence) -> Check:
        """Returns the check for a run that is not there: erased on purpose, or lost."""
        found = self._repo.erasures.load().logs.get(f"run/{item.run_id}")
        if found is None:
            return Check(record.seq, "evidence", FAILED, f"run {item.run_id} is not in this store")
        for target, stored in found:
            is_same = (item.head.lines, item.head.hash) == (target.lines, target.head)
            if item.head.lines < target.lines or is_same:
                detail = f"run {item.run_id} was {said(stored.value)}"
                return Check(record.seq, "evidence", UNPROVEN, detail)
        detail = (
            f"run {item.run_id} was {said(found[0][1].value)}; but its log was not the one that is "
            "evidence"
        )
        return Check(record.seq, "evidence", FAILED, detail)

    def _policy(
        self, record: ReleaseRecord, signatures: list[SignatureCheck], *, is_broken: bool
    ) -> Iterator[Check]:
        if record.policy is None:
            yield Check(record.seq, "policy", UNPROVEN, "no policy was applied")
            return
        try:
            policy = read_document(self._repo.blobs.get(record.policy))
        except UnsupportedFormatError as error:
            yield Check(record.seq, "policy", UNPROVEN, str(error))
            return
        except (NotFoundError, IntegrityError, SerializationError) as error:
            yield Check(record.seq, "policy", FAILED, f"policy {record.policy}: {error}")
            return
        yield Check(record.seq, "policy", OK, f"policy {record.policy} is as it was applied")
        if is_broken:
            yield Check(record.seq, "policy", FAILED, "its rules cannot be met by this evidence")
            return
        yield from self._verdicts(record, policy, signatures)

    def _present_verdicts(
        self, record: ReleaseRecord, signatures: list[SignatureCheck]
    ) -> Iterator[Check]:
        """Judges a release by the policy that holds now, if it was promoted under another or none.

        Without any policy it followed no rule, and fails. Under another policy it met the rules of
        its day, so what it lacks today is only not proven.
        """
        policy = self._present
        if policy is None or record.policy == ContentDigest.from_bytes(policy.document()):
            return
        for check in self._verdicts(record, policy, signatures, is_own=record.policy is None):
            if check.result != OK and record.policy is not None:
                detail = f"under the policy that holds now: {check.detail}"
                yield check._replace(result=UNPROVEN, detail=detail)
            else:
                yield check

    def _verdicts(
        self,
        record: ReleaseRecord,
        policy: Policy,
        signatures: list[SignatureCheck],
        *,
        is_own: bool = False,
    ) -> Iterator[Check]:
        at = bisect_left(self._releases, record.seq, key=lambda other: other.seq)
        before = (self._releases[earlier] for earlier in range(at - 1, -1, -1))
        try:
            grounds = grounds_of(policy, record, before)
            late = LateEvents(self._repo, policy, self._verifier, record.created_at)
            read = RunReader(self._repo, policy.kinds, late)
            approvals = self._checked_approvals(record) if policy.needs(APPROVALS) else ()
            release = propose(policy, record, grounds, read, signatures, approvals)
            release = release._replace(promoters=self._promoters(record, signatures))
        except (RunNotFoundError, IntegrityError) as error:
            run_id = getattr(error, "run_id", "")
            is_erased = f"run/{run_id}" in self._repo.erasures.load().logs
            yield Check(record.seq, "policy", UNPROVEN if is_erased else FAILED, str(error))
            return
        unmet = UNPROVEN if record.forced and not is_own else FAILED
        unknown = FAILED if is_own else UNPROVEN
        is_proven = read.all_signed(self._erasers)
        for verdict in evaluate(policy, release):
            result = {True: OK, None: unknown, False: unmet}[verdict.ok]
            detail = f"found {verdict.found}, needed {verdict.needed}"
            if result == OK and not is_proven and looks_at_runs(policy, verdict.rule):
                result = unknown
                detail = f"{detail}; no allowed eraser signed for redacted lines of the evidence"
            yield Check(record.seq, verdict.rule, result, detail)

    def _signed(self, entry: LogEntry, mark: Signature) -> SignatureCheck:
        if mark.signed_hash != entry.hash:
            return SignatureCheck(WRONG, f"mark @{mark.seq} is of the hash {mark.signed_hash}")
        try:
            if self._verifier is not None:
                return self._verifier.check(entry.hash, mark.signature, RELEASE, mark.created_at)
            found = look(entry.hash, mark.signature, RELEASE, self._environment)
        except BackendError as error:
            return SignatureCheck(UNCHECKED, str(error))
        if found.state == UNKNOWN:
            return SignatureCheck(UNCHECKED, f"{found.detail}; {NO_SIGNERS}", found.fingerprint)
        return found


def _signature(seq: int, signed: SignatureCheck) -> Check:
    if signed.state == TRUSTED:
        return Check(seq, "signature", OK, f"by {signed.detail}")
    if signed.state == WRONG:
        return Check(seq, "signature", FAILED, f"it is not of this entry: {signed.detail}")
    what = "not by an allowed signer" if signed.state == UNKNOWN else "by whom is not known"
    return Check(seq, "signature", UNPROVEN, f"{what}: {signed.detail}")
