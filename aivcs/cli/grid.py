"""Tables on a terminal: columns that suit its width, rows written as they come.

The width of each column is settled by the first rows, so a table of any length is never held in
memory. What does not fit is wrapped or cut where the column says that it may be; a column that can
be missed is left out where there is no room for it.
"""

from __future__ import annotations

from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from aivcs.cli.cells import cut, width, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aivcs.cli.render import Column

SAMPLE = 200
"""Rows that are read before the first is written; more than a screen has."""
_LEAST = 12
"""Cells that a column which wraps or is cut is given, at least."""
_GAP = "  "
_STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35, "cyan": 36}
"""The codes (ECMA-48, SGR) of the styles there are."""


class Shown(NamedTuple):
    """A cell as a person sees it.

    Attributes:
        text: Its text, without control characters.
        style: Words of `paint`.
    """

    text: str
    style: str = ""


def paint(text: str, style: str) -> str:
    """Returns a text in a style: none, or some of the words bold, dim, red, green, and so on."""
    if not style or not text:
        return text
    return f"\x1b[{';'.join(str(_STYLES[word]) for word in style.split())}m{text}\x1b[0m"


def draw(
    columns: Sequence[Column], rows: Iterable[Sequence[Shown]], screen: int, *, color: bool
) -> Iterator[str]:
    """Yields the lines of a table, each with its newline.

    Args:
        columns: Its columns.
        rows: Its rows, a cell for each column.
        screen: The cells of a line of the terminal.
        color: Whether to use styles.
    """
    rows = iter(rows)
    first = list(islice(rows, SAMPLE))
    widths = _fit(
        columns,
        [
            max([width(column.title), *(width(row[number].text) for row in first)])
            for number, column in enumerate(columns)
        ],
        screen,
    )
    header = [Shown(column.title, "bold") for column in columns]
    for row in chain([header], first, rows):
        yield from _lines(columns, row, widths, color=color)


def _fit(columns: Sequence[Column], widest: list[int], screen: int) -> list[int | None]:
    """The width of each column, None for one that is left out."""
    least = [
        min(room, _LEAST) if column.wraps or column.cuts else room
        for column, room in zip(columns, widest, strict=True)
    ]
    there = [number for number, room in enumerate(widest) if room]
    for number in sorted(there, key=lambda number: -columns[number].leaves):
        if _total(least, there) <= screen or not columns[number].leaves:
            break
        there.remove(number)
    widths: list[int | None] = [None] * len(columns)
    spare = screen - _total(least, there)
    for number in there:
        # Where not even that fits, nothing is wrapped: the terminal breaks lines where it must.
        widths[number] = widest[number] if spare < 0 and columns[number].wraps else least[number]
    wanting = [number for number in there if widest[number] > least[number]]
    for done, number in enumerate(sorted(wanting, key=lambda number: widest[number])):
        if spare <= 0:
            break
        more = min(widest[number] - least[number], spare // (len(wanting) - done))
        widths[number] = least[number] + more
        spare -= more
    return widths


def _total(widths: Sequence[int], there: Sequence[int]) -> int:
    return sum(widths[number] for number in there) + len(_GAP) * (len(there) - 1)


def _lines(
    columns: Sequence[Column], row: Sequence[Shown], widths: Sequence[int | None], *, color: bool
) -> Iterator[str]:
    """The lines of one row; more than one if a cell is wrapped."""
    cells: list[list[str]] = []
    there = [
        (column, cell, room)
        for column, cell, room in zip(columns, row, widths, strict=True)
        if room is not None
    ]
    for column, cell, room in there:
        if column.cuts:
            cells.append([cut(cell.text, room)])
        elif column.wraps:
            cells.append(list(wrap(cell.text, room)))
        else:
            cells.append([cell.text])
    for texts in zip_longest(*cells, fillvalue=""):
        line = ""
        left = 0  # spaces that are owed before the next text, and never stand at the end of a line
        for (column, cell, room), text in zip(there, texts, strict=True):
            spaces = max(0, room - width(text))
            if text:
                line += " " * (left + spaces * column.right)
                line += paint(text, cell.style if color else "")
                left = spaces * (not column.right)
            else:
                left += room
            left += len(_GAP)
        yield line + "\n"
