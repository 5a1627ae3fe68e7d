"""Tables on a terminal: columns that fit its width, rows written as they come.

The first rows settle the width of each column, so a table of any length is never held in memory.
Long cells are wrapped or cut where the column allows it, and columns that can be missed are left
out. If that is not enough, a row continues on the next line.
"""

from __future__ import annotations

from itertools import chain, islice, zip_longest

from aivcs.cli.render.text_width import cut, width, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SAMPLE_ROWS = 200
"""Rows that settle the widths before the first is written: more than a screen has."""
_MIN_COLUMN_WIDTH = 12
"""The minimum width, in cells, of a column that wraps or is cut."""
_GAP = "  "
_INDENT = "    "
"""The indent of the second line of a row."""
_STYLE_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "magenta": 35}
"""The codes (ECMA-48, SGR) of the styles: legible on white and on black."""


class Column:
    """A column of a table.

    Attributes:
        title: Its header.
        wraps: Whether long cells are wrapped where room is short, rather than kept whole.
        right: Whether it is aligned to the right.
        cuts: Whether long cells are cut where room is short.
        leaves: Without room, the column with the highest number is left out first; one
            with 0 or less never. Any but 0 is left out, too, if the first rows have nothing in it.
    """

    __slots__ = ("cuts", "leaves", "right", "title", "wraps")

    def __init__(
        self,
        title: str,
        *,
        wraps: bool = False,
        right: bool = False,
        cuts: bool = False,
        leaves: int = 0,
    ) -> None:
        """Takes the fields."""
        self.title = title
        self.wraps = wraps
        self.right = right
        self.cuts = cuts
        self.leaves = leaves


class Shown:
    """A cell as a person sees it.

    Attributes:
        text: Its text, without control characters.
        style: Words of `paint`.
    """

    __slots__ = ("style", "text")

    def __init__(self, text: str, style: str = "") -> None:
        """Takes the fields."""
        self.text = text
        self.style = style


def paint(text: str, style: str) -> str:
    """Returns a text in a style: none, or some of the words bold, dim, red, green, and so on."""
    if not style or not text:
        return text
    return f"\x1b[{';'.join(str(_STYLE_CODES[word]) for word in style.split())}m{text}\x1b[0m"


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
    first = list(islice(rows, SAMPLE_ROWS))
    widest = [
        max((width(row[number].text) for row in first), default=0) for number in range(len(columns))
    ]
    for number, column in enumerate(columns):
        if widest[number] or not column.leaves or not first:
            widest[number] = max(widest[number], width(column.title))
    widths = _fit(columns, widest, screen)
    header = [Shown(column.title, "bold") for column in columns]
    groups = _grouped(widths, screen)
    for row in chain([header], first, rows):
        for group in groups:
            cells = [(columns[number], row[number], room) for number, room in group]
            indent = "" if group is groups[0] else _INDENT
            if not indent or any(cell.text for _, cell, _ in cells):
                yield from _lines(cells, indent, color=color)


def _fit(columns: Sequence[Column], widest: list[int], screen: int) -> list[int | None]:
    """Returns the width of each column, None for one that is left out."""
    least = [
        min(room, _MIN_COLUMN_WIDTH) if column.wraps or column.cuts else room
        for column, room in zip(columns, widest, strict=True)
    ]
    there = [number for number, room in enumerate(widest) if room]
    for number in sorted(there, key=lambda number: -columns[number].leaves):
        if _total(least, there) <= screen or columns[number].leaves <= 0:
            break
        there.remove(number)
    widths: list[int | None] = [None] * len(columns)
    spare = screen - _total(least, there)
    for number in there:
        widths[number] = least[number]
        if spare < 0 and columns[number].wraps:  # it may get a line of its own
            widths[number] = min(widest[number], max(screen - len(_INDENT), _MIN_COLUMN_WIDTH))
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


def _grouped(widths: Sequence[int | None], screen: int) -> list[list[tuple[int, int]]]:
    """Returns the columns that share a line, and their widths: all, if the terminal has room."""
    groups: list[list[tuple[int, int]]] = [[]]
    left = screen
    for number, room in enumerate(widths):
        if room is None:
            continue
        if groups[-1] and room > left:
            groups.append([])
            left = screen - len(_INDENT)
        groups[-1].append((number, room))
        left -= room + len(_GAP)
    return groups


def _lines(
    there: Sequence[tuple[Column, Shown, int]], indent: str, *, color: bool
) -> Iterator[str]:
    """Yields the lines of a row, or of a part of it: more than one if a cell is wrapped."""
    cells: list[list[str]] = []
    for column, cell, room in there:
        if column.cuts:
            cells.append([cut(cell.text, room)])
        elif column.wraps:
            cells.append(list(wrap(cell.text, room)))
        else:
            cells.append([cell.text])
    for texts in zip_longest(*cells, fillvalue=""):
        line = indent
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
