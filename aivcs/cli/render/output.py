"""Formats values: plain lines for programs, tables for people, and escaping in both.

Output that does not go to a terminal has tabs, no header, whole ids and RFC 3339 times, the same at
every width and in every locale. On a terminal it is a table, through a pager if wanted.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from aivcs.cli.render.table import Shown, draw
from aivcs.codec.json import encode_trusted
from aivcs.util.visible import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from subprocess import Popen

    from aivcs.cli.render.table import Column
    from aivcs.cli.session.context import Context
    from aivcs.store.finding import Finding

escape = visible
"""Escapes every character that a terminal would obey or not show."""


class Cell:
    """A cell of a table.

    Attributes:
        plain: The text for a program.
        shown: The text for a person.
        style: The style for a person: empty, or words of `table.paint`.
    """

    __slots__ = ("plain", "shown", "style")

    def __init__(self, plain: str, shown: str, style: str = "") -> None:
        """Takes the fields."""
        self.plain = plain
        self.shown = shown
        self.style = style


def json_line(value: object) -> str:
    """Returns a value as a line of JSON."""
    return encode_trusted(value) + "\n"


def plain_line(cells: Iterable[str]) -> str:
    """Formats cells as a line for a program: tabs between them, and `-` for an empty cell.

    Without the `-`, programs that split lines at white space (`read` in a shell) would miss the
    cell.
    """
    return "\t".join(escape(cell) or "-" for cell in cells) + "\n"


class Output:
    """A destination of lines for standard output: direct, or through a pager.

    Attributes:
        for_person: Whether a person reads it.
        color: Whether colour is wanted.
    """

    def __init__(self, context: Context, pager: Popen[bytes] | None) -> None:
        """Writes to the pager, if there is one."""
        self._context = context
        self._pager = pager
        self.for_person = context.for_person()
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
    """Prints lines: `plain` for a program, `shown` for a person, called with the use of colour."""
    with output(context) as out:
        for line in shown(out.color) if out.for_person else plain:
            out.write(f"{line}\n")


def wants_color(context: Context) -> bool:
    """Whether to use colour: as `--color` says, else on a capable terminal without NO_COLOR."""
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
        context: The call.
        columns: The columns.
        rows: A cell for each column.
        footer: Tells, when all rows were printed, what a person should read below them.
    """
    with output(context) as out:
        if not out.for_person:
            for row in rows:
                out.write(plain_line(cell if isinstance(cell, str) else cell.plain for cell in row))
            return
        for text in draw(columns, map(_shown, rows), screen_width(), color=out.color):
            out.write(text)
        if footer is not None:
            out.write(footer())


def _shown(row: Sequence[Cell | str]) -> list[Shown]:
    return [
        Shown(escape(cell)) if isinstance(cell, str) else Shown(escape(cell.shown), cell.style)
        for cell in row
    ]


def screen_width() -> int:
    """Returns the width of the terminal, in cells."""
    from shutil import get_terminal_size

    return get_terminal_size().columns


def fields(context: Context, pairs: Iterable[tuple[str, Cell | str]]) -> None:
    """Prints names and values, one pair per line."""
    person = context.for_person()
    pairs = list(pairs)
    width = max(len(name) for name, _ in pairs) + 2
    for name, value in pairs:
        text = value if isinstance(value, str) else value.shown if person else value.plain
        context.write(
            f"{f'{name}:':<{width}}{escape(text)}\n" if person else plain_line((name, text))
        )


def finding_line(finding: Finding) -> str:
    """Formats a finding as a line: severity, place, problem, and the fix or the repair."""
    return plain_line(_finding_cells(finding))


def finding_text(finding: Finding) -> str:
    """Formats a finding for a person: the place, and below it the problem and the fix."""
    from textwrap import wrap

    severity, place, *texts = map(escape, _finding_cells(finding))
    screen = max(screen_width(), 40)
    lines = [f"{severity}: {place}"]
    for text in filter(None, texts):
        lines += wrap(
            text, screen, initial_indent="    ", subsequent_indent="    ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def _finding_cells(finding: Finding) -> tuple[str, str, str, str]:
    place = finding.where + (f" line {finding.line}" if finding.line else "")
    done = finding.remedy if finding.repaired is None else f"repaired: {finding.repaired}"
    return finding.severity, place, finding.problem, done


def _start_pager(context: Context) -> Popen[bytes] | None:
    """Starts the pager that the environment names; None without one that works."""
    from shutil import which

    environment = context.environment
    command = _words(environment.get("AIVCS_PAGER", environment.get("PAGER", "less")))
    if (
        not context.pager
        or not context.is_terminal()
        or not os.isatty(0)
        or environment.get("TERM", "dumb") == "dumb"
        or not command
        or command == ["cat"]
        or which(command[0]) is None
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
    except OSError:  # the file exists, but is not a program
        return None


def _words(command: str) -> list[str]:
    from shlex import split

    try:
        return split(command)
    except ValueError:  # a quote without its end
        return command.split()
