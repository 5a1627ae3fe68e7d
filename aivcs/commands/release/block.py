"""`aivcs release block`: blocks a spec under a name, so that no release or rollback takes it."""

from aivcs import errors
from aivcs.commands.release.current import current
from aivcs.model.digest import ContentDigest
from aivcs.model.release import check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.release_entries import Block
    from aivcs.repository import Repository


def block(repo: "Repository", name: str, target: str, *, by: str, reason: str) -> "Block":
    """Blocks a spec under a name. Returns the entry.

    Args:
        repo: The repository.
        name: The agent's name.
        target: The spec, as for `resolve_released`.
        by: The actor.
        reason: The reason.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: The name has no release, or not the target.
        AmbiguousError: A prefix fits several releases of the name.
        InvalidNameError: The reason or the actor is empty.
        ConflictError: The name belongs to another store.
    """
    repo.require_store_of(name)
    return repo.releases.block(name, resolve_released(repo, name, target), by=by, reason=reason)


def resolve_released(repo: "Repository", name: str, text: str) -> "ContentDigest":
    """Returns the spec that @SEQ, a label, `current`, or a digest or its prefix names.

    A whole digest need not have been released.

    Raises:
        UsageError: The text is empty.
        ReleaseNotFoundError: The name has no release, or not this one.
        AmbiguousError: A prefix fits several releases of the name.
    """
    from aivcs.log.release import find_release

    check_release_name(name)
    if len(text) == 64:
        try:
            return ContentDigest(text)
        except errors.InvalidDigestError:
            pass  # a long label
    live = current(repo, name)
    if text == "current":
        return live.spec_digest
    try:
        target = repo.resolve_target(name, text)
    except errors.ReleaseNotFoundError as error:
        raise errors.ReleaseNotFoundError(
            name,
            f"{name} has no release {text}; "
            "a spec that was never released is named by its whole digest",
        ) from error
    if isinstance(target, ContentDigest):
        return target
    return find_release(name, repo.releases.iter_history(name), target).spec_digest
