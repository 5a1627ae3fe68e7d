"""Checks that a spec is in a store whole: the spec itself, its parts, and the files of its folders.

A spec that runs or goes live must be stored whole. A spec is either a blob of any kind, or a JSON
object whose only members are those of `aivcs.specs.manifest.FIELDS`; a part is a blob, or the
manifest of a folder. `aivcs.specs.manifest` decides whether a spec is valid; this module only
follows digests, without that module's imports, because runs are started in loops.
"""

from aivcs.errors import IntegrityError, NotFoundError, SerializationError
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.store.contracts import CasStore

MEMBERS = frozenset({"git_sha", "graph_digest", "prompts_digest", "tools_digest", "config_digest"})
"""The members of a spec, as `aivcs.specs.manifest.FIELDS`."""
MANIFEST = b'{"files":['
"""The first bytes of every manifest of a folder."""
MAX_PARSED = 64 << 20
"""Bytes of a manifest, at most, as `aivcs.specs.manifest.MAX_MANIFEST`."""
_CHUNK = 1 << 20
_ALLOW = "or say --allow-missing-spec"


def require_spec(blobs: "CasStore", digest: ContentDigest) -> None:
    """Requires that a spec is stored whole; reads and verifies all of it, each blob once.

    Raises:
        NotFoundError: The spec, or a blob that it names, is not in the store.
        IntegrityError: The spec, or a blob that it names, is damaged.
    """
    try:
        data = _read(blobs, digest, b"{")
    except NotFoundError:
        raise missing_spec(digest) from None
    except IntegrityError as error:
        raise _with(error, f"spec {digest.short}: {error}, {_ALLOW}") from error
    done = {digest}
    for member, part in _parts(data):
        _require_part(blobs, part, f"spec {digest.short} names the {member} {part.short}", done)


def missing_spec(digest: ContentDigest) -> NotFoundError:
    """Returns the error for a spec that is not in the store."""
    return NotFoundError(
        digest,
        f"spec {digest} is not in this store; put it first (aivcs blob put FILE), {_ALLOW}",
    )


def parts_of(blobs: "CasStore", digest: ContentDigest, *, is_spec: bool) -> "list[ContentDigest]":
    """Returns the blobs that a spec names as its parts, or a part of it as the files of a folder.

    A blob that is neither a JSON spec nor a manifest names none. The blob is read and verified.

    Raises:
        NotFoundError: The blob is not in the store.
        IntegrityError: The blob is damaged.
    """
    data = _read(blobs, digest, b"{" if is_spec else MANIFEST)
    return [part for _, part in (_parts(data) if is_spec else _files(data))]


def _require_part(
    blobs: "CasStore", digest: ContentDigest, what: str, done: "set[ContentDigest]"
) -> None:
    if digest in done:
        return
    done.add(digest)
    try:
        data = _read(blobs, digest, MANIFEST)
    except NotFoundError as error:
        raise NotFoundError(
            digest, f"{what}, which is not in this store; put it first, {_ALLOW}"
        ) from error
    except IntegrityError as error:
        raise _with(error, f"{what}: {error}, {_ALLOW}") from error
    for path, file in _files(data):
        _require_part(blobs, file, f"{what}, and that the file {path[:100]!a} {file.short}", done)


def _read(blobs: "CasStore", digest: ContentDigest, beginning: bytes) -> bytes:
    """Reads and verifies a blob; returns its bytes if they begin as given, else no bytes."""
    kept = []
    size = 0
    with blobs.open(digest) as stream:
        chunk = stream.read(_CHUNK)
        is_kept = chunk.startswith(beginning)
        while chunk:
            size += len(chunk)
            if is_kept and size <= MAX_PARSED:
                kept.append(chunk)
            chunk = stream.read(_CHUNK)
    return b"".join(kept) if size <= MAX_PARSED else b""


def _parts(data: bytes) -> "Iterator[tuple[str, ContentDigest]]":
    """Yields name and digest of each part of a spec; nothing for a blob that is not a JSON spec."""
    fields = _parsed(data)
    if not isinstance(fields, dict) or not fields.keys() <= MEMBERS:
        return
    for member, text in fields.items():
        if member != "git_sha" and isinstance(text, str) and len(text) == 64:
            yield member.removesuffix("_digest"), ContentDigest(text)


def _files(data: bytes) -> "Iterator[tuple[str, ContentDigest]]":
    """Yields the files of a manifest; nothing for a blob that is not a manifest."""
    manifest = _parsed(data)
    if not isinstance(manifest, dict) or manifest.get("type") not in {"folder", "tree"}:
        return
    for entry in manifest["files"]:
        if isinstance(entry, dict) and isinstance(entry.get("digest"), str):
            yield str(entry.get("path")), ContentDigest(entry["digest"])


def _parsed(data: bytes) -> object:
    if not data:
        return None
    from aivcs.codec.json import parse

    try:
        return parse(data.decode())
    except (SerializationError, ValueError):
        return None


def _with(error: IntegrityError, message: str) -> IntegrityError:
    return IntegrityError(error.expected, error.actual, error.where, message)
