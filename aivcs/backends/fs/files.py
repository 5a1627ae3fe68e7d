"""What the file backend asks of the operating system, with every failure in the store's own words.

Nothing here follows a symbolic link or opens what is not a regular file: a store holds neither, so
either was put there by somebody else.
"""

import os
from errno import EEXIST, EINVAL, ELOOP, ENOENT, ENOTSUP
from stat import S_ISREG

from aivcs.errors import BackendError, OutcomeUnknownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_sync_data = getattr(os, "fdatasync", os.fsync)


class doing:  # noqa: N801 reads as a statement: with doing("read", path)
    """Turns a system error inside the block into a BackendError that says what was being done."""

    __slots__ = ("_path", "_verb")

    def __init__(self, verb: str, path: str) -> None:
        self._verb = verb
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        if isinstance(error, OSError):
            raise BackendError(
                f"cannot {self._verb} {self._path}: {error.strerror or error}"
            ) from error


def open_file(path: str, flags: int) -> "int | None":
    """Opens a file that exists and returns its descriptor, or None if there is none.

    Raises:
        BackendError: It is no regular file, or cannot be opened.
    """
    try:
        fd = os.open(path, flags | _SAFELY)
    except OSError as error:
        if error.errno == ENOENT:
            return None
        if error.errno == ELOOP:
            raise BackendError(f"{path} is a symbolic link; a store holds none") from error
        raise BackendError(f"cannot open {path}: {error.strerror}") from error
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        os.close(fd)
        raise BackendError(f"cannot look at {path}: {error.strerror}") from error
    if not S_ISREG(mode):
        os.close(fd)
        raise BackendError(f"{path} is no regular file; a store holds nothing else")
    return fd


def create_file(path: str, flags: int, mode: int) -> "int | None":
    """Creates a file with exactly this mode and returns its descriptor, or None if it is there.

    Raises:
        OSError: It cannot be created.
    """
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | _SAFELY, mode)
    except OSError as error:
        if error.errno == EEXIST:
            return None
        raise
    # The mode given to open is cut by the umask of whoever happens to run.
    os.fchmod(fd, mode)
    return fd


def make_folder(path: str, mode: int) -> bool:
    """Makes a folder with exactly this mode; returns False if it is there already.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    try:
        os.mkdir(path)
    except FileExistsError:
        require_folder(path)
        return False
    os.chmod(path, mode)
    return True


def require_folder(path: str) -> None:
    """Refuses a part of the store that is no real folder.

    Raises:
        BackendError: It is a symbolic link or a file.
        FileNotFoundError: There is nothing.
    """
    mode = os.lstat(path).st_mode
    if mode & 0o170000 != 0o040000:
        what = "a symbolic link" if mode & 0o170000 == 0o120000 else "no folder"
        raise BackendError(f"{path} is {what}; a store is made of real folders only")


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Writes all of `data`, in one system call unless the system takes less.

    Raises:
        OSError: The system refused; some of it may be written.
    """
    written = os.write(fd, data)
    if written != len(data):
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def sync_file(fd: int, path: str) -> None:
    """Returns when the content of a file, and what is needed to read it back, is durable.

    Raises:
        OutcomeUnknownError: The system could not confirm it. It must not be asked again: a second
            fsync may report success for data that the first one lost.
    """
    try:
        _sync_data(fd)
    except OSError as error:
        raise _unknown(path, error) from error


def sync_folder(path: str) -> None:
    """Returns when the entries of a folder are durable.

    Raises:
        OutcomeUnknownError: The system could not confirm it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        # Some file systems know no fsync of a folder; theirs are durable by other means or not.
        if error.errno not in {EINVAL, ENOTSUP}:
            raise _unknown(path, error) from error


def _unknown(path: str, error: OSError) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"the system could not confirm that {path} is durable ({error.strerror}): what was to be "
        "stored may or may not be there after a crash. Check the disk; look before trying again"
    )
