"""Gemini CLI: its session files, and in `GeminiStream` what `--output-format stream-json` prints.

A session file is a log of states, not of events: a message with the same id replaces the one
before, `$set` replaces all messages, `$rewindTo` cuts them off. What a record adds to what was told
before is an event; what it takes away stays told, because it happened.

- Every call of a tool says `success`, also for a command that exits with 1. The exit code is in the
  text around its output (`Exit Code: 1`).
- `tokens.output` leaves out what the model thought; here it is added.
- Versions before 0.40 wrote one object, with all messages in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    CANCELLED,
    COMPLETED,
    ERROR,
    FAILED,
    MESSAGE,
    MODEL_CALLED,
    SESSION_STARTED,
    THINKING,
    TURN_FINISHED,
    Hint,
    Reader,
)
from aivcs.formats.records import LinesOrDocuments
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_count,
    as_dict,
    as_list,
    as_number,
    as_text,
    as_time,
    last_lines,
    text_of,
    without_nulls,
    wrapped_exit_code,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record
    from aivcs.model.timestamp import Timestamp

_HEADER = frozenset({"sessionId", "projectHash", "startTime", "lastUpdated", "kind", "summary"})
_FILE = re.compile(r"/chats/([0-9a-fA-F-]{36})/([^/]+)\.jsonl?$")
_REMEMBERED = 100_000
_HELD = 16


def hint_of(path: str) -> Hint:
    """Returns what the path of a session's file says: for a subagent, the parent's id."""
    found = _FILE.search(path)
    return Hint(parent=found[1], agent=found[2]) if found else Hint()


class _Told:
    """The records of one message."""

    __slots__ = ("called", "has_tokens", "returned", "text", "thoughts")

    def __init__(self) -> None:
        self.text: Any = None
        self.thoughts = 0
        self.has_tokens = False
        self.called: set[str] = set()
        self.returned: set[str] = set()


class GeminiCli(Reader):
    """Reads the session files of Gemini CLI."""

    format = program = "gemini-cli"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._header: dict[str, Any] = {}
        self._held: list[Record] = []
        self._told: dict[str, _Told] = {}

    @property
    def held(self) -> int:
        """Records that wait for one that names the session."""
        return len(self._held)

    def decoder(self) -> Decoder:
        """Returns what reads lines, or the messages of one object."""
        return LinesOrDocuments({"messages"})

    def take(self, record: Record) -> None:
        """Takes one record: a line, a member of an object, or one of its messages."""
        name, value = record.name, record.value
        if name and name != "messages" and not self._session:
            self._header[name] = value  # several members are one header
            return
        if not self._session:
            header = as_dict(value) if not name and "sessionId" in as_dict(value) else self._header
            if not self.hint.session and "sessionId" not in header and len(self._held) < _HELD:
                self._held.append(record)
                return
            self._begin(header)
            self._release()
            if header is value:
                self._read_messages(value)
                return
        self._read(record)

    def finish(self, *, final: bool) -> None:
        """Takes the end: a session without a message is one, too."""
        if final and not self._session and (self._held or self._header):
            self._begin(self._header)
            self._release()

    def _begin(self, header: dict[str, Any]) -> None:
        name = self.hint.session or as_text(header.get("sessionId"))
        if name is None:
            from hashlib import sha256

            first = repr(self._held[0].value if self._held else header)
            digest = sha256(first.encode("utf-8", "replace")).hexdigest()[:16]
            name = f"gemini-cli-{digest}"
        if self.hint.parent:
            name = f"{self.hint.parent}.{self.hint.agent}"
        self._session = self.open(
            name,
            parent=self.hint.parent,
            agent_id=self.hint.agent,
            started_at=as_time(header.get("startTime")),
            title=as_text(header.get("summary")),
        )
        shown = {key: value for key, value in header.items() if key != "messages"}
        self.emit(self._session, SESSION_STARTED, shown, as_time(header.get("startTime")))

    def _release(self) -> None:
        held, self._held = self._held, []
        line = self._line
        for record in held:
            self._line = record.line
            self._read(record)
        self._line = line

    def _read(self, record: Record) -> None:
        value = record.value
        if record.name and record.name != "messages":
            known = record.name in _HEADER
            self.emit_raw(self._session, [record.name], {record.name: value}, is_known=known)
        elif not isinstance(value, dict):
            self.emit_raw(self._session, ["value"], value)
        elif isinstance(value.get("$set"), dict):
            self._read_set(value)
        elif "$rewindTo" in value:
            self.emit_raw(self._session, ["rewound"], {"to": value["$rewindTo"]}, is_known=True)
        elif "sessionId" in value and "type" not in value:
            self.emit_raw(self._session, ["session"], value, is_known=True)
            self._read_messages(value)
        else:
            self._read_message(value)

    def _read_set(self, value: dict[str, Any]) -> None:
        """A change of the session: what it says of the messages is told like them."""
        change = value["$set"]
        kept = {name: member for name, member in change.items() if name != "messages"}
        self.learn(self._session, title=as_text(change.get("summary")))
        self.emit_raw(self._session, ["set"], kept, as_time(change.get("lastUpdated")),
                      is_known=True)  # fmt: skip
        self._read_messages(change)

    def _read_messages(self, holder: dict[str, Any]) -> None:
        for message in as_list(holder.get("messages")):
            if isinstance(message, dict):
                self._read_message(message, is_again=True)
            else:
                self.emit_raw(self._session, ["message"], message)

    def _read_message(self, value: dict[str, Any], *, is_again: bool = False) -> None:
        """Gives what a message adds to what was told of it.

        Args:
            value: The message.
            is_again: Whether it is one of several in a record, so that it may add nothing.
        """
        at = as_time(value.get("timestamp"))
        kind = as_text(value.get("type"))
        before = len(self._items)
        told = self._message(as_text(value.get("id")))
        if kind in {"gemini", "model"}:
            self._read_answer(value, told, at)
        elif kind == "user":
            self._read_prompt(value, told, at)
        elif kind == "error":
            text = text_of(value.get("content")) or "failed"
            if told.text != text:
                told.text = text
                self.emit(self._session, ERROR, {"message": text}, at)
        elif told.text != value:
            told.text = value
            known = kind in {"info", "warning"}
            self.emit_raw(self._session, [kind], value, at, is_known=known)
        if len(self._items) == before and not is_again:
            payload = without_nulls(type=kind, id=value.get("id"))
            self.emit_raw(self._session, ["repeated"], payload, at, is_known=True)

    def _message(self, name: str | None) -> _Told:
        if name is None:
            return _Told()
        told = self._told.get(name)
        if told is None:
            told = self._told[name] = _Told()
            if len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]
        return told

    def _read_prompt(self, value: dict[str, Any], told: _Told, at: Timestamp | None) -> None:
        content = value.get("content", value.get("parts"))
        parts = content if isinstance(content, list) else [content]
        texts = []
        for part in parts:
            response = as_dict(as_dict(part).get("functionResponse"))
            call_id = as_text(response.get("id"))
            if not response:
                texts.append(part)
            elif self.waits(self._session, call_id):
                self._tell_result(response, {}, at)
        if texts and told.text != texts:
            told.text = texts
            text = text_of(texts)
            payload = {"role": "user", "content": texts if text is None else text}
            self.emit(self._session, MESSAGE, payload, at)

    def _read_answer(self, value: dict[str, Any], told: _Told, at: Timestamp | None) -> None:
        model = as_text(value.get("model"))
        self.learn(self._session, model=model)
        about = without_nulls(model=model, message_id=as_text(value.get("id")))
        for thought in as_list(value.get("thoughts"))[told.thoughts :]:
            told.thoughts += 1
            said = [as_text(as_dict(thought).get(name)) for name in ("subject", "description")]
            thinking = ": ".join(text for text in said if text)
            self.emit(self._session, THINKING, {"content": thinking} | about, at)
        content = value.get("content", value.get("parts"))
        if content and content != told.text:
            told.text = content
            whole = text_of(content)
            message = {"role": "assistant", "content": content if whole is None else whole}
            self.emit(self._session, MESSAGE, message | about, at)
        self._read_tokens(value, told, model, at)
        for call in map(as_dict, as_list(value.get("toolCalls"))):
            self._read_call(call, told, at)

    def _read_tokens(
        self, value: dict[str, Any], told: _Told, model: str | None, at: Timestamp | None
    ) -> None:
        tokens = as_dict(value.get("tokens"))
        if not tokens or told.has_tokens:
            return
        told.has_tokens = True
        payload = without_nulls(model=model) | _tokens(tokens)
        self.emit(self._session, MODEL_CALLED, payload, at)

    def _read_call(self, call: dict[str, Any], told: _Told, at: Timestamp | None) -> None:
        call_id = as_text(call.get("id")) or f"call-{len(told.called)}"
        if call_id not in told.called:
            told.called.add(call_id)
            arguments = call.get("args", {})
            self.tell_call(self._session, as_text(call.get("name")), call_id, arguments, at)
        status = as_text(call.get("status"))
        is_over = call.get("result") is not None or status in {"success", "error", "cancelled"}
        if is_over and call_id not in told.returned:
            told.returned.add(call_id)
            response: dict[str, Any] = {"id": call_id}
            for part in as_list(call.get("result")):
                response |= as_dict(as_dict(part).get("functionResponse"))
            response["id"] = call_id
            self._tell_result(response, call, as_time(call.get("timestamp")) or at)

    def _tell_result(
        self, response: dict[str, Any], call: dict[str, Any], at: Timestamp | None
    ) -> None:
        """Gives the result of a call, as the model was told it."""
        inner = as_dict(response.get("response"))
        complaint = as_text(inner.get("error"))
        output = inner.get("output", inner.get("error", call.get("resultDisplay")))
        text = text_of(output)
        exit_code = wrapped_exit_code(text)
        status = as_text(call.get("status"))
        failed = status in {"error", "cancelled"} or complaint is not None
        shown = as_text(call.get("resultDisplay"))
        if complaint is None and (failed or exit_code):
            complaint = last_lines(shown or text)
        self.tell_result(
            self._session, as_text(response.get("name")), as_text(response.get("id")), output, at,
            exit_code=exit_code, has_failed=failed, error=complaint,
            denied="cancelled" if status == "cancelled" else None,
        )  # fmt: skip


class GeminiStream(Reader):
    """Reads the lines of `gemini --output-format stream-json`."""

    format = "gemini-stream"
    program = "gemini-cli"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._said: list[str] = []  # the pieces of an answer that goes on
        self._at: Timestamp | None = None

    def take(self, record: Record) -> None:
        """Takes one record; pieces of an answer are one message, once it is complete."""
        value = as_dict(record.value)
        kind = as_text(value.get("type"))
        at = as_time(value.get("timestamp"))
        if not self._session:
            self._begin(value, record)
        content = value.get("content")
        is_piece = (
            kind == "message"
            and value.get("delta") is True
            and value.get("role") == "assistant"
            and isinstance(content, str)
        )
        if is_piece:
            self._said.append(str(content))
            self._at = at or self._at
            return
        self._end_answer()
        if not value:
            self.emit_raw(self._session, ["value"], record.value)
        elif kind == "init":
            self.learn(self._session, model=as_text(value.get("model")))
            self.emit(self._session, SESSION_STARTED, value, at)
        elif kind == "message" and as_text(value.get("role")):
            text = text_of(content)
            payload = {"role": value["role"], "content": content if text is None else text}
            self.emit(self._session, MESSAGE, payload, at)
        elif kind == "tool_use":
            name, call_id = as_text(value.get("tool_name")), as_text(value.get("tool_id"))
            self.tell_call(self._session, name, call_id, value.get("parameters", {}), at)
        elif kind == "tool_result":
            self._read_result(value, at)
        elif kind == "error":
            message = as_text(value.get("message")) or "failed"
            payload = {"message": message} | without_nulls(severity=as_text(value.get("severity")))
            self.emit(self._session, ERROR, payload, at)
        elif kind == "result":
            self._read_end(value, at)
        else:
            self.emit_raw(self._session, [kind], value, at)

    def finish(self, *, final: bool) -> None:
        """Takes the end: an answer that went on is complete."""
        if final and self._session:
            self._end_answer()

    def _begin(self, value: dict[str, Any], record: Record) -> None:
        name = self.hint.session or as_text(value.get("session_id"))
        if name is None:
            from hashlib import sha256

            digest = sha256(repr(record.value).encode("utf-8", "replace")).hexdigest()[:16]
            name = f"gemini-cli-{digest}"
        self._session = self.open(name)

    def _end_answer(self) -> None:
        if self._said:
            payload = {"role": "assistant", "content": "".join(self._said)}
            self._said = []
            self.emit(self._session, MESSAGE, payload, self._at)

    def _read_result(self, value: dict[str, Any], at: Timestamp | None) -> None:
        output = value.get("output")
        text = text_of(output)
        error = value.get("error")
        complaint = as_text(as_dict(error).get("message")) or as_text(error)
        exit_code = wrapped_exit_code(text)
        failed = as_text(value.get("status")) in {"error", "cancelled"} or complaint is not None
        if complaint is None and (failed or exit_code):
            complaint = last_lines(text)
        self.tell_result(
            self._session, None, as_text(value.get("tool_id")), output, at,
            exit_code=exit_code, has_failed=failed, error=complaint,
        )  # fmt: skip

    def _read_end(self, value: dict[str, Any], at: Timestamp | None) -> None:
        """The end of the run, with figures of all calls of the model."""
        stats = as_dict(value.get("stats"))
        said = as_text(value.get("status"))
        status = {"success": COMPLETED, "cancelled": CANCELLED}.get(said or "", FAILED)
        error = value.get("error")
        reason = as_text(as_dict(error).get("message")) or as_text(error) or said
        duration = as_number(stats.get("duration_ms"))
        usage = without_nulls(
            input_tokens=as_count(stats.get("input_tokens")),
            cached_input_tokens=as_count(stats.get("cached")),
            output_tokens=as_count(stats.get("output_tokens")),
        )
        if usage:
            self.emit(self._session, MODEL_CALLED, usage | {"usage": stats}, at)
        payload = without_nulls(
            status=status, error=reason if status == FAILED else None, duration_ms=duration
        )
        self.emit(self._session, TURN_FINISHED, payload, at)
        self.conclude(
            self._session, status, reason,
            duration_ms=None if duration is None else round(duration),
        )  # fmt: skip


def _tokens(tokens: dict[str, Any]) -> dict[str, Any]:
    output, thoughts = as_count(tokens.get("output")), as_count(tokens.get("thoughts"))
    return without_nulls(
        input_tokens=as_count(tokens.get("input")),
        cached_input_tokens=as_count(tokens.get("cached")),
        output_tokens=None if output is None else output + (thoughts or 0),
        reasoning_tokens=thoughts,
        usage=tokens,
    )


def _detect(head: Head) -> bool:
    return any("sessionId" in value and "projectHash" in value for value in head.records)


def _detect_stream(head: Head) -> bool:
    first = head.root
    return first.get("type") == "init" and {"session_id", "model", "timestamp"} <= first.keys()


GEMINI_CLI = Format(
    "gemini-cli", "session files of Gemini CLI", _detect, GeminiCli, hint_of, grows=True
)
GEMINI_STREAM = Format(
    "gemini-stream", "lines of gemini --output-format stream-json", _detect_stream, GeminiStream
)
