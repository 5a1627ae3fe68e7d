"""Calls of Linux that `os` does not have; for who writes much, since ctypes takes long to load.

Where there is no such call, or no ctypes, writing goes on without it.
"""

import os
from errno import EBADF, ENOSYS

try:
    import ctypes
except ImportError:  # an interpreter that was built without it
    ctypes = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SYNC_FILE_RANGE_WRITE = 2


def begin_writing_back(fd: int, offset: int, size: int) -> None:
    """Sets the disk to work at a part of a file, without waiting for it, where that can be asked.

    Whether all of it is written is for an `fsync` to say (sync_file_range(2)).

    Args:
        fd: The file.
        offset: Where the part begins.
        size: Its bytes; 0 for all that follow.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, size, _SYNC_FILE_RANGE_WRITE)


def can_sync_file_system() -> bool:
    """Whether there is `sync_file_system`, and a sandbox lets it pass."""
    return _syncfs is not None and _syncfs(-1) != 0 and ctypes.get_errno() == EBADF


def sync_file_system(fd: int) -> None:
    """Returns when all of a file system is durable (syncfs(2)).

    Args:
        fd: Any file or folder in it. From Linux 5.17 on all errors since it was opened are told.

    Raises:
        OSError: It is not.
    """
    if _syncfs is None or _syncfs(fd) != 0:
        number = ENOSYS if _syncfs is None else ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _find(name: str, *types: str) -> "Any":
    """Returns a function of the C library by its name and the types of its arguments, or None."""
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), name)
        call.argtypes = [getattr(ctypes, f"c_{kind}") for kind in types]
    except (AttributeError, OSError, TypeError):  # not in this library, or no library to be loaded
        return None
    return call


_sync_file_range = _find("sync_file_range", "int", "int64", "int64", "uint")
_syncfs = _find("syncfs", "int")
