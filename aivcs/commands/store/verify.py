"""`aivcs verify`: the backend's own verification, then missing blobs and kept heads.

The rules of the lines are in `aivcs.log.verify_run` and `verify_release`. A folder is read by
`aivcs.backends.fs.check`, any other store by `aivcs.store.verify`.
"""

from __future__ import annotations

from itertools import chain

from aivcs.errors import OutcomeUnknownError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier
    from aivcs.store.finding import Finding


def verify(
    repo: Repository,
    parts: frozenset[str],
    progress: Callable[[str, int], None],
    heads: Iterable[str] = (),
    *,
    repair: bool = False,
    erasers: Verifier | None = None,
) -> Iterator[Finding]:
    """Reads all of some sections of a store and yields the damage.

    For a whole store, also yields missing blobs of live specs, and a damaged id. With the runs come
    the records of what was erased on purpose, and what is recorded, but not carried out.

    Args:
        repo: The repository.
        parts: Any of `blobs`, `runs` and `releases`.
        progress: Called with the section and the size in bytes of each object and log read.
        heads: Heads manifests that the store must agree with, as digests or prefixes.
        repair: Repair damage that has only one possible repair.
        erasers: Knows the allowed erasers; None lets anybody erase.

    Raises:
        UsageError: A blob is not a heads manifest.
        NotFoundError: A prefix fits no blob.
    """
    found = repo.store.inspect(parts, progress, repair=repair)
    if parts == {"blobs", "runs", "releases"}:
        from aivcs.commands.store.missing import verify as verify_parts
        from aivcs.store.identity import inspect as inspect_identity

        found = chain(verify_parts(repo, found), inspect_identity(repo.store.documents))
    if "runs" in parts:
        from aivcs.store.annotations import inspect as inspect_annotations
        from aivcs.store.erasures import inspect as inspect_erasures

        def has_run(run_id: str) -> bool:
            return any(found == run_id for found in repo.runs.list_run_ids(run_id))

        found = chain(
            found,
            inspect_annotations(repo.store.documents, has_run),
            inspect_erasures(repo.store.documents),
            _unfinished(repo, repair=repair),
        )
    if not heads:
        return found
    from aivcs.commands.store.head import verify as verify_heads

    return chain(found, verify_heads(repo, heads, erasers))


def _unfinished(repo: Repository, *, repair: bool) -> Iterator[Finding]:
    """Yields the erasures that were recorded and not completed; completes them if asked to."""
    erasures = repo.erasures.load_readable()
    if not erasures:
        return
    from aivcs.log.erasure import said
    from aivcs.log.verify_run import NOTICE
    from aivcs.store.erasing import carry_out, pending
    from aivcs.store.finding import Finding

    for item in list(pending(repo.store, erasures)):
        problem = f"it was {said(item.stored.value)}; but it is still here"
        remedy, repaired = "erase it, as the record says: aivcs verify --repair", None
        if repair:
            try:
                carry_out(repo.store, [item])
                repaired = "it was erased"
            except OutcomeUnknownError:
                raise
            except StorageError as error:
                remedy = f"it could not be erased: {error}; {remedy}"
        yield Finding(NOTICE, item.what, item.line, problem, remedy, repaired)
