"""MLflow traces, as `Trace.to_json()` writes them: spans, read as those of OTLP/JSON are.

Attributes are JSON in texts, ids are base64. A span of a program that does not follow the GenAI
conventions is known by its `mlflow.spanType`.
"""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from aivcs.errors import SerializationError
from aivcs.formats.otlp import Otlp
from aivcs.formats.records import Documents, Record
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import as_count, as_dict, as_list, as_text, parse_value

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder

_OPERATIONS = {
    "AGENT": "invoke_agent",
    "CHAT_MODEL": "chat",
    "LLM": "chat",
    "TOOL": "execute_tool",
    "EMBEDDING": "embeddings",
    "RETRIEVER": "retrieval",
}
_OURS = {
    "invoke_agent": ("gen_ai.input.messages", "gen_ai.output.messages"),
    "chat": ("gen_ai.input.messages", "gen_ai.output.messages"),
    "execute_tool": ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
}


class MlflowTrace(Otlp):
    """Reads traces, one after the other."""

    format = "mlflow"

    def decoder(self) -> Decoder:
        """Returns what reads each trace as a record."""
        return Documents()

    def take(self, record: Record) -> None:
        """Takes one trace: its spans as one batch."""
        value = as_dict(record.value)
        info, data = as_dict(value.get("info")), as_dict(value.get("data"))
        spans = as_list(data.get("spans"))
        if not spans:
            super().take(record)
            return
        metadata, tags = as_dict(info.get("trace_metadata")), as_dict(info.get("tags"))
        trace = as_text(info.get("trace_id")) or ""
        conversation = as_text(metadata.get("mlflow.trace.session")) or trace
        resource = {
            "service.name": as_text(tags.get("service.name"))
            or as_text(tags.get("mlflow.traceName"))
            or as_text(metadata.get("mlflow.source.name")),
            "service.version": as_text(tags.get("service.version")),
        }
        batch = {
            "resource": {"attributes": _pairs(resource)},
            "scopeSpans": [{"spans": [_span(as_dict(span), conversation) for span in spans]}],
        }
        super().take(Record(record.line, record.name, {"resourceSpans": [batch]}))
        if self._last:
            self.emit_raw(self._last, ["info"], info, is_known=True)


def _span(span: dict[str, Any], conversation: str) -> dict[str, Any]:
    """A span as OTLP/JSON has it."""
    attributes = {name: _parsed(member) for name, member in as_dict(span.get("attributes")).items()}
    if conversation:
        attributes.setdefault("gen_ai.conversation.id", conversation)
    kind = as_text(attributes.get("mlflow.spanType")) or ""
    operation = as_text(attributes.get("gen_ai.operation.name")) or _OPERATIONS.get(kind)
    if operation is not None:
        attributes["gen_ai.operation.name"] = operation
        for ours, theirs in zip(
            _OURS.get(operation, ()), ("mlflow.spanInputs", "mlflow.spanOutputs"), strict=False
        ):
            if attributes.get(theirs) is not None:
                attributes.setdefault(ours, _conversation(attributes[theirs], operation))
    if operation == "execute_tool":
        attributes.setdefault("gen_ai.tool.name", span.get("name"))
    usage = as_dict(attributes.get("mlflow.chat.tokenUsage"))
    for name in ("input_tokens", "output_tokens"):
        if as_count(usage.get(name)) is not None:
            attributes.setdefault(f"gen_ai.usage.{name}", usage[name])
    attributes.setdefault("gen_ai.request.model", attributes.get("mlflow.llm.model"))
    events = [
        {
            "name": event.get("name"),
            "timeUnixNano": event.get("time_unix_nano", event.get("timestamp")),
            "attributes": _pairs(as_dict(event.get("attributes"))),
        }
        for event in map(as_dict, as_list(span.get("events")))
    ]
    return {
        "traceId": _hex(span.get("trace_id")),
        "spanId": _hex(span.get("span_id")),
        "parentSpanId": _hex(span.get("parent_span_id")),
        "name": span.get("name"),
        "startTimeUnixNano": span.get("start_time_unix_nano"),
        "endTimeUnixNano": span.get("end_time_unix_nano"),
        "status": span.get("status"),
        "attributes": _pairs(attributes),
        "events": events,
    }


def _conversation(value: Any, operation: str) -> Any:
    """Messages in what a program gave a model or got from it."""
    if operation == "execute_tool":
        return value
    inner = as_dict(value)
    if isinstance(inner.get("messages"), list):
        return inner["messages"]
    choices = [as_dict(choice).get("message") for choice in as_list(inner.get("choices"))]
    return choices or value


def _pairs(members: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": {"value": member}}
        for name, member in members.items()
        if member is not None
    ]


def _parsed(value: Any) -> Any:
    """The value of an attribute: JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return parse_value(value)
    except SerializationError:
        return value


def _hex(value: Any) -> str:
    """An id in hexadecimal, whether it was in base64 or not."""
    if not isinstance(value, str) or len(value) in {16, 32}:
        return value if isinstance(value, str) else ""
    try:
        return b64decode(value, validate=True).hex()
    except ValueError:
        return value


def _detect(head: Head) -> bool:
    info = head.root.get("info")
    return isinstance(info, dict) and "trace_id" in info and "data" in head.root


MLFLOW = Format("mlflow", "traces of MLflow", _detect, MlflowTrace)
