"""The contracts over S3, for the test modules of each server: the servers differ, the tests do not.

A subclass gives `server`, a running `servers.s3.Server`.
"""

import uuid

import obstore
import pytest
from servers.s3 import BUCKET, new_store

from aivcs.api import Repository
from aivcs.backends.s3 import chunks
from aivcs.backends.s3.index import row_key
from aivcs.errors import IntegrityError, StorageError
from aivcs.store.settings import Settings
from aivcs.testing import (
    BackendContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)
from aivcs.testing.runs.given import META, SPEC


@pytest.fixture
def s3(server, tmp_path, monkeypatch):
    """A new store on the server, and caches of its own."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    place = Place(server, f"t/{uuid.uuid4().hex}")
    new_store(server, place.prefix)
    yield place
    for repo in place.opened:
        repo.store.close()


class Place:
    """The place of a store, and its objects past the product."""

    def __init__(self, server, prefix):
        self.server = server
        self.prefix = prefix
        self.url = f"s3://{BUCKET}/{prefix}"
        self.opened = []
        self.client = server.client()

    def open(self, **settings):
        repo = Repository.open(self.url, Settings(**{"lock_timeout": 60, **settings}))
        self.opened.append(repo)
        return repo

    def keys(self, folder=""):
        path = f"{self.prefix}/{folder}" if folder else self.prefix
        return [
            meta["path"].removeprefix(f"{self.prefix}/")
            for page in obstore.list(self.client, path)
            for meta in page
        ]

    def get(self, key):
        return bytes(obstore.get(self.client, f"{self.prefix}/{key}").bytes())

    def put(self, key, data):
        obstore.put(self.client, f"{self.prefix}/{key}", data)

    def delete(self, key):
        obstore.delete(self.client, f"{self.prefix}/{key}")

    def rewrite(self, log, edit):
        """Edits the lines of a log, which becomes one chunk, and forgets what is remembered."""
        folder = chunks.folder(log)
        keys = sorted(self.keys(folder))
        text = b"".join(map(self.get, keys))
        lines = edit(text[:-1].split(b"\n"))
        for key in keys:
            self.delete(key)
        if lines:
            self.put(f"{folder}/{1:016d}", b"".join(line + b"\n" for line in lines))
        for repo in self.opened:
            repo.store.logs.forget(log)
        if log.startswith("run/") and lines:
            self._rewrite_row(log[4:], lines[0])

    def _rewrite_row(self, run, line):
        """Moves the row of a run to where its new first line says: nobody else changes one."""
        try:
            new = row_key(line)
        except StorageError:
            return
        for key in self.keys("index/runs"):
            if key.endswith(run):
                self.delete(key)
        if new:
            self.put(new, line + b"\n")


class BackendOverS3(BackendContract):
    @pytest.fixture
    def open_backend(self, s3):
        return lambda: s3.open().store

    def test_nobody_removes_while_others_hold(self, open_backend):
        """Nobody waits here: what is removed while others hold is put back for them."""
        holder, remover = open_backend(), open_backend()
        digest = holder.objects.put(b"abc")
        with holder.hold():
            assert holder.objects.contains(digest)
            with remover.objects.removal() as removal:
                assert removal.remove(digest)
            assert not remover.objects.contains(digest)
            assert holder.objects.get(digest) == b"abc"
            assert holder.objects.contains(digest)
        assert remover.objects.contains(digest)


class BlobsOverS3(CasStoreContract):
    @pytest.fixture
    def open_store(self, s3):
        return lambda: s3.open().blobs

    @pytest.fixture
    def corrupt(self, s3):
        def corrupt(digest, edit):
            key = f"objects/{digest[:2]}/{digest[2:]}"
            s3.put(key, edit(s3.get(key)))

        return corrupt


class RunsOverS3(RunLedgerContract):
    @pytest.fixture
    def open_store(self, s3):
        return lambda: s3.open().runs

    @pytest.fixture
    def rewrite(self, s3):
        return lambda name, edit: s3.rewrite(f"run/{name}", edit)

    def test_runs_that_cannot_be_read_are_named_and_the_others_listed(self, open_store, rewrite):
        """As in the contract, but for a limit: runs that nobody asked for are not read."""
        runs = [open_store().create_run(SPEC, META) for _ in range(3)]
        rewrite(runs[1], lambda lines: [lines[0].replace(b'"bot"', b'"bat"')])
        for selection in ({}, {"agent_name": "nobody"}, {"limit": 3}):
            unread: list[str] = []
            found = open_store().iter_runs(
                **selection, unreadable=lambda run_id, error, unread=unread: unread.append(run_id)
            )
            listed = [record.run_id for record in found]
            assert unread == [runs[1]]
            assert runs[1] not in listed
            with pytest.raises(IntegrityError):
                open_store().list_runs(**selection)
        assert [record.run_id for record in open_store().list_runs(limit=1)] == [runs[2]]
        with pytest.raises(IntegrityError):
            open_store().count_runs()


class ReleasesOverS3(ReleaseRegistryContract):
    @pytest.fixture
    def open_store(self, s3):
        return lambda: s3.open().releases

    @pytest.fixture
    def rewrite(self, s3):
        return lambda name, edit: s3.rewrite(f"release/{name}", edit)
