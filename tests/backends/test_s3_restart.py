"""A server that is killed and started again while many processes record, read, join and collect."""

import subprocess
import sys
import threading
import time

import pytest
from backends.test_s3_servers import path_with_command
from servers.s3 import seaweedfs

from aivcs.api import Repository
from aivcs.commands.store.gc import collect
from aivcs.errors import StorageError
from aivcs.store.settings import Settings

pytest.importorskip("obstore", reason="the extra s3 is not installed")
pytestmark = pytest.mark.slow
WRITERS, EVENTS = 16, 200
FEED = r"""
import json, sys, time
for number in range(int(sys.argv[2])):
    print(json.dumps({"kind": "step", "payload": {"w": int(sys.argv[1]), "i": number}}), flush=True)
    time.sleep(0.15)
"""


@pytest.fixture
def server(tmp_path):
    running = seaweedfs(tmp_path)
    yield running
    running.stop()


class Beside:
    """Something that is done again and again until the end, whatever the server does."""

    def __init__(self, act):
        self.act = act
        self.done = 0
        self.failures = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        while not self.ended.wait(0.1):
            try:
                self.act()
                self.done += 1
            except StorageError as error:
                if not error.is_store_away:
                    self.failures.append(error)
            except AssertionError as error:
                self.failures.append(error)

    def end(self):
        self.ended.set()
        self._thread.join()


def test_sixteen_writers_while_the_server_is_killed_twice(server, command_over, monkeypatch):
    aivcs = command_over(server)
    aivcs.ok("init")
    run = aivcs.begin()
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, aivcs.variables[name])
    over = aivcs.begin()  # there is something to join, and something to collect
    aivcs.ok("run", "log", over, "step")
    aivcs.ok("run", "finish", over)
    settings = Settings(lock_timeout=120)
    readers = [Repository.open(aivcs.url, settings) for _ in range(4)]

    def read():
        seqs = [event.seq for event in readers[0].runs.iter_events(run)]
        assert seqs == list(range(1, len(seqs) + 1))

    def verify():
        found = list(readers[1].store.inspect(frozenset({"runs", "blobs"}), lambda *_: None))
        assert not [finding for finding in found if finding.severity != "notice"]

    def gather(repo):
        list(collect(repo, grace=0))
        repo.store.sweep(repo.store.now(), delete=True)

    environment = aivcs.environment(PATH=path_with_command())
    feeds, writers = [], []
    for number in range(WRITERS):
        feed = subprocess.Popen(
            [sys.executable, "-c", FEED, str(number), str(EVENTS)], stdout=subprocess.PIPE
        )
        writers.append(
            subprocess.Popen(
                ["aivcs", "--lock-timeout", "200", "run", "log", "--stdin", run],
                stdin=feed.stdout,
                env=environment,
                stderr=subprocess.PIPE,
            )  # fmt: skip
        )
        assert feed.stdout is not None
        feed.stdout.close()
        feeds.append(feed)
    beside = [Beside(read), Beside(verify)]
    beside += [Beside(lambda repo=repo: gather(repo)) for repo in readers[2:]]
    try:
        for _ in range(2):
            time.sleep(8)
            server.stop()
            time.sleep(1)
            server.start_again()
        told = [writer.communicate(timeout=240)[1] for writer in writers]
    finally:
        for each in beside:
            each.end()
        for process in (*writers, *feeds):
            process.kill()
            process.wait()
    assert [writer.returncode for writer in writers] == [0] * WRITERS, told
    assert [each.failures for each in beside] == [[], [], [], []]
    assert all(each.done for each in beside)
    events = aivcs.events(run)
    assert [event["seq"] for event in events] == list(range(1, WRITERS * EVENTS + 1))
    stored = [(event["payload"]["w"], event["payload"]["i"]) for event in events]
    assert len(set(stored)) == WRITERS * EVENTS
    for number in range(WRITERS):  # each in the order in which it was given
        assert [i for w, i in stored if w == number] == list(range(EVENTS))
    aivcs.ok("verify")
