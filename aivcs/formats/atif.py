"""ATIF, the Agent Trajectory Interchange Format, 1.0 to 1.8: one object, step by step.

Harbor converts some thirty agents to it; some write it themselves. It has no bit for a failure:
what converters put into `extra` (`tool_result_is_error`, `exit_code`, `returncode`) counts, and the
wrapper that Codex and Gemini CLI put around the output of a command.

A trajectory within it (`subagent_trajectories`) is a session of its own, begun by the outer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.formats.codex import output_of
from aivcs.formats.model import (
    MESSAGE,
    MODEL_CALLED,
    SESSION_STARTED,
    THINKING,
    Hint,
    Reader,
)
from aivcs.formats.records import Documents, Record
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_count,
    as_dict,
    as_int,
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
    from aivcs.formats.records import Decoder
    from aivcs.model.timestamp import Timestamp

_HEADER = frozenset({"schema_version", "session_id", "trajectory_id", "agent"})
_ROLES = {"system": "system", "user": "user", "agent": "assistant"}
_MAX_WITHIN = 8
"""Levels of trajectories within one another that are sessions; a deeper one is an event."""


class Atif(Reader):
    """Reads trajectories."""

    format = "atif"
    program = "unknown"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._header: dict[str, Any] = {}
        self._session = ""
        self._parent: str | None = hint.parent

    def decoder(self) -> Decoder:
        """Returns what reads each step, and each other member, as a record."""
        return Documents({"steps", "subagent_trajectories"})

    def take(self, record: Record) -> None:
        """Takes a member of the trajectory, or one of its steps."""
        name, value = record.name, record.value
        if name in self._header and name == "schema_version":
            self._header, self._session = {}, ""  # another trajectory follows in the same source
        if name in _HEADER and not self._session:
            self._header[name] = value
            return
        self._begin()
        if name == "steps":
            self._take_step(self._session, value)
        elif name == "subagent_trajectories":
            self._take_within(self._session, value, 1)
        elif name == "final_metrics":
            self._take_metrics(self._session, as_dict(value))
        else:
            known = name in {*_HEADER, "notes", "extra", "continued_trajectory_ref"}
            payload = {name: value} if name else value
            self.emit_raw(self._session, [name or "value"], payload, is_known=known)

    def finish(self, *, final: bool) -> None:
        """Takes the end: a trajectory without a step is a session, too."""
        if final and self._header:
            self._begin()

    def _begin(self) -> None:
        if self._session:
            return
        self._session = self._open(self._header, self.hint.session, self._parent)

    def _open(self, header: dict[str, Any], name: str | None, parent: str | None) -> str:
        """Begins the session of a trajectory."""
        agent = as_dict(header.get("agent"))
        extra = as_dict(agent.get("extra"))
        name = name or as_text(header.get("session_id")) or as_text(header.get("trajectory_id"))
        if name is None:
            from hashlib import sha256

            name = f"atif-{sha256(repr(header).encode('utf-8', 'replace')).hexdigest()[:16]}"
        session = self.open(
            name,
            program=as_text(agent.get("name")),
            version=as_text(agent.get("version")),
            model=as_text(agent.get("model_name")),
            cwd=as_text(extra.get("cwd")),
            git_branch=as_text(extra.get("git_branch")),
            parent=parent,
        )
        self.emit(session, SESSION_STARTED, header)
        return session

    def _take_within(self, parent: str, value: Any, level: int) -> None:
        """Takes a trajectory that is an element of another one."""
        trajectory = as_dict(value)
        header = {name: trajectory[name] for name in trajectory if name in _HEADER}
        name = as_text(trajectory.get("trajectory_id")) or as_text(trajectory.get("session_id"))
        if name is None or name == parent or level > _MAX_WITHIN:
            self.emit_raw(parent, ["subagent_trajectories"], value, is_known=True)
            return
        session = self._open(header, f"{parent}.{name}", parent)
        for member, inner in trajectory.items():
            if member == "steps" and isinstance(inner, list):
                for step in inner:
                    self._take_step(session, step)
            elif member == "subagent_trajectories" and isinstance(inner, list):
                for another in inner:
                    self._take_within(session, another, level + 1)
            elif member == "final_metrics":
                self._take_metrics(session, as_dict(inner))
            elif member not in header:
                self.emit_raw(session, [member], {member: inner}, is_known=True)

    def _take_metrics(self, session: str, metrics: dict[str, Any]) -> None:
        """The totals, which count more than the sum of the steps."""
        self.emit_raw(session, ["final_metrics"], metrics, is_known=True)
        self.conclude(
            session,
            None,
            input_tokens=as_count(metrics.get("total_prompt_tokens")),
            cached_input_tokens=as_count(metrics.get("total_cached_tokens")),
            output_tokens=as_count(metrics.get("total_completion_tokens")),
            cost_usd=as_number(metrics.get("total_cost_usd")),
        )

    def _take_step(self, session: str, value: Any) -> None:
        step = as_dict(value)
        source = step.get("source")
        if not isinstance(source, str) or source not in _ROLES:
            self.emit_raw(session, ["step"], value)
            return
        at = as_time(step.get("timestamp"))
        model = as_text(step.get("model_name"))
        about = without_nulls(
            step=as_count(step.get("step_id")),
            model=model,
            copied=step.get("is_copied_context") is True or None,
        )
        if thought := as_text(step.get("reasoning_content")):
            self.emit(session, THINKING, {"content": thought} | about, at)
        message = step.get("message")
        text = text_of(message)
        calls = as_list(step.get("tool_calls"))
        metrics = as_dict(step.get("metrics"))
        if message or not (calls or metrics or step.get("observation")):
            payload = {"role": _ROLES[source], "content": message if text is None else text}
            self.emit(session, MESSAGE, payload | about, at)
        ids: list[str | None] = []
        for call in map(as_dict, calls):
            ids.append(as_text(call.get("tool_call_id")))
            name = as_text(call.get("function_name"))
            arguments = call.get("arguments", {})
            self.tell_call(session, name, ids[-1], arguments, at)
        results = as_list(as_dict(step.get("observation")).get("results"))
        for place, result in enumerate(map(as_dict, results)):
            call_id = as_text(result.get("source_call_id"))
            if call_id is None and len(results) == len(ids):
                call_id = ids[place]
            self._take_result(session, result, call_id, bool(ids), at)
        if metrics:
            self._take_usage(session, metrics, model, step, at)

    def _take_result(
        self,
        session: str,
        result: dict[str, Any],
        call_id: str | None,
        has_calls: bool,
        at: Timestamp | None,
    ) -> None:
        """Gives the result of a call, or what came of a step that called nothing."""
        content = result.get("content")
        text = text_of(content)
        extra = as_dict(result.get("extra"))
        exit_code = next(
            (
                code
                for name in ("exit_code", "returncode", "exitCode")
                if (code := as_int(extra.get(name))) is not None
            ),
            None,
        )
        if exit_code is None:
            exit_code = wrapped_exit_code(text)
        if exit_code is None and text is not None:
            exit_code = output_of(text)[1].get("exit_code")
        failed = extra.get("tool_result_is_error") is True or extra.get("is_error") is True
        refs = as_list(result.get("subagent_trajectory_ref"))
        output = content if text is None else text
        if call_id is None and not has_calls:
            payload = {"role": "tool", "content": output}
            self.emit(session, MESSAGE, payload, at)
            return
        self.tell_result(
            session, None, call_id, output, at,
            exit_code=exit_code,
            has_failed=failed,
            error=last_lines(text) if failed or exit_code else None,
            subagents=refs or None,
        )  # fmt: skip

    def _take_usage(
        self,
        session: str,
        metrics: dict[str, Any],
        model: str | None,
        step: dict[str, Any],
        at: Timestamp | None,
    ) -> None:
        extra = as_dict(metrics.get("extra"))
        payload = without_nulls(
            model=model,
            input_tokens=as_count(metrics.get("prompt_tokens")),
            cached_input_tokens=as_count(metrics.get("cached_tokens")),
            output_tokens=as_count(metrics.get("completion_tokens")),
            reasoning_tokens=as_count(extra.get("reasoning_output_tokens")),
            cost_usd=as_number(metrics.get("cost_usd")),
            calls=as_count(step.get("llm_call_count")),
            stop_reason=as_text(as_dict(step.get("extra")).get("stop_reason")),
            usage=metrics,
        )
        self.emit(session, MODEL_CALLED, payload, at)


def _detect(head: Head) -> bool:
    version = head.root.get("schema_version")
    return isinstance(version, str) and version.startswith("ATIF-")


ATIF = Format("atif", "trajectories in the Agent Trajectory Interchange Format", _detect, Atif)
