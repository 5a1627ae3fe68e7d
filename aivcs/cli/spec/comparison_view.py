"""Formats a comparison of specs: like a unified diff, for JSON too."""

from __future__ import annotations

from aivcs.cli.render.output import escape
from aivcs.cli.render.table import paint
from aivcs.codec.json import encode_trusted
from aivcs.codec.json_pointer import make_pointer
from aivcs.compare.json_difference import unified

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.commands.spec.diff import Comparison, FileChange
    from aivcs.compare.json_difference import Change

_STYLES = {"-": "red", "+": "green", "@": "magenta"}
_SHORT_DIGEST_CHARS = 12
"""The number of characters of a digest or commit that a person sees."""
_HEADERS = ("--- ", "+++ ", "old mode ", "new mode ")


def lines(found: Comparison, *, for_person: bool = False) -> Iterator[str]:
    """Yields the differences: a line for each member of the specs, then file by file."""
    for field in found.fields:
        a, b = _text(field.a), _text(field.b)
        if for_person:
            yield f"{field.field:<16}{a[:_SHORT_DIGEST_CHARS]} → {b[:_SHORT_DIGEST_CHARS]}"
        else:
            yield f"{field.field}\t{a}\t{b}"
    for file in found.files:
        yield from map(_escape, _file_lines(file))


def shown(found: Comparison, *, color: bool) -> Iterator[str]:
    """Yields the same for a person."""
    for line in lines(found, for_person=True):
        yield _colored(line) if color else line


def _colored(line: str) -> str:
    return paint(line, "bold" if line.startswith(_HEADERS) else _STYLES.get(line[:1], ""))


def as_json(found: Comparison) -> dict[str, Any]:
    """Returns the differences as a JSON value."""
    return {
        "a": found.a,
        "b": found.b,
        "equal": found.is_equal,
        "fields": [field._asdict() for field in found.fields],
        "files": [_file_json(file) for file in found.files],
    }


def _file_json(file: FileChange) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "part": file.part,
        "path": file.path,
        "kind": file.kind,
        "form": file.form,
    }
    for side, digest, mode in zip("ab", file.digests, file.modes, strict=True):
        if digest is not None:
            fields[side] = {"digest": digest} | ({"mode": mode} if mode else {})
        else:
            fields[side] = None
    if file.form == "json":
        fields["changes"] = [change.to_json() for change in file.changes]
    if file.form == "text":
        fields["diff"] = "".join(f"{line}\n" for line in file.diff)
    return fields


def _file_lines(file: FileChange) -> Iterator[str]:
    a, b = (
        f"{side}/{file.path}" if file.path and digest else digest or "/dev/null"
        for side, digest in zip("ab", file.digests, strict=True)
    )
    old, new = file.modes
    if old and new and old != new:
        yield f"old mode {old} {a}"
        yield f"new mode {new} {b}"
    if file.form == "text":
        yield from file.diff
    elif file.form == "json":
        yield f"--- {a}"
        yield f"+++ {b}"
        for change in file.changes:
            yield from change_lines(change)
    elif file.form == "binary":
        yield f"Binary files {a} and {b} differ"
    elif file.form == "long":
        yield f"Files {a} and {b} differ (too long to say where)"
    elif file.form == "missing":
        yield f"Files {a} and {b} differ (not all of it is in this store)"


def change_lines(change: Change) -> Iterator[str]:
    """Yields the lines of a difference of two JSON values, long texts line by line."""
    yield f"@@ {make_pointer(change.place) or '(all of it)'} @@"
    a, b = change.a, change.b
    if isinstance(a, str) and isinstance(b, str) and "\n" in a + b:
        yield from list(unified(a, b, "", ""))[2:]
        return
    if change.op != "add":
        yield from _value_lines("-", a)
    if change.op != "remove":
        yield from _value_lines("+", b)


def _value_lines(sign: str, value: Any) -> Iterator[str]:
    """Yields a value as JSON; a text of several lines as it is."""
    if isinstance(value, str) and "\n" in value:
        yield from (sign + line for line in value.removesuffix("\n").split("\n"))
    else:
        yield sign + encode_trusted(value)


def _text(text: str | None) -> str:
    return escape(text) if text else "-"


def _escape(line: str) -> str:
    """Escapes a line except for tabs, which indent text."""
    return "\t".join(map(escape, line.split("\t")))
