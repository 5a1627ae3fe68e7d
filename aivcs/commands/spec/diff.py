"""Compares two specs: their members, and the contents of each part that changed.

A part is a file or a folder of files; file by file the two sides are compared by structure where
both are JSON objects or arrays, line by line where both are text, else only told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import parse
from aivcs.commands.spec import spec as specs
from aivcs.compare.json_difference import Change, compare_json, unified
from aivcs.errors import NotFoundError, SerializationError
from aivcs.specs.manifest import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aivcs.model import ContentDigest
    from aivcs.repository import Repository

MAX_TEXT = 4 << 20
"""Bytes of a file that is compared by its content, at most."""
MAX_LINES = 100_000
"""Lines of such a file, or members and items of JSON, at most: some seconds of work."""


class FieldChange(NamedTuple):
    """A member of a spec that differs.

    Attributes:
        field: One of `aivcs.specs.manifest.FIELDS`.
        a: Its text in A; None where it has none.
        b: Its text in B.
    """

    field: str
    a: str | None
    b: str | None


class FileChange(NamedTuple):
    """A file that differs.

    Attributes:
        path: The part, and for a file of a folder its path below: `prompts/system.md`. Of two blobs
            that are no specs, empty.
        kind: `added`, `removed` or `changed`.
        form: How its content was compared: `json`, `text`, or not at all: `binary`, `long`
            (beyond `MAX_TEXT` or `MAX_LINES`), `missing` (not in the store), `same` (only its mode
            differs).
        digests: Of both sides; None where there is no file.
        modes: Of both sides; None where there is no file, or where it is not kept.
        changes: What differs by structure, if the form is `json`.
        diff: The lines of a unified diff, if the form is `text`.
    """

    path: str
    kind: str
    form: str
    digests: tuple[ContentDigest | None, ContentDigest | None]
    modes: tuple[str | None, str | None]
    changes: list[Change]
    diff: list[str]


class Comparison(NamedTuple):
    """What differs between two specs.

    Attributes:
        a: The digest of A.
        b: The digest of B.
        fields: The members that differ; empty where the blobs are no specs.
        files: The files that differ.
    """

    a: ContentDigest
    b: ContentDigest
    fields: list[FieldChange]
    files: list[FileChange]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return self.a == self.b


class _File(NamedTuple):
    digest: ContentDigest
    mode: str | None


def compare_specs(repo: Repository, a: ContentDigest, b: ContentDigest) -> Comparison:
    """Returns what differs between two specs; of blobs that are no specs, what their texts say.

    Raises:
        NotFoundError: One is not in the store.
        SerializationError: A part is the manifest of a folder that breaks a rule.
        IntegrityError: What is stored is damaged.
    """
    fields_a, fields_b = specs.find(repo, a), specs.find(repo, b)
    if a == b:
        return Comparison(a, b, [], [])
    if fields_a is None or fields_b is None:
        changed = _compare_files(repo, "", _File(a, None), _File(b, None))
        return Comparison(a, b, [], [changed])
    fields = [
        FieldChange(name, fields_a.get(name), fields_b.get(name))
        for name in FIELDS
        if fields_a.get(name) != fields_b.get(name)
    ]
    old = dict(_files(repo, specs.Spec(a, fields_a), fields))
    new = dict(_files(repo, specs.Spec(b, fields_b), fields))
    return Comparison(a, b, fields, list(_compare_folders(repo, old, new)))


def _files(
    repo: Repository, spec: specs.Spec, changed: list[FieldChange]
) -> Iterator[tuple[str, _File]]:
    """The files of those parts that changed, by part and path."""
    names = {change.field for change in changed}
    for part in specs.parts_of(repo, spec):
        if f"{part.name}_digest" not in names or part.digest is None:
            continue
        if part.files is None:
            yield part.name, _File(part.digest, None)
        else:
            for file in part.files:
                yield f"{part.name}/{file.path}", _File(file.digest, file.mode)


def _compare_folders(
    repo: Repository, old: Mapping[str, _File], new: Mapping[str, _File]
) -> Iterator[FileChange]:
    for path in sorted(old.keys() | new.keys()):
        a, b = old.get(path), new.get(path)
        if a != b:
            yield _compare_files(repo, path, a, b)


def _compare_files(repo: Repository, path: str, a: _File | None, b: _File | None) -> FileChange:
    kind = "added" if a is None else "removed" if b is None else "changed"
    digests = (a and a.digest, b and b.digest)
    form, changes, diff = _compare_contents(repo, path, *digests)
    return FileChange(path, kind, form, digests, (a and a.mode, b and b.mode), changes, diff)


def _compare_contents(
    repo: Repository, path: str, a: ContentDigest | None, b: ContentDigest | None
) -> tuple[str, list[Change], list[str]]:
    """The form, changes and diff of a `FileChange`."""
    if a == b:
        return "same", [], []
    (text_a, obstacle_a), (text_b, obstacle_b) = _read_text(repo, a), _read_text(repo, b)
    if obstacle_a or obstacle_b:
        return obstacle_a or obstacle_b, [], []
    if a is not None and b is not None:
        values = _structure(text_a), _structure(text_b)
        changes = compare_json(*values) if type(values[0]) is type(values[1]) else []
        if changes:
            return "json", changes, []
    name_a = f"a/{path}" if path and a else a or "/dev/null"
    name_b = f"b/{path}" if path and b else b or "/dev/null"
    return "text", [], list(unified(text_a, text_b, name_a, name_b))


def _read_text(repo: Repository, digest: ContentDigest | None) -> tuple[str, str]:
    """The text of a file, empty if there is no file; and why it is not compared, if it is not."""
    if digest is None:
        return "", ""
    try:
        with repo.blobs.open(digest) as stream:
            data = stream.read(MAX_TEXT + 1)
    except NotFoundError:
        return "", "missing"
    if len(data) > MAX_TEXT or data.count(b"\n") > MAX_LINES:
        return "", "long"
    try:
        return ("", "binary") if b"\0" in data else (data.decode(), "")
    except UnicodeDecodeError:
        return "", "binary"


def _structure(text: str) -> Any:
    """The value of a JSON object or array; None of any other text."""
    if text.lstrip()[:1] not in {"{", "["} or text.count(",") > MAX_LINES:
        return None
    try:
        return parse(text)
    except SerializationError:
        return None
