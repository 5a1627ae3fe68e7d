"""Moves long contents through a few buffers that are used again and again.

A fresh buffer for each piece would cost as much as hashing it: the kernel has to find and clear
every page of it. A thread of its own writes, so that reading and hashing wait for no disk.
"""

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue
    from typing import BinaryIO

LONG = 8 << 20
"""Bytes of content from which a thread is worth its start."""
PIECE = 256 << 10
"""Bytes of a buffer: few enough that hashing and writing find them in a processor's cache."""
_BUFFERS = 4
"""Buffers that are read into, hashed or written; they are the memory that this takes."""
_FLUSH = 8 << 20
"""Bytes after which the disk is set to work at them, so that the last sync finds little to do."""


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Writes all of some bytes.

    Raises:
        OSError: They could not be written; some may have been.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_into(stream: "BinaryIO", buffer: memoryview) -> int:
    """Reads what a stream gives at once into a buffer; returns how many bytes, none at the end.

    Raises:
        BlockingIOError: It has no data yet and does not wait for it.
        TypeError: It gives something else than bytes.
        OSError: It cannot be read.
        ValueError: It is closed.
    """
    # Of these it is known what they do; of others, and of what is derived from these without a
    # `readinto` of its own, only that they have `read`.
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
    """Writes to a file, from where it stands, all that a source gives.

    Args:
        fill: Puts the next bytes into a buffer and returns their number, 0 at the end. What it does
            with them is done while those before them are written.
        fd: The file; it stays the caller's.
        sync: Whether the caller is going to make the file durable; then the disk is set to work at
            once. Nothing is durable when this returns.

    Raises:
        OSError: They could not be written; some may have been. What `fill` raises comes as it is.
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
        # There is no thread to be had, or no descriptor to load modules with; it goes without.
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
    """Writes pieces to a file, in order, in a thread of its own.

    Whoever makes one ends it, by `finish` or `abandon`, before closing the file.
    """

    def __init__(self, fd: int, *, sync: bool) -> None:
        """Starts the thread.

        Args:
            fd: The file; it stays the caller's.
            sync: As for `copy`.

        Raises:
            RuntimeError: The system gives no further thread.
            ImportError: What it needs cannot be loaded; likewise an `OSError`.
        """
        from queue import SimpleQueue
        from threading import Thread

        self._fd = fd
        self._begin: "Callable[[int, int, int], None] | None" = None
        if sync:
            # Not in the thread: if that failed there, who waits for a buffer would wait for ever.
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
        """Returns a buffer to be filled; waits until what was in it before is written.

        Raises:
            OSError: An earlier piece could not be written.
        """
        buffer = self._empty.get()
        if self._error is not None:
            raise self._error
        return buffer

    def write(self, buffer: memoryview, count: int) -> None:
        """Takes the first bytes of a buffer that `buffer` gave; it must not be touched any more."""
        self._full.put((buffer, count))

    def finish(self) -> None:
        """Returns when all pieces are written.

        Raises:
            OSError: One could not be.
        """
        self._full.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Returns when nothing is being written any more; what waited is dropped."""
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
                if self._begin is not None and end - begun >= _FLUSH:
                    self._begin(self._fd, begun, end - begun)
                    begun = end
            self._empty.put(buffer)
