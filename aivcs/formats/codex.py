"""Codex: its rollout files, and in `CodexExec` the lines of `codex exec --json`.

Rollouts (`$CODEX_HOME/sessions/…/rollout-*.jsonl`) say most things twice, once for the model
(`response_item`) and once for the screen (`event_msg`). Messages and calls are taken from the
first; whether a command failed only the second says (`item_completed`, before that
`exec_command_end`), so what it says of a call is added to the call's result.

- `status: completed` of a call means that the model finished writing it. It says nothing of how
  the command went.
- `input_tokens` include what came from the cache.
- A subagent's rollout begins with a copy of its parent's, up to `subagent_history_start_ordinal`:
  these events are `inherited`, and count nothing.
- `codex exec --json` has no timestamps; only who receives it as it is written can say when.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    CANCELLED,
    COMPACTED,
    COMPLETED,
    ERROR,
    FAILED,
    INHERITED,
    MESSAGE,
    MODEL_CALLED,
    SESSION_STARTED,
    THINKING,
    TURN_FINISHED,
    TURN_STARTED,
    Hint,
    Reader,
)
from aivcs.formats.registry import Format
from aivcs.formats.values import (
    as_bool,
    as_count,
    as_dict,
    as_int,
    as_number,
    as_text,
    as_time,
    exit_code_in,
    last_lines,
    parsed,
    text_of,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Record
    from aivcs.formats.registry import Head
    from aivcs.model.timestamp import Timestamp

_FILE = re.compile(r"(?:^|/)rollout-[0-9T-]{19}-([0-9a-fA-F-]{36})\.jsonl$")
_CALLS = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "local_shell_call": "action",
    "web_search_call": "action",
    "tool_search_call": "arguments",
    "tool_call": "arguments",
}
"""Records that are calls, and the member with the arguments."""
_NAMES = {
    "local_shell_call": "local_shell",
    "web_search_call": "web_search",
    "tool_search_call": "tool_search",
}
_RESULTS = frozenset(
    {
        "function_call_output", "custom_tool_call_output", "tool_search_output", "tool_result",
        "function_result", "local_shell_call_output",
    }
)  # fmt: skip
_SAID_TWICE = frozenset({"AgentMessage", "UserMessage", "Reasoning"})
_SCREEN = frozenset(
    {
        "account/rateLimits/updated", "agent_message", "agent_reasoning", "context_compacted",
        "entered_review_mode", "exec_command_begin", "exited_review_mode", "item_started",
        "mcp_tool_call_begin", "patch_apply_begin", "plan_update", "sub_agent_activity",
        "thread_goal_updated", "thread_name_updated", "thread_settings_applied", "token_count",
        "turn_diff", "user_message", "view_image_tool_call", "web_search_end",
    }
)  # fmt: skip
"""Known events for the screen without a shared kind; they become raw events."""
_CONTEXT = frozenset({"turn_context", "world_state", "inter_agent_communication_metadata"})
_ENDS = frozenset({"exec_command_end", "patch_apply_end", "mcp_tool_call_end"})
_REMEMBERED = 1000
"""Calls that are remembered, at most, because more may be said of them."""


def hint_of(path: str) -> Hint:
    """Returns what the path of a rollout says: the session's id."""
    found = _FILE.search(path)
    return Hint(found[1]) if found else Hint()


class Codex(Reader):
    """Reads the rollouts of Codex."""

    format = program = "codex"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._id: Any = None  # by its own record
        self._model: str | None = None
        self._returned: dict[str, str | None] = {}  # tools of calls that have their results
        self._truths: dict[str, dict[str, Any]] = {}  # how calls went, by id
        self._counted: Any = None  # the usage of the session up to the last call that was given
        self._is_recorded = False  # whether calls of the model have records of their own
        self._own_from = 0  # the ordinal of the first record that is not its parent's
        self._is_inherited = False

    def take(self, record: Record) -> None:
        """Takes one record."""
        value = record.value
        if not self._session:
            self._begin(as_dict(value))
        if not isinstance(value, dict):
            self.emit_raw(self._session, ["value"], value)
            return
        at = as_time(value.get("timestamp")) or as_time(value.get("created_at"))
        ordinal = as_count(value.get("ordinal"))
        self._is_inherited = ordinal is not None and ordinal < self._own_from
        outer, payload = as_text(value.get("type")), value.get("payload")
        if not isinstance(payload, dict):
            self._read_bare(outer, value, at)
        elif outer == "response_item":
            self._read_item(payload, at)
        elif outer == "event_msg":
            self._read_event(payload, at)
        elif outer == "session_meta":
            self._read_meta(payload, at)
        elif outer == "token_usage_record":
            self._read_usage(payload, at)
        elif outer == "compacted":
            self.emit(self._session, COMPACTED, payload, at)
        else:
            if outer == "turn_context":
                self._learn_model(payload)
            known = outer in _CONTEXT
            self.emit_raw(self._session, [outer], payload, at, is_known=known)

    def finish(self, *, final: bool) -> None:
        """Takes the end: a command that the model was told nothing of has its result at last."""
        if final and self._session:
            self._is_inherited = False
            for call_id in [call for call in self._truths if self.waits(self._session, call)]:
                truth = self._truths.pop(call_id)
                self.tell_result(self._session, None, call_id, truth.pop("output", None), **truth)

    def emit(
        self,
        session: str,
        kind: str,
        payload: dict[str, Any],
        at: Timestamp | None = None,
        *,
        is_known: bool = True,
    ) -> None:
        """Gives an event; one of the parent's as inherited."""
        if self._is_inherited:
            kind, payload = INHERITED, {"kind": kind, "payload": payload}
        super().emit(session, kind, payload, at, is_known=is_known)

    # The session.

    def _begin(self, value: dict[str, Any]) -> None:
        meta = as_dict(value.get("payload")) if value.get("type") == "session_meta" else value
        if value.get("type") != "session_meta" and isinstance(value.get("payload"), dict):
            meta = {}
        name = self.hint.session or as_text(meta.get("id")) or as_text(meta.get("session_id"))
        if name is None:
            from hashlib import sha256

            first = repr(value).encode("utf-8", "replace")
            name = f"codex-{sha256(first).hexdigest()[:16]}"
        self._id = meta.get("id")
        self._own_from = as_count(meta.get("subagent_history_start_ordinal")) or 0
        self._session = self.open(name, **_facts(meta, self.hint))

    def _read_meta(self, payload: dict[str, Any], at: Timestamp | None) -> None:
        if payload.get("id") == self._id:  # else it is that of the session it was copied from
            self.learn(self._session, **_facts(payload, self.hint))
        self.emit(self._session, SESSION_STARTED, payload, at)

    def _learn_model(self, payload: dict[str, Any]) -> None:
        self._model = as_text(payload.get("model")) or self._model
        self.learn(self._session, model=self._model, cwd=as_text(payload.get("cwd")))

    # What the model saw.

    def _read_bare(self, outer: Any, value: dict[str, Any], at: Timestamp | None) -> None:
        """A record of old versions: an item without anything around it."""
        if not isinstance(outer, str):
            if isinstance(value.get("role"), str):
                self._model = as_text(value.get("model")) or self._model
                self.learn(self._session, model=self._model)
                self._read_item({"type": "message", **value}, at)
            elif "id" in value and ("instructions" in value or "git" in value):
                self._read_meta(value, at)
            else:
                self.emit_raw(self._session, [outer], value, at)
        elif outer == "error":
            text = as_text(value.get("message")) or as_text(value.get("text")) or "failed"
            self.emit(self._session, ERROR, {"message": text, "record": value}, at)
        else:
            self._read_item(value, at)

    def _read_item(self, item: dict[str, Any], at: Timestamp | None) -> None:
        kind = as_text(item.get("type"))
        if kind == "message":
            content = item.get("content", item.get("message"))
            text = text_of(content)
            payload = without_nulls(
                role=as_text(item.get("role")) or "unknown",
                content=content if text is None else text,
                message_id=as_text(item.get("id")),
                phase=as_text(item.get("phase")),
            )
            if payload["role"] == "assistant" and self._model:
                payload["model"] = self._model
            self.emit(self._session, MESSAGE, payload, at)
        elif kind == "reasoning":
            thoughts = item.get("content") or item.get("summary")
            text = text_of(thoughts)
            payload = {"content": text if text is not None else ""}
            sealed = as_text(item.get("encrypted_content"))
            payload |= without_nulls(
                message_id=as_text(item.get("id")), encrypted_bytes=sealed and len(sealed)
            )
            self.emit(self._session, THINKING, payload, at)
        elif kind in _CALLS:
            self._read_call(kind, item, at)
        elif kind in _RESULTS:
            self._read_result(item, at)
        else:
            self.emit_raw(self._session, [kind], item, at, is_known=kind == "ghost_snapshot")

    def _read_call(self, kind: str, item: dict[str, Any], at: Timestamp | None) -> None:
        call_id = as_text(item.get("call_id"))
        name = as_text(item.get("name")) or as_text(as_dict(item.get("function")).get("name"))
        self.tell_call(
            self._session,
            name or _NAMES.get(kind, kind),
            call_id or as_text(item.get("id")),
            parsed(item.get(_CALLS[kind])),
            at,
        )

    def _read_result(self, item: dict[str, Any], at: Timestamp | None) -> None:
        call_id = as_text(item.get("call_id"))
        if call_id and (name := self.tool_of(self._session, call_id)):
            self._returned[call_id] = name
            if len(self._returned) > _REMEMBERED:
                del self._returned[next(iter(self._returned))]
        output = item.get("output", item.get("result", item.get("tools")))
        text, said = output_of(output)
        truth = self._truths.pop(call_id, {}) if call_id else {}
        members = said | {name: value for name, value in truth.items() if name != "output"}
        if members.get("error") is None and (
            members.get("has_failed") or members.get("exit_code") not in {None, 0}
        ):
            members["error"] = last_lines(as_text(truth.get("output")) or text)
        self.tell_result(
            self._session, as_text(item.get("name")), call_id,
            output if text is None else text, at, **members,
        )  # fmt: skip

    # What was shown.

    def _read_event(self, payload: dict[str, Any], at: Timestamp | None) -> None:
        kind = as_text(payload.get("type"))
        if kind == "item_completed":
            self._read_completed(as_dict(payload.get("item")), payload, at)
        elif kind in _ENDS:
            self._read_end(payload, kind, payload, at)
        elif kind in {"task_started", "turn_started"}:
            self.emit(self._session, TURN_STARTED, _about_turn(payload), at)
            self.conclude(self._session, None)
        elif kind in {"task_complete", "turn_complete"}:
            error = payload.get("error")
            self._finish_turn(FAILED if error else COMPLETED, payload, _message_of(error), at)
        elif kind == "turn_aborted":
            reason = as_text(payload.get("reason")) or "aborted"
            self._finish_turn(CANCELLED, payload, reason, at)
        elif kind in {"error", "stream_error"}:
            error = payload.get("error")
            text = as_text(payload.get("message")) or _message_of(error) or "failed"
            self.emit(self._session, ERROR, {"message": text, "record": payload}, at)
        elif kind == "token_count":
            self._read_token_count(payload, at)
        else:
            known = kind in _SCREEN
            self.emit_raw(self._session, [kind], payload, at, is_known=known)

    def _finish_turn(
        self, status: str, payload: dict[str, Any], reason: str | None, at: Timestamp | None
    ) -> None:
        members = _about_turn(payload) | without_nulls(
            status=status,
            error=None if status == COMPLETED else reason or "failed",
            duration_ms=as_number(payload.get("duration_ms")),
        )
        self.emit(self._session, TURN_FINISHED, members, at)
        if not self._is_inherited:
            self.conclude(self._session, status, reason)

    def _read_completed(
        self, item: dict[str, Any], payload: dict[str, Any], at: Timestamp | None
    ) -> None:
        kind = as_text(item.get("type"))
        if kind in {"CommandExecution", "FileChange", "McpToolCall"}:
            self._read_end(item, kind, payload, at)
            return
        known = kind in _SAID_TWICE or kind in {"Plan", "Extension"}
        self.emit_raw(self._session, ["item_completed", kind], payload, at, is_known=known)

    def _read_end(
        self, item: dict[str, Any], kind: Any, record: dict[str, Any], at: Timestamp | None
    ) -> None:
        """The outcome of a call, which is added to its result if that is still to come."""
        call_id = as_text(item.get("call_id")) or as_text(item.get("id"))
        if call_id and self.waits(self._session, call_id):
            self._truths[call_id] = _truth(item)
            if len(self._truths) > _REMEMBERED:
                del self._truths[next(iter(self._truths))]
        elif call_id in self._returned and _truth(item)["has_failed"]:
            # The model was told that the command goes on; only then did it fail.
            truth = _truth(item)
            name = self._returned.pop(call_id)
            self.tell_result(self._session, name, call_id, truth.pop("output", None), at, **truth)
            return
        words = [kind] if kind == record.get("type") else ["item_completed", kind]
        # It says of itself that it failed; so it is shown as trouble only where no result will be.
        self.emit_raw(self._session, words, {"record": record}, at, is_known=True)

    # Tokens.

    def _read_usage(self, payload: dict[str, Any], at: Timestamp | None) -> None:
        self._is_recorded = True
        self._count(as_dict(payload.get("usage")), at)

    def _read_token_count(self, payload: dict[str, Any], at: Timestamp | None) -> None:
        """Older versions tell of calls only here, and more than once of each."""
        info = as_dict(payload.get("info"))
        total, last = as_dict(info.get("total_token_usage")), as_dict(info.get("last_token_usage"))
        if not self._is_recorded and last and total and total != self._counted:
            self._counted = total
            self._count(last, at)
        else:
            self.emit_raw(self._session, ["token_count"], payload, at, is_known=True)

    def _count(self, usage: dict[str, Any], at: Timestamp | None) -> None:
        payload = without_nulls(model=self._model) | _tokens(usage)
        self.emit(self._session, MODEL_CALLED, payload, at)


class CodexExec(Reader):
    """Reads the lines of `codex exec --json`."""

    format = "codex-exec"
    program = "codex"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""

    def take(self, record: Record) -> None:
        """Takes one record."""
        value = record.value
        kind = as_text(as_dict(value).get("type"))
        if kind == "thread.started" and as_text(value.get("thread_id")):
            self._session = self.open(self.hint.session or value["thread_id"])
        elif not self._session:
            from hashlib import sha256

            first = repr(value).encode("utf-8", "replace")
            name = self.hint.session or f"codex-{sha256(first).hexdigest()[:16]}"
            self._session = self.open(name)
        if not isinstance(value, dict):
            self.emit_raw(self._session, ["value"], value)
        elif kind == "thread.started":
            self.emit(self._session, SESSION_STARTED, value)
        elif kind == "turn.started":
            self.emit(self._session, TURN_STARTED, {})
            self.conclude(self._session, None)
        elif kind == "turn.completed":
            if usage := as_dict(value.get("usage")):
                self.emit(self._session, MODEL_CALLED, _tokens(usage))
            self.emit(self._session, TURN_FINISHED, {"status": COMPLETED})
            self.conclude(self._session, COMPLETED)
        elif kind == "turn.failed":
            reason = _message_of(value.get("error")) or "failed"
            self.emit(self._session, TURN_FINISHED, {"status": FAILED, "error": reason})
            self.conclude(self._session, FAILED, reason)
        elif kind == "error":
            text = as_text(value.get("message")) or "failed"
            self.emit(self._session, ERROR, {"message": text})
        elif kind in {"item.started", "item.updated", "item.completed"}:
            self._read_item(kind, as_dict(value.get("item")), value)
        else:
            self.emit_raw(self._session, [kind], value)

    def _read_item(self, stage: str, item: dict[str, Any], value: dict[str, Any]) -> None:
        kind = as_text(item.get("type"))
        if kind in _EXEC_TOOLS and stage != "item.updated":
            self._read_tool(stage, str(kind), item)
            return
        if stage == "item.completed":
            text = item.get("text")
            if kind == "agent_message" and isinstance(text, str):
                payload = {"role": "assistant", "content": text}
                self.emit(self._session, MESSAGE, payload)
                return
            if kind == "reasoning" and isinstance(text, str):
                self.emit(self._session, THINKING, {"content": text})
                return
            if kind == "error":
                message = as_text(item.get("message")) or "failed"
                self.emit(self._session, ERROR, {"message": message})
                return
        known = kind in {*_EXEC_TOOLS, "todo_list", "agent_message", "reasoning"}
        self.emit_raw(self._session, [stage, kind], value, is_known=known)

    def _read_tool(self, stage: str, kind: str, item: dict[str, Any]) -> None:
        call_id = as_text(item.get("id"))
        if stage == "item.started" or not self.waits(self._session, call_id):
            name = as_text(item.get("tool")) or kind
            self.tell_call(
                self._session, name, call_id, _arguments(item),
                server=as_text(item.get("server")),
            )  # fmt: skip
        if stage == "item.started":
            return
        output = item.get("aggregated_output")
        if output is None:
            output = item.get("result")
        truth = _truth(item)
        truth.pop("output", None)
        self.tell_result(self._session, None, call_id, output, **truth)


_EXEC_TOOLS = frozenset(
    {"command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call"}
)


def _facts(meta: dict[str, Any], hint: Hint) -> dict[str, Any]:
    """The facts about its session in the record at the beginning."""
    git = as_dict(meta.get("git"))
    spawn = as_dict(as_dict(as_dict(meta.get("source")).get("subagent")).get("thread_spawn"))
    return {
        "version": as_text(meta.get("cli_version")),
        "cwd": as_text(meta.get("cwd")),
        "git_sha": as_text(git.get("commit_hash")),
        "git_branch": as_text(git.get("branch")),
        "parent": hint.parent or as_text(spawn.get("parent_thread_id")),
        "agent_id": as_text(spawn.get("agent_path")) or as_text(spawn.get("agent_nickname")),
        "agent": as_text(spawn.get("agent_role")),
        "started_at": as_time(meta.get("timestamp")),
    }


def _about_turn(payload: dict[str, Any]) -> dict[str, Any]:
    return without_nulls(turn_id=as_text(payload.get("turn_id")))


def _message_of(error: Any) -> str | None:
    return as_text(error) or as_text(as_dict(error).get("message"))


def _tokens(usage: dict[str, Any]) -> dict[str, Any]:
    return without_nulls(
        input_tokens=as_count(usage.get("input_tokens")),
        cached_input_tokens=as_count(usage.get("cached_input_tokens")),
        output_tokens=as_count(usage.get("output_tokens")),
        reasoning_tokens=as_count(usage.get("reasoning_output_tokens")),
        usage=usage,
    )


def _arguments(item: dict[str, Any]) -> Any:
    for name in ("arguments", "command", "query", "changes", "prompt"):
        if item.get(name) is not None:
            return parsed(item[name]) if name == "arguments" else {name: item[name]}
    return {}


def _truth(item: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a call, by its shown output."""
    result = as_dict(item.get("result"))
    exit_code = as_int(item.get("exit_code"))
    output = as_text(item.get("aggregated_output")) or as_text(item.get("stderr"))
    complaint = _message_of(item.get("error")) or as_text(result.get("Err"))
    inner = as_dict(result.get("Ok")) or result
    failed = (
        as_text(item.get("status")) in {"failed", "declined"}
        or as_bool(item.get("success")) is False
        or inner.get("isError") is True
        or inner.get("is_error") is True
        or "Err" in result
        or exit_code not in {None, 0}
    )
    if failed and complaint is None:
        complaint = last_lines(output or text_of(inner.get("content")))
    return without_nulls(
        output=output,
        exit_code=exit_code,
        has_failed=failed or None,
        error=complaint if failed else None,
        denied="declined" if item.get("status") == "declined" else None,
        duration_ms=_duration(item.get("duration")),
    ) | ({"has_failed": False} if not failed else {})


def _duration(value: Any) -> float | None:
    """Milliseconds of a duration in seconds and nanoseconds."""
    seconds, nanoseconds = (as_count(as_dict(value).get(name)) for name in ("secs", "nanos"))
    if seconds is None or nanoseconds is None:
        return None
    return seconds * 1000 + nanoseconds / 1e6


def output_of(output: Any) -> tuple[str | None, dict[str, Any]]:
    """Returns the text of an output, and how the call went by it; a text may hold both."""
    said: dict[str, Any] = {}
    inner = parsed(output) if isinstance(output, str) else output
    if isinstance(inner, dict):
        metadata = as_dict(inner.get("metadata"))
        exit_code = as_int(metadata.get("exit_code"))
        if exit_code is None:
            exit_code = as_int(inner.get("exitCode", inner.get("exit_code")))
        seconds = as_number(metadata.get("duration_seconds"))
        said = without_nulls(
            exit_code=exit_code,
            has_failed=as_bool(inner.get("success")) is False or None,
            duration_ms=None if seconds is None else seconds * 1000,
        )
        text = next(
            (
                inner[name]
                for name in ("output", "content", "text", "stdout")
                if isinstance(inner.get(name), str)
            ),
            None,
        )
        # An object of another tool that only looks like one is left as it is.
        if text is not None and (said or isinstance(output, dict)):
            return text, said
    text = text_of(output)
    if isinstance(output, list) and text is None:
        text = "\n".join(
            part["text"] for part in output if isinstance(as_dict(part).get("text"), str)
        )
        return None, without_nulls(exit_code=exit_code_in(text))
    # Only the wrapper around a command's output says it so, before the output begins.
    head = (text or "").split("\nOutput:\n", 1)[0]
    exit_code = exit_code_in(head) if "exited with code" in head else None
    return text, said | without_nulls(exit_code=exit_code)


_OUTER = frozenset(
    {"session_meta", "response_item", "event_msg", "turn_context", "world_state", "compacted"}
)


def _detect(head: Head) -> bool:
    """Tells a rollout by a record's envelope, or by the first line of old versions."""
    first = head.root
    if "timestamp" in first and "instructions" in first and "id" in first:
        return True
    return any(
        isinstance(value.get("payload"), dict) and as_text(value.get("type")) in _OUTER
        for value in head.records
    )


def _detect_exec(head: Head) -> bool:
    return any(
        value.get("type") == "thread.started" and "thread_id" in value for value in head.records
    )


CODEX = Format("codex", "rollouts of Codex", _detect, Codex, hint_of, grows=True)
CODEX_EXEC = Format("codex-exec", "lines of codex exec --json", _detect_exec, CodexExec)
