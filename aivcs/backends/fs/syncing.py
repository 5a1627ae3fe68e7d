"""Makes many files durable: all that the disk can do for many together is done together.

There are two ways. Many small files on a file system that is known are synced with all of it, by
one call (`syncfs`). Otherwise each file is synced by itself, but by several threads, and after the
disk was set to work at all of them: then one commit of the file system's journal serves many, and
the others find nothing left to do.

The whole file system is synced only where that promises the same and costs less:

- Linux tells of an error in any file whoever had the file system open before it (since 5.8), and of
  errors in the file system itself (since 5.17). It does not say whose error it was: the answer may
  be "unknown" where a stranger's file was lost, but never "durable" where one of ours was.
- The power was cut on these file systems (`tests/crash`). Others, such as overlays and those of a
  network, hand the call on to what need not report. Of ext2, Linux has two drivers, which bear one
  name: with its own, `fsync` has the disk empty its cache, and `syncfs` has not.
- Nobody else has much to write at that moment, for all of it would be waited for.
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
"""File systems, as Linux names them, that are synced as a whole."""
_RELEASE = (5, 17)
"""The first Linux that tells of every error of that."""
_MANY = 128
"""Files from which it is worth asking whether they may be synced so."""
_OTHERS = 64 << 20
"""Bytes that others have left to write, from which on they would be waited for too long."""
_THREADS = 16
"""Files that are synced at once. The threads wait, so the number of processors does not matter."""


class Syncing:
    """Files on their way to being durable.

    Whoever makes one closes it.
    """

    __slots__ = ("_failed", "_is_whole", "_pool", "_root", "_root_fd", "_syncs")

    def __init__(self, root: str) -> None:
        """Takes the folder that all of the files are below, before the first of them is written.

        Raises:
            BackendError: It cannot be opened.
        """
        self._root = root
        # An error is reported through a descriptor that was there before it.
        with files.doing("open", root):
            self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._is_whole = False
        self._pool: ThreadPoolExecutor | None = None
        self._syncs: list[Future[None]] = []
        self._failed = False

    def begin(self, written: "list[tuple[int, str]]", size: int) -> None:
        """Begins to make files durable, once those begun before are; takes over the descriptors.

        Args:
            written: Each file, open, and its path.
            size: The bytes that all files have which were begun since the last `finish`.

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
            # There is no thread to be had, or no descriptor to load a module with: neither is
            # needed to sync them one after the other. What is not synced must never be stored.
            self._sync_each(waiting)
            if self._pool is not None:
                # What the pool refused for want of a thread, another of its threads may be at.
                self._pool.shutdown()
                self._pool = None
            if self._failed:
                raise files.unknown(self._root, OSError(0, "a file was refused")) from None
        except BaseException:
            self._failed = True
            raise
        finally:
            if self._failed:
                self._sync_each(waiting)  # which only closes them

    def _begin(self, waiting: "deque[tuple[int, str]]", size: int) -> None:
        if not self._is_whole and len(waiting) >= _MANY:
            self._is_whole = _should_sync_all(self._root, size)
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
        """Returns when all that was begun is durable.

        Raises:
            OutcomeUnknownError: Whether it is cannot be known.
        """
        self._await()
        if self._is_whole:
            self._sync_all()

    def finish_folders(self, folders: "Iterable[str]") -> None:
        """Returns when the entries of folders are durable, in which files got names after `finish`.

        Raises:
            OutcomeUnknownError: Whether they are cannot be known.
        """
        if self._is_whole:
            self._sync_all()
            self._is_whole = False  # for those that follow it is to be asked again
        else:
            for folder in folders:
                files.sync_folder(folder)

    def close(self) -> None:
        """Lets go of everything; what has not begun to be synced is not."""
        self._failed = True
        if self._pool is not None:
            self._pool.shutdown()
        files.close(self._root_fd)

    def _sync_all(self) -> None:
        from aivcs.util.syscalls import sync_file_system

        try:
            sync_file_system(self._root_fd)
        except OSError as error:
            raise files.unknown(self._root, error) from error

    def _await(self) -> None:
        """Waits until none is being synced by itself any more."""
        syncs, self._syncs = self._syncs, []
        errors = [sync.exception() for sync in syncs]  # until the last of them has ended
        for error in errors:
            if error is not None:
                raise error

    def _sync_each(self, waiting: "deque[tuple[int, str]]") -> None:
        """Makes files durable, unless that has failed for any, and closes them.

        Several threads may take them from the same queue.
        """
        while waiting:
            try:
                fd, path = waiting.popleft()
            except IndexError:  # another took the last one
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
    """Whether to sync the file system of a folder as a whole.

    Args:
        root: The folder.
        size: Bytes that are ours of those which it still has to write, at most.
    """
    if sys.platform != "linux" or _release() < _RELEASE:
        return False
    from aivcs.backends.fs.filesystem import find_type

    if find_type(root) not in _TYPES or _unwritten() - size > _OTHERS:
        return False
    from aivcs.util.syscalls import can_sync_file_system

    return can_sync_file_system()


def _release() -> "tuple[int, ...]":
    """The numbers that the system's release begins with: (6, 1) of "6.1.0-13-amd64"."""
    numbers = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(number) if number.isdecimal() else 0 for number in numbers)


def _unwritten() -> int:
    """Bytes that wait in the kernel's memory to be written to any disk (proc_meminfo(5))."""
    total = 0
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith((b"Dirty:", b"Writeback:")):
                    total += int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        return sys.maxsize
    return total
