"""`aivcs run show`: reads the record of a run."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.run import RunRecord
    from aivcs.repository import Repository


def show(repo: "Repository", run: str) -> "RunRecord":
    """Returns the record of a run.

    Raises:
        RunNotFoundError: No run has this id.
    """
    return repo.runs.get_run(repo.resolve_run(run))
