"""`aivcs verify`: the backend's own verification, then missing blobs and kept heads.

The rules of the lines are in `aivcs.log.verify_run` and `verify_release`. A folder is read by
`aivcs.backends.fs.check`, any other store by `aivcs.store.verify`.
"""

from __future__ import annotations

from itertools import chain

TYPE_CHECKING = False
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
    """Reads all of some sections of a store and yields the damage.

    For a whole store, also yields missing blobs of live specs.

    Args:
        repo: The repository.
        parts: Any of `blobs`, `runs` and `releases`.
        progress: Called with the section and the size in bytes of each object and log read.
        heads: Heads manifests that the store must agree with, as digests or prefixes.
        repair: Repair damage that has only one possible repair.

    Raises:
        UsageError: A blob is not a heads manifest.
        NotFoundError: A prefix fits no blob.
    """
    found = repo.store.inspect(parts, progress, repair=repair)
    if parts == {"blobs", "runs", "releases"}:
        from aivcs.commands.store.missing import verify as verify_parts

        found = verify_parts(repo, found)
    if "runs" in parts:
        from aivcs.store.annotations import inspect as inspect_annotations

        def has_run(run_id: str) -> bool:
            return any(found == run_id for found in repo.runs.list_run_ids(run_id))

        found = chain(found, inspect_annotations(repo.store.documents, has_run))
    if not heads:
        return found
    from aivcs.commands.store.head import verify as verify_heads

    return chain(found, verify_heads(repo, heads))
