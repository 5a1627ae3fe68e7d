"""Copies that are killed at any moment go on when they are repeated, and lose or add nothing."""

import random
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest
from servers import postgres
from servers.s3 import BUCKET, moto
from sync.conftest import content, logs

from aivcs import Repository

server, database = postgres.server, postgres.database
RUNS = 60
RUNNERS = 8
RUNS_EACH = {"folder": 100, "s3": 20, "postgresql": 20}
"""Fewer where a server that all share with the tests would take minutes."""


def fill(aivcs, runs, agent="bot"):
    """Records runs with events and a blob each; one has not ended."""
    repo = Repository.open(aivcs.store)
    spec = repo.blobs.put(f"the spec of {agent}".encode())
    for number in range(runs):
        run = repo.start_run(spec, agent_name=agent)
        digest = repo.blobs.put(f"{agent} {number}".encode() * 500)
        for n in range(5):
            run.log("step", n=n, file={"$blob": digest})
        if number:
            run.complete()
    repo.store.close()


def start(aivcs, *words, cwd=None):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "aivcs", *map(str, words)],
        cwd=cwd or aivcs.folder, env=aivcs.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def kill_some(aivcs, *words, seed, times=5):
    """Starts a command some times and kills it at random moments."""
    chance = random.Random(seed)
    for _ in range(times):
        process = start(aivcs, *words)
        time.sleep(chance.uniform(0.15, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("seed", range(2))
class TestKilled:
    def test_a_pull_goes_on(self, store, seed):
        there, here = store("there"), store("here")
        fill(there, RUNS)
        here.ok("remote", "add", "origin", str(there.store))
        kill_some(here, "pull", seed=seed)
        here.ok("pull")
        assert logs(here) == logs(there)
        assert here.ok("head").text == there.ok("head").text
        here.ok("verify")

    def test_a_clone_goes_on(self, store, seed, tmp_path):
        there = store("there")
        fill(there, RUNS)
        there.ok("release", "promote", "bot", there.put(b"live"), "--by", "ann")
        kill_some(there, "clone", ".", "../copy", seed=seed)
        there.ok("clone", ".", "../copy")
        copy = type(there)(tmp_path / "copy", there.home)
        assert logs(copy) == logs(there)
        assert copy.ok("head").text == there.ok("head").text
        assert {p for p in content(there) if p.startswith("objects/")} == {
            p for p in content(copy) if p.startswith("objects/")
        }
        copy.ok("verify")

    def test_a_clone_of_a_bundle_goes_on(self, store, seed, tmp_path):
        there = store("there")
        fill(there, RUNS)
        there.ok("release", "promote", "bot", there.put(b"live"), "--by", "ann")
        there.ok("bundle", "create", "../b.tar")
        seconds, code = random.Random(seed).uniform(0.1, 0.2), -signal.SIGKILL
        while code == -signal.SIGKILL:
            process = start(there, "clone", "../b.tar", "../copy")
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                code = process.wait()
            seconds *= 1.4
        assert code in {0, 2}  # 2 if the one that was killed had come to its end
        copy = type(there)(tmp_path / "copy", there.home)
        assert logs(copy) == logs(there)
        assert copy.ok("head").text == there.ok("head").text
        copy.ok("verify")

    def test_a_bundle_is_there_whole_or_not_at_all(self, store, seed, tmp_path):
        there = store("there")
        fill(there, RUNS)
        before = content(there)
        chance = random.Random(seed)
        for _ in range(5):
            process = start(there, "bundle", "create", "../b.tar")
            time.sleep(chance.uniform(0.15, 1.0))
            process.send_signal(signal.SIGKILL)
            process.wait()
            if (tmp_path / "b.tar").exists():
                there.ok("bundle", "verify", "../b.tar")
                (tmp_path / "b.tar").unlink()
        head = there.ok("bundle", "create", "../b.tar").text
        there.ok("bundle", "verify", "../b.tar", "--head", head)
        assert content(there) == before


def push_all(runners, url):
    """Lets all runners push at once, killed at random and tried again."""

    def work(number, aivcs):
        kill_some(aivcs, "push", url, seed=number, times=4)
        end = time.monotonic() + 400
        while start(aivcs, "push", url).wait() and time.monotonic() < end:
            pass

    threads = [
        threading.Thread(target=work, args=(number, aivcs)) for number, aivcs in enumerate(runners)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3", "postgresql"])
def test_eight_runners_push_at_once_and_every_run_is_there_once(
    store, kind, server, database, request
):
    runners = [store(f"runner{number}") for number in range(RUNNERS)]
    team = store("team")
    url, running = str(team.store), None
    if kind == "postgresql":
        url = server.url(database)
    if kind == "s3":
        pytest.importorskip("obstore", reason="the extra s3 is not installed")
        running = moto()
        request.addfinalizer(running.stop)
        url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        for aivcs in (team, *runners):
            plain = aivcs.environment
            aivcs.environment = lambda plain=plain, **changes: plain(
                **{**running.environment(), **changes}
            )
        team.ok("init", url)
    for number, aivcs in enumerate(runners):
        fill(aivcs, RUNS_EACH[kind], f"bot{number}")
    push_all(runners, url)
    team.ok("--store", url, "verify", timeout=300)
    team.ok("clone", url, "copy", timeout=300)
    copy = type(team)(team.folder / "copy", team.home)
    if running is not None:
        copy.environment = team.environment
    wanted: dict[str, bytes] = {}
    for aivcs in runners:
        wanted |= logs(aivcs)
    assert len(wanted) == RUNNERS * RUNS_EACH[kind]
    assert logs(copy) == wanted
    heads = {copy.ok("head").text}
    for seed in range(2):
        merged = store(f"merged{seed}")
        order = list(runners)
        random.Random(seed).shuffle(order)
        for aivcs in order:
            merged.ok("pull", str(aivcs.store), timeout=300)
        heads.add(merged.ok("head").text)
    assert len(heads) == 1
