"""Draws the lines of a page, and moves the cursor among them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aivcs.tui.row import BAD, BOLD, DIM, GOOD, MARK, PLAIN, WARN, Row, visible_spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from aivcs.tui.listing import Listing

STYLES = {
    PLAIN: Style.null(),
    BOLD: Style(bold=True),
    DIM: Style(dim=True),
    GOOD: Style(color="green"),
    BAD: Style(color="red", bold=True),
    WARN: Style(color="yellow"),
    MARK: Style(color="cyan"),
}
"""The styles in colours of the terminal's own, which suit its background, whatever that is."""
CSS = """
Screen { background: ansi_default; color: ansi_default; layout: vertical; }
Bar { height: 1; background: ansi_default; color: ansi_default; }
Rows {
    height: 1fr; background: ansi_default; color: ansi_default;
    overflow-x: hidden; overflow-y: scroll;
    scrollbar-size-vertical: 1;
    scrollbar-background: ansi_default; scrollbar-background-hover: ansi_default;
    scrollbar-background-active: ansi_default; scrollbar-color: ansi_bright_black;
    scrollbar-color-hover: ansi_cyan; scrollbar-color-active: ansi_cyan;
    scrollbar-corner-color: ansi_default;
}
"""
"""How the parts of the screen lie, in colours of the terminal's own as well."""
_CURSOR = Style(reverse=True)
_MAX_CHARS = 4000
"""Characters of a line that are drawn, at most."""


def strip_of(row: Row, cells: int, offset: int = 0) -> Strip:
    """Returns a line as Textual draws it: of exactly so many cells, from an offset on."""
    segments = [
        Segment(text[:_MAX_CHARS], STYLES[style]) for text, style in visible_spans(row) if text
    ]
    return Strip(segments).crop_extend(offset, offset + cells, None)


class Rows(ScrollView, can_focus=True):
    """The lines of a page, of which one is under the cursor.

    Attributes:
        cursor: The line under the cursor.
        offset_cells: The cells by which the lines are moved to the left.
    """

    class Moved(Message):
        """Other lines are shown, or the cursor is on another line."""

    class Opened(Message):
        """The line under the cursor was clicked."""

    def __init__(self) -> None:
        """Begins without lines."""
        super().__init__()
        self.listing: Listing | None = None
        self.cursor = 0
        self.offset_cells = 0

    @property
    def cells(self) -> int:
        """The width of a line, without the scroll bar."""
        return max(self.scrollable_content_region.width, 1)

    @property
    def rows_shown(self) -> int:
        """The number of lines on the screen."""
        return max(self.size.height, 1)

    @property
    def range_shown(self) -> tuple[int, int]:
        """The first and the last line on the screen."""
        top = self.scroll_offset.y
        return top, top + self.rows_shown - 1

    def unread(self) -> int | None:
        """Returns the first line on the screen that is still to be read; None if all are there."""
        if self.listing is None:
            return None
        first, last = self.range_shown
        for index in range(first, min(last + 1, self.listing.count)):
            if self.listing.row(index, self.cells) is None:
                return index
        return None if self.listing.is_whole or last + 1 < self.listing.count else first

    def show(self, listing: Listing, cursor: int, top: int | None = None) -> None:
        """Shows other lines."""
        self.listing = listing
        self.offset_cells = 0
        self.cursor = cursor
        self.update()
        self.move_to(cursor, top)

    def update(self) -> None:
        """Draws again what was read meanwhile."""
        count = 0 if self.listing is None else self.listing.count
        self.virtual_size = Size(self.cells, count)
        self.refresh()

    def move_to(self, index: int, top: int | None = None) -> None:
        """Moves the cursor to a line, as near as there is one, and scrolls as far as needed.

        Args:
            index: The line.
            top: The line that shall be the first on the screen, if that is possible.
        """
        count = 0 if self.listing is None else self.listing.count
        if count != self.virtual_size.height:
            self.update()
        self.cursor = min(max(index, 0), max(count - 1, 0))
        first = self.scroll_offset.y
        target = first if top is None else top
        if self.cursor < target:
            target = self.cursor
        elif self.cursor > target + self.rows_shown - 1:
            target = self.cursor - self.rows_shown + 1
        if target != first:
            self.scroll_to(y=target, animate=False, immediate=True, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """Draws a line of the screen."""
        cells = self.cells
        index = y + self.scroll_offset.y
        if self.listing is None or index >= self.listing.count:
            return Strip.blank(cells)
        row = self.listing.row(index, cells)
        if row is None:
            row = Row([("…", DIM)])
        strip = strip_of(row, cells, self.offset_cells)
        return strip.apply_style(_CURSOR) if index == self.cursor else strip

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keeps the cursor on the screen when the wheel or the bar moves the lines."""
        super().watch_scroll_y(old_value, new_value)
        first, last = self.range_shown
        self.cursor = min(max(self.cursor, first), last)
        self.post_message(self.Moved())

    def shift(self, cells: int) -> None:
        """Moves the lines to the left, or to the right."""
        widest = 0
        first, last = self.range_shown
        for index in range(first, last + 1):
            row = self.listing.row(index, self.cells) if self.listing is not None else None
            if row is not None:
                widest = max(widest, cell_len(row.text[:_MAX_CHARS]))
        most = max(widest - self.cells, 0)
        self.offset_cells = min(max(self.offset_cells + cells, 0), most)
        self.refresh()

    def moves(self) -> dict[str, Callable[[], None]]:
        """Returns what the keys do that move the cursor or the lines."""
        page, half = self.rows_shown, max(self.cells // 2, 8)

        def by(number: int) -> Callable[[], None]:
            return partial(self._by, number)

        return {
            "j": by(1), "down": by(1), "ctrl+n": by(1), "k": by(-1), "up": by(-1), "ctrl+p": by(-1),
            " ": by(page), "space": by(page), "pagedown": by(page), "ctrl+f": by(page),
            "b": by(-page), "pageup": by(-page), "ctrl+b": by(-page),
            "ctrl+d": by(page // 2), "ctrl+u": by(-(page // 2)),
            "g": partial(self.move_to, 0), "<": partial(self.move_to, 0),
            "home": partial(self.move_to, 0),
            "left": partial(self.shift, -half), "right": partial(self.shift, half),
            "h": partial(self.shift, -half), "l": partial(self.shift, half),
        }  # fmt: skip

    def _by(self, number: int) -> None:
        top = self.range_shown[0]
        # A page moves the lines, too, so that the cursor keeps its place on the screen.
        self.move_to(self.cursor + number, None if abs(number) == 1 else max(top + number, 0))

    def on_click(self, event: events.Click) -> None:
        """Puts the cursor on the clicked line; opens it if the cursor was there."""
        index = int(event.y) + self.scroll_offset.y
        if self.listing is None or index >= self.listing.count:
            return
        if index == self.cursor:
            self.post_message(self.Opened())
        else:
            self.move_to(index)
