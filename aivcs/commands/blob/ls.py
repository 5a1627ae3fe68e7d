"""`aivcs blob ls -l` and `aivcs spec list`: what is stored, since when, and what names it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.blob.blob import list_
from aivcs.errors import IntegrityError, NotFoundError, SerializationError
from aivcs.model.timestamp import Timestamp
from aivcs.specs.manifest import FIELDS, MAX_SPEC, PARTS, may_be_manifest
from aivcs.specs.spec import find, read_manifest
from aivcs.store.references import ReachableSet
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository

_PEEK = 8192
"""Bytes by which a text is told from other bytes."""
_SPEC_BEGINNINGS = tuple(f'{{"{field}":"'.encode() for field in FIELDS)
_POLICY_BEGINNING = b'{"format":1,"rules":{'


class ListedBlob(NamedTuple):
    """A blob, as a list tells of it.

    Attributes:
        digest: Its digest.
        size: Its bytes.
        stored_at: When it was put last.
        kind: What it looks like: `spec`, `tree`, `folder`, `policy`, `json`, `text`, `binary`, or
            `damaged` where it is seen at once not to be what it was.
        named_by: What refers to it, the first of them: a release, a run, an event, a blob or a pin;
            empty if nothing does.
    """

    digest: ContentDigest
    size: int
    stored_at: Timestamp
    kind: str
    named_by: str


class ListedSpec(NamedTuple):
    """A spec, as a list tells of it.

    Attributes:
        digest: Its digest.
        fields: Its members.
        stored_at: When it was put last.
        releases: How it can be named by releases: for each name `NAME@current` if it is live, else
            by the newest release of it.
    """

    digest: ContentDigest
    fields: dict[str, str]
    stored_at: Timestamp
    releases: list[str]

    @property
    def parts(self) -> list[str]:
        """The parts that it has."""
        return [part for part in PARTS if f"{part}_digest" in self.fields]


def list_blobs(repo: Repository, prefix: str = "") -> Iterator[ListedBlob]:
    """Yields the blobs whose digests begin with a prefix, in order, with what is known of each.

    Raises:
        UsageError: The prefix is not hexadecimal.
        IntegrityError: A log or a blob that counts is damaged: it could refer to anything.
        BackendError: The store cannot be read.
    """
    wanted = list_(repo, prefix)
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
        yield ListedBlob(digest, int(size), _moment(put), kind, named_by)


def list_specs(repo: Repository, limit: int | None = None) -> list[ListedSpec]:
    """Returns the specs of a store that have the form of `aivcs spec create`, newest first.

    Args:
        repo: The store.
        limit: How many, at most.

    Raises:
        IntegrityError: A release log is damaged.
        BackendError: The store cannot be read.
    """
    found = []
    for digest, size, put in repo.store.objects.stored():
        fields = _spec_of(repo, digest) if size <= MAX_SPEC else None
        if fields is not None:
            found.append((put, digest, fields))
    found.sort(key=lambda spec: (-spec[0], spec[1]))
    releases = _releases(repo, {digest for _, digest, _ in found})
    return [
        ListedSpec(digest, fields, _moment(put), releases.get(digest, []))
        for put, digest, fields in found[:limit]
    ]


def kind_of(repo: Repository, digest: ContentDigest) -> str:
    """Returns what a blob looks like, as `ListedBlob.kind`.

    Raises:
        NotFoundError: It is not in the store.
    """
    try:
        with repo.blobs.open(digest) as stream:
            beginning = stream.read(_PEEK)
        if beginning.startswith(_SPEC_BEGINNINGS) and find(repo, digest) is not None:
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
        # The last character may go on behind the beginning.
        return len(beginning) == _PEEK and error.start >= _PEEK - 3
    return True


def _spec_of(repo: Repository, digest: ContentDigest) -> dict[str, str] | None:
    try:
        with repo.blobs.open(digest) as stream:
            if not stream.read(32).startswith(_SPEC_BEGINNINGS):
                return None
        return find(repo, digest)
    except (NotFoundError, IntegrityError):
        return None  # it went meanwhile, or is for aivcs verify to tell of


def _releases(repo: Repository, specs: set[ContentDigest]) -> dict[ContentDigest, list[str]]:
    """How each of some specs can be named by releases."""
    releases: dict[ContentDigest, list[str]] = {}
    for name in repo.releases.list_names():
        told: set[ContentDigest] = set()
        for record in repo.releases.iter_history(name):
            digest = record.spec_digest
            if digest in specs and digest not in told:
                label = "current" if not told else record.metadata.version_label or record.seq
                releases.setdefault(digest, []).append(f"{name}@{label}")
            told.add(digest)
    return releases


def _moment(seconds: float) -> Timestamp:
    return Timestamp.from_datetime(datetime.fromtimestamp(seconds, UTC))
