"""`aivcs blob rm`: removes blobs that nothing refers to."""

from aivcs.errors import ConflictError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.commands.erasing import ErasureRequest
    from aivcs.model.erasure import StoredErasure
    from aivcs.repository import Repository
    from aivcs.store.references import ReachableSet


def rm(repo: "Repository", digests: "Sequence[str]", *, force: bool = False) -> None:
    """Removes blobs. All are checked before any is removed.

    With `force`, the pins of these blobs are removed as well: a pin on a missing blob is damage.

    Raises:
        UsageError: An operand is not a whole digest.
        NotFoundError: A blob is not in the store, unless forced.
        ConflictError: Something refers to a blob, unless forced.
        IntegrityError: What refers to blobs is not known, unless forced.
    """
    wanted = _whole(digests)
    if force:
        with repo.store.objects.removal() as removal:
            for digest in wanted:
                removal.confirm()
                repo.unpin(digest)
                repo.blobs.delete(digest)
        return
    from aivcs.store.references import ReachableSet, require_log_folders

    reachable = ReachableSet(repo)
    require_log_folders(repo.store)
    _require_removable(repo, wanted, reachable)  # reads everything before writers are locked out
    with repo.store.objects.removal() as removal:
        _require_removable(repo, wanted, reachable)
        for digest in wanted:
            removal.confirm()
            repo.blobs.delete(digest)


def erase(
    repo: "Repository", digests: "Sequence[str]", request: "ErasureRequest", *, force: bool = False
) -> "list[StoredErasure]":
    """Erases blobs, also those that runs refer to, and leaves a record of each; returns these.

    Args:
        repo: The repository.
        digests: Whole digests.
        request: Who erases them, and why.
        force: Whether to erase also blobs that a release which stands is made of.

    Raises:
        UsageError: An operand is not a whole digest, or the reason is empty.
        NotFoundError: A blob is not in the store, nor quarantined there, and nothing names it.
        ConflictError: A release is made of a blob, or the store cannot erase.
        StorageError: Something could not be erased; what is recorded is completed later.
    """
    from aivcs.commands.erasing import erase, require_unreleased
    from aivcs.model.erasure import ErasedBlob
    from aivcs.store.erasing import erasing, is_there
    from aivcs.store.references import ReachableSet

    wanted = list(dict.fromkeys(_whole(digests)))
    if not request.reason.strip():
        raise UsageError("the reason is empty; is a variable unset?")
    erasing(repo.store)
    if missing := [digest for digest in wanted if not is_there(repo.store, digest)]:
        named = {digest for digest, _ in ReachableSet(repo).catch_up() if digest in missing}
        for digest in missing:
            if digest not in named:
                raise NotFoundError(digest)
    require_unreleased(repo, set(wanted), force=force)
    return erase(repo, [ErasedBlob(digest) for digest in wanted], request)


def _whole(digests: "Sequence[str]") -> "list[ContentDigest]":
    for text in digests:
        if len(text) != 64:
            raise UsageError(f"{text[:64]!a}: rm takes whole digests of 64 characters only")
    return [ContentDigest(text) for text in digests]


def _require_removable(
    repo: "Repository", digests: "list[ContentDigest]", reachable: "ReachableSet"
) -> None:
    for digest in digests:
        if not repo.blobs.contains(digest):
            raise NotFoundError(digest)
    for digest, source in reachable.catch_up():
        if digest in digests:
            raise ConflictError(
                f"blob {digest} is referred to by {source}; nothing was removed. "
                "--force removes it anyway"
            )
