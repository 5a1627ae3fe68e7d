"""The lines of a page, read only as far as they are shown.

A listing is read by one thread, the reader, and drawn by another: `reach` and `find` read, and
everything else only looks at what was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from aivcs.errors import StorageError
from aivcs.tui.row import BAD, Row, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_AHEAD = 100
"""Lines read beyond those that are wanted."""


class Stopped(Exception):  # noqa: N818 it is not an error
    """The person wants to wait no longer."""


class Progress:
    """How far a long reading has come, and whether it shall go on.

    Attributes:
        done: The number of lines read.
        is_stopped: Whether it shall end.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self.done = 0
        self.is_stopped = False

    def add(self, number: int) -> None:
        """Counts lines.

        Raises:
            Stopped: The reading shall end.
        """
        self.done += number
        if self.is_stopped:
            raise Stopped


class Listing(Protocol):
    """The lines of a page."""

    @property
    def count(self) -> int:
        """The number of lines, as far as it is known."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether that is all of them."""
        ...

    def row(self, index: int, cells: int) -> Row | None:
        """Returns a line for a screen of `cells` cells; None if it is not read yet."""
        ...

    def reach(self, first: int, last: int, progress: Progress) -> None:
        """Reads the lines from one to another, as far as they exist."""
        ...

    def find(self, text: str, start: int, step: int, progress: Progress) -> int | None:
        """Returns the next line that holds a text, in upper or lower case; None without one.

        Args:
            text: The text.
            start: The line to begin after.
            step: 1 for forwards, -1 for backwards.
            progress: Counts the lines looked at.
        """
        ...


class ItemListing:
    """Items of which each is a line, taken from an iterator as they are reached.

    Attributes:
        progress: That of the reading that goes on, or of the last one.
    """

    def __init__(self, items: Iterable[Any], draw: Callable[[Any, int], Row]) -> None:
        """Takes the items.

        Args:
            items: The items, which the reader's thread alone takes. A `StorageError` ends them with
                a line that tells of it.
            draw: Returns the line of an item on a screen of so many cells.
        """
        self._rest: Iterator[Any] | None = iter(items)
        self._items: list[Any] = []
        self._draw = draw
        self.progress = Progress()

    @property
    def count(self) -> int:
        """As `Listing.count`."""
        return len(self._items)

    @property
    def is_whole(self) -> bool:
        """As `Listing.is_whole`."""
        return self._rest is None

    def item(self, index: int) -> Any:
        """Returns an item that was read, or None."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def row(self, index: int, cells: int) -> Row | None:
        """As `Listing.row`."""
        if index >= len(self._items):
            return None
        item = self._items[index]
        return item if isinstance(item, Row) else self._draw(item, cells)

    def reach(self, first: int, last: int, progress: Progress) -> None:
        """As `Listing.reach`."""
        del first
        self.progress = progress
        if self._rest is None:
            return
        last += _AHEAD
        try:
            while len(self._items) <= last:
                # Each is seen at once: the next one of a search may take long.
                self._items.append(next(self._rest))
                progress.add(1)
        except StopIteration:
            self._rest = None
        except StorageError as error:
            self._items.append(line(f"Cannot be read: {error}", BAD))
            self._rest = None

    def find(self, text: str, start: int, step: int, progress: Progress) -> int | None:
        """As `Listing.find`."""
        wanted, index = text.lower(), start + step
        while index >= 0:
            if index >= len(self._items):
                self.reach(0, index, progress)
            row = self.row(index, 1000)
            if row is None:
                return None
            if wanted in row.text.lower():
                return index
            index += step
        return None


def rows_listing(rows: Iterable[Row]) -> ItemListing:
    """Returns a listing of lines that are the same on every screen."""
    return ItemListing(rows, lambda row, _: row)
