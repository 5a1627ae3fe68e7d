"""Draws the lines of a page, and moves the cursor among them."""

from __future__ import annotations

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

    def on_click(self, event: events.Click) -> None:
        """Puts the cursor on the clicked line; opens it if the cursor was there."""
        index = int(event.y) + self.scroll_offset.y
        if self.listing is None or index >= self.listing.count:
            return
        if index == self.cursor:
            self.post_message(self.Opened())
        else:
            self.move_to(index)
