"""`verify` reads with every processor at once, and nobody can tell but by the clock."""

import os
import pty
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from folder_store import FolderStore

from aivcs.backends.fs.check import logs, objects, report, workers
from aivcs.cli.render import progress
from aivcs.cli.session.context import Context
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata
from aivcs.store.settings import Settings
from aivcs.testing.linking import body_of, relink

ALL = frozenset({"blobs", "runs", "releases"})


@pytest.fixture
def store(tmp_path):
    """A store with some of everything, a third of it damaged."""
    store = FolderStore.init(str(tmp_path / ".aivcs"), settings=Settings(durability="none"))
    for number in range(90):
        digest = store.blobs.put(b"%d" % number)
        if number % 3 == 0:
            Path(store.path, "objects", digest[:2], digest[2:]).write_bytes(b"damaged")
    for number in range(12):
        run = store.runs.create_run(digest, RunMetadata("a"))
        for _ in range(3):
            store.runs.append_event(run, RunEvent("step", number))
        store.releases.promote(f"a{number}", digest, ReleaseMetadata("me"))
        if number % 3 == 0:
            log = Path(store.path, "runs", run[:2], f"{run}.jsonl")
            log.write_bytes(log.read_bytes().replace(b"step", b"STEP"))
    return store


@pytest.fixture
def small_tasks(monkeypatch):
    """Hands every object to a thread of its own."""
    monkeypatch.setattr(report, "_TASK_ITEMS", 1)


def processors(monkeypatch, number):
    monkeypatch.setattr(os, "cpu_count", lambda: number)


@pytest.mark.usefixtures("small_tasks")
def test_findings_come_in_the_same_order_however_many_threads_read(store, monkeypatch):
    processors(monkeypatch, 1)
    one = list(store.verify(ALL))
    assert len(one) == 34
    digests = [finding.where for finding in one[:30]]
    assert digests == sorted(digests)
    processors(monkeypatch, 8)
    hash_file = objects.hash_file  # type: ignore[attr-defined]

    def slowly(fd):  # the first takes longest
        time.sleep(0.02 if os.fstat(fd).st_ino % 2 else 0)
        return hash_file(fd)

    monkeypatch.setattr(objects, "hash_file", slowly)
    assert list(store.verify(ALL)) == one


def test_as_many_are_read_at_once_as_there_are_processors(monkeypatch):
    processors(monkeypatch, 3)
    together = threading.Barrier(3, timeout=10)

    def task():
        together.wait()  # passes only if three are here at once
        return threading.current_thread().name

    names = set(workers.ordered_map([task] * 6))
    assert len(names) == 3


def test_never_more_than_that(monkeypatch):
    processors(monkeypatch, 2)
    lock = threading.Lock()
    now, most = [0], [0]

    def task():
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1

    list(workers.ordered_map([task] * 30))
    assert most == [2]


def test_tasks_are_taken_only_as_there_is_room(monkeypatch):
    processors(monkeypatch, 2)
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield lambda number=number: number

    results = workers.ordered_map(tasks())
    assert next(results) == 0
    assert len(taken) < 12
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 12


def test_what_a_task_raises_is_raised(monkeypatch):
    processors(monkeypatch, 2)

    def fail():
        raise ValueError("no")

    results = workers.ordered_map([lambda: 1, fail, lambda: 3])
    assert next(results) == 1
    with pytest.raises(ValueError, match="no"):
        next(results)


def test_who_stops_does_not_wait_for_what_is_not_begun(monkeypatch):
    processors(monkeypatch, 1)
    begun = []
    release = threading.Event()

    def task():
        begun.append(1)
        release.wait(10)

    results = workers.ordered_map([lambda: 0, task, task, task, task, task])
    next(results)
    results.close()  # type: ignore[attr-defined]
    release.set()
    time.sleep(0.05)
    assert len(begun) <= 1


@pytest.mark.usefixtures("small_tasks")
def test_progress_is_told_of_all_that_was_read_in_the_callers_thread(store):
    told = []
    list(
        store.verify(ALL, lambda part, size: told.append((part, size, threading.current_thread())))
    )
    assert {thread for _, _, thread in told} == {threading.current_thread()}
    assert [part for part, _, _ in told] == ["blobs"] * 90 + ["runs"] * 12 + ["releases"] * 12
    assert sum(size for _, size, _ in told) == store.store.measure(ALL)


def test_a_log_with_very_many_problems_is_summed_up(store, monkeypatch):
    monkeypatch.setattr(logs, "_MAX_PROBLEMS", 2)
    run = store.runs.create_run(store.blobs.put(b"x"), RunMetadata("a"))
    store.runs.append_event(run, RunEvent("step"))
    log = Path(store.path, "runs", run[:2], f"{run}.jsonl")
    first, event = map(body_of, log.read_bytes().splitlines())
    log.write_bytes(b"".join(line + b"\n" for line in relink([first, *[event] * 6])))
    found = [finding for finding in store.verify(ALL) if run in finding.where]
    assert [finding.line for finding in found] == [3, 4, None]
    assert found[-1].severity == "damage"
    assert "there are 3 further problems" in found[-1].problem


def test_a_large_store_is_read_in_little_memory(aivcs):
    if not Path("/proc/self/status").exists():
        pytest.skip("how much memory is used cannot be seen here")
    size = 400 << 20
    for name in ("00", "01", "02"):
        path = aivcs.store / "objects" / name / ("0" * 62)
        path.parent.mkdir()
        with path.open("wb") as file:
            file.truncate(size)
    script = "ulimit -v 450000; aivcs blob verify"
    done = aivcs.shell(script)
    assert done.code == 14, done
    assert len(done.lines) == 3


def wait_for(descriptor, text, seconds=20):
    data = b""
    deadline = time.monotonic() + seconds
    while text not in data and time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.1)[0]:
            try:
                data += os.read(descriptor, 65536)
            except OSError:
                break
    return data


@pytest.fixture
def endless(aivcs):
    """A store that takes minutes to read."""
    for name in ("00", "01", "02", "03"):
        path = aivcs.store / "objects" / name / ("0" * 62)
        path.parent.mkdir()
        with path.open("wb") as file:
            file.truncate(1 << 40)
    return aivcs


class TestCommand:
    @pytest.mark.parametrize("sent", [signal.SIGINT])
    def test_quits_at_once_when_interrupted(self, endless, sent):
        process = endless.start("verify", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(sent)
        out, err = process.communicate(timeout=10)
        assert time.monotonic() - began < 2
        assert (process.returncode, out, err) == (-sent, b"", b"")

    def on_a_terminal(self, endless, sent):
        """What a terminal got from a command that was sent a signal as soon as it drew its bar."""
        ours, theirs = pty.openpty()
        process = endless.start(
            "verify", stdout=subprocess.PIPE, stderr=theirs, env={"TERM": "xterm", "COLUMNS": "80"}
        )
        os.close(theirs)
        try:
            seen = wait_for(ours, b"verifying")
            process.send_signal(sent)
            code = process.wait(10)
            return code, seen + wait_for(ours, b"at the end of it all", 5)
        finally:
            process.kill()
            process.communicate()
            os.close(ours)

    def test_shows_a_bar_on_a_terminal_and_takes_it_away(self, endless):
        code, seen = self.on_a_terminal(endless, signal.SIGINT)
        assert code == -signal.SIGINT
        assert b"verifying" in seen
        assert seen.endswith(b"\r\x1b[2K")

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    def test_never_hides_the_cursor_so_that_no_end_of_it_can(self, endless, sent):
        code, seen = self.on_a_terminal(endless, sent)
        assert code == -sent
        assert b"verifying" in seen
        assert b"\x1b[?25" not in seen

    def test_takes_the_bar_away_if_interrupted_while_it_draws_the_first(self, monkeypatch):
        written: list[Any] = []
        monkeypatch.setattr(os, "isatty", lambda descriptor: True)
        monkeypatch.setattr(progress, "_write", written.append)

        def interrupt(bar):
            written.append(b"verifying")
            raise KeyboardInterrupt

        monkeypatch.setattr(progress.Bar, "_draw", interrupt)
        with (
            pytest.raises(KeyboardInterrupt),
            progress.Bar(Context({"TERM": "xterm"}), "verifying", lambda: 1),
        ):
            pass
        assert written == [b"verifying", b"\r\x1b[2K"]

    def test_keeps_what_it_found_apart_from_the_bar(self, aivcs):
        digest = aivcs.put(b"content")
        aivcs.object(digest).write_bytes(b"damaged")
        ours, theirs = pty.openpty()
        process = aivcs.start(
            "verify", stdout=subprocess.PIPE, stderr=theirs, env={"TERM": "xterm"}
        )
        os.close(theirs)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 14
        assert out.startswith(b"damage\t" + digest.encode())
        assert b"\x1b" not in out
        assert b"1 damaged" in wait_for(ours, b"1 damaged")
        os.close(ours)

    @pytest.mark.parametrize("environment", [{}, {"TERM": "xterm"}])
    def test_shows_none_elsewhere(self, aivcs, environment):
        aivcs.put(b"content")
        done = aivcs.ok("verify", env=environment)
        assert (done.out, done.err) == (b"", b"read 1 blob, 0 runs, 0 releases: no damage found\n")
