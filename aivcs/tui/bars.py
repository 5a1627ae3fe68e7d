"""The first and the last line of the screen: where the reader is, and what the keys do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.style import Style
from textual.message import Message
from textual.widget import Widget

from aivcs.tui.row import BOLD, DIM, MARK, PLAIN, Row, column
from aivcs.tui.screen import strip_of
from aivcs.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.events import Click
    from textual.strip import Strip

    from aivcs.tui.listing import Listing


ENTER = "⏎"
"""The sign for Enter."""


class Bar(Widget):
    """A line at the edge of the screen."""

    class Clicked(Message):
        """The line was clicked.

        Attributes:
            bar: The line.
            x: The cell.
        """

        def __init__(self, bar: Bar, x: int) -> None:
            """Takes the line and the cell."""
            super().__init__()
            self.bar, self.x = bar, x

    def __init__(self, id: str) -> None:  # noqa: A002 the name of the base class
        """Begins empty."""
        super().__init__(id=id)
        self._row = Row([])

    def show(self, row: Row) -> None:
        """Shows other texts."""
        if row != self._row:
            self._row = row
            self.refresh()

    def key_at(self, x: int) -> str | None:
        """Returns the key that is named at a cell, with what it does behind it; None if none is."""
        key, end = None, 0
        for text, style in self._row.spans:
            end += cell_len(text)
            if style == MARK and len(text.strip()) == 1:  # else it is a remark, which names none
                key = text.strip()
            if x < end:
                return key
        return None

    def on_click(self, event: Click) -> None:
        """Tells the browser where it was clicked."""
        self.post_message(self.Clicked(self, int(event.x)))

    def render_line(self, y: int) -> Strip:
        """Draws the line."""
        del y
        strip = strip_of(self._row, self.size.width)
        return strip.apply_style(Style(reverse=True)) if self.id == "title" else strip


def title_row(place: str, trail: Iterable[str], cells: int) -> Row:
    """Returns the first line: the store, and the pages that led here, the end of them at least."""
    room = max(cells - 2, 1)
    told = f"{place}  {' > '.join(map(visible, trail))}".strip()
    if len(told) > room:
        told = "…" + told[len(told) - room + 1 :]
    return Row([(" ", PLAIN), (column(told, max(cells - 1, 1)), BOLD)])


def hints_row(
    listing: Listing | None, cursor: int, hints: Iterable[tuple[str, str]], cells: int
) -> Row:
    """Returns the last line: the place in the lines, and keys with what they do, as many as fit."""
    count = 0 if listing is None else listing.count
    more = "" if listing is None or listing.is_whole else "+"
    place = f" {min(cursor + 1, count):,}/{count:,}{more} "
    spans = [(place, DIM)]
    used = len(place)
    for key, name in hints:
        if used + len(key) + len(name) + 3 > cells:
            break
        spans += [(f" {key} ", MARK), (f"{name} ", DIM)]
        used += len(key) + len(name) + 3
    return Row(spans)
