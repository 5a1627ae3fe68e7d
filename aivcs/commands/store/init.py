"""`aivcs init`: makes a store."""

import os

from aivcs.codec.url import is_url
from aivcs.errors import BackendError, UsageError
from aivcs.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.opening import Configure


def init(
    folder: str,
    *,
    shared: bool = False,
    private: bool = False,
    settings: "Configure | None" = None,
) -> Repository:
    """Creates a store in a folder or at a URL. Harmless if there is one.

    Args:
        folder: The folder, or the URL.
        shared: Whether the folder's group may write.
        private: Whether only the owner may read and write.
        settings: As for `Repository.open`.

    Raises:
        UsageError: The folder is inside of a store, or it is to be both shared and private.
        BackendError: The store cannot be made, or a link file has its place.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    path = os.path.join(folder, ".aivcs")
    if not is_url(folder) and os.path.isfile(path):
        raise BackendError(f"{path} is a file, which may name a store elsewhere; remove it first")
    return Repository.init(folder, shared=shared, private=private, settings=settings)
