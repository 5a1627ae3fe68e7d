"""Copies to and from stores on servers: S3 and PostgreSQL, by the real command and in one chain."""

import uuid

import pytest
from servers import postgres
from servers.s3 import BUCKET, fake
from sync.conftest import blobs, logs, record
from sync.test_stores import clone, fill

from aivcs import Repository
from aivcs.commands.bundle.create import create
from aivcs.commands.store.head import take

pytest.importorskip("obstore", reason="the extra s3 is not installed")
server, database, s3 = postgres.server, postgres.database, fake


@pytest.fixture
def bucket(s3, monkeypatch):
    """The URL of a place on S3 that this process reaches, without a store."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/sync/{uuid.uuid4().hex}"


def reaching(aivcs, s3):
    """The command with the variables that lead to S3."""
    plain = aivcs.environment
    aivcs.environment = lambda **changes: plain(**{**s3.environment(), **changes})
    return aivcs


def test_the_head_is_one_on_a_disk_on_s3_in_postgresql_and_in_a_file(
    tmp_path, bucket, server, database
):
    first = Repository.init(tmp_path / "first")
    fill(first)
    head = take(first).digest
    on_s3 = clone(first, Repository.init(bucket))
    assert take(on_s3).digest == head
    in_postgres = clone(on_s3, Repository.open(server.url(database)))
    assert take(in_postgres).digest == head
    path = str(tmp_path / "b.tar")
    assert create(in_postgres, path).heads == head
    last = clone(Repository.open(f"bundle://{path}"), Repository.init(tmp_path / "last"))
    assert take(last).digest == head
    for repo in (on_s3, in_postgres):
        repo.store.close()


def test_the_command_pushes_to_s3_and_pulls_from_it(store, bucket, s3):
    here, other = (reaching(store(name), s3) for name in ("here", "other"))
    here.ok("init", bucket)
    here.ok("remote", "add", "origin", bucket)
    runs = [record(here) for _ in range(3)]
    running = record(here, is_over=False)
    assert len(here.ok("push").lines) == 4
    here.ok("run", "log", running, "more")
    assert here.ok("push").lines == [f"run/{running}\textended\t4"]
    assert here.ok("push").out == b""
    spec = here.put(b"a release")
    here.ok("config", "set", "release.home.prod/*", "origin")
    here.ok("release", "promote", "prod/bot", spec, "--evidence", runs[0], "--by", "ann")
    other.ok("remote", "add", "origin", bucket)
    other.ok("pull")
    assert logs(other) == logs(here)
    assert blobs(here) - blobs(other) == set()
    assert other.ok("release", "current", "origin:prod/bot").text == spec
    other("run", "log", running, "x", code=15)
    other.ok("verify")


@pytest.mark.parametrize("kind", ["postgres", "s3"])
def test_a_run_that_was_redacted_before_its_first_push_is_copied(store, request, kind, s3):
    if kind == "s3":
        url = request.getfixturevalue("bucket")
    else:
        url = request.getfixturevalue("server").url(request.getfixturevalue("database"))
    here, other = (reaching(store(name), s3) for name in ("here", "other"))
    if kind == "s3":
        here.ok("init", url)
    here.ok("remote", "add", "origin", url)
    other.ok("remote", "add", "origin", url)
    runs = [record(here), record(here, is_over=False)]
    for run in runs:
        here.ok("run", "redact", run, "1", "--reason", "a token leaked")
    assert [line.split("\t")[1] for line in here.ok("push").lines if "run/" in line] == ["new"] * 2
    here.ok("run", "log", runs[1], "more")
    here.ok("push")
    other.ok("pull")
    assert logs(other) == logs(here)
    for words in (("--store", url), ()):
        assert "2 notices" in here.ok(*words, "verify").err.decode()


def test_the_command_pushes_to_postgresql_and_pulls_from_it(store, server, database):
    url = server.url(database)
    here, other = store("here"), store("other")
    here.ok("remote", "add", "origin", url)
    for _ in range(3):
        record(here)
    running = record(here, is_over=False)
    here.ok("push")
    here.ok("run", "finish", running)
    assert here.ok("push").lines == [f"run/{running}\textended\t4"]
    other.ok("clone", url, "copy")
    other.ok("remote", "add", "origin", url)
    other.ok("pull")
    assert logs(other) == logs(here)
    assert blobs(other) == blobs(here)
