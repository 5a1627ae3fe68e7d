"""The keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.tui.listing import ItemListing, Progress, rows_listing
from aivcs.tui.pages.page import Page, Source
from aivcs.tui.row import BOLD, DIM, MARK, PLAIN, Row, line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aivcs.tui.pages.page import Action

_KEYS = (
    ("j k  ↓ ↑", "a line down, up"),
    ("space b", "a page down, up; also PgDn PgUp, and half a page with Ctrl-D Ctrl-U"),
    ("g G", "to the beginning, to the end; also Home End"),
    ("← →", "to the left and right of long lines"),
    ("Enter", "opens the line; so does a click on it when it is under the cursor"),
    ("q", "back; on the first page, out. Also Backspace, and a click on the first line"),
    ("Q", "out"),
    ("/", "finds a text on this page, in a run in all of its payloads; n and N go on"),
    ("s", "searches runs for a text: those that are listed, else all"),
    ("R", "reads the page again"),
    ("Ctrl-Z", "leaves the browser for the shell, whose fg brings it back"),
    ("Esc", "stops what takes long"),
    ("?", "this page"),
)


class HelpPage(Page):
    """The keys of the browser, and those of the page below it."""

    title = "keys"

    def __init__(self, source: Source, title: str, actions: Mapping[str, Action]) -> None:
        """Takes the page below."""
        super().__init__(source)
        self._below, self._own = title, actions

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del cells, progress
        rows = [Row([(f"{keys:<10}", MARK), (does, PLAIN)]) for keys, does in _KEYS]
        if self._own:
            rows += [line(""), line(f"On the page “{self._below}”:", BOLD)]
        rows += [
            Row([(f"{key:<10}", MARK), (action.name, PLAIN)]) for key, action in self._own.items()
        ]
        rows += [line(""), line("The browser reads, and changes nothing.", DIM)]
        return rows_listing(rows)
