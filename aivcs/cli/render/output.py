"""How values look: plain lines for programs, tables for people, and escaping in both.

Where output is no terminal it is tabs, no header, whole ids and RFC 3339 times, the same on every
width and in every locale. On a terminal it is a table, through a pager where one is wanted.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from aivcs.cli.render.table import Shown, draw
from aivcs.codec.json import encode_trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from subprocess import Popen

    from aivcs.backends.fs.finding import Finding
    from aivcs.cli.render.table import Column
    from aivcs.cli.session.context import Context

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that words and emoji are spelled with, and that deceive nobody."""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        plain: What a program reads.
        shown: What a person reads.
        style: How it looks to a person: none, or words of `grid.paint`.
    """

    plain: str
    shown: str
    style: str = ""


def escape(text: str) -> str:
    r"""Returns a text with everything escaped that a terminal would obey or not show.

    Control characters, line separators and the invisible marks that reorder text become `\n`,
    `\x1b`, `\u202e`; letters, signs and spaces of every script stay.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) else ascii(c)[1:-1] for c in text)


def _is_shown(character: str) -> bool:
    if character.isprintable() or character in _JOINERS:
        return True
    from unicodedata import category

    return category(character) == "Zs"


def json_line(value: object) -> str:
    """Returns a value as a line of JSON."""
    return encode_trusted(value) + "\n"


class Output:
    """Where lines for standard output go: straight there, or through a pager.

    Attributes:
        for_person: Whether a person reads it.
        color: Whether colour is wanted.
    """

    def __init__(self, context: Context, pager: Popen[bytes] | None) -> None:
        """Writes to the pager, if there is one."""
        self._context = context
        self._pager = pager
        self.for_person = context.is_terminal()
        self.color = wants_color(context)

    def write(self, text: str) -> None:
        """Writes text as UTF-8.

        Raises:
            BrokenPipeError: The pager or the reader of the pipe is gone.
        """
        if self._pager is None:
            self._context.write(text)
        else:
            assert self._pager.stdin is not None
            self._pager.stdin.write(text.encode("utf-8", "surrogateescape"))


@contextmanager
def output(context: Context, *, streaming: bool = False) -> Iterator[Output]:
    """Opens standard output for lines, through a pager if a person reads and it may be long."""
    pager = None if streaming else _start_pager(context)
    if pager is None:
        yield Output(context, None)
        if streaming:
            context.flush()
        return
    try:
        yield Output(context, pager)
    except BrokenPipeError:
        pass  # the person has seen enough
    finally:
        try:
            assert pager.stdin is not None
            pager.stdin.close()
        except BrokenPipeError:
            pass
        while True:
            try:
                pager.wait()
                break
            except KeyboardInterrupt:
                continue  # a pager has its own use for it


def lines(context: Context, plain: Iterable[str], shown: Callable[[bool], Iterable[str]]) -> None:
    """Prints lines: `plain` for a program, `shown` for a person, who may want colour."""
    with output(context) as out:
        for line in shown(out.color) if out.for_person else plain:
            out.write(f"{line}\n")


def wants_color(context: Context) -> bool:
    """Whether to use colour: as `--color` says, else on a terminal that can, unless NO_COLOR."""
    if context.color != "auto":
        return context.color == "always"
    return (
        context.is_terminal()
        and not context.environment.get("NO_COLOR")
        and context.environment.get("TERM", "dumb") != "dumb"
    )


def table(
    context: Context,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell | str]],
    *,
    footer: Callable[[], str] | None = None,
) -> None:
    """Prints rows as they come: a table for a person, lines of tabs for a program.

    Args:
        context: Where to.
        columns: The columns.
        rows: A cell for each column.
        footer: Tells, when all rows were printed, what a person should read below them.
    """
    with output(context) as out:
        if not out.for_person:
            for row in rows:
                plain = (cell if isinstance(cell, str) else cell.plain for cell in row)
                out.write("\t".join(map(escape, plain)) + "\n")
            return
        for line in draw(columns, map(_shown, rows), screen_width(), color=out.color):
            out.write(line)
        if footer is not None:
            out.write(footer())


def _shown(row: Sequence[Cell | str]) -> list[Shown]:
    return [
        Shown(escape(cell)) if isinstance(cell, str) else Shown(escape(cell.shown), cell.style)
        for cell in row
    ]


def screen_width() -> int:
    """Returns the cells of a line of the terminal."""
    return shutil.get_terminal_size().columns


def fields(context: Context, pairs: Iterable[tuple[str, Cell | str]]) -> None:
    """Prints names and values, a line each."""
    person = context.is_terminal()
    pairs = list(pairs)
    width = max(len(name) for name, _ in pairs) + 2
    for name, value in pairs:
        text = value if isinstance(value, str) else value.shown if person else value.plain
        context.write(
            f"{f'{name}:':<{width}}{escape(text)}\n" if person else f"{name}\t{escape(text)}\n"
        )


def finding_line(finding: Finding) -> str:
    """Returns what is wrong as a line: severity, place, problem, and the remedy or the repair."""
    place = finding.where + (f" line {finding.line}" if finding.line else "")
    done = finding.remedy if finding.repaired is None else f"repaired: {finding.repaired}"
    cells = (finding.severity, place, finding.problem, done)
    return "\t".join(map(escape, cells)) + "\n"


def _start_pager(context: Context) -> Popen[bytes] | None:
    """Starts what shows long output, as the environment says; None without one that works."""
    environment = context.environment
    command = _words(environment.get("AIVCS_PAGER", environment.get("PAGER", "less")))
    if (
        not context.pager
        or not context.is_terminal()
        or not os.isatty(0)
        or environment.get("TERM", "dumb") == "dumb"
        or not command
        or command == ["cat"]
        or shutil.which(command[0]) is None
    ):
        return None
    import subprocess

    context.flush()
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            # What fits on a screen is printed and done; colour passes; the screen is not cleared.
            env={"LESS": "FRX", "LESSCHARSET": "utf-8", **environment},
        )
    except OSError:  # it is there, but is no program
        return None


def _words(command: str) -> list[str]:
    from shlex import split

    try:
        return split(command)
    except ValueError:  # a quote without its end
        return command.split()
