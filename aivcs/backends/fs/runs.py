"""Runs in files: one chained log per run, `runs/ab/<run-id>.jsonl`, sealed by its last line."""

from aivcs import errors
from aivcs.backends.fs import files
from aivcs.backends.fs.logfile import LockedLog, LogReader, first_line
from aivcs.errors import BackendError, ConflictError, InvalidNameError, StorageError
from aivcs.log import chain, run as rules
from aivcs.model import (
    ContentDigest,
    Head,
    RunEvent,
    RunId,
    RunMetadata,
    RunRecord,
    RunStatus,
    RunSummary,
    Timestamp,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.run_filter import Outcome
    from aivcs.model import RunOwner


class FileRunLedger:
    """The `RunLedger` contract on a folder."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: "RunOwner | None" = None,
    ) -> RunId:
        """As `RunLedger.create_run`."""
        record = RunRecord(
            run_id=RunId.random(),
            spec_digest=ContentDigest(spec_digest),
            metadata=metadata,
            status=RunStatus.RUNNING,
            summary=None,
            created_at=Timestamp.now(),
            completed_at=None,
            owner=owner,
        )
        line, _ = rules.header(record)
        with LockedLog.create(self._folder, _name(record.run_id)) as log:
            log.append([line])
        return record.run_id

    def append_event(self, run_id: str, event: RunEvent) -> int:
        """As `RunLedger.append_event`."""
        return self.append_events(run_id, (event,))[0]

    def append_events(self, run_id: str, events: "Iterable[RunEvent]") -> list[int]:
        """As `RunLedger.append_events`; locks the log once."""
        settings = self._folder.settings
        batch = rules.collect(events)
        with self._lock(run_id) as log:
            extension = rules.Extension(
                run_id, log.tail.last, _Seen(log).find, max_event=settings.max_event
            )
            extension.add_all(batch)
            log.append(extension.lines, sync=settings.durability == "full")
            return extension.seqs

    def complete_run(self, run_id: str, summary: RunSummary) -> None:
        """As `RunLedger.complete_run`."""
        self._end(run_id, RunStatus.COMPLETED, summary)

    def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: "RunEvent | None" = None,
        expect: "Head | None" = None,
    ) -> None:
        """As `RunLedger.fail_run`; both lines are one write."""
        if event is None and expect is None:
            self._end(run_id, RunStatus.FAILED, summary)
            return
        with self._lock(run_id) as log:
            extension = rules.Extension(
                run_id, log.tail.last, _Seen(log).find, max_event=self._folder.settings.max_event
            )
            # The hash alone will do: it stands for every line before it, so for their number too.
            if expect is not None and log.tail.head != expect.hash:
                raise ConflictError(f"run {run_id} has gone on meanwhile; it was left as it is")
            if event is not None:
                extension.add(event)
            started, _ = rules.origin(log.first())
            line, _ = rules.end(
                RunStatus.FAILED, summary, extension.position, started, extension.head
            )
            log.append([*extension.lines, line])

    def cancel_run(self, run_id: str, summary: RunSummary) -> None:
        """As `RunLedger.cancel_run`."""
        self._end(run_id, RunStatus.CANCELLED, summary)

    def get_run(self, run_id: str) -> RunRecord:
        """As `RunLedger.get_run`; reads the first and the last line."""
        with self._read(run_id) as log:
            return rules.fold(log.first(), log.tail.last, run_id)

    def get_events(self, run_id: str) -> "list[RunEvent]":
        """As `RunLedger.get_events`."""
        return list(self.iter_events(run_id))

    def iter_events(self, run_id: str) -> "Iterator[RunEvent]":
        """As `RunLedger.iter_events`; checks the whole chain on the way."""
        with self._read(run_id) as log:
            chain.require_name(chain.members(log.first()).get("run_id"), run_id)
            ascending = rules.is_ascending(log.unchecked())
            yield from rules.events_in_order(log.forwards(), ascending=ascending)

    def list_runs(
        self,
        spec_digest: "ContentDigest | None" = None,
        *,
        agent_name: "str | None" = None,
        status: "RunStatus | None" = None,
        since: "Timestamp | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        limit: "int | None" = None,
    ) -> "list[RunRecord]":
        """As `RunLedger.list_runs`."""
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
        spec_digest: "ContentDigest | None" = None,
        *,
        agent_name: "str | None" = None,
        status: "RunStatus | None" = None,
        since: "Timestamp | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        limit: "int | None" = None,
        unreadable: "Callable[[RunId, StorageError], None] | None" = None,
    ) -> "Iterator[RunRecord]":
        """As `RunLedger.iter_runs`; holds a key for each run in memory where there is no index."""
        from aivcs.backends.fs.listing import Listing
        from aivcs.log.run_filter import Selection, require_limit

        selection = Selection(
            spec_digest=spec_digest, agent_name=agent_name, status=status, since=since, tags=tags
        )
        require_limit(limit)
        return Listing(self._folder, self, unreadable).newest(selection, limit)

    def iter_outcomes(
        self,
        spec_digest: "ContentDigest | None" = None,
        *,
        agent_name: "str | None" = None,
        since: "Timestamp | None" = None,
        unreadable: "Callable[[RunId, StorageError], None] | None" = None,
    ) -> "Iterator[Outcome]":
        """As `RunLedger.iter_outcomes`; without an index it reads the ends of all logs."""
        from aivcs.backends.fs.listing import Listing
        from aivcs.log.run_filter import Selection

        selection = Selection(spec_digest=spec_digest, agent_name=agent_name, since=since)
        return Listing(self._folder, self, unreadable).outcomes(selection)

    def count_runs(
        self, *, unreadable: "Callable[[RunId, StorageError], None] | None" = None
    ) -> "dict[RunStatus, int]":
        """As `RunLedger.count_runs`."""
        from aivcs.backends.fs.listing import Listing

        return Listing(self._folder, self, unreadable).count()

    def list_run_ids(self, prefix: str = "") -> "Iterator[RunId]":
        """As `RunLedger.list_run_ids`."""
        for run_id in self._list_files(prefix):
            try:
                there = first_line(self._folder, _name(run_id)) is not None
            except BackendError:
                there = True  # who asks for it will be told
            if there:
                yield run_id

    def _list_files(self, prefix: str) -> "Iterator[RunId]":
        """Yields what the names of the files say, in order, whatever is in them."""
        for shard in [prefix[:2]] if len(prefix) >= 2 else self._entries("runs/"):
            if len(shard) != 2 or "/" in shard or not shard.startswith(prefix[:2]):
                continue
            for entry in self._entries(f"runs/{shard}/"):
                run_id = entry.removesuffix(".jsonl")
                if run_id == entry or not run_id.startswith(prefix) or run_id[:2] != shard:
                    continue
                try:
                    yield RunId(run_id)
                except InvalidNameError:
                    continue  # a stray file; verify reports it

    def _entries(self, name: str) -> "list[str]":
        from os import listdir

        self._folder.require_parents(name)
        with files.doing("list", name):
            try:
                return sorted(listdir(self._folder.path(name)))
            except FileNotFoundError:
                return []

    def head(self, run_id: str) -> Head:
        """As `RunLedger.head`; reads and checks the whole log."""
        with self._read(run_id) as log:
            lines = sum(1 for _ in log.forwards())
            return Head(lines, log.tail.head)

    def _end(self, run_id: str, status: RunStatus, summary: RunSummary) -> None:
        with self._lock(run_id) as log:
            position = rules.Position(log.tail.last)
            position.require_running(run_id)
            record = rules.fold(log.first(), log.tail.last, run_id)
            line, _ = rules.end(status, summary, position, record.created_at, log.tail.head)
            log.append([line])

    def _lock(self, run_id: str) -> LockedLog:
        log = LockedLog.lock(self._folder, _checked_name(run_id))
        if log is None:
            raise errors.RunNotFoundError(run_id)
        return log

    def _read(self, run_id: str) -> LogReader:
        log = LogReader.open(self._folder, _checked_name(run_id))
        if log is None:
            raise errors.RunNotFoundError(run_id)
        return log


class _Seen:
    """Finds stored events by seq, from the end of the log on, each line read once at most."""

    __slots__ = ("_lines", "_log", "_passed")

    def __init__(self, log: LockedLog) -> None:
        self._log = log
        self._lines: Iterator[bytes] | None = None
        self._passed: dict[bytes, bytes] = {}

    def find(self, seq: int) -> "RunEvent | None":
        opening = rules.opening_of(seq)
        found = self._passed.get(opening)
        if found is None:
            if self._lines is None:
                self._lines = self._log.backwards()
            for line in self._lines:
                self._passed[rules.opening_in(line)] = line
                if line.startswith(opening):
                    found = line
                    break
        return None if found is None else rules.event_of(found)


def _name(run_id: str) -> str:
    return f"runs/{run_id[:2]}/{run_id}.jsonl"


def _checked_name(run_id: str) -> str:
    try:
        return _name(RunId(run_id))
    except InvalidNameError as error:
        raise errors.RunNotFoundError(run_id) from error
