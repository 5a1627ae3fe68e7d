"""The runs of one imported session: what is stored already is compared, what is new is appended.

Event n of a session has the seq n, whichever run holds it. A session begins in the run of its id.
Where its source parts from what is stored (another event has the seq, the run is over, or another
mapping made it), it goes on in the run `<id>.2`, then `<id>.3`, which hold only what is new. A call
of the model that the run before has at another seq, and counts, is an event `inherited` there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import ConflictError, InvalidRunStateError, RunNotFoundError
from aivcs.formats.masking import is_same_masked
from aivcs.formats.model import INHERITED, MODEL_CALLED
from aivcs.formats.values import as_text
from aivcs.model.record import MAX_NAME
from aivcs.model.run import RunEvent, RunId, RunStatus, RunSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.commands.run.large_payload import Fitted
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunMetadata, RunRecord
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository

FORMAT, MAPPING, FROM, CONTINUES = (
    "import.format", "import.mapping", "import.from", "import.continues",
)  # fmt: skip
"""Tags of an imported run: where its events come from, the first seq, the run it continues."""
_ATTEMPTS = 3
"""Times that a batch is compared again because another import came first."""


class Beginning(NamedTuple):
    """The record of a new run.

    Attributes:
        spec: The digest of the spec.
        metadata: Agent, commit and tags, without `FROM` and `CONTINUES`.
        created_at: The start of the session; None for now.
    """

    spec: ContentDigest
    metadata: RunMetadata
    created_at: Timestamp | None


class ImportedRun:
    """The runs of a session, of which one is extended.

    Attributes:
        session: The session's id.
        created: Whether this import started the run it extends.
        new: The number of events that this import stored.
        size: Bytes that wait to be stored.
        pending: The events that wait to be stored.
    """

    def __init__(
        self,
        repo: Repository,
        session: str,
        origin: tuple[str, int],
        begin: Callable[[str], Beginning],
    ) -> None:
        """Begins before the first event.

        Args:
            repo: The repository.
            session: The session's id.
            origin: The format and the version of its mapping.
            begin: Stores the spec, and returns the beginning of a new run that continues another,
                if an id is given; called in a hold.
        """
        self.session = session
        self.created = False
        self.new = 0
        self.size = 0
        self.pending: list[RunEvent] = []
        self._repo = repo
        self._origin = origin
        self._begin = begin
        self._blobs: list[bytes] = []
        self._run: _Stored | None = None
        self._counted: set[str] = set()  # answers of the model that earlier runs count

    @property
    def run_id(self) -> str:
        """The run that holds the last event so far."""
        return self._run.run_id if self._run else self.session

    @property
    def is_reading(self) -> bool:
        """Whether a file of the store is open for comparing."""
        return self._run is not None and self._run.is_open

    def rest(self) -> None:
        """Closes the file; it is opened again when needed."""
        if self._run is not None:
            self._run.close()

    def take(self, event: RunEvent, fitted: Fitted) -> None:
        """Takes the next event of the session; compares it, or keeps it until `flush`."""
        if not self.pending and self._seek(event):
            return
        self.pending.append(self._once(event))
        self._blobs += fitted.blobs
        self.size += fitted.size + 200

    @property
    def is_dated(self) -> bool:
        """Whether the run exists, or an event that waits has a time for it to begin."""
        is_there = self._run is not None and self._run.record is not None
        return is_there or any(event.timestamp is not None for event in self.pending)

    def flush(self) -> None:
        """Stores the events that wait; they are durable on return.

        Raises:
            StorageError: They could not be stored.
        """
        for attempt in range(_ATTEMPTS):
            pending, blobs = self.pending, self._blobs
            if not pending:
                return
            try:
                self._store(pending, blobs)
            except (ConflictError, InvalidRunStateError):
                if attempt == _ATTEMPTS - 1:
                    raise
                self._compare_again(pending)
                continue
            self.new += len(pending)
            self.pending, self._blobs, self.size = [], [], 0
            return

    def seal(self, status: str, duration_ms: int | None, completed_at: Timestamp | None) -> bool:
        """Ends the run, unless it is over; tells whether it did.

        Args:
            status: `completed`, `failed` or `cancelled`.
            duration_ms: How long the session took; None for the time from start to end.
            completed_at: When the session ended; None for now. A time before the run's start counts
                as its start.
        """
        run_id = self.run_id
        try:
            record = self._repo.runs.get_run(run_id)
        except RunNotFoundError:
            return False  # a session without an event
        if record.status.is_terminal or not _is_from(record, self._origin):
            return False
        runs = self._repo.runs
        end = {
            "completed": runs.complete_run,
            "failed": runs.fail_run,
            "cancelled": runs.cancel_run,
        }[status]
        moment = completed_at and max(completed_at, record.created_at)
        if run_id != self.session:  # only the rest of the session is in it
            duration_ms = None
        summary = RunSummary(success=status == "completed", duration_ms=duration_ms)
        try:
            end(run_id, summary, completed_at=moment)
        except InvalidRunStateError:
            return False  # another import ended it
        return True

    def _store(self, pending: list[RunEvent], blobs: list[bytes]) -> None:
        run = self._run
        assert run is not None
        with self._repo.hold(later=True):
            for data in blobs:
                self._repo.blobs.put(data)
            if run.record is None:
                created_at = self._create(run, pending[0])
                self.created = True
                if created_at is not None:  # what came before the first time has the first time
                    pending = [_at(event, created_at) for event in pending]
            self._repo.runs.append_events(run.run_id, pending)

    def _create(self, run: _Stored, first: RunEvent) -> Timestamp | None:
        beginning = self._begin(run.before)
        metadata, created_at = beginning.metadata, beginning.created_at
        if run.number > 1:
            metadata.tags[FROM] = first.seq
            metadata.tags[CONTINUES] = run.before
            created_at = first.timestamp or created_at
        run_id = self._repo.runs.create_run(
            beginning.spec, metadata, run_id=run.run_id, created_at=created_at
        )
        run.record = self._repo.runs.get_run(run_id)
        return created_at

    def _compare_again(self, pending: list[RunEvent]) -> None:
        """Compares events that were refused: another import has stored some of them."""
        assert self._run is not None
        self._run = _Stored(self._repo, self._run.number, self._run.run_id, self._run.before)
        self.pending = []
        for event in pending:
            if self.pending or not self._seek(event):
                self.pending.append(self._once(event))

    def _seek(self, event: RunEvent) -> bool:
        """Goes to the run that has an event, or can have it next; returns whether it is stored."""
        run = self._run = self._run or self._find(1, event)
        while (found := run.meets(event)) is not True:
            if found is None and run.may_grow(self._origin):
                return False
            self._counted |= {name for name in map(_answer, run.rest()) if name is not None}
            run.close()
            run = self._run = self._find(run.number + 1, event)
        return True

    def _once(self, event: RunEvent) -> RunEvent:
        """Returns an event; for a call of the model that counts already, one that does not."""
        return _inherited(event) if self._counted and _answer(event) in self._counted else event

    def _find(self, number: int, event: RunEvent) -> _Stored:
        """Returns the next run that has an event, or can begin with it, or that is to be made."""
        before = self._run.run_id if self._run else ""
        while True:
            run = _Stored(self._repo, number, self._id(number), before)
            if run.fits(event, self._origin):
                return run
            run.close()
            number, before = number + 1, run.run_id

    def _id(self, number: int) -> str:
        if number == 1:
            return self.session
        end = f".{number}"
        return RunId(self.session[: MAX_NAME - len(end)] + end)


class _Stored:
    """A run of a session: its record, if it exists, and its events as they are compared.

    Attributes:
        number: 1 for the first run of the session.
        run_id: Its id.
        before: The id of the run before it.
        record: Its record; None if it does not exist.
    """

    def __init__(self, repo: Repository, number: int, run_id: str, before: str) -> None:
        self.number = number
        self.run_id = run_id
        self.before = before
        self.record: RunRecord | None = None
        self._repo = repo
        self._events: Iterator[RunEvent] | None = None
        self._ahead: RunEvent | None = None
        self._is_read = False
        try:
            self.record = repo.runs.get_run(run_id)
        except RunNotFoundError:
            self._is_read = True

    @property
    def is_open(self) -> bool:
        return self._events is not None

    def close(self) -> None:
        self._events = self._ahead = None

    def fits(self, event: RunEvent, origin: tuple[str, int]) -> bool:
        """Tells whether the session is in this run from an event on, or can go on in it."""
        if self.record is None:
            return True
        first = self._peek(0)
        if first is None:
            begins = 1 if self.number == 1 else _tags(self.record).get(FROM)
            return begins == event.seq and self.may_grow(origin)
        return first.seq == event.seq and _is_same(first, event)

    def meets(self, event: RunEvent) -> bool | None:
        """Tells whether an event is stored: None if the run ends before it."""
        assert event.seq is not None
        stored = self._peek(event.seq)
        if stored is None:
            self.close()
            return None
        return stored.seq == event.seq and _is_same(stored, event)

    def rest(self) -> Iterator[RunEvent]:
        """Yields the events from the one on that was compared last."""
        if self._ahead is not None and self._events is not None:
            yield self._ahead
            yield from self._events

    def may_grow(self, origin: tuple[str, int]) -> bool:
        record = self.record
        return record is None or (record.status is RunStatus.RUNNING and _is_from(record, origin))

    def _peek(self, seq: int) -> RunEvent | None:
        """The first stored event that has this seq or a higher one; None at the end."""
        if self._is_read:
            return None
        if self._events is None:
            self._events = self._repo.runs.iter_events(self.run_id)
            self._ahead = next(self._events, None)
        while self._ahead is not None and (self._ahead.seq or 0) < seq:
            self._ahead = next(self._events, None)
        self._is_read = self._ahead is None
        return self._ahead


def _at(event: RunEvent, moment: Timestamp) -> RunEvent:
    if event.timestamp is not None:
        return event
    return RunEvent(event.kind, event.payload, seq=event.seq, timestamp=moment)


def _tags(record: RunRecord) -> dict[str, object]:
    tags = record.metadata.tags
    return tags if isinstance(tags, dict) else {}


def _is_from(record: RunRecord, origin: tuple[str, int]) -> bool:
    """Tells whether the same mapping of the same format began a run."""
    tags = _tags(record)
    return (tags.get(FORMAT), tags.get(MAPPING)) == origin


def _answer(event: RunEvent) -> str | None:
    """The id of the model's answer that an event counts."""
    if event.kind != MODEL_CALLED or not isinstance(event.payload, dict):
        return None
    return as_text(event.payload.get("message_id"))


def _inherited(event: RunEvent) -> RunEvent:
    payload = {"kind": event.kind, "payload": event.payload}
    return RunEvent(INHERITED, payload, seq=event.seq, timestamp=event.timestamp)


def _is_same(stored: RunEvent, event: RunEvent) -> bool:
    if stored.kind == INHERITED and event.kind == MODEL_CALLED:
        event = _inherited(event)
    return (
        stored.kind == event.kind
        and (event.timestamp is None or event.timestamp == stored.timestamp)
        # What was erased is not compared, and not stored again.
        and (stored.redacted or is_same_masked(stored.payload, event.payload))
    )
