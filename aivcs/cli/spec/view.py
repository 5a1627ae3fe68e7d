"""How a spec looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.cli.render.output import Cell
from aivcs.cli.render.table import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.commands.spec.spec import Part, Spec
    from aivcs.model import ContentDigest

    SizeOf = Callable[[ContentDigest], int | None]

COLUMNS = [
    Column("PART", wraps=True), Column("KIND"), Column("BYTES", right=True), Column("DIGEST"),
]  # fmt: skip


def rows(spec: Spec, parts: list[Part], size_of: SizeOf) -> Iterator[list[Cell | str]]:
    """Yields the cells of `COLUMNS`: the spec, its commit, each part, and a folder's files."""
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
        if part.files is None:
            yield [name, "file", _size(size_of(part.digest)), _digest(part.digest)]
            continue
        sizes = [size_of(file.digest) for file in part.files]
        yield [name, "folder", _size(sum(size or 0 for size in sizes)), _digest(part.digest)]
        for file, size in zip(part.files, sizes, strict=True):
            kind = Cell("missing", "missing", "red") if size is None else Cell(file.mode, file.mode)
            yield [f"{part.name}/{file.path}", kind, _size(size), _digest(file.digest)]


def as_json(spec: Spec, parts: list[Part], size_of: SizeOf) -> dict[str, Any]:
    """Returns the same as a JSON value; a size of null is that of a blob that is not stored."""
    shown: dict[str, Any] = {}
    for part in parts:
        entry: dict[str, Any] = {"kind": "missing" if not part.is_stored else "file"}
        if part.is_stored and part.digest is not None:
            entry["size"] = size_of(part.digest)
        if part.files is not None:
            files = [{**file._asdict(), "size": size_of(file.digest)} for file in part.files]
            total = sum(file["size"] or 0 for file in files)
            entry = {"kind": "folder", "size": total, "files": files}
        shown[part.name] = entry
    return {**fields_json(spec), "parts": shown}


def fields_json(spec: Spec) -> dict[str, Any]:
    """Returns the digest and the members of a spec as a JSON value."""
    return {"spec_digest": spec.digest, **spec.fields}


def _size(size: int | None) -> str:
    return "-" if size is None else str(size)


def _digest(digest: ContentDigest) -> Cell:
    return Cell(digest, digest.short)
