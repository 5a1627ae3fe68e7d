"""OpenCode: the lines of `opencode run --format json`.

A tool's `state.status` is `completed` also for a command that exits with 1; its exit code is in
`state.metadata.exit`. `tokens.input` leaves out what came from the cache; here it is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    COMPLETED,
    ERROR,
    FAILED,
    MESSAGE,
    MODEL_CALLED,
    THINKING,
    Hint,
    Reader,
)
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_count,
    as_dict,
    as_int,
    as_number,
    as_text,
    last_lines,
    milliseconds_between,
    text_of,
    time_from,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Record
    from aivcs.model.timestamp import Timestamp

_KNOWN = frozenset({"step_start"})


class OpenCode(Reader):
    """Reads the lines of a run."""

    format = program = "opencode"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""

    def take(self, record: Record) -> None:
        """Takes one record."""
        value = as_dict(record.value)
        said = self.hint.session or as_text(value.get("sessionID"))
        if said:
            self._session = self.open(said)
        elif not self._session:
            from hashlib import sha256

            digest = sha256(repr(record.value).encode("utf-8", "replace")).hexdigest()[:16]
            self._session = self.open(f"opencode-{digest}")
        if not value:
            self.emit_raw(self._session, ["value"], record.value)
            return
        kind = as_text(value.get("type"))
        part = as_dict(value.get("part"))
        at = time_from(value.get("timestamp"), 1000)
        about = without_nulls(message_id=as_text(part.get("messageID")))
        text = part.get("text")
        if kind == "text" and isinstance(text, str):
            payload = {"role": as_text(part.get("role")) or "assistant", "content": text}
            self.emit(self._session, MESSAGE, payload | about, at)
        elif kind == "reasoning" and isinstance(text, str):
            self.emit(self._session, THINKING, {"content": text} | about, at)
        elif kind == "tool_use" and as_text(part.get("tool")):
            self._read_tool(part, at)
        elif kind == "step_finish":
            self._read_step(part, about, at)
        elif kind == "error":
            self._read_error(value, at)
        else:
            self.emit_raw(self._session, [kind], value, at, is_known=kind in _KNOWN)

    def _read_tool(self, part: dict[str, Any], at: Timestamp | None) -> None:
        """A call that is over: it has both its arguments and what came of it."""
        state = as_dict(part.get("state"))
        times = as_dict(state.get("time"))
        begin, end = time_from(times.get("start"), 1000), time_from(times.get("end"), 1000)
        call_id = as_text(part.get("callID"))
        name = as_text(part.get("tool"))
        self.tell_call(self._session, name, call_id, state.get("input", {}), begin or at)
        error = as_text(state.get("error"))
        output = state.get("output", error)
        metadata = as_dict(state.get("metadata"))
        exit_code = as_int(metadata.get("exit"))
        if exit_code is None:
            exit_code = as_int(metadata.get("exitCode"))
        failed = as_text(state.get("status")) == "error" or error is not None
        if error is None and (failed or exit_code):
            error = last_lines(text_of(output))
        self.tell_result(
            self._session, name, call_id, output, end or at,
            exit_code=exit_code,
            has_failed=failed,
            error=error,
            duration_ms=milliseconds_between(begin, end),
        )  # fmt: skip

    def _read_step(self, part: dict[str, Any], about: dict[str, Any], at: Timestamp | None) -> None:
        """The end of one call of the model; the last one says how the run went."""
        tokens = as_dict(part.get("tokens"))
        cache = as_dict(tokens.get("cache"))
        cached = as_count(cache.get("read"))
        counts = [as_count(tokens.get("input")), cached, as_count(cache.get("write"))]
        known = [count for count in counts if count is not None]
        reason = as_text(part.get("reason"))
        payload = without_nulls(
            input_tokens=sum(known) if known else None,
            cached_input_tokens=cached,
            output_tokens=as_count(tokens.get("output")),
            reasoning_tokens=as_count(tokens.get("reasoning")),
            cost_usd=as_number(part.get("cost")),
            stop_reason=reason,
            usage=tokens,
        )
        self.emit(self._session, MODEL_CALLED, payload | about, at)
        self.conclude(self._session, COMPLETED if reason == "stop" else None, reason)

    def _read_error(self, value: dict[str, Any], at: Timestamp | None) -> None:
        error = as_dict(value.get("error"))
        message = (
            as_text(as_dict(error.get("data")).get("message"))
            or as_text(error.get("message"))
            or as_text(error.get("name"))
            or as_text(value.get("error"))
            or "failed"
        )
        self.emit(self._session, ERROR, {"message": message, "error": value.get("error")}, at)
        self.conclude(self._session, FAILED, message)


def _detect(head: Head) -> bool:
    return any(
        isinstance(value.get("part"), dict) and isinstance(value.get("sessionID"), str)
        for value in head.records
    )


OPENCODE = Format("opencode", "lines of opencode run --format json", _detect, OpenCode)
