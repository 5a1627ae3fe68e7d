"""A store in memory: as strict as one on disk, and gone with the process. All is thread-safe.

It keeps what a disk would keep, bytes and sealed lines, under the same rules. So heads, integrity
checks and refused payloads are real, and nothing that a caller holds is shared with the store.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition, Lock
from time import time
from typing import TYPE_CHECKING

from aivcs.backends.memory.driver import MemoryLogDriver
from aivcs.codec.sha256 import hex_digest
from aivcs.errors import ConflictError, LockTimeoutError
from aivcs.model.digest import ContentDigest
from aivcs.store.blobs import WholeBlobs
from aivcs.store.listing import Listing
from aivcs.store.lookup import Lookup
from aivcs.store.settings import Settings
from aivcs.store.verify import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import Removal, RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable

    Configure = Callable[[bytes | None], Settings]


class Guard:
    """Who relies on blobs and who removes them, never both at once, in one process."""

    def __init__(self, timeout: float) -> None:
        """Takes the seconds to wait for the others."""
        self._timeout = timeout
        self._change = Condition()
        self._holds = 0
        self._removing = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """A block in which nobody removes; any number at once, one inside another too."""
        self._wait(lambda: not self._removing, holds=1)
        try:
            yield
        finally:
            with self._change:
                self._holds -= 1
                self._change.notify_all()

    @contextmanager
    def removal(self) -> Iterator[None]:
        """A block in which nobody is in a hold."""
        self._wait(lambda: not self._removing and not self._holds, removing=True)
        try:
            yield
        finally:
            with self._change:
                self._removing = False
                self._change.notify_all()

    def _wait(self, free: Callable[[], bool], *, holds: int = 0, removing: bool = False) -> None:
        with self._change:
            if not self._change.wait_for(free, self._timeout):
                raise LockTimeoutError("memory", self._timeout)
            self._holds += holds
            self._removing = self._removing or removing


class MemoryBlobs(WholeBlobs):
    """An `ObjectDriver` that keeps blobs in a dictionary.

    Attributes:
        objects: The stored bytes by digest. Tests damage blobs through it; nothing else should
            touch it.
    """

    def __init__(self, guard: Guard) -> None:
        """Begins empty."""
        self.objects: dict[str, bytes] = {}
        self._guard = guard
        self._put: dict[str, float] = {}
        self._lock = Lock()

    def load(self, digest: str) -> bytes | None:
        """As `WholeBlobs.load`."""
        with self._lock:
            return self.objects.get(digest)

    def save(self, digest: str, content: bytes) -> None:
        """As `WholeBlobs.save`."""
        with self._guard.hold(), self._lock:
            self.objects[digest] = content
            self._put[digest] = time()

    def delete(self, digest: ContentDigest) -> None:
        """As `ObjectDriver.delete`."""
        with self._lock:
            self.objects.pop(ContentDigest(digest), None)

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """As `ObjectDriver.list_digests`, of this moment."""
        begin = prefix.lower()
        with self._lock:
            return iter(sorted(ContentDigest(d) for d in self.objects if d.startswith(begin)))

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """As `ObjectDriver.stored`, of this moment."""
        with self._lock:
            blobs = list(self.objects.items())
        for digest, content in blobs:
            yield ContentDigest(digest), len(content), self._put.get(digest, 0.0)

    @contextmanager
    def removal(self) -> Iterator[Removal]:
        """As `ObjectDriver.removal`."""
        with self._guard.removal():
            yield self

    def remove(self, digest: ContentDigest, *, unless_since: float | None = None) -> bool:
        """As `Removal.remove`."""
        with self._lock:
            is_new = unless_since is not None and self._put.get(digest, 0.0) >= unless_since
            return not is_new and self.objects.pop(digest, None) is not None

    def confirm(self) -> None:
        """As `Removal.confirm`: the lock is this process's own."""


class MemoryDocuments:
    """`Documents` in a dictionary."""

    def __init__(self) -> None:
        """Begins empty."""
        self._data: dict[str, bytes] = {}  # the one written last at the end
        self._lock = Lock()

    def read(self, name: str) -> tuple[bytes, str] | None:
        """As `Documents.read`."""
        data = self._data.get(name)
        return None if data is None else (data, hex_digest(data))

    def create(self, name: str, data: bytes) -> bool:
        """As `Documents.create`."""
        with self._lock:
            return self._data.setdefault(name, data) is data

    def write(self, name: str, data: bytes, *, expect: str | None = None) -> None:
        """As `Documents.write`."""
        with self._lock:
            self._require(name, expect)
            self._data.pop(name, None)  # the last one written is the last one in it
            self._data[name] = data

    def names(self, prefix: str, *, newest_first: bool = False) -> Iterator[str]:
        """As `Documents.names`, of this moment."""
        with self._lock:
            found = [name for name in self._data if name.startswith(prefix)]
        return reversed(found) if newest_first else iter(sorted(found))

    def drop(self, name: str, *, expect: str | None = None) -> bool:
        """As `Documents.drop`."""
        with self._lock:
            self._require(name, expect)
            return self._data.pop(name, None) is not None

    def _require(self, name: str, expect: str | None) -> None:
        found = self.read(name)
        if expect is not None and expect != (found[1] if found else ""):
            raise ConflictError(f"{name} was changed by somebody else; nothing was written")


class MemoryBackend:
    """A `Backend` in memory."""

    url = "memory:"
    folder = None
    poll_seconds = (0.05, 0.5)

    def __init__(self, settings: Settings | None = None) -> None:
        """Begins empty."""
        self.settings = settings or Settings()
        self._guard = Guard(self.settings.lock_timeout)
        self.logs = MemoryLogDriver()
        self.objects = MemoryBlobs(self._guard)
        self.documents = MemoryDocuments()

    @classmethod
    def open(cls, url: str, settings: Settings | Configure | None = None) -> MemoryBackend:  # noqa: ARG003
        """Returns a new store: nobody else reaches it, whatever its URL says."""
        return cls(settings(None) if callable(settings) else settings)

    @classmethod
    def init(
        cls,
        url: str,
        *,
        shared: bool = False,  # noqa: ARG003 memory has no group to share with
        private: bool = False,  # noqa: ARG003 memory is always private
        settings: Settings | Configure | None = None,
    ) -> MemoryBackend:
        """As `open`."""
        return cls.open(url, settings)

    def is_own(self, name: str) -> bool:  # noqa: ARG002 the protocol
        """As `Backend.is_own`: whoever has the memory began all of them."""
        return True

    def now(self) -> float:
        """As `Backend.now`."""
        return time()

    @contextmanager
    def hold(self, *, later: bool = False) -> Iterator[None]:
        """As `Backend.hold`; later, putting is a hold by itself."""
        if later:
            yield
            return
        with self._guard.hold():
            yield

    def doubts(self) -> Iterator[str]:
        """As `Backend.doubts`."""
        yield "the store is in memory: it is gone when this process ends"

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """As `Backend.list_runs`."""
        return Listing(ledger, unreadable)

    def lookup(self, ledger: RunLedger) -> Lookup:
        """As `Backend.lookup`."""
        return Lookup(self, ledger)

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,  # noqa: ARG002 nothing is ever torn
    ) -> Iterator[Finding]:
        """As `Backend.inspect`."""
        return inspect(self, parts, progress)

    def measure(self, parts: frozenset[str]) -> int:  # noqa: ARG002
        """As `Backend.measure`."""
        return 0

    def sweep(self, moment: float, *, delete: bool) -> int:  # noqa: ARG002
        """As `Backend.sweep`: nothing is ever left unfinished."""
        return 0

    def close(self) -> None:
        """As `Backend.close`."""
