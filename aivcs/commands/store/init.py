"""`aivcs init`: makes a store."""

import os

from aivcs.codec.url import is_url
from aivcs.errors import BackendError, UsageError
from aivcs.repository import Repository


def init(folder: str, *, shared: bool = False, private: bool = False) -> Repository:
    """Creates a store in a folder. Harmless if the folder has one.

    Raises:
        UsageError: The folder is inside of a store, or it is to be both shared and private.
        BackendError: The store cannot be made, or a link file has its place.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    path = os.path.join(folder, ".aivcs")
    if not is_url(folder) and os.path.isfile(path):
        raise BackendError(f"{path} is a file, which may name a store elsewhere; remove it first")
    return Repository.init(folder, shared=shared, private=private)
