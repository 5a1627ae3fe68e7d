"""Passes one stream of the command on as it comes, and hands over a copy."""

import _thread
import errno
import fcntl
import os
import select
import sys
import termios
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_READ_BYTES = 1 << 17
"""The size of one read, in bytes."""
_HAND_OVER_BYTES = 1 << 18
"""Passed-on bytes that are handed over even if more output waits."""
_SILENCE_MS = 200
"""Milliseconds without output, after the command ended, that end the wait for its children."""
_MAX_DRAIN_S = 2.0
"""The longest such wait, in seconds."""


class Tee:
    """A thread that copies from one descriptor to another until the end.

    The end is the end of the stream. Once the command has ended, a silence counts too: processes
    that it left in the background may keep the stream open for ever.

    The end is that of the stream; or, once the command has ended, a silence: what it left in the
    background may keep the stream open for ever.

    Attributes:
        failure: Why the output could not be written, unless its reader went away.
    """

    def __init__(
        self, source: int, target: int, take: "Callable[[bytes], None]", ended: int
    ) -> None:
        """Starts copying.

        Args:
            source: The descriptor to read; closed at the end, or when the target's reader is gone.
            target: The descriptor to write.
            take: Given each piece after it was written.
            ended: A descriptor that is at its end when the command is.
        """
        self.failure: OSError | None = None
        self._source = source
        self._target = target
        self._take = take
        self._ended = ended
        self._passed: list[bytes] = []
        self._size = 0
        self._over = _thread.allocate_lock()
        self._over.acquire()
        _thread.start_new_thread(self._run, ())

    def join(self) -> None:
        """Waits until everything is passed on."""
        self._over.acquire()

    def _run(self) -> None:
        try:
            self._copy()
        finally:
            self._hand_over()
            # Tells the writers that nobody reads. The number stays in use: another thread that
            # writes to the same terminal must not find a file of the store under it.
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, self._source, inheritable=False)
            os.close(nowhere)
            self._over.release()

    def _copy(self) -> None:
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._target, 0)
        poll.register(self._ended, 0)
        deadline: float | None = None
        left = 0
        while deadline is None or left > 0 or monotonic() < deadline:
            silence = None if deadline is None else _SILENCE_MS
            ready = dict(poll.poll(0 if self._passed else silence))
            if self._passed and (self._source not in ready or self._size >= _HAND_OVER_BYTES):
                self._hand_over()
                continue
            if self._target in ready:
                return  # the reader is gone; closing the source tells the command
            if deadline is None and self._ended in ready:
                deadline = monotonic() + _MAX_DRAIN_S
                left = self._waiting()  # of the command's own; what comes now is others'
                poll.unregister(self._ended)
            elif self._source in ready:
                data = self._read()
                left -= len(data)
                if not data or not self._pass(data):
                    return
            else:
                return

    def _read(self) -> bytes:
        try:
            return os.read(self._source, _READ_BYTES)
        except OSError as error:
            if error.errno == errno.EIO:  # how a terminal ends
                return b""
            raise

    def _waiting(self) -> int:
        return int.from_bytes(fcntl.ioctl(self._source, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _pass(self, data: bytes) -> bool:
        """Writes a piece. Returns whether all of it was written."""
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._target, rest) :]
                except BlockingIOError:  # some parents hand down a pipe that does not wait
                    room = select.poll()
                    room.register(self._target, select.POLLOUT)
                    room.poll()
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.failure = error
        self._passed.append(data)
        self._size += len(data)
        return not rest

    def _hand_over(self) -> None:
        """Hands the copy over, many small pieces as one, to wake the recorder less often."""
        passed, self._passed, self._size = self._passed, [], 0
        if passed:
            self._take(b"".join(passed))
