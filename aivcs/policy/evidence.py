"""Reads the input of a policy: runs, each in one pass over its log, and earlier releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import IntegrityError, NotFoundError, RunNotFoundError
from aivcs.log.run import read_event, read_record
from aivcs.model.record import Head
from aivcs.model.release import Evidence
from aivcs.model.run import RunStatus
from aivcs.policy.proposal import (
    BASELINE,
    HIGHEST,
    LABEL,
    PARTS,
    REDACTED,
    RUNS,
    Baseline,
    EvidenceRun,
    ProposedRelease,
)
from aivcs.policy.redactions import Redactions, are_signed
from aivcs.policy.version import highest
from aivcs.specs import manifest as spec
from aivcs.store.place import START

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from aivcs.model.digest import ContentDigest
    from aivcs.model.erasure import StoredErasure
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.run import RunRecord
    from aivcs.policy.late import LateEvents
    from aivcs.policy.proposal import CheckedApproval
    from aivcs.policy.select import Policy
    from aivcs.repository import Repository
    from aivcs.signing.check import SignatureCheck
    from aivcs.signing.ssh import Verifier


_CHUNK = 1 << 20
"""Bytes of a blob read at once."""


class RunReading(NamedTuple):
    """The result of one pass over a run's whole log.

    Attributes:
        record: The run.
        head: The head of its log.
        last: The payload of the last event, by seq, of each requested kind; `REDACTED` if it was
            erased.
        redacted: The records of each redacted line.
    """

    record: RunRecord
    head: Head
    last: Mapping[str, Any]
    redacted: Sequence[Sequence[StoredErasure]] = ()


class Grounds(NamedTuple):
    """The input for a release's verdict from the releases before it.

    Attributes:
        evidence: The runs that support it.
        label_taken_by: The seq of another spec's release with the same label, or None.
        highest: The release whose label is the highest version, or None.
        live: The release that is live before it, or None.
        baseline: The evidence of that one.
    """

    evidence: Sequence[Evidence] = ()
    label_taken_by: int | None = None
    highest: ReleaseRecord | None = None
    live: ReleaseRecord | None = None
    baseline: tuple[Evidence, ...] = ()


class RunReader:
    """Reads runs of a repository, each once.

    Args:
        repo: The repository.
        kinds: The kinds of events whose last payload is to be read.
        late: What annotations add to them, or None.
        erasers: Knows who must have signed the erasures in a run that counts; None lets anybody
            have erased.
    """

    def __init__(
        self,
        repo: Repository,
        kinds: Collection[str] = (),
        late: LateEvents | None = None,
        erasers: Verifier | None = None,
    ) -> None:
        self.late = late
        self._erasers = erasers
        self._repo = repo
        self._kinds = kinds
        self._known: dict[str, RunReading] = {}

    def __call__(self, run_id: str) -> RunReading:
        """Returns the reading of a run, whose whole log is checked.

        Raises:
            RunNotFoundError: No run has this id.
            IntegrityError: The run's log is damaged.
        """
        if run_id not in self._known:
            self._known[run_id] = self._read(run_id)
        return self._known[run_id]

    def all_signed(self, erasers: Verifier | None) -> bool:
        """Tells whether allowed erasers signed for each redacted line of the runs read so far."""
        return all(are_signed(reading.redacted, erasers) for reading in self._known.values())

    def is_proven(self, run_id: str) -> bool:
        """Tells whether those who must sign erasures did so for each redacted line of a run.

        Raises:
            RunNotFoundError: No run has this id.
            IntegrityError: The run's log is damaged.
        """
        redacted = self(run_id).redacted
        if not redacted or self._erasers is None:
            return True
        return are_signed(redacted, self._erasers)

    def is_unproven(self, run_id: str) -> bool:
        """Tells whether a run has redacted lines, and nobody says who may erase.

        Raises:
            RunNotFoundError: No run has this id.
            IntegrityError: The run's log is damaged.
        """
        return self._erasers is None and bool(self(run_id).redacted)

    def missing_parts(self, digest: ContentDigest) -> list[str] | None:
        """Returns the parts that a spec lacks; None if it is not stored, or has no parts.

        Raises:
            IntegrityError: It is damaged.
        """
        try:
            with self._repo.blobs.open(digest) as stream:
                data = stream.read(spec.MAX_SPEC + 1)
                while stream.read(_CHUNK):  # to the end, where it is verified
                    pass
        except NotFoundError:
            return None
        fields = spec.parse_spec(data)
        if fields is None:
            return None
        return [part for part in spec.PARTS if not spec.part_digest(fields, part)]

    def _read(self, run_id: str) -> RunReading:
        log = START
        first = last = b""
        found: dict[str, tuple[int, Any]] = {}
        redactions = Redactions(self._repo, f"run/{run_id}")
        try:
            for line, place in self._repo.store.logs.read(f"run/{run_id}"):
                first, last, log = first or line, line, place
                redactions.look(place.lines, line)
                event = read_event(line) if self._kinds else None
                if event is None or event.kind not in self._kinds:
                    continue
                assert event.seq is not None
                if event.seq >= found.get(event.kind, (-1,))[0]:
                    payload = REDACTED if event.redacted else event.payload
                    found[event.kind] = event.seq, payload
            if not last:
                raise RunNotFoundError(run_id)
            record = read_record(first, last, run_id)
        except IntegrityError as error:
            if error.where:
                raise
            where = f"run {run_id}"
            raise IntegrityError(error.expected, error.actual, where, f"{where} {error}") from error
        payloads = {kind: payload for kind, (_, payload) in found.items()}
        return RunReading(record, Head(log.lines, log.hash), payloads, redactions.records)


def grounds_of(
    policy: Policy,
    record: ReleaseRecord,
    before: Iterable[ReleaseRecord],
    choose: Callable[[str], tuple[ContentDigest, ...]] | None = None,
) -> Grounds:
    """Returns the input for a release's verdict from the releases before it.

    Args:
        policy: The policy.
        record: The release, made or to be made.
        before: The releases before it, newest first. They are read only as far as needed, and not
            at all for a rule that the policy does not have.
        choose: Chooses the annotations of the runs of the live release that count now; None takes
            those that the record names, or those of the live release.

    Raises:
        IntegrityError: The record names another baseline than the evidence of the live release.
    """
    earlier = _Earlier(before)
    is_promotion = record.action == "promote"
    is_labelled = is_promotion and record.metadata.version_label is not None
    live: ReleaseRecord | None = None
    baseline: tuple[Evidence, ...] = ()
    if is_promotion and policy.needs(BASELINE):
        live = next(iter(earlier), None)
        baseline = _baseline(record, live, earlier, choose)
    return Grounds(
        evidence_for(record, earlier) if policy.needs(RUNS) else (),
        label_taken(record, earlier) if policy.needs(LABEL) and is_labelled else None,
        highest(earlier) if policy.needs(HIGHEST) and is_promotion else None,
        live,
        baseline,
    )


class _Earlier:
    """Earlier releases, newest first: each read once, and only as far as somebody asks."""

    def __init__(self, releases: Iterable[ReleaseRecord]) -> None:
        self._read: list[ReleaseRecord] = []
        self._rest = iter(releases)

    def __iter__(self) -> Iterator[ReleaseRecord]:
        at = 0
        while True:
            if at == len(self._read):
                record = next(self._rest, None)
                if record is None:
                    return
                self._read.append(record)
            yield self._read[at]
            at += 1


def _baseline(
    record: ReleaseRecord,
    live: ReleaseRecord | None,
    earlier: Iterable[ReleaseRecord],
    choose: Callable[[str], tuple[ContentDigest, ...]] | None,
) -> tuple[Evidence, ...]:
    """The evidence of what is live, with the annotations by which a release is judged."""
    if live is None:
        return ()
    runs = evidence_for(live, (other for other in earlier if other.seq < live.seq))
    if choose is not None:
        return tuple(
            Evidence(run.run_id, run.head, choose(run.run_id) or run.annotations) for run in runs
        )
    if not record.baseline:
        return tuple(runs)
    if [(run.run_id, run.head) for run in record.baseline] != [(r.run_id, r.head) for r in runs]:
        raise IntegrityError.of(
            f"the baseline of @{record.seq} is not the evidence of @{live.seq}, which was live"
        )
    return record.baseline


def propose(
    policy: Policy,
    record: ReleaseRecord,
    grounds: Grounds,
    read: RunReader,
    signatures: Sequence[SignatureCheck],
    approvals: Sequence[CheckedApproval] = (),
) -> ProposedRelease:
    """Returns a release in the form that a policy judges.

    Args:
        policy: The policy.
        record: The release, made or to be made.
        grounds: The input from the releases before it.
        read: Reads runs and the spec.
        signatures: The checks of its signatures.
        approvals: The approvals of its spec, checked.

    Raises:
        RunNotFoundError: An evidence run does not exist.
        IntegrityError: The log of a run, or the spec, is damaged.
    """
    return ProposedRelease(
        name=record.name,
        spec_digest=record.spec_digest,
        label=record.metadata.version_label,
        notes=record.metadata.notes,
        evidence=[_attested(item, read) for item in _each_once(grounds.evidence)],
        is_rollback=record.action == "rollback",
        label_taken_by=grounds.label_taken_by,
        signatures=signatures,
        missing_parts=read.missing_parts(record.spec_digest) if policy.needs(PARTS) else None,
        promoted_by=record.metadata.promoted_by,
        created_at=record.created_at,
        highest=grounds.highest,
        baseline=_read_baseline(grounds, read),
        approvals=approvals,
        takes_late=read.late.takes if read.late is not None else "",
    )


def _read_baseline(grounds: Grounds, read: RunReader) -> Baseline | None:
    """What is live and its evidence, with the runs of it that are not in this store (any more)."""
    live = grounds.live
    if live is None:
        return None
    runs, missing = [], []
    for item in _each_once(grounds.baseline):
        try:
            runs.append(_attested(item, read))
        except RunNotFoundError:
            missing.append(item.run_id)
    return Baseline(live.seq, live.spec_digest, runs, tuple(missing))


def label_taken(record: ReleaseRecord, before: Iterable[ReleaseRecord]) -> int | None:
    """Returns the seq of the newest earlier release with the label and another spec, or None."""
    label = record.metadata.version_label
    return next(
        (
            other.seq
            for other in before
            if other.metadata.version_label == label and other.spec_digest != record.spec_digest
        ),
        None,
    )


def evidence_for(record: ReleaseRecord, before: Iterable[ReleaseRecord]) -> Sequence[Evidence]:
    """Returns the evidence for a release; for a rollback, that of its spec's newest promotion.

    Args:
        record: The release.
        before: The releases before it, newest first; read only for a rollback.
    """
    if record.action == "promote":
        return record.evidence
    for other in before:
        if other.action == "promote" and other.spec_digest == record.spec_digest:
            return other.evidence
    return ()


def _attested(item: Evidence, read: RunReader) -> EvidenceRun:
    """A run counts as running if its log has another head than the evidence says."""
    record, head, own, _ = read(item.run_id)
    late: Mapping[str, Any] = {}
    if read.late is not None:
        late = read.late.payloads(item.run_id, item.annotations)
    counts_log = read.late is None or read.late.counts_log
    last = {**own, **late} if counts_log else late
    return EvidenceRun(
        item.run_id,
        record.status if head == item.head else RunStatus.RUNNING,
        record.summary is not None and record.summary.success,
        record.spec_digest,
        last,
        frozenset(own) - frozenset(last),
        is_proven=read.is_proven(item.run_id),
    )


def _each_once(evidence: Iterable[Evidence]) -> Iterable[Evidence]:
    return {(item.run_id, item.head.lines, item.head.hash): item for item in evidence}.values()
