"""A `LogView` over numbered lines, as in a list, a table or chunks; and `read` over all lines."""

from __future__ import annotations

from itertools import islice

from aivcs.log import chain
from aivcs.store.place import START, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.driver import NumberOf


class NumberedView:
    """A view of the first `count` lines of a log.

    Attributes:
        last: The last of them.
        before: The hash of the line before the last.
    """

    def __init__(self, where: str, count: int, fetch: Callable[[int], bytes]) -> None:
        """Checks the last line.

        Args:
            where: The log's name in messages.
            count: The number of lines, at least one.
            fetch: Returns the line with a number, from 1, with its newline.

        Raises:
            IntegrityError: The last line, or several before it, break the chain; the error names
                the first of them.
        """
        self._where = where
        self._count = count
        self._fetch = fetch
        number = count
        while not self._is_right(number) and number > 1 and not self._is_right(number - 1):
            number -= 1
        self.last = self._checked(number)
        self.before = self._hash_before(count)

    def first(self) -> bytes:
        """As `LogView.first`."""
        return self._checked(1)

    def back(self) -> Iterator[bytes]:
        """As `LogView.back`."""
        return map(self._checked, range(self._count, 0, -1))

    def forth(self) -> Iterator[bytes]:
        """As `LogView.forth`."""
        return map(self._fetch, range(1, self._count + 1))

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        """As `LogView.line`."""
        if not 0 < number <= self._count:
            return None
        line = self._checked(number)
        return line if number_of(line) == number else None

    def _hash_before(self, number: int) -> str:
        return (chain.hash_of(self._fetch(number - 1)[:-1]) or "") if number > 1 else ""

    def _is_right(self, number: int) -> bool:
        line = self._fetch(number)
        return line.endswith(b"\n") and chain.follows(line[:-1], self._hash_before(number))

    def _checked(self, number: int) -> bytes:
        line = self._fetch(number)[:-1]
        if not self._is_right(number):
            actual = chain.expected_hash(line, self._hash_before(number))
            raise chain.damaged_line(self._where, number, chain.hash_of(line), actual)
        return line


def read_lines(
    where: str, lines: Callable[[], Iterable[bytes]], after: Place
) -> Iterator[tuple[bytes, Place]]:
    """Yields the lines of a log as `LogDriver.read`.

    Args:
        where: The log's name in messages.
        lines: Returns all lines of the log, from the first, with their newlines; called twice if
            there is a place to look for.
        after: The place where an earlier reading ended.

    Raises:
        IntegrityError: The log is damaged.
    """
    with chain.naming(where):
        if after.lines:
            last = next(islice(lines(), after.lines - 1, None), b"")
            if chain.hash_of(last.removesuffix(b"\n")) != after.hash:
                after = START
        for number, line in chain.verified_lines(lines()):
            if number > after.lines:
                yield line, Place(number, chain.hash_of(line) or "")
