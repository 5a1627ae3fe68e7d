"""How releases look: lines of tabs for programs, a history to read for people.

A history is written as it is read, however long it is: columns are as wide as the first entries
need, and wider for who comes later and needs more.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.cli.context import Context
    from aivcs.cli.render import Cell
    from aivcs.commands.release_history import Shown, Told
    from aivcs.marks import BlockMark, SignatureMark
    from aivcs.model import ReleaseRecord

_AT_ONCE = 200
"""Entries that are looked at before the first is written, for the widths of columns."""
_STYLES = {"": "", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2"}
_STATES = {"current": "green", "superseded": "dim", "rolled back": "yellow"}
_HEADER = ("", "SEQ", "ACTION", "LABEL", "SPEC", "STATE", "WHEN", "BY", "RUNS", "REASON")
_RIGHT = frozenset({1, 8})
"""Columns of numbers."""


def plain_history_line(told: "Told") -> str:
    """Returns an entry for a program; loads nothing where nothing is to be escaped.

    The columns: seq, action, digest, label or `-`, time, actor, notes, state, number of runs that
    are its evidence.
    """
    record = told.record
    metadata = record.metadata
    cells = (
        str(record.seq),
        record.action,
        record.spec_digest,
        metadata.version_label or "-",
        record.created_at,
        metadata.promoted_by,
        metadata.notes or "",
        told.shown_state,
        str(len(record.evidence)),
    )
    if all(map(str.isprintable, cells)):
        return "\t".join(cells) + "\n"
    from aivcs.cli.render import escape

    return "\t".join(map(escape, cells)) + "\n"


def write_history(context: "Context", history: "Iterable[Told]") -> None:
    """Writes a history for a person, through a pager if one is wanted."""
    from itertools import chain, islice

    from aivcs.cli import render

    entries = iter(history)
    # The first ones before the pager: what is wrong with the request is said without one.
    first = list(islice(entries, _AT_ONCE))
    if not first:
        return
    with render.output(context) as out:
        rows = [_cells(told) for told in first]
        widths = [_width(title) for title in _HEADER]
        for row in rows:
            widths = _widened(widths, row)
        header = [render.Cell(title, title, "") for title in _HEADER]
        out.write(_line(header, widths, color=out.color, bold=True))
        for row in chain(rows, map(_cells, entries)):
            widths = _widened(widths, row)
            out.write(_line(row, widths, color=out.color))


def _cells(told: "Told") -> "list[Cell]":
    from aivcs.cli.moments import ago
    from aivcs.cli.render import Cell

    record, metadata = told.record, told.record.metadata
    style = "red" if told.is_blocked else _STATES[told.state]
    runs = str(len(record.evidence)) if record.evidence else ""
    forced = "forced: " if record.forced else ""
    return [
        Cell("", "●" if told.is_live else "", style),
        Cell("", str(record.seq)),
        Cell("", record.action, "yellow" if record.action == "rollback" else ""),
        Cell("", metadata.version_label or "-"),
        Cell("", record.spec_digest.short, "cyan"),
        Cell("", told.shown_state, style),
        Cell("", ago(record.created_at), "dim"),
        # A person is shown without the address.
        Cell("", metadata.promoted_by.partition(" <")[0] or metadata.promoted_by),
        Cell("", runs),
        Cell("", f"{forced}{metadata.notes or ''}"),
    ]


def _line(cells: "list[Cell]", widths: "list[int]", *, color: bool, bold: bool = False) -> str:
    from aivcs.cli.render import escape

    words = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = escape(cell.shown)
        room = " " * (width - _width(text))
        if number == len(cells) - 1:
            room = ""
        code = "1" if bold else _STYLES[cell.style]
        drawn = f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text
        words.append(f"{room}{drawn}" if number in _RIGHT else f"{drawn}{room}")
    return "  ".join(words).rstrip() + "\n"


def _widened(widths: "list[int]", cells: "list[Cell]") -> "list[int]":
    from aivcs.cli.render import escape

    return [max(w, _width(escape(cell.shown))) for w, cell in zip(widths, cells, strict=True)]


def _width(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def write_list(context: "Context", records: "Iterable[ReleaseRecord]") -> None:
    """Writes what is live under each name as a table for a person."""
    from aivcs.cli.moments import ago
    from aivcs.cli.render import Cell, Column, table

    columns = [
        Column("NAME"), Column("LIVE"), Column("LABEL"), Column("SINCE"), Column("BY", wraps=True),
    ]  # fmt: skip
    rows: Iterator[list[Cell | str]] = (
        [
            record.name,
            Cell(record.spec_digest, record.spec_digest.short, "cyan"),
            record.metadata.version_label or "-",
            Cell(record.created_at, ago(record.created_at), "dim"),
            record.metadata.promoted_by.partition(" <")[0] or record.metadata.promoted_by,
        ]
        for record in records
    )
    table(context, columns, rows)


def shown_fields(shown: "Shown") -> "Iterator[tuple[str, str]]":
    """Yields names and values of everything that is to be said about an entry or a mark."""
    from aivcs.marks import BlockMark, SignatureMark

    what = shown.sealed.what
    if isinstance(what, BlockMark):
        yield from _block_fields(what)
    elif isinstance(what, SignatureMark):
        yield from _signature_fields(what)
    elif shown.told is not None:
        yield from _release_fields(shown.told)
    yield "hash", shown.sealed.hash
    for mark in shown.signatures:
        yield "signature", f"@{mark.seq} {mark.fingerprint} {mark.created_at}"
    for block in shown.blocks:
        yield block.mark, f"@{block.seq} {block.created_at} {block.by}: {block.reason}"


def _release_fields(told: "Told") -> "Iterator[tuple[str, str]]":
    record = told.record
    yield "name", record.name
    yield "entry", f"@{record.seq}"
    yield "action", record.action
    yield "state", told.shown_state
    yield "spec", record.spec_digest
    yield "label", record.metadata.version_label or "-"
    yield "by", record.metadata.promoted_by
    yield "reason", record.metadata.notes or "-"
    yield "created", record.created_at
    yield "element", f"@{record.target_seq}"
    yield "below", "-" if record.parent_seq is None else f"@{record.parent_seq}"
    for run in record.evidence:
        yield "evidence", f"{run.run_id} {run.head.lines} {run.head.hash}"
    if record.policy is not None:
        yield "policy", record.policy
    if record.forced:
        yield "forced", "yes"


def _block_fields(mark: "BlockMark") -> "Iterator[tuple[str, str]]":
    yield "name", mark.name
    yield "entry", f"@{mark.seq}"
    yield "mark", mark.mark
    yield "spec", mark.spec_digest
    yield "by", mark.by
    yield "reason", mark.reason
    yield "created", mark.created_at


def _signature_fields(mark: "SignatureMark") -> "Iterator[tuple[str, str]]":
    yield "name", mark.name
    yield "entry", f"@{mark.seq}"
    yield "mark", mark.mark
    yield "signs", f"@{mark.signed_seq} {mark.signed_hash}"
    yield "key", mark.fingerprint
    yield "created", mark.created_at
    yield "armor", mark.signature
