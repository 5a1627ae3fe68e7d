"""`aivcs run digest`: a digest of a run's events, or of its whole log."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.repository import Repository


def digest(repo: Repository, run: str, *, replay: bool) -> str:
    """Returns the head of a run's log, or the replay digest of its events, in hexadecimal.

    Raises:
        RunNotFoundError: No run has this id.
        IntegrityError: The log is damaged.
    """
    run_id = repo.resolve_run(run)
    if not replay:
        return repo.runs.head(run_id).hash
    from aivcs.formats.write.trace import replay_digest

    return replay_digest(repo.runs.iter_events(run_id))
