"""A view of one state of a log. Chunks never change, so no transaction is needed to keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError
from aivcs.log import chain
from aivcs.store.numbered import NumberedView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.store.driver import NumberOf

    Fetch = Callable[[int, int], list[tuple[int, bytes]]]


class Tail:
    """The end of a log, as one row tells it.

    Attributes:
        log: The log's number in the database.
        lines: The number of its lines.
        head: The hash of the last of them.
        last: The last line, without its newline.
        before: The hash of the line before; empty if there is none.
        first: The first line, where it was asked for; else empty.
    """

    __slots__ = ("before", "first", "head", "last", "lines", "log")

    def __init__(
        self, log: int, lines: int, prev: str | None, head: str, end: bytes, mark: int, first: bytes
    ) -> None:
        """Takes a row.

        Args:
            log: The log's number in the database.
            lines: The number of the last line.
            prev: The hash before the last chunk.
            head: The hash of the last line.
            end: The last line, after the last bytes of the line before, if it is in the chunk.
            mark: The length of the last line.
            first: The first line.
        """
        self.log = log
        self.lines = lines
        self.head = head
        self.last = end[-mark:-1]
        self.before = end[:64].decode("ascii", "replace") if len(end) > mark else prev or ""
        self.first = first[:-1]


class ChunkView:
    """A `LogView` of the lines up to a tail.

    Attributes:
        last: The last line.
        before: The hash of the line before.
    """

    def __init__(self, where: str, tail: Tail, forth: Fetch, back: Fetch) -> None:
        """Checks the last line.

        Args:
            where: The log's name in messages.
            tail: The end of the log.
            forth: Returns a few chunks of a log that go beyond a number of lines, in order.
            back: Returns a few chunks that end with the one that has a line, in order.

        Raises:
            IntegrityError: The last line, or several before it, break the chain; the error names
                the first of them.
        """
        self._where = where
        self._tail = tail
        self._forth = forth
        self._back = back
        self._known: tuple[int, list[bytes]] = (0, [])
        self._whole: list[tuple[int, bytes]] = []
        if not chain.is_linked(tail.last, tail.before) or chain.hash_of(tail.last) != tail.head:
            self._numbered()  # raises, and names the line
        self.last = tail.last
        self.before = tail.before

    def first(self) -> bytes:
        """As `LogView.first`."""
        line = self._tail.first
        if not line or not chain.is_linked(line, ""):
            line = self._line(1)[:-1]
        if not chain.is_linked(line, ""):
            actual = chain.expected_hash(line, "")
            raise chain.damaged_line(self._where, 1, chain.hash_of(line), actual)
        return line

    def back(self) -> Iterator[bytes]:
        """As `LogView.back`."""
        yield self.last
        if self._tail.lines > 1:
            lines = self._numbered().back()
            next(lines)
            yield from lines

    def forth(self) -> Iterator[bytes]:
        """As `LogView.forth`."""
        number = 0
        while number < self._tail.lines:
            chunks = self._whole or some(self._forth, self._where, self._tail.log, number)
            if not number and chunks[-1][0] + len(split(chunks[-1][1])) >= self._tail.lines:
                self._whole = chunks  # a short log is often read twice
            for after, data in chunks:
                for line in split(data)[number - after :]:
                    number += 1
                    yield line
                    if number == self._tail.lines:
                        return

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        """As `LogView.line`."""
        return self._numbered().line(number, number_of)

    def _numbered(self) -> NumberedView:
        return NumberedView(self._where, self._tail.lines, self._line)

    def _line(self, number: int) -> bytes:
        after, lines = self._known
        if not after < number <= after + len(lines):
            chunks = self._back(self._tail.log, number)
            after = chunks[0][0] if chunks else 0
            lines = [line for _, data in chunks for line in split(data)]
            self._known = after, lines
            if not after < number <= after + len(lines):
                raise IntegrityError.of(f"{self._where} lacks its line {number}", self._where)
        return lines[number - after - 1]


def some(forth: Fetch, where: str, log: int, number: int) -> list[tuple[int, bytes]]:
    """Returns a few chunks of a log that go beyond a number of lines, of which it has more.

    Raises:
        IntegrityError: It has no more: it was damaged, or removed meanwhile.
    """
    chunks = forth(log, number)
    if not chunks or not number < chunks[0][0] + len(split(chunks[0][1])):
        raise IntegrityError.of(f"{where} lacks its line {number + 1}", where)
    return chunks


def split(data: bytes) -> list[bytes]:
    r"""Returns the lines of a chunk, with their newlines; only `\n` ends a line."""
    lines = data.split(b"\n")
    lines.pop()
    return [line + b"\n" for line in lines]
