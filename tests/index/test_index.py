"""The index costs time when something is wrong with it, never an answer and never a message."""

import asyncio
import fcntl
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from itertools import islice
from typing import Any

import pytest
from folder_store import FolderStore
from hypothesis import given, strategies as st

from aivcs import aio
from aivcs.backends.fs.index import cache, finished, query, refresh
from aivcs.errors import BackendError, StorageError
from aivcs.log import run as rules
from aivcs.log.run_filter import age, outcome_of
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunOwner, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.store.settings import Settings
from aivcs.testing.linking import body_of, relink

SPEC = ContentDigest("0" * 64)
OVER = RunSummary(success=True)
MANY = query._FEW + 20


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with enough runs for an index, most of them over."""
    path = tmp_path_factory.mktemp("filled") / ".aivcs"
    runs = FolderStore.init(str(path), settings=Settings(durability="none")).runs
    for number in range(MANY):
        run = runs.create_run(SPEC, RunMetadata(f"bot {number % 3}", tags={"n": number}))
        runs.append_event(run, RunEvent("kind"))
        if number % 10:
            (runs.complete_run, runs.fail_run)[number % 2](run, OVER)
    return path


@pytest.fixture
def store(filled, tmp_path):
    """A copy of it, without an index."""
    return FolderStore.open(
        str(shutil.copytree(filled, tmp_path / ".aivcs")), Settings(durability="none")
    )


def truth(store):
    """All runs, by their logs alone."""
    records = [store.runs.get_run(run) for run in store.runs.list_run_ids()]
    return sorted(records, key=age, reverse=True)


def path_of(store):
    return f"{store.path}/index.sqlite"


def log_of(store, run):
    return f"{store.path}/runs/{run[:2]}/{run}.jsonl"


def is_used(store):
    try:
        with cache.Index(store.store._folder):
            return True
    except cache.BrokenError:
        return False


def mark_untouched(path):
    """Gives a file the time of an index that nobody has written to."""
    os.utime(path, ns=(cache.UNTOUCHED, cache.UNTOUCHED))


def restore_in_place(store, run):
    """Overwrites the log of a finished run with what it was before it ended."""
    with open(log_of(store, run), "rb") as file:
        lines = file.readlines()
    with open(log_of(store, run), "wb") as file:
        file.writelines(lines[:-1])


def rewrite(path, query):
    """Changes an index so that it is still believed."""
    database = sqlite3.connect(path)
    with database:
        database.execute(query)
    database.close()
    mark_untouched(path)


@pytest.fixture
def read(monkeypatch):
    """The ids of the runs whose logs are read."""
    read = []

    def noted(before):
        def note(folder, run_id, *rest):
            read.append(run_id)
            return before(folder, run_id, *rest)

        return note

    monkeypatch.setattr(refresh, "_read", noted(refresh._read))
    monkeypatch.setattr(finished, "read_finished", noted(finished.read_finished))
    return read


@pytest.fixture
def settled(monkeypatch):
    """A clock by which all that was changed was changed long ago."""
    monkeypatch.setattr(refresh, "time_ns", lambda: 1 << 62)


class TestReading:
    def test_a_small_store_has_none(self, tmp_path):
        store = FolderStore.init(str(tmp_path / ".aivcs"), settings=Settings(durability="none"))
        run = store.runs.create_run(SPEC, RunMetadata("bot"))
        assert [record.run_id for record in store.runs.iter_runs()] == [run]
        assert not os.path.exists(path_of(store))

    def test_a_finished_run_is_read_once(self, store, read, settled):
        assert store.runs.list_runs() == truth(store)
        assert set(read) >= {record.run_id for record in truth(store)}
        read.clear()
        assert store.runs.list_runs(limit=20) == truth(store)[:20]
        assert read == []
        new = store.runs.create_run(SPEC, RunMetadata("new"))
        assert store.runs.list_runs(limit=1)[0].run_id == new
        assert read == [new]

    def test_what_happens_later_is_seen(self, store):
        store.runs.list_runs()
        for step in range(40):
            running = store.runs.list_runs(status=RunStatus.RUNNING)
            if step % 4 == 0:
                store.runs.create_run(SPEC, RunMetadata("new"))
            elif step % 4 == 1:
                store.runs.cancel_run(running[step % len(running)].run_id, OVER)
            elif step % 4 == 2:
                store.runs.append_event(running[step % len(running)].run_id, RunEvent("kind"))
            else:
                os.unlink(log_of(store, truth(store)[step].run_id))
            assert store.runs.list_runs() == truth(store)
            counts = store.runs.count_runs()
            assert counts["RUNNING"] == len(store.runs.list_runs(status=RunStatus.RUNNING))
            assert sum(counts.values()) == len(truth(store))

    def test_what_happens_within_a_tick_of_the_clock_is_seen(self, store):
        store.runs.list_runs()
        for _ in range(150):
            new = store.runs.create_run(SPEC, RunMetadata("new"))
            assert store.runs.list_runs(agent_name="new", limit=1)[0].run_id == new
            store.runs.complete_run(new, OVER)
            assert store.runs.list_runs(agent_name="new", limit=1)[0].status == "COMPLETED"

    def test_a_finished_run_that_is_replaced_is_seen(self, store, settled):
        victim = next(record for record in truth(store) if record.status.is_terminal)
        store.runs.list_runs()
        path = log_of(store, victim.run_id)
        with open(path, "rb") as file:
            first = file.readline()
        with open(f"{store.path}/tmp/new", "wb") as file:
            file.write(first)
        os.rename(f"{store.path}/tmp/new", path)
        listed = {record.run_id: record.status for record in store.runs.list_runs()}
        assert listed[victim.run_id] == "RUNNING"

    def test_a_finished_run_that_is_overwritten_in_place_is_seen(self, store, settled):
        over = [record for record in truth(store) if record.status.is_terminal]
        running = {"since": truth(store)[-1].created_at, "limit": 20}
        store.runs.list_runs()
        for victim in over[::30]:
            restore_in_place(store, victim.run_id)
            assert store.runs.list_runs(limit=20) == truth(store)[:20]
            assert store.runs.list_runs(**running) == truth(store)[:20]
            assert all(r.status.is_terminal for r in store.runs.list_runs(status="COMPLETED"))
            assert victim.run_id in [
                record.run_id for record in store.runs.list_runs(status=RunStatus.RUNNING, limit=99)
            ]
            completed = store.runs.list_runs(status=victim.status, limit=99)
            assert victim.run_id not in [record.run_id for record in completed]
            assert victim.run_id in [r.run_id for r in store.lookup().runs(victim.run_id)]
            assert not any(
                r.run_id == victim.run_id for r in store.lookup().runs("", status=victim.status)
            )
        assert store.runs.list_runs() == truth(store)

    @pytest.mark.parametrize("ask", ["count_runs", "iter_outcomes", "list_runs"])
    def test_one_that_only_figures_would_show_is_seen(self, store, settled, ask):
        over = [record for record in truth(store) if record.status.is_terminal]
        store.runs.list_runs()
        restore_in_place(store, over[-1].run_id)
        for _ in range(2):
            if ask == "count_runs":
                counts = store.runs.count_runs()
                assert counts["RUNNING"] == sum(r.status == "RUNNING" for r in truth(store))
            elif ask == "iter_outcomes":
                wanted = sorted(map(outcome_of, truth(store)), key=repr)
                assert sorted(store.runs.iter_outcomes(), key=repr) == wanted
            else:
                assert store.runs.list_runs() == truth(store)

    @pytest.mark.parametrize("how", ["cp -r", "cp -a"])
    def test_a_copy_that_is_restored_over_a_store_is_what_is_listed(self, aivcs, store, how):
        store.runs.list_runs()
        shutil.copytree(store.path, f"{store.path}.old", copy_function=shutil.copy2)
        for run in truth(store):
            if not run.status.is_terminal:
                store.runs.complete_run(run.run_id, OVER)
        aivcs.ok("--store", store.path, "run", "list")
        subprocess.run([*how.split(), f"{store.path}.old/.", store.path], check=True)
        wanted = [record.status for record in truth(store)]
        assert "RUNNING" in wanted
        for _ in range(2):
            few = aivcs.ok("--store", store.path, "run", "list", "-n", "20", "--json").lines
            assert [json.loads(line)["status"] for line in few] == wanted[:20]
            counts = aivcs.ok("--store", store.path, "status", "--json").json["runs"]
            assert counts == {status: wanted.count(status) for status in counts}

    def test_a_folder_that_vanishes_and_one_that_is_new_are_seen(self, store, settled):
        store.runs.list_runs()
        shard = truth(store)[0].run_id[:2]
        shutil.move(f"{store.path}/runs/{shard}", f"{store.path}/{shard}")
        assert store.runs.list_runs() == truth(store)
        shutil.move(f"{store.path}/{shard}", f"{store.path}/runs/{shard}")
        assert store.runs.list_runs() == truth(store)

    def test_what_cannot_be_read_is_told_every_time(self, store):
        damaged, empty, *_ = store.runs.list_run_ids()
        with open(log_of(store, damaged), "r+b") as file:
            file.write(b"[")
        with open(log_of(store, empty), "wb"):
            pass
        told: list[Any] = []
        for _ in range(3):
            told.clear()
            listed = list(store.runs.iter_runs(unreadable=lambda run, _: told.append(run)))
            assert told == [damaged]
            assert len(listed) == MANY - 2
            with pytest.raises(StorageError):
                store.runs.list_runs(limit=1)
        assert is_used(store)

    def test_more_rows_than_are_read_at_once_come_in_order(self, store, monkeypatch):
        monkeypatch.setattr(query, "_CHUNK", 7)
        assert store.runs.list_runs() == truth(store)
        assert store.runs.list_runs(tags={"n": 3}) == [
            record for record in truth(store) if record.metadata.tags == {"n": 3}
        ]
        records = store.runs.iter_runs()
        begun = list(islice(records, 20))
        os.unlink(path_of(store))
        assert begun + list(records) == truth(store)

    def test_figures_are_those_of_the_records_whatever_becomes_of_it(self, store, monkeypatch):
        monkeypatch.setattr(query, "_CHUNK", 7)
        wanted = sorted(map(outcome_of, truth(store)), key=repr)
        for _ in range(2):
            assert sorted(store.runs.iter_outcomes(), key=repr) == wanted
        running = next(record.run_id for record in truth(store) if not record.status.is_terminal)
        store.runs.complete_run(running, OVER)
        store.runs.create_run(SPEC, RunMetadata("new"))
        wanted = sorted(map(outcome_of, truth(store)), key=repr)
        outcomes = store.runs.iter_outcomes()
        begun = list(islice(outcomes, 20))
        os.unlink(path_of(store))
        assert sorted(begun + list(outcomes), key=repr) == wanted

    def test_a_program_with_threads_makes_one_too(self, store, monkeypatch):
        monkeypatch.setattr(refresh, "_MANY", 10)

        async def run():
            return [record async for record in aio.wrap(store.runs).iter_runs()]

        assert asyncio.run(run()) == truth(store)
        assert is_used(store)


class TestVerify:
    @pytest.mark.parametrize(
        "query",
        [
            "UPDATE runs SET status = 'RUNNING' WHERE status = 'FAILED'",
            "UPDATE runs SET agent_name = 'another' WHERE agent_name = 'bot 1'",
            "DELETE FROM runs WHERE status = 'COMPLETED'",
            f"INSERT INTO runs SELECT '0a' || {cache._COLUMNS} FROM runs LIMIT 1",
        ],
    )
    def test_an_index_that_contradicts_the_logs_is_named_and_removed(
        self, aivcs, store, query, settled
    ):
        store.runs.list_runs()
        assert b"index" not in aivcs.ok("--store", store.path, "verify").out
        assert os.path.exists(path_of(store))
        rewrite(path_of(store), query)
        found = json.loads(aivcs.ok("--store", store.path, "run", "verify", "--json").lines[-1])
        assert (found["where"], found["severity"]) == ("index.sqlite", "notice")
        assert found["repaired"]
        assert not os.path.exists(path_of(store))
        assert store.runs.list_runs() == truth(store)


def overwrite(path, content):
    with open(path, "wb") as file:
        file.write(content)


def become(make):
    def damage(path):
        os.unlink(path)
        make(path)

    return damage


DAMAGES = {
    "absent": os.unlink,
    "empty": lambda path: overwrite(path, b""),
    "no database": lambda path: overwrite(path, b"junk" * 5000),
    "another database": become(lambda path: sqlite3.connect(path).execute("CREATE TABLE a (b)")),
    "cut": lambda path: os.truncate(path, os.path.getsize(path) // 2),
    "cut a little": lambda path: os.truncate(path, os.path.getsize(path) - 1),
    "longer": lambda path: os.truncate(path, os.path.getsize(path) + 4096),
    "written to": os.utime,
    "of another version": lambda path: rewrite(path, "PRAGMA user_version = 1"),
    "empty, with the right time": lambda path: (overwrite(path, b""), mark_untouched(path)),
    "no database, with the right time": lambda path: (
        overwrite(path, b"junk" * 5000),
        mark_untouched(path),
    ),
    "a folder": become(os.mkdir),
    "a link": become(lambda path: os.symlink("/etc/passwd", path)),
    "a link to nothing": become(lambda path: os.symlink("nothing", path)),
    "a pipe": become(os.mkfifo),
    "not readable": lambda path: os.chmod(path, 0),
    "somebody else's": lambda path: os.chown(path, 12345, 12345),
}


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_one_changes_no_answer(self, aivcs, filled, damage):
        if damage == "somebody else's" and os.geteuid() != 0:
            pytest.skip("needs root")
        shutil.rmtree(aivcs.store)
        shutil.copytree(filled, aivcs.store)
        before = aivcs.ok("run", "list", "--json")
        some = aivcs.ok("run", "list", "-n", "20", "--agent", "bot 1", "--status", "failed")
        DAMAGES[damage](f"{aivcs.store}/index.sqlite")
        for _ in range(2):
            again = aivcs.ok("run", "list", "-n", "20", "--agent", "bot 1", "--status", "failed")
            assert (again.out, again.err) == (some.out, b"")
            again = aivcs.ok("run", "list", "--json")
            assert (again.out, again.err) == (before.out, b"")
        assert is_used(FolderStore.open(str(aivcs.store))) is (damage != "a folder")
        assert not os.listdir(f"{aivcs.store}/tmp")

    def test_a_flipped_byte_changes_no_answer(self, store):
        wanted = truth(store)
        store.runs.list_runs()
        with open(path_of(store), "rb") as file:
            whole = file.read()
        chance = random.Random(5)
        for at in [*range(0, 120, 7), *(chance.randrange(len(whole)) for _ in range(80))]:
            with open(path_of(store), "r+b") as file:
                file.seek(at)
                file.write(bytes([whole[at] ^ 1 << chance.randrange(8)]))
            assert store.runs.list_runs() == wanted, at
            assert store.runs.list_runs(agent_name="bot 2") == [
                record for record in wanted if record.metadata.agent_name == "bot 2"
            ]

    def test_one_that_is_believed_and_no_index_inside_changes_no_answer(self, store):
        store.runs.list_runs()
        with open(path_of(store), "rb") as file:
            whole = file.read()
        wanted = truth(store)
        for at in range(4096, len(whole), 4096):
            overwrite(path_of(store), whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
            mark_untouched(path_of(store))
            for _ in range(2):
                assert store.runs.list_runs() == wanted

    def test_where_none_can_be_made_the_logs_are_read(self, store, monkeypatch):
        def refuse():
            raise BackendError("cannot create")

        monkeypatch.setattr(type(store.store._folder), "create_temporary", lambda _: refuse())
        assert store.runs.list_runs() == truth(store)
        assert store.runs.list_runs(limit=3) == truth(store)[:3]
        assert sum(store.runs.count_runs().values()) == MANY
        assert not os.path.exists(path_of(store))

    def test_a_full_disk_changes_no_answer(self, aivcs, filled):
        shutil.rmtree(aivcs.store)
        shutil.copytree(filled, aivcs.store)
        wanted = aivcs.ok("run", "list").out

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        os.unlink(f"{aivcs.store}/index.sqlite")
        found = aivcs.ok("run", "list", preexec_fn=limit)
        assert (found.out, found.err) == (wanted, b"")
        assert not os.path.exists(f"{aivcs.store}/index.sqlite")
        assert not os.listdir(f"{aivcs.store}/tmp")

    def test_a_refresh_that_fails_changes_no_answer(self, aivcs, filled):
        shutil.rmtree(aivcs.store)
        shutil.copytree(filled, aivcs.store)
        aivcs.ok("run", "list")
        runs = FolderStore.open(str(aivcs.store), Settings(durability="none")).runs
        new = {runs.create_run(SPEC, RunMetadata("new")) for _ in range(20)}

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        for _ in range(2):
            found = aivcs.ok("run", "list", "-n", "20", preexec_fn=limit)
            assert {line.split("\t")[0] for line in found.lines} == new
            assert found.err == b""

    def test_nothing_else_sees_it(self, aivcs, filled):
        shutil.rmtree(aivcs.store)
        shutil.copytree(filled, aivcs.store)
        aivcs.ok("run", "list")
        overwrite(f"{aivcs.store}/index.sqlite", b"junk")
        assert b"index" not in aivcs.ok("verify").out
        assert b"index" not in aivcs.ok("gc", "--grace", "0s").out
        assert (aivcs.store / "index.sqlite").read_bytes() == b"junk"
        assert (aivcs.store / ".gitignore").read_text() == "*\n"


class TestTogether:
    def test_several_refresh_at_once_while_runs_come_and_go(self, aivcs, filled):
        shutil.rmtree(aivcs.store)
        shutil.copytree(filled, aivcs.store)
        script = (
            "import sys\n"
            "from aivcs.backends.fs.index import refresh\n"
            "from aivcs.api import Repository\n"
            "from aivcs.model.digest import ContentDigest\n"
            "from aivcs.model.run import RunMetadata, RunSummary\n"
            "from aivcs.store.settings import Settings\n"
            "refresh._WORTH = 1\n"
            "runs = Repository.open(sys.argv[1], Settings(durability='none')).runs\n"
            "for _ in range(25):\n"
            "    new = runs.create_run(ContentDigest('1' * 64), RunMetadata(sys.argv[2]))\n"
            "    assert runs.list_runs(agent_name=sys.argv[2])[0].run_id == new\n"
            "    runs.complete_run(new, RunSummary(success=True))\n"
            "    assert runs.list_runs(limit=500, agent_name=sys.argv[2])[0].summary\n"
        )
        processes = [
            subprocess.Popen([sys.executable, "-c", script, str(aivcs.store), f"writer {number}"])
            for number in range(4)
        ]
        assert [process.wait(60) for process in processes] == [0] * 4
        store = FolderStore.open(str(aivcs.store))
        assert store.runs.list_runs() == truth(store)
        assert len(truth(store)) == MANY + 100
        assert not os.listdir(f"{aivcs.store}/tmp")

    @pytest.mark.parametrize(
        "ask", ["list_runs", "list_some", "count_runs", "iter_outcomes", "lookup"]
    )
    def test_an_older_one_that_comes_in_between_changes_no_answer(self, store, monkeypatch, ask):
        """As one does that another process made before the newest runs, and renames only now."""
        store.runs.list_runs()
        older = shutil.copy2(path_of(store), f"{store.path}/tmp/older")
        for record in truth(store):
            if not record.status.is_terminal:
                store.runs.complete_run(record.run_id, OVER)
        for _ in range(20):
            store.runs.create_run(SPEC, RunMetadata("new"))
        store.runs.list_runs()
        before = refresh.survey

        def come_between(*arguments, **options):
            found = before(*arguments, **options)
            if os.path.exists(older):
                os.rename(older, path_of(store))
            return found

        monkeypatch.setattr(query, "survey", come_between)
        answers = {
            "list_runs": lambda: store.runs.list_runs() == truth(store),
            "list_some": lambda: store.runs.list_runs(limit=30) == truth(store)[:30],
            "count_runs": lambda: store.runs.count_runs()["RUNNING"] == 20,
            "iter_outcomes": lambda: (
                sorted(store.runs.iter_outcomes(), key=repr)
                == sorted(map(outcome_of, truth(store)), key=repr)
            ),
            "lookup": lambda: len(store.lookup().runs("", status=RunStatus.RUNNING)) == 20,
        }
        for _ in range(2):
            assert answers[ask]()
        assert os.path.exists(older) is (ask == "lookup")

    @pytest.mark.parametrize("is_there", [False, True])
    def test_one_from_an_older_look_replaces_no_newer_one(self, store, monkeypatch, is_there):
        if is_there:
            store.runs.list_runs()
            for _ in range(20):
                store.runs.create_run(SPEC, RunMetadata("new"))
        opened = FolderStore.open(store.path, Settings(durability="none"))
        before = cache.write
        newer = []

        def be_slow(*arguments, **options):
            monkeypatch.setattr(query, "write", before)
            new = opened.runs.create_run(SPEC, RunMetadata("newest"))
            assert opened.runs.list_runs()[0].run_id == new
            newer.append(os.stat(path_of(store)).st_ino)
            return before(*arguments, **options)

        monkeypatch.setattr(query, "write", be_slow)
        store.runs.list_runs()
        assert [os.stat(path_of(store)).st_ino] == newer
        assert store.runs.list_runs() == truth(store)
        assert not [name for name in os.listdir(f"{store.path}/tmp") if name != "older"]

    def test_one_that_is_locked_is_used_and_stays(self, store, settled):
        store.runs.list_runs()
        inode = os.stat(path_of(store)).st_ino
        database = sqlite3.connect(path_of(store), isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        with open(path_of(store), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            new = store.runs.create_run(SPEC, RunMetadata("new"))
            assert store.runs.list_runs(agent_name="new")[0].run_id == new
            assert store.runs.list_runs() == truth(store)
            assert sum(store.runs.count_runs().values()) == MANY + 1
        database.close()
        assert os.stat(path_of(store)).st_ino == inode

    def test_what_another_user_has_made_is_replaced_by_ones_own(self, store, monkeypatch):
        store.runs.list_runs()
        inode = os.stat(path_of(store)).st_ino
        for _ in range(20):
            store.runs.create_run(SPEC, RunMetadata("new"))
        # What root may do others may not; so this process is said to be another's.
        os.chmod(store.path, 0o775)
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert store.runs.list_runs() == truth(store)
        assert os.stat(path_of(store)).st_ino != inode
        with cache.Index(store.store._folder) as now:
            assert sum(now.count(()).values()) == MANY + 20

    def test_whoever_has_opened_one_reads_that_one_to_the_end(self, store):
        store.runs.list_runs()
        with cache.Index(store.store._folder) as reading:
            before = reading.count(())
            for _ in range(20):
                store.runs.create_run(SPEC, RunMetadata("new"))
            assert store.runs.list_runs() == truth(store)
            assert reading.count(()) == before
        with cache.Index(store.store._folder) as reading:
            assert sum(reading.count(()).values()) == MANY + 20

    def test_a_few_changes_are_not_written_where_many_runs_are(self, store, monkeypatch):
        store.runs.list_runs()
        inode = os.stat(path_of(store)).st_ino
        monkeypatch.setattr(refresh, "_BYTES", 1)
        for _ in range(20):
            store.runs.create_run(SPEC, RunMetadata("new"))
            assert store.runs.list_runs() == truth(store)
        assert os.stat(path_of(store)).st_ino == inode

    def test_a_store_that_cannot_be_written_is_listed_by_it(self, store, read, settled):
        store.runs.list_runs()
        new = {store.runs.create_run(SPEC, RunMetadata("new")) for _ in range(20)}
        os.chmod(store.path, 0o555)
        os.chmod(f"{store.path}/tmp", 0o555)
        try:
            for _ in range(2):
                read.clear()
                assert store.runs.list_runs() == truth(store)
                assert set(read) <= new
        finally:
            os.chmod(store.path, 0o755)
            os.chmod(f"{store.path}/tmp", 0o755)

    def test_nothing_lies_beside_it(self, store):
        store.runs.list_runs()
        for _ in range(20):
            store.runs.create_run(SPEC, RunMetadata("new"))
        records = store.runs.iter_runs()
        next(records)
        assert [name for name in os.listdir(store.path) if "index" in name] == ["index.sqlite"]
        assert not os.listdir(f"{store.path}/tmp")
        records.close()


class TestUpperCase:
    @pytest.mark.parametrize("status", ["COMPLETED", "Completed", "completed"])
    def test_a_status_is_taken_as_json_says_it(self, aivcs, status):
        run = aivcs.begin()
        aivcs.ok("run", "finish", run, "--status", status)
        assert aivcs.ok("run", "list", "--status", status, "--json").json["run_id"] == run
        assert aivcs.ok("run", "list", f"--status={status}").lines[0].startswith(run)


RECORDS = st.builds(
    RunRecord,
    run_id=st.just("abcd"),
    spec_digest=st.just(SPEC),
    metadata=st.builds(
        RunMetadata,
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=5),
        git_sha=st.none() | st.just("abc"),
        tags=st.sampled_from([None, {}, [], "x", {"a": [1, 2.5, None]}, {"ü": 10**30}]),
    ),
    status=st.just(RunStatus.RUNNING),
    summary=st.none(),
    created_at=st.just(Timestamp("2026-01-31T12:00:00Z")),
    completed_at=st.none(),
    owner=st.none() | st.just(RunOwner(host="h", pid=1)),
)
CHANGES = st.sampled_from(
    [
        (b"", b""), (b'"success":true', b'"success":1'), (b'"duration_ms":', b'"duration_ms":-'),
        (b'"COMPLETED"', b'"DONE"'), (b'"run_id":"abcd"', b'"run_id":"abce"'),
        (b'"total_events":', b'"total_events":9'), (b'"exit_code":0', b'"exit_code":99999999999'),
        (b'"format":1', b'"format":2'), (b'"created_at":"2026', b'"created_at":"026'),
        (b'000Z"', b'000z"'), (b'00000000"', b'0000000A"'), (b'"summary"', b'"other"'),
        (b'"metadata"', b'"more":1,"metadata"'), (b'"agent_name":"', b'"agent_name":"\\u0007'),
        (b'"git_sha":null', b'"git_sha":7'), (b'"type":"run"', b'"type":"other"'),
    ]
)  # fmt: skip


@given(record=RECORDS, code=st.none() | st.just(0), change=CHANGES)
def test_the_short_way_to_a_row_leads_where_the_long_one_does(record, code, change):
    first, head = rules.encode_header(record)
    end, _ = rules.encode_end(
        RunStatus.COMPLETED,
        RunSummary(success=True, exit_code=code),
        rules.RunState(first[:-1]),
        record.created_at,
        head,
    )
    lines = relink(body_of(line[:-1]).replace(*change) for line in (first, end))
    log = b"".join(line + b"\n" for line in lines)
    row = finished.finished_row("abcd", (1, 2, 3, 4), log, log)
    try:
        wanted = rules.read_record(*lines, "abcd")  # type: ignore[arg-type, call-arg]
    except StorageError:
        assert row is None
        return
    if row is not None:
        assert row == cache.row_of(wanted, (1, 2, 3, 4))
        assert cache.record_of(row) == wanted
    elif change == (b"", b""):
        # All that is left to the long way.
        name = record.metadata.agent_name
        is_plain = name.isascii() and not {*'"\\'} & {*name}
        is_plain = is_plain and isinstance(record.metadata.tags, dict)
        assert record.owner is not None or not is_plain
    assert cache.record_of(cache.row_of(wanted, (1, 2, 3, 4))) == wanted
