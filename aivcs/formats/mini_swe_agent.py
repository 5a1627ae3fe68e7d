"""mini-swe-agent: its trajectories, `mini-swe-agent-1.1` and the bare array of messages before.

A command's exit code is in `extra.returncode` of its output, before that in the text around the
output. `info.exit_status` says how the run went: `Submitted`, or why it did not come to that.

A trajectory has no id. The session's is made of the messages up to the first that has a time, or of
all that are there before the first answer where none has one.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    COMPLETED,
    FAILED,
    MESSAGE,
    MODEL_CALLED,
    SESSION_STARTED,
    THINKING,
    TURN_FINISHED,
    Hint,
    Reader,
)
from aivcs.formats.records import Documents
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_count,
    as_dict,
    as_int,
    as_list,
    as_number,
    as_text,
    last_lines,
    parsed,
    text_of,
    time_from,
    without_nulls,
    wrapped_exit_code,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record
    from aivcs.model.timestamp import Timestamp

_HELD = 8
_COMMAND = re.compile(r"```(?:mswea_bash_command|bash)\n(.*?)\n?```", re.DOTALL)


class MiniSweAgent(Reader):
    """Reads trajectories."""

    format = program = "mini-swe-agent"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._info: dict[str, Any] = {}
        self._held: list[Record] = []
        self._is_called = False  # by text: a command waits for its output

    @property
    def held(self) -> int:
        """Records that wait for one that names the session."""
        return len(self._held)

    def decoder(self) -> Decoder:
        """Returns what reads each message, and each other member, as a record."""
        return Documents({"messages"})

    def take(self, record: Record) -> None:
        """Takes the information on the run, or one of its messages."""
        if self._session:
            self._read(record)
            return
        if record.name == "info":
            self._info = as_dict(record.value)
        self._held.append(record)
        message = as_dict(record.value)
        has_time = as_dict(message.get("extra")).get("timestamp") is not None
        if has_time or message.get("role") == "assistant" or len(self._held) >= _HELD:
            self._begin()

    def finish(self, *, final: bool) -> None:
        """Takes the end: a run without an answer is a session, too."""
        if final and self._held:
            self._begin()

    def _begin(self) -> None:
        config = as_dict(self._info.get("config"))
        held, self._held = self._held, []
        # What came before the end is known only once the run is over, and so is not part of the id.
        first = repr([r.value for r in held if r.name != "info"]).encode("utf-8", "replace")
        name = self.hint.session or f"mini-swe-agent-{sha256(first).hexdigest()[:16]}"
        model = as_dict(config.get("model"))
        self._session = self.open(
            name,
            version=as_text(self._info.get("mini_version")),
            model=as_text(model.get("model_name")),
            cwd=as_text(as_dict(config.get("environment")).get("cwd")),
        )
        line = self._line
        for record in held:
            self._line = record.line
            self._read(record)
        self._line = line

    def _read(self, record: Record) -> None:
        name, value = record.name, record.value
        message = as_dict(value)
        role = as_text(message.get("role"))
        if name == "info":
            self._read_info(as_dict(value))
        elif name not in {"", "messages"}:
            known = name == "trajectory_format"
            self.emit_raw(self._session, [name], {name: value}, is_known=known)
        elif role is None:
            self.emit_raw(self._session, ["message"], value)
        else:
            self._read_message(message, role)

    def _read_info(self, info: dict[str, Any]) -> None:
        self.emit(self._session, SESSION_STARTED, info)
        stats = as_dict(info.get("model_stats"))
        status = as_text(info.get("exit_status"))
        if status is not None:
            outcome = COMPLETED if status == "Submitted" else FAILED
            self.conclude(self._session, outcome, status)
        state = without_nulls(
            cost_usd=as_number(stats.get("instance_cost")),
            model_calls=as_count(stats.get("api_calls")),
        )
        self.tell_figures(self._session, **state)

    def _read_message(self, message: dict[str, Any], role: str) -> None:
        extra = as_dict(message.get("extra"))
        at = time_from(extra.get("timestamp"), 1)
        content = message.get("content")
        text = text_of(content)
        if role == "assistant":
            self._read_answer(message, extra, text, at)
        elif role == "tool" or (self._is_called and (role == "user" or "returncode" in extra)):
            self._read_output(message, extra, text, at)
        elif role == "exit":
            status = as_text(extra.get("exit_status")) or text or "exit"
            outcome = COMPLETED if status == "Submitted" else FAILED
            payload = {"status": outcome, "reason": status} | without_nulls(
                error=None if outcome == COMPLETED else status, submission=extra.get("submission")
            )
            self.emit(self._session, TURN_FINISHED, payload, at)
            self.conclude(self._session, outcome, status)
        else:
            payload = {"role": role, "content": content if text is None else text}
            self.emit(self._session, MESSAGE, payload, at)

    def _read_answer(
        self, message: dict[str, Any], extra: dict[str, Any], text: str | None, at: Timestamp | None
    ) -> None:
        if thought := as_text(message.get("reasoning_content")):
            self.emit(self._session, THINKING, {"content": thought}, at)
        content = message.get("content")
        payload = {"role": "assistant", "content": content if text is None else text}
        self.emit(self._session, MESSAGE, payload, at)
        calls = as_list(message.get("tool_calls"))
        actions = as_list(extra.get("actions"))
        usage = as_dict(as_dict(extra.get("response")).get("usage"))
        cost = as_number(extra.get("cost"))
        if usage or cost is not None:
            details = as_dict(usage.get("prompt_tokens_details"))
            payload = without_nulls(
                model=as_text(as_dict(extra.get("response")).get("model")),
                input_tokens=as_count(usage.get("prompt_tokens")),
                cached_input_tokens=as_count(details.get("cached_tokens")),
                output_tokens=as_count(usage.get("completion_tokens")),
                cost_usd=cost,
            )
            self.emit(self._session, MODEL_CALLED, payload, at)
        self._is_called = False
        for call in map(as_dict, calls):
            function = as_dict(call.get("function"))
            name, arguments = as_text(function.get("name")), parsed(function.get("arguments"))
            self.tell_call(self._session, name, as_text(call.get("id")), arguments, at)
        if calls:
            return
        commands = [as_text(as_dict(action).get("command")) for action in actions]
        if not commands:
            commands = _COMMAND.findall(text or "")[:1]
        for command in commands:
            self._is_called = True
            self.tell_call(self._session, "bash", None, {"command": command}, at)

    def _read_output(
        self, message: dict[str, Any], extra: dict[str, Any], text: str | None, at: Timestamp | None
    ) -> None:
        """The result of a command: the text for the model, and the exit code."""
        self._is_called = False
        raw = extra.get("raw_output")
        exit_code = as_int(extra.get("returncode"))
        if exit_code is None:
            exit_code = wrapped_exit_code(text)
        complaint = as_text(extra.get("exception_info"))
        output = raw if isinstance(raw, str) else text
        if complaint is None and exit_code:
            complaint = last_lines(output)
        self.tell_result(
            self._session, None, as_text(message.get("tool_call_id")),
            message.get("content") if output is None else output, at,
            exit_code=exit_code, error=complaint,
        )  # fmt: skip


def _detect(head: Head) -> bool:
    """Tells a trajectory by its members, and one that is an array by the first prompt."""
    root = head.root
    if str(root.get("trajectory_format")).startswith("mini-swe-agent"):
        return True
    info = as_dict(root.get("info"))
    if "mini_version" in info or str(as_dict(info.get("config")).get("agent_type")).startswith(
        "minisweagent."
    ):
        return "messages" in root or "trajectory_format" in root
    first = head.records[:2]
    return (
        len(first) == 2
        and all(value.keys() >= {"role", "content"} for value in first)
        and "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT" in repr(head.records[:3])
        and "type" not in first[0]
    )


MINI_SWE_AGENT = Format("mini-swe-agent", "trajectories of mini-swe-agent", _detect, MiniSweAgent)
