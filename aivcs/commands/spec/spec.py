"""`aivcs spec`: what an agent is made of, as blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import NotFoundError, UsageError
from aivcs.model import ContentDigest, check_text
from aivcs.specs.manifest import (
    MAX_MANIFEST,
    MAX_SPEC,
    PARTS,
    File,
    encode_spec,
    may_be_manifest,
    parse_manifest,
    parse_spec,
    part_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aivcs.repository import Repository

_CHUNK = 1 << 20
"""Bytes read at once."""


class Spec(NamedTuple):
    """A spec as it is stored.

    Attributes:
        digest: Its digest.
        fields: Its members, in the order of `aivcs.specs.manifest.FIELDS`.
    """

    digest: ContentDigest
    fields: dict[str, str]


class Part(NamedTuple):
    """A part of a spec, as far as it is stored.

    Attributes:
        name: One of `aivcs.specs.manifest.PARTS`.
        digest: Of its blob; None where the spec's text is no digest.
        files: For a folder, what is in it; None for a file.
        is_stored: Whether its blob is in the store.
    """

    name: str
    digest: ContentDigest | None
    files: list[File] | None
    is_stored: bool


def create(
    repo: Repository, parts: Mapping[str, str | None], git_sha: str | None, *, partial: bool
) -> Spec:
    """Stores what an agent is made of, its parts before the spec that names them.

    The same inputs give the same spec: it holds no time, no path above the parts, no owner.

    Args:
        repo: Where to.
        parts: For each of `aivcs.specs.manifest.PARTS` the path of a file or folder, or None.
        git_sha: The commit of the code, or None.
        partial: Whether some may be None; those members are then absent.

    Raises:
        UsageError: A part is missing, is not there, or cannot be kept.
        InvalidNameError: The commit is no printable text.
        BackendError: A part cannot be read or stored.
    """
    if git_sha is not None:
        check_text("git_sha", git_sha)
    _require_parts(parts, git_sha, partial=partial)
    from aivcs.specs.folder import find_part, require_apart, store_part

    found = {
        part: find_part(path, f"--{part}")
        for part in PARTS
        if (path := parts.get(part)) is not None
    }
    for part, on_disk in found.items():
        require_apart(on_disk, f"--{part}", repo.path)
    with repo.hold(later=True):
        fields = {} if git_sha is None else {"git_sha": git_sha}
        for part, on_disk in found.items():
            fields[f"{part}_digest"] = store_part(repo, on_disk)
        return Spec(repo.blobs.put(encode_spec(fields)), fields)


def read(repo: Repository, text: str) -> Spec:
    """Returns the spec that a text names, as for `Repository.resolve_spec`.

    Raises:
        UsageError: The blob is no spec, or the text names nothing.
        NotFoundError: It is not in the store.
        IntegrityError: It is damaged.
    """
    digest = repo.resolve_spec(text, allow_missing=True)
    fields = find(repo, digest)
    if fields is None:
        raise UsageError(
            f"blob {digest} is no spec that aivcs spec create made; "
            f"its bytes: aivcs blob get {digest}"
        )
    return Spec(digest, fields)


def find(repo: Repository, digest: ContentDigest) -> dict[str, str] | None:
    """Returns the members of a spec, or None if the blob is none.

    Raises:
        NotFoundError: It is not in the store.
        IntegrityError: It is damaged.
    """
    data = _read_up_to(repo, digest, MAX_SPEC)
    return None if data is None else parse_spec(data)


def parts_of(repo: Repository, spec: Spec) -> Iterator[Part]:
    """Yields the parts that a spec names, whether they are stored or not.

    Raises:
        SerializationError: A part is the manifest of a folder that breaks a rule.
        IntegrityError: One is damaged.
    """
    for name in PARTS:
        if f"{name}_digest" not in spec.fields:
            continue
        digest = part_digest(spec.fields, name)
        if digest is None or not repo.blobs.contains(digest):
            yield Part(name, digest, None, is_stored=False)
        else:
            yield Part(name, digest, read_manifest(repo, digest), is_stored=True)


def read_manifest(repo: Repository, digest: ContentDigest) -> list[File] | None:
    """Returns the files of a folder, or None if the blob is the content of a file.

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


def _require_parts(parts: Mapping[str, str | None], git_sha: str | None, *, partial: bool) -> None:
    given = [part for part in PARTS if parts.get(part) is not None]
    missing = [f"--{part} PART" for part in PARTS if part not in given]
    if git_sha is None:
        missing.append("--git-sha SHA")
    if not given and git_sha is None:
        raise UsageError(f"a spec is made of something: give {', '.join(missing)}")
    if missing and not partial:
        raise UsageError(
            f"a spec has all of its parts; missing: {', '.join(missing)}. "
            "--partial makes one of what is given"
        )


def _read_up_to(repo: Repository, digest: ContentDigest, limit: int) -> bytes | None:
    """All of a blob, verified; None if it has more bytes than the limit."""
    with repo.blobs.open(digest) as stream:
        data = stream.read(limit + 1)
    return data if len(data) <= limit else None
