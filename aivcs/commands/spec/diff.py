"""`aivcs spec diff`: compares two specs, or a spec with the files of a repository.

Files are compared by structure if both are JSON objects or arrays, line by line if both are text,
else only for equality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import parse
from aivcs.compare.json_difference import Change, compare_json, unified
from aivcs.errors import NotFoundError, SerializationError
from aivcs.model.digest import ContentDigest
from aivcs.specs import spec as specs
from aivcs.specs.folder import digest_files, open_regular, read_selection
from aivcs.specs.manifest import FIELDS, TREE, encode_spec
from aivcs.specs.selection import again

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aivcs.repository import Repository
    from aivcs.specs.work_tree import Found, WorkTree

MAX_TEXT_BYTES = 4 << 20
"""The maximum size, in bytes, of a file that is compared by its content."""
MAX_LINES = 100_000
"""The maximum number of its lines, or of members and items of JSON: seconds of work."""


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
        part: The part it belongs to; empty for two blobs that are not specs.
        path: The path of the file after a checkout; empty for two blobs that are not specs.
        kind: `added`, `removed` or `changed`.
        form: How its content was compared: `json` or `text`; or why it was not: `binary`, `long`
            (beyond `MAX_TEXT_BYTES` or `MAX_LINES`), `missing` (not in the store), `same` (only
            its mode differs).
        digests: Of both sides; None where there is no file.
        modes: Of both sides; None where there is no file, or where it is not kept.
        changes: The differences by structure, if the form is `json`.
        diff: The lines of a unified diff, if the form is `text`.
    """

    part: str
    path: str
    kind: str
    form: str
    digests: tuple[ContentDigest | None, ContentDigest | None]
    modes: tuple[str | None, str | None]
    changes: list[Change]
    diff: list[str]


class Comparison(NamedTuple):
    """The differences of two specs.

    Attributes:
        a: The digest of A.
        b: The digest of B.
        fields: The members that differ; empty where the blobs are not specs.
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


class _Contents:
    """Reads the compared files, from the store or from the work tree."""

    def __init__(
        self, repo: Repository, found: Mapping[ContentDigest, Found] | None = None
    ) -> None:
        self._repo = repo
        self._found = found or {}

    def read(self, digest: ContentDigest) -> bytes:
        """Returns a content, at most `MAX_TEXT_BYTES` and one byte of it.

        Raises:
            NotFoundError: The content does not exist.
        """
        found = self._found.get(digest)
        if found is None:
            with self._repo.blobs.open(digest) as stream:
                return stream.read(MAX_TEXT_BYTES + 1)
        with open_regular(found.real, found.path) as file:
            return file.read(MAX_TEXT_BYTES + 1)


def compare_specs(repo: Repository, a: ContentDigest, b: ContentDigest) -> Comparison:
    """Compares two specs, or two other blobs as texts.

    Raises:
        NotFoundError: A blob is not in the store.
        SerializationError: A part is a manifest that breaks a rule.
        IntegrityError: The stored data is damaged.
    """
    fields_a, fields_b = specs.find(repo, a), specs.find(repo, b)
    if a == b:
        return Comparison(a, b, [], [])
    contents = _Contents(repo)
    if fields_a is None or fields_b is None:
        changed = _compare_files(contents, ("", ""), _File(a, None), _File(b, None))
        return Comparison(a, b, [], [changed])
    fields = _compare_fields(fields_a, fields_b)
    old = _files(specs.parts_of(repo, specs.Spec(a, fields_a)), fields)
    new = _files(specs.parts_of(repo, specs.Spec(b, fields_b)), fields)
    return Comparison(a, b, fields, list(_compare_folders(contents, old, new)))


def compare_with_tree(repo: Repository, spec: specs.Spec, tree: WorkTree, home: str) -> Comparison:
    """Compares a spec with the files of a repository. Stores nothing.

    Compared are the paths of the spec's files, and the places where agents look. The commit of the
    spec is not compared.

    That is what lies where the files of the spec were, and where agents look. The commit of the
    spec is not compared.

    Args:
        repo: The repository.
        spec: The spec.
        tree: The files of the repository.
        home: The user's home, which does not count as a repository.

    Raises:
        NotFoundError: A part of the spec is not in the store.
        SerializationError: A part is a manifest that breaks a rule.
        UsageError: A file of the repository cannot be part of a spec.
        BackendError: A file of the repository cannot be read.
    """
    parts = list(specs.parts_of(repo, spec))
    for part in parts:
        if not part.is_stored:
            raise NotFoundError(
                str(part.digest), f"the part {part.name} of the spec is not in this store"
            )
    paths = {part.name: [part.path_of(file) for file in part.files] for part in parts}
    selection = again(tree, paths, home)
    read = read_selection(selection, digest_files)
    fields = {"git_sha": spec.fields["git_sha"]} if "git_sha" in spec.fields else {}
    manifests = specs.manifests_of(read)
    for name, manifest in manifests.items():
        fields[f"{name}_digest"] = ContentDigest.from_bytes(manifest)
    lying = (
        ContentDigest.from_bytes(encode_spec(fields)) if fields else ContentDigest.from_bytes(b"")
    )
    changed = _compare_fields(spec.fields, fields)
    new = [
        specs.Part(name, ContentDigest.from_bytes(manifests[name]), TREE, files)
        for name, files in read.items()
    ]
    found = {
        file.digest: place
        for name, files in read.items()
        for file, place in zip(files, selection.parts[name], strict=True)
    }
    files = _compare_folders(_Contents(repo, found), _files(parts, changed), _files(new, changed))
    return Comparison(spec.digest, lying, changed, list(files))


def _compare_fields(a: Mapping[str, str], b: Mapping[str, str]) -> list[FieldChange]:
    return [
        FieldChange(name, a.get(name), b.get(name)) for name in FIELDS if a.get(name) != b.get(name)
    ]


def _files(parts: Iterable[specs.Part], changed: list[FieldChange]) -> dict[tuple[str, str], _File]:
    """Returns the files of the parts that changed, by path and part."""
    names = {change.field for change in changed}
    found = {}
    for part in parts:
        if f"{part.name}_digest" not in names or part.digest is None:
            continue
        if part.kind in {"file", "missing"}:
            found[part.name, part.name] = _File(part.digest, None)
        for file in part.files:
            found[part.path_of(file), part.name] = _File(file.digest, file.mode)
    return found


def _compare_folders(
    contents: _Contents,
    old: Mapping[tuple[str, str], _File],
    new: Mapping[tuple[str, str], _File],
) -> Iterator[FileChange]:
    for where in sorted(old.keys() | new.keys()):
        a, b = old.get(where), new.get(where)
        if a != b:
            yield _compare_files(contents, where, a, b)


def _compare_files(
    contents: _Contents, where: tuple[str, str], a: _File | None, b: _File | None
) -> FileChange:
    path, part = where
    kind = "added" if a is None else "removed" if b is None else "changed"
    digests = (a and a.digest, b and b.digest)
    form, changes, diff = _compare_contents(contents, path, *digests)
    modes = (a and a.mode, b and b.mode)
    return FileChange(part, path, kind, form, digests, modes, changes, diff)


def _compare_contents(
    contents: _Contents, path: str, a: ContentDigest | None, b: ContentDigest | None
) -> tuple[str, list[Change], list[str]]:
    """Returns the form, changes and diff of a `FileChange`."""
    if a == b:
        return "same", [], []
    (text_a, obstacle_a), (text_b, obstacle_b) = _read_text(contents, a), _read_text(contents, b)
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


def _read_text(contents: _Contents, digest: ContentDigest | None) -> tuple[str, str]:
    """Returns the text of a file, empty without one; and the reason if it is not compared."""
    if digest is None:
        return "", ""
    try:
        data = contents.read(digest)
    except NotFoundError:
        return "", "missing"
    if len(data) > MAX_TEXT_BYTES or data.count(b"\n") > MAX_LINES:
        return "", "long"
    try:
        return ("", "binary") if b"\0" in data else (data.decode(), "")
    except UnicodeDecodeError:
        return "", "binary"


def _structure(text: str) -> Any:
    """Returns a JSON object or array; None for any other text."""
    if text.lstrip()[:1] not in {"{", "["} or text.count(",") > MAX_LINES:
        return None
    try:
        return parse(text)
    except SerializationError:
        return None
