"""`aivcs init`: makes a store."""

import os

from aivcs.codec.url import is_url
from aivcs.errors import ConflictError, UsageError
from aivcs.repository import Repository


def init(folder: str, *, shared: bool = False, private: bool = False) -> Repository:
    """Creates a store in a folder. Harmless if the folder has one.

    Raises:
        ConflictError: The folder has a link file.
        UsageError: The folder is inside of a store, or it is to be both shared and private.
        BackendError: The file cannot be made.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    path = os.path.join(folder, ".aivcs")
    if not is_url(folder) and os.path.isfile(path):
        raise ConflictError(f"{path} is a file that names a store elsewhere; remove it first")
    return Repository.init(folder, shared=shared, private=private)
