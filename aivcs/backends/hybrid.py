"""A store of two backends: logs and documents in one, blobs in another.

`blobs = "s3://…"` in the configuration of a store, such as one in PostgreSQL, puts its blobs there.
Holds and removals are those of the store with the logs, so a blob is removed under the lock that a
writer takes who refers to it. The other store is marked as the place of these blobs: collected by
itself it would seem to be garbage altogether.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aivcs.errors import BackendError, ConflictError, StorageError
from aivcs.store.blobs import ObjectStore
from aivcs.store.identity import identify
from aivcs.store.lookup import Lookup
from aivcs.store.verify import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO, Protocol

    from aivcs.model.digest import ContentDigest
    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import Backend, Documents, LogDriver, Removal, RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable
    from aivcs.store.settings import Settings

    class BlobStore(Backend, Protocol):
        """A backend that can be the place of another store's blobs."""

        dedicated_to: str
        referring: Backend | None

        def dedicate(self, store_id: str) -> None:
            """Marks the store as the place of the blobs of the store with an id."""
            ...


class HybridBackend:
    """The `Backend` of both."""

    folder = None

    def __init__(self, store: Backend, blobs: BlobStore) -> None:
        """Takes the open store with the logs, and the open store for the blobs.

        Raises:
            ConflictError: The latter has the blobs of another store, or runs and releases.
        """
        self._store = store
        self._blobs = self.blob_store = blobs
        blobs.referring = self
        self.logs: Any = HybridLogs(store.logs, blobs.logs)
        self.documents: Documents = store.documents
        self.objects = HybridObjects(store, blobs)
        store_id = identify(store.documents)
        if not blobs.dedicated_to:
            if next(iter(blobs.logs.names()), None) is not None:
                raise ConflictError(
                    f"{blobs.url} is a store with runs and releases of its own; make another one "
                    "for the blobs: aivcs init URL"
                )
            blobs.dedicate(store_id)
        elif blobs.dedicated_to != store_id:
            raise ConflictError(
                f"{blobs.url} has the blobs of another store, with the id {blobs.dedicated_to}; "
                f"the id of {store.url} is {store_id}. Name another place: "
                "aivcs config set blobs URL"
            )

    @property
    def url(self) -> str:
        """As `Backend.url`: that of the store with the logs, which names the other."""
        return self._store.url

    @property
    def settings(self) -> Settings:
        """As `Backend.settings`."""
        return self._store.settings

    @property
    def poll_seconds(self) -> tuple[float, float]:
        """As `Backend.poll_seconds`."""
        return self._store.poll_seconds

    def is_own(self, name: str) -> bool:
        """As `Backend.is_own`."""
        return self._store.is_own(name)

    def now(self) -> float:
        """As `Backend.now`: by the clock that tells the age of blobs."""
        return self._blobs.now()

    @contextmanager
    def hold(self, *, later: bool = False) -> Iterator[None]:
        """As `Backend.hold`: that of the store where the blob will be named."""
        with self._store.hold(later=later), self._blobs.hold(later=later):
            yield

    def doubts(self) -> Iterator[str]:
        """As `Backend.doubts`."""
        yield from self._store.doubts()
        yield from self._blobs.doubts()

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """As `Backend.list_runs`."""
        return self._store.list_runs(ledger, unreadable)

    def lookup(self, ledger: RunLedger) -> Lookup:
        """As `Backend.lookup`."""
        return Lookup(self, ledger)

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,  # noqa: ARG002 neither of the two has anything truncated
    ) -> Iterator[Finding]:
        """As `Backend.inspect`."""
        return inspect(self, parts, progress)

    def measure(self, parts: frozenset[str]) -> int:
        """As `Backend.measure`."""
        return self._store.measure(parts - {"blobs"}) + self._blobs.measure(parts & {"blobs"})

    def sweep(self, moment: float, *, delete: bool) -> int:
        """As `Backend.sweep`."""
        count = self._store.sweep(moment, delete=delete)
        return count + self._blobs.sweep(moment, delete=delete)

    def grants(self, role: str, names: str | None = None) -> str:
        """As `Administered.grants`: those of both, one after the other."""
        from aivcs.errors import UsageError

        texts = [
            store.grants(role, given)
            for store, given in ((self._store, names), (self._blobs, None))
            if hasattr(store, "grants")
        ]
        if not texts:
            raise UsageError(f"{self.url} knows no roles")
        return "\n".join(texts)

    def check(self) -> Iterator[str]:
        """As `Administered.check`."""
        for store in (self._store, self._blobs):
            if hasattr(store, "check"):
                yield from store.check()

    def upgrade(self) -> Iterator[str]:
        """As `Administered.upgrade`."""
        for store in (self._store, self._blobs):
            if hasattr(store, "upgrade"):
                yield from store.upgrade()

    def close(self) -> None:
        """As `Backend.close`."""
        try:
            self._blobs.close()
        finally:
            self._store.close()


class HybridLogs:
    """The `LogDriver` of the store with the logs, which also erases what is left of blobs."""

    def __init__(self, logs: LogDriver, others: LogDriver) -> None:
        """Takes the logs, and the driver of the store with the blobs."""
        self._logs = logs
        self._others: Any = others

    def __getattr__(self, name: str) -> Any:
        """Returns a method or an attribute of the logs, of which a driver may have more or less."""
        return getattr(self._logs, name)

    @property
    def erases(self) -> bool:
        """Whether both can erase."""
        return all(getattr(logs, "erases", False) for logs in (self._logs, self._others))

    def forget_blob(self, digest: ContentDigest) -> None:
        """As `Erasing.forget_blob`, in both."""
        logs: Any = self._logs
        logs.forget_blob(digest)
        self._others.forget_blob(digest)

    def damaged_copies(self, digest: ContentDigest) -> Iterator[BinaryIO]:
        """As `Erasing.damaged_copies`, of the store with the blobs."""
        if hasattr(self._others, "damaged_copies"):
            yield from self._others.damaged_copies(digest)


class HybridObjects(ObjectStore):
    """The `ObjectDriver`: the blobs of one store under the locks of the other."""

    def __init__(self, store: Backend, blobs: Backend) -> None:
        """Takes both."""
        super().__init__(blobs.objects)
        self._store = store
        self._blobs = blobs

    def put(self, data: bytes) -> ContentDigest:
        """As `ObjectDriver.put`."""
        with self._store.hold():
            return super().put(data)

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """As `ObjectDriver.put_stream`."""
        with self._store.hold():
            return super().put_stream(readable)

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """As `ObjectDriver.put_many`."""
        with self._store.hold():
            yield from super().put_many(contents)

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """As `ObjectDriver.stored`."""
        return self._blobs.objects.stored()

    @contextmanager
    def removal(self) -> Iterator[Removal]:
        """As `ObjectDriver.removal`: nobody is in a hold of the store with the logs.

        That store's lock may be lost with a connection while blobs are removed from the other. So
        it is confirmed before each blob and when all are gone; otherwise they are put back.
        """
        with self._store.objects.removal() as lock:
            removed: list[ContentDigest] = []
            try:
                with self._blobs.objects.removal() as removal:
                    yield _GuardedRemoval(lock, removal, removed)
            finally:
                if removed:
                    self._confirm(lock, removed)

    def _confirm(self, lock: Removal, removed: list[ContentDigest]) -> None:
        try:
            lock.confirm()
        except StorageError:
            with self._blobs.hold():  # in which a blob is taken back from the trash
                for digest in removed:
                    self._blobs.objects.contains(digest)
            raise


class _GuardedRemoval:
    """A `Removal` of the blobs of one store under the lock of another."""

    def __init__(self, lock: Removal, removal: Removal, removed: list[ContentDigest]) -> None:
        self._lock = lock
        self._removal = removal
        self._removed = removed

    def remove(self, digest: ContentDigest, *, unless_since: float | None = None) -> bool:
        self._lock.confirm()
        is_removed = self._removal.remove(digest, unless_since=unless_since)
        if is_removed:
            self._removed.append(digest)
        return is_removed

    def confirm(self) -> None:
        self._lock.confirm()


def compose(store: Backend, url: str, open_store: Callable[[str], Backend]) -> HybridBackend:
    """Opens the store for the blobs of another store.

    Args:
        store: The open store with the logs.
        url: The URL of the store for the blobs.
        open_store: Opens a store by its URL.

    Raises:
        BackendError: The store at the URL cannot be the place of another store's blobs.
        ConflictError: It has the blobs of another store, or runs and releases of its own.
    """
    blobs = open_store(url)
    try:
        if not hasattr(blobs, "dedicate"):
            raise BackendError(
                f"{url} cannot keep the blobs of another store; use s3://BUCKET/PREFIX"
            )
        return HybridBackend(store, blobs)  # type: ignore[arg-type]
    except BaseException:
        blobs.close()
        raise
