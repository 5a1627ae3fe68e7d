"""Pairs the calls of tools in a run with their results, whole. No I/O.

An exchange is a call with its result, or any other event by itself. `aivcs.trace.timeline` says
which event is what. Exchanges come in the order of their first events. A call that waits for its
result holds back what follows, up to `WINDOW` exchanges and `HELD` characters; then it comes
without a result, and its result later by itself.
"""

from __future__ import annotations

from collections import deque

from aivcs.trace.timeline import CALL, RESULT, read_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from aivcs.model.run import RunEvent
    from aivcs.trace.timeline import Reading

WINDOW = 512
"""Exchanges held back, at most, while a call waits for its result."""
HELD = 8 << 20
"""Characters of texts in payloads held back, at most, while a call waits for its result."""


class Exchange:
    """A call of a tool with its result, or another event.

    Attributes:
        event: The event; of a call, the one that begins it.
        reading: Its meaning.
        result: The event with the result of a call; None without one.
        outcome: The meaning of that; of a call that has its result in the same event, `reading`.
    """

    __slots__ = ("event", "outcome", "reading", "result")

    def __init__(self, event: RunEvent, reading: Reading) -> None:
        """Begins with an event."""
        self.event = event
        self.reading = reading
        self.result: RunEvent | None = None
        is_whole = reading.what == CALL and reading.output is not None
        self.outcome: Reading | None = reading if is_whole else None

    @property
    def seq(self) -> int:
        """The seq of its first event."""
        assert self.event.seq is not None
        return self.event.seq

    @property
    def is_call(self) -> bool:
        """Whether it is a call of a tool."""
        return self.reading.what == CALL

    @property
    def is_open(self) -> bool:
        """Whether it is a call without a result."""
        return self.is_call and self.outcome is None

    @property
    def error(self) -> str | None:
        """The error of the call or of the event, if there is one."""
        if self.outcome is not None and self.outcome.error is not None:
            return self.outcome.error
        return self.reading.error

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process that a tool ran, if it is known."""
        return (self.outcome or self.reading).exit_code

    def lasted(self) -> int | None:
        """Returns how long a call lasted, in microseconds; None if that is not known."""
        stated = (self.outcome or self.reading).took
        if stated is not None or self.result is None:
            return stated
        assert self.event.timestamp is not None
        assert self.result.timestamp is not None
        took = self.result.timestamp.microseconds() - self.event.timestamp.microseconds()
        return took if took >= 0 else None


def exchanges(events: Iterable[RunEvent]) -> Iterator[Exchange]:
    """Yields the exchanges of a run, from its events in the order of their seqs."""
    waiting: deque[tuple[Exchange, int]] = deque()
    calls: dict[tuple[str, str], deque[Exchange]] = {}
    size = 0
    for event in events:
        reading = read_event(event)
        weight = _weight(event.payload)
        call = _take(calls, reading) if reading.what == RESULT else None
        if call is not None:
            call.result, call.outcome = event, reading
        else:
            exchange = Exchange(event, reading)
            if exchange.is_open:
                calls.setdefault(reading.key, deque()).append(exchange)
            waiting.append((exchange, weight))
        size += weight
        while waiting and (not waiting[0][0].is_open or len(waiting) > WINDOW or size > HELD):
            exchange, weight = waiting.popleft()
            size = size - weight if waiting else 0  # results are counted, and not by exchange
            if exchange.is_open:
                _forget(calls, exchange)
            yield exchange
    yield from (exchange for exchange, _ in waiting)


def _take(calls: dict[tuple[str, str], deque[Exchange]], result: Reading) -> Exchange | None:
    """Removes and returns the call that a result belongs to, or None."""
    key = result.key
    # A tool may leave out the id that its call was given, but never gets another's result.
    for candidate in (key, ("tool", result.tool)) if key[0] == "id" else (key,):
        found = calls.get(candidate)
        if found:
            call = found.popleft()
            if not found:
                del calls[candidate]
            return call
    return None


def _forget(calls: dict[tuple[str, str], deque[Exchange]], call: Exchange) -> None:
    key = call.reading.key
    calls[key].remove(call)
    if not calls[key]:
        del calls[key]


def _weight(value: Any) -> int:
    """The characters of the texts in a value, and something for all else."""
    total, layer = 0, [value]
    while layer:
        inner: list[Any] = []
        for node in layer:
            if isinstance(node, str):
                total += len(node)
            elif isinstance(node, dict):
                inner += node.values()
            elif isinstance(node, list):
                inner += node
        total += 16 * len(layer)
        layer = inner
    return total
