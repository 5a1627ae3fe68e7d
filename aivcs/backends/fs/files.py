"""What the file backend asks of the operating system, with every failure in the store's own words.

Nothing here follows a symbolic link or opens what is not a regular file: a store holds neither, so
either was put there by somebody else.
"""

import os
from stat import S_ISREG

from aivcs import errors
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
    except FileNotFoundError:
        return None
    except OSError as error:
        from errno import ELOOP

        if error.errno == ELOOP:
            raise BackendError(f"{path} is a symbolic link; a store holds none") from error
        raise BackendError(f"cannot open {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL, or what is no text
        raise BackendError(f"{path!a} cannot be a path: {error}") from error
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
    except FileExistsError:
        return None
    try:
        # The mode given to open is cut by the umask of whoever happens to run.
        os.fchmod(fd, mode)
    except BaseException:
        close(fd)
        os.unlink(path)
        raise
    return fd


def close(fd: int) -> None:
    """Closes a descriptor; what had to be durable was synced before, so it cannot fail any more."""
    try:
        os.close(fd)
    except OSError:
        pass


def make_folder(path: str, mode: int) -> bool:
    """Makes a folder with exactly this mode; returns False if it is there already.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    try:
        # Never wider than it is to be, not even for a moment, or for ever after a crash.
        os.mkdir(path, mode)
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


def open_folder(path: str) -> int:
    """Opens a real folder and returns its descriptor.

    Raises:
        BackendError: It is a symbolic link or a file, or cannot be opened.
        FileNotFoundError: There is nothing.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        require_folder(path)
        raise BackendError(f"cannot open {path}: {error.strerror}") from error


def lock_file(fd: int, path: str, timeout: float, *, shared: bool = False) -> None:
    """Waits for the lock on an open file or folder, for `timeout` seconds at most.

    The system frees it when the descriptor is closed, so also when its holder dies.

    Args:
        fd: What is to be locked.
        path: Its path, for messages.
        timeout: Seconds.
        shared: Whether others may have the lock shared at the same time.

    Raises:
        LockTimeoutError: Somebody else held it for all that time.
        BackendError: The system has no such lock here.
    """
    # Here, not above: commands that lock nothing should not pay for it.
    import fcntl
    from time import monotonic, sleep

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = None
    pause = 0.001
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            now = monotonic()
            if deadline is None:
                deadline = now + timeout
            if now >= deadline:
                raise errors.LockTimeoutError(path, timeout) from None
            # Unequal pauses, or many writers that wait would all come back at once.
            sleep(min(pause * (0.5 + os.urandom(1)[0] / 256), deadline - now + 0.0001))
            pause = min(pause * 1.5, 0.05)
        except OSError as error:
            raise BackendError(f"cannot lock {path}: {error.strerror}") from error


def unlock_file(fd: int) -> None:
    """Lets go of the lock on an open file."""
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        pass  # closing it will


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
        raise unknown(path, error) from error


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
        from errno import EINVAL, ENOTSUP

        # Some file systems know no fsync of a folder; theirs are durable by other means or not.
        if error.errno not in {EINVAL, ENOTSUP}:
            raise unknown(path, error) from error


def unknown(path: str, error: OSError) -> OutcomeUnknownError:
    """Returns what to raise when the system could not say that something is durable."""
    return OutcomeUnknownError(
        f"the system could not confirm that {path} is durable ({error.strerror}): what was to be "
        "stored may or may not be there after a crash. Check the disk; look before trying again"
    )
