"""Reads the input of a policy: runs, each in one pass over its log, and earlier releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import IntegrityError, NotFoundError, RunNotFoundError
from aivcs.log.run import read_event, read_record
from aivcs.model.record import Head
from aivcs.model.run import RunStatus
from aivcs.policy.proposal import LABEL, PARTS, RUNS, EvidenceRun, ProposedRelease
from aivcs.specs import manifest as spec
from aivcs.store.place import START

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aivcs.model.digest import ContentDigest
    from aivcs.model.release import Evidence, ReleaseRecord
    from aivcs.model.run import RunRecord
    from aivcs.policy.late import LateEvents
    from aivcs.policy.select import Policy
    from aivcs.repository import Repository
    from aivcs.signing.check import SignatureCheck


_CHUNK = 1 << 20
"""Bytes of a blob read at once."""


class RunReading(NamedTuple):
    """The result of one pass over a run's whole log.

    Attributes:
        record: The run.
        head: The head of its log.
        last: The payload of the last event, by seq, of each requested kind.
    """

    record: RunRecord
    head: Head
    last: Mapping[str, Any]


class Grounds(NamedTuple):
    """The input for a release's verdict from the releases before it.

    Attributes:
        evidence: The runs that support it.
        label_taken_by: The seq of another spec's release with the same label, or None.
    """

    evidence: Sequence[Evidence] = ()
    label_taken_by: int | None = None


class RunReader:
    """Reads runs of a repository, each once.

    Args:
        repo: The repository.
        kinds: The kinds of events whose last payload is to be read.
        late: What annotations add to them, or None.
    """

    def __init__(
        self, repo: Repository, kinds: Collection[str] = (), late: LateEvents | None = None
    ) -> None:
        self.late = late
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
        try:
            for line, place in self._repo.store.logs.read(f"run/{run_id}"):
                first, last, log = first or line, line, place
                event = read_event(line) if self._kinds else None
                if event is None or event.kind not in self._kinds:
                    continue
                assert event.seq is not None
                if event.seq >= found.get(event.kind, (-1,))[0]:
                    found[event.kind] = event.seq, event.payload
            if not last:
                raise RunNotFoundError(run_id)
            record = read_record(first, last, run_id)
        except IntegrityError as error:
            if error.where:
                raise
            where = f"run {run_id}"
            raise IntegrityError(error.expected, error.actual, where, f"{where} {error}") from error
        payloads = {kind: payload for kind, (_, payload) in found.items()}
        return RunReading(record, Head(log.lines, log.hash), payloads)


def grounds_of(policy: Policy, record: ReleaseRecord, before: Iterable[ReleaseRecord]) -> Grounds:
    """Returns the input for a release's verdict from the releases before it.

    Args:
        policy: The policy.
        record: The release, made or to be made.
        before: The releases before it, newest first. They are read only as far as needed, and not
            at all for a rule that the policy does not have.
    """
    # Only one of the two reads what was before: of a promotion its label, else old evidence.
    is_labelled = record.action == "promote" and record.metadata.version_label is not None
    return Grounds(
        evidence_for(record, before) if policy.needs(RUNS) else (),
        label_taken(record, before) if policy.needs(LABEL) and is_labelled else None,
    )


def propose(
    policy: Policy,
    record: ReleaseRecord,
    grounds: Grounds,
    read: RunReader,
    signatures: Sequence[SignatureCheck],
) -> ProposedRelease:
    """Returns a release in the form that a policy judges.

    Args:
        policy: The policy.
        record: The release, made or to be made.
        grounds: The input from the releases before it.
        read: Reads runs and the spec.
        signatures: The checks of its signatures.

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
    )


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
    record, head, last = read(item.run_id)
    if read.late is not None and item.annotations:
        last = {**last, **read.late.payloads(item.run_id, item.annotations)}
    return EvidenceRun(
        item.run_id,
        record.status if head == item.head else RunStatus.RUNNING,
        record.summary is not None and record.summary.success,
        record.spec_digest,
        last,
    )


def _each_once(evidence: Iterable[Evidence]) -> Iterable[Evidence]:
    return {(item.run_id, item.head.lines, item.head.hash): item for item in evidence}.values()
