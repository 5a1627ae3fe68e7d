"""The async twins beyond the contract: threads, chunks, closing, cancellation."""

import asyncio
import threading
from contextlib import aclosing
from contextvars import ContextVar
from io import BytesIO

import pytest

from aivcs import aio
from aivcs.errors import IntegrityError, NotFoundError, RunNotFoundError
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.model import ContentDigest, ReleaseMetadata, RunEvent, RunMetadata

SPEC = ContentDigest("0" * 64)


class Numbers(MemoryReleaseRegistry):
    """A registry whose names are numbers, and which tells how they were fetched."""

    def __init__(self, number, fail_at=None):
        super().__init__()
        self.number = number
        self.fail_at = fail_at
        self.fetched = 0
        self.closed = False
        self.threads = set()

    def list_names(self):
        try:
            for number in range(self.number):
                if number == self.fail_at:
                    raise IntegrityError(None, None, "here", "broken")
                self.fetched += 1
                self.threads.add(threading.get_ident())
                yield str(number)
        finally:
            self.closed = True
            self.threads.add(threading.get_ident())


# wrap


@pytest.mark.parametrize(
    ("store", "methods"),
    [
        (MemoryCasStore(), ["put", "put_stream", "get", "open", "contains", "delete"]),
        (MemoryRunLedger(), ["create_run", "append_event", "append_events", "get_run", "head"]),
        (MemoryReleaseRegistry(), ["promote", "rollback", "current", "history", "head"]),
    ],
    ids=["blobs", "runs", "releases"],
)
def test_a_twin_has_the_methods_of_its_store_as_coroutines(store, methods):
    twin = aio.wrap(store)
    assert all(asyncio.iscoroutinefunction(getattr(twin, name)) for name in methods)
    public = {name for name in dir(type(store)) if not name.startswith("_")}
    assert public == {name for name in dir(type(twin)) if not name.startswith("_")}


@pytest.mark.parametrize("name", ["CasStore", "RunLedger", "ReleaseRegistry"])
def test_the_async_contract_has_the_methods_of_the_sync_one(name):
    from aivcs.store import contracts as storage

    sync, twin = getattr(storage, name), getattr(aio, name)
    assert {n for n in vars(sync) if not n.startswith("_")} == {
        n for n in vars(twin) if not n.startswith("_")
    }


@pytest.mark.parametrize(
    "store", [None, object(), {}, BytesIO(), "store"], ids=lambda store: type(store).__name__
)
def test_what_is_no_store_cannot_be_wrapped(store):
    with pytest.raises(TypeError, match="is no CasStore, RunLedger or ReleaseRegistry"):
        aio.wrap(store)


@pytest.mark.parametrize("store", [MemoryCasStore(), MemoryRunLedger(), MemoryReleaseRegistry()])
def test_what_is_async_already_is_not_wrapped_again(store):
    with pytest.raises(TypeError, match="async already"):
        aio.wrap(aio.wrap(store))


def test_twins_of_one_store_reach_the_same_data():
    store = MemoryCasStore()

    async def run():
        digest = await aio.wrap(store).put(b"abc")
        return await aio.wrap(store).get(digest)

    assert asyncio.run(run()) == b"abc"


def test_a_twin_is_bound_to_no_event_loop():
    twin = aio.wrap(MemoryCasStore())
    digest = asyncio.run(twin.put(b"abc"))
    assert asyncio.run(twin.get(digest)) == b"abc"


# threads


def test_the_event_loop_goes_on_while_a_store_works():
    entered, released = threading.Event(), threading.Event()

    class Slow(MemoryCasStore):
        def contains(self, digest):
            entered.set()
            assert released.wait(10)
            return threading.get_ident()

    async def run():
        asking = asyncio.create_task(aio.wrap(Slow()).contains(SPEC))
        while not entered.is_set():
            await asyncio.sleep(0)
        released.set()
        return await asking

    assert asyncio.run(run()) != threading.get_ident()


def test_a_store_sees_the_context_of_its_caller():
    request = ContextVar("request")

    class Asking(MemoryCasStore):
        def contains(self, digest):
            return request.get()

    async def run():
        request.set("this one")
        return await aio.wrap(Asking()).contains(SPEC)

    assert asyncio.run(run()) == "this one"


def test_appends_from_many_tasks_are_all_stored():
    ledger = MemoryRunLedger()

    async def run():
        twin = aio.wrap(ledger)
        run_id = await twin.create_run(SPEC, RunMetadata("bot"))
        seqs = await asyncio.gather(
            *(twin.append_event(run_id, RunEvent("kind", number)) for number in range(64))
        )
        return run_id, seqs

    run_id, seqs = asyncio.run(run())
    assert sorted(seqs) == list(range(1, 65))
    payloads = {event.seq: event.payload for event in ledger.get_events(run_id)}
    assert [payloads[seq] for seq in seqs] == list(range(64))


def test_keywords_reach_the_store():
    async def run():
        registry = aio.wrap(MemoryReleaseRegistry())
        first = await registry.promote("bot", SPEC, ReleaseMetadata("ci"), expect="none")
        return await registry.rollback(
            "bot", to=first.seq, expect=1, metadata=ReleaseMetadata("me")
        )

    assert asyncio.run(run()).metadata.promoted_by == "me"


# iterators


@pytest.mark.parametrize("number", [0, 1, 255, 256, 257, 512, 1000])
def test_an_async_iterator_yields_everything_in_order(number):
    store = Numbers(number)

    async def run():
        return [name async for name in aio.wrap(store).list_names()]

    assert asyncio.run(run()) == [str(n) for n in range(number)]
    assert store.closed
    assert threading.get_ident() not in store.threads


def test_an_async_iterator_fetches_a_chunk_at_a_time():
    store = Numbers(100_000)

    async def run():
        async with aclosing(aio.wrap(store).list_names()) as names:
            async for name in names:
                if name == "299":
                    break
        return store.fetched

    assert asyncio.run(run()) == 512


def test_an_iterator_closed_early_closes_the_one_below():
    store = Numbers(1000)

    async def run():
        names = aio.wrap(store).list_names()
        assert await anext(names) == "0"
        assert not store.closed
        await names.aclose()
        return store.closed

    assert asyncio.run(run())
    assert threading.get_ident() not in store.threads


def test_an_iterator_that_was_never_begun_can_be_closed():
    store = Numbers(1000)

    async def run():
        await aio.wrap(store).list_names().aclose()

    asyncio.run(run())
    assert store.fetched == 0


@pytest.mark.parametrize("fail_at", [0, 1, 100, 256, 300])
def test_an_error_comes_behind_what_was_there_before_it(fail_at):
    store = Numbers(1000, fail_at)
    seen = []

    async def run():
        async for name in aio.wrap(store).list_names():
            seen.append(name)

    with pytest.raises(IntegrityError):
        asyncio.run(run())
    assert seen == [str(number) for number in range(fail_at)]
    assert store.closed


def test_an_error_of_beginning_is_raised_by_the_first_step():
    async def run():
        events = aio.wrap(MemoryRunLedger()).iter_events("unknown")
        with pytest.raises(RunNotFoundError):
            await anext(events)

    asyncio.run(run())


def test_an_iterator_that_cannot_be_closed_is_let_go():
    class Plain(MemoryReleaseRegistry):
        def list_names(self):
            return iter(["a", "b"])

    async def run():
        names = aio.wrap(Plain()).list_names()
        assert await anext(names) == "a"
        await names.aclose()

    asyncio.run(run())


# streams


def test_a_stream_is_an_async_context_manager():
    async def run():
        store = aio.wrap(MemoryCasStore())
        digest = await store.put(b"abcdef")
        async with await store.open(digest) as stream:
            return await stream.read(2), await stream.read(), await stream.read()

    assert asyncio.run(run()) == (b"ab", b"cdef", b"")


def test_a_stream_is_closed_once_and_for_all():
    async def run():
        store = aio.wrap(MemoryCasStore())
        stream = await store.open(await store.put(b"abc"))
        await stream.close()
        await stream.close()
        with pytest.raises(ValueError, match="closed"):
            await stream.read()

    asyncio.run(run())


def test_opening_what_is_not_there_fails_at_once():
    async def run():
        with pytest.raises(NotFoundError):
            await aio.wrap(MemoryCasStore()).open(SPEC)

    asyncio.run(run())


# cancellation


def test_a_cancelled_call_is_not_undone():
    entered, released = threading.Event(), threading.Event()

    class Slow(MemoryCasStore):
        def put(self, data):
            entered.set()
            assert released.wait(10)
            return super().put(data)

    store = Slow()

    async def run():
        putting = asyncio.create_task(aio.wrap(store).put(b"abc"))
        while not entered.is_set():
            await asyncio.sleep(0)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert not store.objects
        released.set()

    asyncio.run(run())  # waits for its threads
    assert list(store.objects.values()) == [b"abc"]


def test_a_cancelled_iteration_closes_the_iterator_when_its_thread_is_done():
    entered, released = threading.Event(), threading.Event()

    class Slow(Numbers):
        def list_names(self):
            for name in super().list_names():
                entered.set()
                assert released.wait(10)
                yield name

    store = Slow(1000)

    async def run():
        async def iterate():
            async for _ in aio.wrap(store).list_names():
                pass

        iterating = asyncio.create_task(iterate())
        while not entered.is_set():
            await asyncio.sleep(0)
        iterating.cancel()
        # The iterator runs in its thread; nobody may close it there and then.
        threading.Timer(0.05, released.set).start()
        with pytest.raises(asyncio.CancelledError):
            await iterating
        return store.closed

    assert asyncio.run(run())
    assert store.fetched == 256
