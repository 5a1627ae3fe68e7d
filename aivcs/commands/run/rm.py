"""`aivcs run rm`: erases whole runs, and leaves a record of who did it and why."""

from __future__ import annotations

from aivcs.commands.erasing import ErasureRequest, erase, evidence_of
from aivcs.errors import ConflictError, UsageError
from aivcs.model.erasure import ErasedLog, ErasedLogs
from aivcs.store.erasing import erasing

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
    force: bool = False,
    releases: Repository | None = None,
) -> list[StoredErasure]:
    """Erases runs with their annotations; their ids are not used again. Returns the records.

    Args:
        repo: The repository.
        runs: The runs, as for `Repository.resolve_run`. All are checked before any is erased.
        request: Who erases them, and why.
        force: Whether to erase also runs that are evidence of a release which stands.
        releases: The repository whose releases count; None if it is `repo`.

    Raises:
        UsageError: The reason is empty.
        RunNotFoundError: No run has this id.
        ConflictError: A run goes on, or is evidence, or the store cannot erase.
        StorageError: Something could not be erased; what is recorded is completed later.
    """
    erasing(repo.store)
    if not request.reason.strip():
        raise UsageError("the reason is empty; is a variable unset?")
    found = {repo.runs.get_run(repo.resolve_run(run)).run_id for run in runs}
    if not force:
        for run_id, release in evidence_of(repo if releases is None else releases).items():
            if run_id in found:
                raise ConflictError(
                    f"run {run_id} is evidence of {release}, which could no longer prove it; "
                    "nothing was erased. --force erases it anyway"
                )
    targets = [erased_log(repo, run_id) for run_id in sorted(found)]
    return erase(repo, records_of(targets), request)


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
