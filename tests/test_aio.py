"""The async twins beyond the contract: threads, chunks, closing, cancellation."""

import asyncio
import inspect
import threading
from contextlib import aclosing, nullcontext
from contextvars import ContextVar
from io import BytesIO
from typing import Any

import pytest

import aivcs
from aivcs import aio
from aivcs.backends.memory import MemoryBackend
from aivcs.errors import IntegrityError, NotFoundError, RunNotFoundError
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata
from aivcs.store import contracts as storage
from aivcs.store.annotations import DocumentAnnotations

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
        (DocumentAnnotations(MemoryBackend().documents), ["add", "of_run", "read"]),
    ],
    ids=["blobs", "runs", "releases", "annotations"],
)
def test_a_twin_has_the_methods_of_its_store_as_coroutines(store, methods):
    twin = aio.wrap(store)
    assert all(asyncio.iscoroutinefunction(getattr(twin, name)) for name in methods)
    public = {name for name in dir(type(store)) if not name.startswith("_")}
    assert public == {name for name in dir(type(twin)) if not name.startswith("_")}


def is_iterated(method):
    return str(inspect.signature(method).return_annotation).startswith("Iterator[")


@pytest.mark.parametrize(
    ("twin", "sync", "left_out"),
    [
        (aio.CasStore, storage.CasStore, set()),
        (aio.RunLedger, storage.RunLedger, set()),
        (aio.ReleaseRegistry, storage.ReleaseRegistry, set()),
        (aio.AnnotationStore, storage.AnnotationStore, set()),
        # A hold keeps others out while the event loop does something else.
        (
            aio.Repository,
            aivcs.Repository,
            # The others are for the code of commands.
            {"store", "hold", "staying", "edit_config", "lookup", "pulled_from", "erasures"}
            | {"runs_listed_by", "identity", "remote"},
        ),
        (aio.ActiveRun, aivcs.ActiveRun, set()),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_each_method_is_there_with_the_signature_of_the_sync_one(twin, sync, left_out):
    names = {name for name in dir(sync) if not name.startswith("_")} - left_out
    assert not names - {name for name in dir(twin) if not name.startswith("_")}
    for name in names:
        if not callable(getattr(sync, name)):
            continue  # a property
        expected = inspect.signature(getattr(sync, name))
        assert [*inspect.signature(getattr(twin, name)).parameters] == [*expected.parameters], name
        if is_iterated(getattr(sync, name)):
            assert not asyncio.iscoroutinefunction(getattr(twin, name)), name
        elif name not in {"start_run", "view"}:  # to be entered
            assert asyncio.iscoroutinefunction(getattr(twin, name)), name


@pytest.mark.parametrize(
    "twin", [aio.CasStore, aio.RunLedger, aio.ReleaseRegistry, aio.AnnotationStore]
)
def test_each_method_hands_on_what_it_is_given_and_what_comes_back(twin):
    class Recorder:
        def __getattr__(self, name):
            def call(*args, **options):
                seen.append((name, args, options))
                if name == "view":
                    return nullcontext(name)
                return iter([name]) if is_iterated(getattr(twin, name)) else name

            return call

    seen: list[Any] = []
    store = twin(Recorder())

    async def call(name):
        result = getattr(store, name)("a", key="b") if name != "open" else store.open("a")
        if hasattr(result, "__anext__"):
            (result,) = [item async for item in result]
            return result
        if hasattr(result, "__aenter__"):
            async with result as value:
                return value
        return await result

    for name in [name for name in dir(twin) if not name.startswith("_")]:
        result = asyncio.run(call(name))
        assert name == "open" or result == name
        assert seen.pop() == (name, ("a",), {} if name == "open" else {"key": "b"})


@pytest.mark.parametrize(
    "store", [None, object(), {}, BytesIO(), "store"], ids=lambda store: type(store).__name__
)
def test_what_is_no_store_cannot_be_wrapped(store):
    with pytest.raises(TypeError, match="is not a CasStore, RunLedger, ReleaseReg"):
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
    request = ContextVar("request")  # type: ignore[var-annotated]

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
        assert not store.backend.objects.objects
        released.set()

    asyncio.run(run())  # waits for its threads
    assert list(store.backend.objects.objects.values()) == [b"abc"]


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


# a repository


@pytest.fixture
def repo(tmp_path):
    return asyncio.run(aio.Repository.init(tmp_path))


def test_a_repository_is_made_opened_and_discovered(tmp_path, repo):
    async def run():
        for found in (
            await aio.Repository.open(tmp_path / ".aivcs"),
            await aio.Repository.discover(tmp_path),
        ):
            assert found.path == repo.path
        digest = await repo.blobs.put(b"a spec")
        assert await repo.get_blob(digest[:8]) == b"a spec"
        await repo.releases.promote("bot", digest, ReleaseMetadata("me"))
        assert await repo.resolve_spec("bot@current") == digest

    asyncio.run(run())


def test_a_run_is_started_and_ends_with_its_block(repo):
    async def run():
        spec = await repo.blobs.put(b"a spec")
        async with repo.start_run(spec[:12], agent_name="bot") as run:
            assert await run.log("tool_called", tool_name="search") == 1
            await run.set_final_state(spec[:12])
            assert run.final_state == spec
        record = await run.record()
        assert (record.status, record.summary.final_state_digest) == ("COMPLETED", spec)
        events = [event async for event in repo.runs.iter_events(run.run_id)]
        assert [event.payload for event in events] == [{"tool_name": "search"}]

    asyncio.run(run())


def test_a_run_can_be_awaited_and_ended_by_hand(repo):
    async def run():
        run = await repo.start_run(await repo.blobs.put(b"a spec"), agent_name="bot")
        await run.fail()
        return (await run.record()).status

    assert asyncio.run(run()) == "FAILED"


def test_a_task_that_is_cancelled_cancels_its_run(repo):
    runs = []

    async def work():
        async with repo.start_run(await repo.blobs.put(b"a spec"), agent_name="bot") as run:
            runs.append(run)
            await asyncio.sleep(60)

    async def run():
        task = asyncio.create_task(work())
        while not runs:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await runs[0].record()).status

    assert asyncio.run(run()) == "CANCELLED"


def test_a_run_fails_with_its_exception(repo):
    async def run():
        with pytest.raises(ZeroDivisionError):
            async with repo.start_run(await repo.blobs.put(b"a spec"), agent_name="bot") as run:
                raise ZeroDivisionError
        events = await repo.runs.get_events(run.run_id)
        return (await run.record()).status, events[-1].payload["type"]

    assert asyncio.run(run()) == ("FAILED", "ZeroDivisionError")
