"""Write-behind: copies long contents to a file through a few reused buffers.

A new buffer for each piece would cost as much as hashing it, because the kernel has to find and
clear every page. A separate thread writes, so that reading and hashing do not wait for the disk.
"""

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue
    from typing import BinaryIO

LONG = 8 << 20
"""Bytes of content from which starting a thread pays."""
PIECE = 256 << 10
"""Bytes of a buffer: few enough to stay in a processor's cache between hashing and writing."""
_BUFFERS = 4
"""Number of buffers, which bounds the memory used."""
_WRITEBACK_BYTES = 8 << 20
"""Bytes after which write-back to disk begins, so that the final sync has little to do."""


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Writes all bytes to a file descriptor.

    Raises:
        OSError: Not all could be written; some may have been.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_into(stream: "BinaryIO", buffer: memoryview) -> int:
    """Reads once from a stream into a buffer; returns the number of bytes, 0 at the end.

    Raises:
        BlockingIOError: The stream is non-blocking and has no data yet.
        TypeError: The stream does not give bytes.
        OSError: The stream cannot be read.
        ValueError: The stream is closed.
    """
    # Only these types are known to have the right `readinto`; every other stream has `read`.
    if isinstance(stream, (io.BufferedReader, io.FileIO)) and "readinto" in vars(type(stream)):
        count: int | None = stream.readinto(buffer)
        if count is None:
            raise BlockingIOError
        return count
    data: bytes | None = stream.read(len(buffer))
    if data is None:
        raise BlockingIOError
    if not isinstance(data, bytes):
        raise TypeError(type(data).__name__)
    buffer[: len(data)] = data
    return len(data)


def copy(fill: "Callable[[memoryview], int]", fd: int, *, sync: bool) -> None:
    """Writes all bytes of a source to a file, from its present position.

    Args:
        fill: Puts the next bytes into a buffer and returns their number, 0 at the end. It runs
            while the bytes before are being written.
        fd: The file, which is not closed.
        sync: Whether the caller is going to sync the file; then write-back begins early. Nothing is
            durable when this returns.

    Raises:
        OSError: Not all could be written; some may have been. Errors of `fill` are passed on.
    """
    piece = memoryview(bytearray(PIECE))
    written = 0
    while written < LONG:
        count = fill(piece)
        if not count:
            return
        write_all(fd, piece[:count])
        written += count
    try:
        writer = WriteBehind(fd, sync=sync)
    except (RuntimeError, ImportError, OSError):
        # No thread could be started, or no module loaded for want of a descriptor: do without.
        while count := fill(piece):
            write_all(fd, piece[:count])
        return
    try:
        while count := fill(buffer := writer.buffer()):
            writer.write(buffer, count)
        writer.finish()
    except BaseException:
        writer.abandon()
        raise


class WriteBehind:
    """Writes pieces to a file, in order, in a separate thread.

    The caller must end it by `finish` or `abandon` before closing the file.
    """

    def __init__(self, fd: int, *, sync: bool) -> None:
        """Starts the thread.

        Args:
            fd: The file, which is not closed.
            sync: Whether to begin write-back early.

        Raises:
            RuntimeError: The system cannot start another thread.
            ImportError: A module cannot be loaded; likewise an `OSError`.
        """
        from queue import SimpleQueue
        from threading import Thread

        self._fd = fd
        self._begin: "Callable[[int, int, int], None] | None" = None
        if sync:
            # Not in the thread: if the import failed there, `buffer` would wait for ever.
            from aivcs.util.syscalls import begin_writing_back

            self._begin = begin_writing_back
        self._empty: "SimpleQueue[memoryview]" = SimpleQueue()
        for _ in range(_BUFFERS):
            self._empty.put(memoryview(bytearray(PIECE)))
        self._full: "SimpleQueue[tuple[memoryview, int] | None]" = SimpleQueue()
        self._error: OSError | None = None
        self._abandoned = False
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def buffer(self) -> memoryview:
        """Returns a buffer to fill; waits until its former content is written.

        Raises:
            OSError: An earlier piece could not be written.
        """
        buffer = self._empty.get()
        if self._error is not None:
            raise self._error
        return buffer

    def write(self, buffer: memoryview, count: int) -> None:
        """Queues the first bytes of a buffer from `buffer`, which the caller must not use again."""
        self._full.put((buffer, count))

    def finish(self) -> None:
        """Waits until all pieces are written.

        Raises:
            OSError: A piece could not be written.
        """
        self._full.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Drops all waiting pieces and waits until the thread has ended."""
        self._abandoned = True
        self._full.put(None)
        self._thread.join()

    def _work(self) -> None:
        begun = end = os.lseek(self._fd, 0, os.SEEK_CUR)
        while (piece := self._full.get()) is not None:
            buffer, count = piece
            if self._error is None and not self._abandoned:
                try:
                    write_all(self._fd, buffer[:count])
                except OSError as error:
                    self._error = error
                end += count
                if self._begin is not None and end - begun >= _WRITEBACK_BYTES:
                    self._begin(self._fd, begun, end - begun)
                    begun = end
            self._empty.put(buffer)
