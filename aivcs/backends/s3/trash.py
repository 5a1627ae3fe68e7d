"""Removes blobs without a lock, in two steps: into the trash, and for good a day later.

A collector has read all logs when it removes a blob, but a writer may refer to the blob in the same
moment. So the blob is copied to `trash/<digest>/<collector>` first, under a name that no other
collector uses, and whoever misses it looks there. A later collection reads all logs again: what is
referred to by then is put back, and only the rest is gone. With one name for all collectors, one of
them would remove what another has just put there.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from time import monotonic, time
from typing import TYPE_CHECKING

from aivcs.errors import BackendError
from aivcs.model.digest import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from aivcs.backends.s3.client import Client, Entry

TRASH_S = 86_400.0
"""Seconds for which a removed blob stays in the trash. A hold must be shorter than half of that."""
MAX_SKEW_S = 600.0
"""Seconds by which our clock may differ from the server's when blobs are removed."""
_COMPARED_S = 300.0
"""Seconds for which a comparison of the clocks holds."""
_FOLDER = "trash"
_CLOCK = "clock"
"""The folder in the trash for objects that tell the server's time."""


class Trash:
    """The removed blobs of a store. Thread-safe."""

    def __init__(
        self, client: Client, object_key: Callable[[str], str], *, keep: float = TRASH_S
    ) -> None:
        """Takes the client, what gives the key of a blob, and the seconds to keep removed blobs."""
        self._client = client
        self._object_key = object_key
        self._keep = keep
        self._compared_at = -_COMPARED_S

    def find(self, digest: str) -> str:
        """Returns the key of a removed blob; empty if it is not in the trash."""
        return next((entry.key for entry in self._client.entries(f"{_FOLDER}/{digest}")), "")

    def restore(self, digest: str) -> bool:
        """Puts a removed blob back; tells whether it was in the trash."""
        for entry in self._client.entries(f"{_FOLDER}/{digest}"):
            if self._client.copy(entry.key, self._object_key(digest)):
                return True
        return False

    def clear(self, digest: str) -> list[str]:
        """Removes a blob from the trash for good; returns the keys that it had there."""
        keys = [entry.key for entry in self._client.entries(f"{_FOLDER}/{digest}")]
        for key in keys:
            self._client.delete(key)
        return keys

    @contextmanager
    def removal(self) -> Iterator[TrashRemoval]:
        """A block in which blobs are moved to the trash, all of them by its end.

        Raises:
            BackendError: Our clock and the server's differ too much to tell a blob's age.
        """
        if monotonic() - self._compared_at > _COMPARED_S:
            self.server_time()
            self._compared_at = monotonic()
        removal = TrashRemoval(self._client, self._object_key)
        try:
            yield removal
        finally:
            removal.finish()

    def purge(
        self,
        moment: float,
        is_needed: Callable[[], Callable[[ContentDigest], bool]],
        *,
        delete: bool,
    ) -> int:
        """Empties the trash of what was removed long ago. Returns the number of blobs.

        Args:
            moment: A time of the server's clock; what was removed later stays.
            is_needed: Reads all logs, and returns what tells whether a blob is referred to.
            delete: Whether to remove anything; otherwise blobs are only counted.
        """
        entries = list(self._entries())
        if not entries:
            return 0
        limit = min(moment, self.server_time() - self._keep) if delete else moment - self._keep
        old = [
            entry for entry in entries if entry[1].modified < min(limit, time() - self._keep + 1)
        ]
        if not old or not delete:
            return len({digest for digest, _ in old})
        needed = is_needed()
        gone = set()
        for digest, entry in old:
            if needed(digest):
                self._put_back(digest, entry)
            else:
                gone.add(digest)
            self._client.delete(entry.key)
        return len(gone)

    def _put_back(self, digest: ContentDigest, entry: Entry) -> None:
        if self._client.head(self._object_key(digest)) is None:
            self._client.copy(entry.key, self._object_key(digest))

    def _entries(self) -> Iterator[tuple[ContentDigest, Entry]]:
        for entry in self._client.entries(_FOLDER):
            digest = entry.key.split("/")[1]
            if len(digest) == 64:
                yield ContentDigest(digest), entry

    def server_time(self) -> float:
        """Returns the time by the server's clock, in POSIX seconds.

        Raises:
            BackendError: It differs too much from ours to tell the age of anything.
        """
        place = f"{_FOLDER}/{_CLOCK}/{os.urandom(8).hex()}"
        self._client.put(place, b"")
        found = self._client.head(place)
        self._client.delete(place)
        now = time()
        told = now if found is None else found.modified
        if abs(now - told) > MAX_SKEW_S:
            raise BackendError(
                f"the clock of this machine and that of the server differ by {abs(now - told):.0f} "
                "seconds, so the age of blobs is not certain; nothing was removed"
            )
        return told


class TrashRemoval:
    """A `Removal` whose moves run side by side, under a name of its own in the trash."""

    def __init__(self, client: Client, object_key: Callable[[str], str]) -> None:
        """Takes a name that no other collector uses."""
        self._client = client
        self._object_key = object_key
        self._collector = os.urandom(12).hex()
        self._moves: list[Future[None]] = []
        self._removed: set[str] = set()

    def remove(self, digest: ContentDigest, *, unless_since: float | None = None) -> bool:
        """As `Removal.remove`; the blob is in the trash when the block ends."""
        found = self._client.head(self._object_key(digest))
        if found is None or digest in self._removed:
            return False
        if unless_since is not None and _latest(found.modified) >= unless_since:
            return False
        self._removed.add(digest)
        self._moves.append(self._client.pool().submit(self._move, digest, found.modified))
        return True

    def confirm(self) -> None:
        """As `Removal.confirm`: what somebody relies on is taken back from the trash."""

    def finish(self) -> None:
        """Waits for all moves, and raises the first error of any."""
        moves, self._moves = self._moves, []
        failed: BaseException | None = None
        for move in moves:
            failed = move.exception() or failed
        if failed is not None:
            raise failed

    def _move(self, digest: ContentDigest, modified: float) -> None:
        place, kept = self._object_key(digest), f"{_FOLDER}/{digest}/{self._collector}"
        if not self._client.copy(place, kept):
            return
        found = self._client.head(place)
        if found is not None and found.modified == modified:
            self._client.delete(place)
        else:
            self._client.delete(kept)  # it was put again


def _latest(modified: float) -> float:
    """The latest moment that a time of the server may mean: many tell whole seconds."""
    return modified + 1 if modified == int(modified) else modified
