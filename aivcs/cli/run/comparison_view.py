"""Formats a comparison of two runs: side by side for a person, one line each for a program."""

from __future__ import annotations

import shutil
from itertools import zip_longest

from aivcs.cli.render.output import escape, plain_line
from aivcs.cli.render.table import paint
from aivcs.cli.render.text_width import cut, pad
from aivcs.codec.json import encode_trusted
from aivcs.commands.run.annotated import as_json as run_json
from aivcs.compare.json_difference import dotted
from aivcs.present.run_comparison import MAX_VALUE_CHARS, shortened
from aivcs.present.words import duration
from aivcs.trace.tool_calls import ADDED, CHANGED, MOVED, REMOVED, SAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.commands.run.diff import RunComparison, Side
    from aivcs.compare.json_difference import Change
    from aivcs.model.annotation import Annotation
    from aivcs.trace.tool_calls import Call, Step

_SIGNS = {SAME: " ", CHANGED: "~", MOVED: "%", ADDED: ">", REMOVED: "<"}
_STYLES = {SAME: "dim", CHANGED: "magenta", MOVED: "bold", ADDED: "green", REMOVED: "red"}
_FIGURES = ("input_tokens", "cached_input_tokens", "output_tokens", "cost_usd", "score")
"""Figures that are compared where a run has them."""
_KINDS = (ADDED, REMOVED, MOVED, CHANGED)
_MIN_COLUMNS = 50
"""The terminal width, in cells, that two columns need; below it lines are wrapped."""
_COMMON_PREFIX_CHARS = 12
"""The number of characters shown of a beginning that two values share."""


def plain(found: RunComparison) -> Iterator[str]:
    """Yields lines for a program: facts of both runs, then every call that differs.

    A fact has its name and two values. A call has its change, its seq in A and in B and its tool,
    and for each parameter that differs a line with the pointer and two values; else one line
    without.
    """
    for name, a, b in _facts(found, for_person=False):
        yield plain_line((name, a, b)).rstrip("\n")
    for step in found.steps:
        if step.kind == SAME:
            continue
        seqs = [str(call.seq) if call else "-" for call in (step.a, step.b)]
        for values in _values(step) or [("-", "-", "-")]:
            yield plain_line((step.kind, *seqs, step.tool, *values)).rstrip("\n")


def as_json(found: RunComparison) -> dict[str, Any]:
    """Returns the comparison as a JSON value."""
    by_kind = {kind: [s for s in found.steps if s.kind == kind] for kind in _KINDS}
    return {
        "a": _side_json(found.a),
        "b": _side_json(found.b),
        "equal": found.is_equal,
        "events_a": found.a.events,
        "events_b": found.b.events,
        "tool_call_changes": sum(map(len, by_kind.values())),
        **{kind: [_step_json(step) for step in steps] for kind, steps in by_kind.items()},
    }


def shown(found: RunComparison, *, color: bool) -> Iterator[str]:
    """Yields lines for a person, fitted to the terminal."""
    screen = max(shutil.get_terminal_size().columns, _MIN_COLUMNS)
    facts = list(_facts(found, for_person=True))
    name_width = max(len(escape(name)) for name, _, _ in facts) + 2
    width = (screen - name_width - 2) // 2
    for name, a, b in facts:
        line = f"{_fit(name, name_width)}{_fit(a, width)}  {_fit(b, width).rstrip()}".rstrip()
        yield _colored(line, "bold" if name == "run" else "magenta" if a != b else "", color=color)
    yield ""
    width = (screen - 3) // 2
    for row in shortened(found.steps):
        if isinstance(row, int):
            yield _colored(f"  … {row} calls alike …", "dim", color=color)
        else:
            for left, sign, right in _rows(row):
                line = f"{_fit(left, width)} {sign} {_fit(right, width)}".rstrip()
                yield _colored(line, _STYLES[row.kind], color=color)
    counts = {kind: sum(step.kind == kind for step in found.steps) for kind in (SAME, *_KINDS)}
    yield ""
    told = [
        f"calls: {counts[SAME]} alike",
        f"{counts[CHANGED]} with other parameters (~)",
        f"{counts[MOVED]} moved (%)",
        f"{counts[REMOVED]} removed (<)",
        f"{counts[ADDED]} added (>)",
    ]
    line = ", ".join(told)
    yield from [line] if len(line) <= screen else told


def _facts(found: RunComparison, *, for_person: bool) -> Iterator[tuple[str, str, str]]:
    sides = (found.a, found.b)
    for name, *values in zip(
        ("run", "agent", "spec", "status", "exit code", "final state", "duration", "events"),
        *(_facts_of(side, for_person=for_person) for side in sides),
        strict=True,
    ):
        a, b = values
        yield (name if for_person else name.replace(" ", "_")), a, b
    for figure in _FIGURES:
        numbers = [getattr(side.figures, figure) for side in sides]
        if any(number is not None for number in numbers):
            cells = ["-" if number is None else f"{number:.10g}" for number in numbers]
            yield (figure.replace("_", " ") if for_person else figure), cells[0], cells[1]
    for kind in [*found.a.kinds, *(k for k in found.b.kinds if k not in found.a.kinds)]:
        counts = [str(side.kinds.get(kind, 0)) for side in sides]
        yield (f"  {kind}" if for_person else f"events.{escape(kind)}"), counts[0], counts[1]
    if not (found.a.annotations or found.b.annotations):
        return
    remarks = [[_remark(each.value) for each in side.annotations] for side in sides]
    for a, b in zip_longest(*remarks, fillvalue="" if for_person else "-"):
        yield "annotation", a, b


def _remark(annotation: Annotation) -> str:
    return f"{annotation.kind} {encode_trusted(annotation.payload)}"


def _facts_of(side: Side, *, for_person: bool) -> list[str]:
    record, summary = side.record, side.record.summary
    state = summary.final_state_digest if summary else None
    took = summary.duration_ms if summary else None
    exit_code = summary.exit_code if summary else None
    if for_person:
        texts = [record.run_id, record.metadata.agent_name, record.spec_digest.short]
        lasted = duration(took)
    else:
        texts = [record.run_id, record.metadata.agent_name, record.spec_digest]
        lasted = "-" if took is None else str(took)
    ended = state.short if state and for_person else state
    code = "-" if exit_code is None else str(exit_code)
    return [*texts, record.status, code, ended or "-", lasted, str(side.events)]


def _side_json(side: Side) -> dict[str, Any]:
    record = run_json(side.record, side.annotations)
    return record | {"tool_calls": side.calls, "kinds": side.kinds}


def _step_json(step: Step) -> dict[str, Any]:
    fields: dict[str, Any] = {"tool_name": step.tool}
    for side, call in (("a", step.a), ("b", step.b)):
        if call is not None:
            fields[side] = {"seq": call.seq, "parameters": call.parameters}
    if step.kind in {CHANGED, MOVED}:
        fields["changes"] = [
            change.to_json() | {"path": dotted(change.place)} for change in step.changes
        ]
    return fields


def _values(step: Step) -> list[tuple[str, str, str]]:
    """Yields the parameters that differ, or all of a call that is on one side only."""
    if step.a is None or step.b is None:
        a, b = (encode_trusted(call.parameters) if call else "-" for call in (step.a, step.b))
        return [("-", a, b)]
    return [_change_values(change) for change in step.changes]


def _change_values(change: Change) -> tuple[str, str, str]:
    a = "-" if change.op == "add" else encode_trusted(change.a)
    b = "-" if change.op == "remove" else encode_trusted(change.b)
    return dotted(change.place) or "-", a, b


def _rows(step: Step) -> Iterator[tuple[str, str, str]]:
    """Yields the lines of a call: its tool, and below it the differences."""
    sign = _SIGNS[step.kind]
    if step.kind in {CHANGED, MOVED}:
        yield _name(step.a), sign, _name(step.b)
        for change in step.changes:
            place, a, b = _change_values(change)
            a, b = _from_difference(a, b)
            # A side that has no such parameter is left empty.
            yield (
                "" if change.op == "add" else f"         {place}: {a[:MAX_VALUE_CHARS]}",
                " ",
                "" if change.op == "remove" else f"         {place}: {b[:MAX_VALUE_CHARS]}",
            )
    else:
        yield _full(step.a), sign, _full(step.b)


def _name(call: Call | None) -> str:
    assert call is not None
    return f"{call.seq:>6}  {call.tool or '-'}"


def _full(call: Call | None) -> str:
    """Formats a call with as many of its parameters as may fit."""
    if call is None:
        return ""
    values = call.parameters
    if isinstance(values, dict):
        text = " ".join(
            f"{key}={encode_trusted(value)[:MAX_VALUE_CHARS]}" for key, value in values.items()
        )
    else:
        text = encode_trusted(values)
    return f"{_name(call)}  {text[:MAX_VALUE_CHARS]}"


def _from_difference(a: str, b: str) -> tuple[str, str]:
    """Shortens two values by a long beginning that they share."""
    alike = 0
    while alike < min(len(a), len(b)) and a[alike] == b[alike]:
        alike += 1
    if alike <= _COMMON_PREFIX_CHARS + 1:
        return a, b
    return f"…{a[alike - _COMMON_PREFIX_CHARS :]}", f"…{b[alike - _COMMON_PREFIX_CHARS :]}"


def _fit(text: str, width: int) -> str:
    """Cuts or pads a text to the width of a column."""
    return pad(cut(escape(text), width), width)


def _colored(line: str, style: str, *, color: bool) -> str:
    return paint(line, style) if color else line
