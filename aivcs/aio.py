"""The storage contracts for async code, and the async twin of any sync store.

    from aivcs import aio

    ledger = aio.wrap(repository.runs)
    run = await ledger.create_run(spec, RunMetadata("bot"))
    async for event in ledger.iter_events(run):
        ...

The protocols here have the names and methods of `aivcs.store.contracts`; what they guarantee and raise is
said there. A backend is written once, synchronously; `wrap` runs each of its methods in a worker
thread (`asyncio.to_thread`), so the event loop is never blocked and the context variables of the
caller are seen.

Cancellation: a thread cannot be interrupted. A cancelled await is no longer waited for, but what
the thread is doing goes on and may well be stored; it is not undone. Who must know looks
afterwards, or retries with an explicit seq or `expect`, for which a retry is safe.
"""

from __future__ import annotations

from asyncio import to_thread
from inspect import iscoroutinefunction
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Iterable,
        Iterator,
        Mapping,
    )

    from aivcs.errors import StorageError
    from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
    from aivcs.model import (
        ContentDigest,
        Evidence,
        Head,
        ReleaseMetadata,
        ReleaseRecord,
        RunEvent,
        RunId,
        RunMetadata,
        RunOwner,
        RunRecord,
        RunStatus,
        RunSummary,
        Timestamp,
    )
    from aivcs.store import contracts as storage

T = TypeVar("T")

_CHUNK = 256
"""Items fetched in one visit to a thread; a visit costs more than most items."""


class AsyncStream(Protocol):
    """The bytes of a blob, verified as they are read; an async context manager."""

    async def read(self, size: int = -1) -> bytes:
        """Returns up to `size` bytes, or all that are left; none at the end.

        Raises:
            IntegrityError: At the end, if what was read is not the content.
        """
        ...

    async def close(self) -> None:
        """Lets go of the blob; closing again is harmless."""
        ...

    async def __aenter__(self) -> AsyncStream:
        """Returns the stream."""
        ...

    async def __aexit__(self, *exception: object) -> None:
        """Closes the stream."""
        ...


class CasStore(Protocol):
    """The async twin of `aivcs.store.contracts.CasStore`."""

    async def put(self, data: bytes) -> ContentDigest:
        """As `aivcs.store.contracts.CasStore.put`."""
        ...

    async def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """As `aivcs.store.contracts.CasStore.put_stream`; `readable` is read in a thread."""
        ...

    def put_many(self, contents: Iterable[BinaryIO]) -> AsyncIterator[ContentDigest]:
        """As `aivcs.store.contracts.CasStore.put_many`; `contents` are iterated and read in threads."""
        ...

    async def get(self, digest: ContentDigest) -> bytes:
        """As `aivcs.store.contracts.CasStore.get`."""
        ...

    async def open(self, digest: ContentDigest) -> AsyncStream:
        """As `aivcs.store.contracts.CasStore.open`: `async with await store.open(digest) as stream`."""
        ...

    async def contains(self, digest: ContentDigest) -> bool:
        """As `aivcs.store.contracts.CasStore.contains`."""
        ...

    async def delete(self, digest: ContentDigest) -> None:
        """As `aivcs.store.contracts.CasStore.delete`."""
        ...

    def list_digests(self, prefix: str = "") -> AsyncIterator[ContentDigest]:
        """As `aivcs.store.contracts.CasStore.list_digests`."""
        ...


class RunLedger(Protocol):
    """The async twin of `aivcs.store.contracts.RunLedger`."""

    async def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: RunOwner | None = None,
    ) -> RunId:
        """As `aivcs.store.contracts.RunLedger.create_run`."""
        ...

    async def append_event(self, run_id: str, event: RunEvent) -> int:
        """As `aivcs.store.contracts.RunLedger.append_event`."""
        ...

    async def append_events(self, run_id: str, events: Iterable[RunEvent]) -> list[int]:
        """As `aivcs.store.contracts.RunLedger.append_events`; `events` are iterated in a thread."""
        ...

    async def complete_run(self, run_id: str, summary: RunSummary) -> None:
        """As `aivcs.store.contracts.RunLedger.complete_run`."""
        ...

    async def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: RunEvent | None = None,
        expect: Head | None = None,
    ) -> None:
        """As `aivcs.store.contracts.RunLedger.fail_run`."""
        ...

    async def cancel_run(self, run_id: str, summary: RunSummary) -> None:
        """As `aivcs.store.contracts.RunLedger.cancel_run`."""
        ...

    async def get_run(self, run_id: str) -> RunRecord:
        """As `aivcs.store.contracts.RunLedger.get_run`."""
        ...

    async def get_events(self, run_id: str) -> list[RunEvent]:
        """As `aivcs.store.contracts.RunLedger.get_events`."""
        ...

    def iter_events(self, run_id: str) -> AsyncIterator[RunEvent]:
        """As `aivcs.store.contracts.RunLedger.iter_events`."""
        ...

    async def list_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """As `aivcs.store.contracts.RunLedger.list_runs`."""
        ...

    def iter_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> AsyncIterator[RunRecord]:
        """As `aivcs.store.contracts.RunLedger.iter_runs`; `unreadable` is called in a thread."""
        ...

    def iter_outcomes(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        since: Timestamp | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> AsyncIterator[tuple[str, RunStatus, Timestamp, int | None]]:
        """As `aivcs.store.contracts.RunLedger.iter_outcomes`; `unreadable` is called in a thread."""
        ...

    async def count_runs(
        self, *, unreadable: Callable[[RunId, StorageError], None] | None = None
    ) -> dict[RunStatus, int]:
        """As `aivcs.store.contracts.RunLedger.count_runs`; `unreadable` is called in a thread."""
        ...

    def list_run_ids(self, prefix: str = "") -> AsyncIterator[RunId]:
        """As `aivcs.store.contracts.RunLedger.list_run_ids`."""
        ...

    async def head(self, run_id: str) -> Head:
        """As `aivcs.store.contracts.RunLedger.head`."""
        ...


class ReleaseRegistry(Protocol):
    """The async twin of `aivcs.store.contracts.ReleaseRegistry`."""

    async def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: ContentDigest | int | str | None = None,
        evidence: Iterable[Evidence] = (),
        policy: ContentDigest | None = None,
        forced: bool = False,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """As `aivcs.store.contracts.ReleaseRegistry.promote`; `sign` is called in a thread."""
        ...

    async def rollback(
        self,
        name: str,
        *,
        to: ContentDigest | int | str | None = None,
        metadata: ReleaseMetadata | None = None,
        expect: ContentDigest | int | str | None = None,
        block: bool = False,
        policy: ContentDigest | None = None,
        forced: bool = False,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """As `aivcs.store.contracts.ReleaseRegistry.rollback`; `sign` is called in a thread."""
        ...

    async def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        """As `aivcs.store.contracts.ReleaseRegistry.block`."""
        ...

    async def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        """As `aivcs.store.contracts.ReleaseRegistry.unblock`."""
        ...

    async def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> SignatureMark:
        """As `aivcs.store.contracts.ReleaseRegistry.add_signature`."""
        ...

    async def find_block(self, name: str, digest: ContentDigest) -> BlockMark | None:
        """As `aivcs.store.contracts.ReleaseRegistry.find_block`."""
        ...

    async def block_history(self, name: str, digest: ContentDigest) -> list[BlockMark]:
        """As `aivcs.store.contracts.ReleaseRegistry.block_history`."""
        ...

    async def blocks(self, name: str) -> list[BlockMark]:
        """As `aivcs.store.contracts.ReleaseRegistry.blocks`."""
        ...

    async def standing(self, name: str) -> Standing | None:
        """As `aivcs.store.contracts.ReleaseRegistry.standing`."""
        ...

    async def find(self, name: str, seq: int) -> Sealed | None:
        """As `aivcs.store.contracts.ReleaseRegistry.find`."""
        ...

    async def current(self, name: str) -> ReleaseRecord | None:
        """As `aivcs.store.contracts.ReleaseRegistry.current`."""
        ...

    async def history(self, name: str) -> list[ReleaseRecord]:
        """As `aivcs.store.contracts.ReleaseRegistry.history`."""
        ...

    def iter_history(self, name: str) -> AsyncIterator[ReleaseRecord]:
        """As `aivcs.store.contracts.ReleaseRegistry.iter_history`."""
        ...

    def iter_log(self, name: str) -> AsyncIterator[Sealed]:
        """As `aivcs.store.contracts.ReleaseRegistry.iter_log`."""
        ...

    def list_names(self) -> AsyncIterator[str]:
        """As `aivcs.store.contracts.ReleaseRegistry.list_names`."""
        ...

    async def head(self, name: str) -> Head:
        """As `aivcs.store.contracts.ReleaseRegistry.head`."""
        ...


@overload
def wrap(store: storage.CasStore) -> CasStore: ...


@overload
def wrap(store: storage.RunLedger) -> RunLedger: ...


@overload
def wrap(store: storage.ReleaseRegistry) -> ReleaseRegistry: ...


def wrap(
    store: storage.CasStore | storage.RunLedger | storage.ReleaseRegistry,
) -> CasStore | RunLedger | ReleaseRegistry:
    """Returns the async twin of a sync store, which keeps every guarantee of the store.

    The twin is bound to no event loop and holds nothing but the store: making one is cheap, and
    there can be several.

    Args:
        store: Any object that fulfils one of the three contracts; which one is told by its methods.

    Raises:
        TypeError: It fulfils none of them, or is async already.
    """
    for twin in (_AsyncCasStore, _AsyncRunLedger, _AsyncReleaseRegistry):
        methods = [getattr(store, name, None) for name in vars(twin) if not name.startswith("_")]
        if all(map(callable, methods)):
            if any(map(iscoroutinefunction, methods)):
                raise TypeError(f"{type(store).__name__} is async already")
            return twin(store)
    raise TypeError(f"{type(store).__name__} is no CasStore, RunLedger or ReleaseRegistry")


class _AsyncStream:
    """An `AsyncStream` over a sync one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    async def read(self, size: int = -1) -> bytes:
        return await to_thread(self._stream.read, size)

    async def close(self) -> None:
        await to_thread(self._stream.close)

    async def __aenter__(self) -> _AsyncStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class _AsyncCasStore:
    """A `CasStore` over a sync one."""

    def __init__(self, store: Any) -> None:
        self._store: storage.CasStore = store

    async def put(self, data: bytes) -> ContentDigest:
        return await to_thread(self._store.put, data)

    async def put_stream(self, readable: BinaryIO) -> ContentDigest:
        return await to_thread(self._store.put_stream, readable)

    def put_many(self, contents: Iterable[BinaryIO]) -> AsyncGenerator[ContentDigest]:
        return _iterate(lambda: self._store.put_many(contents))

    async def get(self, digest: ContentDigest) -> bytes:
        return await to_thread(self._store.get, digest)

    async def open(self, digest: ContentDigest) -> _AsyncStream:
        return _AsyncStream(await to_thread(self._store.open, digest))

    async def contains(self, digest: ContentDigest) -> bool:
        return await to_thread(self._store.contains, digest)

    async def delete(self, digest: ContentDigest) -> None:
        await to_thread(self._store.delete, digest)

    def list_digests(self, prefix: str = "") -> AsyncGenerator[ContentDigest]:
        return _iterate(lambda: self._store.list_digests(prefix))


class _AsyncRunLedger:
    """A `RunLedger` over a sync one."""

    def __init__(self, store: Any) -> None:
        self._store: storage.RunLedger = store

    async def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: RunOwner | None = None,
    ) -> RunId:
        return await to_thread(self._store.create_run, spec_digest, metadata, owner=owner)

    async def append_event(self, run_id: str, event: RunEvent) -> int:
        return await to_thread(self._store.append_event, run_id, event)

    async def append_events(self, run_id: str, events: Iterable[RunEvent]) -> list[int]:
        return await to_thread(self._store.append_events, run_id, events)

    async def complete_run(self, run_id: str, summary: RunSummary) -> None:
        await to_thread(self._store.complete_run, run_id, summary)

    async def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: RunEvent | None = None,
        expect: Head | None = None,
    ) -> None:
        await to_thread(self._store.fail_run, run_id, summary, event=event, expect=expect)

    async def cancel_run(self, run_id: str, summary: RunSummary) -> None:
        await to_thread(self._store.cancel_run, run_id, summary)

    async def get_run(self, run_id: str) -> RunRecord:
        return await to_thread(self._store.get_run, run_id)

    async def get_events(self, run_id: str) -> list[RunEvent]:
        return await to_thread(self._store.get_events, run_id)

    def iter_events(self, run_id: str) -> AsyncGenerator[RunEvent]:
        return _iterate(lambda: self._store.iter_events(run_id))

    async def list_runs(
        self, spec_digest: ContentDigest | None = None, **selection: Any
    ) -> list[RunRecord]:
        return await to_thread(self._store.list_runs, spec_digest, **selection)

    def iter_runs(
        self, spec_digest: ContentDigest | None = None, **selection: Any
    ) -> AsyncGenerator[RunRecord]:
        return _iterate(lambda: self._store.iter_runs(spec_digest, **selection))

    def iter_outcomes(
        self, spec_digest: ContentDigest | None = None, **selection: Any
    ) -> AsyncGenerator[tuple[str, RunStatus, Timestamp, int | None]]:
        return _iterate(lambda: self._store.iter_outcomes(spec_digest, **selection))

    async def count_runs(
        self, *, unreadable: Callable[[RunId, StorageError], None] | None = None
    ) -> dict[RunStatus, int]:
        return await to_thread(self._store.count_runs, unreadable=unreadable)

    def list_run_ids(self, prefix: str = "") -> AsyncGenerator[RunId]:
        return _iterate(lambda: self._store.list_run_ids(prefix))

    async def head(self, run_id: str) -> Head:
        return await to_thread(self._store.head, run_id)


class _AsyncReleaseRegistry:
    """A `ReleaseRegistry` over a sync one."""

    def __init__(self, store: Any) -> None:
        self._store: storage.ReleaseRegistry = store

    async def promote(
        self, name: str, spec_digest: ContentDigest, metadata: ReleaseMetadata, **terms: Any
    ) -> ReleaseRecord:
        return await to_thread(self._store.promote, name, spec_digest, metadata, **terms)

    async def rollback(self, name: str, **terms: Any) -> ReleaseRecord:
        return await to_thread(self._store.rollback, name, **terms)

    async def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        return await to_thread(self._store.block, name, digest, by=by, reason=reason)

    async def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        return await to_thread(self._store.unblock, name, digest, by=by, reason=reason)

    async def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> SignatureMark:
        return await to_thread(self._store.add_signature, name, seq, hash, signature)

    async def find_block(self, name: str, digest: ContentDigest) -> BlockMark | None:
        return await to_thread(self._store.find_block, name, digest)

    async def block_history(self, name: str, digest: ContentDigest) -> list[BlockMark]:
        return await to_thread(self._store.block_history, name, digest)

    async def blocks(self, name: str) -> list[BlockMark]:
        return await to_thread(self._store.blocks, name)

    async def standing(self, name: str) -> Standing | None:
        return await to_thread(self._store.standing, name)

    async def find(self, name: str, seq: int) -> Sealed | None:
        return await to_thread(self._store.find, name, seq)

    async def current(self, name: str) -> ReleaseRecord | None:
        return await to_thread(self._store.current, name)

    async def history(self, name: str) -> list[ReleaseRecord]:
        return await to_thread(self._store.history, name)

    def iter_history(self, name: str) -> AsyncGenerator[ReleaseRecord]:
        return _iterate(lambda: self._store.iter_history(name))

    def iter_log(self, name: str) -> AsyncGenerator[Sealed]:
        return _iterate(lambda: self._store.iter_log(name))

    def list_names(self) -> AsyncGenerator[str]:
        return _iterate(self._store.list_names)

    async def head(self, name: str) -> Head:
        return await to_thread(self._store.head, name)


async def _iterate(begin: Callable[[], Iterator[T]]) -> AsyncGenerator[T]:
    """Yields the items of a sync iterator, which is begun, advanced and closed in threads."""
    source = _Source(begin)
    try:
        while True:
            items, error = await to_thread(source.take, _CHUNK)
            for item in items:
                yield item
            if error is not None:
                raise error
            if len(items) < _CHUNK:
                return
    finally:
        # In a thread too: it waits for a `take` whose await was cancelled and which still runs.
        await to_thread(source.close)


class _Source(Generic[T]):
    """A sync iterator that several threads use, one at a time."""

    def __init__(self, begin: Callable[[], Iterator[T]]) -> None:
        self._begin = begin
        self._iterator: Iterator[T] | None = None
        self._lock = Lock()

    def take(self, number: int) -> tuple[list[T], Exception | None]:
        """The next items, fewer at the end; and the error that stands behind them, if any."""
        items: list[T] = []
        with self._lock:
            try:
                if self._iterator is None:
                    self._iterator = self._begin()
                items.extend(islice(self._iterator, number))
            except Exception as error:  # noqa: BLE001 raised again behind the items
                return items, error
        return items, None

    def close(self) -> None:
        """Closes the iterator, if it can be closed; what it holds open is not left to chance."""
        with self._lock:
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()
