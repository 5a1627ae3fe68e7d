"""The lines of a comparison of two specs, each with what it is. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.codec.json_pointer import make_pointer
from aivcs.compare.json_difference import unified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.spec.diff import Comparison, FileChange
    from aivcs.compare.json_difference import Change

FIELD, FILE, HUNK, ADDED, REMOVED, SAME, NOTE = (
    "field", "file", "hunk", "added", "removed", "same", "note",
)  # fmt: skip
"""The kinds of lines: a member of the spec, the name of a file, a place in it, its lines."""
_SIGNS = {"+": ADDED, "-": REMOVED, "@": HUNK, "\\": NOTE}
_NOT_COMPARED = {
    "binary": "binary, and different",
    "long": "different, and too long to say where",
    "missing": "different; not all of it is in this store",
    "same": "the same content",
}


class Line(NamedTuple):
    """A line of a difference.

    Attributes:
        kind: What it is.
        text: The text, without a sign.
    """

    kind: str
    text: str


def lines(found: Comparison) -> Iterator[Line]:
    """Yields the lines of a difference: the members of the specs, then file by file."""
    for field in found.fields:
        if not field.field.endswith("_digest"):
            yield Line(FIELD, f"{field.field}: {field.a or 'none'} → {field.b or 'none'}")
    for file in found.files:
        yield Line(FILE, _name(file))
        yield from _content(file)


def _name(file: FileChange) -> str:
    name = file.path or "the content"
    old, new = file.modes
    mode = f", mode {old} → {new}" if old and new and old != new else ""
    return f"{name} ({file.kind}{mode})"


def _content(file: FileChange) -> Iterator[Line]:
    if file.form == "text":
        yield from map(_line, file.diff[2:])  # the names of both sides were told
    elif file.form == "json":
        for change in file.changes:
            yield from _change(change)
    elif file.form != "same" or file.modes[0] == file.modes[1]:
        yield Line(NOTE, _NOT_COMPARED[file.form])


def _line(line: str) -> Line:
    kind = _SIGNS.get(line[:1], SAME)
    return Line(kind, line if kind == HUNK else line[1:].lstrip(" ") if kind == NOTE else line[1:])


def _change(change: Change) -> Iterator[Line]:
    yield Line(HUNK, make_pointer(change.place) or "(all of it)")
    a, b = change.a, change.b
    if isinstance(a, str) and isinstance(b, str) and "\n" in a + b:
        yield from map(_line, list(unified(a, b, "", ""))[2:])
        return
    if change.op != "add":
        yield from _value(REMOVED, a)
    if change.op != "remove":
        yield from _value(ADDED, b)


def _value(kind: str, value: Any) -> Iterator[Line]:
    """Yields a value as JSON; a text of several lines as it is."""
    if isinstance(value, str) and "\n" in value:
        yield from (Line(kind, line) for line in value.removesuffix("\n").split("\n"))
    else:
        yield Line(kind, encode_trusted(value))
