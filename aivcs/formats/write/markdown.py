r"""Markdown: a run for a person to read, in a comment, an issue or a summary of a job.

Whatever comes from the run stands in code, in fences longer than any in it: nothing of it becomes a
heading, a link, an image or a mention of somebody. A long text is cut, and its length is told.
Characters that a terminal would obey, or that reorder text, are spelled out: `\x1b`, `\u202e`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aivcs.codec.json import encode_trusted
from aivcs.formats.model import EVALUATION, MODEL_CALLED, THINKING
from aivcs.formats.values import as_dict
from aivcs.formats.write.run import as_words, content_of
from aivcs.trace.exchanges import exchanges
from aivcs.trace.timeline import CALL, MESSAGE, RESULT
from aivcs.trace.usage import Usage
from aivcs.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.formats.write.run import Run
    from aivcs.trace.exchanges import Exchange

LIMIT = 4000
"""Characters of one text that are shown, at most."""
_LINE = 300
"""Characters of what is told on one line, at most."""
_TICKS = re.compile("`+")


def write(run: Run) -> Iterator[str]:
    """Yields the page of a run in pieces."""
    record = run.record
    summary = record.summary
    rows = [
        ("run", record.run_id),
        ("status", record.status.lower()),
        ("spec", record.spec_digest),
        ("git commit", record.metadata.git_sha),
        ("tags", encode_trusted(run.tags) if run.tags else None),
        ("started", record.created_at),
        ("ended", record.completed_at),
        ("exit code", None if summary is None else summary.exit_code),
        ("duration", None if summary is None else f"{summary.duration_ms} ms"),
    ]
    yield f"# Run of {_code(record.metadata.agent_name)}\n\n| | |\n| --- | --- |\n"
    for name, value in rows:
        if value is not None:
            yield f"| {name} | {_code(str(value))} |\n"
    yield "\n"
    for each in run.annotations:
        remark = each.value
        text = _cut(encode_trusted(remark.payload), LIMIT)
        yield f"- **{_code(remark.kind)}** by {_code(remark.by)} {_code(remark.created_at)}:"
        yield f" {_code(text)}\n"
    yield "\n" if run.annotations else ""
    page = _Page()
    for exchange in exchanges(run.events):
        yield from page.part(exchange)
    yield page.totals()


class _Page:
    """The counts that are made while a page is written."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("tool calls", "failed"), 0)
        self._usage = Usage()

    def part(self, exchange: Exchange) -> Iterator[str]:
        """Yields what is shown of an exchange."""
        event, what = exchange.event, exchange.reading.what
        payload = as_dict(event.payload)
        self._usage.add(event.kind, event.payload)
        if event.kind == THINKING:
            text = _fence(as_words(content_of(payload)))
            yield f"<details><summary>thinking</summary>\n\n{text}</details>\n\n"
        elif what == MESSAGE:
            yield f"## {_code(payload['role'])}\n\n{_fence(as_words(content_of(payload)))}"
        elif what in {CALL, RESULT}:
            yield from self._call(exchange)
        elif event.kind == EVALUATION:
            yield f"- **evaluation** {_code(_cut(encode_trusted(event.payload), _LINE))}\n\n"
        elif event.kind != MODEL_CALLED:
            mark = "✗ " if exchange.error is not None else ""
            text = encode_trusted(event.payload)
            shown = "" if text == "{}" else " " + _code(_cut(text, _LINE))
            yield f"- {mark}{_code(event.kind)}{shown}\n\n"

    def _call(self, exchange: Exchange) -> Iterator[str]:
        reading, outcome = exchange.reading, exchange.outcome
        outcome = reading if reading.what == RESULT else outcome
        error = exchange.error
        self._counts["tool calls"] += exchange.is_call
        self._counts["failed"] += error is not None
        tool = reading.tool or (outcome.tool if outcome else "") or "unnamed"
        took = exchange.lasted()
        after = "" if took is None else f" ({took // 1000} ms)"
        yield f"### {'✗ ' if error is not None else ''}{_code(tool)}{after}\n\n"
        if reading.arguments not in (None, {}):
            yield _fence(_given(reading.arguments))
        if outcome is not None and outcome.output not in (None, ""):
            yield _fence(as_words(outcome.output))
        elif exchange.is_open:
            yield "No result.\n\n"
        if error is not None:
            code = exchange.exit_code
            after = "" if code is None or str(code) in error else f" with exit code {code}"
            yield f"**Failed{after}:** {_code(_cut(error, _LINE))}\n\n"

    def totals(self) -> str:
        said = [f"{name}: {number}" for name, number in self._counts.items() if number]
        told = self._usage.figures()
        calls = self._usage.calls, told.input_tokens, told.output_tokens
        names = "model calls", "input tokens", "output tokens"
        said += [f"{name}: {number}" for name, number in zip(names, calls, strict=True) if number]
        if told.cost_usd:
            said.append(f"cost: ${told.cost_usd:.4f}")
        return f"---\n\n{', '.join(said) or 'no tool calls'}\n"


def _given(arguments: Any) -> str:
    """Arguments as lines, a member each: a command or a text is read better so than as JSON."""
    if not isinstance(arguments, dict):
        return as_words(arguments)
    return "\n".join(f"{name}: {as_words(value)}" for name, value in arguments.items())


def _fence(text: str) -> str:
    text = visible(_cut(text, LIMIT).replace("\r\n", "\n"), keep="\n\t")
    ticks = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    end = "" if text.endswith("\n") else "\n"
    return f"{ticks}text\n{text}{end}{ticks}\n\n"


def _code(text: str) -> str:
    """A text on one line, as code."""
    line = visible(" ".join(text.split())).replace("|", "\\|")
    ticks = "`" * (1 + max(map(len, _TICKS.findall(line)), default=0))
    space = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{ticks}{space}{line}{space}{ticks}" if line else "-"


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text)} characters in all)"
