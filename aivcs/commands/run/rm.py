"""`aivcs run rm`: erases whole runs, and leaves a record of who did it and why."""

from __future__ import annotations

from aivcs.commands.erasing import (
    ORIGINAL,
    ErasureRequest,
    erase,
    evidence_of,
    named_blobs,
    require_unreleased,
)
from aivcs.errors import ConflictError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.model.erasure import ErasedBlob, ErasedLog, ErasedLogs
from aivcs.store.erasing import erasing, is_there
from aivcs.sync.references import parts
from aivcs.util.disk_map import DiskMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aivcs.model.erasure import StoredErasure, Target
    from aivcs.model.run import RunId
    from aivcs.repository import Repository

_PER_RECORD = 1000
"""Runs that one record names, at most."""


def rm(
    repo: Repository,
    runs: Sequence[str],
    request: ErasureRequest,
    *,
    with_blobs: bool = False,
    force: bool = False,
    releases: Repository | None = None,
) -> tuple[list[StoredErasure], int]:
    """Erases runs with their annotations and kept originals; their ids are not used again.

    Returns:
        The records, and the number of other blobs that the runs named.

    Args:
        repo: The repository.
        runs: The runs, as for `Repository.resolve_run`. All are checked before any is erased.
        request: Who erases them, and why.
        with_blobs: Whether to erase also all other blobs that the runs name, but for their specs.
        force: Whether to erase also runs that are evidence of a release which stands, and blobs
            that one is made of.
        releases: The repository whose releases count; None if it is `repo`.

    Raises:
        UsageError: The reason is empty.
        RunNotFoundError: No run has this id.
        ConflictError: A run goes on, or is evidence, or a release is made of a blob; or the store
            cannot erase.
        IntegrityError: An annotation is damaged, or with `with_blobs` a log.
        StorageError: Something could not be erased; what is recorded is completed later.
    """
    erasing(repo.store)
    if not request.reason.strip():
        raise UsageError("the reason is empty; is a variable unset?")
    records = (repo.runs.get_run(repo.resolve_run(run)) for run in runs)
    specs = {record.run_id: record.spec_digest for record in records}
    if not force:
        for run_id, release in evidence_of(releases or repo).items():
            if run_id in specs:
                raise ConflictError(
                    f"run {run_id} is evidence of {release}, which could no longer prove it; "
                    "nothing was erased. --force erases it anyway"
                )
    logs = [erased_log(repo, run_id) for run_id in sorted(specs)]
    blobs, left = _blobs_of(repo, specs, with_blobs=with_blobs)
    require_unreleased(releases or repo, set(blobs), force=force)
    # The blobs come first: after an interruption, nothing but the runs tells which they are.
    return erase(repo, [*map(ErasedBlob, blobs), *records_of(logs)], request), left


def _blobs_of(
    repo: Repository, specs: dict[RunId, ContentDigest], *, with_blobs: bool
) -> tuple[list[ContentDigest], int]:
    """Returns the blobs to erase with runs, given with their specs, and the number of others."""
    kept, others, own = DiskMap(), DiskMap(), set()
    for _ in parts(repo.blobs, specs.values(), lambda part: not kept.add(bytes.fromhex(part))):
        pass
    erased = repo.erasures.load().blobs
    for run_id in specs:
        # A stranger's run may name anybody's blob as its original.
        is_trusted = repo.untrusted_source(run_id) is None
        for digest, where in named_blobs(repo, run_id, lenient=not with_blobs):
            if bytes.fromhex(digest) in kept:
                continue
            if not with_blobs and (where != ORIGINAL or not is_trusted):
                others.add(bytes.fromhex(digest))
            elif digest not in erased or is_there(repo.store, digest):
                own.add(digest)
    rest = map(ContentDigest, map(bytes.hex, others.keys()))
    return sorted(own), sum(digest not in own and digest not in erased for digest in rest)


def erased_log(repo: Repository, run_id: RunId) -> ErasedLog:
    """Returns what the record of a run's erasure says of its log.

    Raises:
        RunNotFoundError: No run has this id.
        ConflictError: The run goes on.
    """
    run, head = repo.runs.standing(run_id)
    if not run.status.is_terminal:
        raise ConflictError(
            f"run {run_id} goes on; nothing was erased. End it first: aivcs run finish {run_id}"
        )
    return ErasedLog(f"run/{run_id}", head.lines, head.hash)


def records_of(logs: Sequence[ErasedLog]) -> Iterator[Target]:
    """Yields what the records of erased logs say: one alone, or many in each."""
    for begin in range(0, len(logs), _PER_RECORD):
        some = tuple(logs[begin : begin + _PER_RECORD])
        yield some[0] if len(some) == 1 else ErasedLogs(some)
