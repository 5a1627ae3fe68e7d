r"""The chain of a log: lines of JSON, each ending in the hash that links it to the line before.

`hash` is the last member of every line: the SHA-256, in hexadecimal, of the previous line's `hash`
(64 characters; nothing on the first line) followed by this line's bytes before `,"hash"`. It is
both the checksum of the line and the link of the chain; the last line's hash is the log's head.

This module checks bytes and does no I/O. Lines are passed and returned without their newline,
unless a docstring says otherwise. A line is *linked* if its hash follows from the line before.

The content of a *redacted* line is gone, and only its hash was kept (`aivcs.log.redaction`): the
lines after it prove that hash, but the hash proves nothing of the lines before. A record of the
erasure does, which `verify_run` demands. A redacted line is never the first or the last of a log.
"""

from aivcs import errors
from aivcs.codec.json import MAX_DEPTH, parse
from aivcs.codec.sha256 import algorithm, hasher, hex_digest
from aivcs.errors import IntegrityError, SerializationError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

FORMAT = 1
"""The format number in a log's first line."""

REDACTED = b'{"type":"redacted","seq":'
"""The first bytes of a redacted line."""
_KEY = b',"hash":"'
_CLOSE = b'"}'
LINK_BYTES = len(_KEY) + 64 + len(_CLOSE)
"""Bytes of the hash member and the closing brace at the end of a line."""
_SECTOR = 512
"""Bytes of the smallest unit that storage writes: a hole begins and ends at a multiple."""
_KEY_PLACE = slice(-LINK_BYTES, -LINK_BYTES + len(_KEY))
_HASH_PLACE = slice(-64 - len(_CLOSE), -len(_CLOSE))
_HEX = b"0123456789abcdef"
_LINE_DEPTH = MAX_DEPTH + 2
"""Levels of nesting in a line: `MAX_DEPTH` for payload and tags, and at most two around them."""


def link(body: str, previous: str) -> "tuple[bytes, str]":
    """Links a line to the chain: returns its bytes, with the newline, and its hash.

    Args:
        body: The JSON object before `,"hash"`, without its closing brace.
        previous: The hash of the line before; empty for a first line.
    """
    data = body.encode()
    digest = hex_digest(previous.encode() + data)
    return b"".join((data, _KEY, digest.encode(), _CLOSE, b"\n")), digest


def link_all(bodies: "Iterable[bytes]", size: int, previous: str) -> "tuple[list[bytes], str]":
    """Links many lines as `link` does; returns them and the hash of the last.

    Args:
        bodies: The JSON object of each line before `,"hash"`, in UTF-8.
        size: The approximate number of bytes of all bodies.
        previous: The hash of the line before the first; empty if there is none.
    """
    digest = previous.encode()
    sha256 = algorithm(size)
    lines = []
    for body in bodies:
        digest = sha256(digest + body).hexdigest().encode()
        lines.append(b'%b,"hash":"%b"}\n' % (body, digest))
    return lines, digest.decode()


def link_each(bodies: "Iterable[bytes]", previous: str) -> "Iterator[bytes]":
    """Links many lines as `link_all` does; yields each when it is asked for."""
    digest = previous.encode()
    sha256 = algorithm(1 << 20)
    for body in bodies:
        digest = sha256(digest + body).hexdigest().encode()
        yield b'%b,"hash":"%b"}\n' % (body, digest)


def hash_of(line: bytes) -> "str | None":
    """Returns the hash at the end of a line, or None if the line does not end in one."""
    if not line.endswith(_CLOSE) or line[_KEY_PLACE] != _KEY:
        return None
    digest = line[_HASH_PLACE]
    # Deleting the digits tells at once whether there is anything else.
    return None if digest.translate(None, _HEX) else digest.decode()


def expected_hash(line: bytes, previous: str) -> str:
    """Returns the hash that a line should have after a line with the hash `previous`."""
    return hex_digest(previous.encode() + line[:-LINK_BYTES])


def is_linked(line: bytes, previous: str) -> bool:
    """Tells whether a line's hash is right after a line with the hash `previous`."""
    digest = expected_hash(line, previous).encode()
    return line[-LINK_BYTES:] == b"".join((_KEY, digest, _CLOSE))


def follows(line: bytes, previous: str) -> bool:
    """Tells whether a line is linked to a line with the hash `previous`, or redacted."""
    return is_linked(line, previous) or is_redacted(line)


def is_redacted(line: bytes) -> bool:
    """Tells whether a line is a redacted one, whose hash need not follow from its content."""
    return line.startswith(REDACTED) and hash_of(line) is not None


class Tail:
    """The end of a log.

    Attributes:
        last: The last linked line; empty if there is none.
        head: The hash of that line; empty if there is none.
        end: The offset in the file after that line's newline, or where the newline belongs.
        truncated: The bytes after `end` that an interrupted write left; they are to be cut.
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
        """Whether the end needs no repair."""
        return not self.truncated and not self.unterminated


def read_tail(block: bytes, start: int) -> "Tail | None":
    """Judges the end of a log after a possible crash.

    - A whole linked line that lacks only its newline is unterminated, if nothing or only NULs
      follow. If any other byte follows, the log is corrupt.
    - Other bytes after the last newline are truncated: an interrupted write left them.
    - Everything after the last linked line is truncated if it has holes: runs of NULs that a file
      system leaves of a write stopped by a power cut.
    - Any other line with a newline that is not linked is corruption.

    Args:
        block: The bytes of the file from the offset `start` to its end.
        start: The offset of the block in the file.

    Returns:
        The tail, or None if the block is too short to tell; then call again with a longer one.

    Raises:
        IntegrityError: The end of the log is corrupt; `where` is the offset of the bad line, to
            which the caller adds the file's name.
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
    """Whether the NULs in `rest` are holes of an interrupted write, all of them.

    A hole begins at the start of a line (the former end of the file) or of a sector, and ends at
    the end of a sector or of the file. A NUL anywhere else is damage.
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
    """The hash of the line that ends before `begin`; empty at the start of the file."""
    if not begin:
        return ""
    return hash_of(block[max(0, begin - 1 - LINK_BYTES) : begin - 1])


def _whole_line(rest: bytes, previous: str) -> int:
    """The length, without newline, of the linked line at the start of `rest`, or 0."""
    limit = rest.find(b"\n")
    limit = len(rest) if limit < 0 else limit
    hashed = hasher(limit, previous.encode())
    begin, at = 0, rest.find(_KEY)
    while 0 <= at <= limit - LINK_BYTES:
        hashed.update(rest[begin:at])
        stop = at + LINK_BYTES
        # A payload may contain bytes like the end of a line, so the line must be JSON as well.
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

    A redacted line passes, whatever its hash.

    Args:
        lines: The lines up to the end that `read_tail` found, with their newlines; only the last
            may lack its own. A single line does not tell whether it was truncated or damaged.
        previous: The hash of the line before the first one.
        number: The number of lines before the first one.

    Raises:
        IntegrityError: A line is not linked; `where` is the line's number, to which the caller
            adds the file's name.
    """
    for line in lines:
        number += 1
        text = line[:-1] if line.endswith(b"\n") else line
        stated = hash_of(text)
        actual = expected_hash(text, previous)
        if stated is None or (stated != actual and not text.startswith(REDACTED)):
            raise IntegrityError(stated, actual, str(number))
        yield number, text
        previous = stated


def members(line: bytes) -> "dict[str, Any]":
    """Returns the members of a linked line, with its `hash`.

    Raises:
        IntegrityError: The line is not a JSON object with a type.
        UnsupportedFormatError: The line names a later format.
    """
    try:
        entry = parse(line.decode(), max_depth=_LINE_DEPTH)
    except (SerializationError, UnicodeDecodeError) as error:
        raise IntegrityError.of(f"is not JSON: {error}") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise IntegrityError.of("is not an entry of a log")
    if entry.get("format", FORMAT) != FORMAT:
        raise errors.UnsupportedFormatError(
            f"log format {entry['format']!r} needs a newer aivcs; this one reads format {FORMAT}"
        )
    return entry


def require_name(found: object, wanted: "str | None") -> None:
    """Requires that an entry names its own log: another log copied over it has a whole chain, too.

    Raises:
        IntegrityError: `found` is not the wanted name.
    """
    if wanted is not None and found != wanted:
        raise IntegrityError.of(f"holds the log of {found!r}, not of {wanted!r}")


def integer(entry: "dict[str, Any]", key: str, low: int, high: int) -> int:
    """Returns a member that must be a whole number from `low` to `high`.

    Raises:
        KeyError: The entry has no such member.
        ValueError: The member is not a whole number, or out of bounds.
    """
    value = entry[key]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{key} is {value!r}")
    return value


class naming:  # noqa: N801 used like a function
    """A block that adds the log's name to errors of the rules, which know only lines.

    Raises:
        IntegrityError: As raised inside, with the log's name.
        UnsupportedFormatError: As raised inside, with the log's name.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        """Takes the log's name in messages, from `LogDriver.where`."""
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: "BaseException | None", trace: object) -> None:
        if isinstance(error, StorageError):
            name_error(self._where, error)


def name_error(where: str, error: StorageError) -> None:
    """Raises an error of the rules again with the log's name, if it lacks one and needs one."""
    if isinstance(error, IntegrityError) and (not error.where or error.where.isdigit()):
        if error.where:
            raise damaged_line(where, int(error.where), error.expected, error.actual) from error
        raise IntegrityError(error.expected, error.actual, where, f"{where} {error}") from error
    if isinstance(error, errors.UnsupportedFormatError) and not str(error).startswith(where):
        raise errors.UnsupportedFormatError(f"{where}: {error}") from error


def damaged_line(
    where: str, number: int, expected: "str | None", actual: "str | None"
) -> IntegrityError:
    """Returns the error for a line that breaks the chain.

    Args:
        where: The log's name in messages.
        number: The number of the line, from 1.
        expected: The hash in the line, or None.
        actual: The hash that the line should have.
    """
    where = f"{where} line {number}"
    return IntegrityError(
        expected,
        actual,
        where,
        f"{where} is damaged: its hash is {expected or 'missing'}, its content and the line "
        f"before it give {actual}; aivcs verify tells what can be done",
    )
