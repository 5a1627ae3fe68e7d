"""Stores one batch while the next is collected, for stores that are a round trip away.

At most one batch is in flight. The next must not be sent before its outcome is known: had another
writer come first, its lines would be linked to lines that are not in the log.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread
    from typing import Any


class BatchInFlight:
    """A thread that stores a batch. Usable in `select`: it is readable once the batch is done."""

    def __init__(self, store: Callable[[Any], list[int]]) -> None:
        """Takes the function that stores a batch and returns the seqs."""
        self._store = store
        self._thread: Thread | None = None
        self._seqs: list[int] = []
        self._error: BaseException | None = None
        self._done, self._told = os.pipe()

    def fileno(self) -> int:
        """Returns the descriptor that is readable once the batch is done."""
        return self._done

    def __bool__(self) -> bool:
        """Whether there is a batch whose outcome was not asked for."""
        return self._thread is not None

    def begin(self, events: Any) -> None:
        """Begins to store a batch; there must be none."""
        from threading import Thread

        # A daemon: a command that is interrupted ends at once, whatever the server does.
        self._thread = Thread(target=self._work, args=[events], daemon=True)
        self._thread.start()

    def result(self) -> list[int]:
        """Waits for the batch; returns its seqs, or raises its error."""
        assert self._thread is not None
        os.read(self._done, 1)
        self._thread.join()
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._seqs

    def close(self) -> None:
        """Closes the descriptors, unless a batch is in flight still."""
        if self._thread is None:
            os.close(self._done)
            os.close(self._told)

    def _work(self, events: Any) -> None:
        try:
            self._seqs = self._store(events)
        except BaseException as error:  # noqa: BLE001 raised by `result`
            self._error = error
        os.write(self._told, b"\0")
