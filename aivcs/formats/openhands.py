"""OpenHands: events of a conversation, one object a file or a line, and older arrays of them.

Times have no zone: they are the local time of the machine, and are taken as UTC. A command that
failed has `is_error` only if it could not be executed, so its exit code counts as well.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    ERROR,
    MESSAGE,
    THINKING,
    Hint,
    Reader,
)
from aivcs.formats.records import LinesOrDocuments
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_dict,
    as_int,
    as_text,
    as_time,
    last_lines,
    text_of,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record
    from aivcs.model.timestamp import Timestamp

_ROLES = {"user": "user", "agent": "assistant", "environment": "system"}
_KINDS = frozenset(
    {
        "ActionEvent", "AgentErrorEvent", "Condensation", "CondensationRequest",
        "ConversationErrorEvent", "ConversationStateUpdateEvent", "MessageEvent",
        "ObservationEvent", "PauseEvent", "SystemPromptEvent", "UserRejectObservation",
    }
)  # fmt: skip


class OpenHands(Reader):
    """Reads events."""

    format = program = "openhands"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""

    def decoder(self) -> Decoder:
        """Returns what reads lines, or the array of an older version."""
        return LinesOrDocuments(only_arrays=True)

    def take(self, record: Record) -> None:
        """Takes one event."""
        value = as_dict(record.value)
        if not self._session:
            text = repr(record.value).encode("utf-8", "replace")
            name = self.hint.session or f"openhands-{sha256(text).hexdigest()[:16]}"
            self._session = self.open(name)
        at = _time(value.get("timestamp"))
        kind = as_text(value.get("kind"))
        if kind in _KINDS:
            self._read_event(kind, value, at)
        elif as_text(value.get("action")) is not None:
            self._read_old_action(value, at)
        elif as_text(value.get("observation")) is not None:
            self._read_old_observation(value, at)
        else:
            self.emit_raw(self._session, [kind or "value"], record.value, at)

    def _read_event(self, kind: str, value: dict[str, Any], at: Timestamp | None) -> None:
        call_id = as_text(value.get("tool_call_id"))
        tool = as_text(value.get("tool_name"))
        if kind == "ActionEvent":
            self._think(value, at)
            said = text_of(value.get("thought"))
            if said:
                self.emit(self._session, MESSAGE, {"role": "assistant", "content": said}, at)
            action = as_dict(value.get("action"))
            arguments = {name: action[name] for name in action if name != "kind"}
            self.tell_call(self._session, tool, call_id, arguments, at)
        elif kind == "ObservationEvent":
            self._read_observation(value, tool, call_id, at)
        elif kind == "AgentErrorEvent" and call_id:
            error = as_text(value.get("error")) or "failed"
            self.tell_result(self._session, tool, call_id, error, at, error=error)
        elif kind == "UserRejectObservation":
            reason = as_text(value.get("rejection_reason")) or "rejected"
            self.tell_result(
                self._session, tool, call_id, reason, at, error=reason, denied="user-rejected"
            )
        elif kind in {"AgentErrorEvent", "ConversationErrorEvent"}:
            message = as_text(value.get("error")) or as_text(value.get("detail")) or "failed"
            self.emit(self._session, ERROR, {"message": message, "event": value}, at)
        elif kind in {"MessageEvent", "SystemPromptEvent"}:
            self._read_message(kind, value, at)
        else:
            self.emit_raw(self._session, [kind], value, at, is_known=True)

    def _think(self, value: dict[str, Any], at: Timestamp | None) -> None:
        if thought := as_text(value.get("reasoning_content")):
            self.emit(self._session, THINKING, {"content": thought}, at)

    def _read_message(self, kind: str, value: dict[str, Any], at: Timestamp | None) -> None:
        message = as_dict(value.get("llm_message")) or as_dict(value.get("system_prompt"))
        content = message.get("content", message.get("text"))
        text = text_of(content)
        role = "system" if kind == "SystemPromptEvent" else as_text(message.get("role"))
        role = role or _ROLES.get(str(value.get("source")), "user")
        self._think(message or value, at)
        payload = {"role": role, "content": (message or value) if text is None else text}
        self.emit(self._session, MESSAGE, payload, at)

    def _read_observation(
        self, value: dict[str, Any], tool: str | None, call_id: str | None, at: Timestamp | None
    ) -> None:
        seen = as_dict(value.get("observation"))
        content = seen.get("content", seen.get("output"))
        text = text_of(content)
        exit_code = as_int(seen.get("exit_code"))
        if exit_code is None:
            exit_code = as_int(as_dict(seen.get("metadata")).get("exit_code"))
        if exit_code == -1:  # the command has not ended
            exit_code = None
        failed = seen.get("is_error") is True
        output = seen if content is None else content if text is None else text
        self.tell_result(
            self._session, tool, call_id, output, at,
            exit_code=exit_code, has_failed=failed,
            error=last_lines(text) if failed or exit_code else None,
        )  # fmt: skip

    # Version 0.

    def _read_old_action(self, value: dict[str, Any], at: Timestamp | None) -> None:
        action = str(value["action"])
        arguments = as_dict(value.get("args"))
        call = as_dict(value.get("tool_call_metadata"))
        if action in {"message", "system"} and not call:
            content = arguments.get("content", value.get("message"))
            role = "system" if action == "system" else _ROLES.get(str(value.get("source")), "user")
            self.emit(self._session, MESSAGE, {"role": role, "content": content}, at)
            return
        if said := as_text(arguments.get("thought")):
            self.emit(self._session, MESSAGE, {"role": "assistant", "content": said}, at)
        name = as_text(call.get("function_name")) or action
        call_id = as_text(call.get("tool_call_id")) or _id(value.get("id"))
        kept = {key: arguments[key] for key in arguments if key != "thought"}
        self.tell_call(self._session, name, call_id, kept, at)

    def _read_old_observation(self, value: dict[str, Any], at: Timestamp | None) -> None:
        call = as_dict(value.get("tool_call_metadata"))
        call_id = as_text(call.get("tool_call_id")) or _id(value.get("cause"))
        extras = as_dict(value.get("extras"))
        exit_code = as_int(extras.get("exit_code"))
        if exit_code is None:
            exit_code = as_int(as_dict(extras.get("metadata")).get("exit_code"))
        kind = str(value["observation"])
        text = as_text(value.get("content")) or as_text(value.get("message"))
        if not self.waits(self._session, call_id):
            known = {"observation": kind, "content": text, "extras": extras}
            self.emit_raw(self._session, ["observation", kind], known, at, is_known=True)
            return
        failed = kind == "error"
        self.tell_result(
            self._session, None, call_id, value.get("content"), at,
            exit_code=None if exit_code == -1 else exit_code, has_failed=failed,
            error=last_lines(text) if failed or exit_code not in {None, 0, -1} else None,
            **without_nulls(observation=kind),
        )  # fmt: skip


def _time(value: Any) -> Timestamp | None:
    """A time without a zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    return as_time(value) or as_time(f"{value}Z")


def _id(value: Any) -> str | None:
    return str(value) if type(value) is int else as_text(value)


def _detect(head: Head) -> bool:
    return any(
        (as_text(value.get("kind")) in _KINDS and {"id", "source"} <= value.keys())
        or (
            {"id", "timestamp", "source", "message"} <= value.keys()
            and ("action" in value or "observation" in value)
        )
        for value in head.records[:8]
    )


OPENHANDS = Format("openhands", "events of OpenHands", _detect, OpenHands)
