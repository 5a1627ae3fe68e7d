"""Lists the blobs of a store with size, age, kind and referrer, for `aivcs blob ls -l`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.blob.ls import ls
from aivcs.errors import IntegrityError, NotFoundError, SerializationError
from aivcs.model.timestamp import Timestamp
from aivcs.specs.manifest import FIELDS, may_be_manifest
from aivcs.specs.spec import find, read_manifest
from aivcs.store.references import ReachableSet
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository

_PEEK_BYTES = 8192
"""Bytes at the beginning of a blob by which text is told from other data."""
SPEC_BEGINNINGS = tuple(f'{{"{field}":"'.encode() for field in FIELDS)
_POLICY_BEGINNING = b'{"format":1,"rules":{'


class ListedBlob(NamedTuple):
    """A blob in a list.

    Attributes:
        digest: Its digest.
        size: Its size in bytes.
        stored_at: When it was last put.
        kind: Its kind by its content: `spec`, `tree`, `folder`, `policy`, `json`, `text` or
            `binary`; or `damaged` where its beginning shows damage.
        named_by: The first referrer found: a release, a run, an event, a blob or a pin; or empty.
    """

    digest: ContentDigest
    size: int
    stored_at: Timestamp
    kind: str
    named_by: str


def list_blobs(repo: Repository, prefix: str = "") -> Iterator[ListedBlob]:
    """Yields the blobs whose digests begin with a prefix, in order of digests.

    Raises:
        UsageError: The prefix is not hexadecimal.
        IntegrityError: A log or a referring blob is damaged: it could refer to anything.
        BackendError: The store cannot be read.
    """
    wanted = ls(repo, prefix)
    named = DiskMap()
    for digest, source in ReachableSet(repo).catch_up():
        named[bytes.fromhex(digest)] = source.encode()
    stored = DiskMap()
    for digest, size_, put_ in repo.store.objects.stored():
        stored[bytes.fromhex(digest)] = b"%d %f" % (size_, put_)
    for digest in wanted:
        found = stored.get(bytes.fromhex(digest))
        if found is None:
            continue  # it was put since
        try:
            kind = kind_of(repo, digest)
        except NotFoundError:
            continue
        size, put = map(float, found.split())
        named_by = (named.get(bytes.fromhex(digest)) or b"").decode()
        yield ListedBlob(digest, int(size), timestamp_of(put), kind, named_by)


def kind_of(repo: Repository, digest: ContentDigest) -> str:
    """Returns the kind of a blob, as `ListedBlob.kind`.

    Raises:
        NotFoundError: The blob is not in the store.
    """
    try:
        with repo.blobs.open(digest) as stream:
            beginning = stream.read(_PEEK_BYTES)
        if beginning.startswith(SPEC_BEGINNINGS) and find(repo, digest) is not None:
            return "spec"
        if may_be_manifest(beginning) and (manifest := read_manifest(repo, digest)) is not None:
            return manifest.type
    except (IntegrityError, SerializationError):
        return "damaged"
    if beginning.startswith(_POLICY_BEGINNING):
        return "policy"
    if beginning.lstrip()[:1] in {b"{", b"["}:
        return "json"
    return "text" if _is_text(beginning) else "binary"


def _is_text(beginning: bytes) -> bool:
    if b"\0" in beginning:
        return False
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        # The last character may continue after the beginning.
        return len(beginning) == _PEEK_BYTES and error.start >= _PEEK_BYTES - 3
    return True


def timestamp_of(seconds: float) -> Timestamp:
    return Timestamp.from_datetime(datetime.fromtimestamp(seconds, UTC))
