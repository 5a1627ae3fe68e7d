"""The commands about a store as a whole: `init`, `status`, `verify` and `config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import UsageError
from aivcs.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.finding import Finding
    from aivcs.model import ReleaseRecord


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
    releases: list[ReleaseRecord]
    damaged: int


def init(folder: str, *, shared: bool = False) -> Repository:
    """Makes a store in a folder; doing it again is harmless.

    Raises:
        BackendError: It cannot be made.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    return Repository.init(folder, shared=shared)


def doubts(repo: Repository) -> Iterator[str]:
    """Yields what may keep a store from keeping its promises where it is."""
    network = repo.backend.network
    if network is not None:
        yield (
            f"{repo.path} is on a network file system ({network}): what is stored is as durable, "
            "and locks exclude as well, as the server and all its clients see to it. "
            "A local disk is safer"
        )


def status(repo: Repository) -> Status:
    """Counts what is in a store."""
    from aivcs.commands.release import release

    damaged: list[str] = []
    counts = repo.runs.count_runs(unreadable=lambda run_id, _: damaged.append(run_id))
    live, unreadable = release.list_(repo)
    return Status(
        store=repo.path,
        durability=repo.backend.settings.durability,
        blobs=sum(1 for _ in repo.blobs.list_digests()),
        runs={str(status): count for status, count in counts.items()},
        releases=[told.record for told in live],
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
    found = repo.backend.verify(parts, progress, repair=repair)
    if parts == {"blobs", "runs", "releases"}:
        from aivcs.commands.store.missing import verify as verify_parts

        found = verify_parts(repo, found)
    if not heads:
        return found
    from itertools import chain

    from aivcs.commands.store.head import verify as verify_heads

    return chain(found, verify_heads(repo, heads))
