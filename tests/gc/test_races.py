"""gc beside others that put blobs and refer to them: what anybody was told of stays."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from folder_store import FolderStore

from aivcs.api import Repository
from aivcs.backends.fs.objects import FileCasStore
from aivcs.commands.blob.pin import pin
from aivcs.commands.blob.rm import rm
from aivcs.commands.run.finish import finish
from aivcs.commands.store import gc
from aivcs.errors import ConflictError, LockTimeoutError, NotFoundError
from aivcs.model.run import RunEvent, RunMetadata
from aivcs.store.settings import Settings
from aivcs.testing.race import race

DAY = 86_400
MANY = 20
"""Blobs of one race."""


@pytest.fixture
def open_repo(tmp_path):
    """Opens one store again and again, as so many processes would; it waits for no disk."""
    path = str(tmp_path / ".aivcs")
    FolderStore.init(path)

    def open_repo(**settings):
        return FolderStore.open(path, Settings(durability="none", **settings))

    return open_repo


@pytest.fixture
def repo(open_repo):
    return open_repo()


def object_of(repo, digest):
    return Path(repo.path, "objects", digest[:2], digest[2:])


def put_long_ago(repo, *contents):
    digests = [repo.blobs.put(content) for content in contents]
    then = time.time() - DAY
    for digest in digests:
        os.utime(object_of(repo, digest), (then, then))
    return digests


def collect(repo, **options):
    return [removed.digest for removed in gc.collect(repo, grace=3600, **options)]


@contextmanager
def locked(repo, kind):
    """Holds the lock of the objects as another process would."""
    fd = os.open(Path(repo.path, "objects"), os.O_RDONLY)
    try:
        fcntl.flock(fd, kind)
        yield
    finally:
        os.close(fd)


class TestBetweenMarkingAndDeleting:
    """What others do after gc has read everything, and before it locks the objects."""

    @pytest.fixture
    def meanwhile(self, monkeypatch, open_repo):
        """Lets something happen at that moment, once."""

        def meanwhile(act):
            original = FileCasStore.removal

            def removal(objects):
                monkeypatch.setattr(FileCasStore, "removal", original)
                act(open_repo())
                return original(objects)

            monkeypatch.setattr(FileCasStore, "removal", removal)

        return meanwhile

    def put_it(self, other, digest):
        assert other.blobs.put(b"wanted") == digest

    def pin_it(self, other, digest):
        pin(other, [digest])

    def start_a_run(self, other, digest):
        other.start_run(digest, agent_name="bot")

    def log_it_in_a_run_that_was_read(self, other, digest):
        [run_id] = other.runs.list_run_ids()
        other.runs.append_event(run_id, RunEvent("k", {"deep": [digest]}))

    def finish_with_it_a_run_that_was_read(self, other, digest):
        [run_id] = other.runs.list_run_ids()
        finish(other, run_id, state=digest)

    def promote_it(self, other, digest):
        other.promote("new/bot", digest, by="me")

    def promote_it_under_a_name_that_was_read(self, other, digest):
        other.promote("bot", digest, by="me")

    def refer_to_it_by_a_manifest(self, other, digest):
        manifest = other.blobs.put(f'{{"prompt":"{digest}"}}'.encode())
        other.start_run(manifest, agent_name="bot")

    def replace_a_log_by_one_of_the_same_size(self, other, digest):
        [run_id] = other.runs.list_run_ids()
        log = Path(other.path, "runs", run_id[:2], f"{run_id}.jsonl")
        size = log.stat().st_size
        log.unlink()
        # Another run's log under this name says what gc must read, not what it is named for.
        new = other.start_run(digest, agent_name="b").run_id
        path = Path(other.path, "runs", new[:2], f"{new}.jsonl")
        os.rename(path, log)
        assert abs(log.stat().st_size - size) < 200

    @pytest.mark.parametrize(
        "act",
        [name for name in dict.fromkeys(locals()) if "_it" in name or name.startswith("replace")]
        + ["start_a_run"],
    )
    def test_counts(self, repo, meanwhile, act):
        first = repo.blobs.put(b"first")
        repo.start_run(first, agent_name="bot")
        repo.promote("bot", first, by="me")
        wanted, garbage = put_long_ago(repo, b"wanted", b"garbage")
        meanwhile(lambda other: getattr(self, act)(other, wanted))
        assert collect(repo) == [garbage]
        assert repo.blobs.get(wanted) == b"wanted"

    def test_counts_for_rm(self, repo, meanwhile):
        [wanted] = put_long_ago(repo, b"wanted")
        meanwhile(lambda other: other.start_run(wanted, agent_name="bot"))
        with pytest.raises(ConflictError, match=wanted):
            rm(repo, [wanted])
        assert repo.blobs.contains(wanted)

    def test_a_parent_that_is_put_again_keeps_what_it_names(self, repo, meanwhile):
        prompt, garbage = put_long_ago(repo, b"prompt", b"garbage")
        text = f'["{prompt}"]'.encode()
        put_long_ago(repo, text)
        meanwhile(lambda other: other.blobs.put(text))
        assert collect(repo) == [garbage]
        assert repo.blobs.get(prompt) == b"prompt"

    def test_what_was_referred_to_before_it_was_put_keeps_what_it_names(self, repo, meanwhile):
        [prompt] = put_long_ago(repo, b"prompt")
        text = f'["{prompt}"]'.encode()
        repo.runs.create_run(sha256(text).hexdigest(), RunMetadata("bot"))
        meanwhile(lambda other: other.blobs.put(text))
        assert collect(repo) == []
        assert repo.blobs.get(prompt) == b"prompt"

    def test_damage_that_appears_stops_it(self, repo, meanwhile):
        put_long_ago(repo, b"garbage")
        run_id = repo.start_run(repo.blobs.put(b"first"), agent_name="bot").run_id
        log = Path(repo.path, "runs", run_id[:2], f"{run_id}.jsonl")
        meanwhile(lambda _: log.write_bytes(log.read_bytes().replace(b'"bot"', b'"BOT"')))
        with pytest.raises(Exception, match="damaged"):
            collect(repo)
        assert len(list(repo.blobs.list_digests())) == 2


def test_a_blob_goes_before_those_that_it_names(repo):
    names = put_long_ago(repo, *(b"leaf %d" % number for number in range(5)))
    layers = [names]
    for _ in range(4):
        names = put_long_ago(
            repo, *(f'["{one}","{two}"]'.encode() for one in names for two in names[:1])
        )
        layers.append(names)
    gone = collect(repo)
    assert sorted(gone) == sorted(digest for layer in layers for digest in layer)
    for below, above in pairwise(layers):
        for index, digest in enumerate(above):
            assert gone.index(digest) < gone.index(below[index])
            assert gone.index(digest) < gone.index(below[0])


def test_garbage_that_is_damaged_goes(repo):
    [digest] = put_long_ago(repo, b'{"a":1}')
    path = object_of(repo, digest)
    path.chmod(0o644)
    path.write_bytes(b'["%b"]' % digest.encode())
    os.utime(path, (0, 0))
    assert collect(repo) == [digest]


class TestTheLock:
    def test_keeps_gc_and_rm_waiting_for_who_relies_on_a_blob(self, repo, open_repo):
        [digest] = put_long_ago(repo, b"garbage")
        other = open_repo(lock_timeout=0.05)
        with repo.hold():
            for remove in (collect, lambda repo: rm(repo, [digest])):
                with pytest.raises(LockTimeoutError):
                    remove(other)
        assert repo.blobs.contains(digest)
        assert collect(other) == [digest]

    def test_keeps_who_puts_or_refers_waiting_for_gc(self, repo, open_repo):
        digest = repo.blobs.put(b"spec")
        run_id = repo.start_run(digest, agent_name="bot").run_id
        other = open_repo(lock_timeout=0.05)
        with repo.store.objects.removal():
            for act in (
                lambda: other.blobs.put(b"spec"),
                lambda: other.blobs.put(b"new"),
                lambda: other.blobs.put_stream(BytesIO(b"x" * (2 << 20))),
                lambda: other.start_run(digest, agent_name="bot"),
                lambda: finish(other, run_id, state=digest),
                lambda: other.promote("bot", digest, by="me"),
                lambda: pin(other, [digest]),
            ):
                with pytest.raises(LockTimeoutError):
                    act()
        assert list(Path(repo.path, "tmp").iterdir()) == []
        assert other.blobs.put(b"new")

    def test_does_not_keep_readers_waiting_nor_events_without_blobs(self, repo, open_repo):
        digest = repo.blobs.put(b"spec")
        run_id = repo.start_run(digest, agent_name="bot").run_id
        other = open_repo(lock_timeout=0)
        with repo.store.objects.removal():
            assert other.blobs.get(digest) == b"spec"
            assert other.blobs.contains(digest)
            assert other.runs.append_event(run_id, RunEvent("k")) == 1
            assert collect(other, dry_run=True) == []
            finish(other, run_id)

    def test_is_shared_by_any_number(self, repo, open_repo):
        with repo.hold(), open_repo(lock_timeout=0).hold():
            open_repo(lock_timeout=0).blobs.put(b"x")

    def test_is_held_until_the_outermost_block_ends(self, repo, open_repo):
        other = open_repo(lock_timeout=0)

        def is_free():
            try:
                with other.store.objects.removal():
                    return True
            except LockTimeoutError:
                return False

        with repo.hold(later=True):
            assert is_free()
            with repo.hold(later=True):
                repo.blobs.put(b"x")
                assert not is_free()
            assert not is_free()
        assert is_free()
        with repo.hold():
            repo.blobs.put(b"x")
            with repo.hold():
                pass
            assert not is_free()
        assert is_free()
        with pytest.raises(ZeroDivisionError), repo.hold():
            raise ZeroDivisionError
        assert is_free()

    def test_lasts_until_every_thread_has_left_it(self, repo, open_repo):
        other = open_repo(lock_timeout=0)
        inside, leave = threading.Event(), threading.Event()

        def stay():
            with repo.hold():
                inside.set()
                leave.wait(10)

        thread = threading.Thread(target=stay)
        thread.start()
        assert inside.wait(10)
        with repo.hold():
            pass
        with pytest.raises(LockTimeoutError), other.store.objects.removal():
            pass
        leave.set()
        thread.join()
        with other.store.objects.removal():
            pass

    def test_needs_no_folder_to_be_there(self, repo):
        Path(repo.path, "objects").rmdir()
        with repo.hold():
            assert repo.blobs.put(b"x")

    def test_exits_11_in_time(self, aivcs):
        digest = aivcs.put(b"x")
        repo = Repository.open(str(aivcs.store))
        with locked(repo, fcntl.LOCK_SH):
            aivcs("--lock-timeout", "0.1", "blob", "rm", digest, code=11)
            assert aivcs.ok("gc", "--grace", "0s", "--dry-run").lines
            os.utime(aivcs.object(digest), (0, 0))
            aivcs("--lock-timeout", "0.1", "gc", code=11)
        with locked(repo, fcntl.LOCK_EX):
            aivcs("--lock-timeout", "0.1", "blob", "put", "-", stdin=b"x", code=11)
            start = ("run", "start", "--agent", "bot", "--spec", digest)
            aivcs("--lock-timeout", "0.1", *start, code=11)
            aivcs("--lock-timeout", "0.1", "release", "promote", "bot", digest, code=11)
        assert aivcs.ok("blob", "get", digest).out == b"x"


class TestRaces:
    def race_puts(self, open_repo, rounds):
        """Races gc with puts of the same blobs, old ones; returns how often each was first."""
        repo = open_repo()
        deleted = kept = 0
        for number in range(rounds):
            contents = [b"%d of %d" % (index, number) for index in range(MANY)]
            digests = sorted(put_long_ago(repo, *contents))
            by_digest = {sha256(content).hexdigest(): content for content in contents}

            def act(index, digests=digests, by_digest=by_digest):
                other = open_repo()
                if index:
                    time.sleep(random.random() / 500)
                    return [other.blobs.put(by_digest[digest]) for digest in digests]
                return collect(other)

            outcomes = race(2, act)
            assert outcomes.raised == []
            removed, put = outcomes.returned
            assert put == digests
            assert [digest for digest in put if not repo.blobs.contains(digest)] == []
            deleted += len(removed)
            kept += MANY - len(removed)
            rm(repo, digests, force=True)
        return deleted, kept

    def test_a_digest_that_put_returns_is_there(self, open_repo):
        deleted = 0
        while not deleted:  # or nothing was raced
            deleted, kept = self.race_puts(open_repo, 150)
        assert kept

    @pytest.mark.slow
    def test_a_digest_that_put_returns_is_there_every_time(self, open_repo):
        deleted, kept = self.race_puts(open_repo, 2000)
        assert deleted
        assert kept

    def race_starts(self, open_repo, rounds):
        """Races gc with starts of a run of an old spec; returns how often each was first."""
        repo = open_repo()
        started = refused = 0
        for number in range(rounds):
            prompt, tool = put_long_ago(repo, b"prompt %d" % number, b"tool %d" % number)
            tools = f'{{"tool":"{tool}"}}'.encode()
            [manifest] = put_long_ago(repo, tools)
            spec_text = f'{{"prompt":"{prompt}","tools":["{manifest}"]}}'.encode()
            [spec] = put_long_ago(repo, spec_text)

            def act(index, spec=spec):
                other = open_repo()
                if index:
                    time.sleep(random.random() / 250)
                    return other.start_run(spec, agent_name="bot").run_id
                return collect(other)

            outcomes = race(2, act)
            if outcomes.raised:
                assert [type(error) for error in outcomes.raised] == [NotFoundError]
                refused += 1
                continue
            started += 1
            for digest in (spec, prompt, manifest, tool):
                assert repo.blobs.contains(digest)
            [_, run_id] = outcomes.returned
            Path(repo.path, "runs", run_id[:2], f"{run_id}.jsonl").unlink()
        return started, refused

    def test_a_run_that_was_started_has_its_spec_and_all_that_that_names(self, open_repo):
        started, refused = self.race_starts(open_repo, 100)
        assert started
        assert refused

    @pytest.mark.slow
    def test_a_run_that_was_started_has_its_spec_every_time(self, open_repo):
        started, refused = self.race_starts(open_repo, 2000)
        assert started
        assert refused

    def race_processes(self, aivcs, rounds):
        names = [f"file{index}" for index in range(MANY)]
        deleted = kept = 0
        pause = 0.2
        for number in range(rounds):
            for name in names:
                (aivcs.folder / name).write_text(f"{name} {number}")
            digests = aivcs.ok("blob", "put", *names).lines
            for digest in digests:
                os.utime(aivcs.object(digest), (0, 0))
            collecting = aivcs.start("gc", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(random.uniform(0, pause))
            assert aivcs.ok("blob", "put", *names).lines == digests
            out, err = collecting.communicate(timeout=60)
            assert collecting.returncode == 0, err
            removed = {line.split(b"\t")[0].decode() for line in out.splitlines()}
            deleted += len(removed)
            kept += MANY - len(removed)
            # How long gc takes to come so far is the machine's affair; the two are to meet.
            pause = min(2, pause * 1.3) if len(removed) < MANY else pause * 0.7
            assert all(aivcs.object(digest).exists() for digest in digests)
        return deleted, kept

    def test_with_real_processes(self, aivcs):
        self.race_processes(aivcs, 5)

    @pytest.mark.slow
    def test_with_many_real_processes(self, aivcs):
        deleted, kept = self.race_processes(aivcs, 60)
        assert deleted
        assert kept

    def test_gc_gets_its_turn_beside_many_who_put(self, open_repo):
        stop = threading.Event()

        def act(index):
            other = open_repo()
            if index:
                while not stop.is_set():
                    other.blobs.put(b"%d" % index)
                return []
            try:
                return collect(other)
            finally:
                stop.set()

        [garbage] = put_long_ago(open_repo(), b"garbage")
        outcomes = race(5, act)
        assert outcomes.raised == []
        assert outcomes.returned[0] == [garbage]


def can_trace():
    try:
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.mark.skipif(not can_trace(), reason="there is no strace that works here")
def test_killed_at_any_deletion_it_has_lost_nothing_live(aivcs):
    prompt = aivcs.put(b"prompt")
    tool = aivcs.put(b"tool")
    spec = f'{{"prompt":"{prompt}","tools":["{tool}"]}}'
    aivcs.begin("bot", spec)
    live = {prompt, tool, aivcs.put(spec)}
    garbage = {aivcs.put(b"garbage %d" % number) for number in range(6)}
    (aivcs.store / "tmp" / "2147483647-0123456789ab").write_bytes(b"x")
    for path in [*(aivcs.store / "objects").rglob("*"), *(aivcs.store / "tmp").iterdir()]:
        if path.is_file():
            os.utime(path, (0, 0))
    killed = 0
    for step in range(1, 20):
        done = subprocess.run(
            [
                "strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=unlink,unlinkat",
                "-e", f"inject=unlink,unlinkat:signal=SIGKILL:when={2 if step % 2 else 1}",
                sys.executable, "-m", "aivcs", "gc",
            ],
            cwd=aivcs.folder,
            env=aivcs.environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )  # fmt: skip
        stored = set(aivcs.ok("blob", "ls").lines)
        assert live <= stored <= live | garbage
        assert b"no damage found" in aivcs.ok("verify").err
        if done.returncode == 0:
            break
        assert done.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}, done.stderr
        killed += 1
    assert killed >= 7  # each object at least once before it goes, and the leftover
    assert set(aivcs.ok("blob", "ls").lines) == live
    assert list((aivcs.store / "tmp").iterdir()) == []
