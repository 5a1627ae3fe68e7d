"""`aivcs blob has`: tells which blobs are stored."""

from aivcs.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aivcs.repository import Repository


def has(repo: "Repository", digests: "Sequence[str]") -> "Iterator[tuple[str, bool]]":
    """Yields, for each digest or prefix, the whole digest and whether the blob is stored.

    Raises:
        InvalidDigestError: An operand is not a digest.
        AmbiguousError: A prefix fits several blobs.
    """
    for text in digests:
        try:
            digest = repo.resolve_digest(text)
        except NotFoundError:
            yield text, False
        else:
            yield digest, repo.blobs.contains(digest)
