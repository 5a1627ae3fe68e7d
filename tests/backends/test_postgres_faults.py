"""What becomes of an append whose connection is lost: acknowledged means stored, once."""

import os
import threading
from typing import Any

import pytest
from servers.fault_proxy import FaultProxy

from aivcs import errors
from aivcs.api import Repository
from aivcs.backends.postgres import logs, session
from aivcs.backends.postgres.address import Address
from aivcs.backends.postgres.client import limits
from aivcs.errors import OutcomeUnknownError
from aivcs.log import chain
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunSummary
from aivcs.store.remote import RemoteSettings
from aivcs.store.settings import Settings

HOW = ["before", "middle", "after"]


@pytest.fixture
def proxy(server):
    proxy = FaultProxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def repo(server, database, proxy):
    url = server.url(database).replace(f":{server.port}/", f":{proxy.port}/")
    repo = Repository.open(url, Settings(lock_timeout=10))
    repo.blobs.put(b"spec")
    yield repo
    repo.store.close()


@pytest.fixture
def run(repo):
    return repo.start_run(repo.blobs.put(b"spec"), agent_name="bot").run_id


def kinds(repo, run):
    repo.runs.head(run)  # reads and checks the chain
    return [event.kind for event in repo.runs.get_events(run)]


@pytest.mark.parametrize("how", HOW)
class TestOneCut:
    def test_an_event_without_a_seq_is_stored_once(self, repo, run, proxy, how):
        repo.runs.append_event(run, RunEvent("a", {}))
        proxy.cut_next(how)
        assert repo.runs.append_event(run, RunEvent("b", {})) == 2
        assert kinds(repo, run) == ["a", "b"]
        assert proxy.cuts == 1

    def test_an_event_with_a_seq_is_stored_once(self, repo, run, proxy, how, monkeypatch):
        cut_appends(monkeypatch, proxy, how)
        repo.runs.append_event(run, RunEvent("a", {}, seq=4))
        assert kinds(repo, run) == ["a"]
        assert proxy.cuts == 1

    def test_a_run_ends_once(self, repo, run, proxy, how, monkeypatch):
        cut_appends(monkeypatch, proxy, how)
        repo.runs.complete_run(run, RunSummary(success=True))
        assert repo.runs.head(run).lines == 2

    def test_a_promotion_is_recorded_once(self, repo, proxy, how, monkeypatch):
        cut_appends(monkeypatch, proxy, how)
        repo.releases.promote("bot", repo.blobs.put(b"spec"), ReleaseMetadata(promoted_by="ann"))
        assert [record.seq for record in repo.releases.history("bot")] == [1]

    def test_many_chunks_are_stored_once(self, repo, run, proxy, how, monkeypatch):
        events = [RunEvent("a", {"text": "x" * 1000, "n": n}, seq=n) for n in range(1, 3000)]
        cut_commit(monkeypatch, proxy, how)
        repo.runs.append_events(run, events)
        assert repo.runs.head(run).lines == 3000
        assert proxy.cuts == 1

    def test_a_blob_is_stored(self, repo, proxy, how):
        for content in (b"small", b"large" * 500_000):
            proxy.cut_next(how)
            digest = repo.blobs.put(content)
            assert repo.blobs.get(digest) == content

    def test_a_document_is_made_once(self, repo, proxy, how):
        proxy.cut_next(how)
        assert repo.store.documents.create("pins/a", b"")
        assert not repo.store.documents.create("pins/a", b"")
        proxy.cut_next(how)
        repo.store.documents.write("pins/a", b"x", expect=version(repo))
        proxy.cut_next(how)
        assert repo.store.documents.read("pins/a")[0] == b"x"


def version(repo):
    return repo.store.documents.read("pins/a")[1]


def cut_appends(monkeypatch, proxy, how):
    """Cuts at the statement that appends, the first time."""
    real, was_cut = session.Session.execute, list[bool]()

    def execute(self, statement, *values):
        if statement == logs._APPEND and not was_cut:
            was_cut.append(True)
            real(self, "SELECT 1")  # whatever was sent before this has its answer
            proxy.cut_next(how)
        return real(self, statement, *values)

    monkeypatch.setattr(session.Session, "execute", execute)


def cut_commit(monkeypatch, proxy, how):
    """Cuts at the first commit."""
    real, was_cut = session.Session.execute, list[bool]()

    def execute(self, statement, *values):
        if statement == "COMMIT" and not was_cut:
            was_cut.append(True)
            real(self, "SELECT 1")  # whatever was sent before this has its answer
            proxy.cut_next(how)
        return real(self, statement, *values)

    monkeypatch.setattr(session.Session, "execute", execute)


def test_without_the_nonce_an_event_would_be_stored_twice(repo, run, proxy, monkeypatch):
    """What the rule of the identical retry is for."""
    real, was_cut = session.Session.execute, list[bool]()

    def execute(self, statement, *values):
        if "append_texts" in statement:
            values = (*values[:2], os.urandom(16), *values[3:])
            if not was_cut:
                was_cut.append(True)
                real(self, "SELECT 1")  # whatever was sent before this has its answer
                proxy.cut_next("after")
        return real(self, statement, *values)

    monkeypatch.setattr(session.Session, "execute", execute)
    repo.runs.append_event(run, RunEvent("a", {}))
    assert kinds(repo, run) == ["a", "a"]


def test_a_server_that_does_not_come_back_leaves_an_outcome_unknown(own_server):
    remote = RemoteSettings(timeout=0.5)
    repo = Repository.open(own_server.url(own_server.store()), Settings(remote=remote))
    run = repo.start_run(repo.blobs.put(b"spec"), agent_name="bot").run_id
    repo.store.close()
    own_server.stop()
    with pytest.raises(errors.UnreachableError, match="nothing was done"):
        repo.runs.get_run(run)
    own_server.start()
    assert kinds(repo, run) == []
    own_server.stop()  # while connected: the statement may have been sent
    with pytest.raises(OutcomeUnknownError):
        repo.runs.append_event(run, RunEvent("a", {}))
    own_server.start()
    assert kinds(repo, run) == []
    repo.store.close()


@pytest.mark.parametrize(
    "refusal", [errors.LockTimeoutError("a lock", 1.0), session.AgainError("a deadlock")]
)
def test_a_refusal_after_a_lost_answer_tells_nothing_of_what_was_lost(refusal):
    """The first attempt may still run, and hold what the second one waits for."""
    attempts = iter([session.LostError("cut"), refusal])

    def act():
        raise next(attempts)

    settings = Settings(remote=RemoteSettings(timeout=0.01))
    waiting = session.Session(Address("postgresql://127.0.0.1/none"), settings)
    with pytest.raises(OutcomeUnknownError, match="repeat what is not"):
        waiting.repeat(act, is_change=True)


def test_many_chunks_are_stored_after_a_deadlock(repo, run, monkeypatch):
    real, broken = logs.PostgresLogs._append_many, list[bool]()

    def append_many(self, *values, **options):
        if not broken:
            broken.append(True)
            raise session.AgainError("a deadlock")
        real(self, *values, **options)

    monkeypatch.setattr(logs.PostgresLogs, "_append_many", append_many)
    events = [RunEvent("a", {"text": "x" * 1000, "n": n}, seq=n) for n in range(1, 3000)]
    repo.runs.append_events(run, events)
    assert repo.runs.head(run).lines == 3000


def test_statements_see_what_was_committed_whatever_the_database_says(server, database):
    server.sql(f"ALTER DATABASE {database} SET default_transaction_isolation = serializable")
    connection = session.Session(Address(server.url(database)), Settings())
    level = connection.read("SELECT current_setting('transaction_isolation')")
    server.sql(f"ALTER DATABASE {database} RESET default_transaction_isolation")
    assert level == [("read committed",)]
    connection.close()


def test_reading_a_log_that_is_removed_meanwhile_ends(repo, run, monkeypatch):
    name, driver = f"run/{run}", repo.store.logs
    with driver.look(name) as view:
        real = logs.PostgresLogs._forth

        def forth(self, *values):
            self._session.change("SELECT {s}.remove_log(%s)", name)
            return real(self, *values)

        monkeypatch.setattr(logs.PostgresLogs, "_forth", forth)
        with pytest.raises(errors.IntegrityError, match="lacks its line 1"):
            list(driver.read(name))
        with pytest.raises(errors.IntegrityError, match="lacks its line 1"):
            list(view.forth())


def test_a_lost_hold_ends_without_another_connection(repo, monkeypatch):
    def connect(self):
        raise AssertionError

    with repo.hold():
        repo.store._session._drop()
        monkeypatch.setattr(session.Session, "_connect", connect)


def test_a_hold_goes_on_in_another_connection(repo, server, database):
    digest = repo.blobs.put(b"spec")
    impatient = Repository.open(server.url(database), Settings(lock_timeout=0.1))
    with repo.hold():
        assert repo.blobs.contains(digest)
        terminate(server, database)
        repo.start_run(digest, agent_name="bot")
        with pytest.raises(errors.LockTimeoutError), impatient.store.objects.removal():
            pass
    impatient.store.close()


def test_a_hold_that_was_lost_while_blobs_were_removed_fails(repo, server, database):
    digest = repo.blobs.put(b"spec")
    run = repo.start_run(digest, agent_name="bot").run_id
    other = Repository.open(server.url(database))
    with repo.hold():
        assert repo.blobs.contains(digest)
        terminate(server, database)
        with other.store.objects.removal() as removal:
            removal.remove(digest)
        with pytest.raises(OutcomeUnknownError, match="blobs were removed"):
            repo.runs.create_run(digest, repo.runs.get_run(run).metadata)
    assert len(repo.runs.list_runs()) == 1
    other.store.close()


def terminate(server, database):
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database
    )


def test_random_cuts_lose_nothing_and_store_nothing_twice(server, database, proxy, repo, run):
    url = repo.path
    acknowledged, lock = [], threading.Lock()

    def write(writer):
        mine = Repository.open(url, Settings(lock_timeout=20))
        for n in range(30):
            payload = {"by": writer, "n": n}
            events = [RunEvent("e", payload, seq=writer * 1000 + n if n % 5 == 0 else None)]
            mine.runs.append_events(run, events)
            with lock:
                acknowledged.append((writer, n))
        mine.store.close()

    repo.runs.append_event(run, RunEvent("first", {"by": 0, "n": 0}, seq=100_000))
    acknowledged.append((0, 0))
    proxy.rate = 0.1
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.rate = 0
    assert proxy.cuts >= 10
    stored = [(e.payload["by"], e.payload["n"]) for e in repo.runs.get_events(run)]
    assert sorted(stored) == sorted(acknowledged)
    assert len(acknowledged) == 121
    rows = server.sql(
        "SELECT line FROM aivcs.lines WHERE log = %s ORDER BY number",
        f"run/{run}",
        database=database,
    )
    assert len(list(chain.verified_lines(line.encode() + b"\n" for (line,) in rows))) == 122


def test_a_server_that_went_silent_is_asked_in_another_connection(server, database):
    repo = Repository.open(
        server.url(database), Settings(remote=RemoteSettings(timeout=0.3), lock_timeout=10)
    )
    its: Any = repo.store.logs._session  # type: ignore[attr-defined]
    with repo.hold():
        digest = repo.blobs.put(b"spec")
    silent = its._connection
    its._read_answer(silent)
    silent.pgconn.send_query(b"SELECT pg_sleep(300)")  # an answer that does not come
    silent.pgconn.flush()
    its._is_unread = True
    assert repo.blobs.get(digest) == b"spec"
    assert its._connection is not silent
    repo.store.close()


def test_a_silent_network_ends_a_connection_unless_the_user_says_otherwise(monkeypatch):
    url = "postgresql://host/db?tcp_user_timeout=7&keepalives_idle=5"
    assert limits(url, 60) == {"keepalives_interval": 10, "keepalives_count": 3}
    assert limits("postgresql://host/db", 60)["tcp_user_timeout"] == 60_000
    monkeypatch.setenv("PGSERVICE", "mine")
    assert limits("postgresql:///", 60) == {}
