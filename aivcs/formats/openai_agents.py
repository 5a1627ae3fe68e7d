"""OpenAI Agents SDK: the objects that its exporter sends, traces and spans, one a line.

The SDK writes no file by itself; a tracing processor that writes `trace.export()` and
`span.export()` as lines of JSON makes one. A span is written when it ends, so an agent comes after
what it did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    ERROR,
    MESSAGE,
    MODEL_CALLED,
    SESSION_STARTED,
    TURN_FINISHED,
    Hint,
    Reader,
)
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_count,
    as_dict,
    as_list,
    as_text,
    as_time,
    parsed,
    text_of,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Record
    from aivcs.model.timestamp import Timestamp

_NAMELESS = "Agent workflow"
"""The name of a workflow that has none."""
_REMEMBERED = 100_000
_KNOWN = frozenset(
    {
        "agent", "custom", "guardrail", "handoff", "mcp_tools", "speech", "speech_group", "task",
        "transcription", "turn",
    }
)  # fmt: skip


class OpenAiAgents(Reader):
    """Reads traces and spans."""

    format = program = "openai-agents"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._last = ""
        self._told: dict[tuple[str, int], None] = {}  # messages that were told

    def take(self, record: Record) -> None:
        """Takes a trace or a span."""
        value = as_dict(record.value)
        kind = value.get("object")
        name = value.get("workflow_name")
        if kind == "trace" and as_text(value.get("id")):
            self._last = self.open(
                self.hint.session or str(value["id"]),
                agent=None if name == _NAMELESS else as_text(name),
            )
            self.emit(self._last, SESSION_STARTED, value)
        elif kind == "trace.span" and as_text(value.get("trace_id")):
            self._last = self.open(self.hint.session or str(value["trace_id"]))
            self._read_span(value)
        else:
            if not self._last:
                self._last = self.open(self.hint.session or "openai-agents")
            self.emit_raw(self._last, [kind or "value"], record.value)

    def _read_span(self, value: dict[str, Any]) -> None:
        data = as_dict(value.get("span_data"))
        begun, ended = as_time(value.get("started_at")), as_time(value.get("ended_at"))
        kind = as_text(data.get("type"))
        error = as_dict(value.get("error"))
        complaint = as_text(error.get("message")) if error else None
        if kind == "function":
            self._read_call(value, data, begun, ended, complaint)
            return
        if kind in {"generation", "response"}:
            self._read_answer(data, ended)
        elif kind == "agent":
            status = "failed" if complaint else "completed"
            payload = {"agent": data.get("name"), "status": status}
            more = without_nulls(error=complaint, duration_ms=_milliseconds(begun, ended))
            self.emit(self._last, TURN_FINISHED, payload | more | {"span": value}, ended)
            self.learn(self._last, agent=as_text(data.get("name")))
            self.conclude(self._last, status, complaint)  # the outermost agent ends last
            return
        else:
            self.emit_raw(self._last, [kind], value, ended, is_known=kind in _KNOWN)
        if complaint:
            self.emit(self._last, ERROR, {"message": complaint, "error": error}, ended)

    def _read_call(
        self,
        value: dict[str, Any],
        data: dict[str, Any],
        begun: Timestamp | None,
        ended: Timestamp | None,
        complaint: str | None,
    ) -> None:
        call_id = as_text(value.get("id"))
        name = as_text(data.get("name"))
        self.tell_call(self._last, name, call_id, parsed(data.get("input")), begun)
        self._remember("tool", data.get("output"))  # as the model is told it
        reason = as_dict(as_dict(value.get("error")).get("data")).get("error")
        if complaint and isinstance(reason, str):
            complaint = f"{complaint}: {reason}"
        self.tell_result(
            self._last, name, call_id, data.get("output"), ended,
            error=complaint, has_failed=value.get("error") is not None,
            duration_ms=_milliseconds(begun, ended),
        )  # fmt: skip

    def _read_answer(self, data: dict[str, Any], ended: Timestamp | None) -> None:
        """Gives a call of the model; only a `generation` has the messages and the model's name."""
        for message in map(as_dict, as_list(data.get("input"))):
            role = as_text(message.get("role")) or as_text(message.get("type")) or "unknown"
            if self._remember(role, message.get("content", message)):
                self._say(role, message, ended)
        for message in map(as_dict, as_list(data.get("output"))):
            content = message.get("content")
            if self._remember("assistant", content) and content:
                self._say("assistant", message, ended)
        usage = as_dict(data.get("usage"))
        cached = as_dict(usage.get("input_tokens_details")).get("cached_tokens")
        reasoning = as_dict(usage.get("output_tokens_details")).get("reasoning_tokens")
        payload = without_nulls(
            model=as_text(data.get("model")),
            input_tokens=as_count(usage.get("input_tokens", usage.get("prompt_tokens"))),
            cached_input_tokens=as_count(cached),
            output_tokens=as_count(usage.get("output_tokens", usage.get("completion_tokens"))),
            reasoning_tokens=as_count(reasoning),
            response_id=as_text(data.get("response_id")),
            usage=usage or None,
            output=data.get("output"),
        )
        self.learn(self._last, model=as_text(data.get("model")))
        self.emit(self._last, MODEL_CALLED, payload, ended)

    def _remember(self, role: str, content: Any) -> bool:
        """Remembers a message, which later calls repeat; returns whether it was new."""
        mark = (self._last, hash((role, text_of(content) or repr(content))))
        if mark in self._told:
            return False
        self._told[mark] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return True

    def _say(self, role: str, message: dict[str, Any], at: Timestamp | None) -> None:
        content = message.get("content")
        text = text_of(content)
        self.emit(
            self._last, MESSAGE, {"role": role, "content": content if text is None else text}, at
        )


def _milliseconds(begun: Timestamp | None, ended: Timestamp | None) -> int | None:
    if begun is None or ended is None or ended < begun:
        return None
    return (ended.microseconds() - begun.microseconds()) // 1000


def _detect(head: Head) -> bool:
    return any(
        value.get("object") == "trace.span"
        or (value.get("object") == "trace" and "workflow_name" in value)
        for value in head.records
    )


OPENAI_AGENTS = Format(
    "openai-agents", "traces and spans of the OpenAI Agents SDK", _detect, OpenAiAgents
)
