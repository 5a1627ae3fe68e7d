"""Upstream's trace of a run, `RunTraceArtifact`, which `run export --format trace` writes, too.

Its events are those of the run, with their kinds and payloads. Its replay digest is checked at the
end: a trace that was edited is refused, and its run stays open.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aivcs.errors import SerializationError
from aivcs.formats.errors import FormatError
from aivcs.formats.model import CANCELLED, COMPLETED, FAILED, Hint, Reader
from aivcs.formats.records import Documents
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import as_text, as_time, safe_kind
from aivcs.formats.write.trace import event_text, time_text, trace_hasher

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record

_STATUS = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}
_HEADER = frozenset({"run_id", "spec_digest", "agent_name", "status", "created_at", "completed_at"})
_EXACT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6}|\.\d{9})?Z")


class Trace(Reader):
    """Reads traces."""

    format = program = "trace"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._header: dict[str, Any] = {}
        self._digest = trace_hasher()
        self._before = b"["
        self._status: str | None = None
        self._has_all = True  # events are objects with the members of an event

    def decoder(self) -> Decoder:
        """Returns what reads each event, and each other member, as a record."""
        return Documents({"events"})

    def take(self, record: Record) -> None:
        """Takes a member of the trace, or one of its events."""
        name, value = record.name, record.value
        if name in _HEADER and not self._session:
            self._header[name] = value
        elif name == "events":
            self._begin()
            self._read_event(value)
        elif name == "replay_digest" and self._has_all:
            self._begin()
            digest = self._digest.copy()
            digest.update(b"[]" if self._before == b"[" else b"]")
            if value != digest.hexdigest():
                raise FormatError(
                    f"line {record.line}: the events give the replay digest {digest.hexdigest()}, "
                    f"but the trace says {str(value)[:80]!a}: it was changed"
                )
        elif name not in {"event_count", "replay_digest"}:
            self._begin()
            payload = {name: value} if name else value
            self.emit_raw(self._session, [name or "value"], payload)

    def finish(self, *, final: bool) -> None:
        """Takes the end: a trace without an event is a session, too."""
        if final and self._header:
            self._begin()
        if final and self._status is not None:
            ended = as_time(self._header.get("completed_at"))
            self.conclude(self._session, self._status, ended_at=ended)

    def _begin(self) -> None:
        if self._session:
            return
        header = self._header
        name = self.hint.session or as_text(header.get("run_id"))
        if name is None:
            from hashlib import sha256

            text = repr(header).encode("utf-8", "replace")
            name = f"trace-{sha256(text).hexdigest()[:16]}"
        self._session = self.open(
            name,
            agent=as_text(header.get("agent_name")),
            started_at=as_time(header.get("created_at")),
            spec=as_text(header.get("spec_digest")),
        )
        status = _STATUS.get((as_text(header.get("status")) or "").lower())
        if status is not None:
            self._status = status

    def _read_event(self, value: Any) -> None:
        kind = value.get("kind") if isinstance(value, dict) else None
        time = value.get("timestamp") if isinstance(value, dict) else None
        at = as_time(time)
        if not isinstance(kind, str) or not kind or at is None:
            self._has_all = False
            self.emit_raw(self._session, ["event"], value)
            return
        seq, payload = value.get("seq"), value.get("payload")
        text = time if isinstance(time, str) and _EXACT.fullmatch(time) else time_text(at)
        try:
            element = event_text(seq, kind, payload, text).encode()
        except SerializationError:
            self._has_all = False
        else:
            self._digest.update(self._before + element)
            self._before = b","
        shown = payload if isinstance(payload, dict) else {"value": payload}
        self.emit(self._session, safe_kind(kind), shown, at)


def _detect(head: Head) -> bool:
    return {"run_id", "spec_digest", "agent_name", "status"} <= head.root.keys() and (
        "events" in head.root or "replay_digest" in head.root
    )


TRACE = Format("trace", "traces of upstream, RunTraceArtifact", _detect, Trace)
