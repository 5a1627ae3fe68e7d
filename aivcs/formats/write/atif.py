"""ATIF 1.7, the Agent Trajectory Interchange Format: a run as one object, step by step.

- An agent's step is what one call of a model brought: thoughts, a message, calls of tools, their
  results, tokens. A call that waits for its result keeps its step open, `WINDOW` steps and `HELD`
  characters at most; a result that comes later has a step of its own.
- A call without an id gets one made of its seq. Arguments that are not an object are its member
  `value`; a result that is not a text is JSON in one.
- The format has no bit for a failure: `extra` of a result has `is_error`, `error`, `exit_code`, as
  converters of Harbor write them.
- An event that the format has no word for is a step of the system with the event in `extra`.

Source: https://github.com/harbor-framework/harbor/blob/main/rfcs/0001-trajectory-format.md.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from aivcs.codec.json import encode_trusted
from aivcs.formats.model import THINKING
from aivcs.formats.values import as_dict, as_text, without_nulls
from aivcs.formats.write.run import VERSION, as_words, content_of, usage_of
from aivcs.trace.timeline import CALL, MESSAGE, RESULT, read_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.formats.write.run import Run
    from aivcs.model.run import RunEvent
    from aivcs.trace.timeline import Reading
    from aivcs.trace.usage import ModelCall

SCHEMA = "ATIF-v1.7"
WINDOW = 512
"""Steps held back, at most, while a call waits for its result."""
HELD = 8 << 20
"""Characters of steps held back, at most, while a call waits for its result."""
_SOURCES = {"user": "user", "system": "system", "developer": "system"}


def write(run: Run, *, version: str) -> Iterator[str]:
    """Yields the trajectory of a run in pieces, one line in all.

    Args:
        run: The run.
        version: The version of aivcs.
    """
    record = run.record
    tags = as_dict(run.tags)
    agent = without_nulls(
        name=record.metadata.agent_name,
        version=record.spec_digest.short,
        model_name=as_text(tags.get("model")),
    )
    header = {"schema_version": SCHEMA, "session_id": record.run_id, "agent": agent}
    yield encode_trusted(header)[:-1] + ',"steps":['
    steps = _Steps()
    number = 0
    for step in steps.all(run):
        number += 1
        yield ("," if number > 1 else "") + encode_trusted({"step_id": number, **step})
    about: dict[str, Any] = {
        "version": version,
        "mapping": VERSION,
        "head": run.head.hash,
        "record": record.to_json(),
    }
    if run.annotations:
        about["annotations"] = [each.to_json() for each in run.annotations]
    said = {"aivcs": about}
    totals = {**steps.totals, "total_steps": number}
    yield f'],"final_metrics":{encode_trusted(totals)},"extra":{encode_trusted(said)}}}\n'


class _Step:
    """A step that is being made."""

    def __init__(self, event: RunEvent, source: str) -> None:
        self.members: dict[str, Any] = {"timestamp": event.timestamp, "source": source}
        self.message: Any = None
        self.thoughts: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.open: set[str] = set()
        self.metrics: dict[str, Any] | None = None
        self.weight = 0

    def to_json(self) -> dict[str, Any]:
        members = dict(self.members)
        members["message"] = "" if self.message is None else self.message
        if self.thoughts:
            members["reasoning_content"] = "\n\n".join(self.thoughts)
        if self.calls:
            members["tool_calls"] = self.calls
        if self.results:
            members["observation"] = {"results": self.results}
        if self.metrics is not None:
            members["metrics"] = self.metrics
        return members


class _Steps:
    """The steps of one run, while they are made."""

    def __init__(self) -> None:
        self.totals: dict[str, int | float] = {}
        self._waiting: deque[_Step] = deque()
        self._step: _Step | None = None  # the agent's last one, which may go on
        self._size = 0

    def all(self, run: Run) -> Iterator[dict[str, Any]]:
        """Yields all steps in their order, each when it is complete."""
        for event in run.events:
            self._take(event, read_event(event))
            while self._waiting and self._is_complete(self._waiting[0]):
                step = self._waiting.popleft()
                self._size -= step.weight
                if step is self._step:
                    self._step = None
                yield step.to_json()
        for step in self._waiting:
            yield step.to_json()

    def _is_complete(self, step: _Step) -> bool:
        if len(self._waiting) > WINDOW or self._size > HELD:
            return True
        return step is not self._step and not step.open

    def _take(self, event: RunEvent, reading: Reading) -> None:
        payload = as_dict(event.payload)
        usage = None if reading.what in {CALL, RESULT} else usage_of(event)
        if event.kind == THINKING:
            self._agent(event, joins=not self._has_spoken()).thoughts.append(
                as_words(content_of(payload))
            )
        elif reading.what == MESSAGE:
            self._tell(event, payload)
        elif reading.what == CALL:
            self._call(event, reading)
        elif reading.what == RESULT:
            self._result(event, reading)
        elif usage is None:
            self._other(event)
        if usage is not None:
            self._spend(event, usage)
        if self._waiting:  # about the size of what it holds
            weight = len(encode_trusted(event.payload))
            self._waiting[-1].weight += weight
            self._size += weight

    def _has_spoken(self) -> bool:
        step = self._step
        return step is not None and bool(step.message is not None or step.calls)

    def _agent(self, event: RunEvent, *, joins: bool) -> _Step:
        """The agent's step that an event belongs to: the last one, or a new one."""
        if self._step is None or not joins:
            self._step = _Step(event, "agent")
            self._waiting.append(self._step)
        return self._step

    def _tell(self, event: RunEvent, payload: dict[str, Any]) -> None:
        content = as_words(content_of(payload))
        source = _SOURCES.get(payload["role"], "agent" if payload["role"] != "tool" else "system")
        if source == "agent":
            step = self._agent(event, joins=not self._has_spoken())
            step.message = content
            if model := as_text(payload.get("model")):
                step.members["model_name"] = model
            return
        self._step = None
        step = _Step(event, source)
        step.message = content
        self._waiting.append(step)

    def _call(self, event: RunEvent, reading: Reading) -> None:
        joins = self._step is not None and not self._step.results
        step = self._agent(event, joins=joins)
        call_id = reading.call_id or f"call-{event.seq}"
        arguments = reading.arguments
        step.calls.append(
            {
                "tool_call_id": call_id,
                "function_name": reading.tool or "unnamed",
                "arguments": arguments if isinstance(arguments, dict) else {"value": arguments},
            }
        )
        if reading.output is not None:
            step.results.append(_result(call_id, reading))
        else:
            step.open.add(call_id)

    def _result(self, event: RunEvent, reading: Reading) -> None:
        for step in self._waiting:
            for call in step.calls:
                call_id = call["tool_call_id"]
                is_of = (
                    call_id == reading.call_id
                    if reading.call_id is not None
                    else call["function_name"] == (reading.tool or "unnamed")
                )
                if is_of and call_id in step.open:
                    step.open.discard(call_id)
                    step.results.append(_result(call_id, reading))
                    return
        # Its call is too long ago, or was never told.
        self._step = None
        step = _Step(event, "system")
        step.results.append(_result(None, reading))
        step.members["extra"] = without_nulls(tool_name=reading.tool, tool_call_id=reading.call_id)
        self._waiting.append(step)

    def _spend(self, event: RunEvent, usage: ModelCall) -> None:
        joins = self._step is not None and self._step.metrics is None
        step = self._agent(event, joins=joins)
        metrics: dict[str, Any] = without_nulls(
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cost_usd=usage.cost_usd,
        )
        for name, number in metrics.items():
            total = f"total_{name}"
            self.totals[total] = self.totals.get(total, 0) + number
        if usage.reasoning_tokens is not None:
            metrics["extra"] = {"reasoning_output_tokens": usage.reasoning_tokens}
        step.metrics = metrics
        if usage.model is not None:
            step.members["model_name"] = usage.model
        if usage.stop_reason is not None:
            step.members["extra"] = {"stop_reason": usage.stop_reason}

    def _other(self, event: RunEvent) -> None:
        step = _Step(event, "system")
        step.message = event.kind
        step.members["extra"] = {"kind": event.kind, "payload": event.payload}
        self._waiting.append(step)


def _result(call_id: str | None, reading: Reading) -> dict[str, Any]:
    extra = without_nulls(exit_code=reading.exit_code, error=reading.error)
    if reading.error is not None:
        extra = {"is_error": True, **extra}
    content = "" if reading.output is None else as_words(reading.output)
    result: dict[str, Any] = {"content": content}
    if call_id is not None:
        result = {"source_call_id": call_id, **result}
    return result | ({"extra": extra} if extra else {})
