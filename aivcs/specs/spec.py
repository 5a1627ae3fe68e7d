"""Makes a spec from parts, and reads one: the core of `spec create`, `show` and `list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import NotFoundError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.model.record import check_text
from aivcs.specs.manifest import (
    MAX_MANIFEST,
    MAX_SPEC,
    PARTS,
    TREE,
    File,
    Manifest,
    check_files,
    encode_manifest,
    encode_spec,
    may_be_manifest,
    parse_manifest,
    parse_spec,
    part_digest,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from aivcs.repository import Repository
    from aivcs.specs.selection import Selection

_CHUNK = 1 << 20
"""Bytes read at once."""


class Spec(NamedTuple):
    """A stored spec.

    Attributes:
        digest: Its digest.
        fields: Its members, in the order of `aivcs.specs.manifest.FIELDS`.
    """

    digest: ContentDigest
    fields: dict[str, str]


class Part(NamedTuple):
    """A part of a spec, stored or missing.

    Attributes:
        name: One of `aivcs.specs.manifest.PARTS`.
        digest: Of its blob; None where the spec's text is not a digest.
        kind: `tree` if its files have paths below the agent's root; of older specs `folder` if they
            have paths below a folder of the part's name, `file` if the part is one file; `missing`
            if its blob is not in the store.
        files: The files of a tree or folder.
    """

    name: str
    digest: ContentDigest | None
    kind: str
    files: list[File]

    @property
    def is_stored(self) -> bool:
        """Whether its blob is in the store."""
        return self.kind != "missing"

    def path_of(self, file: File) -> str:
        """Returns the path of a file below the folder that the spec is checked out to."""
        return file.path if self.kind == TREE else f"{self.name}/{file.path}"


def create(repo: Repository, selection: Selection, git_sha: str | None = None) -> Spec:
    """Stores the files of an agent, their manifests, and the spec that names these.

    The same files give the same spec, which holds no time, no path above the root and no owner.

    Args:
        repo: The repository.
        selection: The files.
        git_sha: The commit of the code, or None.

    Raises:
        UsageError: A file cannot be kept.
        InvalidNameError: The commit is not printable text.
        BackendError: A file cannot be read or stored.
    """
    if git_sha is not None:
        check_text("git_sha", git_sha)
    from aivcs.specs.folder import read_selection

    with repo.hold(later=True):
        manifests = manifests_of(read_selection(selection, repo.blobs.put_many))
        fields = {} if git_sha is None else {"git_sha": git_sha}
        for part, manifest in manifests.items():
            fields[f"{part}_digest"] = repo.blobs.put(manifest)
        return Spec(repo.blobs.put(encode_spec(fields)), fields)


def manifests_of(parts: Mapping[str, list[File]]) -> dict[str, bytes]:
    """Returns the manifest of each part.

    Raises:
        SerializationError: Two files exclude each other, or there are too many.
    """
    check_files(file for files in parts.values() for file in files)
    return {part: encode_manifest(files) for part, files in parts.items()}


def require_complete(parts: Collection[str]) -> None:
    """Requires that a spec has all parts.

    Raises:
        UsageError: Names what is missing.
    """
    missing = [part for part in PARTS if part not in parts]
    if missing:
        raise UsageError(
            f"--complete asks for all parts; missing: {', '.join(missing)}. "
            f"Name the files: --{missing[0]} PATH"
        )


def read(repo: Repository, text: str) -> Spec:
    """Returns the spec that a text names, as for `Repository.resolve_spec`.

    Raises:
        UsageError: The blob is not a spec, or the text names nothing.
        NotFoundError: It is not in the store.
        IntegrityError: It is damaged.
    """
    digest = repo.resolve_spec(text, allow_missing=True)
    fields = find(repo, digest)
    if fields is None:
        raise UsageError(
            f"blob {digest} is not a spec that aivcs spec create made; "
            f"its bytes: aivcs blob get {digest}"
        )
    return Spec(digest, fields)


def find(repo: Repository, digest: ContentDigest) -> dict[str, str] | None:
    """Returns the members of a spec, or None if the blob is not a spec.

    Raises:
        NotFoundError: It is not in the store.
        IntegrityError: It is damaged.
    """
    data = _read_up_to(repo, digest, MAX_SPEC)
    return None if data is None else parse_spec(data)


def parts_of(repo: Repository, spec: Spec) -> Iterator[Part]:
    """Yields the parts that a spec names, whether they are stored or not.

    Raises:
        SerializationError: A part is a manifest that breaks a rule.
        IntegrityError: One is damaged.
    """
    for name in PARTS:
        if f"{name}_digest" not in spec.fields:
            continue
        digest = part_digest(spec.fields, name)
        if digest is None or not repo.blobs.contains(digest):
            yield Part(name, digest, "missing", [])
        elif (manifest := read_manifest(repo, digest)) is None:
            yield Part(name, digest, "file", [])
        else:
            yield Part(name, digest, *manifest)


def read_manifest(repo: Repository, digest: ContentDigest) -> Manifest | None:
    """Returns the files of a tree or folder, or None if the blob is the content of a file.

    Raises:
        NotFoundError: It is not in the store.
        SerializationError: It is a manifest that breaks a rule.
        IntegrityError: It is damaged.
    """
    with repo.blobs.open(digest) as stream:
        if not may_be_manifest(stream.read(64)):
            return None
    data = _read_up_to(repo, digest, MAX_MANIFEST)
    return None if data is None else parse_manifest(data)


def size_of(repo: Repository, digest: ContentDigest) -> int | None:
    """Returns the bytes of a blob, which is read and so verified; None if it is not stored.

    Raises:
        IntegrityError: It is damaged.
    """
    size = 0
    try:
        with repo.blobs.open(digest) as stream:
            while data := stream.read(_CHUNK):
                size += len(data)
    except NotFoundError:
        return None
    return size


def _read_up_to(repo: Repository, digest: ContentDigest, limit: int) -> bytes | None:
    """All of a blob, verified; None if it has more bytes than the limit."""
    with repo.blobs.open(digest) as stream:
        data = stream.read(limit + 1)
    return data if len(data) <= limit else None
