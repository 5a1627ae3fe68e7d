"""`aivcs blob pin`: keeps blobs although nothing may refer to them."""

from aivcs.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository


def pin(repo: "Repository", digests: "Sequence[str]") -> None:
    """Pins blobs: they are kept although nothing may refer to them, until they are unpinned.

    All are checked before any is pinned; pinning again is harmless. `NAME@current` and the like
    name a spec that was released.

    Raises:
        InvalidDigestError: One is no digest.
        NotFoundError: One is not there.
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
    """The blob that a text names: what was released, or as `resolve` (by default any digest)."""
    if "@" in text:
        return repo.resolve_spec(text, allow_missing=True)
    return (resolve or repo.resolve_digest)(text)
