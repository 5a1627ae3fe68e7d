"""SWE-agent: trajectories (`.traj`), one object with the steps and the history of messages.

A step is a command and what came of it. It has no time and no exit code; how long it took is in
`execution_time`. The history repeats the steps as messages, so its records are kept as they are;
only where a source has no steps, it is read.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    COMPLETED,
    FAILED,
    MESSAGE,
    SESSION_STARTED,
    TURN_FINISHED,
    Hint,
    Reader,
)
from aivcs.formats.records import Documents
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_count,
    as_dict,
    as_list,
    as_number,
    as_text,
    parsed,
    text_of,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record


class SweAgent(Reader):
    """Reads trajectories."""

    format = program = "swe-agent"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._environment: str | None = None
        self._has_steps = False

    def decoder(self) -> Decoder:
        """Returns what reads each step, each message, and each other member as a record."""
        return Documents({"trajectory", "history"})

    def take(self, record: Record) -> None:
        """Takes a step, a message or another member."""
        name, value = record.name, record.value
        if name == "environment" and not self._session:
            self._environment = as_text(value)
            return
        self._begin(value)
        item = as_dict(value)
        if name == "trajectory" and item:
            self._has_steps = True
            self._read_step(item)
        elif name == "history" and item and not self._has_steps:
            self._read_message(item)
        elif name == "info" and item:
            self._read_info(item)
        else:
            known = name in {"history", "replay_config", "environment"}
            payload = value if name in {"", "trajectory", "history"} else {name: value}
            self.emit_raw(self._session, [name or "value"], payload, is_known=known)

    def _begin(self, first: Any) -> None:
        if self._session:
            return
        text = repr([self._environment, first]).encode("utf-8", "replace")
        name = self.hint.session or f"swe-agent-{sha256(text).hexdigest()[:16]}"
        self._session = self.open(name)
        started = without_nulls(environment=self._environment)
        self.emit(self._session, SESSION_STARTED, started)

    def _read_step(self, step: dict[str, Any]) -> None:
        said = as_text(step.get("response")) or as_text(step.get("thought"))
        if said is not None:
            self.emit(self._session, MESSAGE, {"role": "assistant", "content": said})
        action = as_text(step.get("action"))
        if action is None:
            rest = {name: step[name] for name in step if name not in {"response", "thought"}}
            self.emit_raw(self._session, ["step"], rest, is_known=True)
            return
        seconds = as_number(step.get("execution_time"))
        tool = action.split(maxsplit=1)[0][:100] if action.strip() else "bash"
        self.tell_call(self._session, tool, None, {"command": action})
        self.tell_result(
            self._session, None, None, step.get("observation"),
            duration_ms=None if seconds is None else round(seconds * 1000),
            state=step.get("state"),
        )  # fmt: skip

    def _read_message(self, message: dict[str, Any]) -> None:
        """Gives a message of a source that has no steps."""
        content = message.get("content")
        text = text_of(content)
        output = content if text is None else text
        ids = [name for name in as_list(message.get("tool_call_ids")) if isinstance(name, str)]
        if message.get("role") == "tool" or ids:
            call_id = ids[0] if ids else None
            self.tell_result(self._session, None, call_id, output)
            return
        role = as_text(message.get("role"))
        if role is None:
            self.emit_raw(self._session, ["message"], message)
            return
        self.emit(self._session, MESSAGE, {"role": role, "content": output})
        for call in map(as_dict, as_list(message.get("tool_calls"))):
            function = as_dict(call.get("function"))
            arguments = parsed(function.get("arguments"))
            self.tell_call(
                self._session, as_text(function.get("name")), as_text(call.get("id")), arguments
            )

    def _read_info(self, info: dict[str, Any]) -> None:
        stats = as_dict(info.get("model_stats"))
        status = as_text(info.get("exit_status"))
        outcome = None if status is None else COMPLETED if status == "submitted" else FAILED
        payload = without_nulls(
            status=outcome, reason=status, error=status if outcome == FAILED else None
        )
        self.emit(self._session, TURN_FINISHED, payload | {"info": info})
        self.conclude(self._session, outcome, status)
        self.tell_figures(
            self._session,
            input_tokens=as_count(stats.get("tokens_sent")),
            output_tokens=as_count(stats.get("tokens_received")),
            model_calls=as_count(stats.get("api_calls")),
            cost_usd=as_number(stats.get("instance_cost")),
        )


def _detect(head: Head) -> bool:
    root = head.root
    if "trajectory" in root or "replay_config" in root:
        steps = as_list(root.get("trajectory"))
        return "environment" in root or any(
            {"action", "observation"} <= as_dict(s).keys() for s in steps
        )
    messages = as_list(root.get("history"))
    return bool(messages) and all("message_type" in as_dict(one) for one in messages[:3])


SWE_AGENT = Format("swe-agent", "trajectories of SWE-agent", _detect, SweAgent)
