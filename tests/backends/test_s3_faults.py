"""A store on S3 behind a network that loses answers, repeats and delays: nothing lost or doubled.

Each rule that this rests on is also taken out, to show that the tests would notice.
"""

import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from backends.s3_contracts import Place, s3
from obstore.exceptions import GenericError
from servers.proxy import FAULTS, Proxy
from servers.s3 import BUCKET, fake

from aivcs.api import Repository
from aivcs.backends.s3 import S3Backend, contention, trash
from aivcs.backends.s3.chunks import Chunks, key
from aivcs.backends.s3.client import NONCE, Client
from aivcs.backends.s3.errors import Failure
from aivcs.backends.s3.location import Location
from aivcs.errors import (
    BackendError,
    InvalidRunStateError,
    LockTimeoutError,
    OutcomeUnknownError,
    UnreachableError,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store.remote import RemoteSettings
from aivcs.store.settings import Settings

__all__ = ["s3"]
server = fake
SPEC = ContentDigest.from_bytes(b"spec")
OVER = RunSummary(total_events=None, final_state_digest=None, duration_ms=None, success=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Writers that hardly wait for each other: there are to be many races."""
    monkeypatch.setattr(contention, "_LONGEST_S", 0.05)


def open_repo(place, timeout=20.0):
    """Opens the store by what AWS_ENDPOINT_URL says now."""
    return Repository.open(
        place.url, Settings(lock_timeout=60, remote=RemoteSettings(timeout=timeout))
    )


class Writers:
    """Writers of one run, each with an opening of its own, and what each was told."""

    def __init__(self, place, run_id, count, events):
        self.place = place
        self.run_id = run_id
        self.acknowledged = []
        self.unknown = []
        self._threads = [
            threading.Thread(target=self._write, args=[number, events]) for number in range(count)
        ]

    def run(self):
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _write(self, number, events):
        repo = open_repo(self.place)
        for at in range(events):
            name = f"{number}-{at}"
            try:
                repo.runs.append_event(self.run_id, RunEvent("step", {"name": name}))
                self.acknowledged.append(name)
            except OutcomeUnknownError:
                self.unknown.append(name)
            except (UnreachableError, LockTimeoutError):
                pass  # nothing was done, so it must not be there
        repo.store.close()

    def faults(self):
        """What is lost or stored twice."""
        stored = Counter(event.payload["name"] for event in self.stored())
        lost = [name for name in self.acknowledged if not stored[name]]
        twice = [name for name, times in stored.items() if times > 1]
        never = set(stored) - set(self.acknowledged) - set(self.unknown)
        return {"lost": lost, "twice": twice, "never acknowledged": sorted(never)}

    def stored(self):
        events = self.place.open().runs.get_events(self.run_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return events


NOTHING: dict[str, list[str]] = {"lost": [], "twice": [], "never acknowledged": []}


@contextmanager
def behind(monkeypatch, server, **faults):
    """A proxy with faults on the PUTs of chunks, which openings in the block use."""

    def is_chunk(method, path):
        return method == "PUT" and "/open/" in path

    match = faults.pop("match", is_chunk)
    with Proxy(server, match=match, **faults) as proxy, monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def begin(s3):
    return s3.open().runs.create_run(SPEC, RunMetadata("bot", git_sha=None, tags={}))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_event_is_stored_once(s3, server, monkeypatch, fault):
    writers = Writers(s3, begin(s3), 2, 8)
    with behind(monkeypatch, server, fault=fault, rate=0.4) as proxy:
        writers.run()
        assert proxy.injected[fault] > 3
        time.sleep(proxy.late * 1.5 if fault == "late" else 0)
    assert writers.faults() == NOTHING
    assert len(writers.acknowledged) + len(writers.unknown) == 16


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_every_event_is_stored_once_in_a_thousand_faults(s3, server, monkeypatch, fault):
    injected = 0
    while injected < 180:
        writers = Writers(s3, begin(s3), 4, 60)
        with behind(monkeypatch, server, fault=fault, rate=0.3, seed=injected) as proxy:
            writers.run()
            injected += proxy.injected[fault]
            time.sleep(proxy.late * 1.5 if fault == "late" else 0)
        assert writers.faults() == NOTHING


def test_without_the_nonce_events_are_stored_twice(s3, server, monkeypatch):
    get = Client.get

    def without_nonce(self, key):
        found = get(self, key)
        if found is None:
            return None
        metadata = {name: value for name, value in found.metadata.items() if name != NONCE}
        return found._replace(metadata=metadata)

    monkeypatch.setattr(Client, "get", without_nonce)
    writers = Writers(s3, begin(s3), 1, 12)
    with behind(monkeypatch, server, fault="error", rate=0.5):
        writers.run()
    assert writers.faults()["twice"]


def test_a_change_of_a_release_is_recorded_once(s3, server, monkeypatch):
    from aivcs.model.release import ReleaseMetadata

    metadata = ReleaseMetadata(version_label=None, promoted_by="ann", notes=None)
    with behind(monkeypatch, server, fault="drop", rate=0.5):
        releases = open_repo(s3).releases
        for number in range(12):
            releases.promote("bot", ContentDigest.from_bytes(b"%d" % number), metadata)
    assert len(s3.open().releases.history("bot")) == 12


def test_an_outcome_that_cannot_be_found_out_is_unknown(s3, server, monkeypatch):
    run_id = begin(s3)
    s3.open().runs.append_event(run_id, RunEvent("step", {}))

    def only_changes(method, path):
        return "/open/" in path and (method == "PUT" or path.endswith("0000000000000003"))

    with behind(monkeypatch, server, fault="drop", match=only_changes):
        repo = open_repo(s3, timeout=0.5)
        with pytest.raises(OutcomeUnknownError):
            repo.runs.append_event(run_id, RunEvent("step", {"last": True}))
    events = s3.open().runs.get_events(run_id)
    assert [event.payload for event in events] == [{}, {"last": True}]


@pytest.mark.parametrize(
    ("failure", "reading"),
    [
        (Failure(0, "", is_sent=True, absent=False, exists=False), BackendError("expired")),
        (Failure(503, "", is_sent=True, absent=False, exists=False), UnreachableError("s3", "cut")),
    ],
)
def test_what_cannot_be_read_back_may_be_stored(monkeypatch, failure, reading):
    def refuse(*_):
        raise reading

    monkeypatch.setattr(Client, "_try_create", lambda *_: failure)
    monkeypatch.setattr(Client, "get", refuse)
    with pytest.raises(OutcomeUnknownError, match="may be stored"):
        Client(Location("s3://bucket"), RemoteSettings(timeout=0)).create("key", b"text")


def test_results_of_many_requests_end_with_the_first_that_fails():
    def answer(number):
        if number == 1:
            raise UnreachableError("s3", "cut")
        return number

    client = Client(Location("s3://bucket"), RemoteSettings())
    results = client.each(answer, range(8), 2)
    assert next(results) == 0
    with pytest.raises(UnreachableError):
        next(results)
    assert list(results) == []
    client.close()


@pytest.mark.parametrize("fails", [True, False])
def test_no_request_goes_on_behind_those_who_stopped(fails):
    client = Client(Location("s3://bucket"), RemoteSettings())
    begun, ended, go_on = [], [], threading.Event()

    def act(number):
        begun.append(number)
        if number == 1 and fails:
            raise UnreachableError("s3", "cut")
        if number:
            go_on.wait(30)
        ended.append(number)

    for _ in range(13):  # of 16 threads
        client.pool().submit(go_on.wait, 30)
    results: Any = client.each(act, range(9), 8)
    assert next(results) is None
    threading.Timer(0.5, go_on.set).start()
    if fails:
        with pytest.raises(UnreachableError):
            next(results)
    else:
        results.close()
    assert len(begun) == len(ended) + fails
    client.close()
    assert len(begun) == len(ended) + fails < 8


@pytest.mark.parametrize("cut", [GenericError, ConnectionResetError, TimeoutError])
def test_a_server_that_is_away_is_waited_for_no_longer_than_asked(monkeypatch, cut):
    now = 100.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    def refuse(store, path):
        raise cut("error sending request")

    monkeypatch.setattr("aivcs.backends.s3.client.monotonic", lambda: now)
    monkeypatch.setattr("aivcs.backends.s3.client.sleep", sleep)
    client = Client(Location("s3://bucket"), RemoteSettings(timeout=3))
    monkeypatch.setattr(client._connection, "store", lambda: None)
    with pytest.raises(UnreachableError):
        client._read(refuse, "key")
    assert now == pytest.approx(103)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyError("response"), KeyError),
        (TypeError("no response"), TypeError),
        (ValueError("no response"), ValueError),
        (BackendError("no response"), BackendError),
        (OSError("no space left, no response"), BackendError),
    ],
)
def test_an_error_that_is_not_of_the_network_is_raised_at_once(monkeypatch, error, raised):
    attempts = []

    def act(store, path):
        attempts.append(path)
        raise error

    client = Client(Location("s3://bucket"), RemoteSettings(timeout=0.5))
    monkeypatch.setattr(client._connection, "store", lambda: None)
    with pytest.raises(raised) as caught:
        client._read(act, "key")
    assert not isinstance(caught.value, UnreachableError)
    assert attempts == ["key"]


def test_of_many_threads_that_wait_for_a_server_one_says_so(monkeypatch):
    class Remote:
        """Settings that are read by both threads before either changes them, if that can be."""

        timeout = 60.0
        both = threading.Barrier(2)

        def __init__(self):
            self.said: list[str] = []
            self._notify = self.said.append
            self._readers = set()

        @property
        def notify(self):
            found = self._notify
            if threading.get_ident() not in self._readers:
                self._readers.add(threading.get_ident())
                with suppress(threading.BrokenBarrierError):
                    self.both.wait(0.3)
            return found

        @notify.setter
        def notify(self, value):
            self._notify = value

    monkeypatch.setattr("aivcs.backends.s3.client.sleep", lambda seconds: None)
    remote: Any = Remote()
    client = Client(Location("s3://bucket"), remote)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seconds: client._pause(seconds, 0.0), [1.0, 1.0]))
    assert len(remote.said) == 1


@pytest.mark.parametrize(
    ("endpoint", "doubted"),
    [
        ("http://ann:hunter2@s3.example.com:9000", "s3.example.com"),
        ("http://localhost", None),
        ("http://[::1]:9000", None),
    ],
)
def test_requests_that_others_can_read_are_doubted(endpoint, doubted):
    location = Location("s3://bucket", {"AWS_ENDPOINT_URL": endpoint})
    store = S3Backend(Client(location, RemoteSettings()), Settings(), "id")
    found = list(store.doubts())
    assert len(found) == (doubted is not None)
    assert all(f"requests to {doubted} are not encrypted" in doubt for doubt in found)


def test_throttling_is_waited_for_and_then_told(s3, server, monkeypatch):
    run_id = begin(s3)
    with behind(monkeypatch, server, fault="throttle"):
        repo = open_repo(s3, timeout=0.5)
        with pytest.raises(UnreachableError, match="nothing was done"):
            repo.runs.append_event(run_id, RunEvent("step", {}))
    assert s3.open().runs.get_events(run_id) == []


class TestTheTrap:
    """A writer that sleeps while its run ends, is joined and emptied must not succeed."""

    def sleeper_after_the_end(self, s3):
        """A writer that knows a former end of a run, which is over and joined now."""
        run_id = begin(s3)
        sleeper = open_repo(s3)
        sleeper.runs.append_event(run_id, RunEvent("step", {"n": 0}))
        other = s3.open()
        for number in range(1, 5):
            other.runs.append_event(run_id, RunEvent("step", {"n": number}))
        other.runs.complete_run(run_id, OVER)
        other.store.sweep(other.store.now(), delete=True)
        return sleeper.runs, run_id

    def test_a_sleeper_is_refused(self, s3):
        runs, run_id = self.sleeper_after_the_end(s3)
        before = s3.open().runs.get_events(run_id)
        assert [event.payload["n"] for event in before] == [0, 1, 2, 3, 4]
        with pytest.raises(InvalidRunStateError):
            runs.append_event(run_id, RunEvent("step", {"n": 5}))
        assert s3.open().runs.get_events(run_id) == before
        assert s3.get(f"open/run/{run_id}!/{3:016d}") == b""

    def test_without_the_emptying_its_event_is_acknowledged_and_lost(self, s3, monkeypatch):
        def remove(self, log, number):
            self._client.delete(key(log, number))

        monkeypatch.setattr(Chunks, "empty", remove)
        runs, run_id = self.sleeper_after_the_end(s3)
        assert runs.append_event(run_id, RunEvent("step", {"n": 5})) == 2
        assert b'"n":5' not in s3.get(f"runs/{run_id[:2]}/{run_id}.jsonl")


class TestTwoCollectors:
    """A collector empties the trash while another puts the same blob there."""

    def purge_and_remove(self, s3, monkeypatch):
        """Whether a blob can be found that a writer refers to."""
        monkeypatch.setattr("aivcs.backends.s3.backend.S3Backend.trash_seconds", 0.0)
        first, second, writer = (s3.open().store for _ in range(3))
        digest = first.objects.put(b"content")
        with first.objects.removal() as removal:
            assert removal.remove(digest)
        time.sleep(1.1)

        def meanwhile():
            writer.objects.put(b"content")
            with second.objects.removal() as removal:
                assert removal.remove(digest)
            return lambda found: False  # what was read before the writer refers to it

        first._trash.purge(first.now() + 60, meanwhile, delete=True)
        with writer.hold():
            return writer.objects.contains(digest)

    def test_each_removes_what_it_has_put_there(self, s3, monkeypatch):
        assert self.purge_and_remove(s3, monkeypatch)

    def test_with_one_name_for_all_a_blob_is_lost(self, s3, monkeypatch):
        monkeypatch.setattr(
            trash, "os", type("os", (), {"urandom": staticmethod(lambda count: b"0" * count)})
        )
        assert not self.purge_and_remove(s3, monkeypatch)


def test_a_blob_in_the_trash_is_put_back_if_something_refers_to_it(s3, monkeypatch):
    monkeypatch.setattr("aivcs.backends.s3.backend.S3Backend.trash_seconds", 0.0)
    repo = s3.open()
    wanted, unwanted = repo.blobs.put(b"wanted"), repo.blobs.put(b"unwanted")
    with repo.store.objects.removal() as removal:
        assert removal.remove(wanted)
        assert removal.remove(unwanted)
    repo.pin(wanted)
    time.sleep(1.1)
    assert repo.store.sweep(repo.store.now() + 60, delete=False) == 2
    assert repo.store.sweep(repo.store.now() + 60, delete=True) == 1
    assert repo.blobs.get(wanted) == b"wanted"
    assert list(repo.blobs.list_digests()) == [wanted]
    assert not s3.keys("trash")


def test_a_server_that_lets_two_create_is_refused(server, monkeypatch, tmp_path):
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)

    class Ignoring(Proxy):
        """Takes the condition from each request."""

        def _answer(self, upstream, message):
            head, mark, body = message.partition(b"\r\n\r\n")
            lines = [
                line for line in head.split(b"\r\n") if not line.lower().startswith(b"if-none")
            ]
            return super()._answer(upstream, b"\r\n".join(lines) + mark + body)

    with Ignoring(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        place = Place(server, f"t/{uuid.uuid4().hex}")
        with pytest.raises(Exception, match="two writers create the same object"):
            Repository.init(f"s3://{BUCKET}/{place.prefix}")
        assert place.keys() == []


def test_a_sweep_costs_nothing_for_runs_that_are_joined(s3, server, monkeypatch):
    def end_runs(count):
        runs = s3.open().runs
        for _ in range(count):
            run_id = begin(s3)
            for number in range(3):
                runs.append_event(run_id, RunEvent("step", {"n": number}))
            runs.complete_run(run_id, OVER)
        s3.open().store.sweep(time.time(), delete=True)

    def requests():
        with behind(monkeypatch, server) as proxy:
            store = open_repo(s3).store
            proxy.clear()
            store.sweep(store.now(), delete=True)
            return len(proxy.requests)

    end_runs(1)
    few = requests()
    end_runs(9)
    assert requests() == few
    assert all(s3.get(key) == b"" for key in s3.keys("open/run") if key.endswith(("2", "3", "4")))


def test_uploads_that_were_never_completed_are_aborted(s3, server, monkeypatch):
    session = pytest.importorskip("botocore.session").Session()
    client = session.create_client("s3", endpoint_url=server.url, region_name="us-east-1")

    def begin_upload(key):
        found = client.create_multipart_upload(Bucket=BUCKET, Key=key)
        client.upload_part(
            Bucket=BUCKET, Key=key, UploadId=found["UploadId"], PartNumber=1, Body=b"part"
        )

    def unfinished():
        found = client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return {upload["Key"] for upload in found}

    others = f"t/{uuid.uuid4().hex}"
    for prefix in (s3.prefix, others):
        begin_upload(f"{prefix}/objects/ab/cdef +")
    store = s3.open().store
    moment = store.now() + 60
    with monkeypatch.context() as young:  # moto tells an old time for each; it may go on for a day
        young.setattr(
            "aivcs.backends.s3.uploads.text_in",
            lambda found, name: (
                f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z"
                if name == "Initiated"
                else found.findtext(f"{{*}}{name}") or ""
            ),
        )
        assert store.sweep(moment, delete=True) == 0
    assert store.sweep(moment, delete=False) == 1
    assert f"{s3.prefix}/objects/ab/cdef +" in unfinished()
    assert store.sweep(moment, delete=True) == 1
    assert unfinished() & {f"{p}/objects/ab/cdef +" for p in (s3.prefix, others)} == {
        f"{others}/objects/ab/cdef +"
    }
    assert store.sweep(moment, delete=True) == 0
