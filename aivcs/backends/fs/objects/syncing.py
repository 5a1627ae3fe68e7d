"""Making many files durable together.

There are two ways. Many small files on a known file system are synced with the whole of it, by one
call (`syncfs`). Otherwise several threads sync one file each, after writeback of all of them was
started: then one commit of the journal of the file system serves many of them.

The whole file system is synced only where that promises the same and costs less:

- Linux reports a write error in any file to every descriptor opened before on that file system
  (since 5.8), and errors of the file system itself (since 5.17). It does not tell whose file it
  was: the outcome may be "unknown" because another program's file was lost, but it is never
  "durable" if a file of the store was.
- Only on file systems on which the power was cut (`tests/crash`). Not on overlay and network file
  systems: they may not report errors. Nor on ext2: its own driver's `syncfs` does not flush the
  cache of the disk, and has the same name as the driver whose `syncfs` does.
- Not while other programs have much unwritten data: `syncfs` waits for all of it.
"""

import os
import sys
from collections import deque

from aivcs.backends.fs import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future, ThreadPoolExecutor

_TYPES = frozenset({"ext3", "ext4", "xfs", "btrfs"})
"""Linux names of the file systems that may be synced as a whole."""
_SYNCFS_RELEASE = (5, 17)
"""The first Linux whose `syncfs` reports every error."""
_SYNCFS_MIN_FILES = 128
"""Files from which checking for `syncfs` pays."""
_SYNCFS_MAX_OTHER_BYTES = 64 << 20
"""Unwritten bytes of other programs up to which `syncfs` is used."""
_THREADS = 16
"""Files that are synced at once; the threads only wait, so processors do not count."""


class Syncing:
    """Files that are being made durable; to be closed by its maker."""

    __slots__ = ("_failed", "_is_whole", "_pool", "_root", "_root_fd", "_syncs")

    def __init__(self, root: str) -> None:
        """Takes a folder above all files, before the first of them is written.

        Raises:
            BackendError: It cannot be opened.
        """
        self._root = root
        # An error is reported to descriptors that were open before it only.
        with files.os_errors("open", root):
            self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._is_whole = False
        self._pool: ThreadPoolExecutor | None = None
        self._syncs: list[Future[None]] = []
        self._failed = False

    def begin(self, written: "list[tuple[int, str]]", size: int) -> None:
        """Begins to sync files, once those begun before are durable; closes them afterwards.

        Args:
            written: Each file, open, and its path.
            size: The bytes of all files begun since the last `finish`.

        Raises:
            OutcomeUnknownError: Whether one begun before is durable cannot be known. No other is
                synced any more.
        """
        waiting = deque(written)
        try:
            self._begin(waiting, size)
        except Exception:
            if self._failed:
                raise
            # The system has no thread, or no descriptor to load a module with: syncing one after
            # the other needs neither. A file that is not synced must never be stored.
            self._sync_each(waiting)
            if self._pool is not None:
                # Its other threads may still be syncing.
                self._pool.shutdown()
                self._pool = None
            if self._failed:
                raise files.outcome_unknown(self._root, OSError(0, "a file was refused")) from None
        except BaseException:
            self._failed = True
            raise
        finally:
            if self._failed:
                self._sync_each(waiting)  # which only closes them

    def choose(self, count: int, size: int) -> None:
        """Decides how `count` files and their folders are synced, if it is not decided yet.

        Args:
            count: The number of files.
            size: The bytes of all files begun since the last `finish`.
        """
        if not self._is_whole and count >= _SYNCFS_MIN_FILES:
            self._is_whole = _should_sync_all(self._root, size)

    def _begin(self, waiting: "deque[tuple[int, str]]", size: int) -> None:
        self.choose(len(waiting), size)
        if self._is_whole:
            while waiting:
                files.close(waiting.popleft()[0])
            return
        if len(waiting) <= _THREADS and not self._syncs:
            self._sync_each(waiting)
            return
        from aivcs.util.syscalls import begin_writing_back

        for fd, _ in waiting:
            begin_writing_back(fd, 0, 0)
        self._await()
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_THREADS)
        for _ in range(min(_THREADS, len(waiting))):
            self._syncs.append(self._pool.submit(self._sync_each, waiting))

    def finish(self) -> None:
        """Waits until all files that were begun are durable.

        Raises:
            OutcomeUnknownError: Whether it is cannot be known.
        """
        self._await()
        if self._is_whole:
            self._sync_all()

    def finish_folders(self, folders: "Iterable[str]") -> None:
        """Makes the entries of folders durable, in which files were renamed after `finish`.

        Raises:
            OutcomeUnknownError: Whether they are cannot be known.
        """
        if self._is_whole:
            self._sync_all()
            self._is_whole = False  # the next files are to be checked anew
        else:
            for folder in folders:
                files.sync_folder(folder)

    def close(self) -> None:
        """Closes everything; files that are not being synced yet never are."""
        self._failed = True
        if self._pool is not None:
            self._pool.shutdown()
        files.close(self._root_fd)

    def _sync_all(self) -> None:
        from aivcs.util.syscalls import sync_file_system

        try:
            sync_file_system(self._root_fd)
        except OSError as error:
            raise files.outcome_unknown(self._root, error) from error

    def _await(self) -> None:
        """Waits until no single file is being synced."""
        syncs, self._syncs = self._syncs, []
        errors = [sync.exception() for sync in syncs]  # until the last of them has ended
        for error in errors:
            if error is not None:
                raise error

    def _sync_each(self, waiting: "deque[tuple[int, str]]") -> None:
        """Syncs files, unless a sync has failed, and closes them.

        Several threads may share the queue.
        """
        while waiting:
            try:
                fd, path = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                if not self._failed:
                    files.sync_file(fd, path)
            except BaseException:
                self._failed = True
                self._sync_each(waiting)  # which only closes them
                raise
            finally:
                files.close(fd)


def _should_sync_all(root: str, size: int) -> bool:
    """Tells whether to sync the file system of a folder as a whole.

    Args:
        root: The folder.
        size: Bytes of the store that may be unwritten, at most.
    """
    if sys.platform != "linux" or _release() < _SYNCFS_RELEASE:
        return False
    from aivcs.backends.fs.filesystem import find_type

    if find_type(root) not in _TYPES or _unwritten() - size > _SYNCFS_MAX_OTHER_BYTES:
        return False
    from aivcs.util.syscalls import can_sync_file_system

    return can_sync_file_system()


def _release() -> "tuple[int, ...]":
    """Returns the first numbers of the kernel's release: (6, 1) of "6.1.0-13-amd64"."""
    numbers = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(number) if number.isdecimal() else 0 for number in numbers)


def _unwritten() -> int:
    """Returns the unwritten bytes in the kernel's memory, of all disks (proc_meminfo(5))."""
    total = 0
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith((b"Dirty:", b"Writeback:")):
                    total += int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        return sys.maxsize
    return total
