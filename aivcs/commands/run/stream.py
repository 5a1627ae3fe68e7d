"""Appends events from a stream of JSON Lines: stored in batches, stopped by a bad line.

A line is `{"kind": …, "payload": …}` with optional `seq` and `timestamp`. A line is stored at the
latest 200 ms after it came. The log's lock is free between batches, so any number of streams can
feed one run.

Over a store that is a round trip away, lines are read while a batch is being stored. The next batch
is what has come meanwhile, so it grows with the duration of the trip.
"""

from __future__ import annotations

import gc
import select
from contextlib import contextmanager
from functools import partial
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

from aivcs.codec.json import MAX_DEPTH, encode, parse
from aivcs.codec.json_errors import find_byte_fault, find_fault
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

    from aivcs.commands.run.in_flight import BatchInFlight
    from aivcs.store.contracts import RunLedger

_FLUSH_INTERVAL_S = 0.2
"""Seconds that a line may wait for more lines before it is stored."""
_BATCH_BYTES = 1 << 20
"""The maximum size of a stored batch, in bytes (but for one longer line)."""
_GC_OBJECTS = 1 << 18
"""New objects after which they are searched for cycles."""
_LINE_OVERHEAD_BYTES = 1 << 16
"""Bytes that a line may have beyond the limit of its payload."""
_GROWTH_BYTES = 192
"""Bytes by which a line of the log is longer than the line of the stream, or somewhat less."""
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
    ahead: int = 0,
) -> None:
    """Appends the events of a stream until its end or the first line that is refused.

    Args:
        runs: The ledger.
        run_id: The run.
        stream: JSON Lines. Read by its descriptor: it must not be buffered.
        limit: The maximum size of a payload, in bytes.
        atomic: Read and check everything before anything is stored.
        stored: Called with the seqs of each batch once it is durable.
        ahead: Bytes to collect at most while a batch is being stored; 0 to wait for it.

    Raises:
        UsageError: A line is not an event. The message has its number, the reason, and the number
            of stored events.
        StorageError: As `RunLedger.append_events`, with the same added.
    """
    runs.get_run(run_id)
    # A block of lines makes thousands of objects at once, none of them in a cycle, which would
    # otherwise be searched through again and again: a third of the time.
    gc.set_threshold(_GC_OBJECTS)
    writer = _Writer(runs, run_id, stored, limit, atomic=atomic, ahead=0 if atomic else ahead)
    try:
        for number, lines in _blocks(stream, limit, None if atomic else writer):
            writer.add(number, lines)
        writer.flush()
    except _UnreadableError as error:
        if atomic:
            raise
        writer.flush()
        raise BackendError(f"{error}; {writer.stored} stored") from error
    except _BadLineError as error:
        if not atomic:
            writer.flush()
        raise UsageError(f"line {error.number}{error}; {writer.stored} stored") from error.__cause__
    finally:
        writer.close()


class _UnreadableError(BackendError):
    """Standard input cannot be read."""


class _BadLineError(Exception):
    """A line is not an event; the message continues "line N"."""

    number = 0


_Block = tuple[int, list[bytes], "BulkEvents | list[RunEvent]"]
"""Lines that follow each other, none of them blank: the number of the first, and their events."""


class _Writer:
    """Collects events, stores them in batches, and knows the line of each."""

    def __init__(
        self,
        runs: RunLedger,
        run_id: str,
        stored: Callable[[list[int]], None],
        limit: int,
        *,
        atomic: bool,
        ahead: int,
    ) -> None:
        self._runs = runs
        self._run_id = run_id
        self._report = stored
        self._limit = limit
        self._atomic = atomic
        self._ahead = ahead
        self._pending: list[_Block] = []
        self._size = self._count = 0
        self._is_due = False
        self._flight: BatchInFlight | None = None
        self._sent: list[_Block] = []
        self.stored = 0

    @property
    def flights(self) -> list[BatchInFlight]:
        """The batch that is being stored, as a list for `select`."""
        return [self._flight] if self._flight else []

    def add(self, number: int, lines: list[bytes]) -> None:
        """Takes lines, numbered from `number`.

        Raises:
            _BadLineError: A line is not an event; those before it were collected.
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
        self._count += len(lines)
        if self._size >= _BATCH_BYTES and not self._atomic:
            if not self._ahead:
                self.flush()
            elif not self._flight or self._size + self._count * _GROWTH_BYTES >= self._ahead:
                self._send()

    def flush(self) -> None:
        """Stores the collected events."""
        if self._ahead:
            self._send()
            self.settle()
            return
        pending = self._collected()
        if pending:
            with self._blaming(pending):
                self._store(_together([events for _, _, events in pending]))

    def flush_soon(self) -> None:
        """Stores the collected events, without waiting for it if the store is far away."""
        if self._flight:
            self._is_due = True
        elif self._ahead:
            self._send()
        else:
            self.flush()

    def settle(self) -> None:
        """Waits for the batch that is being stored, if there is one."""
        if self._flight:
            with self._blaming(self._sent):
                self._stored(self._flight.result())
            if self._is_due:
                self._send()

    def close(self) -> None:
        """Lets go of what a batch in flight needs, unless one is in flight still."""
        if self._flight is not None:
            self._flight.close()

    def _send(self) -> None:
        """Begins to store the collected events, once those before them are stored."""
        self._is_due = False
        self.settle()
        self._sent = self._collected()
        if self._sent:
            if self._flight is None:
                from aivcs.commands.run.in_flight import BatchInFlight

                self._flight = BatchInFlight(partial(self._runs.append_events, self._run_id))
            self._flight.begin(_together([events for _, _, events in self._sent]))

    def _collected(self) -> list[_Block]:
        pending, self._pending = self._pending, []
        self._size = self._count = 0
        return pending

    @contextmanager
    def _blaming(self, pending: list[_Block]) -> Iterator[None]:
        """A block that stores events; an error in it names the line to blame."""
        try:
            yield
        except StorageError as error:
            number, (line, *more), _ = pending[0]
            if not (more or pending[1:]) or (_is_fatal(error) and not self._atomic):
                raise _located(error, number, line, self.stored) from error
            if self._atomic:  # every line is an event: together they cannot be stored
                error.args = (f"{error}; 0 stored",)
                raise
            self._store_singly(pending)

    def _store(self, events: BulkEvents | list[RunEvent]) -> None:
        self._stored(self._runs.append_events(self._run_id, events))

    def _stored(self, seqs: list[int]) -> None:
        self.stored += len(seqs)
        self._report(seqs)

    def _store_singly(self, pending: list[_Block]) -> None:
        """Stores the events of a refused batch one by one, up to the line to blame."""
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
    """Whether an error concerns the run or the disk, rather than one event."""
    from aivcs.errors import ConflictError

    return not isinstance(error, (ConflictError, SerializationError))


def _located(error: StorageError, number: int, line: bytes, stored: int) -> AivcsError:
    fault = find_fault(line.decode()) if isinstance(error, SerializationError) else None
    where = f"line {number}{fault.removeprefix('line 1')}" if fault else f"line {number}: {error}"
    error.args = (f"{where}; {stored} stored",)
    return error


def _require_storable(event: RunEvent, line: bytes, limit: int) -> None:
    """Refuses a line that storing would refuse, before anything is stored."""
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
    stream: BinaryIO, limit: int, writer: _Writer | None
) -> Iterator[tuple[int, list[bytes]]]:
    """Yields lines as they come, with the number of the first."""
    begun = bytearray()  # the line that has not ended
    number = 1
    longest = limit + _LINE_OVERHEAD_BYTES
    for chunk in _chunks(stream, writer):
        *lines, rest = chunk.split(b"\n")
        if lines and begun:
            lines[0] = bytes(begun) + lines[0]
            begun.clear()
        begun += rest
        sizes = [*map(len, lines), len(begun)]
        if max(sizes) > longest:
            at = next(at for at, size in enumerate(sizes) if size > longest)
            if at:
                yield number, lines[:at]
            raise _too_long(number + at, sizes[at], limit, is_whole=at < len(lines))
        if lines:
            yield number, lines
            number += len(lines)
    if begun:
        yield number, [bytes(begun)]


def _chunks(stream: BinaryIO, writer: _Writer | None) -> Iterator[bytes]:
    """Yields bytes as they come. Has lines stored that have waited long enough."""
    import os

    descriptor = stream.fileno()
    deadline: float | None = None
    while True:
        flights = [] if writer is None else writer.flights
        if writer is not None and (flights or deadline is not None):
            remaining = None if deadline is None else max(0.0, deadline - monotonic())
            sources: list[int | BatchInFlight] = [descriptor, *flights]
            ready = select.select(sources, [], [], remaining)[0]
            if flights and flights[0] in ready:
                writer.settle()
            if deadline is not None and (not ready or monotonic() >= deadline):
                writer.flush_soon()
                deadline = None
            if descriptor not in ready:
                continue
        try:
            chunk = os.read(descriptor, _BATCH_BYTES)
        except BlockingIOError:  # some parents hand down a pipe that does not wait
            select.select([descriptor], [], [], None if deadline is None else _FLUSH_INTERVAL_S)
            continue
        except OSError as error:
            raise _UnreadableError(f"cannot read standard input: {error.strerror}") from error
        if not chunk:
            return
        if deadline is None:
            deadline = monotonic() + _FLUSH_INTERVAL_S
        yield chunk


def _too_long(number: int, size: int, limit: int, *, is_whole: bool) -> _BadLineError:
    error = _BadLineError(f": {too_large(size, limit, is_whole=is_whole)}")
    error.number = number
    return error
