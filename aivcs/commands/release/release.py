"""`aivcs release`: what is live under each name."""

from aivcs import errors
from aivcs.errors import StorageError
from aivcs.model.digest import ContentDigest
from aivcs.model.release import check_release_name
from aivcs.repository import MIN_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.commands.release.history import HistoryEntry
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Block
    from aivcs.repository import Repository


def block(repo: "Repository", name: str, target: str, *, by: str, reason: str) -> "Block":
    """Blocks a spec under a name; returns the entry.

    Args:
        repo: Where.
        name: The agent's name.
        target: The spec, as for `resolve_released`.
        by: Who blocks it.
        reason: Why.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: Nothing was released under the name, or not the target.
        AmbiguousError: A prefix fits several releases of the name.
        InvalidNameError: The reason or the actor is empty.
    """
    return repo.releases.block(name, resolve_released(repo, name, target), by=by, reason=reason)


def unblock(repo: "Repository", name: str, target: str, *, by: str, reason: str) -> "Block":
    """Takes a block back; returns the entry.

    Args:
        repo: Where.
        name: The agent's name.
        target: The spec, as for `resolve_released`, or the prefix of one that is blocked.
        by: Who takes it back.
        reason: Why.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: Nothing was released under the name, or not the target.
        AmbiguousError: A prefix fits several that are blocked, or several releases.
        ConflictError: It is not blocked.
    """
    blocked = sorted(mark.spec_digest for mark in repo.releases.blocks(name))
    fitting = [d for d in blocked if len(target) >= MIN_PREFIX and d.startswith(target.lower())]
    if len(fitting) > 1:
        raise errors.AmbiguousError("digest", target, list(map(str, fitting)))
    digest = fitting[0] if fitting else resolve_released(repo, name, target)
    return repo.releases.unblock(name, digest, by=by, reason=reason)


def resolve_released(repo: "Repository", name: str, text: str) -> "ContentDigest":
    """Returns the spec that @SEQ, a label, `current`, or a digest or its prefix names.

    A whole digest need not have been released.

    Raises:
        UsageError: The text is empty.
        ReleaseNotFoundError: Nothing was released under the name, or not this.
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


def current(repo: "Repository", name: str) -> "ReleaseRecord":
    """Returns the entry that says what is live.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name.
    """
    record = repo.releases.current(name)
    if record is None:
        raise errors.ReleaseNotFoundError(name)
    return record


def is_blocked(repo: "Repository", record: "ReleaseRecord") -> bool:
    """Tells whether a release's spec is blocked, so that no rollback can return to it.

    What cannot be read is taken for not blocked: whoever tries the rollback is told.
    """
    try:
        return repo.releases.find_block(record.name, record.spec_digest) is not None
    except StorageError:
        return False


def list_(repo: "Repository") -> "tuple[list[HistoryEntry], list[StorageError]]":
    """Returns what is live under each name, by name, and what is wrong where it cannot be read."""
    from aivcs.commands.release.history import CURRENT, HistoryEntry

    live: list[HistoryEntry] = []
    damaged: list[StorageError] = []
    for name in repo.releases.list_names():
        try:
            record = repo.releases.current(name)
            if record is None:
                continue
            is_blocked = repo.releases.find_block(name, record.spec_digest) is not None
        except StorageError as error:
            damaged.append(error)
            continue
        live.append(HistoryEntry(record, CURRENT, is_live=True, is_blocked=is_blocked))
    return live, damaged
