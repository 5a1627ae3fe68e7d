"""A store whose blobs are in another one: logs in SQLite (of the tests), blobs on S3."""

import time
import uuid

import pytest
from backends import sqlite_driver
from servers.s3 import fake, new_store

from aivcs.api import Repository
from aivcs.backends.hybrid import HybridBackend
from aivcs.backends.s3 import S3Backend
from aivcs.errors import BackendError, ConflictError, NoRepositoryError, UsageError
from aivcs.model.release import ReleaseMetadata
from aivcs.store.settings import Settings
from aivcs.testing import BackendContract

pytest.importorskip("obstore", reason="the extra s3 is not installed")
server = fake
sqlite_driver.register()


@pytest.fixture
def blobs_url(server, monkeypatch, tmp_path):
    """The URL of a new store for blobs."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return new_store(server, f"h/{uuid.uuid4().hex}")


@pytest.fixture
def url(tmp_path):
    found = f"sqlite://{tmp_path}/store.db"
    Repository.init(found)
    return found


@pytest.fixture
def open_repo(url, blobs_url):
    Repository.open(url).store.documents.create("config.toml", f'blobs = "{blobs_url}"\n'.encode())
    opened = []

    def open_repo():
        opened.append(Repository.open(url))
        return opened[-1]

    yield open_repo
    for repo in opened:
        repo.store.close()


class TestBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, url, blobs_url):
        opened = []

        def open_backend():
            opened.append(Repository.open(url, Settings(lock_timeout=10, blobs=blobs_url)))
            return opened[-1].store

        yield open_backend
        for repo in opened:
            repo.store.close()


def test_blobs_are_in_the_other_store(open_repo, url, blobs_url):
    repo = open_repo()
    digest = repo.blobs.put(b"content")
    with repo.start_run(digest, agent_name="bot", allow_missing_spec=True) as run:
        run.log("step", {})
    assert isinstance(repo.store, HybridBackend)
    assert repo.path == url
    assert open_repo().blobs.get(digest) == b"content"
    blobs = Repository.open(blobs_url)
    assert blobs.blobs.get(digest) == b"content"
    assert list(blobs.store.logs.names()) == []
    blobs.store.close()


def test_garbage_is_collected_in_the_store_that_refers(open_repo, blobs_url):
    from aivcs.commands.store.gc import collect

    repo = open_repo()
    kept, gone = repo.blobs.put(b"kept"), repo.blobs.put(b"gone")
    repo.pin(kept)
    blobs = Repository.open(blobs_url)
    with pytest.raises(BackendError, match="blobs of another store"):
        list(collect(blobs, grace=0))
    blobs.store.close()
    repo.store.now = lambda: repo.store._blobs.now() + 10
    assert [blob.digest for blob in collect(repo, grace=0)] == [gone]
    assert list(repo.blobs.list_digests()) == [kept]


def test_the_trash_is_emptied_by_what_the_other_store_says(open_repo, blobs_url, monkeypatch):
    """A lock that was lost in the middle of a removal may have let somebody refer to a blob."""
    monkeypatch.setattr("aivcs.backends.s3.backend.S3Backend.trash_seconds", 0.0)
    repo = open_repo()
    digest = repo.blobs.put(b"content")
    with repo.store.objects.removal() as removal:
        assert removal.remove(digest)
    repo.pin(digest)
    time.sleep(1.1)
    blobs = Repository.open(blobs_url)
    moment = blobs.store.now() + 60
    with pytest.raises(BackendError, match="blobs of another store"):
        blobs.store.sweep(moment, delete=True)
    blobs.store.close()
    repo.store.sweep(moment, delete=True)
    assert list(repo.blobs.list_digests()) == [digest]
    assert repo.blobs.get(digest) == b"content"


def test_a_store_has_the_blobs_of_one_other(open_repo, blobs_url, tmp_path):
    open_repo().blobs.put(b"content")
    other = f"sqlite://{tmp_path}/other.db"
    Repository.init(other)
    with pytest.raises(ConflictError, match="the blobs of another store"):
        Repository.open(other, Settings(blobs=blobs_url))


def test_a_store_with_runs_has_no_blobs_of_others(url, blobs_url):
    repo = Repository.open(blobs_url)
    repo.start_run(repo.blobs.put(b"spec"), agent_name="bot", allow_missing_spec=True)
    repo.store.close()
    with pytest.raises(ConflictError, match="runs and releases of its own"):
        Repository.open(url, Settings(blobs=blobs_url))


@pytest.fixture
def closed(monkeypatch):
    """The classes of the stores that were closed, one for each opening."""
    closed = []
    for backend in (sqlite_driver.SqliteBackend, S3Backend):
        close = backend.close

        def recording(self, close=close):
            closed.append(type(self).__name__)
            close(self)

        monkeypatch.setattr(backend, "close", recording)
    return closed


def test_both_are_closed_when_one_cannot_have_the_blobs(url, blobs_url, closed, tmp_path):
    with pytest.raises(BackendError, match="cannot keep the blobs"):
        Repository.open(url, Settings(blobs=url))
    assert closed == ["SqliteBackend"] * 2
    closed.clear()
    other = f"sqlite://{tmp_path}/other.db"
    Repository.init(other)
    Repository.open(other, Settings(blobs=blobs_url)).store.close()
    assert sorted(closed) == ["S3Backend", "SqliteBackend"]
    with pytest.raises(ConflictError, match="the blobs of another store"):
        Repository.open(url, Settings(blobs=blobs_url))
    assert sorted(closed) == ["S3Backend"] * 2 + ["SqliteBackend"] * 2


def test_one_is_closed_when_the_other_cannot_be(open_repo, closed, monkeypatch):
    def refuse(self):
        raise BackendError("cannot close")

    repo = open_repo()
    with monkeypatch.context() as patched:
        patched.setattr(S3Backend, "close", refuse)
        with pytest.raises(BackendError, match="cannot close"):
            repo.store.close()
    assert closed == ["SqliteBackend"]


def test_the_place_of_anothers_blobs_takes_no_runs_or_releases(open_repo, blobs_url):
    spec = open_repo().blobs.put(b"spec")
    place = Repository.open(blobs_url)
    with pytest.raises(ConflictError, match="has the blobs of another store"):
        place.start_run(spec, agent_name="bot", allow_missing_spec=True)
    with pytest.raises(ConflictError, match="recorded in that store"):
        place.releases.promote("bot", spec, ReleaseMetadata(promoted_by="ann"))
    assert list(place.store.logs.names()) == []
    place.store.close()


def test_a_place_that_cannot_have_the_blobs_is_refused_before_it_is_named(
    command_over, server, open_repo, blobs_url
):
    open_repo()  # whose blobs are there
    aivcs = command_over(server)
    aivcs.ok("init")
    for place, code in ((blobs_url, 15), (f"{blobs_url}x", 10), ("/tmp/none", 10)):
        aivcs("config", "set", "blobs", place, code=code)
        assert aivcs.ok("config", "get", "blobs").text == ""
    aivcs.ok("status")


def test_a_configuration_that_names_a_wrong_place_can_be_mended(
    command_over, server, open_repo, blobs_url
):
    open_repo()
    aivcs = command_over(server)
    aivcs.ok("init")
    aivcs.put("content")
    repo = Repository.open(aivcs.url)
    repo.store.documents.create("config.toml", f'blobs = "{blobs_url}"\n'.encode())
    assert "aivcs config set blobs URL" in aivcs("status", code=15).complaint
    assert aivcs.ok("config", "get", "blobs").text == blobs_url
    assert blobs_url in aivcs.ok("config", "list").text
    aivcs.ok("config", "unset", "blobs")
    aivcs.ok("status")
    other = f"{blobs_url}-other"
    Repository.init(other).store.close()
    done = aivcs.ok("config", "set", "blobs", other)
    assert "are not found any more" in done.err.decode()


def test_only_a_store_with_a_mark_for_it_has_blobs_of_others(url, tmp_path):
    other = f"sqlite://{tmp_path}/other.db"
    Repository.init(other)
    with pytest.raises(BackendError, match="s3://BUCKET/PREFIX"):
        Repository.open(url, Settings(blobs=other))


def test_the_command_uses_both(command_over, server, blobs_url):
    """With a folder for the logs."""
    aivcs = command_over(server)
    del aivcs.variables["AIVCS_STORE"]
    aivcs.ok("init")
    aivcs.ok("config", "set", "blobs", blobs_url)
    done = aivcs("blob", "put", "-", stdin="content", code=10)
    assert blobs_url in done.complaint
    assert "aivcs trust" in done.complaint
    named = {"AIVCS_STORE": str(aivcs.store)}
    digest = aivcs.ok("blob", "put", "-", stdin="content", env=named).text
    assert not aivcs.object(digest).exists()
    aivcs.ok("trust", blobs_url)
    assert aivcs.ok("blob", "get", digest).text == "content"
    run = aivcs.ok("run", "start", "--agent", "bot", "--spec", digest).text
    aivcs.ok("release", "promote", "bot", digest, "--allow-missing-spec")
    assert aivcs.run_log(run).exists()
    aivcs.ok("verify")
    aivcs.ok("gc")


def test_one_that_the_user_names_is_copied_linked_and_stays_trusted(
    command_over, server, blobs_url, tmp_path
):
    aivcs = command_over(server)
    del aivcs.variables["AIVCS_STORE"]
    aivcs.ok("init")
    team, config = tmp_path / "team", aivcs.home / ".config/aivcs/config.toml"
    aivcs.ok("init", team)
    named = {"AIVCS_STORE": f"{team}/.aivcs"}
    aivcs.ok("config", "set", "blobs", blobs_url, env=named)
    digest = aivcs.ok("blob", "put", "-", stdin="content", env=named).text
    run = aivcs.ok("run", "start", "--agent", "bot", "--spec", digest, env=named).text

    assert f"run/{run}" in aivcs.ok("pull", team).text
    assert not config.exists()  # an operand is named for this call
    aivcs.ok("clone", team, tmp_path / "copy")
    assert aivcs.ok("blob", "get", digest, cwd=tmp_path / "copy").text == "content"
    aivcs.ok("pull", cwd=tmp_path / "copy")
    config.unlink()
    aivcs.ok("init", "--link", team / ".aivcs", tmp_path / "linked")
    assert aivcs.ok("blob", "get", digest, cwd=tmp_path / "linked").text == "content"
    config.unlink()
    aivcs.ok("remote", "add", "origin", team)
    aivcs.ok("push")
    aivcs.ok("trust", "--remove", blobs_url)
    for variables in ({}, {"AIVCS_STORE": str(aivcs.store)}):
        assert blobs_url in aivcs("pull", env=variables, code=10).complaint


def test_blobs_stand_in_the_stores_own_configuration_only(aivcs):
    path = aivcs.home / ".config" / "aivcs" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('blobs = "s3://bucket/x"\n')
    aivcs("status", code=2)


def test_a_discovered_store_is_not_believed(aivcs, monkeypatch):
    monkeypatch.setenv("HOME", str(aivcs.home))
    (aivcs.store / "config.toml").write_text('blobs = "s3://bucket/x"\n')
    with pytest.raises(NoRepositoryError, match="which you have not trusted"):
        Repository.discover(aivcs.folder)
    with pytest.raises((BackendError, UsageError)):
        Repository.open(aivcs.store, Settings(blobs="nonsense://x"))
