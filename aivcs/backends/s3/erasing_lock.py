"""Locks for those who erase: two that write the same object anew would undo each other.

Whoever wants a lock creates an object of its own in the folder of the lock, and lists the folder
after that. Who sees no other object has the lock: whoever comes later sees this one. Of several
that see each other the first by time waits, and the others withdraw and try again. So nothing
depends on a conditional write. An object that is some minutes older than one's own, both by the
server's clock, is of a process that died; it is removed, and by its name cannot be that of
another. A holder renews its object in time, and stops if it was held up for too long to do so.
"""

from __future__ import annotations

import os
import random
from contextlib import contextmanager, suppress
from time import monotonic, sleep, time
from typing import TYPE_CHECKING

from aivcs.errors import ConflictError, LockTimeoutError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.s3.client import Client, Entry

FOLDER = "erasing"
INDEX = "index"
"""The lock for changes of segments that are there, in the place of the name of a log."""
STALE_S = 300.0
"""Seconds after which an object is that of a process that died. Requests end much sooner."""
_RENEWED_S = STALE_S / 4
_LOST_S = STALE_S / 2
_PAUSE_S = 0.2


class ErasingLocks:
    """The locks of a store. Thread-safe."""

    def __init__(self, client: Client, timeout: float, owner: str) -> None:
        """Takes the client of the store, the seconds to wait at most, and the user."""
        self._client = client
        self._timeout = timeout
        self._owner = owner

    @contextmanager
    def hold(self, name: str) -> Iterator[HeldLock]:
        """A block in which nobody else erases from a log; what is read before it may be old.

        Args:
            name: The log, or `INDEX`.

        Raises:
            LockTimeoutError: Somebody else erases from it all the time.
        """
        lock = HeldLock(self._client, f"{FOLDER}/{name.replace('/', '=')}!", self._owner)
        lock.take(name, self._timeout)
        try:
            yield lock
        finally:
            lock.withdraw()


class HeldLock:
    """A lock that is held, or waited for."""

    def __init__(self, client: Client, folder: str, owner: str) -> None:
        """Takes the client of the store, the folder of the lock, and the user."""
        self._client = client
        self._folder = folder
        self._owner = owner
        self._place = ""
        self._since = (0.0, 0.0)

    def take(self, name: str, timeout: float) -> None:
        """Waits for the lock.

        Raises:
            LockTimeoutError: Others have it for too long.
        """
        deadline = monotonic() + timeout
        try:
            while not self._is_taken():
                if monotonic() > deadline:
                    raise LockTimeoutError(f"the erasing lock of {name}", timeout)
                sleep(_PAUSE_S * (0.5 + random.random()))  # noqa: S311 not a secret
        except BaseException:
            self.withdraw()
            raise

    def keep(self) -> None:
        """Makes sure that the lock is held for the next request; call it before each write.

        Raises:
            ConflictError: This process was held up for so long that others may have the lock.
        """
        age = self._age()
        if age > _LOST_S:
            raise ConflictError(
                "this process was held up while it erased, and others may erase now; repeat it"
            )
        if age > _RENEWED_S:
            since = (time(), monotonic())
            self._client.put(self._place, self._told())
            self._since = since

    def withdraw(self) -> None:
        """Gives the lock up. Never fails: what stays of it is removed by others, later."""
        place, self._place = self._place, ""
        if place:
            with suppress(StorageError):
                self._client.delete(place)

    def _is_taken(self) -> bool:
        """Tries once; tells whether the lock is held now."""
        if self._place and self._age() > _RENEWED_S:
            self.withdraw()
        if not self._place:
            self._since = (time(), monotonic())
            self._place = f"{self._folder}/{os.urandom(8).hex()}"
            self._client.create(self._place, self._told())
        found = {entry.key: entry for entry in self._client.entries(self._folder)}
        own = found.pop(self._place, None)
        if own is None:  # this process was stopped, and others took it for dead
            self._place = ""
            return False
        others = [entry for entry in found.values() if not self._is_stale(entry, own)]
        if any((other.modified, other.key) < (own.modified, own.key) for other in others):
            self.withdraw()
        return not others and self._age() < _RENEWED_S

    def _is_stale(self, entry: Entry, own: Entry) -> bool:
        if entry.modified >= own.modified - STALE_S:
            return False
        self._client.delete(entry.key)
        return True

    def _age(self) -> float:
        """Seconds since the object was written last, also those that the machine slept."""
        return max(time() - self._since[0], monotonic() - self._since[1])

    def _told(self) -> bytes:
        """The content of the lock object."""
        from datetime import UTC, datetime

        return f"{self._owner} {os.getpid()} {datetime.now(UTC).isoformat()}\n".encode()
