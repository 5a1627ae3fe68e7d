"""The storage contracts and the repository for async code.

    from aivcs import aio

    repo = await aio.Repository.discover()
    async with repo.start_run("bot@current", agent_name="bot") as run:
        await run.log("tool_called", tool_name="search")
    async for event in repo.runs.iter_events(run.run_id):
        ...

Each class has the names, methods and guarantees of its sync twin in `aivcs.store.contracts` or
`aivcs.api`. A backend is written once, synchronously; each method here runs the sync one in
a worker thread (`asyncio.to_thread`), so the event loop is never blocked and the context variables
of the caller are seen. Callbacks and iterables that a method is given are called there, too.

Cancellation: a thread cannot be interrupted. A cancelled await returns at once, but the change in
the thread continues, may well be stored, and is not undone. To be sure, look afterwards, or retry
with an explicit seq or `expect`, which makes a retry safe.
"""

from __future__ import annotations

from asyncio import to_thread
from contextlib import asynccontextmanager
from functools import update_wrapper
from inspect import iscoroutinefunction
from itertools import islice
from threading import Lock
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    overload,
)

from aivcs import active_run, api
from aivcs.store import contracts as storage

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId
    from aivcs.store.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")

_CHUNK = 256
"""Items fetched per call of a thread; a call costs more than most items."""


def _awaited(
    method: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Returns the method that awaits a sync one of `self._sync` in a thread."""

    async def call(self: Any, /, *args: P.args, **options: P.kwargs) -> T:
        return await to_thread(getattr(self._sync, method.__name__), *args, **options)

    update_wrapper(call, method)
    return call


def _streamed(
    method: Callable[Concatenate[Any, P], Iterator[T]],
) -> Callable[Concatenate[Any, P], AsyncGenerator[T]]:
    """Returns the method that iterates in threads over what a sync one of `self._sync` yields."""

    def call(self: Any, /, *args: P.args, **options: P.kwargs) -> AsyncGenerator[T]:
        return _iterate(lambda: getattr(self._sync, method.__name__)(*args, **options))

    update_wrapper(call, method)
    return call


def _entered(
    method: Callable[Concatenate[Any, P], AbstractContextManager[T]],
) -> Callable[Concatenate[Any, P], AbstractAsyncContextManager[T]]:
    """Returns the method whose block is a sync one of `self._sync`, entered and left in threads."""

    @asynccontextmanager
    async def call(self: Any, /, *args: P.args, **options: P.kwargs) -> AsyncGenerator[T]:
        block = await to_thread(getattr(self._sync, method.__name__), *args, **options)
        value = await to_thread(block.__enter__)
        try:
            yield value
        except BaseException as error:
            await to_thread(block.__exit__, type(error), error, error.__traceback__)
            raise
        await to_thread(block.__exit__, None, None, None)

    update_wrapper(call, method)
    return call


class AsyncStream:
    """The bytes of a blob, verified as they are read; an async context manager."""

    def __init__(self, stream: BinaryIO) -> None:
        """Wraps the sync stream, which `close` closes."""
        self._stream = stream

    async def read(self, size: int = -1) -> bytes:
        """Returns up to `size` bytes, or all that are left; none at the end.

        Raises:
            IntegrityError: The blob is damaged; raised at the end.
        """
        return await to_thread(self._stream.read, size)

    async def close(self) -> None:
        """Closes the stream; closing it again is harmless."""
        await to_thread(self._stream.close)

    async def __aenter__(self) -> AsyncStream:
        """Returns the stream."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Closes the stream."""
        await self.close()


class CasStore:
    """Blobs by the SHA-256 of their content; the async twin of `contracts.CasStore`."""

    def __init__(self, store: storage.CasStore) -> None:
        """Takes the sync store; `wrap` does it for each kind."""
        self._sync = store

    put = _awaited(storage.CasStore.put)
    put_stream = _awaited(storage.CasStore.put_stream)
    put_many = _streamed(storage.CasStore.put_many)
    get = _awaited(storage.CasStore.get)

    async def open(self, digest: ContentDigest) -> AsyncStream:
        """Returns a stream of a blob's bytes, verified once it has been read to its end.

            async with await store.open(digest) as stream:
                data = await stream.read()

        Raises:
            NotFoundError: No blob has this digest.
            IntegrityError: The blob is damaged; raised by `read`, at the end.
        """
        return AsyncStream(await to_thread(self._sync.open, digest))

    contains = _awaited(storage.CasStore.contains)
    delete = _awaited(storage.CasStore.delete)
    list_digests = _streamed(storage.CasStore.list_digests)


class RunLedger:
    """Runs and their events, durable once acknowledged; the async twin of `contracts.RunLedger`."""

    def __init__(self, store: storage.RunLedger) -> None:
        """Takes the sync store; `wrap` does it for each kind."""
        self._sync = store

    create_run = _awaited(storage.RunLedger.create_run)
    append_event = _awaited(storage.RunLedger.append_event)
    append_events = _awaited(storage.RunLedger.append_events)
    complete_run = _awaited(storage.RunLedger.complete_run)
    fail_run = _awaited(storage.RunLedger.fail_run)
    cancel_run = _awaited(storage.RunLedger.cancel_run)
    get_run = _awaited(storage.RunLedger.get_run)
    get_events = _awaited(storage.RunLedger.get_events)
    iter_events = _streamed(storage.RunLedger.iter_events)
    list_runs = _awaited(storage.RunLedger.list_runs)
    iter_runs = _streamed(storage.RunLedger.iter_runs)
    iter_outcomes = _streamed(storage.RunLedger.iter_outcomes)
    count_runs = _awaited(storage.RunLedger.count_runs)
    list_run_ids = _streamed(storage.RunLedger.list_run_ids)
    standing = _awaited(storage.RunLedger.standing)
    adopt = _awaited(storage.RunLedger.adopt)
    head = _awaited(storage.RunLedger.head)


class ReleaseRegistry:
    """The stack of releases under each name, without policies; twin of `contracts.ReleaseRegistry`.

    A view reads its log, so plan in a thread:

        async with registry.view(name) as view:
            change = await asyncio.to_thread(plan_promotion, view, spec, metadata)
    """

    def __init__(self, store: storage.ReleaseRegistry) -> None:
        """Takes the sync store; `wrap` does it for each kind."""
        self._sync = store

    promote = _awaited(storage.ReleaseRegistry.promote)
    rollback = _awaited(storage.ReleaseRegistry.rollback)
    append = _awaited(storage.ReleaseRegistry.append)
    change = _awaited(storage.ReleaseRegistry.change)

    view = _entered(storage.ReleaseRegistry.view)
    block = _awaited(storage.ReleaseRegistry.block)
    unblock = _awaited(storage.ReleaseRegistry.unblock)
    add_signature = _awaited(storage.ReleaseRegistry.add_signature)
    find_block = _awaited(storage.ReleaseRegistry.find_block)
    block_history = _awaited(storage.ReleaseRegistry.block_history)
    blocks = _awaited(storage.ReleaseRegistry.blocks)
    current = _awaited(storage.ReleaseRegistry.current)
    state = _awaited(storage.ReleaseRegistry.state)
    find = _awaited(storage.ReleaseRegistry.find)
    history = _awaited(storage.ReleaseRegistry.history)
    iter_history = _streamed(storage.ReleaseRegistry.iter_history)
    iter_log = _streamed(storage.ReleaseRegistry.iter_log)
    list_names = _streamed(storage.ReleaseRegistry.list_names)
    head = _awaited(storage.ReleaseRegistry.head)


class AnnotationStore:
    """Remarks on runs; the async twin of `contracts.AnnotationStore`."""

    def __init__(self, store: storage.AnnotationStore) -> None:
        """Takes the sync store; `wrap` does it for each kind."""
        self._sync = store

    add = _awaited(storage.AnnotationStore.add)
    of_run = _awaited(storage.AnnotationStore.of_run)
    names = _streamed(storage.AnnotationStore.names)
    read = _awaited(storage.AnnotationStore.read)


@overload
def wrap(store: storage.CasStore) -> CasStore: ...


@overload
def wrap(store: storage.RunLedger) -> RunLedger: ...


@overload
def wrap(store: storage.ReleaseRegistry) -> ReleaseRegistry: ...


@overload
def wrap(store: storage.AnnotationStore) -> AnnotationStore: ...


def wrap(store: Any) -> CasStore | RunLedger | ReleaseRegistry | AnnotationStore:
    """Returns the async twin of a sync store, which keeps every guarantee of the store.

    The twin is bound to no event loop and holds nothing but the store: making one is cheap, and
    there can be several.

    Args:
        store: An object with all methods of one of the four contracts.

    Raises:
        TypeError: The object has the methods of none of them, or is async already.
    """
    for twin in (CasStore, RunLedger, ReleaseRegistry, AnnotationStore):
        methods = [getattr(store, name, None) for name in dir(twin) if not name.startswith("_")]
        if all(map(callable, methods)):
            if any(map(iscoroutinefunction, methods)):
                raise TypeError(f"{type(store).__name__} is async already")
            return twin(store)
    raise TypeError(
        f"{type(store).__name__} is not a CasStore, RunLedger, ReleaseRegistry or AnnotationStore"
    )


class ActiveRun:
    """The async twin of `aivcs.ActiveRun`; as an async context manager it ends with the block.

    Attributes:
        run_id: The run's id.
    """

    def __init__(self, run: active_run.ActiveRun) -> None:
        """Wraps a run that is RUNNING."""
        self._sync = run

    log = _awaited(active_run.ActiveRun.log)
    complete = _awaited(active_run.ActiveRun.complete)
    fail = _awaited(active_run.ActiveRun.fail)
    cancel = _awaited(active_run.ActiveRun.cancel)
    record = _awaited(active_run.ActiveRun.record)

    @property
    def run_id(self) -> RunId:
        """The run's id."""
        return self._sync.run_id

    @property
    def final_state(self) -> ContentDigest | None:
        """The digest of the run's final state, recorded when the run ends; or None."""
        return self._sync.final_state

    async def set_final_state(self, digest: str | None) -> None:
        """Sets `final_state` to a digest or a unique prefix of one, which is resolved in a thread.

        Raises:
            InvalidDigestError: The text is not a prefix of a digest.
            NotFoundError: No blob begins with the prefix.
            AmbiguousError: Several blobs do.
        """
        await to_thread(setattr, self._sync, "final_state", digest)

    async def __aenter__(self) -> ActiveRun:
        """Returns the run."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Ends the run as the block ended."""
        await to_thread(self._sync.__exit__, *exception)  # type: ignore[arg-type]


class StartingRun:
    """A run about to be started: await it for an `ActiveRun`, or enter it with `async with`."""

    def __init__(self, start: Callable[[], active_run.ActiveRun]) -> None:
        """Takes the function that starts the run; starts nothing yet."""
        self._start = start
        self._run: ActiveRun | None = None

    def __await__(self) -> Generator[Any, Any, ActiveRun]:
        """Starts the run and returns it."""
        return self._started().__await__()

    async def _started(self) -> ActiveRun:
        return ActiveRun(await to_thread(self._start))

    async def __aenter__(self) -> ActiveRun:
        """Starts the run and returns it."""
        self._run = await self
        return self._run

    async def __aexit__(self, *exception: object) -> None:
        """Ends the run as the block ended."""
        assert self._run is not None
        await self._run.__aexit__(*exception)


def _starting(
    method: Callable[Concatenate[Any, P], active_run.ActiveRun],
) -> Callable[Concatenate[Any, P], StartingRun]:
    """Returns the method that starts a run in a thread when it is awaited or entered."""

    def call(self: Any, /, *args: P.args, **options: P.kwargs) -> StartingRun:
        return StartingRun(lambda: getattr(self._sync, method.__name__)(*args, **options))

    update_wrapper(call, method)
    return call


class Repository:
    """The async twin of `aivcs.Repository`; its stores are async, too."""

    def __init__(self, repo: api.Repository) -> None:
        """Wraps an open repository; or use `init`, `open` or `discover`."""
        self._sync = repo

    @classmethod
    async def init(
        cls,
        folder: str | os.PathLike[str],
        *,
        shared: bool = False,
        private: bool = False,
        settings: Settings | None = None,
    ) -> Repository:
        """Makes a store in a folder, `FOLDER/.aivcs`; repeating it is harmless.

        Arguments as for `aivcs.Repository.init`.

        Raises:
            UsageError: The folder is inside a store.
            BackendError: The store cannot be made.
        """
        init = api.Repository.init
        return cls(await to_thread(init, folder, shared=shared, private=private, settings=settings))

    @classmethod
    async def open(
        cls, store: str | os.PathLike[str], settings: Settings | None = None
    ) -> Repository:
        """Opens a store by its path, the folder that holds `format`, or by its URL.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: A later version made the store.
            UsageError: The scheme is unknown, or the store's configuration is invalid.
        """
        return cls(await to_thread(api.Repository.open, store, settings))

    @classmethod
    async def discover(
        cls, start: str | os.PathLike[str] = ".", settings: Settings | None = None
    ) -> Repository:
        """Opens the store of a folder: its own `.aivcs`, or the nearest one above it.

        It does not check who owns the store; the command line does.

        Raises:
            NoRepositoryError: There is no store.
        """
        return cls(await to_thread(api.Repository.discover, start, settings))

    @property
    def path(self) -> str:
        """The path or URL of the store."""
        return self._sync.path

    @property
    def blobs(self) -> CasStore:
        """The blobs."""
        return wrap(self._sync.blobs)

    @property
    def runs(self) -> RunLedger:
        """The runs."""
        return wrap(self._sync.runs)

    @property
    def releases(self) -> ReleaseRegistry:
        """The releases."""
        return wrap(self._sync.releases)

    @property
    def annotations(self) -> AnnotationStore:
        """The remarks on runs; `annotate` makes one."""
        return wrap(self._sync.annotations)

    start_run = _starting(api.Repository.start_run)
    promote = _awaited(api.Repository.promote)
    rollback = _awaited(api.Repository.rollback)
    approve = _awaited(api.Repository.approve)
    require_spec = _awaited(api.Repository.require_spec)
    get_blob = _awaited(api.Repository.get_blob)
    pins = _streamed(api.Repository.pins)
    pin = _awaited(api.Repository.pin)
    unpin = _awaited(api.Repository.unpin)
    annotate = _awaited(api.Repository.annotate)
    redact = _awaited(api.Repository.redact)
    search_runs = _streamed(api.Repository.search_runs)
    to_records = _streamed(api.Repository.to_records)
    home_of = _awaited(api.Repository.home_of)
    untrusted_source = _awaited(api.Repository.untrusted_source)
    require_store_of = _awaited(api.Repository.require_store_of)
    resolve_digest = _awaited(api.Repository.resolve_digest)
    resolve_pin = _awaited(api.Repository.resolve_pin)
    resolve_run = _awaited(api.Repository.resolve_run)
    resolve_spec = _awaited(api.Repository.resolve_spec)
    resolve_target = _awaited(api.Repository.resolve_target)
    resolve_expectation = _awaited(api.Repository.resolve_expectation)


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
        # In a thread, too: it waits for a `take` that still runs after its await was cancelled.
        await to_thread(source.close)


class _Source(Generic[T]):
    """A sync iterator that several threads use, one at a time."""

    def __init__(self, begin: Callable[[], Iterator[T]]) -> None:
        self._begin = begin
        self._iterator: Iterator[T] | None = None
        self._lock = Lock()

    def take(self, number: int) -> tuple[list[T], Exception | None]:
        """The next items, fewer at the end; and the error raised after them, if any."""
        items: list[T] = []
        with self._lock:
            try:
                if self._iterator is None:
                    self._iterator = self._begin()
                items.extend(islice(self._iterator, number))
            except Exception as error:  # noqa: BLE001 raised again after the items
                return items, error
        return items, None

    def close(self) -> None:
        """Closes the iterator, if it can be closed, so that it frees its resources now."""
        with self._lock:
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()
