"""`aivcs release provenance`: what a release was made of, for those who read in-toto and SLSA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.errors import NotFoundError, ReleaseNotFoundError
from aivcs.formats.intoto import PROJECT, statement
from aivcs.model import ReleaseRecord
from aivcs.policy.enforce import evidence_for

if TYPE_CHECKING:
    from aivcs.marks import Sealed
    from aivcs.repository import Repository


def find_release(repo: Repository, name: str, seq: int | None) -> tuple[Sealed, ReleaseRecord]:
    """Returns a release with its hash, or the one that is live.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name, or not as this entry.
    """
    if seq is None:
        standing = repo.releases.standing(name)
        if standing is None:
            raise ReleaseNotFoundError(name)
        seq = standing.live.seq
    entry = repo.releases.find(name, seq)
    if entry is None or not isinstance(entry.what, ReleaseRecord):
        if repo.releases.standing(name) is None:
            raise ReleaseNotFoundError(name)
        raise ReleaseNotFoundError(
            name, f"{name} has no release @{seq}; aivcs release history {name} shows what there was"
        )
    return entry, entry.what


def provenance(
    repo: Repository, name: str, *, seq: int | None = None, builder: str = PROJECT
) -> dict[str, Any]:
    """Returns the in-toto statement about a release, or about the one that is live.

    Args:
        repo: Where.
        name: The agent's name.
        seq: The release.
        builder: The URI of what is trusted to have made it.

    Raises:
        ReleaseNotFoundError: There is no such release.
    """
    entry, record = find_release(repo, name, seq)
    before = (other for other in repo.releases.iter_history(name) if other.seq < record.seq)
    try:
        spec: bytes | None = repo.blobs.get(record.spec_digest)
    except NotFoundError:
        spec = None
    return statement(
        record,
        entry.hash,
        spec=spec,
        evidence=[(item.run_id, item.head) for item in evidence_for(record, before)],
        policy=record.policy,
        builder=builder,
    )
