"""The small files of a spool: private, replaced whole, and checked when they are read; locks."""

import fcntl
import os
from stat import S_ISDIR

from aivcs.codec.json import parse
from aivcs.errors import BackendError, StorageError
from aivcs.store.identity import is_store_id
from aivcs.util.writing import sync_folder, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAX_TIME_S = 253402300800
"""The end of the year 9999, in POSIX seconds."""
_MAX_FILE = 64 << 20
"""Bytes of a file of a spool, at most: the names of 900,000 erasures."""


def make_private(folder: str) -> None:
    """Makes a folder of the user's alone, and the missing ones above it; durable on return.

    Raises:
        BackendError: It cannot be made, or is there and not of the user's alone.
    """
    above = os.path.dirname(folder)
    try:
        if not os.path.isdir(above):
            make_private(above)
        try:
            os.mkdir(folder, 0o700)
            sync_folder(above)
        except FileExistsError:
            require_private(folder)
    except OSError as error:
        raise BackendError(f"cannot make the spool {folder}: {error.strerror}") from error


def require_private(folder: str) -> None:
    """Requires that a folder is the user's, and that nobody else may enter it.

    Raises:
        BackendError: It is not.
    """
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise BackendError(f"cannot look at {folder}: {error.strerror}") from error
    if not S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise BackendError(
            f"the spool {folder} is not a folder of yours alone: chmod 700 it, or set AIVCS_SPOOL "
            "to another"
        )


def names(folder: str) -> "list[str]":
    """Returns the names in a folder of a spool, in order; none without the folder.

    Raises:
        BackendError: It cannot be read.
    """
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackendError(f"cannot read the spool {folder}: {error.strerror}") from error


def lock(path: str, operation: int) -> "int | None":
    """Returns a descriptor that holds a lock on a file of a spool, which it makes.

    Returns:
        The descriptor; None if the file's folder is gone, also while the lock was waited for, or if
        another holds the lock, and the operation does not wait.

    Raises:
        BackendError: The file cannot be opened or locked.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, operation)
            # Whoever removed the folder had the lock, and renamed it before he let the lock go.
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    except (FileNotFoundError, BlockingIOError):
        pass
    except OSError as error:
        raise BackendError(f"cannot lock {path}: {error.strerror}") from error
    return None


def read(path: str) -> "bytes | None":
    """Returns the content of a file of a spool, or None without such a file.

    Raises:
        BackendError: It cannot be read, or is too long.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_no_link) as file:
            if os.fstat(file.fileno()).st_size > _MAX_FILE:
                raise BackendError(
                    f"{path} has more than {_MAX_FILE >> 20} MiB; empty it: a push makes it anew"
                )
            return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror}") from error


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def write(path: str, data: bytes) -> None:
    """Replaces a file of a spool, durable on return.

    Raises:
        BackendError: It cannot be written, and is as it was.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        sync_folder(os.path.dirname(path))
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise BackendError(f"cannot write {path}: {error.strerror}") from error


def members(data: "bytes | None", checks: "dict[str, Callable[[Any], bool]]") -> "dict[str, Any]":
    """Returns the members of a small JSON file that pass their checks; none if it is damaged."""
    try:
        value = parse(data.decode()) if data else {}
    except (StorageError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        name: value[name] for name, fits in checks.items() if name in value and fits(value[name])
    }


def _is_text(value: "Any") -> bool:
    return isinstance(value, str)


def _is_number(value: "Any") -> bool:
    return type(value) is int and value >= 0


def _is_time(value: "Any") -> bool:
    return type(value) in {int, float} and 0 <= value < _MAX_TIME_S


def _is_url(value: "Any") -> bool:
    """Whether a value is the URL of a store on a server."""
    if not isinstance(value, str):
        return False
    scheme, mark, place = value.partition("://")
    return bool(mark and place) and scheme not in {"", "file", "bundle", "memory"}


def _is_digest(value: "Any") -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


STATE: "dict[str, Callable[[Any], bool]]" = {
    "url": _is_url,
    "id": is_store_id,
    "tried_at": _is_time,
    "failed_at": _is_time,
    "error": _is_text,
}
"""The members of `state.json`, with their checks."""
NOTE: "dict[str, Callable[[Any], bool]]" = {
    "lines": _is_number,
    "hash": _is_text,
    "at": _is_time,
    "error": _is_text,
}
"""The members of the note of a run."""
SPEC: "dict[str, Callable[[Any], bool]]" = {"digest": _is_digest, "at": _is_time}
"""The members of the file of a spec's name."""
