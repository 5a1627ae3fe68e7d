"""`aivcs blob ls`: lists the digests of blobs. `-l` takes `stored_blobs`."""

from aivcs.errors import UsageError
from aivcs.model.digest import is_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository


def ls(repo: "Repository", prefix: str = "") -> "Iterator[ContentDigest]":
    """Yields the digests that begin with a prefix, in order.

    Raises:
        UsageError: The prefix is not hexadecimal.
    """
    if not is_hex(prefix.lower()):
        raise UsageError(f"{prefix[:64]!a} is not hexadecimal, so no digest begins with it")
    return repo.blobs.list_digests(prefix)
