"""Turns the events of a run into steps that a person can follow. No I/O.

Kinds of events are free text, so a step is classified by its payload, not by a list of kinds:

- a **call** names a tool (`tool_name`, `tool`, …) in an event whose kind begins something
  (`tool_called`, `tool_use`, `tool.started`); it lasts until the event that gives its **result**
  (`tool_returned`, `tool_result`, `tool_failed`): the one with the same id of the call or, without
  ids, the next one of the same tool;
- an event that has both the parameters and the result of a tool is a whole call;
- a **message** has a `role`: a person's, a model's, a system's;
- an event of kind `model_called` is told by its tokens and its cost, `thinking` by its content;
- anything else is shown by its kind and the members of its payload.

A call lasts from its event to that of its result. Any other step lasts from the event before it to
its own: for a model's message, that is the time one waited for it. A duration in the payload
overrides this and counts from the time of the event.

Steps are yielded in the order of their beginnings. At most `WINDOW` of them are held back for a
result still to come, and no payload is kept, so memory does not grow with the run.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted, parse
from aivcs.errors import SerializationError
from aivcs.trace import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.model.run import RunEvent

ERASED = "erased on purpose"
"""The text of a step whose content was erased, unless the caller names the eraser."""
WINDOW = 512
"""Steps held back, at most, while a call waits for its result."""
BRIEF = 600
"""Characters of a text kept in a step, at most."""
THINKING = "thinking"
"""The kind of events that are thoughts of a model."""
CALL, RESULT, MESSAGE, OTHER = "call", "result", "message", "other"
"""The kinds of steps. A result is a step of its own only if its call is not found."""

_WORDS = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")
_BEGINS = frozenset(
    {"called", "call", "use", "used", "start", "started", "invoke", "invoked", "execute", "run"}
)
_ENDS = frozenset(
    {"returned", "result", "response", "output", "completed", "finished", "ended", "end", "done"}
)
_TROUBLE = ("error", "fail", "exception")
_TOOL = ("tool_name", "tool", "gen_ai.tool.name", "function_name")
_ID = ("tool_call_id", "call_id", "tool_use_id", "gen_ai.tool.call.id")
_PARAMETERS = (
    "arguments", "args", "parameters", "params", "input", "tool_args", "tool_input", "command",
    "gen_ai.tool.args", "gen_ai.tool.call.arguments",
)  # fmt: skip
_OUTCOME = (
    "observation", "result", "output", "content", "response", "tool_output", "stdout",
    "gen_ai.output", "gen_ai.tool.call.result",
)  # fmt: skip
_CONTENT = ("content", "text", "message", "gen_ai.output")
_CODES = ("exit_code", "returncode", "exit_status")
_SAYS_TROUBLE = (*_CODES, "error", "is_error", "status", "stderr", "message")
_RECORDS = (
    "atif.", "claude-code.", "codex.", "codex-exec.", "gemini-cli.", "gemini-stream.",
    "inspect-ai.", "mini-swe-agent.", "mlflow.", "opencode.", "otlp.",
)  # fmt: skip
"""The prefixes of the kinds of records that an import keeps as they are: their words are those of
another program, and what they say of calls is said by events with kinds of ours."""
_TOOK = {"duration_ms": 1e3, "duration_s": 1e6, "execution_time_s": 1e6, "elapsed_ms": 1e3}
"""Members that hold a duration, each with its unit in microseconds."""
_KNOWN = frozenset((*_TOOL, *_ID, *_TOOK, "step", "role", "name"))
"""Members that are shown separately: names, ids, durations and the like."""


class Step:
    """A step of a run.

    Attributes:
        what: `CALL`, `RESULT`, `MESSAGE` or `OTHER`.
        seq: The seq of its first event.
        kind: The kind of that event.
        name: The tool, the role, or else the kind.
        at: The time it began, in microseconds since 1970.
        took: Its duration in microseconds, or None if unknown.
        text: The beginning of its content or parameters, on one line, without `error`.
        size: The size of the whole content or parameters, in bytes of UTF-8.
        result: The beginning of a call's result, on one line; None without a result.
        result_size: The size of the whole result, in bytes of UTF-8.
        error: The error, on one line, or None.
    """

    __slots__ = (
        "at", "error", "kind", "name", "result", "result_size", "seq", "size", "text", "took",
        "what",
    )  # fmt: skip

    def __init__(self, event: RunEvent, what: str, name: str) -> None:
        """Begins with an event, and without anything to show of it."""
        assert event.seq is not None
        assert event.timestamp is not None
        self.what = what
        self.name = name
        self.seq = event.seq
        self.kind = event.kind
        self.at = event.timestamp.microseconds()
        self.took: int | None = None
        self.text = ""
        self.size = 0
        self.result: str | None = None
        self.result_size = 0
        self.error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is a call without a result."""
        return self.what == CALL and self.result is None


class Reading(NamedTuple):
    """The meaning of one event, with whole values where a `Step` keeps their beginnings.

    Attributes:
        what: `CALL`, `RESULT`, `MESSAGE` or `OTHER`.
        tool: The tool of a call or a result; empty if the event names none.
        call_id: The id of the call, if the event has one.
        arguments: The parameters of a call; of a call without such a member, all other members.
        output: The result of a call that has it in the same event, or of a result; else None.
        error: The error, if it is one.
        exit_code: The exit code of a process, if the event has one.
        took: The duration that the event states, in microseconds, or None.
    """

    what: str
    tool: str
    call_id: str | None
    arguments: Any
    output: Any
    error: str | None
    exit_code: int | None
    took: int | None

    @property
    def key(self) -> tuple[str, str]:
        """What a call and its result have in common: the id, or else the name of the tool."""
        return ("tool", self.tool) if self.call_id is None else ("id", self.call_id)


def read_event(event: RunEvent) -> Reading:
    """Returns the meaning of an event, judged by its kind and payload alone."""
    if not isinstance(event.payload, dict):
        step = _step(event, OTHER, event.kind)
        return Reading(OTHER, "", None, None, None, step.error, None, None)
    payload = event.payload
    what, tool = _judge(event.kind, payload)
    call_id = _first(payload, _ID)
    arguments = output = None
    if what == CALL:
        given = _first(payload, _PARAMETERS)
        if given is None and "arguments" not in payload:
            given = _rest(payload, _OUTCOME)
        arguments = _parsed(given)
    if what in {CALL, RESULT}:
        output = _first(payload, _OUTCOME)
    error = None
    if _is_trouble(event.kind, payload):
        said = payload.get("error")
        # What a step shortens is whole here; the rest is as a step has it.
        error = said if isinstance(said, str) and said else _step(event, what, tool).error
    code = next((c for name in _CODES if type(c := payload.get(name)) is int), None)
    name = None if call_id is None else str(call_id)
    return Reading(what, tool, name, arguments, output, error, code, _stated(payload))


def steps(
    events: Iterable[RunEvent],
    *,
    window: int = WINDOW,
    erased: Callable[[RunEvent], str] | None = None,
) -> Iterator[Step]:
    """Yields the steps of a run.

    Args:
        events: Its events, ordered by seq.
        window: The number of steps that may wait for a call's result; a call that would wait longer
            is yielded without it, and its result later as a step of its own.
        erased: Says of an event whose content was erased, by whom.
    """
    waiting: deque[Step] = deque()
    calls = _OpenCalls()
    before: int | None = None
    for event in events:
        payload = event.payload if isinstance(event.payload, dict) else {}
        what, tool = _judge(event.kind, payload)
        call = calls.take(payload, tool) if what == RESULT else None
        if call is not None:
            _conclude(call, event, payload)
        else:
            step = _step(event, what, tool)
            if event.redacted and erased is not None:
                told = erased(event)[:BRIEF]
                step.text, step.error = (told, None) if step.error is None else ("", told)
            if step.took is None and not step.is_open and before is not None and before <= step.at:
                step.took, step.at = step.at - before, before
            waiting.append(step)
            if step.is_open:
                calls.add(payload, tool, step)
        assert event.timestamp is not None
        before = event.timestamp.microseconds()
        while waiting and (not waiting[0].is_open or len(waiting) > window):
            step = waiting.popleft()
            if step.is_open:
                calls.forget(step)
            yield step
    yield from waiting


class _OpenCalls:
    """The calls that wait for their results, by the id of the call or else by the tool."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], deque[Step]] = {}
        self._keys: dict[int, tuple[str, str]] = {}

    def add(self, payload: dict[str, Any], tool: str, step: Step) -> None:
        key = self._key(payload, tool)
        self._waiting.setdefault(key, deque()).append(step)
        self._keys[step.seq] = key

    def take(self, payload: dict[str, Any], tool: str) -> Step | None:
        """Removes and returns the call that a result belongs to, or None."""
        key = self._key(payload, tool)
        # A tool may leave out the id that its call was given, but never gets another's result.
        for candidate in (key, ("tool", tool)) if key[0] == "id" else (key,):
            found = self._waiting.get(candidate)
            if found:
                self.forget(step := found[0])
                return step
        return None

    def forget(self, step: Step) -> None:
        key = self._keys.pop(step.seq)
        self._waiting[key].remove(step)
        if not self._waiting[key]:
            del self._waiting[key]

    @staticmethod
    def _key(payload: dict[str, Any], tool: str) -> tuple[str, str]:
        name = _first(payload, _ID)
        return ("tool", tool) if name is None else ("id", str(name))


def _judge(kind: str, payload: dict[str, Any]) -> tuple[str, str]:
    """The kind of step that an event is, and its tool."""
    if kind.startswith(_RECORDS):
        return OTHER, ""
    words = {word.lower() for word in _WORDS.split(kind)}
    is_of_tool = bool(words & {"tool", "function"})
    tool = _first(payload, (*_TOOL, "name") if is_of_tool else _TOOL)
    name = tool if isinstance(tool, str) else ""
    if name or (is_of_tool and _first(payload, _ID) is not None):
        if words & _ENDS or any(word in kind.lower() for word in _TROUBLE):
            return RESULT, name
        if words & _BEGINS:
            return CALL, name
    if isinstance(payload.get("role"), str) and payload["role"]:
        return MESSAGE, ""
    return OTHER, ""


def _step(event: RunEvent, what: str, tool: str) -> Step:
    """The step for one event."""
    payload = event.payload
    if event.redacted:
        step = Step(event, what, event.kind)
        if _is_trouble(event.kind, {}):
            step.error = ERASED
        else:
            step.text = ERASED
        return step
    if not isinstance(payload, dict):
        step = Step(event, what, event.kind)
        step.text, step.size = _brief(payload)
        step.error = step.text if _is_trouble(event.kind, {}) else None
        return step
    step = Step(event, what, payload["role"] if what == MESSAGE else tool or event.kind)
    step.took = _stated(payload)
    if what == CALL:
        step.text, step.size = _parameters(payload, tool)
        outcome = _first(payload, _OUTCOME)
        if outcome is not None:
            step.result, step.result_size = _brief(outcome)
    elif what == RESULT:
        step.result, step.result_size = _outcome(payload)
    elif event.kind == usage.KIND:
        step.text = usage.call_text(payload)
        step.size = len(step.text.encode())
    elif event.kind == THINKING and isinstance(payload.get("content"), str):
        step.text, step.size = _brief(payload["content"])
    else:
        content = _first(payload, _CONTENT) if what == MESSAGE else payload.get("gen_ai.output")
        if content is None:
            content = _rest(payload) if what == MESSAGE else payload
        step.text, step.size = _brief(_plain(content))
    if _is_trouble(event.kind, payload):
        complaint = _complaint(payload)
        step.error = complaint or step.result or step.text or event.kind
        if what == OTHER:
            step.text, step.size = _brief(_rest(payload, _SAYS_TROUBLE)) if complaint else ("", 0)
    return step


def _conclude(call: Step, event: RunEvent, payload: dict[str, Any]) -> None:
    """Adds a result to its call."""
    call.result, call.result_size = _outcome(payload)
    assert event.timestamp is not None
    lasted = event.timestamp.microseconds() - call.at
    stated = _stated(payload)
    call.took = stated if stated is not None else lasted if lasted >= 0 else None
    if _is_trouble(event.kind, payload):
        call.error = _complaint(payload) or call.result or event.kind


def _parameters(payload: dict[str, Any], tool: str) -> tuple[str, int]:
    given = _first(payload, _PARAMETERS)
    if given is None:
        return _brief(_rest(payload, _OUTCOME))
    text, size = _brief(_parsed(given))
    # A command line begins with the name of the command, which is shown already.
    if isinstance(given, str) and text.startswith(f"{tool} "):
        text = text[len(tool) + 1 :]
    elif text == tool:
        text = ""
    return text, size


def _outcome(payload: dict[str, Any]) -> tuple[str, int]:
    given = _first(payload, _OUTCOME)
    return _brief(_rest(payload) if given is None else _plain(given))


def _is_trouble(kind: str, payload: dict[str, Any]) -> bool:
    status = payload.get("status")
    if isinstance(status, dict):
        status = status.get("status_code")
    return (
        any(word in kind.lower() for word in _TROUBLE)
        or bool(payload.get("error"))
        or payload.get("is_error") is True
        or (isinstance(status, str) and status.lower() in {"error", "failed", "failure"})
        or any(type(code := payload.get(name)) is int and code != 0 for name in _CODES)
    )


def _complaint(payload: dict[str, Any]) -> str:
    """The error that a payload reports, with the exit code if there is one."""
    error = payload.get("error")
    if isinstance(error, dict):
        error = error.get("message", error)
    if error in (None, True):
        error = payload.get("stderr") or payload.get("message")
    text = _brief(error)[0] if error else ""
    for name in _CODES:
        if type(code := payload.get(name)) is int and code != 0:
            said = f"exit code {code}"
            if text.lower().startswith(said):  # some programs begin with it
                text = text[len(said) :].lstrip(" :")
            return said + (f": {text}" if text else "")
    return text


def _stated(payload: dict[str, Any]) -> int | None:
    """The duration in a payload, in microseconds, or None."""
    for name, unit in _TOOK.items():
        value = payload.get(name)
        if isinstance(value, (int, float)) and 0 <= value < 1e12:
            return int(value * unit)
    return None


def _first(payload: dict[str, Any], names: Iterable[str]) -> Any:
    """The first of some members that is present and not null."""
    return next((payload[name] for name in names if payload.get(name) is not None), None)


def _rest(payload: dict[str, Any], more: Iterable[str] = ()) -> dict[str, Any]:
    """The members that are not shown elsewhere."""
    hidden = _KNOWN.union(more)
    return {name: value for name, value in payload.items() if name not in hidden}


def _plain(content: Any) -> Any:
    """The text of content that is a list of parts, as models give it."""
    if isinstance(content, list) and content:
        texts = [part.get("text") if isinstance(part, dict) else None for part in content]
        if all(isinstance(text, str) for text in texts):
            return "\n".join(map(str, texts))
    return content


def _parsed(value: Any) -> Any:
    """The object that a text holds, where parameters are given as JSON in a text."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            return parse(value)
        except SerializationError:
            return value
    return value


def _brief(value: Any) -> tuple[str, int]:
    """The beginning of a value, on one line of at most `BRIEF` characters, and its byte size."""
    if isinstance(value, str):
        return _one_line(value), len(value.encode())
    text = encode_trusted(value)
    size = len(text.encode())
    if not isinstance(value, dict):
        return text[:BRIEF], size
    words: list[str] = []
    length = 0
    for name, member in value.items():
        if length > BRIEF:
            break
        word = f"{name}={_word(member)}"
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:BRIEF], size


def _word(value: Any) -> str:
    """A member's value, with quotes only where they are needed."""
    if isinstance(value, str):
        if value.isprintable() and value and " " not in value and value[0] not in "[{\"'":
            return value[:BRIEF]
        return encode_trusted(value[:BRIEF])
    return encode_trusted(value)[:BRIEF]


def _one_line(text: str) -> str:
    """The beginning of a text, with runs of spaces and line breaks as one space."""
    return " ".join(text[: 4 * BRIEF].split())[:BRIEF]
