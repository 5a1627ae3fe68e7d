"""Events from a stream of JSON Lines: read as they come, stored in batches, stopped by a bad line.

A line is `{"kind": …, "payload": …}` with optional `seq` and `timestamp`. What was read is stored
at the latest 200 ms after it came, and the log's lock is free between batches, so that any number
of streams can feed one run.
"""

from __future__ import annotations

import select
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

from aivcs.codec.json import encode, parse
from aivcs.codec.json_errors import find_byte_fault, find_fault
from aivcs.codec.limits import MAX_DEPTH
from aivcs.errors import (
    AivcsError,
    BackendError,
    SerializationError,
    StorageError,
    UsageError,
)
from aivcs.log.bulk_events import BulkEvents, parse_events
from aivcs.log.run import too_large
from aivcs.model.run import RunEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.store.contracts import RunLedger

_PATIENCE = 0.2
"""Seconds that what was read may wait for more."""
_BATCH = 1 << 20
"""Bytes of lines stored at once, at most (but for one longer line)."""
_SLACK = 1 << 16
"""Bytes a line may have beyond the limit of its payload."""
_LINE_DEPTH = MAX_DEPTH + 1
"""A line puts one level around its payload, which may use all of `MAX_DEPTH`."""
_MEMBERS = {"kind", "payload", "seq", "timestamp"}


def append_stream(
    runs: RunLedger,
    run_id: str,
    stream: BinaryIO,
    limit: int,
    *,
    atomic: bool,
    stored: Callable[[list[int]], None],
) -> None:
    """Appends the events of a stream, until its end or a line that cannot be stored.

    Args:
        runs: Where to.
        run_id: The run.
        stream: JSON Lines; its descriptor is read, so nothing of it may have been buffered.
        limit: Bytes of one payload, at most.
        atomic: Whether everything is read and checked before anything is stored.
        stored: Told the seqs of each batch once it is durable.

    Raises:
        UsageError: A line is no event; says which, why, and how many are stored.
        StorageError: As `RunLedger.append_events`, with the same added.
    """
    runs.get_run(run_id)
    writer = _Writer(runs, run_id, stored, limit, atomic=atomic)
    try:
        for number, lines in _blocks(stream, limit, None if atomic else writer.flush):
            writer.add(number, lines)
        writer.flush()
    except BackendError as error:
        if atomic or error.args[0].startswith("line "):
            raise
        writer.flush()
        raise BackendError(f"{error}; {writer.stored} stored") from error
    except _BadLineError as error:
        if not atomic:
            writer.flush()
        raise UsageError(f"line {error.number}{error}; {writer.stored} stored") from error.__cause__


class _BadLineError(Exception):
    """A line is no event; the message continues "line N"."""

    number = 0


_Block = tuple[int, list[bytes], "BulkEvents | list[RunEvent]"]
"""Lines that follow each other, none of them blank: the number of the first, and their events."""


class _Writer:
    """Collects events and stores them in batches; knows which line each came from."""

    def __init__(
        self,
        runs: RunLedger,
        run_id: str,
        stored: Callable[[list[int]], None],
        limit: int,
        *,
        atomic: bool,
    ) -> None:
        self._runs = runs
        self._run_id = run_id
        self._report = stored
        self._limit = limit
        self._atomic = atomic
        self._pending: list[_Block] = []
        self._size = 0
        self.stored = 0

    def add(self, number: int, lines: list[bytes]) -> None:
        """Takes some lines, the first of which has this number.

        Raises:
            _BadLineError: One is no event; those before it were taken.
        """
        events = parse_events(lines, self._limit)
        if events is not None:
            self._take(number, lines, events)
            return
        for at, line in enumerate(lines, number):
            if not line.strip(b" \t\r\n"):
                continue
            try:
                event = _event(line)
                if self._atomic:
                    _require_storable(event, line, self._limit)
            except _BadLineError as error:
                error.number = at
                raise
            self._take(at, [line], [event])

    def _take(self, number: int, lines: list[bytes], events: BulkEvents | list[RunEvent]) -> None:
        self._pending.append((number, lines, events))
        self._size += sum(map(len, lines))
        if self._size >= _BATCH and not self._atomic:
            self.flush()

    def flush(self) -> None:
        """Stores what was taken."""
        pending, self._pending, self._size = self._pending, [], 0
        if not pending:
            return
        try:
            self._store(_together([events for _, _, events in pending]))
        except StorageError as error:
            number, (line, *more), _ = pending[0]
            if not (more or pending[1:]) or (_is_fatal(error) and not self._atomic):
                raise _located(error, number, line, self.stored) from error
            if self._atomic:  # every line is an event: together they cannot be stored
                error.args = (f"{error}; 0 stored",)
                raise
            self._store_singly(pending)

    def _store(self, events: BulkEvents | list[RunEvent]) -> None:
        seqs = self._runs.append_events(self._run_id, events)
        self.stored += len(seqs)
        self._report(seqs)

    def _store_singly(self, pending: list[_Block]) -> None:
        """Stores what can be stored of a batch that was refused, up to the line to blame."""
        for first, lines, events in pending:
            for number, line, event in zip(count(first), lines, events, strict=False):
                try:
                    self._store([event])
                except StorageError as error:
                    raise _located(error, number, line, self.stored) from error


def _together(blocks: list[BulkEvents | list[RunEvent]]) -> BulkEvents | list[RunEvent]:
    """Joins events, bulk ones as such if all are."""
    bulk = [events for events in blocks if isinstance(events, BulkEvents)]
    if len(bulk) == len(blocks):
        return BulkEvents([text for events in bulk for text in events.bodies])
    return [event for events in blocks for event in events]


def _is_fatal(error: StorageError) -> bool:
    """Whether an error is about the run or the disk, not about one of the events."""
    from aivcs.errors import ConflictError

    return not isinstance(error, (ConflictError, SerializationError))


def _located(error: StorageError, number: int, line: bytes, stored: int) -> AivcsError:
    fault = find_fault(line.decode()) if isinstance(error, SerializationError) else None
    where = f"line {number}{fault.removeprefix('line 1')}" if fault else f"line {number}: {error}"
    error.args = (f"{where}; {stored} stored",)
    return error


def _require_storable(event: RunEvent, line: bytes, limit: int) -> None:
    """Refuses before anything is stored what storing would refuse."""
    try:
        size = len(encode(event.payload).encode())
    except SerializationError as error:
        fault = find_fault(line.decode())
        raise _BadLineError(fault.removeprefix("line 1") if fault else f": {error}") from error
    if size > limit:
        raise _BadLineError(f": {too_large(size, limit)}")


def _event(line: bytes) -> RunEvent:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        fault = find_byte_fault(line) or ""
        raise _BadLineError(fault.removeprefix("line 1")) from error
    try:
        value = parse(text, max_depth=_LINE_DEPTH)
    except SerializationError as error:
        raise _BadLineError(str(error).removeprefix("line 1")) from error
    try:
        return _event_of(value)
    except SerializationError as error:
        raise _BadLineError(f": {error}") from error


def _event_of(value: Any) -> RunEvent:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise SerializationError('an event is an object with a "kind", which is a text')
    if not value.keys() <= _MEMBERS:
        strange = min(value.keys() - _MEMBERS)
        raise SerializationError(
            f"an event has no member {strange[:40]!r}; put it into the payload"
        )
    timestamp = value.get("timestamp")
    if timestamp is not None and not isinstance(timestamp, str):
        raise SerializationError("an event's timestamp is a text: a time as RFC 3339 writes it")
    return RunEvent(
        value["kind"],
        value.get("payload", {}),
        seq=value.get("seq"),
        timestamp=timestamp,
    )


def _blocks(
    stream: BinaryIO, limit: int, idle: Callable[[], None] | None
) -> Iterator[tuple[int, list[bytes]]]:
    """Yields lines as they come, all that came at once together, with the number of the first."""
    carry = b""
    number = 1
    for chunk in _chunks(stream, idle):
        *lines, carry = (carry + chunk).split(b"\n")
        for at, line in enumerate([*lines, carry]):
            if len(line) > limit + _SLACK:
                if at:
                    yield number, lines[:at]
                raise _too_long(number + at, len(line), limit, is_whole=at < len(lines))
        if lines:
            yield number, lines
            number += len(lines)
    if carry:
        yield number, [carry]


def _chunks(stream: BinaryIO, idle: Callable[[], None] | None) -> Iterator[bytes]:
    """Yields bytes as they come; calls `idle` when what came has waited long enough."""
    import os

    descriptor = stream.fileno()
    deadline: float | None = None
    while True:
        if idle is not None and deadline is not None:
            remaining = deadline - monotonic()
            if remaining <= 0 or not select.select([descriptor], [], [], remaining)[0]:
                idle()
                deadline = None
        try:
            chunk = os.read(descriptor, _BATCH)
        except BlockingIOError:  # some parents hand down a pipe that does not wait
            select.select([descriptor], [], [], None if deadline is None else _PATIENCE)
            continue
        except OSError as error:
            raise BackendError(f"cannot read standard input: {error.strerror}") from error
        if not chunk:
            return
        if deadline is None:
            deadline = monotonic() + _PATIENCE
        yield chunk


def _too_long(number: int, size: int, limit: int, *, is_whole: bool) -> _BadLineError:
    error = _BadLineError(f": {too_large(size, limit, is_whole=is_whole)}")
    error.number = number
    return error
