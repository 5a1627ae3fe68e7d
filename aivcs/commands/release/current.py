"""`aivcs release current`: returns what is live under a name."""

from aivcs import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository


def current(repo: "Repository", name: str) -> "ReleaseRecord":
    """Returns the entry that says what is live.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name.
    """
    record = repo.releases.current(name)
    if record is None:
        raise errors.ReleaseNotFoundError(name)
    return record
