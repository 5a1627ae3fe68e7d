"""The commands about a store as a whole: `init`, `status`, `verify` and `config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import UsageError
from aivcs.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.commands.release.history import HistoryEntry
    from aivcs.store.finding import Finding


class Status(NamedTuple):
    """A store at a glance.

    Attributes:
        store: Where it is.
        durability: What survives a power cut.
        blobs: How many blobs there are.
        runs: How many runs there are, by status.
        releases: What is live under each name.
        damaged: How many runs and releases cannot be read.
    """

    store: str
    durability: str
    blobs: int
    runs: dict[str, int]
    releases: list[HistoryEntry]
    damaged: int


def init(folder: str, *, shared: bool = False, private: bool = False) -> Repository:
    """Makes a store in a folder; doing it again is harmless.

    Raises:
        UsageError: The folder is inside of a store, or it is to be both shared and private.
        BackendError: It cannot be made.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    return Repository.init(folder, shared=shared, private=private)


def status(repo: Repository) -> Status:
    """Counts what is in a store."""
    from aivcs.commands.release import release

    damaged: list[str] = []
    counts = repo.runs.count_runs(unreadable=lambda run_id, _: damaged.append(run_id))
    live, unreadable = release.list_(repo)
    return Status(
        store=repo.path,
        durability=repo.store.settings.durability,
        blobs=sum(1 for _ in repo.blobs.list_digests()),
        runs={str(status): count for status, count in counts.items()},
        releases=live,
        damaged=len(damaged) + len(unreadable),
    )


def verify(
    repo: Repository,
    parts: frozenset[str],
    progress: Callable[[str, int], None],
    heads: Iterable[str] = (),
    *,
    repair: bool = False,
) -> Iterator[Finding]:
    """Reads all of some parts of a store and yields what is wrong with them.

    Of a whole store, also what live specs name and is not there.

    Args:
        repo: What to read.
        parts: Any of `blobs`, `runs` and `releases`.
        progress: Told the part and the bytes of each object and log that was read.
        heads: Manifests of heads that it must agree with, too, as digests or prefixes.
        repair: Whether to repair what can be repaired without a doubt.

    Raises:
        UsageError: One is no such manifest.
        NotFoundError: A prefix fits no blob.
    """
    found = repo.store.inspect(parts, progress, repair=repair)
    if parts == {"blobs", "runs", "releases"}:
        from aivcs.commands.store.missing import verify as verify_parts

        found = verify_parts(repo, found)
    if not heads:
        return found
    from itertools import chain

    from aivcs.commands.store.head import verify as verify_heads

    return chain(found, verify_heads(repo, heads))
