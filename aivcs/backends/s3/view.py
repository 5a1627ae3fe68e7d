"""Views of a log in chunks: at its listed end, and at an end that is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError
from aivcs.log import chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.s3.chunks import Chunk, Chunks
    from aivcs.store.driver import NumberOf

_KEPT = 4
"""Chunks that a view keeps in memory, beside the last."""


class ChunkView:
    """A `LogView` of the lines up to the end of a chunk.

    Attributes:
        last: The last line.
        before: The hash of the line before the last.
        count: The number of lines.
    """

    def __init__(self, chunks: Chunks, log: str, tail: Chunk) -> None:
        """Checks the last line.

        Raises:
            IntegrityError: The last line, or several before it, break the chain; the error names
                the first of them.
        """
        self._chunks = chunks
        self._log = log
        self._tail = tail
        self._numbers: list[int] = []
        self._kept: dict[int, Chunk] = {}
        self._joined: list[bytes] = []
        self.count = tail.end
        self.last, self.before = tail.tail
        if not (tail.lines[-1].endswith(b"\n") and chain.is_linked(self.last, self.before)):
            raise self._first_break()

    def first(self) -> bytes:
        """As `LogView.first`."""
        line = self._tail.lines[0] if self._tail.number == 1 else self._first_line()
        return self._checked(1, line, "")

    def back(self) -> Iterator[bytes]:
        """As `LogView.back`."""
        for chunk in self._descending():
            for at in range(len(chunk.lines) - 1, -1, -1):
                yield self._checked(chunk.number + at, chunk.lines[at], _before(chunk, at))

    def forth(self) -> Iterator[bytes]:
        """As `LogView.forth`."""
        numbers = self._listed()
        return lines_of(self._log, map(self._chunk, numbers))

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        """As `LogView.line`."""
        from bisect import bisect_right

        if not 0 < number <= self.count:
            return None
        if number >= self._tail.number:
            chunk = self._tail
        else:
            numbers = self._listed()
            chunk = self._chunk(numbers[bisect_right(numbers, number) - 1])
        at = number - chunk.number
        if at >= len(chunk.lines):
            return None
        line = self._checked(number, chunk.lines[at], _before(chunk, at))
        return line if number_of(line) == number else None

    def _first_line(self) -> bytes:
        chunk = self._chunks.get(self._log, 1)
        if chunk is None or not chunk.lines:
            raise IntegrityError.of(f"{self._log} has no first line", self._log)
        return chunk.lines[0]

    def _descending(self) -> Iterator[Chunk]:
        yield self._tail
        if self._tail.number > 1:
            for number in reversed(self._listed()[:-1]):
                yield self._chunk(number)

    def _listed(self) -> list[int]:
        if not self._numbers:
            tail = self._tail.number
            if tail > 1:
                for number, _ in self._chunks.listed(self._log):
                    if number >= tail:
                        break
                    self._numbers.append(number)
            self._numbers.append(tail)
        return self._numbers

    def _chunk(self, number: int) -> Chunk:
        """A chunk, filled from the joined log if it was emptied."""
        if number == self._tail.number:
            return self._tail
        found = self._kept.get(number)
        if found is None:
            found = self._chunks.get(self._log, number)
            if found is None:
                raise IntegrityError.of(
                    f"{self._log} has lost the lines from {number} on", self._log
                )
            if not found.lines:
                found = self._filled(found)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[number] = found
        return found

    def _filled(self, chunk: Chunk) -> Chunk:
        """An emptied chunk with its lines, from the joined log."""
        if not self._joined:
            self._joined = self._chunks.joined(self._log)
        numbers = self._listed()
        end = numbers[numbers.index(chunk.number) + 1] - 1
        return chunk._replace(lines=self._joined[chunk.number - 1 : end])

    def _checked(self, number: int, line: bytes, before: str) -> bytes:
        text = line.rstrip(b"\n")
        if not (line.endswith(b"\n") and chain.follows(text, before)):
            actual = chain.expected_hash(text, before)
            raise chain.damaged_line(self._log, number, chain.hash_of(text), actual)
        return text

    def _first_break(self) -> IntegrityError:
        """The error of the first of the broken lines at the end."""
        error = IntegrityError.of("damaged")
        number = self.count
        for chunk in self._descending():
            for at in range(len(chunk.lines) - 1, -1, -1):
                number = chunk.number + at
                try:
                    self._checked(number, chunk.lines[at], _before(chunk, at))
                except IntegrityError as found:
                    error = found
                else:
                    return error
        return error


class RememberedView:
    """A `LogView` of an end that is remembered; everything else is read when it is asked for.

    Lines made after it are stored only if it is the end still. Anything else that is decided by it
    must be decided again by a `ChunkView`: it may be stale.
    """

    def __init__(
        self, count: int, last: bytes, before: str, chunks: Chunks, log: str,
        look: Callable[[], ChunkView | None],
    ) -> None:  # fmt: skip
        """Takes the end, and what looks at the log."""
        self.count = count
        self.last = last
        self.before = before
        self._chunks = chunks
        self._log = log
        self._look = look
        self._whole: ChunkView | None = None
        self._first = b""

    def first(self) -> bytes:
        """As `LogView.first`; one request."""
        if not self._first:
            chunk = self._chunks.get(self._log, 1)
            line = chunk.lines[0].rstrip(b"\n") if chunk is not None and chunk.lines else b""
            self._first = line if chain.is_linked(line, "") else self._view().first()
        return self._first

    def back(self) -> Iterator[bytes]:
        """As `LogView.back`."""
        return self._view().back()

    def forth(self) -> Iterator[bytes]:
        """As `LogView.forth`."""
        return self._view().forth()

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        """As `LogView.line`."""
        return self._view().line(number, number_of)

    def _view(self) -> ChunkView:
        if self._whole is None:
            self._whole = self._look()
        if self._whole is None:
            raise IntegrityError.of(f"{self._log} is gone", self._log)
        return self._whole


def lines_of(log: str, chunks: Iterator[Chunk], after: int = 0) -> Iterator[bytes]:
    """Yields the lines of chunks, each with its newline, from the line after a number on.

    Raises:
        IntegrityError: A chunk does not begin where the one before it ends.
    """
    for chunk in chunks:
        if chunk.number > after + 1:
            raise IntegrityError.of(f"{log} has lost its line {after + 1}", log)
        skip = after + 1 - chunk.number
        yield from chunk.lines[skip:]
        after = max(after, chunk.end)


def _before(chunk: Chunk, at: int) -> str:
    """The hash of the line before one of a chunk."""
    return (chain.hash_of(chunk.lines[at - 1][:-1]) or "") if at else chunk.before
