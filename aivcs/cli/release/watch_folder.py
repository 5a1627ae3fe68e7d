"""The folder in which `release watch --state` remembers what it did, also over a kill.

    cursor.json   what was seen and handled, replaced by rename
    running       the process of the command that runs, written by that process before it begins
    lock          held by the watch

A watch that is killed leaves its command running. The next one waits for that command to end, so
two never run at once, and the last one that runs is that of the newest release.
"""

from __future__ import annotations

import fcntl
import os
from time import monotonic, sleep

from aivcs.codec.json import encode_trusted, parse
from aivcs.commands.release.watch import Cursor
from aivcs.errors import BackendError, LockTimeoutError, SerializationError, UsageError
from aivcs.model.run import RunOwner
from aivcs.trace.liveness import ALIVE, judge_owner
from aivcs.trace.process_identity import find_process, here, owner_of
from aivcs.util.writing import require_outside_stores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CURSOR, _RUNNING, _LOCK = "cursor.json", "running", "lock"
_PAUSE = 0.05
"""Seconds between two looks at a lock or a process."""


class WatchFolder:
    """The state that a watch keeps on disk; one watch at a time has the folder."""

    def __init__(self, folder: str, name: str, lock_timeout: float) -> None:
        """Makes the folder if it does not exist, and locks it.

        Raises:
            UsageError: It cannot be the folder, or is that of another name.
            LockTimeoutError: Another watch uses it.
            BackendError: It cannot be used.
        """
        if not folder:
            raise UsageError("the DIR of --state is empty; is a variable unset?")
        self._folder, self._name = folder, name
        try:
            require_outside_stores(folder)
            os.makedirs(folder, exist_ok=True)
            self._fd = os.open(self._path(_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except ValueError:
            raise UsageError(f"the DIR of --state, {folder!a}, cannot be a path") from None
        except OSError as error:
            raise self._failed(error) from error
        end = monotonic() + lock_timeout
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if monotonic() >= end:
                    raise LockTimeoutError(self._path(_LOCK), lock_timeout) from None
                sleep(_PAUSE)
            except OSError as error:
                raise self._failed(error) from error

    def read(self) -> Cursor | None:
        """Returns the cursor of the watch before; None if there was none.

        Raises:
            UsageError: The folder is that of another name.
            BackendError: It cannot be read, or something else stands in it.
        """
        path = self._path(_CURSOR)
        try:
            with open(path, "rb") as file:
                value = parse(file.read().decode())
            name, cursor = value["name"], Cursor.from_json(value)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error) from error
        except (SerializationError, UnicodeDecodeError, TypeError, KeyError) as error:
            raise BackendError(
                f"{path!a} is damaged; to begin anew with what is live, remove it"
            ) from error
        if name != self._name:
            raise UsageError(
                f"{self._folder!a} is the --state of a watch of {name}, not of {self._name}; "
                "give each its own"
            )
        return cursor

    def write(self, cursor: Cursor) -> None:
        """Remembers a cursor, durably.

        Raises:
            BackendError: The folder cannot be written.
        """
        data = encode_trusted({"name": self._name, **cursor._asdict()})
        self._replace(_CURSOR, f"{data}\n".encode(), is_durable=True)

    def note_running(self) -> None:
        """Notes this process as the one of the command; called in it, before it begins.

        The lock is still held then, by the copy of its descriptor, so nobody reads too early.
        """
        self._replace(_RUNNING, encode_trusted(owner_of(os.getpid()).to_json()).encode())

    def note_ended(self) -> None:
        """Notes that the command has ended."""
        try:
            os.unlink(self._path(_RUNNING))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._failed(error) from error

    def wait_for_orphan(self, tell: Callable[[str], object]) -> None:
        """Waits until the command of a watch that was killed has ended.

        Args:
            tell: Told of what is waited for.
        """
        try:
            with open(self._path(_RUNNING), "rb") as file:
                owner = RunOwner(**parse(file.read().decode()))
        except Exception:  # noqa: BLE001 cut by a crash: the machine was started anew
            owner = None
        is_told = False
        while (
            owner is not None and judge_owner(owner, here(), find_process(owner.pid)).what == ALIVE
        ):
            if not is_told:
                tell(f"waits for process {owner.pid}, the command of a watch that was killed")
                is_told = True
            sleep(_PAUSE)
        self.note_ended()

    def _replace(self, name: str, data: bytes, *, is_durable: bool = False) -> None:
        path = self._path(name)
        staging = f"{path}.{os.getpid()}"
        try:
            fd = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                os.write(fd, data)
                if is_durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(staging, path)
            if is_durable:
                fd = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        except OSError as error:
            raise self._failed(error) from error

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _failed(self, error: OSError) -> BackendError:
        return BackendError(f"cannot use the --state {self._folder!a}: {error.strerror}")
