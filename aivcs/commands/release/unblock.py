"""`aivcs release unblock`: ends a block."""

from aivcs import errors
from aivcs.commands.release.block import resolve_released
from aivcs.short_names import MIN_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.release_entries import Block
    from aivcs.repository import Repository


def unblock(repo: "Repository", name: str, target: str, *, by: str, reason: str) -> "Block":
    """Ends the block of a spec. Returns the entry.

    Args:
        repo: The repository.
        name: The agent's name.
        target: The spec, as for `resolve_released`, or the prefix of one that is blocked.
        by: The actor.
        reason: The reason.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: The name has no release, or not the target.
        AmbiguousError: A prefix fits several blocked specs or several releases.
        ConflictError: The spec is not blocked, or the name belongs to another store.
    """
    repo.require_store_of(name)
    blocked = sorted(mark.spec_digest for mark in repo.releases.blocks(name))
    fitting = [d for d in blocked if len(target) >= MIN_PREFIX and d.startswith(target.lower())]
    if len(fitting) > 1:
        raise errors.AmbiguousError("digest", target, list(map(str, fitting)))
    digest = fitting[0] if fitting else resolve_released(repo, name, target)
    return repo.releases.unblock(name, digest, by=by, reason=reason)
