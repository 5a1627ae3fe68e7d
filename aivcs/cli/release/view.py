"""Formats releases: lines with tabs for programs, a history for people."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.cli.render.output import Cell
    from aivcs.cli.session.context import Context
    from aivcs.commands.release.history import EntryDetails, HistoryEntry
    from aivcs.model.release_entries import Approval, Block, Mark, Signature
    from aivcs.model.timestamp import Timestamp

_MIN_COLUMNS_FOR_ONE_LINE = 80
"""The terminal width, in cells, from which an entry of a history takes one line."""
_STATE_STYLES = {"current": "green", "superseded": "dim", "rolled back": "magenta"}


def write_history(
    context: "Context",
    history: "Iterable[HistoryEntry]",
    marks: "list[Mark] | None",
    since: "Timestamp | None",
) -> bool:
    """Writes a history for a person, through a pager if wanted. Returns whether it had entries.

    Args:
        context: The call.
        history: The entries, newest first.
        marks: Where the marks are found that were met before an entry; None if none are shown.
        since: Only marks made at this moment or later.
    """
    from itertools import chain, islice

    from aivcs.cli.render.output import screen_width, table
    from aivcs.cli.render.table import Column

    entries = iter(history)
    # The first entry before the pager: an error in the request is printed without one.
    first = list(islice(entries, 1))
    if not first:
        return False
    is_wide = screen_width() >= _MIN_COLUMNS_FOR_ONE_LINE
    columns = [
        Column(""), Column("SEQ", right=True), Column("ACTION"), Column("LABEL"),
        Column("SPEC", leaves=2 * is_wide), Column("STATE"), Column("AGE", right=True),
        Column("BY", cuts=is_wide, wraps=not is_wide),
        Column("EVIDENCE", right=True, leaves=3 if is_wide else -1),
        Column("REASON", cuts=is_wide, wraps=not is_wide),
    ]  # fmt: skip

    def rows() -> "Iterator[list[Cell | str]]":
        for told in chain(first, entries):
            for mark in marks or ():
                if since is None or mark.created_at >= since:
                    yield _mark_cells(mark)
            if marks:
                marks.clear()
            yield _cells(told)

    table(context, columns, rows())
    return True


def _mark_cells(mark: "Mark") -> "list[Cell | str]":
    """Returns a block, an unblock, a signature or an approval as a dim row between the entries."""
    from aivcs.cli.render.output import Cell
    from aivcs.cli.render.time_format import age
    from aivcs.model.release_entries import Approval, Signature

    if isinstance(mark, Signature):
        cells = ["", "", "", f"of @{mark.signed_seq}, by {mark.fingerprint}"]
    elif isinstance(mark, Approval):
        notes = f": {mark.notes}" if mark.notes else ""
        cells = ["", "", _person(mark.by).shown, f"{mark.spec_digest.short}{notes}"]
    else:
        # Narrow terminals have no room for the column of specs.
        cells = ["", "", _person(mark.by).shown, f"{mark.spec_digest.short}: {mark.reason}"]
    label, spec, by, reason = cells
    row = ["", str(mark.seq), mark.mark, label, spec, "", age(mark.created_at), by, "", reason]
    return [Cell(text, text, "dim") for text in row]


def _cells(told: "HistoryEntry") -> "list[Cell | str]":
    from aivcs.cli.render.output import Cell
    from aivcs.cli.render.time_format import age

    record, metadata = told.record, told.record.metadata
    style = _style(told)
    forced = "forced: " if record.forced else ""
    return [
        Cell("*" if told.is_live else "", "●" if told.is_live else "", style),
        str(record.seq),
        Cell(record.action, record.action, "magenta" if record.action == "rollback" else ""),
        metadata.version_label or "-",
        Cell(record.spec_digest, record.spec_digest.short),
        Cell(told.shown_state, _state(told), style),
        Cell(record.created_at, age(record.created_at), "dim"),
        _person(metadata.promoted_by),
        str(len(record.evidence)) if record.evidence else "",
        f"{forced}{metadata.notes or ''}",
    ]


def _state(told: "HistoryEntry") -> str:
    """Returns the state for a person, who sees only the newest entry as current.

    An earlier entry may have made the same release live: it is shown as live again.
    """
    if told.is_live:
        return told.shown_state
    return told.shown_state.replace("current", "live again")


def _style(told: "HistoryEntry") -> str:
    return "red" if told.is_blocked else _STATE_STYLES[told.state]


def _person(actor: str) -> "Cell":
    """Returns a person's name without the address."""
    from aivcs.cli.render.output import Cell

    return Cell(actor, actor.partition(" <")[0] or actor)


def write_list(context: "Context", live: "Iterable[HistoryEntry]") -> None:
    """Writes the live release of each name: name, digest, label, state, since when, who."""
    from aivcs.cli.render.output import Cell, table
    from aivcs.cli.render.table import Column
    from aivcs.cli.render.time_format import ago

    columns = [
        Column("NAME"), Column("LIVE"), Column("LABEL"), Column("STATE"), Column("SINCE"),
        Column("BY", wraps=True),
    ]  # fmt: skip
    rows: Iterator[list[Cell | str]] = (
        [
            told.record.name,
            Cell(told.record.spec_digest, told.record.spec_digest.short),
            told.record.metadata.version_label or "-",
            Cell(told.shown_state, told.shown_state, _style(told)),
            Cell(told.record.created_at, ago(told.record.created_at), "dim"),
            _person(told.record.metadata.promoted_by),
        ]
        for told in live
    )
    table(context, columns, rows)


def shown_fields(shown: "EntryDetails") -> "Iterator[tuple[str, Cell | str]]":
    """Yields names and values that describe an entry of a release log."""
    from aivcs.model.release_entries import Approval, Block, Signature

    what = shown.sealed.value
    if isinstance(what, Block):
        yield from _block_fields(what)
    elif isinstance(what, Signature):
        yield from _signature_fields(what)
    elif isinstance(what, Approval):
        yield from _approval_fields(what)
    elif shown.told is not None:
        yield from _release_fields(shown.told)
    yield "hash", shown.sealed.hash
    for mark in shown.signatures:
        yield "signature", f"@{mark.seq} {mark.fingerprint} {mark.created_at}"
    for block in shown.blocks:
        yield block.mark, f"@{block.seq} {block.created_at} {block.by}: {block.reason}"


def _release_fields(told: "HistoryEntry") -> "Iterator[tuple[str, Cell | str]]":
    from aivcs.cli.render.output import Cell

    record = told.record
    yield "name", record.name
    yield "entry", f"@{record.seq}"
    yield "action", record.action
    yield "state", Cell(told.shown_state, _state(told))
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


def _block_fields(mark: "Block") -> "Iterator[tuple[str, str]]":
    yield "name", mark.name
    yield "entry", f"@{mark.seq}"
    yield "mark", mark.mark
    yield "spec", mark.spec_digest
    yield "by", mark.by
    yield "reason", mark.reason
    yield "created", mark.created_at


def _approval_fields(mark: "Approval") -> "Iterator[tuple[str, str]]":
    yield "name", mark.name
    yield "entry", f"@{mark.seq}"
    yield "mark", mark.mark
    yield "spec", mark.spec_digest
    yield "by", mark.by
    yield "reason", mark.notes or "-"
    yield "key", mark.fingerprint
    yield "created", mark.created_at
    yield "armor", mark.signature


def _signature_fields(mark: "Signature") -> "Iterator[tuple[str, str]]":
    yield "name", mark.name
    yield "entry", f"@{mark.seq}"
    yield "mark", mark.mark
    yield "signs", f"@{mark.signed_seq} {mark.signed_hash}"
    yield "key", mark.fingerprint
    yield "created", mark.created_at
    yield "armor", mark.signature
