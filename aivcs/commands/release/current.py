"""`aivcs release current`: finds the live release of a name."""

from aivcs import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository


def current(repo: "Repository", name: str, *, at: "Timestamp | None" = None) -> "ReleaseRecord":
    """Returns the live release of a name.

    Args:
        repo: The repository.
        name: The name.
        at: A time, whose live release is wanted; None is now.

    Raises:
        ReleaseNotFoundError: The name has no release, or had none at that time.
        ConflictError: The name belongs to another store.
    """
    repo.require_store_of(name)
    if at is not None:
        for entry in repo.releases.iter_history(name):
            if entry.created_at <= at:
                return entry
        raise errors.ReleaseNotFoundError(
            name, f"{name} had no release at {at}; see: aivcs release history {name}"
        )
    record = repo.releases.current(name)
    if record is None:
        raise errors.ReleaseNotFoundError(name)
    return record
