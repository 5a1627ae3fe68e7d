"""`aivcs run show`: reads the record of a run."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository


_MAX_CHILDREN = 20


def show(repo: "Repository", run: str) -> "RunRecord":
    """Returns the record of a run.

    Raises:
        RunNotFoundError: No run has this id.
    """
    return repo.runs.get_run(repo.resolve_run(run))


def children(repo: "Repository", run_id: "RunId") -> "list[RunRecord]":
    """Returns the runs whose tag `parent` names a run, the oldest first; at most 20.

    Runs that cannot be read are left out.
    """
    found = repo.runs.iter_runs(
        tags={"parent": run_id}, limit=_MAX_CHILDREN, unreadable=lambda _run, _error: None
    )
    return list(found)[::-1]
