"""Whether the events of a run exceed a budget: cost, tokens, repeated calls. No I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.compare.json_difference import comparable
from aivcs.trace.timeline import CALL, RESULT, read_event
from aivcs.trace.usage import Usage, cost_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from aivcs.model.run import RunEvent
    from aivcs.trace.timeline import Reading
    from aivcs.trace.usage import Price

_MAX_WAITING = 512
"""Calls that wait for their results, at most; older ones count as without one."""


class Limits(NamedTuple):
    """The budget of a run; None does not limit.

    Attributes:
        cost: US dollars, as told by events or estimated from prices.
        tokens: Tokens, read and written.
        repeats: How often in a row one call may have one result.
        time: Seconds.
    """

    cost: float | None = None
    tokens: int | None = None
    repeats: int | None = None
    time: float | None = None

    @property
    def needs_events(self) -> bool:
        """Whether a limit looks at events."""
        return self[:3] != (None, None, None)


class Exceeded(NamedTuple):
    """A limit that was reached.

    Attributes:
        limit: `max_cost`, `max_tokens`, `max_repeats` or `max_time`.
        allowed: The limit.
        found: The value that reached it.
        text: It in words.
    """

    limit: str
    allowed: float
    found: float
    text: str

    def to_json(self) -> dict[str, Any]:
        """Returns the payload of the event that records it."""
        return self._asdict()


class Meter:
    """Adds up events until a limit is exceeded."""

    def __init__(self, limits: Limits, prices: Mapping[str, Price] | None = None) -> None:
        """Begins with no event.

        Args:
            limits: The limits.
            prices: Prices by model, for calls that tell no cost.
        """
        self._limits = limits
        self._usage = Usage(prices)
        self._repeats = _Repeats()

    @property
    def costless(self) -> int:
        """Calls whose cost is not known, where a cost is limited and no event tells one."""
        is_blind = self._limits.cost is not None and self._usage.figures().cost_usd is None
        return self._usage.costless if is_blind else 0

    def add(self, event: RunEvent) -> Exceeded | None:
        """Adds an event; returns the limit that is exceeded then, or None."""
        limits = self._limits
        if limits.cost is not None or limits.tokens is not None:
            self._usage.add(event.kind, event.payload)
            told = self._usage.figures()
            if limits.cost is not None and (told.cost_usd or 0) > limits.cost:
                cost = told.cost_usd or 0
                shown = cost_text(cost, is_estimated=told.is_estimated)
                text = f"it cost {shown}, and {cost_text(limits.cost)} is allowed"
                return Exceeded("max_cost", limits.cost, cost, text)
            if limits.tokens is not None and (told.tokens or 0) > limits.tokens:
                tokens = told.tokens or 0
                text = f"it used {tokens:,} tokens, and {limits.tokens:,} are allowed"
                return Exceeded("max_tokens", limits.tokens, tokens, text)
        if limits.repeats is not None:
            tool, times = self._repeats.add(event)
            if times >= limits.repeats:
                text = f"it called {tool or 'a tool'} {times} times in a row with the same result"
                return Exceeded("max_repeats", limits.repeats, times, text)
        return None


class _Repeats:
    """Counts how often the last call of a tool came with the same result, one after the other."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[tuple[str, str], str, Hashable]] = deque()
        self._last: Hashable = None
        self._times = 0

    def add(self, event: RunEvent) -> tuple[str, int]:
        """Adds an event; returns the tool of a call that is complete now, and how often it came."""
        reading = read_event(event)
        if reading.what == CALL:
            call = comparable(reading.arguments)
            if reading.output is not None or reading.error is not None:
                return self._complete(reading.tool, call, reading)
            found = self._take(reading.key) if reading.call_id is None else None
            told = None if found is None else self._complete(*found, None)
            self._waiting.append((reading.key, reading.tool, call))
            if len(self._waiting) > _MAX_WAITING:
                self._waiting.popleft()
            return told or ("", 0)
        if reading.what == RESULT:
            found = self._take(reading.key) or self._take(("tool", reading.tool))
            if found is not None:
                return self._complete(*found, reading)
        return "", 0

    def _take(self, key: tuple[str, str]) -> tuple[str, Hashable] | None:
        for each in self._waiting:
            if each[0] == key:
                self._waiting.remove(each)
                return each[1:]
        return None

    def _complete(self, tool: str, call: Hashable, result: Reading | None) -> tuple[str, int]:
        said = None if result is None else (comparable(result.output), result.error)
        whole = tool, call, said
        self._times = self._times + 1 if whole == self._last else 1
        self._last = whole
        return tool, self._times
