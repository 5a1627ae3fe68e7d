"""`aivcs run finish`: ends a run."""

from aivcs import errors
from aivcs.errors import NotFoundError, UsageError
from aivcs.model.run import RunSummary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId
    from aivcs.repository import Repository

_CANCELLED_EXIT_CODES = (130, 143)
"""Exit codes by which shells report a process that SIGINT or SIGTERM ended."""


def finish(
    repo: "Repository",
    run: str,
    *,
    status: "str | None" = None,
    exit_code: "int | None" = None,
    if_running: bool = False,
    state: "str | None" = None,
    state_file: "str | None" = None,
    duration_ms: "int | None" = None,
    here: bool = False,
) -> None:
    """Ends a run.

    Args:
        repo: The repository.
        run: The run.
        status: `completed`, `failed` or `cancelled`; None: derived from the exit code.
        exit_code: The exit code of the process: 0 completed, 130 and 143 cancelled, else failed.
        if_running: Do nothing if the run is over.
        state: The digest of its final state, which must be stored.
        state_file: Or a file, which is stored as the final state.
        duration_ms: The duration in milliseconds; None: since its start.
        here: Whether a copy of a run, which goes on elsewhere, is to end here all the same, if
            nothing was heard of it for `run.lost_after`.

    Raises:
        UsageError: Both state and file are given, or the exit code or the duration is out of range.
        RunNotFoundError: No run has this id.
        InvalidRunStateError: The run is over.
        NotFoundError: The blob of the final state is not in the store.
        ConflictError: The run is a copy: it goes on elsewhere; or, with `here`, may still do so.
    """
    if state is not None and state_file is not None:
        raise UsageError("give the final state once: --state DIGEST or --state-file FILE")
    if exit_code is not None and not 0 <= exit_code <= 255:
        raise UsageError(f"an exit code is a number from 0 to 255, not {exit_code}")
    if duration_ms is not None and duration_ms < 0:
        raise UsageError("a duration must not be negative")
    run_id = repo.resolve_run(run)
    if status is None:
        status = status_of(exit_code or 0)
    if if_running and repo.runs.get_run(run_id).status.is_terminal:
        return
    if here and repo.home_of(run_id) is not None:
        from aivcs.commands.run.reap import require_lost
        from aivcs.sync.homes import unmark_copy

        require_lost(repo, run_id)
        unmark_copy(repo, run_id)
    end = {
        "completed": repo.runs.complete_run,
        "failed": repo.runs.fail_run,
        "cancelled": repo.runs.cancel_run,
    }[status]
    with repo.hold(later=state is None):
        summary = RunSummary(
            success=status == "completed",
            final_state_digest=_final_state(repo, run_id, state, state_file),
            duration_ms=duration_ms,
            exit_code=exit_code,
        )
        try:
            end(run_id, summary)
        except errors.InvalidRunStateError:
            if not if_running:
                raise


def status_of(exit_code: int) -> str:
    """Returns the status of a run whose process ended with an exit code, as shells report it."""
    if exit_code == 0:
        return "completed"
    return "cancelled" if exit_code in _CANCELLED_EXIT_CODES else "failed"


def _final_state(
    repo: "Repository", run_id: "RunId", state: "str | None", state_file: "str | None"
) -> "ContentDigest | None":
    if state is not None:
        digest = repo.resolve_digest(state)
        if not repo.blobs.contains(digest):
            raise NotFoundError(digest)
        return digest
    if state_file is None:
        return None
    if repo.runs.get_run(run_id).status.is_terminal:  # before anything is stored for nothing
        raise errors.InvalidRunStateError(run_id, repo.runs.get_run(run_id).status, "RUNNING")
    from aivcs.commands.blob.input_files import store_file

    return store_file(repo, state_file)
