"""A line of a page: texts with their styles, and the page that it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size

from aivcs.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aivcs.tui.pages.page import Page

PLAIN, BOLD, DIM, GOOD, BAD, WARN, MARK = "", "bold", "dim", "good", "bad", "warn", "mark"
"""The styles of texts."""

Span = tuple[str, str]
"""A text and its style."""


class Row(NamedTuple):
    """A line of a page.

    Attributes:
        spans: The texts, as they were recorded, with their styles.
        opens: Makes the page that the line opens; None if it opens none.
        jump: The line of the same page that it leads to instead.
        acts: The key of the page whose action it does instead.
    """

    spans: Sequence[Span]
    opens: Callable[[], Page] | None = None
    jump: int | None = None
    acts: str | None = None

    @property
    def text(self) -> str:
        """The text without styles, as it is drawn."""
        return "".join(text for text, _ in visible_spans(self))


def visible_spans(row: Row) -> Iterator[Span]:
    """Yields the texts of a line as they are drawn, with no character that a terminal obeys."""
    for text, style in row.spans:
        yield visible(text), style


def line(text: str, style: str = PLAIN, opens: Callable[[], Page] | None = None) -> Row:
    """Returns a line of one text."""
    return Row([(text, style)], opens)


def fact(name: str, value: str, style: str = PLAIN, opens: Callable[[], Page] | None = None) -> Row:
    """Returns a line with a name and its value."""
    return Row([(f"{name:<10} ", DIM), (value, style)], opens)


def column(text: str, cells: int) -> str:
    """Returns a recorded text in exactly so many cells, its end replaced by "…" if it is longer."""
    text = visible(text)
    if cell_len(text) > cells:
        text = set_cell_size(text, max(cells - 1, 0)).rstrip() + "…"
    return set_cell_size(text, cells)


def wrapped(text: str, cells: int) -> list[str]:
    """Returns a recorded text of one line as lines of at most so many cells."""
    text = visible(text)
    if len(text) <= cells and text.isascii():
        return [text]
    if text.isascii():
        return [text[at : at + cells] for at in range(0, len(text), cells)]
    return chop_cells(text, cells) or [""]
