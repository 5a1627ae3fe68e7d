"""inspect_ai: its logs in JSON. Each sample is a session, and so is the evaluation as a whole.

A score is an `evaluation` event, of its sample and, as a metric, of the whole: C counts 1, P 0.5,
I and N 0; other scores that are numbers as they are.

`.eval` files are zip archives whose members Python reads from 3.14 on; `inspect log dump` writes
them as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.formats.model import (
    CANCELLED,
    COMPLETED,
    ERROR,
    EVALUATION,
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
    as_list,
    as_number,
    as_text,
    as_time,
    kind_of,
    last_lines,
    milliseconds_between,
    text_of,
    without_nulls,
)

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder, Record
    from aivcs.model.timestamp import Timestamp

_ATTACHMENT = "attachment://"
_LETTERS = {"C": 1, "P": 0.5, "I": 0, "N": 0}
_STATUS = {"success": COMPLETED, "error": FAILED, "cancelled": CANCELLED}
_KNOWN_EVENTS = frozenset(
    {
        "approval", "branch", "compaction", "info", "input", "interrupt", "logger", "sample_init",
        "sample_limit", "sandbox", "score_edit", "span_begin", "span_end", "state", "step", "store",
        "subtask",
    }
)  # fmt: skip
_MEMBERS = frozenset({"version", "location", "plan", "stats", "reductions", "invalidated", "tags",
                      "metadata", "eval", "log_updates", "etag"})  # fmt: skip


class InspectAi(Reader):
    """Reads the logs of evaluations."""

    format = "inspect-ai"
    program = "inspect_ai"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._known: dict[str, Any] = {}  # of the header, for each sample
        self._held: list[Record] = []
        self._attachments: dict[str, Any] = {}
        self._scorers: list[str] = []  # of the sample, whose scores are still to come

    @property
    def held(self) -> int:
        """Records that wait for one that names the session."""
        return len(self._held)

    def decoder(self) -> Decoder:
        """Returns what reads each sample, and each other member, as a record."""
        return Documents({"samples"})

    def take(self, record: Record) -> None:
        """Takes a member of the log, or one of its samples."""
        if not self._session and record.name not in {"eval", "samples"}:
            self._held.append(record)  # a few small members, before the one that says the id
            return
        if not self._session:
            self._begin(as_dict(record.value) if record.name == "eval" else {}, record)
        self._read(record)

    def finish(self, *, final: bool) -> None:
        """Takes the end: a log without an evaluation is a session, too."""
        if final and self._held and not self._session:
            self._begin({}, self._held[0])

    def _begin(self, evaluation: dict[str, Any], record: Record) -> None:
        name = self.hint.session or as_text(evaluation.get("eval_id"))
        name = name or as_text(evaluation.get("run_id"))
        if name is None:
            from hashlib import sha256

            digest = sha256(repr(record.value).encode("utf-8", "replace")).hexdigest()[:16]
            name = f"inspect-ai-{digest}"
        self._known = {
            "agent": as_text(evaluation.get("task")),
            "version": as_text(as_dict(evaluation.get("packages")).get("inspect_ai")),
            "model": as_text(evaluation.get("model")),
            "git_sha": as_text(as_dict(evaluation.get("revision")).get("commit")),
            "started_at": as_time(evaluation.get("created")),
        }
        self._session = self.open(name, **self._known)
        held, self._held = self._held, []
        line = self._line
        for one in held:
            self._line = one.line
            self._read(one)
        self._line = line

    def _read(self, record: Record) -> None:
        name, value = record.name, record.value
        if name == "eval":
            self.emit(self._session, SESSION_STARTED, as_dict(value) or {"eval": value},
                      self._known["started_at"])  # fmt: skip
        elif name == "samples" and isinstance(value, dict):
            self._read_sample(value)
        elif name == "results":
            self._read_results(as_dict(value))
        elif name == "error" and value:
            message = as_text(as_dict(value).get("message")) or "failed"
            self.emit(self._session, ERROR, {"message": message, "error": value})
        else:
            status = as_text(value) or ""
            if name == "status" and status in _STATUS:
                self.conclude(self._session, _STATUS[status], status)
            known = name in _MEMBERS or name in {"status", "error"}
            self.emit_raw(self._session, [name or "value"], {name: value}, is_known=known)

    def _read_results(self, results: dict[str, Any]) -> None:
        """The metrics of the whole."""
        for score in map(as_dict, as_list(results.get("scores"))):
            scorer = as_text(score.get("name")) or as_text(score.get("scorer")) or "unnamed"
            for metric, said in as_dict(score.get("metrics")).items():
                value = as_dict(said).get("value")
                if type(value) in {int, float}:
                    payload = {"name": f"{scorer}/{metric}", "score": value}
                    self.emit(self._session, EVALUATION, payload)
        self.emit_raw(self._session, ["results"], results, is_known=True)

    # Samples.

    def _read_sample(self, sample: dict[str, Any]) -> None:
        name = f"{self._session}.{sample.get('id')}.{sample.get('epoch', 1)}"
        self._attachments = as_dict(sample.get("attachments"))
        started = as_time(sample.get("started_at"))
        known = self._known | {"started_at": started}
        session = self.open(name, parent=self._session, **known)
        about = {
            key: value
            for key, value in sample.items()
            if key in {"id", "epoch", "target", "metadata", "uuid", "choices", "sandbox"}
        }
        self.emit(session, SESSION_STARTED, about, started)
        self._read_input(session, sample.get("input"), started)
        events = as_list(sample.get("events"))
        # Older versions do not say whose score it is; they are in the same order there.
        self._scorers = [*as_dict(sample.get("scores"))]
        scorers = len(self._scorers)
        for event in events:
            self._read_event(session, event)
        ended = as_time(sample.get("completed_at"))
        if not events:
            self._read_messages(session, sample)
        if len(self._scorers) == scorers:
            for scorer, score in as_dict(sample.get("scores")).items():
                self._tell_score(session, scorer, as_dict(score), ended)
        self._end_sample(session, sample, ended)

    def _end_sample(self, session: str, sample: dict[str, Any], at: Timestamp | None) -> None:
        error = as_dict(sample.get("error"))
        message = as_text(error.get("message")) or ("failed" if error else None)
        seconds = as_number(sample.get("total_time"))
        duration = None if seconds is None else round(seconds * 1000)
        status = FAILED if error else COMPLETED
        rest = {
            name: sample[name]
            for name in ("scores", "model_usage", "limit", "error_retries", "output", "store")
            if sample.get(name)
        }
        payload = without_nulls(status=status, error=message, duration_ms=duration)
        self.emit(session, TURN_FINISHED, payload | rest, at)
        self.conclude(session, status, message, duration_ms=duration)

    def _read_input(self, session: str, value: Any, at: Timestamp | None) -> None:
        messages = value if isinstance(value, list) else [{"role": "user", "content": value}]
        for message in map(as_dict, messages):
            self._tell_message(session, message, at)

    def _read_messages(self, session: str, sample: dict[str, Any]) -> None:
        """The conversation of a log without events; what the input said is there again."""
        for message in map(as_dict, as_list(sample.get("messages"))):
            role = message.get("role")
            if role == "tool":
                name, call_id = as_text(message.get("function")), message.get("tool_call_id")
                output, failure = self._whole(message.get("content")), _failure(message)
                self.tell_result(session, name, as_text(call_id), output, **failure)
                continue
            if message.get("source") != "input":
                self._tell_message(session, message, None)
            for call in map(as_dict, as_list(message.get("tool_calls"))):
                name, call_id = as_text(call.get("function")), as_text(call.get("id"))
                self.tell_call(session, name, call_id, self._whole(call.get("arguments", {})))

    def _tell_message(self, session: str, message: dict[str, Any], at: Timestamp | None) -> None:
        """Gives the parts of a message: what was thought, and what was said."""
        content = self._whole(message.get("content"))
        parts = content if isinstance(content, list) else [content]
        said = []
        for part in parts:
            thought = as_dict(part).get("reasoning")
            if as_dict(part).get("type") == "reasoning" and isinstance(thought, str):
                self.emit(session, THINKING, {"content": thought}, at)
            else:
                said.append(part)
        text = text_of(said)
        payload = without_nulls(
            role=as_text(message.get("role")) or "user",
            content=said if text is None else text,
            model=as_text(message.get("model")),
            message_id=as_text(message.get("id")),
        )
        if said not in ([""], []) or not as_list(message.get("tool_calls")):
            self.emit(session, MESSAGE, payload, at)

    def _read_event(self, session: str, value: Any) -> None:
        event = as_dict(value)
        kind = as_text(event.get("event"))
        at = as_time(event.get("timestamp"))
        if kind == "model":
            self._read_model(session, event, at)
        elif kind == "tool":
            self._read_tool(session, event, at)
        elif kind == "score" and event.get("intermediate") is not True:
            expected = self._scorers.pop(0) if self._scorers else "score"
            name = as_text(event.get("scorer")) or expected
            self._tell_score(session, name, as_dict(event.get("score")), at)
        elif kind == "error":
            error = as_dict(event.get("error"))
            message = as_text(error.get("message")) or "failed"
            self.emit(session, ERROR, {"message": message, "error": event.get("error")}, at)
        else:
            known = kind in _KNOWN_EVENTS or kind == "score"
            self.emit_raw(session, [kind], value, at, is_known=known)

    def _read_model(self, session: str, event: dict[str, Any], at: Timestamp | None) -> None:
        output = as_dict(event.get("output"))
        done = as_time(event.get("completed")) or at
        choices = as_list(output.get("choices"))
        for choice in map(as_dict, choices[:1]):
            self._tell_message(
                session, {"role": "assistant"} | as_dict(choice.get("message")), done
            )
        usage = as_dict(output.get("usage"))
        counts = [
            as_count(usage.get(name))
            for name in ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
        ]
        known = [count for count in counts if count is not None]
        seconds = as_number(output.get("time"))
        error = as_text(event.get("error")) or as_text(output.get("error"))
        payload = without_nulls(
            model=as_text(output.get("model")) or as_text(event.get("model")),
            input_tokens=sum(known) if known else None,
            cached_input_tokens=counts[1],
            output_tokens=as_count(usage.get("output_tokens")),
            reasoning_tokens=as_count(usage.get("reasoning_tokens")),
            stop_reason=as_text(as_dict(choices[0]).get("stop_reason")) if choices else None,
            duration_ms=None if seconds is None else seconds * 1000,
            error=error,
            usage=usage or None,
        )
        self.emit(session, MODEL_CALLED, payload, done)

    def _read_tool(self, session: str, event: dict[str, Any], at: Timestamp | None) -> None:
        name, call_id = as_text(event.get("function")), as_text(event.get("id"))
        self.tell_call(session, name, call_id, self._whole(event.get("arguments", {})), at)
        done = as_time(event.get("completed")) or at
        output, failure = self._whole(event.get("result")), _failure(event)
        self.tell_result(
            session, name, call_id, output, done,
            error=last_lines(failure.pop("error")), **failure,
            has_failed=event.get("failed") is True,
            duration_ms=milliseconds_between(at, done),
            subagent=as_text(event.get("agent")),
        )  # fmt: skip

    def _tell_score(
        self, session: str, scorer: str, score: dict[str, Any], at: Timestamp | None
    ) -> None:
        value = score.get("value")
        number: Any = value if type(value) in {int, float} else None
        if isinstance(value, bool):
            number = int(value)
        elif isinstance(value, str):
            number = _LETTERS.get(value)
        payload = without_nulls(
            name=scorer,
            score=number,
            label=value if isinstance(value, str) else None,
            value=value if isinstance(value, (dict, list)) else None,
            explanation=self._whole(score.get("explanation")),
            answer=self._whole(score.get("answer")),
        )
        self.emit(session, EVALUATION, payload, at)

    def _whole(self, value: Any) -> Any:
        """A value with its long texts, which the log keeps apart."""
        if isinstance(value, str):
            if value.startswith(_ATTACHMENT):
                return self._attachments.get(value[len(_ATTACHMENT) :], value)
            return value
        if isinstance(value, list):
            return [self._whole(item) for item in value]
        if isinstance(value, dict):
            return {name: self._whole(member) for name, member in value.items()}
        return value


def _failure(call: dict[str, Any]) -> dict[str, Any]:
    """The members of a result that say what went wrong, if anything did."""
    error = as_dict(call.get("error"))
    kind, complaint = as_text(error.get("type")), as_text(error.get("message"))
    return {"error": complaint or (kind_of(kind) if error else None), "error_type": kind}


def _detect(head: Head) -> bool:
    evaluation = head.root.get("eval")
    return isinstance(evaluation, dict) and (
        "eval_id" in evaluation or {"run_id", "task"} <= evaluation.keys()
    )


INSPECT_AI = Format("inspect-ai", "logs of inspect_ai in JSON", _detect, InspectAi)
