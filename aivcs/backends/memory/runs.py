"""Runs in memory, kept as the lines of their logs."""

from __future__ import annotations

from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from aivcs.backends.memory.log import MemoryLog
from aivcs.errors import ConflictError, RunNotFoundError, StorageError
from aivcs.log import chain, run
from aivcs.log.run_filter import Selection, age, outcome_of, require_limit
from aivcs.model import ContentDigest, RunId, RunRecord, RunStatus, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.model import Head, RunEvent, RunMetadata, RunOwner, RunSummary


class MemoryRunLedger:
    """An `aivcs.RunLedger` that keeps the log of each run as a list of lines.

    Attributes:
        logs: The logs by run id, in the order of creation. Tests damage lines through it; nothing
            else should touch it.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.logs: dict[str, MemoryLog] = {}
        self._lock = Lock()

    def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: RunOwner | None = None,
    ) -> RunId:
        """Starts a run, `RUNNING`, with a new random id.

        Raises:
            InvalidDigestError: `spec_digest` is none.
            SerializationError: The tags are no JSON value.
        """
        spec_digest = ContentDigest(spec_digest)
        with self._lock:
            # Under the lock, so that the order of creation is the order of the timestamps.
            record = RunRecord(
                run_id=RunId.random(),
                spec_digest=spec_digest,
                metadata=metadata,
                status=RunStatus.RUNNING,
                summary=None,
                created_at=Timestamp.now(),
                completed_at=None,
                owner=owner,
            )
            line, _ = run.header(record)
            self.logs[record.run_id] = MemoryLog(f"run {record.run_id}", [line])
        return record.run_id

    def append_event(self, run_id: str, event: RunEvent) -> int:
        """Appends one event and returns its seq.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRunStateError: It is over.
            ConflictError: Another event has this seq.
            SerializationError: The payload is no JSON value, or too large.
            IntegrityError: The end of its log is damaged.
        """
        return self.append_events(run_id, [event])[0]

    def append_events(self, run_id: str, events: Iterable[RunEvent]) -> list[int]:
        """Appends all of some events or none; returns their seqs.

        Raises:
            StorageError: As `append_event`.
        """
        batch = run.collect(events)
        with self._lock:
            log = self._log(run_id)
            last = log.line(-1)
            with log.naming(len(log.lines)):
                extension = run.Extension(run_id, last, lambda seq: _find_event(log, seq))
            extension.add_all(batch)
            log.lines.extend(extension.lines)
        return extension.seqs

    def complete_run(self, run_id: str, summary: RunSummary) -> None:
        """Ends a run as `COMPLETED`; afterwards nothing of it changes.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRunStateError: It is over already.
            IntegrityError: Its log is damaged at the beginning or the end.
        """
        self._finish(run_id, RunStatus.COMPLETED, summary)

    def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: RunEvent | None = None,
        expect: Head | None = None,
    ) -> None:
        """Ends a run as `FAILED`, after a last event if one is given; else as `complete_run`.

        Raises:
            ConflictError: Its log has not the head that is expected, or the event's seq is taken.
            StorageError: As `append_event` and `complete_run`.
        """
        with self._lock:
            log = self._log(run_id)
            first, last = log.line(1), log.line(-1)
            with log.naming(len(log.lines)):
                extension = run.Extension(run_id, last, lambda seq: _find_event(log, seq))
                created_at, _ = run.origin(first)
            if expect is not None and chain.hash_of(last) != expect.hash:
                raise ConflictError(f"run {run_id} has gone on meanwhile; it was left as it is")
            if event is not None:
                extension.add(event)
            line, _ = run.end(
                RunStatus.FAILED, summary, extension.position, created_at, extension.head
            )
            log.lines += [*extension.lines, line]

    def cancel_run(self, run_id: str, summary: RunSummary) -> None:
        """Ends a run as `CANCELLED`; else as `complete_run`.

        Raises:
            StorageError: As `complete_run`.
        """
        self._finish(run_id, RunStatus.CANCELLED, summary)

    def get_run(self, run_id: str) -> RunRecord:
        """Returns a run as it stands.

        Raises:
            RunNotFoundError: There is no such run.
            IntegrityError: Its log is damaged at the beginning or the end.
        """
        return _fold(self._snapshot(run_id))

    def get_events(self, run_id: str) -> list[RunEvent]:
        """Returns the events of a run, ordered by seq.

        Raises:
            RunNotFoundError: There is no such run.
            IntegrityError: Its log is damaged.
        """
        return list(self.iter_events(run_id))

    def iter_events(self, run_id: str) -> Iterator[RunEvent]:
        """Yields the events a run has at this moment, ordered by seq.

        Raises:
            RunNotFoundError: There is no such run.
            IntegrityError: Its log is damaged; where it is reached.
        """
        return _events(self._snapshot(run_id))

    def list_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Returns the runs that fit, newest first.

        Raises:
            InvalidDigestError: `spec_digest` is none.
            IntegrityError: The log of a run is damaged at the beginning or the end.
        """
        return list(
            self.iter_runs(
                spec_digest,
                agent_name=agent_name,
                status=status,
                since=since,
                tags=tags,
                limit=limit,
            )
        )

    def iter_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> Iterator[RunRecord]:
        """Yields the runs there are at this moment that fit, newest first.

        Raises:
            StorageError: As `list_runs`.
        """
        selection = Selection(
            spec_digest=spec_digest, agent_name=agent_name, status=status, since=since, tags=tags
        )
        require_limit(limit)
        found = filter(selection.fits, self._records(unreadable))
        return islice(iter(sorted(found, key=age, reverse=True)), limit)

    def iter_outcomes(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        since: Timestamp | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> Iterator[tuple[str, RunStatus, Timestamp, int | None]]:
        """Yields agent, status, moment of creation and duration of the runs that fit.

        Raises:
            IntegrityError: A run is damaged at its beginning or end, and there is no `unreadable`.
        """
        selection = Selection(spec_digest=spec_digest, agent_name=agent_name, since=since)
        return map(outcome_of, filter(selection.fits, self._records(unreadable)))

    def count_runs(
        self, *, unreadable: Callable[[RunId, StorageError], None] | None = None
    ) -> dict[RunStatus, int]:
        """Returns how many runs have each status, those that none has included.

        Raises:
            StorageError: As `list_runs`.
        """
        counts = dict.fromkeys(map(RunStatus, ("RUNNING", "COMPLETED", "FAILED", "CANCELLED")), 0)
        for record in self._records(unreadable):
            counts[record.status] += 1
        return counts

    def list_run_ids(self, prefix: str = "") -> Iterator[RunId]:
        """Yields the ids that begin with `prefix`, in order, as they are at this moment."""
        with self._lock:
            return iter(sorted(RunId(run_id) for run_id in self.logs if run_id.startswith(prefix)))

    def head(self, run_id: str) -> Head:
        """Returns the head of a run's log.

        Raises:
            RunNotFoundError: There is no such run.
            IntegrityError: Its log is damaged.
        """
        return self._snapshot(run_id).head()

    def _records(
        self, unreadable: Callable[[RunId, StorageError], None] | None
    ) -> Iterator[RunRecord]:
        with self._lock:
            logs = {run_id: log.copy() for run_id, log in self.logs.items()}
        for run_id, log in logs.items():
            try:
                record = _fold(log)
            except StorageError as error:
                if unreadable is None:
                    raise
                unreadable(RunId(run_id), error)
            else:
                yield record

    def _log(self, run_id: str) -> MemoryLog:
        """The log of a run, under the lock."""
        log = self.logs.get(run_id)
        if log is None:
            raise RunNotFoundError(run_id)
        return log

    def _snapshot(self, run_id: str) -> MemoryLog:
        with self._lock:
            return self._log(run_id).copy()

    def _finish(self, run_id: str, status: RunStatus, summary: RunSummary) -> None:
        with self._lock:
            log = self._log(run_id)
            first, last = log.line(1), log.line(-1)
            with log.naming(len(log.lines)):
                position = run.Position(last)
                position.require_running(run_id)
                created_at, _ = run.origin(first)
            line, _ = run.end(status, summary, position, created_at, chain.hash_of(last) or "")
            log.lines.append(line)


def _fold(log: MemoryLog) -> RunRecord:
    first, last = log.line(1), log.line(-1)
    with log.naming(len(log.lines)):
        return run.fold(first, last)


def _events(log: MemoryLog) -> Iterator[RunEvent]:
    with log.naming():
        yield from run.events_in_order(log.all_lines(), ascending=run.is_ascending(log.lines))


def _find_event(log: MemoryLog, seq: int) -> RunEvent | None:
    """The stored event with a seq."""
    opening = run.opening_of(seq)
    line = log.find(lambda line: line.startswith(opening))
    return run.event_of(line) if line is not None else None
