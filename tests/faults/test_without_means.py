"""No thread to be had, no descriptor to load a module with: slower, or refused, but never worse."""

import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import threading

import pytest
from faults.test_resources import completed, limited

from aivcs.api import Repository
from aivcs.backends.fs import files
from aivcs.backends.fs.objects import syncing

LONG = bytes(9 << 20)


@pytest.fixture
def repo(tmp_path):
    return Repository.init(tmp_path)


@pytest.fixture
def no_threads(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.fixture
def synced(monkeypatch):
    """The inodes of all files that were made durable one by one."""
    inodes = set()
    sync = files._sync_data

    def record(fd):
        inodes.add(os.fstat(fd).st_ino)
        sync(fd)

    monkeypatch.setattr(files, "_sync_data", record)
    monkeypatch.setattr(syncing, "_TYPES", frozenset())
    return inodes


def require_synced(repo, digests, synced):
    for digest in digests:
        path = f"{repo.path}/objects/{digest[:2]}/{digest[2:]}"
        assert os.stat(path).st_ino in synced, digest


@pytest.mark.usefixtures("no_threads")
def test_without_threads_all_that_is_acknowledged_is_durable(repo, synced):
    before = len(os.listdir("/dev/fd"))
    digests = list(repo.blobs.put_many(io.BytesIO(b"%d" % number) for number in range(700)))
    assert len(digests) == 700
    require_synced(repo, digests, synced)
    assert len(os.listdir("/dev/fd")) == before


def test_what_cannot_be_loaded_leaves_nothing_unsynced(repo, synced, monkeypatch):
    def refuse(*_):
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr(syncing, "_should_sync_all", refuse)
    digests = list(repo.blobs.put_many(io.BytesIO(b"%d" % number) for number in range(700)))
    assert len(digests) == 700
    require_synced(repo, digests, synced)


@pytest.mark.usefixtures("no_threads")
def test_without_threads_long_contents_are_stored_and_all_is_verified(repo):
    digest = repo.blobs.put_stream(io.BytesIO(LONG))
    assert repo.blobs.get(digest) == LONG
    with open(f"{repo.path}/objects/{digest[:2]}/{digest[2:]}", "r+b") as file:
        file.truncate(9)
    assert [found.where for found in repo.store.inspect(frozenset({"blobs"}))] == [digest]


NOTHING_LEFT = """
import os, resource, sys
from aivcs.api import Repository
import queue, aivcs.backends.fs.objects.copying  # and not what the writing thread asks of Linux

class Hungry:
    pieces = 0
    def read(self, size):
        self.pieces += 1
        if self.pieces == 3:
            try:
                while True:
                    os.dup(0)
            except OSError:
                pass
        return bytes(size) if self.pieces < 200 else b""

repo = Repository.init(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from aivcs.errors import StorageError
try:
    repo.blobs.put_stream(Hungry())
except StorageError as error:
    print(error)
"""


def test_a_long_content_comes_to_an_end_though_nothing_more_can_be_opened(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_LEFT, tmp_path], capture_output=True, timeout=60, check=True
    )
    assert b"Too many open files" in done.stdout
    assert not done.stderr


def test_an_error_that_cannot_be_loaded_is_still_one_of_ours():
    script = """
import resource
from aivcs import errors
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    raise errors.LockTimeoutError("it", 1)
except errors.StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert b"Too many open files" in done.stdout


REFUSED = {
    "release promote team/bot xx": 2,
    "release rollback nobody": 12,
    "run start --agent a --spec team/bot@none-such": 12,
    "run log {run} --": 2,
    "blob get 0000000000": 12,
    "gc --dry-run": 0,
    "blob put new old large": 0,
}


@pytest.mark.parametrize("command", REFUSED)
def test_with_few_descriptors_a_mistake_is_what_it_is_or_says_what_is_lacking(victim, command):
    aivcs = victim.aivcs
    for limit in range(5, 9):
        done = completed(
            aivcs, *victim.arguments(command), preexec_fn=limited(resource.RLIMIT_NOFILE, limit)
        )
        assert done.returncode in {REFUSED[command], 16}, (limit, done)
        if done.returncode == 16:
            assert done.stderr.startswith(b"aivcs: "), (limit, done)
            assert b"open files" in done.stderr or b"too many files" in done.stderr, (limit, done)
            assert done.stderr.count(b"\n") == 1, (limit, done)


def test_what_is_loaded_later_is_exported_as_all_else():
    """Also where nothing was loaded before; and nothing is forgotten in the list."""
    script = """
import aivcs.errors as module
everything = {}
exec("from aivcs.errors import *", everything)
import aivcs.rare_errors
for home in (module, aivcs.rare_errors):
    for name, value in vars(home).items():
        if isinstance(value, type) and value.__module__ == home.__name__ and name[0] != "_":
            assert everything[name] is value, name
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_full_disk_of_temporary_files_is_no_damage_of_a_blob(aivcs):
    """What is to be looked at fits neither into memory nor where temporary files are."""
    aivcs.ok("init")
    names = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(6000)]
    aivcs.ok("release", "promote", "bot", aivcs.put(json.dumps(names).encode()))
    done = completed(aivcs, "verify", preexec_fn=limited(resource.RLIMIT_FSIZE, 20_000))
    assert (done.returncode, done.stdout) == (16, b"")
    assert b"TMPDIR" in done.stderr
