"""`aivcs run show`: returns the record of a run."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.run import RunRecord
    from aivcs.repository import Repository


def show(repo: "Repository", run: str) -> "RunRecord":
    """Returns a run as it stands.

    Raises:
        RunNotFoundError: There is no such run.
    """
    return repo.runs.get_run(repo.resolve_run(run))
