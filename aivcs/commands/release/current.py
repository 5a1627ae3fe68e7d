"""`aivcs release current`: finds the live release of a name."""

from aivcs import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository


def current(repo: "Repository", name: str) -> "ReleaseRecord":
    """Returns the live release of a name.

    Raises:
        ReleaseNotFoundError: The name has no release.
        ConflictError: The name belongs to another store.
    """
    repo.require_store_of(name)
    record = repo.releases.current(name)
    if record is None:
        raise errors.ReleaseNotFoundError(name)
    return record
