"""Checks the lines of a log against the rules, first of any log, then of a run's. No I/O.

For every log:

- each line is the link that follows the line before (`chain`);
- each line is strict JSON (`aivcs.codec.json`) with the known members in the order of the format;
- the first line names the format, and only that line must.

For a run's log:

- the first line is the only `run` entry, with the id in the log's name;
- every other line is an `event` with a seq of its own, and with `high` exactly where and as the
  rule of sequence demands; or it is the only `end` entry, which is the last line;
- a line may be `redacted` in the place of an event's: then a record of its erasure agrees with it
  in the number of the line, the hash of the line before, the kept hash, and its own bytes.

For a release log: `aivcs.log.verify_release`.

Entries of a later format (other types, other actions) are not judged: the check ends there, and the
problem says so. A log that was cut at the end of a line, or rewritten as a whole, can be detected
only with a head that is kept elsewhere.
"""

from aivcs.codec.json import MAX_DEPTH, encode, encode_trusted
from aivcs.errors import (
    IntegrityError,
    InvalidDigestError,
    SerializationError,
    StorageError,
    UnsupportedFormatError,
)
from aivcs.log import chain, run
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Record
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from aivcs.log.erasure import Erasures
    from aivcs.util.disk_map import DiskMap

DAMAGE = "damage"
"""Severity: stored data is damaged or unusable."""
NOTICE = "notice"
"""Severity: nothing is lost; something to know of, or to tidy."""

_RESTORE = (
    "restore the file from a copy; the lines before this one are intact, "
    "and commands refuse what depends on the rest"
)
_WRITER = "the chain is whole, so it was written this way: find the program that wrote it"
_UNRECORDED = "restore the line, or the record of its erasure, from a copy; find out who changed it"
_UPDATE = "install a newer aivcs and verify again; this one cannot judge the rest of the log"

_DIGESTS = {"spec_digest", "policy"}
_MEMBERS = {
    "run": ("type", "format", "run_id", "spec_digest", "metadata", "created_at", "owner", "hash"),
    "event": ("type", "seq", "kind", "payload", "timestamp", "high", "hash"),
    "redacted": ("type", "seq", "kind", "timestamp", "high", "hash"),
    "end": ("type", "status", "summary", "completed_at", "hash"),
    "release": (
        "type", "format", "seq", "action", "name", "spec_digest", "metadata", "target_seq",
        "parent_seq", "created_at", "evidence", "policy", "forced", "baseline", "block_seq",
        "hash",
    ),
    "mark": (
        "type", "format", "seq", "mark", "name", "spec_digest", "by", "reason", "notes", "store",
        "signed_seq", "signed_hash", "signature", "fingerprint", "created_at",
        "release_seq", "block_seq", "path", "hash",
    ),
}  # fmt: skip


class Problem(Record):
    """A problem with a line of a log.

    Attributes:
        severity: `DAMAGE` or `NOTICE`.
        line: The number of the line, from 1.
        problem: The problem, in words.
        remedy: The way out, in words.
    """

    __slots__ = ("severity", "line", "problem", "remedy")  # noqa: RUF023 as one reads them
    severity: str
    line: int
    problem: str
    remedy: str

    def __init__(self, severity: str, line: int, problem: str, remedy: str) -> None:
        """Takes the fields as they are."""
        self._fill(severity, line, problem, remedy)


class Links:
    """Iterates over number and bytes of a log's lines up to the first break of the chain.

    Attributes:
        count: The number of lines read so far.
    """

    __slots__ = ("_broken", "_first", "_walk", "count")

    def __init__(self, lines: "Iterable[bytes]") -> None:
        """Takes all lines of a log, with their newlines; only the last may lack its own."""
        self.count = 0
        self._broken = 0
        self._first: Problem | None = None
        self._walk = self._right(lines)

    def __iter__(self) -> "Iterator[tuple[int, bytes]]":
        """Continues after the last line that was read."""
        return self._walk

    def break_found(self) -> "Problem | None":
        """Reads the rest; returns the first break of the chain, counting the others, or None."""
        for _ in self._walk:
            pass
        first = self._first
        if first is None or self._broken == 1:
            return first
        further = self._broken - 1
        lines = "lines break" if further > 1 else "line breaks"
        return Problem(
            first.severity,
            first.line,
            f"{first.problem}, and {further} further {lines} the chain",
            first.remedy,
        )

    def _right(self, lines: "Iterable[bytes]") -> "Iterator[tuple[int, bytes]]":
        # The hash of the line before: as stated, and after a broken line also as it should be, so
        # that each broken line counts once.
        before = [""]
        for line in lines:
            self.count += 1
            text = line[:-1] if line.endswith(b"\n") else line
            link = chain.hash_of(text)
            if link is not None and any(chain.follows(text, hash_) for hash_ in before):
                before = [link]
                if not self._broken:
                    yield self.count, text
                continue
            actual = chain.expected_hash(text, before[0])
            if not self._broken:
                stated = "no hash" if link is None else f"the hash {link[:12]}"
                self._first = Problem(
                    DAMAGE,
                    self.count,
                    f"the chain breaks: the line has {stated}, but its content and the line "
                    f"before it give {actual[:12]}",
                    _RESTORE,
                )
            self._broken += 1
            before = [link, actual] if link is not None else [actual]


def run_problems(
    lines: "Iterable[tuple[int, bytes]]",
    run_id: str,
    has_blob: "Callable[[str], bool]",
    new_map: "Callable[[], DiskMap]",
    erasures: "Erasures | None" = None,
    known: int = 0,
) -> "Iterator[Problem]":
    """Yields the problems in the lines of a run's log.

    Args:
        lines: Number and bytes of the linked lines, from the first.
        run_id: The run that the log should belong to.
        has_blob: Tells whether a blob is in the store.
        new_map: Makes a map that can hold an entry for each gap in the seqs.
        erasures: The records of what was erased; None takes nothing to be.
        known: The number of lines that are known otherwise, and need no record.
    """
    return problems(lines, _RunCheck(run_id, has_blob, new_map, erasures, known).check)


def problems(
    lines: "Iterable[tuple[int, bytes]]",
    check: "Callable[[int, bytes], Iterator[Problem]]",
) -> "Iterator[Problem]":
    """Yields the problems that a check finds in lines, up to a line it cannot judge.

    Args:
        lines: Number and bytes of linked lines, from the first.
        check: Yields the problems of one line. An `IntegrityError` becomes a problem of that line;
            an `UnsupportedFormatError` becomes the last problem.
    """
    for number, line in lines:
        try:
            yield from check(number, line)
        except UnsupportedFormatError as error:
            yield Problem(DAMAGE, number, str(error), _UPDATE)
            return
        except IntegrityError as error:
            yield wrong(number, f"the line {error}")


class _RunCheck:
    """The state of the checks of a run's log after some of its lines."""

    def __init__(
        self,
        run_id: str,
        has_blob: "Callable[[str], bool]",
        new_map: "Callable[[], DiskMap]",
        erasures: "Erasures | None",
        known: int,
    ) -> None:
        self._known = known
        self._erased = {} if erasures is None else erasures.lines_of(f"run/{run_id}")
        self._blobs = {} if erasures is None else erasures.blobs
        self._before = ""  # the hash of the line before
        self._run_id = run_id
        self._has_blob = has_blob
        self._opening = b""
        self._seqs = _Numbers(new_map())
        self._highest = self._count = self._events = 0
        self._is_sure = True
        self._end = 0

    def check(self, number: int, line: bytes) -> "Iterator[Problem]":
        try:
            yield from self._check(number, line)
        finally:
            self._before = chain.hash_of(line) or ""

    def _check(self, number: int, line: bytes) -> "Iterator[Problem]":
        entry = members(number, line)
        kind = entry["type"]
        if kind not in {"run", "event", "redacted", "end"}:
            raise UnsupportedFormatError(f"an entry of type {kind!r} needs a newer aivcs")
        if number == 1 and kind != "run":
            yield wrong(number, f"the first line is of type {kind!r}, not 'run'")
        if number != 1 and kind == "run":
            yield wrong(number, "there is a second entry of type 'run'")
        elif self._end:
            if number == self._end + 1:
                yield wrong(number, f"the run ended on line {self._end}; nothing may follow")
        elif kind == "run":
            yield from self._check_opening(number, line, entry)
        elif kind == "event":
            yield from self._check_event(number, line, entry)
        elif kind == "redacted":
            if number > self._known:
                yield from self._check_redacted(number, line)
            yield from self._check_event(number, line, entry)
        else:
            self._end = number
            yield from self._check_end(number, line, entry)

    def _check_opening(
        self, number: int, line: bytes, entry: "dict[str, Any]"
    ) -> "Iterator[Problem]":
        record = run.read_record(line, line)
        self._opening = line
        require_form(entry, "spec_digest", "created_at")
        if record.run_id != self._run_id:
            yield wrong(number, f"it is the log of run {record.run_id}, not of {self._run_id}")
        if not self._has_blob(record.spec_digest):
            yield self._absent(number, record.spec_digest)

    def _check_event(
        self, number: int, line: bytes, entry: "dict[str, Any]"
    ) -> "Iterator[Problem]":
        self._events += 1
        event = run.read_event(line, entry)
        assert event is not None
        assert event.seq is not None
        require_form(entry, "timestamp")
        if run.seq_prefix_in(line) != run.seq_prefix(event.seq):
            yield wrong(number, "the line does not begin with type and seq")
        if b'"$blob"' in line:
            for digest in blobs_in(event.payload):
                if not self._has_blob(digest):
                    yield self._absent(number, digest)
        if not self._seqs.add(event.seq):
            self._is_sure = False
            yield wrong(number, f"another event has the seq {event.seq}")
            return
        given = encode_trusted(entry["high"]) if "high" in entry else ""
        self._highest, self._count = max(self._highest, event.seq), self._count + 1
        is_needed = not event.seq == self._highest == self._count
        wanted = f"[{self._highest},{self._count}]" if is_needed else ""
        if given != wanted:
            if self._is_sure:
                says = f"high is {given}" if given else "high is missing"
                should = f"it should be {wanted}" if wanted else "it should be absent"
                yield wrong(number, f"{says}, but {should}")
            # Later lines were written from this one, so continue with its numbers.
            self._highest, self._count = _pair(entry.get("high", [event.seq, event.seq])) or (
                self._highest,
                self._count,
            )
        self._is_sure = True

    def _check_redacted(self, number: int, line: bytes) -> "Iterator[Problem]":
        from aivcs.log.redaction import agreeing

        for stored in agreeing(self._erased.get(number, ()), self._before, line):
            from aivcs.log.erasure import said

            problem = f"the event was {said(stored.value)}"
            yield Problem(NOTICE, number, problem, f"its record is erasures/{stored.digest}")
            return
        problem = "the event was redacted, but no record of an erasure says so"
        if number in self._erased:
            problem = (
                f"the event was redacted, but erasures/{self._erased[number][0].digest} says so of "
                "another line, or one behind another"
            )
        yield Problem(DAMAGE, number, problem, _UNRECORDED)

    def _absent(self, number: int, digest: str) -> Problem:
        if digest not in self._blobs:
            return absent(number, digest)
        from aivcs.log.erasure import said

        stored = self._blobs[digest][0]
        problem = f"it names blob {digest}, which was {said(stored.value)}"
        return Problem(NOTICE, number, problem, f"its record is erasures/{stored.digest}")

    def _check_end(self, number: int, line: bytes, entry: "dict[str, Any]") -> "Iterator[Problem]":
        if self._opening:
            record = run.read_record(self._opening, line)
            require_form(entry, "completed_at")
            if not record.status.is_terminal:
                yield wrong(number, f"the run ends as {record.status}, which is not a final status")
            summary = entry["summary"]
            if type(summary["success"]) is not bool or type(summary.get("exit_code", 0)) is not int:
                yield wrong(number, "success must be true or false, and exit_code a whole number")
            state = record.summary.final_state_digest if record.summary else None
            if state is not None and not self._has_blob(state):
                yield self._absent(number, state)
            total = summary["total_events"]
            if total != self._events:
                yield Problem(
                    NOTICE,
                    number,
                    f"total_events is {total}, but there are {self._events} events",
                    "the program that finished the run counted otherwise; all events are intact",
                )


class _Numbers:
    """A set of whole numbers, kept as ranges, so its size is the number of gaps."""

    def __init__(self, stops: "DiskMap") -> None:
        self._stops = stops  # the end of each range (exclusive) by its start

    def add(self, number: int) -> bool:
        """Adds a number; returns False if the set has it already."""
        start, stop = self._stops.floor(number) or (number, number)
        if number < stop:
            return False
        if number > stop:
            start = number
        self._stops[start] = self._stops.pop(number + 1) or number + 1
        return True


def members(number: int, line: bytes) -> "dict[str, Any]":
    """Returns the members of a linked line, checked against the rules for every type.

    Raises:
        IntegrityError: The line breaks such a rule.
        UnsupportedFormatError: The line is of a later format.
    """
    entry = chain.members(line)
    try:
        encode_trusted(entry)  # refuses lone surrogates and infinite numbers, which parse accepts
        if line.count(b"[") + line.count(b"{") > MAX_DEPTH:
            encode(entry.get("payload"))
            metadata = entry.get("metadata")
            encode(metadata.get("tags") if isinstance(metadata, dict) else None)
    except SerializationError as error:
        raise IntegrityError.of(f"is not strict JSON: {error}") from error
    kind = entry["type"]
    if not line.startswith(b'{"type":"'):
        raise IntegrityError.of("does not begin with its type")
    known = _MEMBERS.get(kind, ())
    if [key for key in entry if key in known] != [key for key in known if key in entry]:
        raise IntegrityError.of(f"has its members out of order; the order is {', '.join(known)}")
    if number == 1 and "format" not in entry:
        raise IntegrityError.of("is the first and does not name the format")
    return entry


def require_form(entry: "dict[str, Any]", *names: str) -> None:
    """Requires digests in lower case and times in the form of `Timestamp`.

    Raises:
        IntegrityError: A member with one of these names has another form.
    """
    for name in names:
        text = entry[name]
        try:
            is_right = text == text.lower() if name in _DIGESTS else Timestamp.is_form_of(text)
        except (StorageError, ValueError):
            is_right = False
        if not is_right:
            raise IntegrityError.of(f"has {text!a} as {name}, which is not the form of the format")


def blobs_in(value: "Any") -> "Iterator[str]":
    """Yields the digest of every `{"$blob": DIGEST}` in a payload."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            waiting += reversed(value.values())
            try:
                if list(value) == ["$blob"]:
                    yield ContentDigest(value["$blob"])
            except InvalidDigestError:
                continue


def _pair(value: "Any") -> "tuple[int, int] | None":
    if isinstance(value, list) and [type(number) for number in value] == [int, int]:
        return value[0], value[1]
    return None


def wrong(number: int, problem: str) -> Problem:
    """Returns the problem of a line that breaks a rule although the chain is whole."""
    return Problem(DAMAGE, number, problem, _WRITER)


def absent(number: int, digest: str) -> Problem:
    """Returns the problem of a line that names a blob which is not in the store."""
    return Problem(
        NOTICE,
        number,
        f"it names blob {digest}, which is not in this store",
        "put the content: aivcs blob put FILE",
    )
