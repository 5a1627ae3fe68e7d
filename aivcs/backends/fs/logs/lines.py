"""Reading the lines of an open log file, from both ends and from the middle.

All reads give their offset, so the offset of a descriptor shared with a writer does not change.
"""

import os

from aivcs.errors import IntegrityError
from aivcs.log import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.store.driver import NumberOf

_FIRST_LOOK = 1 << 13
"""Bytes of the first read where few lines are wanted."""
_CHUNK = 1 << 18
"""Bytes of one read where many lines are wanted."""


class LogLines:
    """The lines of an open log.

    All methods raise `OSError` if the file cannot be read, and `IntegrityError`, naming file and
    line, if a line does not continue the chain.
    """

    __slots__ = ("_fd", "_name")

    def __init__(self, fd: int, name: str) -> None:
        """Reads from a descriptor, which the caller closes.

        Args:
            fd: The open log.
            name: Its path below the store, for messages.
        """
        self._fd = fd
        self._name = name

    def read_tail(self) -> chain.Tail:
        """Returns the end of the log, as `chain.read_tail` judges it."""
        end = self.size()
        length = _FIRST_LOOK
        while True:
            start = max(0, end - length)
            block = self._read(start, end)
            try:
                tail = chain.read_tail(block, start)
            except IntegrityError as error:
                raise self._at_line(int(error.where), error) from error
            if tail is not None:
                return tail
            length *= 8

    def size(self) -> int:
        """Returns the bytes of the file."""
        return os.fstat(self._fd).st_size

    def first(self) -> bytes:
        """Returns the first line."""
        line, _ = self._line_at(0, self.size())
        if not chain.is_linked(line, ""):
            raise self._damaged_at(0)
        return line

    def forwards(
        self, end: int, start: int = 0, previous: str = "", number: int = 0
    ) -> "Iterator[bytes]":
        """Yields the lines before an offset, first to last, each checked.

        Args:
            end: The offset.
            start: The offset of the first line.
            previous: The hash of the line before it.
            number: How many lines there are before it.
        """
        try:
            for _, line in chain.verified_lines(self.between(start, end), previous, number):
                yield line
        except IntegrityError as error:
            raise chain.damaged_line(
                self._name, int(error.where), error.expected, error.actual
            ) from error

    def between(self, start: int, end: int) -> "Iterator[bytes]":
        """Yields the lines from one offset to another with their newlines, unchecked.

        Bytes after `end` are never read: a writer may be cutting or replacing them. The last line
        may lack its newline.
        """
        offset = start
        begun: list[bytes] = []  # the pieces of a line whose end is not read yet
        while chunk := os.pread(self._fd, min(_CHUNK, end - offset), offset):
            offset += len(chunk)
            at = chunk.rfind(b"\n") + 1
            if at:
                for line in b"".join([*begun, chunk[: at - 1]]).split(b"\n"):
                    yield line + b"\n"
                begun = []
            if at < len(chunk):
                begun.append(chunk[at:])
        if begun:
            yield b"".join(begun)

    def backwards(self, end: int) -> "Iterator[bytes]":
        """Yields the lines before an offset, last to first, each checked."""
        length = _FIRST_LOOK
        block, start = b"", end
        while True:
            # Every line in the block but the first has the line before it, to be checked against.
            stop = len(block)
            while stop:
                begin = block.rfind(b"\n", 0, stop - 1) + 1
                if start and begin < chain.LINK_BYTES + 1:
                    break
                line = block[begin : stop - 1]
                previous = (
                    chain.hash_of(block[max(0, begin - 1 - chain.LINK_BYTES) : begin - 1])
                    if begin
                    else ""
                )
                if previous is None or not chain.follows(line, previous):
                    raise self._damaged_at(start + begin)
                yield line
                stop = begin
            if not start:
                return
            more = min(length, start)
            block = self._read(start - more, start) + block[:stop]
            if start == end and not block.endswith(b"\n"):
                block += b"\n"  # a whole last line may lack its newline
            start -= more
            length = min(length * 4, _CHUNK)

    def find_numbered(self, seq: int, number_of: "NumberOf", end: int) -> "bytes | None":
        """Returns the line with a seq from a log whose lines have ascending seqs, or None.

        A binary search: it reads O(log n) blocks.

        Args:
            seq: The seq to find.
            number_of: Returns the seq of a line.
            end: The offset of the end of the log.
        """
        # The line begins at or after low, which is the start of a line, and before high.
        low, high = 0, end
        while low < high:
            middle = (low + high) // 2
            begin = self._line_start(middle, high) if middle > low else low
            if begin >= high:
                high = middle
                continue
            line, following = self._line_at(begin, end)
            found = number_of(line)
            if found < seq:
                low = following
            elif found > seq:
                high = middle
            else:
                if not chain.is_linked(line, self._hash_before(begin)):
                    raise self._damaged_at(begin)
                return line
        return None

    def _line_start(self, offset: int, end: int) -> int:
        """Returns where the first line at or after `offset` begins; `end` if none does."""
        offset -= 1
        while offset < end:
            block = os.pread(self._fd, _FIRST_LOOK, offset)
            at = block.find(b"\n")
            if at >= 0:
                return min(offset + at + 1, end)
            if not block:
                return end
            offset += len(block)
        return end

    def _line_at(self, begin: int, end: int) -> "tuple[bytes, int]":
        """Returns the line at an offset, and the offset of the next one."""
        length = _FIRST_LOOK
        while True:
            block = os.pread(self._fd, min(length, end - begin), begin)
            at = block.find(b"\n")
            if at >= 0:
                return block[:at], begin + at + 1
            if begin + len(block) >= end or len(block) < length:
                return block, begin + len(block) + 1
            length *= 8

    def _read(self, start: int, end: int) -> bytes:
        block = os.pread(self._fd, end - start, start)
        while len(block) < end - start:
            more = os.pread(self._fd, end - start - len(block), start + len(block))
            if not more:
                break
            block += more
        return block

    def is_behind(self, offset: int, link: str) -> bool:
        """Tells whether the line that ends just before an offset has a hash."""
        if offset <= chain.LINK_BYTES or not link:
            return False
        end = os.pread(self._fd, chain.LINK_BYTES + 1, offset - 1 - chain.LINK_BYTES)
        return end.endswith(b"\n") and chain.hash_of(end[:-1]) == link

    def _hash_before(self, offset: int) -> str:
        """Returns the hash of the line before the line at an offset; empty for the first line."""
        if not offset:
            return ""
        link = os.pread(self._fd, chain.LINK_BYTES, offset - 1 - chain.LINK_BYTES)
        return chain.hash_of(link) or ""

    def _damaged_at(self, offset: int) -> IntegrityError:
        """Returns the error for the damaged line at an offset."""
        line, _ = self._line_at(offset, self.size())
        actual = chain.expected_hash(line, self._hash_before(offset))
        return self._at_line(offset, IntegrityError(chain.hash_of(line), actual, ""))

    def _at_line(self, offset: int, error: IntegrityError) -> IntegrityError:
        """Returns an error about the line at an offset, with file and line number filled in."""
        count = position = 0
        while position < offset:
            chunk = os.pread(self._fd, min(_CHUNK, offset - position), position)
            if not chunk:
                break
            count += chunk.count(b"\n")
            position += len(chunk)
        return chain.damaged_line(self._name, count + 1, error.expected, error.actual)


class FileLogView(LogLines):
    """A `LogView` of an open log, as it was when this view was made.

    Attributes:
        tail: The end of the log.
        last: Its last line; empty if it has none.
        before: The hash of the line before the last.
    """

    __slots__ = ("before", "last", "tail")

    def __init__(self, fd: int, name: str) -> None:
        """Reads the end of the log; else as `LogLines`."""
        self._fd = fd
        self._name = name
        self.tail = self.read_tail()
        self.last = self.tail.last
        self.before = self.tail.before

    def back(self) -> "Iterator[bytes]":
        """As `LogView.back`."""
        return self.backwards(self.tail.end)

    def forth(self) -> "Iterator[bytes]":
        """As `LogView.forth`."""
        return self.between(0, self.tail.end)

    def line(self, number: int, number_of: "NumberOf") -> "bytes | None":
        """As `LogView.line`; by a binary search."""
        return self.find_numbered(number, number_of, self.tail.end)
