"""Bytes into records, as they come: JSON Lines, an array, or the members of one object.

Bounded memory: no more than one record is held (`MAX_RECORD` bytes), however long the source is.

A line that is not JSON is a record too (`Unreadable`), so nothing is lost and the next line counts.
In an array or an object there is no such second chance: where brackets do not match, that is an
error which names the line.

An unfinished end is held back: a session that is being written ends in the middle of a line.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aivcs.codec.json_bulk import parse_quickly
from aivcs.errors import SerializationError
from aivcs.formats.errors import FormatError
from aivcs.formats.values import DEPTH, EXCERPT, parse_value

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_RECORD = 16 << 20
"""Bytes of one record, at most; of a longer line only its beginning and its hash are kept."""

_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


class Unreadable(NamedTuple):
    """A record that is not JSON.

    Attributes:
        reason: Why not.
        text: The record, or how it begins if it is longer than `MAX_RECORD`.
        size: Its bytes.
        sha256: The hash of its bytes, in hexadecimal.
    """

    reason: str
    text: str
    size: int
    sha256: str


class Record(NamedTuple):
    """One record of a source.

    Attributes:
        line: The number of the line it begins on, from 1.
        name: The member of the root object that it is, or is an element of; else empty.
        value: Its value, or an `Unreadable`.
    """

    line: int
    name: str
    value: Any


class Decoder(Protocol):
    """Turns bytes into records."""

    @property
    def pending(self) -> int:
        """Bytes of a record that is not complete yet."""
        ...

    def feed(self, data: bytes) -> list[Record]:
        """Takes the bytes that come next; returns the records that are complete now."""
        ...

    def close(self, *, final: bool) -> list[Record]:
        """Takes the end of the bytes; where it is final, an unfinished record is one, too."""
        ...


class Lines:
    """Decodes JSON Lines. Blank lines are not records."""

    def __init__(self) -> None:
        """Begins before the first line."""
        self._carry = bytearray()
        self._number = 1
        self._long: _LongLine | None = None

    @property
    def pending(self) -> int:
        """Bytes of the last line, which has no end yet."""
        return self._long.size if self._long else len(self._carry)

    def feed(self, data: bytes) -> list[Record]:
        """Takes the bytes that come next; returns the records of the lines that ended."""
        records: list[Record] = []
        first, *rest = data.split(b"\n")
        self._extend(first)
        for piece in rest:
            self._end_line(records)
            self._extend(piece)
        return records

    def close(self, *, final: bool) -> list[Record]:
        """Takes the end of the bytes; returns the last line if it is complete, or this is final.

        A line without its end is complete if it is an object: no beginning of one is one.
        """
        records: list[Record] = []
        is_object = self._carry.strip(_SPACE)[:1] == b"{"
        if final:
            self._end_line(records)
        elif is_object and not self._long:
            record = _decode(bytes(self._carry), self._number, "")
            if record is not None and not isinstance(record.value, Unreadable):
                records.append(record)
                self._carry.clear()
        return records

    def _extend(self, piece: bytes) -> None:
        if self._long:
            self._long.extend(piece)
        elif len(self._carry) + len(piece) > MAX_RECORD:
            self._long = _LongLine(bytes(self._carry))
            self._long.extend(piece)
            self._carry.clear()
        else:
            self._carry += piece

    def _end_line(self, records: list[Record]) -> None:
        if self._long:
            records.append(Record(self._number, "", self._long.end()))
            self._long = None
        else:
            record = _decode(bytes(self._carry), self._number, "")
            if record is not None:
                records.append(record)
            self._carry.clear()
        self._number += 1


class _LongLine:
    """A line that is too long to be held."""

    def __init__(self, begun: bytes) -> None:
        self._begins = begun[: 4 * EXCERPT]
        self._hash = sha256(begun)
        self.size = len(begun)

    def extend(self, piece: bytes) -> None:
        self._begins += piece[: max(0, 4 * EXCERPT - len(self._begins))]
        self._hash.update(piece)
        self.size += len(piece)

    def end(self) -> Unreadable:
        return Unreadable(
            f"longer than {MAX_RECORD >> 20} MiB",
            self._begins.decode("utf-8", "backslashreplace"),
            self.size,
            self._hash.hexdigest(),
        )


_TEXT = rb'"[^"\\]*(?:\\[\s\S][^"\\]*)*"|"'
"""A text, or the quotation mark of one that does not end here."""
_SHALLOW = re.compile(_TEXT + rb"|[{}\[\],]")
_DEEP = re.compile(_TEXT + rb"|[{}\[\]]")
_DOCUMENT, _MEMBER, _ELEMENT = range(3)


class Documents:
    """Decodes JSON values one after the other, however they are laid out.

    The elements of an array are a record each. So are the members of an object if some are named;
    of a named member each element is. Any other value is one record.
    """

    def __init__(self, streamed: Collection[str] = (), *, members: bool = False) -> None:
        """Begins before the first value.

        Args:
            streamed: Members of the root object whose elements are records.
            members: Whether each member of a root object is a record, even if none is streamed.
        """
        self._streamed = frozenset(streamed)
        self._members = members or bool(streamed)
        self._buffer = bytearray()
        self._at = 0  # where in the buffer scanning goes on
        self._line = 1  # of the buffer's beginning
        self._depth = 0
        self._item = _DOCUMENT
        self._name = ""  # of the member whose elements are records
        self._is_list = False  # the root value
        self._after_list = False  # a streamed member ended, its comma did not come yet
        self._error: FormatError | None = None  # found after records that were to be returned

    @property
    def pending(self) -> int:
        """Bytes of a record that is not complete yet, or of a value whose end did not come."""
        return len(self._buffer.strip(_SPACE)) or int(self._depth > 0)

    @property
    def pending_name(self) -> str:
        """The name of the member of the root object that is not complete yet, or empty."""
        if self._item != _MEMBER or self._is_list:
            return ""
        begins = bytes(self._buffer[:EXCERPT]).split(b":", 1)
        return _name(begins[0] + b":") if len(begins) == 2 else ""

    def feed(self, data: bytes) -> list[Record]:
        """Takes the bytes that come next; returns the records that are complete now.

        Raises:
            FormatError: Brackets do not match, or a record is longer than `MAX_RECORD`; records
                that came before are returned first, and the error with the next call.
        """
        if self._error:
            raise self._error
        self._buffer += data
        records: list[Record] = []
        try:
            while (token := self._next()) is not None:
                self._step(token, records)
            if len(self._buffer) > MAX_RECORD:
                raise FormatError(
                    f"line {self._line}: a record is longer than {MAX_RECORD >> 20} MiB"
                )
        except FormatError as error:
            self._error = error
            if not records:
                raise
        return records

    def close(self, *, final: bool) -> list[Record]:
        """Takes the end of the bytes.

        Raises:
            FormatError: It is final, and a value is not complete; or as `feed`.
        """
        if self._error:
            raise self._error
        if final and self.pending:
            self._at = len(self._buffer)
            raise FormatError(
                f"line {self._here()}: the source ends in the middle of a value; was it cut?"
            )
        return []

    def _next(self) -> int | None:
        """The next bracket or comma that counts; None where more bytes are needed."""
        buffer = self._buffer
        search = (_SHALLOW if self._depth <= 2 else _DEEP).search
        while (found := search(buffer, self._at)) is not None:
            begin, end = found.span()
            token = buffer[begin]
            if token == 0x22 and end == begin + 1:  # a text that goes on in the next bytes
                self._at = begin
                return None
            self._at = end
            if token != 0x22:
                return token
        self._at = len(buffer)
        return None

    def _step(self, token: int, records: list[Record]) -> None:
        if token in b"{[":
            self._depth += 1
            self._enter(token)
        elif token in b"}]":
            if not self._depth:
                raise FormatError(f"line {self._here()}: a closing bracket too many")
            self._depth -= 1
            self._leave(records)
        elif self._depth == self._item and self._item:
            self._take(records, 1)

    def _enter(self, token: int) -> None:
        """An object or a list begins; its beginning counts if its members are records."""
        if self._depth == 1 and self._item == _DOCUMENT:
            self._is_list = token == 0x5B
            if self._is_list or self._members:
                self._drop("before its first value")
                self._item = _MEMBER
        elif self._depth == 2 and self._item == _MEMBER and token == 0x5B and not self._is_list:
            name = _name(bytes(self._buffer[: self._at - 1]))
            if name in self._streamed:
                self._cut(self._at)
                self._item, self._name = _ELEMENT, name

    def _leave(self, records: list[Record]) -> None:
        """An object or a list ended."""
        if self._item == _DOCUMENT:
            if self._depth == 0:
                self._take(records, 0)
        elif self._depth < self._item:
            self._take(records, 1)
            if self._item == _ELEMENT:
                self._item, self._name, self._after_list = _MEMBER, "", True
            else:
                self._item = _DOCUMENT

    def _take(self, records: list[Record], less: int) -> None:
        """A record ends here, `less` bytes before the place where scanning goes on."""
        text = bytes(self._buffer[: self._at - less])
        line = self._line + text[: len(text) - len(text.lstrip(_SPACE))].count(b"\n")
        self._cut(self._at)
        is_rest, self._after_list = self._after_list, False
        if is_rest and not text.strip(_SPACE):
            return
        if self._item == _MEMBER and not self._is_list:
            record = _decode(b"{" + text + b"}", line, "") if text.strip(_SPACE) else None
            if record and isinstance(record.value, dict):
                for name, value in record.value.items():
                    records.append(Record(line, name, value))
                return
        else:
            record = _decode(text, line, self._name)
        if record is not None:
            records.append(record)

    def _drop(self, where: str) -> None:
        text = bytes(self._buffer[: self._at - 1]).strip(_SPACE)
        if text and text != _BOM:
            raise FormatError(
                f"line {self._here()}: {text[:40].decode('utf-8', 'replace')!a} stands {where}"
            )
        self._cut(self._at)

    def _cut(self, end: int) -> None:
        self._line += self._buffer.count(b"\n", 0, end)
        del self._buffer[:end]
        self._at = 0

    def _here(self) -> int:
        return self._line + self._buffer.count(b"\n", 0, self._at)


class LinesOrDocuments:
    """Decodes JSON Lines, or else an array or values over several lines, by how the source begins.

    It is lines if the first line is a value by itself.
    """

    def __init__(self, streamed: Collection[str] = (), *, only_arrays: bool = False) -> None:
        """Begins before the first byte.

        Args:
            streamed: As for `Documents`, of a value over several lines.
            only_arrays: Whether anything but an array is lines, even if the first is not JSON.
        """
        self._streamed = streamed
        self._begun = bytearray()
        self._only_arrays = only_arrays
        self._chosen: Decoder | None = None

    @property
    def pending(self) -> int:
        """Bytes of a record that is not complete yet."""
        return self._chosen.pending if self._chosen else len(self._begun)

    def feed(self, data: bytes) -> list[Record]:
        """Takes the bytes that come next; returns the records that are complete now."""
        if self._chosen is None:
            self._begun += data
            if b"\n" in data or len(self._begun) < 1024 or len(self._begun) > MAX_RECORD:
                self._chosen = self._choose(is_end=False)
            if self._chosen is None:
                return []
            data, self._begun = bytes(self._begun), bytearray()
        return self._chosen.feed(data)

    def close(self, *, final: bool) -> list[Record]:
        """Takes the end of the bytes."""
        records: list[Record] = []
        if self._chosen is None:
            self._chosen = self._choose(is_end=True) or Lines()
            records = self._chosen.feed(bytes(self._begun))
        return records + self._chosen.close(final=final)

    def _choose(self, *, is_end: bool) -> Decoder | None:
        text = bytes(self._begun).removeprefix(_BOM).lstrip(_SPACE)
        if not text:
            return None
        if text[:1] == b"[":
            return Documents()
        if self._only_arrays or text[:1] != b"{":
            return Lines()
        line, newline, _ = text.partition(b"\n")
        if not newline and not is_end and len(text) <= MAX_RECORD:
            return None
        record = _decode(line, 1, "")
        if record and isinstance(record.value, Unreadable) and newline:
            return Documents(self._streamed)
        return Lines()


def _name(text: bytes) -> str:
    """The name of a member, of which the text is all that stands before its value."""
    try:
        return next(iter(parse_value("{" + text.decode() + "0}")), "")
    except (SerializationError, UnicodeDecodeError, TypeError):
        return ""


def _decode(data: bytes, line: int, name: str) -> Record | None:
    """A record of some bytes; None if they are blank."""
    data = data.strip(_SPACE)
    if line == 1:
        data = data.removeprefix(_BOM)
    if not data:
        return None
    try:
        return Record(line, name, parse_quickly(data, max_depth=DEPTH))
    except ValueError:
        pass  # it may have to be changed to be stored
    try:
        return Record(line, name, parse_value(data.decode()))
    except SerializationError as error:
        reason = str(error)
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: byte {error.start + 1} is 0x{data[error.start]:02x}"
    text = data.decode("utf-8", "backslashreplace")
    return Record(line, name, Unreadable(reason, text, len(data), sha256(data).hexdigest()))
