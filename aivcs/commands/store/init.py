"""`aivcs init`: makes a store."""

from aivcs.errors import UsageError
from aivcs.repository import Repository


def init(folder: str, *, shared: bool = False, private: bool = False) -> Repository:
    """Makes a store in a folder; doing it again is harmless.

    Raises:
        UsageError: The folder is inside of a store, or it is to be both shared and private.
        BackendError: It cannot be made.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    return Repository.init(folder, shared=shared, private=private)
