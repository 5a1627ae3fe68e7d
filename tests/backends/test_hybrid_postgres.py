"""A store whose logs are in PostgreSQL and whose blobs are on S3: what a team is to run."""

import threading
import time
import uuid

import pytest
from backends.test_postgres import rewrite_of
from backends.test_postgres_faults import terminate
from erasure.conftest import SECRET, record
from servers.s3 import BUCKET, fake, new_store

from aivcs.api import Repository
from aivcs.commands.store.gc import collect
from aivcs.errors import BackendError, OutcomeUnknownError
from aivcs.model.run import RunEvent
from aivcs.store.settings import Settings
from aivcs.testing import (
    BackendContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)
from aivcs.testing.runs.given import SPEC

obstore = pytest.importorskip("obstore", reason="the extra s3 is not installed")
pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
__all__ = ["rewrite_of"]
bucket = fake


@pytest.fixture
def blobs_url(bucket, monkeypatch, tmp_path):
    """The URL of a new store for blobs."""
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return new_store(bucket, f"h/{uuid.uuid4().hex}")


@pytest.fixture
def open_repo(server, database, blobs_url):
    opened = []

    def open_repo():
        settings = Settings(lock_timeout=10, blobs=blobs_url)
        opened.append(Repository.open(server.url(database), settings))
        return opened[-1]

    yield open_repo
    for repo in opened:
        repo.store.close()


@pytest.mark.slow
class TestBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, open_repo):
        return lambda: open_repo().store


@pytest.mark.slow
class TestBlobs(CasStoreContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().blobs

    @pytest.fixture
    def corrupt(self, bucket, blobs_url):
        def corrupt(digest, edit):
            place = f"{blobs_url.partition(BUCKET)[2][1:]}/objects/{digest[:2]}/{digest[2:]}"
            client = bucket.client()
            obstore.put(client, place, edit(bytes(obstore.get(client, place).bytes())))

        return corrupt


@pytest.mark.exhaustive
class TestRuns(RunLedgerContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().runs

    @pytest.fixture
    def rewrite(self, rewrite_of):
        return rewrite_of("run")


@pytest.mark.exhaustive
class TestReleases(ReleaseRegistryContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().releases

    @pytest.fixture
    def rewrite(self, rewrite_of):
        return rewrite_of("release")


def test_a_lock_that_is_lost_in_a_removal_removes_nothing(open_repo, server, database):
    remover, writer = open_repo(), open_repo()
    first, second = remover.blobs.put(b"first"), remover.blobs.put(b"second")

    def remove():
        with remover.store.objects.removal() as removal:
            assert removal.remove(first)
            terminate(server, database)
            with writer.hold():  # which the lock would have kept out
                writer.blobs.contains(second)
            removal.remove(second)

    with pytest.raises(BackendError, match="connection was lost"):
        remove()
    assert writer.blobs.contains(second)
    assert writer.blobs.contains(first)


def test_a_lock_that_is_lost_after_the_last_blob_removes_nothing(open_repo, server, database):
    remover, writer = open_repo(), open_repo()
    digest = remover.blobs.put(b"content")

    def remove():
        with remover.store.objects.removal() as removal:
            assert removal.remove(digest)
            terminate(server, database)

    with pytest.raises(BackendError, match="connection was lost"):
        remove()
    assert writer.blobs.contains(digest)


def test_a_blob_is_removed_by_hand_only_under_the_lock(open_repo, server, database, monkeypatch):
    from aivcs.commands.blob import rm

    repo = open_repo()
    digest = repo.blobs.put(b"content")
    require = rm._require_removable

    def cut(*arguments):
        require(*arguments)
        terminate(server, database)

    monkeypatch.setattr(rm, "_require_removable", cut)
    with pytest.raises(BackendError, match="connection was lost"):
        rm.rm(repo, [digest])
    assert open_repo().blobs.contains(digest)


@pytest.mark.slow
def test_what_writers_refer_to_stays_though_connections_are_cut(open_repo, server, database):
    """Writers check for an old blob and refer to it, while a collector takes it for garbage."""
    contents = [b"blob %d" % number for number in range(8)]
    repo = open_repo()
    digests = [repo.blobs.put(content) for content in contents]
    time.sleep(1.1)
    used: list[bytes] = []
    ended = threading.Event()

    def write(number):
        mine = open_repo()
        run = mine.runs.create_run(SPEC, repo.runs.get_run(first).metadata)
        for at in range(number, 40, 4):
            digest = digests[at % 8]
            try:
                with mine.hold():
                    if not mine.blobs.contains(digest):
                        mine.blobs.put(contents[at % 8])
                    mine.runs.append_event(run, RunEvent("use", {"blob": digest}))
            except (BackendError, OutcomeUnknownError):
                continue  # it was told that it is not certain
            used.append(digest)

    def gather():
        mine = open_repo()
        while not ended.is_set():
            try:
                list(collect(mine, grace=0))
            except (BackendError, OutcomeUnknownError):
                continue

    first = repo.start_run(digests[0], agent_name="bot").run_id
    threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
    collector = threading.Thread(target=gather)
    for thread in (*threads, collector):
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.15)
        terminate(server, database)
    ended.set()
    collector.join()
    assert used
    fresh = open_repo()
    assert all(fresh.blobs.contains(digest) for digest in used)


@pytest.mark.slow
def test_the_main_job(command_over, bucket, server, database, blobs_url):
    aivcs = command_over(bucket)
    aivcs.variables["AIVCS_STORE"] = server.url(database)
    aivcs.ok("config", "set", "blobs", blobs_url)
    spec = aivcs.put("You are careful.")
    run = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec).text
    aivcs.ok("run", "log", "--stdin", run, stdin='{"kind":"a","payload":{}}\n' * 300)
    aivcs.ok("run", "exec", "--agent", "bot", "--spec", spec, "--", "echo", "hello")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    aivcs.ok("release", "promote", "bot", spec, "--label", "v1", "--evidence", run)
    other, gone = aivcs.put("Be quick."), aivcs.put("Nobody wants it.")
    aivcs.ok("release", "promote", "bot", other, "--label", "v2")
    aivcs.ok("release", "rollback", "bot")
    assert aivcs.ok("release", "current", "bot").text == spec
    time.sleep(2.1)  # a time of whole seconds tells that something is over
    assert aivcs.ok("gc", "--grace", "0s").lines == [f"{gone}\t16"]
    aivcs.ok("verify")
    assert len(aivcs.events(run)) == 300
    assert aivcs.ok("blob", "get", spec).text == "You are careful."


@pytest.mark.slow
def test_a_secret_is_erased_from_both(command_over, bucket, server, database, blobs_url):
    aivcs = command_over(bucket)
    aivcs.variables["AIVCS_STORE"] = server.url(database)
    aivcs.ok("config", "set", "blobs", blobs_url)
    run = record(aivcs)
    words = ("--match", SECRET, "--with-blobs", "--reason", "leaked", "--by", "ada")
    aivcs.ok("run", "redact", run, *words)
    aivcs.ok("verify")
    client = bucket.client()
    left = [
        meta["path"]
        for page in obstore.list(client, blobs_url.partition(BUCKET)[2][1:])
        for meta in page
        if SECRET.encode() in bytes(obstore.get(client, meta["path"]).bytes())
    ]
    assert left == []
    found = server.sql(
        "SELECT count(*) FROM aivcs.chunks WHERE data LIKE %s", f"%{SECRET}%", database=database
    )
    assert found == [(0,)]
