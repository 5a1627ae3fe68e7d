"""Edits the user's own configuration file, in one step and excluding others who edit it."""

from __future__ import annotations

import os

from aivcs.config.files import user_config_path
from aivcs.config.layers import read_config
from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def edit_own(environment: Mapping[str, str], edit: Callable[[bytes | None], bytes]) -> None:
    """Replaces the user's configuration by the result of a function; durable on return.

    Args:
        environment: The environment variables, which say where the file is.
        edit: Returns the new text for the present one, or for None if there is no file.

    Raises:
        UsageError: The file has no place, or the function refuses it; the message names the file.
        BackendError: The file cannot be read or written.
    """
    if not user_config_path(environment):
        raise UsageError(
            "the user's configuration has no place: HOME is not set, and the user has no "
            "entry in the list of users; set HOME or XDG_CONFIG_HOME"
        )
    # Where a link leads to, as people keep such files elsewhere; though nothing goes to a device.
    path = os.path.realpath(user_config_path(environment))
    if os.path.exists(path) and not os.path.isfile(path):
        raise BackendError(f"cannot write {path}: it is not a regular file")
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(lock)
            try:
                after = edit(read_config(path))
            except UsageError as error:
                raise UsageError(f"{path}: {error}") from error
            with open(f"{path}.new", "wb") as file:
                file.write(after)
                file.flush()
                os.fsync(file.fileno())  # or a power cut leaves an empty file: the defaults
            os.replace(f"{path}.new", path)
        finally:
            os.close(lock)
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror}") from error


def _lock(fd: int) -> None:
    """Locks the folder of the user's configuration against other processes that edit it."""
    from fcntl import LOCK_EX, flock

    try:
        flock(fd, LOCK_EX)
    except OSError:
        pass  # a file system without locks: two processes that edit at once may lose a change
