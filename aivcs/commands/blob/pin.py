"""`aivcs blob pin`: keeps blobs that nothing refers to."""

from aivcs.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository


def pin(repo: "Repository", digests: "Sequence[str]") -> None:
    """Pins blobs: gc keeps them, until they are unpinned, even if nothing refers to them.

    All are checked before any is pinned; pinning a blob again is harmless. `NAME@current` and the
    like name a released spec.

    All are checked before any is pinned; pinning again is harmless. `NAME@current` and the like
    name a spec that was released.

    Raises:
        InvalidDigestError: An operand is not a digest.
        NotFoundError: A blob is not in the store.
        AmbiguousError: A prefix fits several blobs.
    """
    with repo.hold():
        wanted = [resolve_blob(repo, text) for text in digests]
        for digest in wanted:
            if not repo.blobs.contains(digest):
                raise NotFoundError(digest)
        for digest in wanted:
            repo.pin(digest)


def resolve_blob(
    repo: "Repository", text: str, resolve: "Callable[[str], ContentDigest] | None" = None
) -> "ContentDigest":
    """Returns the blob that a text names: a release, or a digest as `resolve` takes it."""
    if "@" in text:
        return repo.resolve_spec(text, allow_missing=True)
    return (resolve or repo.resolve_digest)(text)
