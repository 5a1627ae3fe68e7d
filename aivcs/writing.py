"""Writes a long content in the background, so that reading and hashing wait for no disk."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import SimpleQueue

LONG = 8 << 20
"""Bytes of content from which a thread is worth its start."""
_AHEAD = 8
"""Pieces that may wait to be written, at most: they are the memory that this takes."""
_FLUSH = 32 << 20
"""Bytes after which the disk is set to work, so that the last sync does not find all to be done."""


def write_all(fd: int, data: bytes) -> None:
    """Writes all of some bytes.

    Raises:
        OSError: They could not be written; some may have been.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class BackgroundWriter:
    """Writes pieces to a file, in order, in a thread of its own.

    Whoever makes one ends it, by `finish` or `abandon`, before closing the file.
    """

    def __init__(self, fd: int, *, sync: bool) -> None:
        """Starts the thread.

        Args:
            fd: The file; it stays the caller's.
            sync: Whether to make durable what is written from time to time. The last bytes are not,
                they are the caller's to sync.
        """
        from queue import SimpleQueue
        from threading import Semaphore, Thread

        self._fd = fd
        self._sync = sync
        self._room = Semaphore(_AHEAD)
        self._pieces: "SimpleQueue[bytes | None]" = SimpleQueue()
        self._error: OSError | None = None
        self._abandoned = False
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Takes a piece; waits while too many are waiting.

        Raises:
            OSError: An earlier piece could not be written.
        """
        self._room.acquire()
        if self._error is not None:
            raise self._error
        self._pieces.put(data)

    def finish(self) -> None:
        """Returns when all pieces are written.

        Raises:
            OSError: One could not be.
        """
        self._pieces.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Returns when nothing is being written any more; what waited is dropped."""
        self._abandoned = True
        self._pieces.put(None)
        self._thread.join()

    def _work(self) -> None:
        unsynced = 0
        while (piece := self._pieces.get()) is not None:
            if self._error is None and not self._abandoned:
                try:
                    write_all(self._fd, piece)
                    unsynced += len(piece)
                    if self._sync and unsynced >= _FLUSH:
                        os.fsync(self._fd)
                        unsynced = 0
                except OSError as error:
                    self._error = error
            self._room.release()
