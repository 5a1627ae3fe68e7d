"""The `RunLedger` contract, written once over a `LogDriver` and the rules in `aivcs.log.run`."""

from aivcs import errors
from aivcs.errors import ConflictError, InvalidNameError, StorageError
from aivcs.log import chain, run as rules
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_EVENT, Head
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from aivcs.log.erasure import Erasures
    from aivcs.log.run_filter import Outcome
    from aivcs.model.run import RunOwner
    from aivcs.store.driver import Documents, LogDriver, LogView, RunIndex
    from aivcs.store.listing import Unreadable

    ListRuns = Callable[["LogRunLedger", Unreadable], RunIndex]
    FindHome = Callable[[str], str | None]

REPLICAS = "replicas/"
"""Prefix of the documents that name the home of each copied run that has not ended."""
UNTRUSTED = "untrusted/"
"""Prefix of the documents that name the source of each run that nobody vouches for."""


class LogRunLedger:
    """The `RunLedger` contract over logs."""

    __slots__ = ("_at_home", "_erasures", "_find_home", "_list_runs", "_logs", "_max_event")

    def __init__(
        self,
        logs: "LogDriver",
        *,
        max_event: int = MAX_EVENT,
        list_runs: "ListRuns | None" = None,
        find_home: "FindHome | None" = None,
        erasures: "Callable[[], Erasures] | None" = None,
    ) -> None:
        """Takes the logs of a store.

        Args:
            logs: The driver.
            max_event: Bytes of one event's payload, at most.
            list_runs: Makes the index for lists of runs, as `Backend.list_runs`; None reads each
                log.
            find_home: Returns the home of a run that is a copy of one that is recorded elsewhere;
                None if it is recorded here. None takes all runs to be recorded here.
            erasures: Returns the records of what was erased. None takes nothing to be.
        """
        self._erasures = erasures
        self._find_home = find_home
        self._at_home: set[str] = set()
        self._logs = logs
        self._max_event = max_event
        self._list_runs = list_runs

    def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: "RunOwner | None" = None,
        run_id: "str | None" = None,
        created_at: "Timestamp | None" = None,
    ) -> RunId:
        """As `RunLedger.create_run`."""
        if run_id is not None:  # a random id was never used
            self._require_not_erased(run_id)
        record = RunRecord(
            run_id=RunId.random() if run_id is None else RunId(run_id),
            spec_digest=ContentDigest(spec_digest),
            metadata=metadata,
            status=RunStatus.RUNNING,
            summary=None,
            created_at=Timestamp.now() if created_at is None else Timestamp(created_at),
            completed_at=None,
            owner=owner,
        )
        line, _ = rules.encode_header(record)

        def begin(view: "LogView | None") -> "Iterable[bytes]":
            if view is not None:
                raise ConflictError(f"run {record.run_id} exists; nothing was changed")
            return (line,)

        self._logs.update(f"run/{record.run_id}", begin)
        return record.run_id

    def append_event(self, run_id: str, event: RunEvent) -> int:
        """As `RunLedger.append_event`."""
        return self.append_events(run_id, (event,))[0]

    def append_events(self, run_id: str, events: "Iterable[RunEvent]") -> list[int]:
        """As `RunLedger.append_events`; one update of the log."""
        batch = rules.collect(events)
        offers_texts = getattr(self._logs, "offers_texts", False)
        if offers_texts:
            texts = rules.texts_of(batch, self._max_event)
            first = self._logs.append_texts(_name(run_id), texts) if texts else None
            if first is not None:
                return list(range(first, first + len(texts or ())))
        seqs: list[int] = []

        def append(view: "LogView | None") -> "Iterable[bytes]":
            nonlocal seqs
            appender = self._appender(run_id, view)
            seqs = appender.seqs
            if offers_texts and hasattr(batch, "bodies"):
                return appender.stream(batch)  # type: ignore[arg-type]  # linked while it is sent
            appender.append_all(batch)
            return appender.lines

        self._update(run_id, append, durable=False)
        return seqs

    def complete_run(
        self, run_id: str, summary: RunSummary, *, completed_at: "Timestamp | None" = None
    ) -> None:
        """As `RunLedger.complete_run`."""
        self._end(run_id, RunStatus.COMPLETED, summary, completed_at)

    def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: "RunEvent | None" = None,
        expect: "Head | None" = None,
        completed_at: "Timestamp | None" = None,
    ) -> None:
        """As `RunLedger.fail_run`; both lines are one update."""
        self._end(run_id, RunStatus.FAILED, summary, completed_at, event, expect)

    def cancel_run(
        self, run_id: str, summary: RunSummary, *, completed_at: "Timestamp | None" = None
    ) -> None:
        """As `RunLedger.cancel_run`."""
        self._end(run_id, RunStatus.CANCELLED, summary, completed_at)

    def get_run(self, run_id: str) -> RunRecord:
        """As `RunLedger.get_run`; reads the first and the last line."""
        name = _name(run_id)
        with chain.naming(self._logs.where(name)), self._logs.look(name) as view:
            if view is None:
                raise errors.RunNotFoundError(run_id)
            return rules.read_record(view.first(), view.last, run_id)

    def standing(self, run_id: str) -> tuple[RunRecord, Head]:
        """As `RunLedger.standing`; reads the first and the last two lines."""
        name = _name(run_id)
        with chain.naming(self._logs.where(name)), self._logs.look(name) as view:
            if view is None:
                raise errors.RunNotFoundError(run_id)
            record = rules.read_record(view.first(), view.last, run_id)
            return record, Head(rules.count_lines(view.back()), chain.hash_of(view.last) or "")

    def get_events(self, run_id: str) -> "list[RunEvent]":
        """As `RunLedger.get_events`."""
        return list(self.iter_events(run_id))

    def iter_events(self, run_id: str) -> "Iterator[RunEvent]":
        """As `RunLedger.iter_events`; reads the log twice, because events may be in any order."""
        name = _name(run_id)
        with chain.naming(self._logs.where(name)), self._logs.look(name) as view:
            if view is None:
                raise errors.RunNotFoundError(run_id)
            chain.require_name(chain.members(view.first()).get("run_id"), run_id)
            ascending = rules.is_ascending(view.forth())
            lines = (line for _, line in chain.verified_lines(view.forth()))
            yield from rules.events_in_order(lines, ascending=ascending)

    def list_runs(
        self, spec_digest: "ContentDigest | None" = None, **filters: "Any"
    ) -> "list[RunRecord]":
        """As `RunLedger.list_runs`."""
        return list(self.iter_runs(spec_digest, **filters))

    def iter_runs(
        self,
        spec_digest: "ContentDigest | None" = None,
        *,
        agent_name: "str | None" = None,
        status: "RunStatus | None" = None,
        since: "Timestamp | None" = None,
        before: "tuple[str, str] | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        limit: "int | None" = None,
        unreadable: "Unreadable" = None,
    ) -> "Iterator[RunRecord]":
        """As `RunLedger.iter_runs`."""
        from aivcs.log.run_filter import RunFilter, require_limit

        run_filter = RunFilter(
            spec_digest=spec_digest,
            agent_name=agent_name,
            status=status,
            since=since,
            before=before,
            tags=tags,
        )
        require_limit(limit)
        return self._index(unreadable).newest(run_filter, limit)

    def iter_outcomes(
        self,
        spec_digest: "ContentDigest | None" = None,
        *,
        agent_name: "str | None" = None,
        since: "Timestamp | None" = None,
        unreadable: "Unreadable" = None,
    ) -> "Iterator[Outcome]":
        """As `RunLedger.iter_outcomes`; without an index it reads the ends of all logs."""
        from aivcs.log.run_filter import RunFilter

        run_filter = RunFilter(spec_digest=spec_digest, agent_name=agent_name, since=since)
        return self._index(unreadable).outcomes(run_filter)

    def count_runs(self, *, unreadable: "Unreadable" = None) -> "dict[RunStatus, int]":
        """As `RunLedger.count_runs`."""
        return self._index(unreadable).count()

    def list_run_ids(self, prefix: str = "") -> "Iterator[RunId]":
        """As `RunLedger.list_run_ids`."""
        for name in names_with_lines(self._logs, f"run/{prefix}"):
            yield RunId(name[4:])

    def adopt(self, run_id: str, source: "Callable[[], Iterable[bytes]]") -> Head:
        """As `RunLedger.adopt`."""
        from aivcs.store.adopt import adopt

        erasures = self._require_not_erased(run_id)
        return adopt(self._logs, _name(run_id), source, erasures)

    def _require_not_erased(self, run_id: str) -> "Erasures | None":
        """Refuses a run that was erased, whose id is never used again; returns all records.

        Raises:
            ErasedError: It was.
        """
        if self._erasures is None:
            return None
        erasures = self._erasures()
        found = erasures.logs.get(f"run/{run_id}")
        if found is not None:
            from aivcs.log.erasure import said

            raise errors.ErasedError(f"run {run_id} was {said(found[0][1].value)}")
        return erasures

    def head(self, run_id: str) -> Head:
        """As `RunLedger.head`; reads and checks the whole log."""
        last = None
        for _, place in self._logs.read(_name(run_id)):
            last = place
        if last is None:
            raise errors.RunNotFoundError(run_id)
        return Head(last.lines, last.hash)

    def _index(self, unreadable: "Unreadable") -> "RunIndex":
        if self._list_runs is not None:
            return self._list_runs(self, unreadable)
        from aivcs.store.listing import Listing

        return Listing(self, unreadable)

    def _end(
        self,
        run_id: str,
        status: RunStatus,
        summary: RunSummary,
        completed_at: "Timestamp | None" = None,
        event: "RunEvent | None" = None,
        expect: "Head | None" = None,
    ) -> None:
        moment = None if completed_at is None else Timestamp(completed_at)

        def end(view: "LogView | None") -> "Iterable[bytes]":
            appender = self._appender(run_id, view)
            assert view is not None
            # The hash is enough: it covers every line before it, and so their number.
            if expect is not None and appender.head != expect.hash:
                raise ConflictError(f"run {run_id} has grown since; nothing was changed")
            if event is not None:
                appender.append(event)
            record = rules.read_record(view.first(), view.last, run_id)
            line, _ = rules.encode_end(
                status, summary, appender.state, record.created_at, appender.head, moment
            )
            return (*appender.lines, line)

        self._update(run_id, end)

    def _appender(self, run_id: str, view: "LogView | None") -> rules.RunAppender:
        if view is None:
            raise errors.RunNotFoundError(run_id)
        return rules.RunAppender(run_id, view.last, _Seen(view).find, max_event=self._max_event)

    def _update(
        self,
        run_id: str,
        decide: "Callable[[LogView | None], Iterable[bytes]]",
        *,
        durable: bool = True,
    ) -> None:
        name = _name(run_id)
        if run_id not in self._at_home:
            self._require_home(run_id)
        try:
            self._logs.update(name, decide, durable=durable)
        except StorageError as error:
            chain.name_error(self._logs.where(name), error)
            raise

    def _require_home(self, run_id: str) -> None:
        """Refuses a run that is recorded elsewhere; asks once, for a home never becomes a copy."""
        home = None if self._find_home is None else self._find_home(run_id)
        if home is not None:
            raise ConflictError(
                f"run {run_id} is a copy: it is recorded at {home}, and goes on there. If it never "
                f"will, end the copy: aivcs run reap {run_id}"
            )
        self._at_home.add(run_id)


class _Seen:
    """Finds stored events by seq, from the end of the log, reading each line once at most."""

    __slots__ = ("_lines", "_passed", "_view")

    def __init__(self, view: "LogView") -> None:
        self._view = view
        self._lines: Iterator[bytes] | None = None
        self._passed: dict[bytes, bytes] = {}

    def find(self, seq: int) -> "RunEvent | None":
        wanted = rules.seq_prefix(seq)
        found = self._passed.get(wanted)
        if found is None:
            if self._lines is None:
                self._lines = self._view.back()
            for line in self._lines:
                prefix = rules.seq_prefix_in(line)
                self._passed[prefix] = line
                if prefix == wanted:
                    found = line
                    break
        return None if found is None else rules.read_event(found)


def _name(run_id: str) -> str:
    try:
        return f"run/{RunId(run_id)}"
    except InvalidNameError as error:
        raise errors.RunNotFoundError(run_id) from error


def read_mark(documents: "Documents", prefix: str, run_id: str) -> "str | None":
    """Returns the home or the source that a mark of a run names; None if it has no such mark."""
    found = documents.read(f"{prefix}{run_id}")
    return None if found is None else found[0].decode(errors="replace").strip()


def names_with_lines(logs: "LogDriver", prefix: str) -> "Iterator[str]":
    """Yields the names of logs that have a first line, in order.

    A log that cannot be read is one of them: opening it raises the error.

    Raises:
        StorageError: The store is away.
    """
    # A crash during a first line leaves a name without one.
    is_exact = getattr(logs, "names_have_lines", False)
    for name in logs.names(prefix, strict=False):
        try:
            if not is_exact:
                with logs.look(name) as view:
                    if view is None:
                        continue
        except StorageError as error:
            if error.is_store_away:
                raise
        yield name
