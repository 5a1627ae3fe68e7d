"""`aivcs blob unpin`: removes pins."""

from aivcs.commands.blob.pin import resolve_blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.repository import Repository


def unpin(repo: "Repository", digests: "Sequence[str]") -> None:
    """Removes pins. A blob without a pin is not an error.

    A prefix may name a pin or, if it fits none, a blob; `NAME@SEQ` and the like as for `pin`.

    A prefix may be of a pin or, if it fits none, of a blob; `NAME@SEQ` and the like as for `pin`.

    Raises:
        InvalidDigestError: An operand is not a digest.
        NotFoundError: A prefix fits neither a pin nor a blob.
        AmbiguousError: A prefix fits several pins or blobs.
    """
    for digest in [resolve_blob(repo, text, repo.resolve_pin) for text in digests]:
        repo.unpin(digest)
