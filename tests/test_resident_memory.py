"""Memory does not grow with the store: the most that a command has resident, of a long and a short.

What a command needs for any long content (buffers, OpenSSL, SQLite) is a few MiB and stays so; what
the bound is to catch, something of each digest, line or name in memory, would be beyond it by as
much again.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND
from folder_store import FolderStore

from aivcs.log.heads import manifest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunSummary
from aivcs.store.settings import Settings

MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10
"""How `getrusage` counts a MiB."""
MUCH = 10
"""MiB that a command may need beyond what it needs for next to nothing."""
_PEAK = """
import os, resource, sys
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
sys.stderr.write(f"\\n{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}\\n")
"""
"""Starts a program and tells its exit code and its most memory resident. A process of its own and
small, since the system counts the memory of who starts a process to that process."""


@pytest.fixture
def stores(tmp_path):
    """Makes stores, and measures commands in them."""
    return Stores(tmp_path)


class Stores:
    def __init__(self, folder):
        self.folder = folder

    def make(self, name):
        return FolderStore.init(
            str(self.folder / name / ".aivcs"), settings=Settings(durability="none")
        )

    def peak(self, name, *arguments, code=0):
        """The most memory that a command had in a store, in MiB, and what it printed."""
        done = subprocess.run(
            [sys.executable, "-S", "-c", _PEAK, *COMMAND, *arguments],
            cwd=self.folder / name,
            capture_output=True,
            text=True,
            check=True,
        )
        actual, peak = map(int, done.stderr.split()[-2:])
        assert actual == code, done.stderr
        return peak / MIB, done.stdout


def digests(count):
    return [hashlib.sha256(b"%d" % number).hexdigest() for number in range(count)]


def put_quickly(store, content):
    digest = hashlib.sha256(content).hexdigest()
    folder = Path(store.path, "objects", digest[:2])
    folder.mkdir(exist_ok=True)
    (folder / digest[2:]).write_bytes(content)


def test_verify_of_a_long_release_log(stores):
    for name, count in (("short", 10), ("long", 50_000)):
        store = stores.make(name)
        specs = [store.blobs.put(b"one"), store.blobs.put(b"two")]
        for number in range(count):
            store.releases.promote("bot", specs[number % 2], ReleaseMetadata("ci"))
    short, _ = stores.peak("short", "verify")
    long, _ = stores.peak("long", "verify")
    assert long - short < MUCH


def test_gc_of_much_that_is_referred_to_and_much_that_is_not(stores):
    for name, count in (("short", 10), ("long", 42_000)):
        store = stores.make(name)
        named = digests(count)
        store.pin(store.blobs.put(json.dumps(named).encode()))
        for number in range(0, count, 6):
            put_quickly(store, b"%d" % number)
            put_quickly(store, b"garbage %d" % number)
    short, listed = stores.peak("short", "gc", "--dry-run", "--grace", "0s")
    assert len(listed.splitlines()) == 2
    long, listed = stores.peak("long", "gc", "--dry-run", "--grace", "0s")
    assert len(listed.splitlines()) == 7_000
    assert long - short < MUCH


def test_verify_against_a_long_manifest(stores):
    for name, count in (("short", 10), ("long", 60_000)):
        store = stores.make(name)
        heads = [(f"run/{RunId(digest[:32])}", Head(1, digest)) for digest in digests(count)]
        head = store.blobs.put(manifest(heads))
        peak, listed = stores.peak(name, "verify", "--head", head, code=14)
        assert len(listed.splitlines()) == count  # of none of these runs is there a log
        if name == "short":
            short = peak
    assert peak - short < MUCH


def test_report_of_many_runs_and_of_a_long_one(stores):
    for name, count in (("short", 2), ("long", 800)):
        store = stores.make(name)
        spec = store.blobs.put(b"spec")
        for number in range(count):
            run = store.runs.create_run(spec, RunMetadata("bot"))
            events = [RunEvent("tool_called", {"tool_name": "t", "input": "x" * 2000})] * 10
            store.runs.append_events(run, events * (count if number == 0 else 1))
            store.runs.fail_run(run, RunSummary(success=False))
    short, _ = stores.peak("short", "report")
    long, page = stores.peak("long", "report")
    assert page.count("✗ failed") > 800
    assert long - short < MUCH
