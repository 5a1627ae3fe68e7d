"""A chained log in memory: the lines a file would hold, judged by the same rules."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError
from aivcs.log import chain
from aivcs.model.record import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class MemoryLog:
    """A log of lines. Not thread-safe: the store that has it holds a lock, or reads a `copy`.

    Attributes:
        name: What the log is of, for messages ("run 2f…").
        lines: The sealed lines, each with its newline, as they would stand in a file.
    """

    def __init__(self, name: str, lines: Sequence[bytes] = ()) -> None:
        """Begins with some lines."""
        self.name = name
        self.lines = list(lines)

    def copy(self) -> MemoryLog:
        """Returns the log as it is now, for reading while others append."""
        return MemoryLog(self.name, self.lines)

    def line(self, number: int) -> bytes:
        """Returns a line without its newline, checked as a link of the chain.

        Args:
            number: Counted from 1, or from the end with negative numbers.

        Raises:
            IntegrityError: It is damaged.
        """
        index = number - 1 if number > 0 else len(self.lines) + number
        line = self.lines[index][:-1]
        previous = (chain.hash_of(self.lines[index - 1][:-1]) or "") if index else ""
        with self.naming(index + 1):
            if not self.lines[index].endswith(b"\n") or not chain.is_right(line, previous):
                raise IntegrityError(chain.hash_of(line), chain.expected_hash(line, previous), "")
        return line

    def all_lines(self) -> Iterator[bytes]:
        """Yields all lines without their newlines, each checked as a link of the chain.

        Raises:
            IntegrityError: One is damaged.
        """
        with self.naming():
            for _, line in chain.right_lines(self.lines):
                yield line

    def find(self, fits: Callable[[bytes], bool]) -> bytes | None:
        """Returns the last line that fits, checked, or None.

        Raises:
            IntegrityError: It is damaged.
        """
        for number in range(len(self.lines), 0, -1):
            if fits(self.lines[number - 1]):
                return self.line(number)
        return None

    def head(self) -> Head:
        """Returns the number of lines and the hash of the last; a head vouches for all of them.

        Raises:
            IntegrityError: A line is damaged.
        """
        *_, last = self.all_lines()
        return Head(len(self.lines), chain.hash_of(last) or "")

    @contextmanager
    def naming(self, number: int | None = None) -> Iterator[None]:
        """Completes integrity errors of `aivcs.log`, which knows lines but not of what.

        Args:
            number: The line that is being read; None if the error knows it, or nobody does.
        """
        try:
            yield
        except IntegrityError as error:
            if error.where and not error.where.isdigit():
                raise  # it has its name already
            line = number or error.where
            where = f"{self.name}, line {line}" if line else self.name
            # Where there are no hashes to compare, the message says what the line is instead.
            message = f"{where} {error}" if error.actual is None else ""
            raise IntegrityError(error.expected, error.actual, where, message) from error
