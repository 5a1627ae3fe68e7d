"""How values look: plain lines for programs, tables for people, and escaping in both.

Where output is no terminal it is tabs, no header, whole ids and RFC 3339 times, the same on every
width and in every locale. On a terminal it is a table, through a pager where one is wanted.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from aivcs.cli.moments import ago, duration
from aivcs.log.jsontext import encode_trusted
from aivcs.model import ContentDigest, RunEvent, RunRecord, RunStatus, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from subprocess import Popen

    from aivcs.backends.fs.verify import Finding
    from aivcs.cli.context import Context

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that words and emoji are spelled with, and that deceive nobody."""
_STATUS_STYLE = {"RUNNING": "cyan", "COMPLETED": "green", "FAILED": "red", "CANCELLED": "yellow"}
_LEAST = 12
"""Characters that a column which wraps is given, at least."""
_SHOWN_PAYLOAD = 2000
"""Characters of a payload shown on a terminal."""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its header.
        wraps: Whether long cells are wrapped where room is short, rather than kept whole.
        right: Whether it is aligned to the right.
    """

    title: str
    wraps: bool = False
    right: bool = False


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        plain: What a program reads.
        shown: What a person reads.
        style: The colour it has for a person.
    """

    plain: str
    shown: str
    style: str = ""


RUN_COLUMNS = [
    Column("RUN"), Column("AGENT"), Column("STATUS"), Column("CREATED"), Column("SPEC"),
    Column("EVENTS", right=True), Column("DURATION", right=True),
]  # fmt: skip


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
    context: Context, columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]]
) -> None:
    """Prints rows: a table for a person, lines of tabs for a program."""
    with output(context) as out:
        if out.for_person:
            cells = [
                [Cell(cell, cell) if isinstance(cell, str) else cell for cell in row]
                for row in rows
            ]
            out.write(_draw(context, columns, cells, color=out.color))
            return
        for row in rows:
            plain = (cell if isinstance(cell, str) else cell.plain for cell in row)
            out.write("\t".join(map(escape, plain)) + "\n")


def _draw(
    context: Context, columns: Sequence[Column], rows: list[list[Cell]], *, color: bool
) -> str:
    """A table as text, at least as wide as what must not be cut, whatever the terminal."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    screen = shutil.get_terminal_size().columns
    widest = [
        max([len(column.title), *(cell_len(escape(row[number].shown)) for row in rows)])
        for number, column in enumerate(columns)
    ]
    least = [
        min(width, _LEAST) if column.wraps else width
        for width, column in zip(widest, columns, strict=True)
    ]
    # Where not even that fits, nothing is folded: the terminal breaks lines where it must.
    narrow = sum(least) + 2 * len(least) > screen
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        drawn.add_column(
            column.title,
            no_wrap=narrow or not column.wraps,
            overflow="fold",
            justify="right" if column.right else "left",
            min_width=widest[number] if narrow else least[number],
        )
    for row in rows:
        drawn.add_row(*(Text(escape(cell.shown), style=cell.style) for cell in row))
    console = Console(
        force_terminal=True,
        no_color=not color,
        color_system="standard" if color else None,
        width=sum(widest) + 2 * len(widest) if narrow else screen,
        height=25,  # without it, a dumb terminal is taken to be 80 columns wide
        markup=False,
        emoji=False,
        highlight=False,
        _environ=dict(context.environment),
    )
    with console.capture() as capture:
        console.print(drawn)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


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


def event_line(out: Output, event: RunEvent) -> str:
    """Returns an event as a line: seq, time, kind, payload."""
    payload = escape(encode_trusted(event.payload))
    kind = escape(event.kind)
    if not out.for_person:
        return f"{event.seq}\t{event.timestamp}\t{kind}\t{payload}\n"
    if len(payload) > _SHOWN_PAYLOAD:
        payload = f"{payload[:_SHOWN_PAYLOAD]}… ({len(payload)} characters; --json has all)"
    clock = (event.timestamp or "")[11:23]
    if out.color:
        return f"\x1b[2m{event.seq:>5}  {clock}\x1b[0m  \x1b[1m{kind}\x1b[0m  {payload}\n"
    return f"{event.seq:>5}  {clock}  {kind}  {payload}\n"


def finding_line(finding: Finding) -> str:
    """Returns what is wrong as a line: severity, place, problem, and the remedy or the repair."""
    place = finding.where + (f" line {finding.line}" if finding.line else "")
    done = finding.remedy if finding.repaired is None else f"repaired: {finding.repaired}"
    cells = (finding.severity, place, finding.problem, done)
    return "\t".join(map(escape, cells)) + "\n"


def run_row(record: RunRecord) -> list[Cell | str]:
    """Returns the cells of `RUN_COLUMNS`."""
    summary = record.summary
    milliseconds = summary.duration_ms if summary else None
    return [
        Cell(record.run_id, record.run_id[:8]),
        record.metadata.agent_name,
        _status(record.status),
        _moment(record.created_at),
        _digest(record.spec_digest),
        str(summary.total_events) if summary else "-",
        Cell("-" if milliseconds is None else str(milliseconds), duration(milliseconds)),
    ]


def run_fields(record: RunRecord) -> list[tuple[str, Cell | str]]:
    """Returns what there is to say about a run."""
    pairs: list[tuple[str, Cell | str]] = [
        ("run", record.run_id),
        ("agent", record.metadata.agent_name),
        ("status", record.status),
        ("spec", record.spec_digest),
        ("git commit", record.metadata.git_sha or "-"),
        ("tags", encode_trusted(record.metadata.tags)),
        ("created", record.created_at),
        ("completed", record.completed_at or "-"),
    ]
    if record.owner is not None:
        pairs.append(("owner", f"process {record.owner.pid} on {record.owner.host}"))
    summary = record.summary
    if summary is not None:
        milliseconds = str(summary.duration_ms)
        pairs += [
            ("events", str(summary.total_events)),
            ("final state", summary.final_state_digest or "-"),
            ("duration", Cell(f"{milliseconds} ms", duration(summary.duration_ms))),
            ("success", "yes" if summary.success else "no"),
        ]
        if summary.exit_code is not None:
            pairs.append(("exit code", str(summary.exit_code)))
    return pairs


def _status(status: RunStatus) -> Cell:
    return Cell(status, status.lower(), _STATUS_STYLE[status])


def _moment(moment: Timestamp) -> Cell:
    return Cell(moment, ago(moment), "dim")


def _digest(digest: ContentDigest) -> Cell:
    return Cell(digest, digest.short, "cyan")


def _start_pager(context: Context) -> Popen[bytes] | None:
    environment = context.environment
    command = environment.get("AIVCS_PAGER", environment.get("PAGER", "less")).split()
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
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        # What fits on a screen is printed and done; colour passes; the screen is not cleared.
        env={"LESS": "FRX", "LESSCHARSET": "utf-8", **environment},
    )
