"""Async stores as sync ones: so that one contract suite tests a backend and its async twin."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from contextlib import AbstractAsyncContextManager

    from aivcs import aio
    from aivcs.store import contracts as storage

T = TypeVar("T")


class Bridge:
    """An event loop in a thread of its own, on which any thread may call async stores.

    A context manager. Use it in a fixture, and give the suite what its methods return:

        @pytest.fixture
        def open_store(self, tmp_path):
            with Bridge() as bridge:
                yield lambda: bridge.cas_store(aio.wrap(ShelfCasStore(tmp_path)))
    """

    def __enter__(self) -> Bridge:
        """Starts the event loop."""
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes what async iterators left open, and ends the loop and its thread."""
        self.wait(self._loop.shutdown_asyncgens())
        self.wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cas_store(self, store: aio.CasStore) -> storage.CasStore:
        """Returns an async store of blobs as a sync one."""
        return cast("storage.CasStore", _SyncCasStore(self, store))

    def run_ledger(self, store: aio.RunLedger) -> storage.RunLedger:
        """Returns an async ledger as a sync one."""
        return cast("storage.RunLedger", _Sync(self, store))

    def release_registry(self, store: aio.ReleaseRegistry) -> storage.ReleaseRegistry:
        """Returns an async registry as a sync one."""
        return cast("storage.ReleaseRegistry", _Sync(self, store))

    def annotation_store(self, store: aio.AnnotationStore) -> storage.AnnotationStore:
        """Returns an async store of annotations as a sync one."""
        return cast("storage.AnnotationStore", _Sync(self, store))

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Returns or raises what an awaitable does on the event loop."""

        async def run() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yields the items of an async iterator, and closes it."""
        try:
            while True:
                try:
                    yield self.wait(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self.wait(cast("Any", items).aclose())

    @contextmanager
    def enter(self, block: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Returns an async context manager as a sync one."""
        value = self.wait(block.__aenter__())
        try:
            yield value
        except BaseException as error:
            self.wait(block.__aexit__(type(error), error, error.__traceback__))
            raise
        self.wait(block.__aexit__(None, None, None))


class _Sync:
    """Any async object; each of its methods is waited for, or iterated."""

    def __init__(self, bridge: Bridge, twin: Any) -> None:
        self._bridge = bridge
        self._twin = twin

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._twin, name)

        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            if hasattr(result, "__aenter__"):
                return self._bridge.enter(result)
            if hasattr(result, "__anext__"):
                return self._bridge.iterate(result)
            return self._bridge.wait(result)

        return call


class _SyncCasStore(_Sync):
    """An async store of blobs, whose streams need the bridge too."""

    def open(self, digest: Any) -> BinaryIO:
        stream = self._bridge.wait(self._twin.open(digest))
        return cast("BinaryIO", _SyncStream(self._bridge, stream))


class _SyncStream(_Sync):
    """An async stream as a sync one."""

    closed = False

    def close(self) -> None:
        self._bridge.wait(self._twin.close())
        self.closed = True

    def __enter__(self) -> _SyncStream:
        assert self._bridge.wait(self._twin.__aenter__()) is self._twin
        return self

    def __exit__(self, *exception: object) -> None:
        self._bridge.wait(self._twin.__aexit__(*exception))
        self.closed = True
