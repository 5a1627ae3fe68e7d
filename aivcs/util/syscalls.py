"""Linux system calls that `os` lacks. Import only where time does not count: ctypes loads slowly.

Without such a call, or without ctypes, the functions report so or do nothing.
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
_PR_SET_CHILD_SUBREAPER = 36


def begin_writing_back(fd: int, offset: int, size: int) -> None:
    """Begins write-back of a part of a file without waiting for it, if the system can.

    Only an `fsync` confirms that it was written (sync_file_range(2)).

    Args:
        fd: The file.
        offset: The offset of the part, in bytes.
        size: The bytes of the part; 0 for all that follow.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, size, _SYNC_FILE_RANGE_WRITE)


def can_sync_file_system() -> bool:
    """Tells whether `sync_file_system` works here: the system has it, and no sandbox forbids it."""
    return _syncfs is not None and _syncfs(-1) != 0 and ctypes.get_errno() == EBADF


def sync_file_system(fd: int) -> None:
    """Makes a whole file system durable (syncfs(2)).

    Args:
        fd: Any file or folder in it. Linux 5.17 and later report all errors since it was opened.

    Raises:
        OSError: The system reported an error, or has no such call.
    """
    if _syncfs is None or _syncfs(fd) != 0:
        number = ENOSYS if _syncfs is None else ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> bool:
    """Becomes the parent of orphaned descendants (prctl(2)); tells whether the system can do so."""
    return _prctl is not None and _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


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
_prctl = _find("prctl", "int", "ulong", "ulong", "ulong", "ulong")
