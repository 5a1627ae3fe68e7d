"""OTLP/JSON: spans and log records as exporters and collectors write them, a line for each batch.

Both vocabularies of the GenAI conventions are read: the newest (`gen_ai.provider.name`,
`gen_ai.input.messages`, …) and the one before 1.37 (`gen_ai.system`, `gen_ai.prompt`, events of
spans); and the log records of Claude Code, Codex and Gemini CLI.

- **A session is a conversation, not a trace**: `gen_ai.conversation.id`, else `session.id`, else
  `conversation.id`, of the span or of another one of its trace; else the trace. Some programs begin
  a trace for each call of the model.
- A span comes when it ends, so children come before their parents. Spans of a trace whose
  conversation is not known wait for one that knows it, or for the root, `MAX_HELD` at most.
- A model is told the whole conversation each time; a message that was told before is not an event.
- A call of a tool that a model's answer names has its event there; the tool's own span gives the
  result, and the call too if no answer named it.
- Numbers come as numbers from JavaScript and as texts from others; a program may say
  `success="true"` of a command that exits with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.formats.codex import output_of
from aivcs.formats.gen_ai import answers_in, content_key, messages_in, old_messages_in, part_of
from aivcs.formats.model import (
    COMPLETED,
    DENIED,
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
from aivcs.formats.otlp_json import attributes_of, entries_of, value_of
from aivcs.formats.records import LinesOrDocuments, Record
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import (
    as_bool,
    as_count,
    as_dict,
    as_int,
    as_list,
    as_number,
    as_text,
    as_time,
    last_lines,
    milliseconds_between,
    parsed,
    text_of,
    time_from,
    without_nulls,
    wrapped_exit_code,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.formats.gen_ai import Message
    from aivcs.formats.records import Decoder
    from aivcs.model.timestamp import Timestamp

MAX_HELD = 512
"""Spans that wait, at most, to learn which conversation they are of."""
_REMEMBERED = 100_000
_STRAYS = 32
_CONVERSATION = ("gen_ai.conversation.id", "session.id", "conversation.id")
_MODEL = frozenset({"chat", "generate_content", "text_completion", "llm_call"})
_TOOL = frozenset({"execute_tool", "tool_call"})
_AGENT = frozenset({"invoke_agent", "create_agent", "invoke_workflow"})
_OTHERS = frozenset({"embeddings", "plan", "retrieval", "schedule_tool_calls"})
"""Known operations without a shared kind of event; they become raw events."""
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}


class _Span(NamedTuple):
    """A span with its decoded attributes, its resource and its position in the source."""

    resource: dict[str, Any]
    attributes: dict[str, Any]
    name: str
    trace: str
    is_root: bool
    begin: Timestamp | None
    end: Timestamp | None
    error: str | None
    exception: dict[str, Any] | None
    span: dict[str, Any]
    line: int
    phase: str  # of an agent's span, which has two events: "begin" and "end"


class _Conversation:
    """The messages of one conversation."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], None] = {}
        self.has_tool_spans = False
        self.has_answers = False

    def remember(self, message: Message, times: int) -> bool:
        """Remembers the n-th occurrence of a message; returns whether it was new."""
        key = (content_key(message), times)
        if key in self.seen:
            return False
        self.seen[key] = None
        if len(self.seen) > _REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return True


class Otlp(Reader):
    """Reads spans and log records."""

    format = "otlp"
    program = "unknown"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._traces: dict[str, str] = {}  # the conversation of each trace
        self._held: list[_Span] = []
        self._strays: list[Record] = []
        self._conversations: dict[str, _Conversation] = {}
        self._last = ""  # the session of the last event
        self._made = ""
        self._record = Record(0, "", None)

    @property
    def held(self) -> int:
        """Spans that wait for the conversation of their trace, and records of no session."""
        return len(self._held) + len(self._strays)

    def decoder(self) -> Decoder:
        """Returns what reads lines, or one value over several of them."""
        return LinesOrDocuments()

    def take(self, record: Record) -> None:
        """Takes one record: a batch of spans, of log records, or of both."""
        before, held = len(self._items), len(self._held)
        value = as_dict(record.value)
        self._record = record
        spans = list(self._spans(value))
        for span in spans:
            self._learn_trace(span.trace, span.attributes)
        for span in sorted(spans, key=_order):
            self._place(span)
        for resource, log in entries_of(value, "resourceLogs", "scopeLogs", "logRecords"):
            self._take_log(resource, log)
        if len(self._items) == before and len(self._held) == held:
            self._strays.append(record)
        if self._strays and (self._last or len(self._strays) > _STRAYS):
            self._tell_strays()

    def finish(self, *, final: bool) -> None:
        """Takes the end: what waits goes to its trace."""
        if final:
            for span in self._held:
                self._traces.setdefault(span.trace, span.trace)
            self._release()
            self._tell_strays()

    # Which session.

    def _spans(self, value: dict[str, Any]) -> Iterator[_Span]:
        for resource, span in entries_of(value, "resourceSpans", "scopeSpans", "spans"):
            attributes = attributes_of(span.get("attributes"))
            status = as_dict(span.get("status"))
            error = None
            if str(status.get("code")) in {"2", "STATUS_CODE_ERROR"} or attributes.get(
                "error.type"
            ):
                error = (
                    as_text(status.get("message"))
                    or as_text((_exception(span) or {}).get("exception.message"))
                    or as_text(attributes.get("error.type"))
                    or "failed"
                )
            is_agent = attributes.get("gen_ai.operation.name") in list(_AGENT)
            for phase in ("begin", "end") if is_agent else ("",):
                yield _Span(
                    resource,
                    attributes,
                    as_text(span.get("name")) or "unnamed",
                    as_text(span.get("traceId")) or "",
                    not as_text(span.get("parentSpanId")),
                    time_from(span.get("startTimeUnixNano"), 1_000_000_000),
                    time_from(span.get("endTimeUnixNano"), 1_000_000_000),
                    error,
                    _exception(span) if error else None,
                    span,
                    self._line,
                    phase,
                )

    def _learn_trace(self, trace: str, attributes: dict[str, Any]) -> None:
        name = next(filter(None, (as_text(attributes.get(key)) for key in _CONVERSATION)), None)
        if name is not None and trace and trace not in self._traces:
            self._traces[trace] = name
            if len(self._traces) > _REMEMBERED:
                del self._traces[next(iter(self._traces))]

    def _place(self, span: _Span) -> None:
        """Reads a span if its session is known by now, and those that waited for that."""
        if not span.trace or (span.trace in self._traces and not self._held):
            self._take_span(span)
            return
        self._held.append(span)
        if span.is_root:
            self._traces.setdefault(span.trace, span.trace)
        if len(self._held) > MAX_HELD:
            self._traces.setdefault(self._held[0].trace, self._held[0].trace)
        self._release()

    def _release(self) -> None:
        ready = [span for span in self._held if span.trace in self._traces]
        if ready:
            self._held = [span for span in self._held if span.trace not in self._traces]
        line = self._line
        for span in ready:
            self._line = span.line
            self._take_span(span)
        self._line = line

    def _tell_strays(self) -> None:
        """Emits the records that name no session as raw events of the last session."""
        strays, self._strays = self._strays, []
        line = self._line
        for record in strays:
            self._line = record.line
            if not self._last:
                self._last = self.open(self.hint.session or self._nameless(record))
            words = sorted(as_dict(record.value))[:1] or ["value"]
            value = record.value
            self.emit_raw(self._last, words, value)
        self._line = line

    def _nameless(self, record: Record) -> str:
        """The id of the session for records that name none: a hash of the first such record."""
        if not self._made:
            from hashlib import sha256

            digest = sha256(repr(record.value).encode("utf-8", "replace")).hexdigest()[:16]
            self._made = f"otlp-{digest}"
        return self._made

    def _open(
        self, trace: str, resource: dict[str, Any], attributes: dict[str, Any], at: Any
    ) -> str:
        name = next(filter(None, (as_text(attributes.get(key)) for key in _CONVERSATION)), None)
        program = as_text(resource.get("service.name"))
        self._last = self.open(
            name or self._traces.get(trace) or trace or self._nameless(self._record),
            program=program,
            agent=as_text(attributes.get("gen_ai.agent.name")) or program,
            version=as_text(attributes.get("gen_ai.agent.version"))
            or as_text(resource.get("service.version"))
            or as_text(attributes.get("app.version")),
            model=as_text(attributes.get("gen_ai.request.model"))
            or as_text(attributes.get("model")),
            started_at=at,
        )
        self._conversations.setdefault(self._last, _Conversation())
        return self._last

    # Spans.

    def _take_span(self, span: _Span) -> None:
        session = self._open(span.trace, span.resource, span.attributes, span.begin)
        operation = as_text(span.attributes.get("gen_ai.operation.name")) or ""
        if operation in _TOOL:
            self._tell_tool_span(session, span)
        elif operation in _MODEL:
            self._tell_model(
                session, span.attributes, span.begin, span.end,
                error=span.error, exception=span.exception,
            )  # fmt: skip
        elif operation in _AGENT:
            self._tell_agent(session, span)
        else:
            attributes = span.attributes
            payload = {"name": span.name} | {
                name: value for name, value in span.span.items() if name != "attributes"
            }
            payload["attributes"] = attributes
            self.emit_raw(
                session, ["span"], payload, span.end or span.begin,
                is_known=operation in _OTHERS or "aivcs.event.kind" in attributes,
            )  # fmt: skip
        if span.phase == "begin":
            return
        for event in map(as_dict, as_list(span.span.get("events"))):
            if span.exception is None or event.get("name") != "exception":
                self._tell_event(session, event)

    def _tell_tool_span(self, session: str, span: _Span) -> None:
        attributes = span.attributes
        request = as_dict(parsed(attributes.get("gen_ai.input.messages")))
        answer = as_dict(parsed(attributes.get("gen_ai.output.messages")))
        call_id = (
            as_text(attributes.get("gen_ai.tool.call.id"))
            or as_text(attributes.get("gen_ai.tool.call_id"))
            or as_text(request.get("callId"))
        )
        name = as_text(attributes.get("gen_ai.tool.name")) or as_text(request.get("name"))
        arguments = attributes.get("gen_ai.tool.call.arguments")
        if arguments is None:
            arguments = attributes.get("gen_ai.tool.args", request.get("args"))
        output = parsed(attributes.get("gen_ai.tool.call.result"))
        if output is None and answer:
            output = _gemini_output(answer)
        self._conversations[session].has_tool_spans = True
        if call_id is None:
            call_id = self._waiting_for(session, name)
        if not self.waits(session, call_id):
            self.tell_call(session, name or span.name, call_id, parsed(arguments), span.begin)
        exit_code = as_int(attributes.get("process.exit.code"))
        if exit_code is None:
            exit_code = _exit_code(output)
        if exit_code is None:
            response = as_dict(answer.get("response"))
            exit_code = as_int(as_dict(response.get("data")).get("exitCode"))
        error = span.error
        if error is None and exit_code:
            error = last_lines(_text_in(output))
        self.tell_result(
            session, name, call_id, output, span.end,
            exit_code=exit_code,
            error=error,
            has_failed=as_text(answer.get("status")) in {"error", "cancelled"},
            exception=span.exception,
            duration_ms=milliseconds_between(span.begin, span.end),
        )  # fmt: skip

    def _tell_agent(self, session: str, span: _Span) -> None:
        told = self._conversations[session]
        if span.phase == "begin":
            for message in messages_in(span.attributes.get("gen_ai.input.messages"), "user"):
                if told.remember(message, 1):
                    self._tell_message(session, message, span.begin)
            return
        for message in answers_in(span.attributes.get("gen_ai.output.messages")):
            if told.remember(message, 1):
                self._tell_message(session, message, span.end)
        status = FAILED if span.error else COMPLETED
        payload = without_nulls(
            status=status,
            error=span.error,
            agent=as_text(span.attributes.get("gen_ai.agent.name")),
            duration_ms=milliseconds_between(span.begin, span.end),
            exception=span.exception,
        )
        self.emit(session, TURN_FINISHED, payload, span.end)
        if span.is_root:
            self.conclude(session, status, span.error)

    def _tell_event(self, session: str, event: dict[str, Any]) -> None:
        """Gives an event of a span."""
        name = as_text(event.get("name")) or "unnamed"
        attributes = attributes_of(event.get("attributes"))
        at = time_from(event.get("timeUnixNano"), 1_000_000_000)
        if name == "gen_ai.evaluation.result":
            self._tell_evaluation(session, attributes, at)
        elif name in _ROLES:
            self._tell_old_message(session, _ROLES[name], attributes, at)
        elif name == "exception":
            message = as_text(attributes.get("exception.message")) or "failed"
            payload = {"message": message} | attributes
            self.emit(session, ERROR, payload, at)
        else:
            self.emit_raw(session, ["event", name], attributes, at)

    # What spans and log records have in common.

    def _tell_model(
        self,
        session: str,
        attributes: dict[str, Any],
        begin: Timestamp | None,
        end: Timestamp | None,
        *,
        error: str | None = None,
        exception: dict[str, Any] | None = None,
        has_usage: bool = True,
    ) -> None:
        told = self._conversations[session]
        times: dict[int, int] = {}
        inputs = messages_in(attributes.get("gen_ai.system_instructions"), "system")
        inputs += messages_in(attributes.get("gen_ai.input.messages"), "user")
        inputs += old_messages_in(attributes, "gen_ai.prompt", "user")
        for message in inputs:
            key = content_key(message)
            times[key] = times.get(key, 0) + 1
            is_answer = message[0] == "assistant" and told.has_answers
            if told.remember(message, times[key]) and not is_answer:
                self._tell_message(session, message, begin)
        outputs = answers_in(attributes.get("gen_ai.output.messages"))
        outputs += old_messages_in(attributes, "gen_ai.completion", "assistant")
        for message in outputs:
            told.has_answers = True
            told.remember(message, times.get(content_key(message), 0) + 1)
            self._tell_message(session, message, end)
        if not has_usage:
            return
        reasons = as_list(attributes.get("gen_ai.response.finish_reasons"))
        payload = without_nulls(
            model=as_text(attributes.get("gen_ai.response.model"))
            or as_text(attributes.get("gen_ai.request.model")),
            provider=as_text(attributes.get("gen_ai.provider.name"))
            or as_text(attributes.get("gen_ai.system")),
            input_tokens=_first_count(
                attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"
            ),
            cached_input_tokens=_first_count(attributes, "gen_ai.usage.cache_read.input_tokens"),
            output_tokens=_first_count(
                attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"
            ),
            reasoning_tokens=_first_count(attributes, "gen_ai.usage.reasoning.output_tokens"),
            stop_reason=as_text(reasons[0]) if reasons else None,
            duration_ms=milliseconds_between(begin, end),
            error=error,
            exception=exception,
        )
        self.emit(session, MODEL_CALLED, payload, end)

    def _tell_message(self, session: str, message: Message, at: Timestamp | None) -> None:
        """Gives a message, and the calls and results that it holds."""
        told = self._conversations[session]
        role, parts = message
        texts: list[str] = []
        others: list[Any] = []
        calls: list[dict[str, Any]] = []
        is_told = False
        for part in parts:
            kind = as_text(as_dict(part).get("type"))
            if isinstance(part, str) or (kind == "text" and isinstance(part.get("content"), str)):
                texts.append(part if isinstance(part, str) else part["content"])
            elif kind == "tool_call" and as_text(part.get("id")):
                calls.append(part)
            elif kind == "tool_call_response":
                call_id = self._waiting(session, as_text(part.get("id")))
                output = parsed(part.get("result", part.get("response")))
                if call_id is not None:
                    exit_code = _exit_code(output)
                    error = last_lines(_text_in(output)) if exit_code else None
                    self.tell_result(
                        session, None, call_id, output, at, exit_code=exit_code, error=error
                    )
                    is_told = True
                elif not told.has_tool_spans:
                    others.append(part)
                else:
                    is_told = True
            elif kind in {"reasoning", "thinking"} and isinstance(part.get("content"), str):
                self.emit(session, THINKING, {"content": part["content"]}, at)
                is_told = True
            else:
                others.append(part)
        if texts or others or not (calls or is_told):
            content: Any = "\n".join(texts)
            if others:
                content = [{"type": "text", "text": text} for text in texts] + others
            self.emit(session, MESSAGE, {"role": role, "content": content}, at)
        for part in calls:
            call_id = part["id"]
            if not self.waits(session, call_id):
                arguments = parsed(part.get("arguments"))
                self.tell_call(session, as_text(part.get("name")), call_id, arguments, at)

    def _waiting(self, session: str, call_id: str | None) -> str | None:
        """The id of the call that waits for a result with this id, which may have lost a prefix."""
        if call_id is None or self.waits(session, call_id):
            return call_id
        return next((i for i in self.waiting(session) if i.endswith(f"__{call_id}")), None)

    def _tell_old_message(
        self, session: str, role: str, attributes: dict[str, Any], at: Timestamp | None
    ) -> None:
        """A message that is an event by itself, as before 1.37."""
        inner = as_dict(parsed(attributes.get("message"))) or attributes
        content = inner.get("content", attributes.get("gen_ai.event.content"))
        found = messages_in(
            [{"role": as_text(inner.get("role")) or role} | {"content": parsed(content)}], role
        )
        calls = as_list(parsed(inner.get("tool_calls")))
        parts = [*(found[0][1] if found and content is not None else []), *map(part_of, calls)]
        call_id = as_text(inner.get("id"))
        if role == "tool" and call_id:
            parts = [{"type": "tool_call_response", "id": call_id, "result": content}]
        self._tell_message(session, (found[0][0] if found else role, parts), at)

    def _tell_evaluation(
        self, session: str, attributes: dict[str, Any], at: Timestamp | None
    ) -> None:
        prefix = "gen_ai.evaluation."
        score = attributes.get(f"{prefix}score.value")
        payload = without_nulls(
            name=as_text(attributes.get(f"{prefix}name")) or "unnamed",
            score=score if type(score) in {int, float} else None,
            label=as_text(attributes.get(f"{prefix}score.label")),
            explanation=as_text(attributes.get(f"{prefix}explanation")),
            response_id=as_text(attributes.get("gen_ai.response.id")),
        )
        self.emit(session, EVALUATION, payload, at)

    # Log records.

    def _take_log(self, resource: dict[str, Any], log: dict[str, Any]) -> None:
        attributes = attributes_of(log.get("attributes"))
        trace = as_text(log.get("traceId")) or ""
        self._learn_trace(trace, attributes)
        at = (
            time_from(log.get("timeUnixNano"), 1_000_000_000)
            or time_from(log.get("observedTimeUnixNano"), 1_000_000_000)
            or as_time(attributes.get("event.timestamp"))
        )
        session = self._open(trace, resource, attributes, at)
        name = as_text(attributes.get("event.name")) or as_text(log.get("eventName")) or "log"
        body = value_of(log.get("body"))
        program, _, event = name.rpartition(".")
        if name == "gen_ai.evaluation.result":
            self._tell_evaluation(session, attributes, at)
        elif name == "gen_ai.client.inference.operation.details":
            # Gemini CLI tells the tokens in another record.
            has_usage = resource.get("service.name") != "gemini-cli"
            self._tell_model(session, attributes, at, at, has_usage=has_usage)
            if "gen_ai.input.messages" not in attributes and not has_usage:
                self.emit_raw(session, [name], attributes, at, is_known=True)
        elif name in _ROLES:
            self._tell_old_message(session, _ROLES[name], attributes | as_dict(body), at)
        elif program in {"claude_code", "codex", "gemini_cli"} or not program:
            self._take_program_log(session, program, event, attributes, at, body)
        else:
            self.emit_raw(session, [name], _with_body(attributes, body), at)

    def _take_program_log(
        self,
        session: str,
        program: str,
        event: str,
        attributes: dict[str, Any],
        at: Timestamp | None,
        body: Any,
    ) -> None:
        """A log record of one of the programs that log their sessions."""
        usage = _program_usage(event, attributes)
        if event == "user_prompt":
            prompt = attributes.get("prompt")
            payload = {"role": "user", "content": prompt if isinstance(prompt, str) else ""}
            payload |= without_nulls(length=as_count(attributes.get("prompt_length")))
            self.emit(session, MESSAGE, payload, at)
        elif event == "assistant_response" and isinstance(attributes.get("response"), str):
            payload = {"role": "assistant", "content": attributes["response"]}
            self.emit(session, MESSAGE, payload, at)
        elif event in {"conversation_starts", "config"}:
            self.emit(session, SESSION_STARTED, attributes, at)
        elif usage is not None:
            self.emit(session, MODEL_CALLED, usage, at)
        elif event == "api_error":
            message = as_text(attributes.get("error")) or as_text(attributes.get("error.message"))
            payload = {"message": message or "the model's service failed"} | attributes
            self.emit(session, ERROR, payload, at)
        elif event == "tool_decision" and as_text(attributes.get("decision")) in {
            "reject",
            "denied",
        }:
            self.emit(session, DENIED, attributes, at)
        elif event in {"tool_result", "tool_call"}:
            self._tell_logged_tool(session, attributes, at)
        else:
            words = [word for word in (program, event) if word]
            payload = _with_body(attributes, body)
            self.emit_raw(session, words, payload, at, is_known=bool(program))

    def _waiting_for(self, session: str, name: str | None) -> str | None:
        """The oldest call of a tool that waits for its result."""
        return next((i for i in self.waiting(session) if self.tool_of(session, i) == name), None)

    def _tell_logged_tool(
        self, session: str, attributes: dict[str, Any], at: Timestamp | None
    ) -> None:
        """A call of a tool that is logged once it is over."""
        name = as_text(attributes.get("tool_name")) or as_text(attributes.get("function_name"))
        call_id = as_text(attributes.get("call_id")) or as_text(attributes.get("tool_use_id"))
        arguments = next(
            (
                attributes[key]
                for key in ("arguments", "function_args", "tool_input", "tool_parameters")
                if attributes.get(key) is not None
            ),
            None,
        )
        duration = as_number(attributes.get("duration_ms"))
        begin = at
        if at is not None and duration is not None:
            begin = time_from(at.microseconds() - round(duration * 1000), 1_000_000) or at
        output = attributes.get("output")
        if call_id is None and output is None and self._waiting_for(session, name):
            self.emit_raw(session, ["tool_call"], attributes, at, is_known=True)
            return
        if not self.waits(session, call_id):
            self.tell_call(session, name, call_id, parsed(arguments), begin)
        text, said = output_of(output) if isinstance(output, str) else (None, {})
        failed = as_bool(attributes.get("success")) is False
        exit_code = said.pop("exit_code", None)
        complaint = as_text(attributes.get("error")) or as_text(attributes.get("error_message"))
        if complaint is None and (failed or exit_code):
            complaint = last_lines(text)
        self.tell_result(
            session, name, call_id, output, at,
            exit_code=exit_code, has_failed=failed,
            error=complaint if failed or exit_code else None, duration_ms=duration,
        )  # fmt: skip


def _order(span: _Span) -> tuple[str, int]:
    """The sort key of a span's event: its time; at the same time, an agent's end comes last."""
    at = span.end if span.phase == "end" else span.begin
    return at or "", ("begin", "", "end").index(span.phase)


def _exception(span: dict[str, Any]) -> dict[str, Any] | None:
    for event in map(as_dict, as_list(span.get("events"))):
        if event.get("name") == "exception":
            return attributes_of(event.get("attributes"))
    return None


def _gemini_output(answer: dict[str, Any]) -> Any:
    """The result of the tool of a Gemini CLI span."""
    response = as_dict(answer.get("response"))
    for part in as_list(response.get("responseParts")):
        inner = as_dict(as_dict(as_dict(part).get("functionResponse")).get("response"))
        if inner:
            return inner.get("output", inner.get("error", inner))
    return response.get("resultDisplay")


def _exit_code(output: Any) -> int | None:
    """The exit code that an output has as a member."""
    inner = as_dict(output)
    for name in ("exit_code", "exitCode", "returncode"):
        if (code := as_int(inner.get(name))) is not None:
            return code
    return wrapped_exit_code(output if isinstance(output, str) else as_text(inner.get("output")))


def _text_in(output: Any) -> str | None:
    """The text of an output that says most of a failure."""
    if isinstance(output, dict):
        for name in ("stderr", "error", "output", "stdout"):
            if text := as_text(output.get(name)):
                return text
        return None
    return text_of(output)


def _first_count(attributes: dict[str, Any], *names: str) -> int | None:
    return next(
        (n for n in (as_count(attributes.get(name)) for name in names) if n is not None), None
    )


def _program_usage(event: str, attributes: dict[str, Any]) -> dict[str, Any] | None:
    """The call of the model in a log record; None if it has none."""
    model = as_text(attributes.get("model"))
    duration = as_number(attributes.get("duration_ms"))
    if event == "sse_event" and "input_token_count" in attributes:
        names = {
            "input_tokens": "input_token_count",
            "cached_input_tokens": "cached_token_count",
            "output_tokens": "output_token_count",
            "reasoning_tokens": "reasoning_token_count",
        }
    elif event == "api_response":
        names = {
            "input_tokens": "input_token_count",
            "cached_input_tokens": "cached_content_token_count",
            "output_tokens": "output_token_count",
            "reasoning_tokens": "thoughts_token_count",
        }
    elif event == "api_request" and "input_tokens" in attributes:
        names = {"cached_input_tokens": "cache_read_tokens", "output_tokens": "output_tokens"}
    else:
        return None
    usage: dict[str, Any] = {ours: as_count(attributes.get(name)) for ours, name in names.items()}
    if event == "api_response" and usage["output_tokens"] is not None:
        usage["output_tokens"] += usage["reasoning_tokens"] or 0  # Gemini leaves them out
    if event == "api_request":
        inputs = ("input_tokens", "cache_read_tokens", "cache_creation_tokens")
        usage["input_tokens"] = sum(as_count(attributes.get(name)) or 0 for name in inputs)
        usage["cost_usd"] = as_number(attributes.get("cost_usd"))
    return without_nulls(model=model, duration_ms=duration, **usage)


def _with_body(attributes: dict[str, Any], body: Any) -> dict[str, Any]:
    return attributes if body is None else {"body": body} | attributes


def _detect(head: Head) -> bool:
    return any("resourceSpans" in value or "resourceLogs" in value for value in head.records)


OTLP = Format("otlp", "OTLP/JSON, spans and log records", _detect, Otlp, grows=True)
