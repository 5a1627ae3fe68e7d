"""Two runs side by side: what is told of both, and their aligned calls. No I/O."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.compare.json_difference import dotted
from aivcs.present.words import duration
from aivcs.trace.tool_calls import ADDED, CHANGED, MOVED, REMOVED, SAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aivcs.commands.run.diff import RunComparison, Side
    from aivcs.trace.tool_calls import Call, Step

KINDS = {
    SAME: "alike", CHANGED: "other parameters", MOVED: "moved", ADDED: "added", REMOVED: "removed",
}  # fmt: skip
"""The kinds of rows, in words."""
_CONTEXT_CALLS = 2
"""Equal calls shown before and after a difference."""
MAX_VALUE_CHARS = 400
"""Characters of a value, or of the parameters of a call, that are shown."""


class Fact(NamedTuple):
    """Something that is told of both runs."""

    name: str
    a: str
    b: str


class Row(NamedTuple):
    """A call in one run or in both.

    Attributes:
        kind: Its kind, of `KINDS`.
        a: The call in A, in a line; None without one.
        b: The call in B.
        changes: The parameters that differ: name, and the value on each side, None without one.
    """

    kind: str
    a: str | None
    b: str | None
    changes: Sequence[tuple[str, str | None, str | None]]


def facts(found: RunComparison) -> Iterator[Fact]:
    """Yields what is told of both runs."""
    names = ("run", "agent", "spec", "status", "exit code", "final state", "duration", "events")
    yield from map(Fact, names, _facts_of(found.a), _facts_of(found.b))
    for kind in [*found.a.kinds, *(k for k in found.b.kinds if k not in found.a.kinds)]:
        counts = (str(side.kinds.get(kind, 0)) for side in (found.a, found.b))
        yield Fact(f"events {kind}", *counts)


def rows(found: RunComparison) -> Iterator[Row | int]:
    """Yields the calls as rows, shortened."""
    for step in shortened(found.steps):
        yield step if isinstance(step, int) else _row(step)


def shortened(steps: Iterable[Step]) -> Iterator[Step | int]:
    """Yields the calls, with a number in place of a long stretch of equal ones."""
    for is_alike, group in groupby(steps, lambda step: step.kind == SAME):
        stretch = list(group)
        if is_alike and len(stretch) > 2 * _CONTEXT_CALLS + 1:
            yield from stretch[:_CONTEXT_CALLS]
            yield len(stretch) - 2 * _CONTEXT_CALLS
            yield from stretch[-_CONTEXT_CALLS:]
        else:
            yield from stretch


def summary(found: RunComparison) -> str:
    """Returns how many calls there are of each kind."""
    numbers = ((sum(step.kind == kind for step in found.steps), kind) for kind in KINDS)
    return ", ".join(f"{number} {KINDS[kind]}" for number, kind in numbers)


def _facts_of(side: Side) -> list[str]:
    record, ended = side.record, side.record.summary
    state = ended.final_state_digest if ended else None
    code = ended.exit_code if ended else None
    return [
        record.run_id, record.metadata.agent_name, record.spec_digest.short, record.status,
        "-" if code is None else str(code), state.short if state else "-",
        duration(ended.duration_ms if ended else None), str(side.events),
    ]  # fmt: skip


def _row(step: Step) -> Row:
    is_told = step.kind not in {CHANGED, MOVED}
    return Row(
        step.kind,
        _call(step.a, is_whole=is_told),
        _call(step.b, is_whole=is_told),
        [
            (
                dotted(change.place) or "all of it",
                None if change.op == "add" else _short(encode_trusted(change.a)),
                None if change.op == "remove" else _short(encode_trusted(change.b)),
            )
            for change in step.changes
        ],
    )


def _call(call: Call | None, *, is_whole: bool) -> str | None:
    if call is None:
        return None
    name = f"{call.seq} {call.tool or '-'}"
    if not is_whole:
        return name
    values = call.parameters
    if isinstance(values, dict):
        text = " ".join(f"{key}={encode_trusted(value)}" for key, value in values.items())
    else:
        text = encode_trusted(values)
    return f"{name}  {_short(text)}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"
