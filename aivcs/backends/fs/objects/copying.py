"""Copies long contents to and from objects, and hashes what was written.

The kernel copies from a file: no byte passes through this process, and none is stored twice where
the file system can share them. A second thread reads back what was written and hashes it, so the
digest is that of the copy, even if the source changes meanwhile.
"""

import os
from errno import EIO

from aivcs.backends.fs.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash
    from queue import Queue
    from threading import Thread

_LONG = 8 << 20
"""Bytes of content from which starting a thread pays."""
_PIECE = 256 << 10
"""Bytes read at once: few enough to stay in a processor's cache."""
_STRETCH = 4 << 20
"""Bytes the kernel copies at once, and after which a long content is hashed and written back."""
_AHEAD = 16
"""Stretches that are written and not yet hashed, at most, since they should still be in memory."""


def copy(
    read: "Callable[[int], bytes]", fd: int, hashed: "_Hash", *, source: int = -1, sync: bool = True
) -> None:
    """Writes all bytes of a source to a file, and hashes the whole file; nothing is durable yet.

    Args:
        read: Returns the next bytes of the source, at most the given number; none at its end.
        fd: The file, open for reading and writing, at its end; it is not closed.
        hashed: The hasher.
        source: The source, from its present position, if it is a file; otherwise -1.
        sync: Whether to begin write-back early, because the caller is going to sync the file.

    Raises:
        OSError: Not all could be written and read back. Errors of `read` are passed on.
    """
    end = os.lseek(fd, 0, os.SEEK_CUR)
    copied = _Copied(fd, hashed, sync=sync)
    try:
        while source >= 0 and (count := _copy_in_kernel(source, fd)):
            end += count
            copied.grow(end)
        while piece := read(_PIECE):
            write_all(fd, piece)
            end += len(piece)
            copied.grow(end)
        copied.finish(end)
    except BaseException as error:
        copied.stop(error)
        raise


def _copy_in_kernel(source: int, fd: int) -> int:
    """Copies the next bytes of a file; returns 0 at its end, and where the kernel cannot copy."""
    try:
        return os.copy_file_range(source, fd, _STRETCH)
    except (AttributeError, OSError):
        # The system lacks the call, or the file systems do. Any other error comes again when the
        # rest is read and written.
        return 0


class _Copied:
    """The bytes written to a file, hashed from its start, in a thread if there are many."""

    def __init__(self, fd: int, hashed: "_Hash", *, sync: bool) -> None:
        self._fd = fd
        self._hashed = hashed
        self._sync = sync
        self._begun = self._done = 0
        self._error: BaseException | None = None
        self._thread: tuple[Thread, Queue[int]] | None = None

    def grow(self, end: int) -> None:
        """Has the bytes up to `end` hashed and written back, if that pays already."""
        if end < _LONG or end - self._begun < _STRETCH:
            return
        try:
            if self._sync:
                from aivcs.util.syscalls import begin_writing_back

                begin_writing_back(self._fd, self._begun, end - self._begun)
            self._begun = end
            if self._thread is None:
                self._thread = self._start()
        except (RuntimeError, ImportError, OSError):
            return  # no thread could be started, or no module loaded for want of a descriptor
        self._thread[1].put(end)

    def finish(self, end: int) -> None:
        """Waits until the bytes up to `end`, the last ones, are hashed."""
        self.stop(None)
        if self._error is not None:
            raise self._error
        self._hash(end)

    def stop(self, error: BaseException | None) -> None:
        """Waits until the thread has ended; after an error it hashes no more."""
        self._error = self._error or error
        if self._thread is not None:
            self._thread[1].put(0)
            self._thread[0].join()

    def _start(self) -> "tuple[Thread, Queue[int]]":
        from queue import Queue
        from threading import Thread

        ends: Queue[int] = Queue(_AHEAD)
        thread = Thread(target=self._work, args=(ends,), daemon=True)
        thread.start()
        return thread, ends

    def _work(self, ends: "Queue[int]") -> None:
        while end := ends.get():
            if self._error is None:
                try:
                    self._hash(end)
                except BaseException as error:  # noqa: BLE001 raised again by `finish`
                    self._error = error

    def _hash(self, end: int) -> None:
        """Hashes the bytes up to `end` that are not hashed yet."""
        while self._done < end:
            piece = os.pread(self._fd, min(_PIECE, end - self._done), self._done)
            if not piece:
                raise OSError(EIO, "somebody made the file shorter")
            self._hashed.update(piece)
            self._done += len(piece)
