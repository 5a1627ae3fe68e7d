"""Erasing over S3: what is erased is in no object, no version and no cache, whoever joins runs."""

import threading
import time

import obstore
import pytest
from backends.s3_contracts import s3
from erasure.conftest import SECRET, record
from servers.s3 import BUCKET, moto

from aivcs.backends.s3.chunks import Chunks, key
from aivcs.backends.s3.client import Client
from aivcs.backends.s3.location import Location
from aivcs.backends.s3.sealing import seal
from aivcs.errors import BackendError
from aivcs.log.redaction import redacted_line
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store.remote import RemoteSettings

pytest.importorskip("obstore", reason="the extra s3 is not installed")
__all__ = ["s3"]
SPEC = ContentDigest.from_bytes(b"spec")


@pytest.fixture(scope="module")
def server():
    running = moto()
    yield running
    running.stop()


@pytest.fixture
def aivcs(server, command_over):
    command = command_over(server)
    command.ok("init")
    return command


def botocore_client(server):
    session = pytest.importorskip("botocore.session").Session()
    return session.create_client(
        "s3", endpoint_url=server.url, region_name="us-east-1",
        aws_access_key_id="AKIDTEST", aws_secret_access_key="secretsecret",
    )  # fmt: skip


@pytest.fixture
def versioned(server):
    """Makes the bucket keep versions for a test; returns a client past the product."""
    client = botocore_client(server)

    def set_to(status):
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    set_to("Enabled")
    yield client
    set_to("Suspended")


def holders(server, prefix, text=SECRET):
    """The keys of a store whose objects have a text in them."""
    client = server.client()
    return sorted(
        meta["path"].removeprefix(f"{prefix}/")
        for page in obstore.list(client, prefix)
        for meta in page
        if text.encode() in bytes(obstore.get(client, meta["path"]).bytes())
    )


def redact(aivcs, run, *words, code=0):
    return aivcs("run", "redact", run, *words, "--reason", "leaked", "--by", "ada", code=code)


@pytest.mark.parametrize("is_joined", [False, True])
def test_a_secret_is_gone_from_every_object_by_one_command(aivcs, server, is_joined):
    run = record(aivcs)
    if is_joined:
        aivcs.ok("gc")
        assert f"runs/{run[:2]}/{run}.jsonl" in holders(server, aivcs.prefix)
    head = aivcs.ok("head").text
    redact(aivcs, run, "--match", SECRET, "--with-blobs")
    assert holders(server, aivcs.prefix) == []
    assert not any(
        SECRET.encode() in path.read_bytes() for path in aivcs.home.rglob("*") if path.is_file()
    )
    assert "was erased on purpose by ada" in aivcs.ok("verify", "--head", head).text
    aivcs.ok("verify")
    aivcs.ok("gc")
    assert holders(server, aivcs.prefix) == []
    aivcs.ok("verify")
    assert [event.get("redacted") for event in aivcs.events(run)].count(True) == 3


def test_a_run_that_goes_on_is_redacted_and_goes_on(aivcs, server):
    run = record(aivcs, is_over=False)
    redact(aivcs, run, "6")
    aivcs.ok("run", "log", run, "output", "text=more")
    redact(aivcs, run, "--match", SECRET, "--with-blobs")
    assert holders(server, aivcs.prefix) == []
    aivcs.ok("run", "finish", run)
    aivcs.ok("gc")
    aivcs.ok("verify")


def versions_with(client, prefix, text):
    """Keys and versions of a store that have a text in them."""
    found = client.list_object_versions(Bucket=BUCKET, Prefix=prefix).get("Versions", [])
    return [
        (version["Key"], version["IsLatest"])
        for version in found
        if text.encode()
        in client.get_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])[
            "Body"
        ].read()
    ]


def test_versions_of_what_was_erased_are_gone_too(aivcs, server, versioned):
    run = record(aivcs)
    aivcs.ok("gc")
    assert len(versions_with(versioned, aivcs.prefix, SECRET)) > 3
    redact(aivcs, run, "--match", SECRET, "--with-blobs")
    assert versions_with(versioned, aivcs.prefix, SECRET) == []
    aivcs.ok("verify")


def test_versions_that_stay_are_told(s3, versioned, monkeypatch):
    runs = s3.open().runs
    run = runs.create_run(SPEC, RunMetadata("bot"))
    for number in range(3):
        runs.append_event(run, RunEvent("said", {"text": SECRET, "n": number}))
    logs = s3.open().store.logs
    line = s3.get(key(f"run/{run}", 2))[:-1]
    monkeypatch.setattr("aivcs.backends.s3.signed.SignedRequests.are_possible", False)
    with pytest.raises(BackendError, match="keeps earlier versions of open/run"):
        logs.redact(f"run/{run}", {2: redacted_line(line)})
    assert SECRET.encode() not in s3.get(key(f"run/{run}", 2))
    monkeypatch.undo()


def ended_run(s3, events=4):
    runs = s3.open().runs
    run = runs.create_run(SPEC, RunMetadata("bot"))
    for number in range(events):
        runs.append_event(run, RunEvent("said", {"text": f"{SECRET}-{number}"}))
    runs.complete_run(run, RunSummary(success=True))
    return run


@pytest.mark.parametrize("at", ["before it is joined", "before it is emptied"])
def test_a_run_that_is_joined_meanwhile_brings_nothing_back(s3, monkeypatch, at):
    run = ended_run(s3)
    log = f"run/{run}"
    client = Client(Location(s3.url), RemoteSettings())
    chunks = Chunks(client)
    listed = list(chunks.listed(log))
    stubs = {n: redacted_line(s3.get(key(log, n))[:-1]) for n in (2, 3, 4)}
    with monkeypatch.context() as patched:
        if at == "before it is joined":
            patched.setattr(Client, "create", once(Client.create, s3, log, stubs))
        else:
            patched.setattr(Chunks, "empty", once(Chunks.empty, s3, log, stubs))
        seal(client, chunks, log, listed)
    s3.open().store.sweep(time.time(), delete=True)
    client.close()
    for number in (0, 1, 2):
        assert all(f"{SECRET}-{number}".encode() not in s3.get(name) for name in names_in(s3))
    events = s3.open().runs.get_events(run)
    assert [event.redacted for event in events] == [True, True, True, False]


def names_in(s3):
    """The keys of all objects of a store."""
    return s3.keys()


def once(act, s3, log, stubs):
    """The method, before whose first call some lines are erased."""
    done: list[bool] = []

    def acted(self, *words):
        if not done:
            done.append(True)
            s3.open().store.logs.redact(log, stubs)
        return act(self, *words)

    return acted


def test_writers_that_erase_at_once_erase_all(s3):
    runs = s3.open().runs
    run = runs.create_run(SPEC, RunMetadata("bot"))
    runs.append_events(run, [RunEvent("said", {"text": SECRET, "n": n}) for n in range(6)])
    runs.append_event(run, RunEvent("said", {}))
    log = f"run/{run}"
    lines = s3.get(key(log, 2)).splitlines()

    def erase(number):
        for _ in range(3):  # as a pending erasure is carried out again
            s3.open().store.logs.redact(log, {number + 2: redacted_line(lines[number])})

    threads = [threading.Thread(target=erase, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        s3.open().store.logs.redact(log, {number + 2: redacted_line(lines[number])})
    assert SECRET.encode() not in s3.get(key(log, 2))


def test_a_removed_run_is_in_no_list_and_no_segment(s3, monkeypatch):
    monkeypatch.setattr("aivcs.backends.s3.index.LEAST", 2)
    made = [ended_run(s3) for _ in range(4)]
    repo = s3.open()
    repo.store.sweep(repo.store.now(), delete=True)
    assert len(repo.runs.list_runs()) == 4
    ended = ended_run(s3)
    repo.store.logs.remove_many([f"run/{made[1]}", f"run/{ended}"])
    left = {made[0], made[2], made[3]}
    assert {found.run_id for found in repo.runs.list_runs()} == left
    assert {found.run_id for found in s3.open().runs.list_runs()} == left
    assert sum(repo.runs.count_runs().values()) == 3
    assert not [name for name in names_in(s3) if made[1] in name or ended in name]
    assert all(made[1].encode() not in s3.get(name) for name in names_in(s3))


def test_an_erased_annotation_is_in_no_version_of_its_document(s3):
    documents = s3.open().store.documents
    documents.create("notes/0b/0b-1/digest", SECRET.encode())
    documents.drop("notes/0b/0b-1/digest")
    assert documents.read("notes/0b/0b-1/digest") is None
    assert all(SECRET.encode() not in s3.get(name) for name in names_in(s3))


def test_an_erased_blob_is_in_no_trash(s3):
    store = s3.open().store
    digest = store.objects.put(SECRET.encode())
    with store.objects.removal() as removal:
        assert removal.remove(digest)
    store.objects.put(SECRET.encode())
    store.logs.forget_blob(digest)
    store.objects.delete(digest)
    assert all(SECRET.encode() not in s3.get(name) for name in names_in(s3))
