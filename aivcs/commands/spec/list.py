"""`aivcs spec list`: finds the specs of a store and the releases of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.blob.stored_blobs import SPEC_BEGINNINGS, timestamp_of
from aivcs.errors import IntegrityError, NotFoundError, UsageError
from aivcs.specs.manifest import MAX_SPEC, PARTS
from aivcs.specs.spec import find

if TYPE_CHECKING:
    from aivcs.model.digest import ContentDigest
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository


class ListedSpec(NamedTuple):
    """A spec in a list.

    Attributes:
        digest: Its digest.
        fields: Its members.
        stored_at: When it was last put.
        releases: A release of the spec for each name: `NAME@current` if it is live, else the
            newest.
    """

    digest: ContentDigest
    fields: dict[str, str]
    stored_at: Timestamp
    releases: list[str]

    @property
    def parts(self) -> list[str]:
        """The parts that it has."""
        return [part for part in PARTS if f"{part}_digest" in self.fields]


def list_specs(repo: Repository, limit: int | None = None) -> list[ListedSpec]:
    """Returns the specs that `aivcs spec create` made, newest first.

    Args:
        repo: The repository.
        limit: The maximum number; None is all.

    Raises:
        UsageError: The limit is negative.
        IntegrityError: A release log is damaged.
        BackendError: The store cannot be read.
    """
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of specs, 0 or more")
    found = []
    for digest, size, put in repo.store.objects.stored():
        fields = _spec_of(repo, digest) if size <= MAX_SPEC else None
        if fields is not None:
            found.append((put, digest, fields))
    found.sort(key=lambda spec: (-spec[0], spec[1]))
    releases = _releases(repo, {digest for _, digest, _ in found})
    return [
        ListedSpec(digest, fields, timestamp_of(put), releases.get(digest, []))
        for put, digest, fields in found[:limit]
    ]


def _spec_of(repo: Repository, digest: ContentDigest) -> dict[str, str] | None:
    try:
        with repo.blobs.open(digest) as stream:
            if not stream.read(32).startswith(SPEC_BEGINNINGS):
                return None
        return find(repo, digest)
    except (NotFoundError, IntegrityError):
        return None  # deleted in the meantime, or damaged: aivcs verify reports it


def _releases(repo: Repository, specs: set[ContentDigest]) -> dict[ContentDigest, list[str]]:
    """Returns the names of each spec by its releases."""
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
