"""OTLP as protobuf, for servers that take no JSON. Needs the extra `otlp` (opentelemetry-proto)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from aivcs.codec.json import encode_trusted, parse
from aivcs.errors import BackendError, SerializationError

_IDS = ("traceId", "spanId", "parentSpanId")


def as_protobuf(batch: str) -> bytes:
    """Returns a batch of spans of `aivcs.formats.write.otlp` as an ExportTraceServiceRequest.

    Raises:
        BackendError: opentelemetry-proto is not installed, or its version is too old.
    """
    try:
        from google.protobuf.json_format import Parse, ParseError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
    except ImportError as error:
        raise BackendError(
            f"OTLP as protobuf needs another package ({error}); "
            "install it: pip install 'aivcs-cli[otlp]'"
        ) from error
    value = parse(batch)
    _encode_ids(value)
    try:
        request = Parse(
            encode_trusted(value), ExportTraceServiceRequest(), ignore_unknown_fields=True
        )
    except ParseError as error:
        raise SerializationError(f"the trace cannot be written as protobuf: {error}") from error
    return bytes(request.SerializeToString())


def _encode_ids(value: Any) -> None:
    """Writes ids in base64, as protobuf's own JSON has them; OTLP/JSON has them in hex."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for name in _IDS:
                if isinstance(node.get(name), str):
                    node[name] = b64encode(bytes.fromhex(node[name])).decode()
            # What was recorded stands in attributes, and holds no ids of spans.
            waiting += [inner for name, inner in node.items() if name != "attributes"]
        elif isinstance(node, list):
            waiting += node
