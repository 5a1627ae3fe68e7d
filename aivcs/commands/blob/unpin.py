"""`aivcs blob unpin`: takes pins away."""

from aivcs.commands.blob.pin import resolve_blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.repository import Repository


def unpin(repo: "Repository", digests: "Sequence[str]") -> None:
    """Takes pins away; a blob that is not pinned is as it should be, so that is no error.

    A prefix may be of a pin or, if it fits none, of a blob; `NAME@SEQ` and the like as for `pin`.

    Raises:
        InvalidDigestError: One is no digest.
        NotFoundError: A prefix fits neither a pin nor a blob.
        AmbiguousError: A prefix fits several.
    """
    for digest in [resolve_blob(repo, text, repo.resolve_pin) for text in digests]:
        repo.unpin(digest)
