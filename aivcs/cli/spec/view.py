"""Formats specs and lists of them."""

from __future__ import annotations

from aivcs.cli.render.output import Cell, escape
from aivcs.cli.render.table import Column
from aivcs.cli.render.time_format import age
from aivcs.specs.spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from aivcs.commands.spec.list import ListedSpec
    from aivcs.model.digest import ContentDigest
    from aivcs.specs.selection import Selection
    from aivcs.specs.spec import Part

    SizeOf = Callable[[ContentDigest], int | None]

COLUMNS = [
    Column("PART", wraps=True), Column("KIND"), Column("BYTES", right=True), Column("DIGEST"),
]  # fmt: skip


LIST_COLUMNS = [
    Column("SPEC"), Column("AGE", right=True), Column("PARTS", wraps=True), Column("COMMIT"),
    Column("RELEASES", wraps=True),
]  # fmt: skip


def rows(spec: Spec, parts: list[Part], size_of: SizeOf) -> Iterator[list[Cell | str]]:
    """Yields the cells of `COLUMNS`: the spec, its commit, each part, and its files."""
    yield ["spec", "spec", "-", _digest(spec.digest)]
    if "git_sha" in spec.fields:
        yield ["git_sha", "commit", "-", spec.fields["git_sha"]]
    for part in parts:
        name = Cell(part.name, part.name, "bold")
        if not part.is_stored:
            kind = Cell("missing", "missing", "red")
            yield [name, kind, "-", spec.fields[f"{part.name}_digest"]]
            continue
        assert part.digest is not None
        if part.kind == "file":
            yield [name, "file", _size(size_of(part.digest)), _digest(part.digest)]
            continue
        sizes = [size_of(file.digest) for file in part.files]
        yield [name, part.kind, _size(sum(size or 0 for size in sizes)), _digest(part.digest)]
        for file, size in zip(part.files, sizes, strict=True):
            kind = Cell("missing", "missing", "red") if size is None else Cell(file.mode, file.mode)
            yield [part.path_of(file), kind, _size(size), _digest(file.digest)]


def as_json(spec: Spec, parts: list[Part], size_of: SizeOf) -> dict[str, Any]:
    """Returns a spec as a JSON value. The size of a blob that is not stored is null."""
    shown: dict[str, Any] = {}
    for part in parts:
        entry: dict[str, Any] = {"kind": part.kind}
        if part.kind == "file" and part.digest is not None:
            entry["size"] = size_of(part.digest)
        elif part.is_stored:
            files = [{**file._asdict(), "size": size_of(file.digest)} for file in part.files]
            entry |= {"size": sum(file["size"] or 0 for file in files), "files": files}
        shown[part.name] = entry
    return {**fields_json(spec), "parts": shown}


def selection_lines(selection: Selection, *, with_taken: bool) -> Iterator[str]:
    """Yields the selected files with their parts, and the excluded ones with the reasons."""
    if with_taken:
        for part, files in selection.parts.items():
            for file in files:
                yield f"{part:<8} {escape(file.path)}"
    for left in selection.left_out:
        yield f"left out {escape(left.path)}: {escape(left.why)}"


def selection_json(selection: Selection) -> dict[str, Any]:
    """Returns the same as JSON members."""
    return {
        "taken": [
            {"part": part, "path": file.path}
            for part, files in selection.parts.items()
            for file in files
        ],
        "left_out": [
            {"path": readable(left.path), "why": readable(left.why)} for left in selection.left_out
        ],
    }


def listed_row(spec: ListedSpec) -> list[Cell | str]:
    """Returns the cells of `LIST_COLUMNS`."""
    parts = ", ".join(spec.parts) or "-"
    sha = spec.fields.get("git_sha", "-")
    releases = " ".join(spec.releases) or "-"
    stored = spec.stored_at
    return [
        _digest(spec.digest), Cell(str(stored), age(stored)), parts,
        Cell(sha, sha if len(sha) < 40 else sha[:12] + sha[40:]), releases,
    ]  # fmt: skip


def listed_json(spec: ListedSpec) -> dict[str, Any]:
    """Returns the same as a JSON value."""
    return {
        **fields_json(Spec(spec.digest, spec.fields)),
        "stored_at": str(spec.stored_at),
        "releases": spec.releases,
    }


def readable(text: str) -> str:
    r"""Returns a text that JSON can represent: bytes that are not UTF-8 become `ÿ`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def fields_json(spec: Spec) -> dict[str, Any]:
    """Returns the digest and the members of a spec as a JSON value."""
    return {"spec_digest": spec.digest, **spec.fields}


def _size(size: int | None) -> str:
    return "-" if size is None else str(size)


def _digest(digest: ContentDigest) -> Cell:
    return Cell(digest, digest.short)
