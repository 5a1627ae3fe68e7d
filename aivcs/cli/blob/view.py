"""Formats lists of blobs."""

from __future__ import annotations

from aivcs.cli.render.output import Cell
from aivcs.cli.render.table import Column
from aivcs.cli.render.time_format import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.commands.blob.stored_blobs import ListedBlob

COLUMNS = [
    Column("DIGEST"), Column("BYTES", right=True), Column("AGE", right=True), Column("KIND"),
    Column("NAMED BY", wraps=True),
]  # fmt: skip


def row(blob: ListedBlob) -> list[Cell | str]:
    """Returns the cells of `COLUMNS`."""
    kind = Cell(blob.kind, blob.kind, "red" if blob.kind == "damaged" else "")
    named_by = blob.named_by or "-"
    return [
        Cell(blob.digest, blob.digest.short), str(blob.size),
        Cell(str(blob.stored_at), age(blob.stored_at)), kind, Cell(named_by, _short(named_by)),
    ]  # fmt: skip


def as_json(blob: ListedBlob) -> dict[str, Any]:
    """Returns a listed blob as a JSON value."""
    return {
        "digest": blob.digest,
        "size": blob.size,
        "stored_at": str(blob.stored_at),
        "kind": blob.kind,
        "named_by": blob.named_by or None,
    }


def _short(named_by: str) -> str:
    """Shortens the digests and run ids in a referrer, as elsewhere on a terminal."""
    *words, last = named_by.split(" ")
    if words[-1:] == ["blob"]:
        last = last[:12]
    elif words[-1:] == ["run"]:
        last = last[:8]
    return " ".join([*words, last])
