"""Adopts a log from elsewhere: checks it whole, then appends the lines that are missing here.

The first reading of the source changes nothing; it checks the chain, the rules of the log and its
name, and notes the hash at the end of each piece of at most `PIECE_BYTES`. The second reading
appends piece after piece, each only after the hash of the piece before it, and only if it ends in
the noted hash: then its bytes are those that were checked, whatever the source says now. If little
of the log is new, the lines are kept, and there is no second reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import ConflictError, IntegrityError, StorageError, UnsupportedFormatError
from aivcs.log import chain
from aivcs.log.names import check_log_name
from aivcs.log.verify_release import release_problems
from aivcs.log.verify_run import DAMAGE, run_problems
from aivcs.model.record import Head
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.log.erasure import Erasures
    from aivcs.log.verify_run import Problem
    from aivcs.store.driver import LogDriver, LogView

    Source = Callable[[], Iterable[bytes]]
    CreateMany = Callable[[Mapping[str, list[bytes]]], set[str]]

PIECE_BYTES = 8 << 20
"""Bytes of the lines that are appended at once, at most, unless one line is longer."""
_KEPT_BYTES = 1 << 20
"""Bytes of new lines that are kept from the first reading, so that there need be no second."""
_ATTEMPTS = 20
"""Attempts to go on after others appended to the same log meanwhile."""
_NOTHING = Head(0, "")


class DivergedError(ConflictError):
    """A log here and a log elsewhere have a common beginning at most, and then other lines.

    Attributes:
        log: The name of the log.
        line: The number of the first line that differs, from 1.
    """

    def __init__(self, log: str, line: int) -> None:
        self.log = log
        self.line = line
        kind, _, rest = log.partition("/")
        super().__init__(
            f"{kind} {rest}: the copies part at line {line}; both were left as they are"
        )


class _MovedError(Exception):
    """Somebody else appended to the log meanwhile."""


class Checked(NamedTuple):
    """A source that was read to its end.

    Attributes:
        head: The head of the log.
        at: The hash of the line from which on lines are missing; None if the log is shorter.
        ends: The head at the end of each piece after that line.
        kept: The lines after it, with their newlines, if they are few; None if they are many.
    """

    head: Head
    at: str | None
    ends: list[Head]
    kept: list[bytes] | None


def adopt(logs: LogDriver, name: str, source: Source, erasures: Erasures | None = None) -> Head:
    """Appends to a log the lines of a source that it lacks; returns its head.

    A log that has them all, and perhaps more, is left as it is.

    Args:
        logs: The driver.
        name: The log, `run/<id>` or `release/<name>`.
        source: Returns the lines of the log from the first, with or without their newlines. Called
            twice, or more often if others append to the log meanwhile.
        erasures: The records of what was erased, which redacted lines must agree with.

    Raises:
        IntegrityError: The source breaks the chain, the rules of its kind of log, or is the log of
            another name; a line is redacted without a record; or it changed between the readings.
        UnsupportedFormatError: A later version wrote it.
        DivergedError: The log here has another line in its place.
        ConflictError: Others kept appending.
    """
    for _ in range(_ATTEMPTS):
        own = standing(logs, name)
        checked = check(source(), name, own.lines, erasures)
        if checked.at is None or own.lines == checked.head.lines:
            _require_beginning(logs, name, source, checked.head, own)
            return own
        if checked.at != own.hash:
            raise DivergedError(name, parting(_read(logs, name), source()))
        try:
            if checked.kept is not None:
                logs.update(name, _after(own, checked.kept))
                return checked.head
            return _append(logs, name, source, own, checked.ends)
        except _MovedError:
            continue
    raise ConflictError(f"{name}: others kept appending to it; try again")


def adopt_new(
    create_many: CreateMany, sources: Mapping[str, Source], erasures: Erasures | None = None
) -> dict[str, Head | StorageError]:
    """Creates short logs together from their sources, each checked as `adopt` does.

    Args:
        create_many: The method of the driver, `CreatesLogs.create_many`.
        sources: Returns the lines of each log by its name.
        erasures: The records of what was erased.

    Returns:
        The heads of those created, durable by now, and the errors of those whose source is wrong.
        The others exist, or are too long to be kept: they are for `adopt`.

    Raises:
        StorageError: The store failed.
    """
    found: dict[str, Head | StorageError] = {}
    heads: dict[str, Head] = {}
    lines: dict[str, list[bytes]] = {}
    for name, source in sources.items():
        try:
            checked = check(source(), name, 0, erasures)
        except (IntegrityError, UnsupportedFormatError) as error:
            found[name] = error
            continue
        if checked.kept:
            lines[name], heads[name] = checked.kept, checked.head
    for name in create_many(lines):
        found[name] = heads[name]
    return found


def standing(logs: LogDriver, name: str) -> Head:
    """Returns the head of a log by its last lines; `Head(0, "")` if there is no log."""
    with chain.naming(logs.where(name)), logs.look(name) as view:
        return _NOTHING if view is None else _head_of(name, view)


def parting(one: Iterable[bytes], other: Iterable[bytes]) -> int:
    """Returns the number of the first line that differs; that after the shorter, if none does."""
    number = 0
    for number, (a, b) in enumerate(zip(one, other, strict=False), 1):
        if chain.hash_of(a.rstrip(b"\n")) != chain.hash_of(b.rstrip(b"\n")):
            return number
    return number + 1


def _head_of(name: str, view: LogView) -> Head:
    last = chain.hash_of(view.last) or ""
    if name.startswith("run/"):
        from aivcs.log.run import count_lines

        return Head(count_lines(view.back()), last)
    from aivcs.log.release import seq_of

    return Head(seq_of(view.last), last)


def check(
    lines: Iterable[bytes], name: str, start: int, erasures: Erasures | None = None
) -> Checked:
    """Reads a whole log and checks it.

    Args:
        lines: Its lines, with or without their newlines.
        name: The log that it must be.
        start: The number of lines after which it is divided into pieces.
        erasures: The records of what was erased.

    Raises:
        InvalidNameError: No log can have this name.
        IntegrityError: It is damaged, breaks a rule, or is another log.
        UnsupportedFormatError: A later version wrote it.
    """
    check_log_name(name)
    kind, _, rest = name.partition("/")
    head, at = _NOTHING, None if start else ""
    ends: list[Head] = []
    kept: list[bytes] | None = []
    size = 0
    is_redacted = False  # whether the last line is

    def noted() -> Iterator[tuple[int, bytes]]:
        nonlocal head, at, size, kept, is_redacted
        for number, line in chain.verified_lines(lines):
            if number > start:
                # A redacted line must not be the last, not even for a moment.
                if size and size + len(line) + 1 > PIECE_BYTES and not is_redacted:
                    ends.append(head)
                    size = 0
                size += len(line) + 1
                if kept is not None:
                    kept.append(line + b"\n")
                    kept = kept if size <= _KEPT_BYTES and not ends else None
            head = Head(number, chain.hash_of(line) or "")
            is_redacted = chain.is_redacted(line)
            if number == start:
                at = head.hash
            yield number, line

    if kind == "run":
        problems = run_problems(noted(), rest, _takes_any, DiskMap, erasures, start)
    else:
        problems = release_problems(noted(), rest, _takes_any, DiskMap)
    _require_right(name, problems)
    if not head.lines:
        raise IntegrityError.of(f"{name} has no lines", name)
    if is_redacted:  # it was redacted since its end was looked at, or it was cut
        raise changed(name)
    if size:
        ends.append(head)
    return Checked(head, at, ends, kept)


def _require_right(name: str, problems: Iterable[Problem]) -> None:
    try:
        for found in problems:
            if found.severity == DAMAGE:
                raise IntegrityError.of(
                    f"{name} line {found.line}: {found.problem}", f"{name} line {found.line}"
                )
    except StorageError as error:
        chain.name_error(name, error)
        raise


def _takes_any(digest: str) -> bool:  # noqa: ARG001 the copier looks for blobs
    return True


def _require_beginning(logs: LogDriver, name: str, source: Source, head: Head, own: Head) -> None:
    """Requires that a source that ends no later than the log here is a beginning of it."""
    if own.lines == head.lines:
        found = own.hash
    else:
        found = next((p.hash for _, p in logs.read(name) if p.lines == head.lines), "")
    if found != head.hash:
        raise DivergedError(name, parting(_read(logs, name), source()))


def _read(logs: LogDriver, name: str) -> Iterator[bytes]:
    return (line for line, _ in logs.read(name))


def _append(logs: LogDriver, name: str, source: Source, own: Head, ends: list[Head]) -> Head:
    """Appends the pieces of a source after the lines that are here.

    Raises:
        _MovedError: Somebody appended to the log first.
    """
    head = own
    numbered = _lines_after(name, source(), own.lines)
    for end in ends:
        piece: list[bytes] = []
        while head.lines + len(piece) < end.lines:
            piece.append(next(numbered))
        _require_piece(name, piece, head, end)
        is_last = end is ends[-1]
        logs.update(name, _after(head, piece), durable=is_last)
        head = end
    return head


def _lines_after(name: str, lines: Iterable[bytes], count: int) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        if number > count:
            yield line if line.endswith(b"\n") else line + b"\n"
    raise changed(name)


def _require_piece(name: str, piece: list[bytes], head: Head, end: Head) -> None:
    link = head.hash
    for line in piece:
        if not chain.follows(line[:-1], link):
            raise changed(name)
        link = chain.hash_of(line[:-1]) or ""
    if link != end.hash:
        raise changed(name)


def changed(name: str) -> IntegrityError:
    """Returns the error for a source that is not what it was when it was checked."""
    return IntegrityError.of(f"{name} was changed at its source while it was copied", name)


def _after(head: Head, piece: list[bytes]) -> Callable[[LogView | None], list[bytes]]:
    def decide(view: LogView | None) -> list[bytes]:
        last = "" if view is None else chain.hash_of(view.last)
        if last != head.hash:
            raise _MovedError
        return piece

    return decide
