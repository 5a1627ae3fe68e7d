r"""A chained log: lines of JSON, each ending in the hash that links it to all before.

`hash` is the last member of every line: the SHA-256, in hexadecimal, of the previous line's `hash`
(64 characters; nothing on the first line) followed by this line's bytes before `,"hash"`. One value
is checksum of the line and link of the chain; the last line's is the log's head.

This module judges bytes and never moves any. A line is given and returned without its newline
unless a name says otherwise; "right" means that a line parses as a link of the chain.
"""

from aivcs import errors
from aivcs.codec.json import parse
from aivcs.codec.limits import MAX_DEPTH
from aivcs.codec.sha256 import algorithm, hasher, hex_digest
from aivcs.errors import IntegrityError, SerializationError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

FORMAT = 1
"""The format that a log's first line names."""

_KEY = b',"hash":"'
_CLOSE = b'"}'
LINK_BYTES = len(_KEY) + 64 + len(_CLOSE)
"""How many bytes the hash member and the closing brace take at the end of a line."""
_SECTOR = 512
"""Bytes that storage writes at once, at least: holes are made of whole ones."""
_HEX = frozenset(b"0123456789abcdef")
_LINE_DEPTH = MAX_DEPTH + 2
"""A line puts one level around a payload, two around tags; both may use all of `MAX_DEPTH`."""


def link(body: str, previous: str) -> "tuple[bytes, str]":
    """Closes a line: returns its bytes, with the newline, and its hash.

    Args:
        body: The JSON object up to, not including, `,"hash"`; so without its closing brace.
        previous: The hash of the line before, empty for a first line.
    """
    data = body.encode()
    digest = hex_digest(previous.encode() + data)
    return b"".join((data, _KEY, digest.encode(), _CLOSE, b"\n")), digest


def link_all(bodies: "Iterable[bytes]", size: int, previous: str) -> "tuple[list[bytes], str]":
    """Closes many lines as `link` does; returns them, and the hash of the last.

    Args:
        bodies: As for `link`, in UTF-8.
        size: About how many bytes they have together.
        previous: The hash of the line before the first.
    """
    digest = previous.encode()
    sha256 = algorithm(size)
    lines = []
    for body in bodies:
        digest = sha256(digest + body).hexdigest().encode()
        lines.append(b'%b,"hash":"%b"}\n' % (body, digest))
    return lines, digest.decode()


def hash_of(line: bytes) -> "str | None":
    """Returns the hash a line bears, or None if it bears none where it should."""
    if not line.endswith(_CLOSE) or line[-LINK_BYTES : -LINK_BYTES + len(_KEY)] != _KEY:
        return None
    digest = line[-64 - len(_CLOSE) : -len(_CLOSE)]
    return digest.decode() if _HEX.issuperset(digest) else None


def expected_hash(line: bytes, previous: str) -> str:
    """Returns the hash that a line should bear behind a line with the hash `previous`."""
    return hex_digest(previous.encode() + line[:-LINK_BYTES])


def is_linked(line: bytes, previous: str) -> bool:
    """Tells whether a line is the link that follows a line with the hash `previous`."""
    digest = expected_hash(line, previous).encode()
    return line[-LINK_BYTES:] == b"".join((_KEY, digest, _CLOSE))


class Tail:
    """What stands at the end of a log.

    Attributes:
        last: The last right line, empty if there is none.
        head: Its hash, empty if there is none.
        end: Offset in the file just behind its newline, or behind where that should be.
        truncated: The bytes behind `end` that an interrupted write left; they are to be cut.
        unterminated: Whether the last line lacks its newline, which is to be written at `end` once
            `truncated` is cut.
        before: The hash of the line before the last, empty if there is none.
    """

    __slots__ = ("before", "end", "head", "last", "truncated", "unterminated")

    def __init__(
        self,
        last: bytes,
        end: int,
        truncated: bytes,
        *,
        unterminated: bool = False,
        before: str = "",
    ) -> None:
        self.last = last
        self.before = before
        self.head = (hash_of(last) or "") if last else ""
        self.end = end
        self.truncated = truncated
        self.unterminated = unterminated

    @property
    def is_clean(self) -> bool:
        """Nothing is to be repaired."""
        return not self.truncated and not self.unterminated


def read_tail(block: bytes, start: int) -> "Tail | None":
    """Judges the end of a log.

    The rule: a whole right line that lacks only its newline, followed by nothing or by NULs alone,
    gets its newline; the same followed by any other byte is corruption; other bytes behind the last
    newline are torn, and so is everything behind the last right line if it has holes, NULs as file
    systems leave them of a write that a power cut stopped; any other line with its newline that is
    not right is corruption.

    Args:
        block: The bytes of the file from the offset `start` to its end.
        start: Where the block begins.

    Returns:
        The tail, or None if the block begins too late to tell; then give a longer one.

    Raises:
        IntegrityError: The end of the log is corrupt; `where` is the offset in the file at which
            the bad line begins, which the caller completes with the file's name.
    """
    end = block.rfind(b"\n") + 1
    previous: str | None = ""
    while end:
        begin = block.rfind(b"\n", 0, end - 1) + 1
        if start and begin < LINK_BYTES + 1:
            return None
        previous = _hash_before(block, begin)
        if previous is not None and is_linked(block[begin : end - 1], previous):
            break
        end = begin
    else:
        if start:
            return None
    last = block[begin : end - 1] if end else b""
    before = previous or "" if end else ""
    rest = block[end:]
    if not rest:
        return Tail(last, start + end, b"", before=before)
    head = (hash_of(last) or "") if last else ""
    whole = _whole_line(rest, head)
    if whole:
        after = rest[whole:]
        if not after.strip(b"\0"):
            return Tail(rest[:whole], start + end + whole, after, unterminated=True, before=head)
    elif b"\n" not in rest or _is_holed(rest, start + end):
        return Tail(last, start + end, rest, before=before)
    bad = rest.split(b"\n", 1)[0]
    raise IntegrityError(hash_of(bad), expected_hash(bad, head), str(start + end))


def _is_holed(rest: bytes, offset: int) -> bool:
    """Whether `rest` has NULs where a file system leaves them of a write that was cut short.

    A hole begins where the file ended before, which is where a line begins, or where a sector
    begins, and it ends where a sector or the file ends. A NUL anywhere else was put there later.
    """
    at = rest.find(b"\0")
    if at < 0:
        return False
    while at >= 0:
        stop = len(rest) - len(rest[at:].lstrip(b"\0"))
        begins = at == 0 or rest[at - 1 : at] == b"\n" or (offset + at) % _SECTOR == 0
        ends = stop == len(rest) or (offset + stop) % _SECTOR == 0
        if not (begins and ends):
            return False
        at = rest.find(b"\0", stop)
    return True


def _hash_before(block: bytes, begin: int) -> "str | None":
    """The hash of the line that ends just before `begin`; empty at the start of the file."""
    if not begin:
        return ""
    return hash_of(block[max(0, begin - 1 - LINK_BYTES) : begin - 1])


def _whole_line(rest: bytes, previous: str) -> int:
    """The length, newline excluded, of the right line that `rest` begins with; 0 without one."""
    limit = rest.find(b"\n")
    limit = len(rest) if limit < 0 else limit
    hashed = hasher(limit, previous.encode())
    begin, at = 0, rest.find(_KEY)
    while 0 <= at <= limit - LINK_BYTES:
        hashed.update(rest[begin:at])
        stop = at + LINK_BYTES
        # A payload may contain what looks like the end of its line, so it must be JSON as well.
        if hash_of(rest[:stop]) == hashed.copy().hexdigest() and _is_json(rest[:stop]):
            return stop
        begin, at = at, rest.find(_KEY, at + 1)
    return 0


def _is_json(line: bytes) -> bool:
    try:
        parse(line.decode(), max_depth=_LINE_DEPTH)
    except (SerializationError, UnicodeDecodeError):
        return False
    return True


def verified_lines(
    lines: "Iterable[bytes]", previous: str = "", number: int = 0
) -> "Iterator[tuple[int, bytes]]":
    """Yields number and bytes of each line of a log, in order, each checked against the chain.

    Args:
        lines: The lines up to where `read_tail` says that the log ends, newlines included; the last
            one may lack its own. Whether a line is torn cannot be told from the line alone: one in
            the middle that damage put a NUL into is not.
        previous: The hash of the line before the first one.
        number: How many lines stand before the first one.

    Raises:
        IntegrityError: A line is not right; `where` is the line's number, which the caller
            completes with the file's name.
    """
    for line in lines:
        number += 1
        text = line[:-1] if line.endswith(b"\n") else line
        stated = hash_of(text)
        actual = expected_hash(text, previous)
        if stated is None or stated != actual:
            raise IntegrityError(stated, actual, str(number))
        yield number, text
        previous = stated


def members(line: bytes) -> "dict[str, Any]":
    """Returns the members of a right line, its `hash` included.

    Raises:
        IntegrityError: Its hash may be right, but it is no JSON object with a type.
        UnsupportedFormatError: It says that it is of a later format.
    """
    try:
        entry = parse(line.decode(), max_depth=_LINE_DEPTH)
    except (SerializationError, UnicodeDecodeError) as error:
        raise IntegrityError.of(f"is not JSON: {error}") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise IntegrityError.of("is no entry of a log")
    if entry.get("format", FORMAT) != FORMAT:
        raise errors.UnsupportedFormatError(
            f"format {entry['format']!r} of a log needs a newer aivcs; this one reads {FORMAT}"
        )
    return entry


def require_name(found: object, wanted: "str | None") -> None:
    """Refuses an entry of another log: a log that was copied over this one is whole, but not this.

    Raises:
        IntegrityError: `found` is not the name that is wanted.
    """
    if wanted is not None and found != wanted:
        raise IntegrityError.of(f"holds the log of {found!r}, not of {wanted!r}")


def integer(entry: "dict[str, Any]", key: str, low: int, high: int) -> int:
    """Returns a member that must be a whole number within bounds.

    Raises:
        KeyError: There is none.
        ValueError: It is something else.
    """
    value = entry[key]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{key} is {value!r}")
    return value


class naming:  # noqa: N801 used like a function
    """A block in which errors of the rules, which know lines but not of what, get the log's name.

    Raises:
        IntegrityError: As it was raised, now saying where.
        UnsupportedFormatError: Likewise.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        """Takes what messages call the log, as `LogDriver.where` says."""
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: "BaseException | None", trace: object) -> None:
        if isinstance(error, StorageError):
            name_error(self._where, error)


def name_error(where: str, error: StorageError) -> None:
    """Raises an error of the rules again with the log's name, unless it has one or needs none."""
    if isinstance(error, IntegrityError) and (not error.where or error.where.isdigit()):
        if error.where:
            raise damaged_line(where, int(error.where), error.expected, error.actual) from error
        raise IntegrityError(error.expected, error.actual, where, f"{where} {error}") from error
    if isinstance(error, errors.UnsupportedFormatError) and not str(error).startswith(where):
        raise errors.UnsupportedFormatError(f"{where}: {error}") from error


def damaged_line(
    where: str, number: int, expected: "str | None", actual: "str | None"
) -> IntegrityError:
    """Returns the error for a line that is not the link of the chain that it should be.

    Args:
        where: What messages call the log.
        number: Of the line, from 1.
        expected: The hash that it bears, if it bears one.
        actual: The hash that it should bear.
    """
    where = f"{where} line {number}"
    return IntegrityError(
        expected,
        actual,
        where,
        f"{where} is damaged: its hash is {expected or 'missing'}, its content and the line "
        f"before it give {actual}; aivcs verify tells what can be done",
    )
