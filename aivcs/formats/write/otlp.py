"""OTLP/JSON: a run as a trace, in the GenAI conventions of OpenTelemetry.

- **Ids are a function of the run's id and of a seq**: a run exported twice is the same trace.
  The trace id is the first half of SHA-256(run id), the id of a span the first quarter of
  SHA-256(run id "/" seq); that of the root is of SHA-256(run id "/").
- The run is `invoke_agent`, a call of a tool `execute_tool`, a call of a model `chat` with the
  messages since the last one; any other event is a span without duration, named by its kind. A
  call without a result is `tool_call`, with a message that asks for it.
- Annotations are events of the root.
- A failure has status code 2, its message and `error.type`. Structured values are JSON in a text,
  which viewers parse.
- A line is a batch of spans, `MAX_SPANS` or `MAX_CHARS` at most. The calls of tools in it begin one
  after the other, because readers order a batch by time: where a clock went back, a new one begins.
  The root comes last, when its end is known.

The conventions have the status "Development"; `aivcs.mapping` is the version of this mapping.
Sources: https://opentelemetry.io/docs/specs/otlp/ and
https://github.com/open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.codec.json import encode_trusted
from aivcs.codec.sha256 import hex_digest
from aivcs.formats.model import EVALUATION, THINKING
from aivcs.formats.values import as_dict
from aivcs.formats.write.run import VERSION, as_words, content_of, usage_of
from aivcs.model.run import RunStatus
from aivcs.trace.exchanges import exchanges
from aivcs.trace.timeline import CALL, MESSAGE, RESULT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.formats.write.run import Run
    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.run import RunEvent, RunRecord
    from aivcs.trace.exchanges import Exchange
    from aivcs.trace.usage import ModelCall

MAX_SPANS = 512
"""Spans of one line, at most."""
MAX_CHARS = 1 << 20
"""Characters of the spans of one line, at most, unless a single span has more."""
MAX_MESSAGES = 64
"""Messages that wait for the call of a model that they belong to, at most."""
_INTERNAL, _CLIENT = 1, 3
_ROLES = {"system": "system", "developer": "system", "user": "user", "tool": "tool"}


def write(run: Run, *, version: str) -> Iterator[str]:
    """Yields the lines of a run's trace.

    Args:
        run: The run.
        version: The version of aivcs.
    """
    trace = _Trace(run, version)
    yield from trace.lines()


def trace_id(run_id: str) -> str:
    """Returns the id of a run's trace."""
    return hex_digest(run_id.encode())[:32]


def span_id(run_id: str, seq: int | None) -> str:
    """Returns the id of the span of an event, or of the root."""
    return hex_digest(f"{run_id}/{'' if seq is None else seq}".encode())[:16]


class _Trace:
    """The trace of one run, while it is written."""

    def __init__(self, run: Run, version: str) -> None:
        record = self._record = run.record
        self._run = run
        resource = {
            "service.name": record.metadata.agent_name,
            "service.version": record.spec_digest.short,
            "telemetry.sdk.name": "aivcs",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": version,
        }
        scope = {"name": "aivcs", "version": version}
        self._opening = (
            f'{{"resourceSpans":[{{"resource":{{"attributes":{encode_trusted(_pairs(resource))}}},'
            f'"scopeSpans":[{{"scope":{encode_trusted(scope)},"spans":['
        )
        self._trace = trace_id(record.run_id)
        self._root = span_id(record.run_id, None)
        self._batch: list[str] = []
        self._size = 0
        self._begun = 0
        self._before = record.created_at.microseconds()
        self._first: tuple[RunEvent, dict[str, Any]] | None = None
        self._last: tuple[RunEvent, dict[str, Any]] | None = None
        self._pending: list[tuple[RunEvent, dict[str, Any]]] = []

    def lines(self) -> Iterator[str]:
        end = self._before
        for exchange in exchanges(self._run.events):
            for event in filter(None, (exchange.event, exchange.result)):
                assert event.timestamp is not None
                end = max(end, event.timestamp.microseconds())
            for span in self._spans(exchange):
                yield from self._add(span)
            assert exchange.event.timestamp is not None
            self._before = exchange.event.timestamp.microseconds()
        for span in self._told():
            yield from self._add(span)
        yield from self._add(self._root_span(end))
        yield self._line()

    def _add(self, span: dict[str, Any]) -> Iterator[str]:
        """Adds a span to the batch; yields the batch before it if it has to end there."""
        begin, text = int(span["startTimeUnixNano"]), encode_trusted(span)
        is_tool = span["name"].startswith(("execute_tool ", "tool_call "))
        is_full = len(self._batch) >= MAX_SPANS or self._size + len(text) > MAX_CHARS
        if self._batch and (is_full or (is_tool and begin < self._begun)):
            yield self._line()
        self._batch.append(text)
        self._size += len(text)
        self._begun = begin if is_tool else self._begun

    def _line(self) -> str:
        line = f"{self._opening}{','.join(self._batch)}]}}]}}]}}\n"
        self._batch, self._size, self._begun = [], 0, 0
        return line

    def _spans(self, exchange: Exchange) -> Iterator[dict[str, Any]]:
        """Yields the spans of an exchange; a message waits for the call of its model."""
        event, what = exchange.event, exchange.reading.what
        payload = as_dict(event.payload)
        message = _message(event, what)
        if message is not None:
            if len(self._pending) >= MAX_MESSAGES:
                yield from self._told()
            self._pending.append((event, message))
            if self._first is None and message["role"] == "user":
                self._first = (event, message)
            if message["role"] == "assistant" and event.kind != THINKING:
                self._last = (event, message)
        usage = None if what in {CALL, RESULT} else usage_of(event)
        if usage is not None:
            yield self._chat(exchange, usage)
        elif message is not None:
            return
        elif exchange.is_open and exchange.error is None:
            yield self._open_call(exchange)
        elif what == CALL:
            yield self._tool(exchange)
        elif event.kind == EVALUATION:
            yield self._evaluation(event, payload)
        else:
            yield self._other(exchange)

    def _span(
        self,
        event: RunEvent,
        name: str,
        attributes: dict[str, Any],
        *,
        begin: int | None = None,
        end: int | None = None,
        kind: int = _INTERNAL,
        error: str | None = None,
        events: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """A span of an event; by default it begins and ends with that, in microseconds."""
        assert event.timestamp is not None
        at = event.timestamp.microseconds()
        begin = at if begin is None else begin
        attributes = {
            **attributes,
            "gen_ai.conversation.id": self._record.run_id,
            "aivcs.event.seq": event.seq,
            "aivcs.event.kind": event.kind,
        }
        return self._of(
            span_id(self._record.run_id, event.seq), self._root, name, attributes,
            begin, max(begin, at if end is None else end), kind, error, events or [],
        )  # fmt: skip

    def _of(
        self,
        own: str,
        parent: str,
        name: str,
        attributes: dict[str, Any],
        begin: int,
        end: int,
        kind: int,
        error: str | None,
        events: list[dict[str, Any]],
    ) -> dict[str, Any]:
        span: dict[str, Any] = {"traceId": self._trace, "spanId": own}
        if parent:
            span["parentSpanId"] = parent
        if error is not None:
            attributes = {**attributes, "error.type": attributes.get("error.type", "error")}
        span |= {
            "name": name,
            "kind": kind,
            "startTimeUnixNano": f"{begin}000",
            "endTimeUnixNano": f"{end}000",
            "attributes": _pairs(attributes),
        }
        if events:
            span["events"] = events
        span["status"] = {} if error is None else {"code": 2, "message": error}
        return span

    def _tool(self, exchange: Exchange) -> dict[str, Any]:
        reading, outcome = exchange.reading, exchange.outcome
        tool = _tool_of(exchange)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": _call_id(exchange),
        }
        if reading.arguments is not None:
            attributes["gen_ai.tool.call.arguments"] = as_words(reading.arguments)
        if outcome is not None and outcome.output is not None:
            attributes["gen_ai.tool.call.result"] = as_words(outcome.output)
        if exchange.exit_code is not None:
            attributes["process.exit.code"] = exchange.exit_code
        assert exchange.event.timestamp is not None
        end = exchange.event.timestamp.microseconds() + (exchange.lasted() or 0)
        return self._span(
            exchange.event, f"execute_tool {tool}", attributes, end=end, error=exchange.error
        )

    def _open_call(self, exchange: Exchange) -> dict[str, Any]:
        """A call without a result: a message that asks for it; a span would say that it ended."""
        tool = _tool_of(exchange)
        function: dict[str, Any] = {"name": tool}
        if exchange.reading.arguments is not None:
            function["arguments"] = as_words(exchange.reading.arguments)
        call = {"id": _call_id(exchange), "function": function}
        said = _event(exchange.event, "gen_ai.assistant.message", {"tool_calls": [call]})
        return self._span(exchange.event, f"tool_call {tool}", {}, events=[said])

    def _chat(self, exchange: Exchange, usage: ModelCall) -> dict[str, Any]:
        """The span of a call of a model, with the messages since the last one."""
        event = exchange.event
        inputs = [m for _, m in self._pending if m["role"] != "assistant"]
        outputs = [m for _, m in self._pending if m["role"] == "assistant"]
        first = self._pending[0][0] if self._pending else event
        self._pending = []
        attributes: dict[str, Any] = {"gen_ai.operation.name": "chat"}
        known = {
            "gen_ai.provider.name": usage.provider,
            "gen_ai.request.model": usage.model,
            "gen_ai.response.model": usage.model,
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
            "gen_ai.usage.cost": usage.cost_usd,
            "gen_ai.response.finish_reasons": usage.stop_reason and [usage.stop_reason],
            "gen_ai.input.messages": encode_trusted(inputs) if inputs else None,
            "gen_ai.output.messages": encode_trusted(outputs) if outputs else None,
        }
        attributes |= {name: value for name, value in known.items() if value is not None}
        assert event.timestamp is not None
        assert first.timestamp is not None
        at, took = event.timestamp.microseconds(), exchange.lasted()
        begin = at - took if took else min(at, self._before, first.timestamp.microseconds())
        return self._span(
            event, f"chat {usage.model or 'model'}", attributes,
            begin=begin, kind=_CLIENT, error=exchange.error,
        )  # fmt: skip

    def _told(self) -> Iterator[dict[str, Any]]:
        """Yields a span for each message that no call of a model followed."""
        pending, self._pending = self._pending, []
        for event, message in pending:
            role = message["role"]
            members = {"role": role, "content": _text_in(message)}
            said = _event(event, f"gen_ai.{role}.message", members)
            yield self._span(event, f"message {role}", {}, events=[said])

    def _evaluation(self, event: RunEvent, payload: dict[str, Any]) -> dict[str, Any]:
        name = as_words(payload.get("name", "unnamed"))
        result = _event(event, "gen_ai.evaluation.result", _result_of(payload))
        about = {"aivcs.event.payload": encode_trusted(payload)}
        return self._span(event, f"evaluation {name}", about, events=[result])

    def _other(self, exchange: Exchange) -> dict[str, Any]:
        event = exchange.event
        attributes = {"aivcs.event.payload": encode_trusted(event.payload)}
        return self._span(event, event.kind, attributes, error=exchange.error)

    def _root_span(self, end: int) -> dict[str, Any]:
        record = self._record
        agent = record.metadata.agent_name
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent,
            "gen_ai.agent.version": record.spec_digest,
            "gen_ai.conversation.id": record.run_id,
        }
        for name, told in (("input", self._first), ("output", self._last)):
            if told is not None:
                attributes[f"gen_ai.{name}.messages"] = encode_trusted([told[1]])
        attributes |= {
            "aivcs.mapping": VERSION,
            "aivcs.run.id": record.run_id,
            "aivcs.run.status": record.status,
            "aivcs.run.head": self._run.head.hash,
            "aivcs.spec.digest": record.spec_digest,
        }
        if record.metadata.git_sha:
            attributes["vcs.ref.head.revision"] = record.metadata.git_sha
        tags = self._run.tags
        if isinstance(tags, dict):
            attributes |= {f"aivcs.tag.{key}": value for key, value in tags.items()}
        if record.completed_at is not None:
            end = record.completed_at.microseconds()
        return self._of(
            self._root, "", f"invoke_agent {agent}", attributes,
            record.created_at.microseconds(), max(end, record.created_at.microseconds()),
            _INTERNAL, _failure(record), list(map(_annotation, self._run.annotations)),
        )  # fmt: skip


def _failure(record: RunRecord) -> str | None:
    """The reason why a run failed; None if it did not, or is still running."""
    if record.status in {RunStatus.RUNNING, RunStatus.COMPLETED}:
        return None
    code = record.summary.exit_code if record.summary else None
    return record.status.lower() + ("" if code is None else f" with exit code {code}")


def _tool_of(exchange: Exchange) -> str:
    return exchange.reading.tool or (exchange.outcome and exchange.outcome.tool) or "unnamed"


def _call_id(exchange: Exchange) -> str:
    return exchange.reading.call_id or f"call-{exchange.seq}"


def _event(event: RunEvent, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """An event of a span."""
    assert event.timestamp is not None
    at = f"{event.timestamp.microseconds()}000"
    return {"timeUnixNano": at, "name": name, "attributes": _pairs(attributes)}


def _result_of(payload: dict[str, Any]) -> dict[str, Any]:
    """The members of the event of the conventions for an evaluation."""
    members = {
        "gen_ai.evaluation.name": as_words(payload.get("name", "unnamed")),
        "gen_ai.evaluation.score.value": payload.get("score"),
        "gen_ai.evaluation.score.label": payload.get("label"),
        "gen_ai.evaluation.explanation": payload.get("explanation"),
    }
    return {key: value for key, value in members.items() if value is not None}


def _annotation(stored: StoredAnnotation) -> dict[str, Any]:
    """An annotation as an event of the root; an evaluation as one of the conventions."""
    value = stored.value
    is_evaluation = value.kind == EVALUATION
    members = _result_of(as_dict(value.payload)) if is_evaluation else {}
    members |= {
        "aivcs.annotation.digest": stored.digest,
        "aivcs.annotation.kind": value.kind,
        "aivcs.annotation.by": value.by,
        "aivcs.annotation.payload": encode_trusted(value.payload),
    }
    return {
        "timeUnixNano": f"{value.created_at.microseconds()}000",
        "name": "gen_ai.evaluation.result" if is_evaluation else "aivcs.annotation",
        "attributes": _pairs(members),
    }


def _message(event: RunEvent, what: str) -> dict[str, Any] | None:
    """A message of the conventions; None for another event."""
    payload = as_dict(event.payload)
    if event.kind == THINKING:
        part = {"type": "reasoning", "content": as_words(content_of(payload))}
        return {"role": "assistant", "parts": [part]}
    if what != MESSAGE:
        return None
    role = _ROLES.get(payload["role"], "assistant")
    content = content_of(payload)
    if isinstance(content, list):
        return {"role": role, "parts": content}
    return {"role": role, "parts": [{"type": "text", "content": as_words(content)}]}


def _text_in(message: dict[str, Any]) -> str:
    parts = message["parts"]
    texts = [p.get("content") if isinstance(p, dict) else None for p in parts]
    known = [text for text in texts if isinstance(text, str)]
    return "\n".join(known) if len(known) == len(parts) else encode_trusted(parts)


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    """A value as OTLP/JSON writes it: 64-bit integers as texts, structured values as JSON text."""
    if isinstance(value, str):
        return {"stringValue": str(value)}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        if abs(value) < 1 << 63:
            return {"intValue": str(value)}
        return {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {"arrayValue": {"values": [{"stringValue": item} for item in value]}}
    return {"stringValue": encode_trusted(value)}
