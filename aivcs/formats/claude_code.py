"""Claude Code: sessions, those of subagents, and what `claude -p` prints.

Its session files are read, `--output-format stream-json`, and the one JSON array of the same
objects that claude-code-action leaves as its `execution_file`.

The format is not documented and changes weekly, so a record of an unknown type is kept as it is.

- One answer of the model is spread over several lines with the same `message.id`, each of which
  repeats its `usage`. It is counted once, with what the last of them says: when the next answer,
  prompt or end of a turn comes.
- `usage.input_tokens` leaves out what came from the cache; here it is added.
- A stream prints an answer before it is over: with no `stop_reason`, and the few output tokens that
  were counted when it began. These are left out; `modelUsage` of the `result` has the totals.
- A tool's result says that it failed by `is_error`; the exit code is in its text.
- A session is a tree, not a list: a prompt that follows an earlier record than the last answer has
  `rewound_to`. Lines stay in their order, which is what happened.
- A resumed session may repeat lines; a repeated one is `claude-code.repeated`, and counts nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    CANCELLED,
    COMPACTED,
    COMPLETED,
    DENIED,
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
    as_int,
    as_list,
    as_number,
    as_text,
    as_time,
    exit_code_in,
    last_lines,
    text_of,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record
    from aivcs.model.timestamp import Timestamp

_CHAIN = frozenset({"user", "assistant", "system", "attachment", "progress"})
_LABELS = frozenset(
    {
        "agent-name", "ai-title", "custom-title", "file-history-snapshot", "frame-link",
        "last-prompt", "mode", "permission-mode", "pr-link", "queue-operation", "relocated",
        "result", "started", "stream_event", "summary", "worktree-state",
    }
)  # fmt: skip
"""Types of records that no shared kind says; known all the same."""
_TITLES = {"ai-title": "aiTitle", "custom-title": "customTitle", "summary": "summary"}
_SYSTEM = frozenset(
    {
        "api_refusal", "away_summary", "hook_response", "hook_started", "informational",
        "local_command", "model_refusal_fallback", "session_start", "status", "stop_hook_summary",
        "task_notification", "task_started", "thinking_tokens",
    }
)  # fmt: skip
"""Subtypes of system records that no shared kind says; known all the same."""
_HELD = 32
"""Records that wait, at most, for one that names the session."""
_REMEMBERED = 100_000
"""Records whose ids are remembered, to know one that is repeated."""
_OF_CALLS = ("agent_id", "parent_tool_use_id", "sidechain")
_TAGS = re.compile(r"</?tool_use_error>")
_SUBAGENT = re.compile(r"(?:^|/)([^/]+)/subagents/(?:[^/]+/)*agent-([^/]+)\.jsonl$")
_FILE = re.compile(r"(?:^|/)([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\.jsonl$")


def hint_of(path: str) -> Hint:
    """Returns what the path of a session's file says: its id, and for a subagent its parent's."""
    if found := _SUBAGENT.search(path):
        return Hint(f"{found[1]}.{found[2]}", parent=found[1], agent=found[2])
    found = _FILE.search(path)
    return Hint(found[1]) if found else Hint()


class _Answer:
    """An answer of the model of which more lines may come."""

    __slots__ = ("at", "id", "is_beginning", "model", "stop_reason", "usage")

    def __init__(self, message_id: str, *, is_beginning: bool = False) -> None:
        self.id = message_id
        self.is_beginning = is_beginning  # of an answer that is told while it goes on
        self.model: str | None = None
        self.usage: dict[str, Any] = {}
        self.stop_reason: str | None = None
        self.at: Timestamp | None = None

    def add(self, message: dict[str, Any], at: Timestamp | None) -> None:
        self.model = as_text(message.get("model")) or self.model
        self.usage = as_dict(message.get("usage")) or self.usage
        self.stop_reason = as_text(message.get("stop_reason")) or self.stop_reason
        self.at = at or self.at


class ClaudeCode(Reader):
    """Reads the sessions of Claude Code."""

    format = program = "claude-code"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._agent_id: str | None = None  # the subagent whose file this is
        self._is_stream = False  # or a session file, which is written when answers are over
        self._held: list[Record] = []
        self._places: dict[str, tuple[int, int]] = {}  # of records by uuid: number, fingerprint
        self._records = 0
        self._last_answer = 0  # the number of the last record of the main chain that is an answer
        self._answers: dict[str, _Answer] = {}  # by chain
        self._counted: dict[str, None] = {}  # answers whose usage was given

    @property
    def held(self) -> int:
        """Records that wait for one that names the session."""
        return len(self._held)

    def decoder(self) -> Decoder:
        """Returns what reads lines, or the array of an execution file."""
        return LinesOrDocuments(only_arrays=True)

    def take(self, record: Record) -> None:
        """Takes one record."""
        if not self._session and not self._begin(as_dict(record.value)):
            self._held.append(record)
            if len(self._held) >= _HELD:
                self._begin_nameless()
            return
        self._release()
        self._read(record)

    def finish(self, *, final: bool) -> None:
        """Takes the end of the records."""
        if not final:
            return
        if self._held:
            self._begin_nameless()
        for chain in list(self._answers):
            self._count(chain)

    # The session.

    def _begin(self, value: dict[str, Any]) -> bool:
        """Begins the session that a record names; tells whether it names one."""
        hint = self.hint
        said = as_text(value.get("sessionId")) or as_text(value.get("session_id"))
        agent = as_text(value.get("agentId")) if value.get("isSidechain") is True else None
        if not said and not hint.session:
            return False
        parent = hint.parent
        if agent and said and not said.startswith("agent-"):
            parent = parent or said
        self._agent_id = hint.agent or agent
        name = hint.session or said or ""
        if not hint.session and self._agent_id and parent:
            name = f"{parent}.{self._agent_id}"
        self._session = self.open(
            name,
            parent=parent,
            agent_id=self._agent_id,
            **_facts(value, as_time(value.get("timestamp"))),
        )
        return True

    def _begin_nameless(self) -> None:
        """Begins a session whose records name none, with an id made of the first of them."""
        first = repr(self._held[0].value) if self._held else ""
        # An id is needed that is the same next time, and that no other session has.
        from hashlib import sha256

        digest = sha256(first.encode("utf-8", "replace")).hexdigest()[:16]
        self._session = self.open(f"claude-code-{digest}")
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        line = self._line
        for record in held:
            self._line = record.line
            self._read(record)
        self._line = line

    # The records.

    def _read(self, record: Record) -> None:
        value = record.value
        if not isinstance(value, dict):
            self.emit_raw(self._session, ["value"], value)
            return
        at = as_time(value.get("timestamp"))
        kind = as_text(value.get("type"))
        self._is_stream = "session_id" in value and "sessionId" not in value
        self._records += 1
        if not self._remember(value):
            copy = without_nulls(type=as_text(kind), uuid=value["uuid"])
            self.emit_raw(self._session, ["repeated"], copy, at, is_known=True)
            return
        self.learn(self._session, **_facts(value, at))
        if kind == "assistant":
            self._read_answer(value, at)
        elif kind == "user":
            self._read_user(value, at)
        elif kind == "system":
            self._read_system(value, at)
        elif kind == "result" and "agentId" not in value:
            self._read_result(value, at)
        elif kind in {"tool_use", "tool_result"} and as_text(value.get("name")):
            self._read_bare_call(kind, value, at)
        else:
            self._read_other(kind, value, at)

    def _remember(self, value: dict[str, Any]) -> bool:
        """Remembers a record by its uuid; returns whether it was new."""
        uuid = value.get("uuid")
        if not isinstance(uuid, str):
            return True
        content = as_dict(value.get("message")).get("content")
        length = len(content) if isinstance(content, (str, list)) else -1
        print_ = hash((str(value.get("type")), str(value.get("timestamp")), length))
        place = self._places.get(uuid)
        if place is not None and place[1] == print_ and as_text(value.get("type")) in _CHAIN:
            return False
        self._places[uuid] = (self._records, print_)
        if len(self._places) > _REMEMBERED:
            del self._places[next(iter(self._places))]
        return True

    def _read_answer(self, value: dict[str, Any], at: Timestamp | None) -> None:
        message = as_dict(value.get("message"))
        content = message.get("content")
        if not isinstance(content, (str, list)):
            self.emit_raw(self._session, ["assistant"], value, at)
            return
        model = as_text(message.get("model"))
        if model and model != "<synthetic>":
            self.learn(self._session, model=model)
        chain = self._chain(value)
        if not chain:
            self._last_answer = self._records
            self.conclude(self._session, None)
        about = self._about(value) | without_nulls(
            message_id=as_text(message.get("id")), model=model
        )
        self._add_to_answer(chain, message, at)
        if value.get("isApiErrorMessage") is True:
            text = text_of(content) or "the model's service failed"
            about |= without_nulls(status_code=as_int(value.get("apiErrorStatus")))
            self.emit(self._session, ERROR, {"message": text} | about, at)
            return
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for block in blocks:
            self._read_block(block, about, at)
        if not blocks:
            self.emit(self._session, MESSAGE, {"role": "assistant", "content": ""} | about, at)

    def _read_block(self, block: Any, about: dict[str, Any], at: Timestamp | None) -> None:
        """Gives one part of an answer."""
        part = as_dict(block)
        kind = as_text(part.get("type")) or ""
        if kind == "text" and isinstance(part.get("text"), str):
            payload = {"role": "assistant", "content": part["text"]}
            self.emit(self._session, MESSAGE, payload | about, at)
        elif kind in {"thinking", "redacted_thinking"}:
            thought = part.get("thinking")
            payload = {"content": thought if isinstance(thought, str) else ""}
            self.emit(self._session, THINKING, payload | about, at)
        elif kind == "tool_use" or kind.endswith("_tool_use"):
            # Other members would count as parameters where two runs are compared.
            kept = {name: about[name] for name in _OF_CALLS if name in about}
            self.tell_call(
                self._session, as_text(part.get("name")), as_text(part.get("id")),
                part.get("input", {}), at, **kept,
            )  # fmt: skip
        elif kind.endswith("tool_result"):
            self._read_tool_result(part, {}, about, at)
        else:
            self.emit_raw(self._session, ["assistant", kind], {"content": block} | about, at)

    def _read_user(self, value: dict[str, Any], at: Timestamp | None) -> None:
        message = value.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, (str, list)):
            self.emit_raw(self._session, ["user"], value, at)
            return
        about = self._about(value) | without_nulls(
            meta=value.get("isMeta") is True or None,
            summary=value.get("isCompactSummary") is True or None,
        )
        blocks = content if isinstance(content, list) else [content]
        results = [block for block in blocks if as_dict(block).get("type") == "tool_result"]
        if not results:
            self._read_prompt(value, about)
        for block in blocks:
            part = as_dict(block)
            if part.get("type") == "tool_result":
                self._read_tool_result(part, value if len(results) == 1 else {}, about, at)
            else:
                text = text_of(block)
                payload = {"role": "user", "content": block if text is None else text}
                self.emit(self._session, MESSAGE, payload | about, at)
        if not blocks:
            self.emit(self._session, MESSAGE, {"role": "user", "content": ""} | about, at)
        text = text_of(content)
        if text and text.startswith("[Request interrupted by user"):
            self.conclude(self._session, CANCELLED, "interrupted by the user")

    def _read_prompt(self, value: dict[str, Any], about: dict[str, Any]) -> None:
        """A prompt begins a turn, so the answer before it is complete."""
        chain = self._chain(value)
        self._count(chain)
        parent = value.get("parentUuid")
        place = self._places.get(parent) if isinstance(parent, str) else None
        if not chain and place is not None and place[0] < self._last_answer:
            about["rewound_to"] = parent

    def _read_tool_result(
        self,
        part: dict[str, Any],
        value: dict[str, Any],
        about: dict[str, Any],
        at: Timestamp | None,
    ) -> None:
        """Gives the result of a call.

        Args:
            part: What the model was told.
            value: The record, if its other members speak of this result alone.
            about: Members that the event has besides.
            at: When.
        """
        content = part.get("content")
        text = text_of(content)
        detail = as_dict(value.get("toolUseResult"))
        denied = as_text(value.get("toolDenialKind"))
        is_error = part.get("is_error") is True or detail.get("is_error") is True
        is_interrupted = detail.get("interrupted") is True
        failed = bool(is_error or is_interrupted or denied)
        exit_code = as_int(detail.get("exitCode"))
        if exit_code is None and failed:
            exit_code = exit_code_in(text)
        error = last_lines(_TAGS.sub("", text or "")) if failed or exit_code else None
        duration = as_number(detail.get("totalDurationMs"))
        self.tell_result(
            self._session,
            None,
            as_text(part.get("tool_use_id")) or as_text(value.get("sourceToolUseID")),
            content if text is None else text,
            at,
            error=error or ("interrupted" if is_interrupted else None),
            exit_code=exit_code,
            has_failed=failed,
            denied=denied,
            interrupted=is_interrupted or None,
            duration_ms=as_number(detail.get("durationMs")) if duration is None else duration,
            subagent=as_text(detail.get("agentId")),
            **about,
        )

    def _read_system(self, value: dict[str, Any], at: Timestamp | None) -> None:
        subtype = as_text(value.get("subtype"))
        about = self._about(value)
        if subtype == "init":
            self.emit(self._session, SESSION_STARTED, value, at)
        elif subtype == "compact_boundary":
            data = as_dict(value.get("compactMetadata") or value.get("compact_metadata"))
            payload = {"message": value.get("content")} | data
            self.emit(self._session, COMPACTED, payload | about, at)
        elif subtype in {"api_error", "error"}:
            error = value.get("error")
            message = as_text(as_dict(error).get("message")) or as_text(value.get("content"))
            payload = without_nulls(
                message=message or "the model's service failed",
                error=error,
                retry_attempt=as_count(value.get("retryAttempt")),
                max_retries=as_count(value.get("maxRetries")),
                retry_in_ms=as_number(value.get("retryInMs")),
            )
            self.emit(self._session, ERROR, payload | about, at)
        elif subtype == "turn_duration":
            self._count("")
            duration = as_number(value.get("durationMs"))
            payload = without_nulls(
                duration_ms=duration, messages=as_count(value.get("messageCount"))
            )
            self.emit(self._session, TURN_FINISHED, payload | about, at)
        else:
            known = subtype is None or subtype in _SYSTEM
            words = ["system"] if subtype is None else ["system", subtype]
            self.emit_raw(self._session, words, value, at, is_known=known)

    def _read_result(self, value: dict[str, Any], at: Timestamp | None) -> None:
        """The end of a turn of `claude -p`."""
        for chain in list(self._answers):
            self._count(chain)
        for denial in as_list(value.get("permission_denials")):
            call = as_dict(denial)
            payload = without_nulls(
                tool_name=as_text(call.get("tool_name")),
                tool_call_id=as_text(call.get("tool_use_id")),
                arguments=call.get("tool_input"),
            )
            self.emit(self._session, DENIED, payload or {"denied": denial}, at)
        subtype = as_text(value.get("subtype"))
        failed = value.get("is_error") is True or (subtype or "").startswith("error")
        errors = [error for error in as_list(value.get("errors")) if isinstance(error, str)]
        result = value.get("result")
        reason = as_text(value.get("terminal_reason")) or subtype
        complaint = "\n".join(errors) or as_text(result) or reason or "failed"
        status = FAILED if failed else COMPLETED
        duration = as_number(value.get("duration_ms"))
        cost = as_number(value.get("total_cost_usd"))
        payload = without_nulls(
            status=status,
            reason=reason,
            error=complaint if failed else None,
            result=result,
            duration_ms=duration,
            turns=as_count(value.get("num_turns")),
            session_id=as_text(value.get("session_id")) or self._session,
            cost_usd=cost,  # of the session so far
            usage=value.get("usage"),
            model_usage=value.get("modelUsage"),
        )
        self.emit(self._session, TURN_FINISHED, payload, at)
        self.conclude(
            self._session, status, complaint if failed else reason, is_over=True,
            duration_ms=None if duration is None else round(duration), cost_usd=cost,
        )  # fmt: skip

    def _read_bare_call(self, kind: str, value: dict[str, Any], at: Timestamp | None) -> None:
        """A call or a result that is a record by itself, as some versions wrote them."""
        name, call_id = as_text(value.get("name")), as_text(value.get("id"))
        if kind == "tool_use":
            self.tell_call(self._session, name, call_id, value.get("input", {}), at)
            return
        output = value.get("output", value.get("content"))
        failed = value.get("is_error") is True
        text = text_of(output)
        self.tell_result(
            self._session, name, call_id, output, at,
            has_failed=failed,
            exit_code=exit_code_in(text) if failed else None,
            error=last_lines(text) if failed else None,
        )  # fmt: skip

    def _read_other(self, kind: str | None, value: dict[str, Any], at: Timestamp | None) -> None:
        if kind in _TITLES:
            self.learn(self._session, title=as_text(value.get(_TITLES[kind])))
        if kind == "agent-name":
            self.learn(self._session, agent=as_text(value.get("agentName")))
        known = kind in _LABELS
        words: list[Any] = [kind]
        if kind == "attachment":
            words.append(as_dict(value.get("attachment")).get("type"))
            known = True
        elif kind == "progress":
            words.append(as_dict(value.get("data")).get("type"))
            known = True
        self.emit_raw(self._session, words, value, at, is_known=known)

    # Answers and chains.

    def _chain(self, value: dict[str, Any]) -> str:
        """The subagent that a record of its parent's file belongs to; empty for the session."""
        agent = as_text(value.get("agentId")) or as_text(value.get("parent_tool_use_id"))
        if agent:
            return "" if agent == self._agent_id else agent
        is_side = value.get("isSidechain") is True and self._agent_id is None
        return "sidechain" if is_side else ""

    def _about(self, value: dict[str, Any]) -> dict[str, Any]:
        """Members that every event of a record has."""
        is_side = value.get("isSidechain") is True and self._agent_id is None
        agent = as_text(value.get("agentId"))
        return without_nulls(
            uuid=as_text(value.get("uuid")),
            agent_id=agent if agent != self._agent_id else None,
            parent_tool_use_id=as_text(value.get("parent_tool_use_id")),
            sidechain=is_side or None,
        )

    def _add_to_answer(self, chain: str, message: dict[str, Any], at: Timestamp | None) -> None:
        """Takes the usage that a line says of its answer."""
        name = as_text(message.get("id"))
        if name is None or name in self._counted:
            if name is None and as_dict(message.get("usage")):
                self._count(chain)
                self._answers[chain] = answer = _Answer("")
                answer.add(message, at)
                self._count(chain)
            return
        answer = self._answers.get(chain)  # type: ignore[assignment]
        if answer is None or answer.id != name:
            self._count(chain)
            self._answers[chain] = answer = _Answer(name, is_beginning=self._is_stream)
        answer.add(message, at)

    def _count(self, chain: str) -> None:
        """Gives the usage of an answer that is complete."""
        answer = self._answers.pop(chain, None)
        if answer is None or not answer.usage:
            return
        if answer.id:
            self._counted[answer.id] = None
            if len(self._counted) > _REMEMBERED:
                del self._counted[next(iter(self._counted))]
        usage = answer.usage
        if answer.is_beginning and answer.stop_reason is None:
            usage = {name: value for name, value in usage.items() if name != "output_tokens"}
        cached = as_count(usage.get("cache_read_input_tokens"))
        inputs = [as_count(usage.get("input_tokens")), cached]
        inputs.append(as_count(usage.get("cache_creation_input_tokens")))
        known = [number for number in inputs if number is not None]
        payload = without_nulls(
            model=answer.model,
            input_tokens=sum(known) if known else None,
            cached_input_tokens=cached,
            output_tokens=as_count(usage.get("output_tokens")),
            reasoning_tokens=as_count(
                as_dict(usage.get("output_tokens_details")).get("thinking_tokens")
            ),
            stop_reason=answer.stop_reason,
            message_id=answer.id or None,
            agent_id=chain or None,
            usage=usage,
        )
        self.emit(self._session, MODEL_CALLED, payload, answer.at)


def _facts(value: dict[str, Any], at: Timestamp | None) -> dict[str, Any]:
    """The facts about its session in a record of a moment."""
    if value.get("type") == "system" and value.get("subtype") == "init":
        return {
            "version": as_text(value.get("claude_code_version")),
            "cwd": as_text(value.get("cwd")),
            "model": as_text(value.get("model")),
        }
    if as_text(value.get("type")) not in _CHAIN:
        return {}
    return {
        "version": as_text(value.get("version")),
        "cwd": as_text(value.get("cwd")),
        "git_branch": as_text(value.get("gitBranch")),
        "agent": as_text(value.get("attributionAgent")),
        "started_at": at,
    }


def _detect(head: Head) -> bool:
    """Tells a session, a stream or an execution file by any of its first records."""
    return any(map(_is_record, head.records))


def _is_record(value: dict[str, Any]) -> bool:
    kind = as_text(value.get("type"))
    if not isinstance(kind, str) or "projectHash" in value:
        return False
    if kind == "system" and value.get("subtype") == "init":
        return "session_id" in value and "tools" in value
    if kind in {"user", "assistant"} and isinstance(value.get("message"), dict):
        return bool({"sessionId", "session_id", "parentUuid"} & value.keys())
    if kind in {"summary", "file-history-snapshot"}:
        return "leafUuid" in value or "snapshot" in value
    return "sessionId" in value and (kind in _CHAIN or kind in _LABELS)


CLAUDE_CODE = Format(
    "claude-code", "sessions and streams of Claude Code", _detect, ClaudeCode, hint_of, grows=True
)
