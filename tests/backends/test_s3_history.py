"""Histories of many processes on S3 under faults, and what stopped and colliding ones leave."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from backends.s3_contracts import Place, s3
from folder_store import FolderStore
from hypothesis import settings
from servers.history import complaints
from servers.proxy import FAULTS, Proxy
from servers.s3 import fake, new_store, seaweedfs

from aivcs.api import Repository
from aivcs.backends.s3.chunks import Chunks
from aivcs.commands.store.gc import collect
from aivcs.errors import BackendError, NotFoundError
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.store.settings import Settings
from aivcs.testing import Stores, StoresMachine

__all__ = ["s3"]
server = fake
CLIENT = Path(__file__).parents[1] / "servers" / "client.py"
SPEC, OTHER = ContentDigest.from_bytes(b"spec"), ContentDigest.from_bytes(b"other")


class Work:
    """Clients at work on one run and one release, and what they noted."""

    def __init__(self, s3, folder):
        self.s3, self.folder = s3, folder
        self.run = (
            s3.open()
            .start_run(s3.open().blobs.put(b"spec"), agent_name="bot", allow_missing_spec=True)
            .run_id
        )
        self.clients = {}

    def start(self, client, count, endpoint):
        self.clients[client] = subprocess.Popen(
            [sys.executable, CLIENT, self.s3.url, self.run, "bot", client, str(count),
             self.folder / f"{client}.notes"],
            env={**os.environ, "AWS_ENDPOINT_URL": endpoint},
        )  # fmt: skip

    def alive(self):
        return [client for client, process in self.clients.items() if process.poll() is None]

    def check(self):
        """The operations; none is contradicted by what is stored."""
        operations = {}
        for path in self.folder.glob("*.notes"):
            for line in path.read_text().splitlines():
                note = json.loads(line)
                operations[note["id"]] = {"end": None, "outcome": None, "seq": None, **note}
        found = [self.lines(f"run/{self.run}"), self.lines("release/bot")]
        assert list(complaints(list(operations.values()), *found)) == []
        return list(operations.values()), found[0]

    def lines(self, log):
        """The lines of a log, past the product: from its chunks and, if joined, its object."""
        folder = f"open/{log}!"
        chunks = [self.s3.get(key) for key in sorted(self.s3.keys(folder))]
        if b"" in chunks:
            run = log.removeprefix("run/")
            chunks = [self.s3.get(f"runs/{run[:2]}/{run}.jsonl")]
        return [json.loads(line) for line in b"".join(chunks).splitlines()]

    def close(self):
        for process in self.clients.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def test_clients_that_nothing_befalls(s3, server, tmp_path):
    work = Work(s3, tmp_path)
    try:
        for client in ("a", "last"):
            work.start(client, 12, server.url)
        assert [process.wait(90) for process in work.clients.values()] == [0, 0]
    finally:
        work.close()
    operations, run = work.check()
    assert len(operations) == 24
    assert run[-1]["type"] == "end"


@pytest.mark.slow
def test_faults_kills_and_collections_lose_nothing_and_double_nothing(tmp_path, monkeypatch):
    server = seaweedfs(tmp_path)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = Place(server, "history")
    Repository.init(place.url)
    notes = tmp_path / "notes"
    notes.mkdir()
    work, chance = Work(place, notes), random.Random(3)

    def is_chunk(method, path):
        return method == "PUT" and "/open/" in path

    proxies = [Proxy(server, fault=fault, rate=0.3, match=is_chunk, late=0.5) for fault in FAULTS]
    kills = collections = 0
    try:
        deadline = time.monotonic() + 1200  # however busy the machine is
        while time.monotonic() < deadline:
            injected = sum(proxy.injected.total() for proxy in proxies)
            if injected + kills >= 1000:
                break
            alive = work.alive()
            while len(alive) < 6:
                name = f"c{len(work.clients)}"
                work.start(name, 100, chance.choice(proxies).url)
                alive.append(name)
            if chance.random() < 0.1:
                work.clients[chance.choice(alive)].kill()
                kills += 1
            place.open().store.sweep(time.time(), delete=True)
            collections += 1
            time.sleep(0.5)
        for client in work.alive():
            work.clients[client].kill()
        work.start("last", 10, server.url)
        assert work.clients["last"].wait(120) == 0
        time.sleep(1)
        operations, run = work.check()
    finally:
        work.close()
        for proxy in proxies:
            proxy.__exit__()
        server.stop()
    acknowledged = sum(operation["outcome"] == "ok" for operation in operations)
    print(
        f"{injected} faults, {kills} killed, {collections} collections: {acknowledged} of "
        f"{len(operations)} acknowledged, {len(run)} lines"
    )
    assert injected + kills >= 1000
    assert acknowledged > 300


def test_a_stopped_writer_is_refused_after_joining_and_gc(server, command_over, tmp_path):
    aivcs = command_over(server)
    aivcs.ok("init")
    run = aivcs.begin()
    reader, writer = os.pipe()
    sleeper = aivcs.start("run", "log", "--stdin", run, stdin=reader, stderr=subprocess.PIPE)
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as events:
        events.write(b'{"kind":"first","payload":{}}\n')
        deadline = time.monotonic() + 30
        while not aivcs.events(run):
            assert time.monotonic() < deadline
        sleeper.send_signal(signal.SIGSTOP)
        for number in range(3):
            aivcs.ok("run", "log", run, "other", f"n:={number}")
        aivcs.ok("run", "finish", run)
        aivcs.ok("gc")
        events.write(b'{"kind":"late","payload":{}}\n')
        sleeper.send_signal(signal.SIGCONT)
    _, told = sleeper.communicate(timeout=60)
    assert sleeper.returncode == 15, told
    assert [event["kind"] for event in aivcs.events(run)] == ["first", "other", "other", "other"]
    aivcs.ok("verify")


class TestCollectorsBesideWriters:
    """Writers refer to old blobs, while these are garbage to two collectors: none is lost."""

    CONTENTS = tuple(b"blob %d" % number for number in range(12))
    DIGESTS = tuple(map(ContentDigest.from_bytes, CONTENTS))

    def write(self, s3, seed):
        repo, chance = s3.open(), random.Random(seed)
        run = repo.runs.create_run(SPEC, RunMetadata("bot"))
        for _ in range(6):
            at = chance.randrange(12)
            with repo.hold():
                if not repo.blobs.contains(self.DIGESTS[at]):
                    repo.blobs.put(self.CONTENTS[at])
                repo.runs.append_event(run, RunEvent("use", {"blob": self.DIGESTS[at]}))

    def collect_until(self, s3, ended):
        repo = s3.open()
        while not ended.is_set():
            list(collect(repo, grace=0))
            repo.store.sweep(repo.store.now(), delete=True)

    def test_no_reference_is_left_without_its_blob(self, s3, monkeypatch):
        monkeypatch.setattr("aivcs.backends.s3.backend.S3Backend.trash_seconds", 2.0)
        repo, ended = s3.open(), threading.Event()
        for content in self.CONTENTS:
            repo.blobs.put(content)
        time.sleep(1.1)
        with ThreadPoolExecutor(6) as pool:
            collectors = [pool.submit(self.collect_until, s3, ended) for _ in range(2)]
            writers = [pool.submit(self.write, s3, seed) for seed in range(4)]
            try:
                for writer in writers:
                    writer.result()
            finally:
                ended.set()
            for collector in collectors:
                collector.result()
        time.sleep(3.2)
        self.collect_until(s3, ended)
        list(collect(repo, grace=0))
        repo.store.sweep(repo.store.now(), delete=True)
        used = [
            event.payload["blob"]
            for run in repo.runs.list_run_ids()
            for event in repo.runs.get_events(run)
        ]
        assert len(used) == 24
        assert all(repo.blobs.get(digest) in self.CONTENTS for digest in used)
        assert set(used) == set(repo.blobs.list_digests())


def test_clocks_that_differ_remove_nothing(s3, monkeypatch):
    repo = s3.open()
    digest = repo.blobs.put(b"content")
    now = time.time
    for years in (1, -1):
        monkeypatch.setattr("aivcs.backends.s3.trash.time", lambda y=years: now() + y * 3e7)
        with pytest.raises(BackendError, match="clock"):
            list(
                collect(repo, grace=0) if years > 0 else [repo.store.objects.removal().__enter__()]
            )
    monkeypatch.undo()
    assert repo.blobs.contains(digest)
    repo.blobs.delete(digest)
    with pytest.raises(NotFoundError):
        repo.blobs.get(digest)


class SkewedServer(Proxy):
    """A server whose clock is wrong by some years, in headers and in listings."""

    years = 0

    def _answer(self, upstream, message):
        answer = super()._answer(upstream, message)
        head, mark, body = answer.partition(b"\r\n\r\n")
        head = re.sub(rb"(?i)(?<=modified: )[^\r]*(?=\r)", self._later, head)
        body = re.sub(
            rb"(?<=<LastModified>)\d{4}", lambda year: b"%d" % (int(year[0]) + self.years), body
        )
        return head + mark + body

    def _later(self, found):
        moment = parsedate_to_datetime(found[0].decode())
        return format_datetime(moment.replace(year=moment.year + self.years), usegmt=True).encode()


@pytest.mark.parametrize("years", [1, -1])
def test_a_server_whose_clock_is_wrong_stores_and_removes_nothing(s3, server, monkeypatch, years):
    digest = s3.open().blobs.put(b"content")
    with SkewedServer(server) as proxy:
        proxy.years = years
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        repo: Any = Repository.open(s3.url)
        run = repo.runs.create_run(SPEC, RunMetadata("bot"))
        assert repo.runs.append_event(run, RunEvent("step", {})) == 1
        repo.runs.complete_run(run, RunSummary(success=True))
        repo.releases.promote("bot", SPEC, ReleaseMetadata(promoted_by="ann"))
        assert [found.run_id for found in repo.runs.iter_runs()] == [run]
        if years < 0:  # to a server that is behind, everything seems to be new: nothing is garbage
            with pytest.raises(BackendError, match="clock"):
                list(collect(repo, grace=0))
        else:
            assert list(collect(repo, grace=0)) == []
        with pytest.raises(BackendError, match="clock"), repo.store.objects.removal():
            pass
        assert any("clocks" in fault for fault in repo.store.check())
        repo.store.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert s3.open().blobs.get(digest) == b"content"


def test_the_same_calls_give_the_same_heads(s3, tmp_path):
    FolderStore.init(str(tmp_path / ".aivcs"))
    folder = FolderStore.open(str(tmp_path / ".aivcs"), Settings(durability="none"))
    remote = s3.open()
    stores = [
        (MemoryRunLedger(), MemoryReleaseRegistry()),
        (folder.runs, folder.releases),
        (remote.runs, remote.releases),
    ]
    heads = []
    for runs, releases in stores:
        with pytest.MonkeyPatch.context() as patch:
            numbers = iter(range(1, 10_000))
            patch.setattr(RunId, "random", staticmethod(lambda: RunId("0" * 8 + "-frozen")))
            patch.setattr(
                Timestamp, "now",
                staticmethod(lambda n=numbers: Timestamp(f"2026-01-01T00:00:00.{next(n):06d}Z")),
            )  # fmt: skip
            run = runs.create_run(SPEC, RunMetadata("bot", tags={"a": "é"}))
            runs.append_events(run, [RunEvent("a", {"n": [1, 2.5, None]}), RunEvent("ü", "x")])
            runs.append_event(run, RunEvent("late", {}, seq=9))
            runs.append_event(run, RunEvent("early", {}, seq=5))
            runs.append_event(run, RunEvent("next", {}))
            runs.complete_run(run, RunSummary(success=True))
            releases.promote("bot", SPEC, ReleaseMetadata(version_label="v1", promoted_by="ann"))
            releases.promote("bot", OTHER, ReleaseMetadata(promoted_by="bob"), expect=SPEC)
            releases.block("bot", SPEC, by="ann", reason="slow")
            releases.unblock("bot", SPEC, by="ann", reason="fine")
            releases.rollback("bot", to=1)
            found = (runs.head(run), releases.head("bot"))
            heads.append([(head.lines, head.hash) for head in found])
    assert heads[0] == heads[1] == heads[2]


def test_the_end_of_a_long_log_is_found_without_listing_it(monkeypatch):
    """A listing leaps: its pages grow with the logarithm of the number of chunks."""
    from aivcs.backends.s3.client import Entry

    class Listed:
        """A server with chunks of three lines each."""

        count, pages_read = 0, 0

        def pages(self, folder, after):
            last = int(after.rpartition("/")[2]) if after else 0
            numbers = [n for n in range(1, self.count * 3, 3) if n > last]
            for start in range(0, len(numbers), 1000):
                self.pages_read += 1
                page = numbers[start : start + 1000]
                yield [Entry(f"{folder}/{n:016d}", 1, 0.0) for n in page]
            if not numbers:
                self.pages_read += 1

    for count in (0, 1, 2, 999, 1000, 1001, 2000, 2001, 5000, 31_234):
        server = Listed()
        server.count = count
        last = Chunks(cast("Any", server)).last("run/x")
        assert last == ((count * 3 - 2, 1) if count else None)
        assert server.pages_read <= 20


class SideBySide(StoresMachine):
    """Memory, folder and S3, step by step."""

    server: Any = None

    def __init__(self):
        super().__init__()
        os.environ.update(SideBySide.server.environment())
        self.folder = TemporaryDirectory()
        FolderStore.init(f"{self.folder.name}/.aivcs")
        place = Place(SideBySide.server, f"m/{os.urandom(8).hex()}")
        new_store(SideBySide.server, place.prefix)
        self.memory = Stores(MemoryCasStore(), MemoryRunLedger(), MemoryReleaseRegistry())
        self.repos = [
            Repository.open(place.url, Settings(lock_timeout=10)),
            FolderStore.open(f"{self.folder.name}/.aivcs", Settings(durability="none")),
        ]

    def open_backends(self):
        return [self.memory, *(Stores(r.blobs, r.runs, r.releases) for r in self.repos)]

    def teardown(self):
        try:
            super().teardown()
        finally:
            for repo in self.repos:
                repo.store.close()
            self.folder.cleanup()


TestSideBySide = pytest.mark.slow(SideBySide.TestCase)
TestSideBySide.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def machine_server(server):
    """Gives the state machine its server, and takes its variables out of the environment."""
    before = dict(os.environ)
    SideBySide.server = server
    yield
    os.environ.clear()
    os.environ.update(before)
