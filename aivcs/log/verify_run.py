"""What every line of a log must be, and of a run's in particular: its rules, as checks. No I/O.

Of any log:

- each line is the link that follows the line before (`chain`);
- each line is strict JSON (`aivcs.codec.json`) with the known members in the order of the format;
- the first line, and it alone, must name the format.

Of a run's log:

- its first line is the one `run` entry, with the id that the file is named for;
- every other line is an `event` with a seq of its own, with `high` exactly where the rule of
  sequence wants it and as it wants it, or the one `end` entry, behind which nothing stands.

Of a release log: see `aivcs.log.verify_release`.

What a later format may add (other types, other actions) is not judged: from there on the log is
beyond this version, and the finding says so. What cannot be seen from a log alone is that it was
cut at the end of a line, or written anew as a whole: that takes its head, kept elsewhere.
"""

from aivcs.codec.json import encode, encode_trusted
from aivcs.codec.limits import MAX_DEPTH
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

    from aivcs.util.disk_map import DiskMap

DAMAGE = "damage"
"""It is not what was stored, or cannot be used as it is."""
NOTICE = "notice"
"""Nothing is lost: something to know of, or to tidy."""

_RESTORE = (
    "restore the file from a copy; what stands before this line is as it was written, "
    "and commands refuse what depends on the rest"
)
_WRITER = "the chain is whole, so it was written this way: look for the program that wrote it"
_UPDATE = "install a newer aivcs and verify again; this one cannot judge the rest of the log"

_DIGESTS = {"spec_digest", "policy"}
_MEMBERS = {
    "run": ("type", "format", "run_id", "spec_digest", "metadata", "created_at", "owner", "hash"),
    "event": ("type", "seq", "kind", "payload", "timestamp", "high", "hash"),
    "end": ("type", "status", "summary", "completed_at", "hash"),
    "release": (
        "type", "format", "seq", "action", "name", "spec_digest", "metadata", "target_seq",
        "parent_seq", "created_at", "evidence", "policy", "forced", "block_seq", "hash",
    ),
    "mark": (
        "type", "format", "seq", "mark", "name", "spec_digest", "by", "reason", "signed_seq",
        "signed_hash", "signature", "fingerprint", "created_at", "release_seq", "block_seq", "path",
        "hash",
    ),
}  # fmt: skip


class Problem(Record):
    """One thing that is wrong with a log.

    Attributes:
        severity: `DAMAGE` or `NOTICE`.
        line: The number of the line, from 1.
        problem: What is wrong.
        remedy: What can be done.
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
    """Iterates over number and bytes of a log's lines as far as the chain is whole.

    Attributes:
        count: How many lines were read so far.
    """

    __slots__ = ("_broken", "_first", "_walk", "count")

    def __init__(self, lines: "Iterable[bytes]") -> None:
        """Takes all lines of a log as read; a newline may be missing only from the last."""
        self.count = 0
        self._broken = 0
        self._first: Problem | None = None
        self._walk = self._right(lines)

    def __iter__(self) -> "Iterator[tuple[int, bytes]]":
        """Goes on behind the last line that was taken."""
        return self._walk

    def break_found(self) -> "Problem | None":
        """Reads on to the end; returns where the chain first breaks, if it does, and how often."""
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
        # The hash of the line before: as it says, and behind a broken one also as it should say,
        # so that each broken line counts once.
        before = [""]
        for line in lines:
            self.count += 1
            text = line[:-1] if line.endswith(b"\n") else line
            link = chain.hash_of(text)
            if link is not None and any(chain.is_linked(text, hash_) for hash_ in before):
                before = [link]
                if not self._broken:
                    yield self.count, text
                continue
            actual = chain.expected_hash(text, before[0])
            if not self._broken:
                bears = "no hash where a line ends" if link is None else f"the hash {link}"
                self._first = Problem(
                    DAMAGE,
                    self.count,
                    f"the chain breaks: the line bears {bears}, but its content and the line "
                    f"before it give {actual}",
                    _RESTORE,
                )
            self._broken += 1
            before = [link, actual] if link is not None else [actual]


def run_problems(
    lines: "Iterable[tuple[int, bytes]]",
    run_id: str,
    has_blob: "Callable[[str], bool]",
    new_map: "Callable[[], DiskMap]",
) -> "Iterator[Problem]":
    """Yields what is wrong with the lines of a run's log.

    Args:
        lines: Number and bytes of its right lines, from the first.
        run_id: The run that the log should be of.
        has_blob: Tells whether a blob is in the store.
        new_map: Makes what keeps the gaps in the seqs.
    """
    return problems(lines, _RunCheck(run_id, has_blob, new_map).check)


def problems(
    lines: "Iterable[tuple[int, bytes]]",
    check: "Callable[[int, bytes], Iterator[Problem]]",
) -> "Iterator[Problem]":
    """Yields what a check finds in lines, and where it had to give up.

    Args:
        lines: Number and bytes of right lines, from the first.
        check: Yields what is wrong with one of them. What it raises as an `IntegrityError` is wrong
            with that line; an `UnsupportedFormatError` ends it all.
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
    """The rules of a run's log, and where they stand after some lines."""

    def __init__(
        self, run_id: str, has_blob: "Callable[[str], bool]", new_map: "Callable[[], DiskMap]"
    ) -> None:
        self._run_id = run_id
        self._has_blob = has_blob
        self._opening = b""
        self._seqs = _Numbers(new_map())
        self._highest = self._count = self._events = 0
        self._is_sure = True
        self._end = 0

    def check(self, number: int, line: bytes) -> "Iterator[Problem]":
        entry = members(number, line)
        kind = entry["type"]
        if kind not in {"run", "event", "end"}:
            raise UnsupportedFormatError(f"an entry of type {kind!r} needs a newer aivcs")
        if number == 1 and kind != "run":
            yield wrong(number, f"the first line is of type {kind!r}, not 'run'")
        if number != 1 and kind == "run":
            yield wrong(number, "there is a second entry of type 'run'")
        elif self._end:
            if number == self._end + 1:
                yield wrong(number, f"the run ended on line {self._end}; nothing may follow")
        elif kind == "run":
            yield from self._check_opening(number, line)
        elif kind == "event":
            yield from self._check_event(number, line, entry)
        else:
            self._end = number
            yield from self._check_end(number, line, entry)

    def _check_opening(self, number: int, line: bytes) -> "Iterator[Problem]":
        record = run.read_record(line, line)
        self._opening = line
        require_form(chain.members(line), "spec_digest", "created_at")
        if record.run_id != self._run_id:
            yield wrong(number, f"it is the log of run {record.run_id}, not of {self._run_id}")
        if not self._has_blob(record.spec_digest):
            yield absent(number, record.spec_digest)

    def _check_event(
        self, number: int, line: bytes, entry: "dict[str, Any]"
    ) -> "Iterator[Problem]":
        self._events += 1
        event = run.read_event(line)
        assert event is not None
        assert event.seq is not None
        require_form(entry, "timestamp")
        if not line.startswith(b'{"type":"event","seq":%d,' % event.seq):
            yield wrong(number, "the line does not begin with type and seq")
        if b'"$blob"' in line:
            for digest in _blobs_in(event.payload):
                if not self._has_blob(digest):
                    yield absent(number, digest)
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
                says = f"high is {given}" if given else "there is no high"
                should = f"it should be {wanted}" if wanted else "there should be none"
                yield wrong(number, f"{says}, but {should}")
            # What follows was written from here: go on from what this line says.
            self._highest, self._count = _pair(entry.get("high", [event.seq, event.seq])) or (
                self._highest,
                self._count,
            )
        self._is_sure = True

    def _check_end(self, number: int, line: bytes, entry: "dict[str, Any]") -> "Iterator[Problem]":
        if self._opening:
            record = run.read_record(self._opening, line)
            require_form(entry, "completed_at")
            if not record.status.is_terminal:
                yield wrong(number, f"the run ends as {record.status}, which is no end")
            summary = entry["summary"]
            if type(summary["success"]) is not bool or type(summary.get("exit_code", 0)) is not int:
                yield wrong(number, "success must be true or false, and exit_code a whole number")
            state = record.summary.final_state_digest if record.summary else None
            if state is not None and not self._has_blob(state):
                yield absent(number, state)
            total = summary["total_events"]
            if total != self._events:
                yield Problem(
                    NOTICE,
                    number,
                    f"total_events is {total}, but there are {self._events} events",
                    "whoever finished the run counted otherwise; the events themselves are whole",
                )


class _Numbers:
    """A set of whole numbers, kept as ranges: as small as they have few gaps."""

    def __init__(self, stops: "DiskMap") -> None:
        self._stops = stops  # behind which number each range ends, by that with which it starts

    def add(self, number: int) -> bool:
        """Adds a number; returns False if it is there already."""
        start, stop = self._stops.floor(number) or (number, number)
        if number < stop:
            return False
        if number > stop:
            start = number
        self._stops[start] = self._stops.pop(number + 1) or number + 1
        return True


def members(number: int, line: bytes) -> "dict[str, Any]":
    """Returns the members of a right line, held to what goes for every type.

    Raises:
        IntegrityError: It is not in the form of the format.
        UnsupportedFormatError: It is of a later format.
    """
    entry = chain.members(line)
    try:
        encode_trusted(entry)  # refuses what parsing lets pass
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
        raise IntegrityError.of(f"has not its members in order: {', '.join(known)}")
    if number == 1 and "format" not in entry:
        raise IntegrityError.of("is the first and names no format")
    return entry


def require_form(entry: "dict[str, Any]", *names: str) -> None:
    """Refuses digests and times that are right in value but not in the one form they have.

    Raises:
        IntegrityError: One of the members with these names is such.
    """
    for name in names:
        text = entry[name]
        try:
            is_right = text == text.lower() if name in _DIGESTS else str(Timestamp(text[:])) == text
        except (StorageError, ValueError):
            is_right = False
        if not is_right:
            raise IntegrityError.of(f"has {text!a} as {name}, which is not its form")


def _blobs_in(value: "Any") -> "Iterator[str]":
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
    """Returns the problem that a line breaks a rule, though the chain is whole."""
    return Problem(DAMAGE, number, problem, _WRITER)


def absent(number: int, digest: str) -> Problem:
    """Returns the problem that a line names a blob which is not in the store."""
    return Problem(
        NOTICE,
        number,
        f"blob {digest}, which it names, is not in this store",
        "put the content: aivcs blob put FILE",
    )
