"""The log of a run: its kinds of entries, the rule of sequence, and reading them.

A run's log is one `run` line, any number of `event` lines, and at most one `end` line, which is the
last. An erased event has a `redacted` line in its place (`aivcs.log.redaction`).

The rule of sequence: each seq occurs once; an event without one gets the highest so far plus one,
from 1; appending an identical event again changes nothing. An event line has `high`, [highest,
count], unless its own seq is both the highest so far and the number of events. So the last line is
always enough to append to the log.
"""

from aivcs import errors
from aivcs.codec.json import encode, encode_trusted
from aivcs.errors import ConflictError, IntegrityError, SerializationError
from aivcs.log import chain
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_EVENT, MAX_SEQ
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunOwner, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from aivcs.log.bulk_events import BulkEvents


def encode_header(record: RunRecord) -> "tuple[bytes, str]":
    """Returns the first line of a run's log, and its hash.

    Raises:
        SerializationError: The tags are not a JSON value.
    """
    metadata = record.metadata
    body = (
        f'{{"type":"run","format":{chain.FORMAT},"run_id":"{record.run_id}",'
        f'"spec_digest":"{record.spec_digest}",'
        f'"metadata":{{"git_sha":{encode(metadata.git_sha)},'
        f'"agent_name":{encode(metadata.agent_name)},"tags":{encode(metadata.tags)}}},'
        f'"created_at":"{record.created_at}"'
    )
    if record.owner is not None:
        body += f',"owner":{encode(record.owner.to_json())}'
    return chain.link(body, "")


class RunState:
    """The state of a run after a line of its log.

    Attributes:
        status: The run's status.
        highest: The highest seq so far; 0 if there is no event.
        count: The number of events so far.
    """

    __slots__ = ("count", "highest", "status")

    def __init__(self, line: bytes) -> None:
        """Reads the state from any line of a run's log.

        Raises:
            IntegrityError: The line is not an entry of a run's log.
            UnsupportedFormatError: The line is of a later format.
        """
        entry = chain.members(line)
        self.status = RunStatus.RUNNING
        try:
            match entry["type"]:
                case "run":
                    self.highest = self.count = 0
                case "event" | "redacted":
                    seq = chain.integer(entry, "seq", 0, MAX_SEQ)
                    self.highest, self.count = entry.get("high", (seq, seq))
                    if type(self.highest) is not int or type(self.count) is not int:
                        raise ValueError(f"high is {entry['high']!r}")
                case "end":
                    self.status = RunStatus(entry["status"])
                    self.highest = self.count = 0  # nothing goes on from here
                case other:
                    raise _newer(other)
        except (
            KeyError,
            TypeError,
            ValueError,
            errors.InvalidDigestError,
            SerializationError,
        ) as error:
            raise _misshapen(entry, error) from error

    def require_running(self, run_id: str) -> None:
        """Requires that the run has not ended.

        Raises:
            InvalidRunStateError: The run has ended.
        """
        if self.status.is_terminal:
            raise errors.InvalidRunStateError(run_id, self.status, RunStatus.RUNNING)


class RunAppender:
    """Numbers, encodes and links new events for the end of a run's log; writes nothing.

    Attributes:
        lines: The lines to append, in order; an event that is stored already adds none.
        seqs: The seq of every event given, in order.
        head: The hash of the last line.
        state: The state of the run after that line.
    """

    __slots__ = (
        "_added", "_find", "_kinds", "_run_id", "head", "lines", "max_event", "seqs", "state",
    )  # fmt: skip

    def __init__(
        self,
        run_id: str,
        last: bytes,
        find: "Callable[[int], RunEvent | None]",
        *,
        max_event: int = MAX_EVENT,
    ) -> None:
        """Begins after the last line of the log.

        Args:
            run_id: The run, for messages.
            last: The last line.
            find: Returns the stored event with a seq, or None; called only for a seq that is not
                above all others.
            max_event: Bytes of one payload, at most.

        Raises:
            InvalidRunStateError: The run has ended.
            IntegrityError: The line is not an entry of a run's log.
        """
        self._run_id = run_id
        require_not_redacted(last)
        self.state = RunState(last)
        self.state.require_running(run_id)
        self._find = find
        self._added: dict[int, str] = {}
        self._kinds: dict[str, str] = {}  # as they are encoded: a batch has few
        self.max_event = max_event
        self.head = chain.hash_of(last) or ""
        self.lines: list[bytes] = []
        self.seqs: list[int] = []

    def append(self, event: RunEvent) -> int:
        """Adds one event; returns its seq.

        Raises:
            ConflictError: Another event has this seq, or no number is left.
            SerializationError: The payload is not a JSON value, or too large.
        """
        self.append_all((event,))
        return self.seqs[-1]

    def _body(self, event: RunEvent) -> "str | None":
        """The line of an event before its link; None if the event is stored already."""
        payload = getattr(event, "encoded", None) or encode(event.payload)
        if len(payload) > self.max_event // 4 and len(payload.encode()) > self.max_event:
            raise too_large(len(payload.encode()), self.max_event)
        state = self.state
        seq = state.highest + 1 if event.seq is None else event.seq
        if seq > MAX_SEQ:
            raise self._used_up()
        if event.seq is not None and (
            seq < state.highest or (state.count and seq == state.highest)
        ):
            # The seq may be that of an earlier event of the same batch.
            added = self._added.get(seq)
            stored = read_event(f"{added}}}".encode()) if added else self._find(seq)
            if stored is not None:
                self._require_same(event, stored, seq)
                self.seqs.append(seq)
                return None
        state.highest = max(seq, state.highest)
        state.count += 1
        timestamp = event.timestamp or Timestamp.now()
        kind = self._kinds.get(event.kind)
        if kind is None:
            kind = self._kinds[event.kind] = encode_trusted(event.kind)
        body = (
            f'{{"type":"event","seq":{seq},"kind":{kind},'
            f'"payload":{payload},"timestamp":"{timestamp}"'
        )
        if not seq == state.highest == state.count:
            body += f',"high":[{state.highest},{state.count}]'
        self.seqs.append(seq)
        self._added[seq] = body
        return body

    def append_all(self, events: "BulkEvents | Iterable[RunEvent]") -> None:
        """Adds events in order.

        Raises:
            ConflictError: Another event has a seq given, or no number is left.
            SerializationError: A payload is not a JSON value, or too large.
        """
        bodies = getattr(events, "bodies", None)
        if bodies is not None:
            encoded = self._numbered(bodies)
        else:
            encoded = bodies = [body.encode() for body in map(self._body, events) if body]
        lines, self.head = chain.link_all(encoded, sum(map(len, bodies)), self.head)
        self.lines += lines

    def stream(self, events: "BulkEvents") -> "Iterator[bytes]":
        """Returns the lines of events, each linked when it is asked for; nothing can follow them.

        Raises:
            ConflictError: No number is left.
        """
        return chain.link_each(self._numbered(events.bodies), self.head)

    def _numbered(self, bodies: "list[bytes]") -> "Iterable[bytes]":
        """The lines of events without a seq, before their links; counts them."""
        state = self.state
        if state.highest + len(bodies) > MAX_SEQ:
            raise self._used_up()
        first = state.highest + 1
        ahead = state.highest - state.count
        self.seqs += range(first, first + len(bodies))
        state.highest += len(bodies)
        state.count += len(bodies)
        return (
            b'{"type":"event","seq":%d,%b,"high":[%d,%d]' % (seq, body, seq, seq - ahead)
            if ahead
            else b'{"type":"event","seq":%d,%b' % (seq, body)
            for seq, body in enumerate(bodies, first)
        )

    def _used_up(self) -> ConflictError:
        return ConflictError(f"run {self._run_id} has used the last sequence number, 2^53-1")

    def _require_same(self, event: RunEvent, stored: RunEvent, seq: int) -> None:
        if (
            event.kind != stored.kind
            # Nobody can tell what an erased event was: a retry must not bring it back.
            or (not stored.redacted and not is_same_json(event.payload, stored.payload))
            or (event.timestamp is not None and event.timestamp != stored.timestamp)
        ):
            raise ConflictError(
                f"run {self._run_id} has another event with seq {seq} ({stored.kind}); "
                "leave the seq out to append, or give the identical event to retry"
            )


def collect(events: "BulkEvents | Iterable[RunEvent]") -> "BulkEvents | list[RunEvent]":
    """Reads events into a list for `RunAppender.append_all`; returns `BulkEvents` as they are.

    Call it before a log is locked: the iterator may be slow, or use the same store itself.
    """
    if hasattr(events, "bodies"):
        return events  # type: ignore[return-value]
    return list(events)


def texts_of(events: "BulkEvents | list[RunEvent]", max_event: int) -> "list[bytes] | None":
    """Returns the part of each event's line between seq and hash, as `BulkEvents.bodies`.

    Args:
        events: The events, as `collect` returns them.
        max_event: Bytes of one payload, at most.

    Returns:
        The texts; None if an event has a seq.

    Raises:
        SerializationError: A payload is not a JSON value, or too large.
    """
    bodies: list[bytes] | None = getattr(events, "bodies", None)
    if bodies is not None:
        return bodies
    texts = []
    for event in events:
        if event.seq is not None:
            return None
        payload = encode(event.payload)
        if len(payload) > max_event // 4 and len(payload.encode()) > max_event:
            raise too_large(len(payload.encode()), max_event)
        timestamp = event.timestamp or Timestamp.now()
        text = f'"kind":{encode_trusted(event.kind)},"payload":{payload},"timestamp":"{timestamp}"'
        texts.append(text.encode())
    return texts


def too_large(size: int, limit: int, *, is_whole: bool = True) -> SerializationError:
    """Returns the error for an event over the limit, with the way out.

    Args:
        size: Bytes of the event that were read.
        limit: Bytes allowed.
        is_whole: Whether the event was read to its end.
    """
    return SerializationError(
        f"an event of {'' if is_whole else 'at least '}{size} bytes is over the limit of {limit}; "
        "store the data as a blob and refer to it: --blob KEY=PATH"
    )


def encode_end(
    status: RunStatus,
    summary: RunSummary,
    state: RunState,
    created_at: Timestamp,
    head: str,
    completed_at: "Timestamp | None" = None,
) -> "tuple[bytes, str]":
    """Returns the last line of a run's log, and its hash.

    A `total_events` or `duration_ms` of None in the summary is filled in.

    Raises:
        SerializationError: A time of completion was given that is before that of creation.
    """
    if completed_at is not None and completed_at < created_at:
        raise SerializationError(
            f"the run started at {created_at}; it cannot have ended before, at {completed_at}"
        )
    completed_at = completed_at or Timestamp.now()
    total = state.count if summary.total_events is None else summary.total_events
    duration = summary.duration_ms
    if duration is None:
        # A clock that was set back must not make a run take less than no time.
        duration = max(0, completed_at.microseconds() - created_at.microseconds()) // 1000
    complete = RunSummary(
        total_events=total,
        final_state_digest=summary.final_state_digest,
        duration_ms=duration,
        success=summary.success,
        exit_code=summary.exit_code,
    )
    body = (
        f'{{"type":"end","status":"{status}","summary":{encode_trusted(complete.to_json())},'
        f'"completed_at":"{completed_at}"'
    )
    return chain.link(body, head)


def count_lines(newest_first: "Iterator[bytes]") -> int:
    """Returns the number of lines of a run's log, from its last one or two.

    Raises:
        IntegrityError: They are not lines of a run's log.
    """
    state = RunState(next(newest_first))
    if state.status.is_terminal:
        return RunState(next(newest_first)).count + 2
    return state.count + 1


def read_record(first: bytes, last: bytes, run_id: "str | None" = None) -> RunRecord:
    """Returns the record of a run from the first and the last line of its log.

    Args:
        first: The first line.
        last: The last line, which may be the first.
        run_id: The run that the log must belong to; None for any.

    Raises:
        IntegrityError: The lines are not of this run's log.
        UnsupportedFormatError: A line is of a later format.
    """
    entry = chain.members(first)
    try:
        if entry["type"] != "run":
            raise IntegrityError.of("does not begin with the entry of a run")
        chain.require_name(entry["run_id"], run_id)
        metadata = entry["metadata"]
        status, summary, completed_at = RunStatus.RUNNING, None, None
        closing = entry if last is first else chain.members(last)
        if closing["type"] == "end":
            status = RunStatus(closing["status"])
            ending = closing["summary"]
            summary = RunSummary(
                total_events=ending["total_events"],
                final_state_digest=ending["final_state_digest"],
                duration_ms=ending["duration_ms"],
                success=ending["success"],
                exit_code=ending.get("exit_code"),
            )
            completed_at = Timestamp.stored(closing["completed_at"])
        elif closing["type"] not in {"run", "event"}:
            require_not_redacted(last)
            raise _newer(closing["type"])
        return RunRecord(
            run_id=RunId(entry["run_id"]),
            spec_digest=ContentDigest(entry["spec_digest"]),
            metadata=RunMetadata(
                metadata["agent_name"], git_sha=metadata["git_sha"], tags=metadata["tags"]
            ),
            status=status,
            summary=summary,
            created_at=Timestamp.stored(entry["created_at"]),
            completed_at=completed_at,
            owner=_owner_of(entry.get("owner")),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        SerializationError,
        errors.InvalidDigestError,
    ) as error:
        raise _misshapen(entry, error) from error


def is_same_json(one: "Any", other: "Any") -> bool:
    """Tells whether two values are the same JSON value: types count, the order of keys does not."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(is_same_json(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, (list, tuple)):
        return (
            isinstance(other, (list, tuple))
            and len(one) == len(other)
            and all(map(is_same_json, one, other))
        )
    return (isinstance(one, bool) is isinstance(other, bool)) and bool(one == other)


def _owner_of(value: "Any") -> "RunOwner | None":
    """The owner in a first line; None if the member has another form.

    Another program may have written a member of that name. An owner that cannot be understood
    proves nothing, so such a run counts as one without an owner.
    """
    try:
        return RunOwner(**{name: value[name] for name in RunOwner.__slots__})
    except (KeyError, TypeError, SerializationError):
        return None


def read_event(line: bytes, entry: "dict[str, Any] | None" = None) -> "RunEvent | None":
    """Returns the event in a line, or None for a `run` or `end` line.

    An erased event has no payload, and `redacted` is true.

    Args:
        line: The line.
        entry: Its members, as `chain.members` returns them, if the caller has them already.

    Raises:
        IntegrityError: The line is not an entry of a run's log.
        UnsupportedFormatError: The line is of a later format.
    """
    if entry is None:
        entry = chain.members(line)
    redacted = entry["type"] == "redacted"
    if entry["type"] != "event" and not redacted:
        if entry["type"] not in {"run", "end"}:
            raise _newer(entry["type"])
        return None
    try:
        return RunEvent(
            entry["kind"],
            None if redacted else entry["payload"],
            seq=chain.integer(entry, "seq", 0, MAX_SEQ),
            timestamp=Timestamp.stored(entry["timestamp"]),
            redacted=redacted,
        )
    except (KeyError, ValueError, SerializationError) as error:
        raise _misshapen(entry, error) from error


def require_not_redacted(last: bytes) -> None:
    """Requires that the last line of a log is not redacted: nothing would prove its hash.

    Raises:
        IntegrityError: It is.
    """
    if chain.is_redacted(last):
        raise IntegrityError.of("ends with a redacted line, which never comes last: it was cut")


_EVENT_PREFIX = b'{"type":"event","seq":'


def seq_prefix(seq: int) -> bytes:
    """Returns a seq with its comma, as `seq_prefix_in` finds it in the event's line."""
    return b"%d," % seq


def seq_prefix_in(line: bytes) -> bytes:
    """Returns the seq in the line of an event, redacted or not, up to its comma; else nothing."""
    for opening in (_EVENT_PREFIX, chain.REDACTED):
        if line.startswith(opening):
            return line[len(opening) : line.find(b",", len(opening)) + 1]
    return b""


def is_ascending(lines: "Iterable[bytes]") -> bool:
    """Tells whether the events in a log's lines have ascending seqs, none twice."""
    highest = -1
    for line in lines:
        if text := seq_prefix_in(line):
            try:
                seq = int(text[:-1])
            except ValueError:
                return False
            if seq <= highest:
                return False
            highest = seq
    return True


def events_in_order(lines: "Iterable[bytes]", *, ascending: bool) -> "Iterator[RunEvent]":
    """Yields the events of a log ordered by seq, whatever order they were appended in.

    Args:
        lines: The lines of the log.
        ascending: The result of `is_ascending`. If true, memory is constant; otherwise all events
            are held in memory and sorted.

    Raises:
        IntegrityError: Two events have one seq.
    """
    events = (event for line in lines if (event := read_event(line)) is not None)
    if ascending:
        yield from events
        return
    previous = -1
    for event in sorted(events, key=_seq):
        if _seq(event) == previous:
            raise _repeated(previous)
        yield event
        previous = _seq(event)


def _seq(event: RunEvent) -> int:
    assert event.seq is not None
    return event.seq


def _repeated(seq: int) -> IntegrityError:
    return IntegrityError.of(f"has more than one event with the seq {seq}")


def _newer(kind: object) -> "errors.UnsupportedFormatError":
    return errors.UnsupportedFormatError(f"an entry of type {kind!r} needs a newer aivcs")


def _misshapen(entry: "dict[str, Any]", error: Exception) -> IntegrityError:
    return IntegrityError.of(
        f"is not a valid {entry['type']!r} entry of a run: {error or type(error).__name__}"
    )
