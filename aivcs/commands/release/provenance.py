"""`aivcs release provenance`: describes the origin of a release for readers of in-toto and SLSA."""

from __future__ import annotations

from aivcs.errors import NotFoundError, ReleaseNotFoundError
from aivcs.formats.intoto import PROJECT, statement
from aivcs.model.release import ReleaseRecord
from aivcs.policy.evidence import evidence_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.model.release_entries import LogEntry
    from aivcs.repository import Repository


def find_release(repo: Repository, name: str, seq: int | None) -> tuple[LogEntry, ReleaseRecord]:
    """Returns a release, or the live one, with the hash of its entry.

    Raises:
        ReleaseNotFoundError: The name has no release, or not this one.
    """
    if seq is None:
        standing = repo.releases.state(name)
        if standing is None:
            raise ReleaseNotFoundError(name)
        seq = standing.live.seq
    entry = repo.releases.find(name, seq)
    if entry is None or not isinstance(entry.value, ReleaseRecord):
        if repo.releases.state(name) is None:
            raise ReleaseNotFoundError(name)
        raise ReleaseNotFoundError(
            name, f"{name} has no release @{seq}; see: aivcs release history {name}"
        )
    return entry, entry.value


def provenance(
    repo: Repository, name: str, *, seq: int | None = None, builder: str = PROJECT
) -> dict[str, Any]:
    """Returns the in-toto statement about a release, or about the live one.

    Args:
        repo: The repository.
        name: The agent's name.
        seq: The release.
        builder: The URI of the trusted builder.

    Raises:
        ReleaseNotFoundError: The name has no such release.
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
