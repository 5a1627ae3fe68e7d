"""`aivcs status`: summarises a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.url import shown
from aivcs.commands.release.list import list_ as list_releases

if TYPE_CHECKING:
    from aivcs.commands.release.history import HistoryEntry
    from aivcs.repository import Repository


class Status(NamedTuple):
    """An overview of a store.

    Attributes:
        store: Its path, or its URL without a password.
        durability: The setting `core.durability`.
        blobs: The number of blobs.
        runs: The number of runs, by status.
        releases: The live release of each name.
        damaged: The number of unreadable run and release logs.
    """

    store: str
    durability: str
    blobs: int
    runs: dict[str, int]
    releases: list[HistoryEntry]
    damaged: int


def status(repo: Repository) -> Status:
    """Counts the contents of a store."""
    damaged: list[str] = []
    counts = repo.runs.count_runs(unreadable=lambda run_id, _: damaged.append(run_id))
    live, unreadable = list_releases(repo)
    return Status(
        store=shown(repo.path),
        durability=repo.store.settings.durability,
        blobs=sum(1 for _ in repo.blobs.list_digests()),
        runs={str(status): count for status, count in counts.items()},
        releases=live,
        damaged=len(damaged) + len(unreadable),
    )
