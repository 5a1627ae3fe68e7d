"""`aivcs init`: makes a store."""

from aivcs.errors import UsageError
from aivcs.repository import Repository


def init(folder: str, *, shared: bool = False, private: bool = False) -> Repository:
    """Creates a store in a folder. Harmless if the folder has one.

    Raises:
        UsageError: The folder is inside of a store, or it is to be both shared and private.
        BackendError: The file cannot be made.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    return Repository.init(folder, shared=shared, private=private)
