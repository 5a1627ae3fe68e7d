"""The events of a run, each as one line: who or which tool, and the beginning of its content.

No I/O. Unlike `aivcs.trace.timeline.steps`, it needs no events but those shown, so that any part of
a log can be shown without the rest: a call and its result are two lines, and the result names its
tool if its call is among the shown events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.trace.timeline import CALL, RESULT, read_event, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.model.run import RunEvent


class EventRow(NamedTuple):
    """An event as a line.

    Attributes:
        seq: The seq of the event.
        what: The kind of step that it is, of `aivcs.trace.timeline`.
        name: The tool, the role, or else the kind of the event.
        at: Its time, in microseconds since 1970.
        took: Its duration in microseconds: of a result, since its call; None if unknown.
        text: The beginning of its content, parameters or result, on one line.
        size: The size of the whole, in bytes of UTF-8.
        error: The error, on one line, or None.
        is_redacted: Whether its content was erased on purpose.
    """

    seq: int
    what: str
    name: str
    at: int
    took: int | None
    text: str
    size: int
    error: str | None
    is_redacted: bool = False


def event_rows(events: Iterable[RunEvent]) -> Iterator[EventRow]:
    """Yields the lines of events that follow each other."""
    calls: dict[str, tuple[str, int]] = {}
    for event in events:
        (step,) = steps([event])
        name, took, text, size = step.name, step.took, step.text, step.size
        assert event.timestamp is not None
        at = event.timestamp.microseconds()
        if step.what in {CALL, RESULT}:
            reading = read_event(event)
            key = reading.call_id or f"tool {reading.tool}"
            if step.what == CALL:
                calls[key] = (name, at)
            else:
                text, size = step.result or "", step.result_size
                called = calls.pop(key, None)
                if called is not None:
                    name = called[0]
                    took = took if took is not None else max(at - called[1], 0)
                elif not reading.tool:
                    name = event.kind
        yield EventRow(step.seq, step.what, name, at, took, text, size, step.error, event.redacted)


_TROUBLE = (b"error", b"fail", b"exception", b"exit_code", b"returncode", b"exit_status")
"""Words of which one is in the line of every event with an error."""
_ALL_IS_WELL = (b'"is_error":false', b'"error":null')
"""Members with such a word that most results have, and that say of no error."""


def may_fail(line: bytes) -> bool:
    """Tells whether an event in a stored line may have an error; much faster than reading it."""
    for member in _ALL_IS_WELL:
        line = line.replace(member, b"")
    lower = line.lower()
    return any(word in lower for word in _TROUBLE) or b"\\u" in line
