"""The pages of specs and blobs: the parts of a spec with their files, and the text of a blob.

A blob is what anybody put in: it is shown as text, escaped and masked, and never sent as it is, so
that no browser can take it for a page, a script or a program. Bytes that are no text are not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import NotFoundError
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.present.words import size
from aivcs.specs.spec import Spec, find, parts_of
from aivcs.web import parts
from aivcs.web.html import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.web.source import Source

MAX_TEXT_BYTES = 1 << 20
"""Bytes of a blob that are shown, at most."""


MAX_LINES = 20_000
"""Lines of a blob that are shown, at most."""


class Shown(NamedTuple):
    """What a page shows.

    Attributes:
        title: The title.
        content: The content.
        data: The same as a JSON value.
    """

    title: str
    content: list[Markup]
    data: Any


def spec_page(source: Source, text: str) -> Shown:
    """Returns a spec: its commit, its parts, and their files; another blob as its text.

    Raises:
        NotFoundError: It is not in the store.
        StorageError: It cannot be read.
    """
    digest = _digest(text)
    fields = find(source.repo, digest)
    if fields is None:
        return blob_page(source, text)
    spec = Spec(digest, fields)
    content = [parts.pairs([("spec", parts.mono(digest)), *_commit(source, fields)])]
    rows = list(_files(source, spec))
    lines = (
        [parts.words(part), parts.words(path), parts.short(mode), blob_link(file)]
        for part, path, mode, file in rows
    )
    content.append(parts.table(("part", "file", "mode", "content"), lines, "Files of the spec"))
    data = {
        "spec_digest": digest,
        **source.mask(fields),
        "files": [
            {"part": part, "path": path, "mode": mode, "digest": file}
            for part, path, mode, file in rows
        ],
    }
    return Shown(f"Spec {digest.short}", content, data)


def blob_page(source: Source, text: str) -> Shown:
    """Returns the text of a blob.

    Raises:
        NotFoundError: It is not in the store.
        StorageError: It cannot be read.
    """
    digest = _digest(text)
    with source.repo.blobs.open(digest) as stream:
        data = stream.read(MAX_TEXT_BYTES + 1)
    is_cut = len(data) > MAX_TEXT_BYTES
    told = f"more than {size(MAX_TEXT_BYTES)}" if is_cut else size(len(data))
    content = [parts.pairs([("blob", parts.mono(digest)), ("size", told)])]
    shown = _text(data[:MAX_TEXT_BYTES], is_cut=is_cut)
    if shown is None:
        content.append(tag("p", f"It is binary. Its bytes: aivcs blob get {digest}", class_="dim"))
    else:
        shown = source.mask(shown)
        content += text_block(shown, f"aivcs blob get {digest}", is_cut=is_cut)
    number = len(data) if len(data) <= MAX_TEXT_BYTES else None
    members = {"digest": digest, "size": number, "text": shown}
    return Shown(f"Blob {digest.short}", content, members)


def text_block(text: str, command: str, *, is_cut: bool = False) -> Iterator[Markup]:
    """Yields a text, line by line, and how to get all of it if it is too long for a page.

    Args:
        text: The text, masked.
        command: The command that prints all of it.
        is_cut: Whether it is not all of the text.
    """
    # Characters are no more than bytes, so that the limit holds for both.
    lines = text[:MAX_TEXT_BYTES].split("\n", MAX_LINES)
    yield tag("pre", *(tag("span", line) for line in lines[:MAX_LINES]), class_="diff", tabindex=0)
    if is_cut or len(text) > MAX_TEXT_BYTES or len(lines) > MAX_LINES:
        yield tag("p", f"… all of it: {command}", class_="dim")


def spec_link(digest: str) -> Markup:
    """Returns the digest of a spec as a link to its page."""
    return tag("a", digest, href=f"/spec/{digest}", class_="mono")


def blob_link(digest: str) -> Markup:
    """Returns the digest of a blob as a link to its page."""
    return tag("a", digest, href=f"/blob/{digest}", class_="mono")


def _digest(text: str) -> ContentDigest:
    if len(text) != 64 or not is_hex(text):
        raise NotFoundError("", "There is no such page.")
    return ContentDigest(text)


def _commit(source: Source, fields: dict[str, str]) -> Iterator[tuple[str, str]]:
    if "git_sha" in fields:
        yield "commit", parts.words(source.mask(fields["git_sha"]))


def _files(source: Source, spec: Spec) -> Iterator[tuple[str, str, str, str]]:
    """Yields part, path, mode and digest of each file, masked."""
    for part in parts_of(source.repo, spec):
        if part.digest is None or not part.is_stored:
            yield part.name, "(not in this store)", "-", spec.fields[f"{part.name}_digest"]
        elif part.kind == "file":
            yield part.name, part.name, "-", part.digest
        else:
            for file in part.files:
                yield part.name, source.mask(part.path_of(file)), file.mode, file.digest


def _text(data: bytes, *, is_cut: bool) -> str | None:
    """Returns a text; None for bytes that are none."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # The limit may stand within a character.
        return data[: error.start].decode() if is_cut and error.start > len(data) - 4 else None
