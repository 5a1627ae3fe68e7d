"""Calls of the operating system, with every failure as an error of the store.

No function follows a symbolic link or opens anything but a regular file: a store holds no other, so
somebody else put it there.
"""

import os
from errno import EACCES, EPERM, EROFS
from stat import S_ISREG

from aivcs import errors
from aivcs.errors import BackendError, OutcomeUnknownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_sync_data = getattr(os, "fdatasync", os.fsync)


class os_errors:  # noqa: N801 reads as a statement: with os_errors("read", path)
    """Turns an `OSError` inside the block into a `BackendError`: cannot VERB PATH: reason."""

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
            said = f"cannot {self._verb} {self._path}: {error.strerror or error}"
            raised = BackendError(said)
            raised.is_refusal = error.errno in {EACCES, EPERM, EROFS}
            raise raised from error


def open_file(path: str, flags: int) -> "int | None":
    """Opens a file and returns its descriptor, or None if it is absent.

    Raises:
        BackendError: It is not a regular file, or cannot be opened.
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
    except ValueError as error:  # a NUL, or a lone surrogate
        raise BackendError(f"{path!a} cannot be a path: {error}") from error
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        os.close(fd)
        raise BackendError(f"cannot look at {path}: {error.strerror}") from error
    if not S_ISREG(mode):
        os.close(fd)
        raise BackendError(f"{path} is not a regular file; a store holds nothing else")
    return fd


def create_file(path: str, flags: int, mode: int) -> "int | None":
    """Creates a file with exactly this mode and returns its descriptor, or None if it exists.

    Raises:
        OSError: It cannot be created.
    """
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | _SAFELY, mode)
    except FileExistsError:
        return None
    try:
        # The mode given to open is cut by the umask of this process.
        os.fchmod(fd, mode)
    except BaseException:
        close(fd)
        os.unlink(path)
        raise
    return fd


def close(fd: int) -> None:
    """Closes a descriptor; errors mean nothing, since durable files were synced before."""
    try:
        os.close(fd)
    except OSError:
        pass


def make_folder(path: str, mode: int) -> bool:
    """Makes a folder with exactly this mode; returns False if it exists.

    Raises:
        OSError: It cannot be made.
        BackendError: A link or a file has its name.
    """
    try:
        # Never with wider rights, not even for a moment: a crash would leave them.
        os.mkdir(path, mode)
    except FileExistsError:
        require_folder(path)
        return False
    os.chmod(path, mode)
    return True


def require_folder(path: str) -> None:
    """Refuses a path that is not a real folder.

    Raises:
        BackendError: It is a symbolic link or a file.
        FileNotFoundError: It is absent.
    """
    mode = os.lstat(path).st_mode
    if mode & 0o170000 != 0o040000:
        what = "a symbolic link" if mode & 0o170000 == 0o120000 else "no folder"
        raise BackendError(f"{path} is {what}; a store is made of real folders only")


def is_regular(path: str) -> bool:
    """Tells whether a path is that of a regular file; links are not followed."""
    return os.lstat(path).st_mode & 0o170000 == 0o100000


def open_folder(path: str) -> int:
    """Opens a real folder and returns its descriptor.

    Raises:
        BackendError: It is a symbolic link or a file, or cannot be opened.
        FileNotFoundError: It is absent.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        require_folder(path)
        raise BackendError(f"cannot open {path}: {error.strerror}") from error


LONGEST_PAUSE = 0.05
"""Seconds between two tries to take a lock, at most."""


def lock_file(
    fd: int,
    path: str,
    timeout: float,
    *,
    shared: bool = False,
    longest_pause: float = LONGEST_PAUSE,
) -> None:
    """Locks an open file or folder (flock), waiting for `timeout` seconds at most.

    The system frees the lock when the descriptor is closed, so also when its holder dies.

    Args:
        fd: The descriptor of the file or folder.
        path: Its path, for messages.
        timeout: Seconds.
        shared: Whether other processes may have the lock shared at the same time.
        longest_pause: Seconds between two tries, at most.

    Raises:
        LockTimeoutError: Another process held it for all that time.
        BackendError: The file system has no such lock.
    """
    # Not at the top: commands that lock nothing should not pay for it.
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
            # Random pauses, or many waiting writers would all come back at once.
            sleep(min(pause * (0.5 + os.urandom(1)[0] / 256), deadline - now + 0.0001))
            pause = min(pause * 1.5, longest_pause)
        except OSError as error:
            raise BackendError(f"cannot lock {path}: {error.strerror}") from error


def unlock_file(fd: int) -> None:
    """Frees the lock on an open file."""
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        pass  # closing the file frees it too


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Writes all of `data`, in one system call unless the system takes less.

    Raises:
        OSError: The system refused; a part may be written.
    """
    written = os.write(fd, data)
    if written != len(data):
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def sync_file(fd: int, path: str) -> None:
    """Makes the content of a file durable, and the metadata needed to read it back.

    Raises:
        OutcomeUnknownError: The system could not confirm it. Do not sync again: a second fsync may
            report success for data that the first one lost.
    """
    try:
        _sync_data(fd)
    except OSError as error:
        raise outcome_unknown(path, error) from error


def sync_folder(path: str) -> None:
    """Makes the entries of a folder durable.

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

        # Some file systems cannot sync a folder; theirs are durable without, or never.
        if error.errno not in {EINVAL, ENOTSUP}:
            raise outcome_unknown(path, error) from error


def outcome_unknown(path: str, error: OSError) -> OutcomeUnknownError:
    """Returns the error to raise where the system could not confirm that a file is durable."""
    return OutcomeUnknownError(
        f"the system could not confirm that {path} is durable ({error.strerror}): what was to be "
        "stored may or may not be there after a crash. Check the disk; look before trying again"
    )
