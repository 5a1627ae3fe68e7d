"""The model of a source: sessions, their events in order, and the outcome of each.

A reader is fed bytes and gives items. The rules that an import can rely on:

- **An event depends only on the records up to its own.** So a source read again gives the same
  events, one that grew gives the same ones and more, and a beginning of it gives a beginning of
  them. `SessionEvent.seq` counts the events of a session from 1.
- **No record is dropped.** A record that a reader does not know is an event `<format>.<type>` with
  the record as its payload; one that is not JSON is an event `<format>.unreadable`.
- **A failure is a failure**, whatever the source calls it: a tool that failed is `tool_failed`.
- Reading raises `FormatError` and nothing else.

Kinds and members that all formats share:

| kind | members of the payload |
| --- | --- |
| `session_started` | as the source says |
| `message` | `role`, `content`, `model`, `message_id` |
| `thinking` | `content` |
| `tool_called` | `tool_name`, `tool_call_id`, `arguments` |
| `tool_returned`, `tool_failed` | `tool_name`, `tool_call_id`, `output`, `exit_code`, `error`, `duration_ms` |
| `model_called` | `model`, `input_tokens`, `cached_input_tokens`, `output_tokens`, `reasoning_tokens`, `cost_usd`, `duration_ms`, `stop_reason`, `usage` |
| `turn_started`, `turn_finished` | `duration_ms`, `status`, `error` |
| `permission_denied`, `compacted`, `error` | `message`, and as the source says |
| `evaluation` | `name`, `score`, `label`, `explanation` |
| `inherited` | `kind`, `payload`: an event that another session or run counts |

`input_tokens` are all of them, whether they came from a cache or not; `cached_input_tokens` are
those of them that did. `usage` is what the source said.
"""  # noqa: E501 a table

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.formats.records import Lines, Record, Unreadable
from aivcs.formats.values import as_count, as_number, kind_of, safe_id, without_nulls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.formats.records import Decoder
    from aivcs.model.timestamp import Timestamp

MAPPING = 1
"""The version of the mapping. A later one may give other events for the same source."""
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
"""The outcomes of a session."""
TOOL_CALLED, TOOL_RETURNED, TOOL_FAILED = "tool_called", "tool_returned", "tool_failed"
MESSAGE, THINKING, MODEL_CALLED, EVALUATION = "message", "thinking", "model_called", "evaluation"
SESSION_STARTED, TURN_STARTED, TURN_FINISHED = "session_started", "turn_started", "turn_finished"
DENIED, COMPACTED, ERROR, INHERITED = "permission_denied", "compacted", "error", "inherited"

_MAX_OPEN_CALLS = 10_000
_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


class Hint(NamedTuple):
    """Facts about a session from the path of its source, where its records lack them.

    Attributes:
        session: The id of its session.
        parent: The id of the session that started it.
        agent: The id of the agent within its parent.
    """

    session: str | None = None
    parent: str | None = None
    agent: str | None = None


class Session(NamedTuple):
    """The header of a session, as far as it is known.

    It comes before the session's first event, with what its first records say. `Outcome.session`
    has what all of them said. A value once known stays.

    Attributes:
        id: Its id, which a run can have.
        format: The format of its source.
        agent: The agent, or else the program that ran it.
        program: The program.
        version: The program's version.
        model: The first model that answered.
        cwd: Where it ran.
        git_sha: The commit of what it worked on.
        git_branch: The branch of that.
        parent: The session that started it.
        agent_id: Its id within that session.
        started_at: When it began.
        title: A short text that says what it was about.
        spec: The digest of the spec that ran, where the source says it.
        tags: Further tags of the run.
    """

    id: str
    format: str
    agent: str
    program: str
    version: str | None = None
    model: str | None = None
    cwd: str | None = None
    git_sha: str | None = None
    git_branch: str | None = None
    parent: str | None = None
    agent_id: str | None = None
    started_at: Timestamp | None = None
    title: str | None = None
    spec: str | None = None
    tags: dict[str, Any] | None = None


class SessionEvent(NamedTuple):
    """One thing that happened in a session.

    Attributes:
        session: The session's id.
        seq: Its number in the session, from 1.
        kind: What happened.
        payload: Its members.
        timestamp: When; where its record says nothing, that of the event before, or None.
        line: The line on which its record begins.
    """

    session: str
    seq: int
    kind: str
    payload: dict[str, Any]
    timestamp: Timestamp | None
    line: int


class Outcome(NamedTuple):
    """The outcome of a session, as far as its source says.

    Attributes:
        session: Its header, with all that became known.
        status: `COMPLETED`, `FAILED`, `CANCELLED`; None where the source does not say, as of a
            session that goes on.
        reason: Why, in the source's words.
        ended_at: When its last event was.
        duration_ms: How long it took, where the source says it.
        events: How many events it has.
        figures: `model_calls`, `tool_calls`, `tool_failures`, `input_tokens`,
            `cached_input_tokens`, `output_tokens`, `reasoning_tokens`, `cost_usd`.
        unknown: How many events there are of each kind that the format's reader does not know.
        is_over: Whether the source says that nothing more will happen in the session.
    """

    session: Session
    status: str | None
    reason: str | None
    ended_at: Timestamp | None
    duration_ms: int | None
    events: int
    figures: dict[str, int | float]
    unknown: dict[str, int]
    is_over: bool = False


Item = Session | SessionEvent | Outcome


class OpenCalls:
    """The calls of tools that wait for their results, by id or else in their order."""

    def __init__(self) -> None:
        """Begins without a call."""
        self._by_id: dict[str, str | None] = {}
        self._nameless: list[str | None] = []

    def add(self, call_id: str | None, name: str | None) -> None:
        """Takes a call."""
        if call_id is None:
            self._nameless.append(name)
            del self._nameless[:-_MAX_OPEN_CALLS]
        else:
            self._by_id[call_id] = name
            if len(self._by_id) > _MAX_OPEN_CALLS:
                del self._by_id[next(iter(self._by_id))]

    def take(self, call_id: str | None) -> str | None:
        """Returns the name of the tool of a call, which then waits no more."""
        if call_id is not None:
            return self._by_id.pop(call_id, None)
        return self._nameless.pop(0) if self._nameless else None

    def tool_of(self, call_id: str) -> str | None:
        """Returns the tool of a call that waits, or None."""
        return self._by_id.get(call_id)

    def ids(self) -> list[str]:
        """Returns the ids of the calls that wait."""
        return list(self._by_id)

    def __contains__(self, call_id: object) -> bool:
        """Tells whether a call of this id waits."""
        return call_id in self._by_id


class _State:
    """The facts about one session that a reader has found."""

    def __init__(self, header: Session) -> None:
        self.header = header
        self.events = 0
        self.last: Timestamp | None = None
        self.status: str | None = None
        self.reason: str | None = None
        self.duration_ms: int | None = None
        self.is_over = False
        self.figures: dict[str, int | float] = {}
        self.said: dict[str, int | float] = {}
        self.unknown: dict[str, int] = {}
        self.calls = OpenCalls()

    def count(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == MODEL_CALLED:
            self._add("model_calls", 1)
            for name in _TOKENS:
                self._add(name, as_count(payload.get(name)))
            self._add("cost_usd", as_number(payload.get("cost_usd")))
        elif kind == TOOL_CALLED:
            self._add("tool_calls", 1)
        elif kind == TOOL_FAILED:
            self._add("tool_failures", 1)

    def _add(self, name: str, number: float | None) -> None:
        if number is not None:
            self.figures[name] = self.figures.get(name, 0) + number


class Reader:
    """Base of the readers: bytes in, items out.

    A format implements `take`, and what it needs of `decoder`, `finish` and `program`.
    """

    format = ""
    """The name of the format."""
    program = ""
    """The program that writes it, where the source names none."""

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte.

        Args:
            hint: Facts from the path of the source.
        """
        self.hint = hint
        self._decoder = self.decoder()
        self._states: dict[str, _State] = {}
        self._items: list[Item] = []
        self._line = 0

    @property
    def pending(self) -> int:
        """Bytes at the end that are not read yet, because their record is not complete."""
        return self._decoder.pending

    @property
    def held(self) -> int:
        """Records that wait, and are told only when more comes or the source is final."""
        return 0

    def feed(self, data: bytes) -> list[Item]:
        """Takes the bytes that come next; returns what they tell.

        Raises:
            FormatError: They break the format, so that nothing after them can be read; what came
                before was returned, or is returned by `close`.
        """
        self._take_all(self._decoder.feed(data))
        items, self._items = self._items, []
        return items

    def close(self, *, final: bool = False) -> list[Item]:
        """Takes the end of the bytes; returns the last items, and the outcome of each session.

        Args:
            final: Whether no more will be written. Else what is not complete is left for later.

        Raises:
            FormatError: It is final, and the source is cut in the middle of a record.
        """
        self._take_all(self._decoder.close(final=final))
        self.finish(final=final)
        items, self._items = self._items, []
        return [*items, *(self._outcome(state) for state in self._states.values())]

    # What a format implements.

    def decoder(self) -> Decoder:
        """Returns the decoder of the bytes into records: JSON Lines by default."""
        return Lines()

    def take(self, record: Record) -> None:
        """Takes one record: emits its events, at least one."""
        raise NotImplementedError

    def finish(self, *, final: bool) -> None:
        """Takes the end of the records.

        Args:
            final: Whether no more will come. If not, no event may be emitted that more records
                would have made another.
        """

    # What a format uses.

    def open(self, session: str, **known: Any) -> str:
        """Begins a session, or learns of one that was begun; returns the id that it has.

        Args:
            session: The id by which the source knows it.
            known: Members of its header; None where a value is not known.
        """
        session = safe_id(session)
        state = self._states.get(session)
        if state is None:
            facts = {name: value for name, value in known.items() if value is not None}
            program = facts.pop("program", self.program)
            agent = facts.pop("agent", program)
            header = Session(session, self.format, agent, program, **facts)
            self._states[session] = _State(header)
            self._items.append(header)
        else:
            self.learn(session, **known)
        return session

    def learn(self, session: str, **known: Any) -> None:
        """Adds to a session's header what is not known of it yet."""
        state = self._states[session]
        header = state.header
        news = {
            name: value
            for name, value in known.items()
            if value is not None and getattr(header, name) in (None, self.program)
        }
        if news:
            state.header = header._replace(**news)

    def emit(
        self,
        session: str,
        kind: str,
        payload: dict[str, Any],
        at: Timestamp | None = None,
        *,
        is_known: bool = True,
    ) -> None:
        """Gives an event of a session that was opened.

        Args:
            session: Its id.
            kind: What happened.
            payload: The members.
            at: When; None where the record does not say.
            is_known: Whether the format's reader knows what this is.
        """
        state = self._states[session]
        state.events += 1
        state.last = at if at is not None else state.last
        if state.header.started_at is None and at is not None:
            state.header = state.header._replace(started_at=at)
        if not is_known:
            state.unknown[kind] = state.unknown.get(kind, 0) + 1
        state.count(kind, payload)
        self._items.append(
            SessionEvent(session, state.events, kind, payload, state.last, self._line)
        )

    def emit_raw(
        self,
        session: str,
        types: Iterable[Any],
        value: Any,
        at: Timestamp | None = None,
        *,
        is_known: bool = False,
    ) -> None:
        """Emits a record unchanged, as an event of a kind of its format.

        Args:
            session: The session's id.
            types: The words of the kind, which is `<format>.<words>`.
            value: The record.
            at: When it was, or None.
            is_known: Whether the format's reader knows what this is.
        """
        if isinstance(value, Unreadable):
            payload, types = value._asdict(), ["unreadable"]
        else:
            payload = value if isinstance(value, dict) else {"value": value}
            payload = {
                name: member._asdict() if isinstance(member, Unreadable) else member
                for name, member in payload.items()
            }
        self.emit(session, kind_of(self.format, *types), payload, at, is_known=is_known)

    def tell_call(
        self,
        session: str,
        name: str | None,
        call_id: str | None,
        arguments: Any,
        at: Timestamp | None = None,
        **more: Any,
    ) -> None:
        """Gives a call of a tool."""
        self._states[session].calls.add(call_id, name)
        payload: dict[str, Any] = {"tool_name": name or "unnamed"}
        if call_id is not None:
            payload["tool_call_id"] = call_id
        payload["arguments"] = arguments
        self.emit(session, TOOL_CALLED, payload | without_nulls(**more), at)

    def tell_result(
        self,
        session: str,
        name: str | None,
        call_id: str | None,
        output: Any,
        at: Timestamp | None = None,
        *,
        error: str | None = None,
        exit_code: int | None = None,
        has_failed: bool = False,
        **more: Any,
    ) -> None:
        """Gives the result of a call: a failure if anything says so.

        Args:
            session: The session's id.
            name: The tool; None takes the name from the call.
            call_id: The call's id, if it has one.
            output: What came of it.
            at: When.
            error: What went wrong, in a few lines.
            exit_code: Of the process, if there was one.
            has_failed: Whether the source says that it failed.
            more: Other members; None where a value is not known.
        """
        called = self._states[session].calls.take(call_id)
        payload: dict[str, Any] = {"tool_name": name or called or "unnamed"}
        if call_id is not None:
            payload["tool_call_id"] = call_id
        payload["output"] = output
        failed = has_failed or error is not None or exit_code not in {None, 0}
        payload |= without_nulls(exit_code=exit_code, **more)
        if failed:
            payload["error"] = error or "failed"
        self.emit(session, TOOL_FAILED if failed else TOOL_RETURNED, payload, at)

    def conclude(
        self,
        session: str,
        status: str | None,
        reason: str | None = None,
        *,
        is_over: bool = False,
        **more: Any,
    ) -> None:
        """Says how a session went; the last word counts.

        Args:
            session: Its id.
            status: As in `Outcome`.
            reason: Why.
            is_over: As in `Outcome`.
            more: `duration_ms`, `ended_at`, and figures that the source gives for the whole
                session.
        """
        state = self._states[session]
        state.status, state.reason, state.is_over = status, reason, is_over
        duration = more.pop("duration_ms", None)
        state.last = more.pop("ended_at", None) or state.last
        state.duration_ms = duration if duration is not None else state.duration_ms
        self.tell_figures(session, **more)

    def tell_figures(self, session: str, **figures: float | None) -> None:
        """Says figures that the source gives for all of a session; they count more than sums."""
        self._states[session].said.update(without_nulls(**figures))

    def tool_of(self, session: str, call_id: str) -> str | None:
        """Returns the tool of a call that waits for its result; None if none does."""
        return self._states[session].calls.tool_of(call_id)

    def waiting(self, session: str) -> list[str]:
        """Returns the ids of the calls that wait for their results, the oldest first."""
        return self._states[session].calls.ids()

    def waits(self, session: str, call_id: str | None) -> bool:
        """Tells whether a call of a tool waits for its result."""
        return call_id in self._states[session].calls

    def header(self, session: str) -> Session:
        """Returns the header of a session, with all that is known by now."""
        return self._states[session].header

    def sessions(self) -> Iterator[str]:
        """Yields the ids of the sessions that were opened."""
        yield from self._states

    def _take_all(self, records: list[Record]) -> None:
        for record in records:
            self._line = record.line
            self.take(record)

    def _outcome(self, state: _State) -> Outcome:
        return Outcome(
            state.header,
            state.status,
            state.reason,
            state.last,
            state.duration_ms,
            state.events,
            state.figures | state.said,
            dict(state.unknown),
            state.is_over,
        )


def read(reader: Reader, chunks: Iterable[bytes], *, final: bool = False) -> Iterator[Item]:
    """Yields what a source tells, as it is read.

    Args:
        reader: A new reader of its format.
        chunks: The source.
        final: As for `Reader.close`.

    Raises:
        FormatError: As `Reader.feed` and `Reader.close`.
    """
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.close(final=final)
