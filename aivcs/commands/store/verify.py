"""`aivcs verify`: finds what is damaged in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository
    from aivcs.store.finding import Finding


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
