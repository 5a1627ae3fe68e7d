"""Looking for bytes in logs, without reading their lines."""

import os

from aivcs.backends.fs import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.backends.fs.folder import Folder

    MayHold = Callable[[bytearray, int], bool]

_BLOCK = 1 << 20
"""Bytes that are looked through at once; a longer line is not looked through."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LogScanner:
    """Looks through the logs of runs, one after the other, in the same memory."""

    __slots__ = ("_buffers", "_may_hold", "_runs")

    def __init__(self, folder: "Folder", may_hold: "MayHold") -> None:
        """Takes the store's folder, and what tells whether whole lines can hold something.

        Args:
            folder: The store's folder.
            may_hold: Is given memory that begins with whole lines, and their bytes.
        """
        self._runs = folder.path(layout.RUNS)
        self._may_hold = may_hold
        self._buffers = (bytearray(_BLOCK),)

    def __call__(self, run_id: str) -> bool:
        """Tells whether the log of a run can hold what is looked for; true in any doubt."""
        buffers = self._buffers
        buffer = buffers[0]
        try:
            fd = os.open(f"{self._runs}/{run_id[:2]}/{run_id}{layout.SUFFIX}", _FLAGS)
        except OSError:
            return True  # whoever reads it says why
        try:
            size = os.readv(fd, buffers)
            if size < _BLOCK:  # as most are
                # A writer has not finished the text after the last newline; it is not an event yet.
                end = buffer.rfind(b"\n", 0, size) + 1
                return not end or self._may_hold(buffer, end)
            offset = 0
            while size:
                end = buffer.rfind(b"\n", 0, size) + 1
                if not end or self._may_hold(buffer, end):
                    return True
                offset += end
                size = os.preadv(fd, buffers, offset)
                if size < _BLOCK and not buffer.rfind(b"\n", 0, size) + 1:
                    return False
        except OSError:
            return True
        finally:
            os.close(fd)
        return False
