"""A page on the stack of the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aivcs.tui.listing import Listing
    from aivcs.tui.pages.page import Page


class Opened:
    """A page on the stack: its lines, and where the cursor was.

    Attributes:
        page: The page.
        listing: Its lines; None until they are read.
        cursor: The line under the cursor.
        top: The first line on the screen.
        cells: The width for which it was read.
    """

    def __init__(self, page: Page) -> None:
        """Takes a page, not yet read."""
        self.page = page
        self.listing: Listing | None = None
        self.cursor = 0
        self.top = 0
        self.cells = 0
