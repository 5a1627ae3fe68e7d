"""Erasing over S3: what is erased is in no object, no version and no cache, whoever joins runs."""

import threading
import time
from contextlib import suppress

import obstore
import pytest
from backends.s3_contracts import s3
from erasure.conftest import SECRET, record
from servers.s3 import BUCKET, fake

from aivcs.backends.s3.chunks import Chunks, key
from aivcs.backends.s3.client import Client
from aivcs.backends.s3.location import Location
from aivcs.backends.s3.sealing import seal
from aivcs.backends.s3.segments import Segments
from aivcs.backends.s3.signed import SignedRequests
from aivcs.commands.erasing import ErasureRequest
from aivcs.commands.run.rm import rm
from aivcs.errors import BackendError, ConflictError, LockTimeoutError
from aivcs.log.redaction import redacted_line
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store.remote import RemoteSettings

pytest.importorskip("obstore", reason="the extra s3 is not installed")
__all__ = ["s3"]
server = fake
SPEC = ContentDigest.from_bytes(b"spec")


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


@pytest.mark.parametrize("reason", ["no credentials", "all is refused", "the list is refused"])
def test_versions_that_stay_while_versioning_is_suspended_are_told(
    s3, versioned, monkeypatch, reason
):
    log, stubs = two_secrets(s3)
    versioned.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    send, put = SignedRequests.send, Client.put

    def refuse(self, method, place, query):
        if reason == "the list is refused" and "versioning" in query:
            return send(self, method, place, query)
        raise BackendError("403 AccessDenied")

    def write(self, place, data, metadata=None):
        """As Amazon answers, and the server of this test does not."""
        put(self, place, data, metadata)
        return "null"

    monkeypatch.setattr(SignedRequests, "send", refuse)
    if reason == "no credentials":
        monkeypatch.setattr(SignedRequests, "are_possible", False)
    if reason != "the list is refused":
        monkeypatch.setattr(Client, "put", write)
    logs = s3.open().store.logs
    with pytest.raises(BackendError, match="keeps earlier versions of open/run"):
        logs.redact(log, {2: stubs[0], 3: stubs[1]})


def test_a_bucket_that_never_kept_versions_needs_no_right_to_list_them(s3, monkeypatch):
    log, stubs = two_secrets(s3)
    monkeypatch.setattr(SignedRequests, "are_possible", False)
    s3.open().store.logs.redact(log, {2: stubs[0], 3: stubs[1]})
    assert SECRET.encode() not in s3.get(key(log, 2))


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
        s3.open().store.logs.redact(log, {number + 2: redacted_line(lines[number])})

    threads = [threading.Thread(target=erase, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SECRET.encode() not in s3.get(key(log, 2))
    assert s3.keys("erasing") == []


def two_secrets(s3):
    """A log with two secrets in one chunk, and the stubs of their lines."""
    runs = s3.open().runs
    run = runs.create_run(SPEC, RunMetadata("bot"))
    runs.append_events(run, [RunEvent("said", {"text": SECRET, "n": n}) for n in range(2)])
    runs.append_event(run, RunEvent("said", {}))
    log = f"run/{run}"
    return log, [redacted_line(line) for line in s3.get(key(log, 2)).splitlines()]


def test_whoever_comes_while_another_erases_waits_for_it(s3, monkeypatch):
    log, stubs = two_secrets(s3)
    impatient = s3.open(lock_timeout=0.3).store.logs
    put = Client.put
    told: list[str] = []

    def write(self, place, data, metadata=None):
        if place == key(log, 2) and not told:
            with pytest.raises(LockTimeoutError) as refused:
                impatient.redact(log, {2: stubs[0]})
            told.append(str(refused.value))
            with pytest.raises(LockTimeoutError):
                impatient.remove(log)
        return put(self, place, data, metadata)

    monkeypatch.setattr(Client, "put", write)
    s3.open().store.logs.redact(log, {3: stubs[1]})
    assert f"the erasing lock of {log}" in told[0]
    impatient.redact(log, {2: stubs[0]})
    assert s3.get(key(log, 2)).splitlines() == stubs
    assert s3.keys("erasing") == []


def test_an_eraser_that_died_is_waited_for_some_minutes_only(s3, monkeypatch):
    log, stubs = two_secrets(s3)
    left = f"erasing/{log.replace('/', '=')}!/0123456789abcdef"
    s3.put(left, b"ada 1 2026-01-31T12:00:00+00:00\n")
    with pytest.raises(LockTimeoutError):
        s3.open(lock_timeout=0.3).store.logs.redact(log, {2: stubs[0]})
    entries = Client.entries

    def aged(self, folder, after=""):
        for entry in entries(self, folder, after):
            yield entry._replace(modified=entry.modified - 301) if entry.key == left else entry

    monkeypatch.setattr(Client, "entries", aged)
    s3.open(lock_timeout=0.3).store.logs.redact(log, {2: stubs[0], 3: stubs[1]})
    assert s3.get(key(log, 2)).splitlines() == stubs
    assert s3.keys("erasing") == []


def test_an_eraser_that_was_held_up_writes_nothing_more(s3, monkeypatch):
    """Others may have taken it for dead."""
    log, stubs = two_secrets(s3)
    get = Client.get
    late: list[float] = []

    def read(self, place):
        found = get(self, place)
        if place == key(log, 2) and not late:
            late.append(160.0)
        return found

    monkeypatch.setattr(Client, "get", read)
    monkeypatch.setattr("aivcs.backends.s3.erasing_lock.time", lambda: time.time() + sum(late))
    before = s3.get(key(log, 2))
    with pytest.raises(ConflictError, match="repeat it"):
        s3.open().store.logs.redact(log, {2: stubs[0]})
    assert s3.get(key(log, 2)) == before


def test_a_long_erasure_keeps_its_lock(s3, monkeypatch):
    log, stubs = two_secrets(s3)
    get, put = Client.get, Client.put
    late: list[float] = []
    renewed: list[str] = []

    def read(self, place):
        found = get(self, place)
        if place == key(log, 2) and len(late) < 4:
            late.append(40.0)
        return found

    def write(self, place, data, metadata=None):
        if place.startswith("erasing/"):
            renewed.append(place)
        return put(self, place, data, metadata)

    monkeypatch.setattr(Client, "get", read)
    monkeypatch.setattr(Client, "put", write)
    monkeypatch.setattr("aivcs.backends.s3.erasing_lock.time", lambda: time.time() + sum(late))
    s3.open().store.logs.redact(log, {2: stubs[0], 3: stubs[1]})
    assert len(renewed) == 1
    assert s3.get(key(log, 2)).splitlines() == stubs


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


def test_gc_brings_no_run_back_that_is_removed_meanwhile(s3, monkeypatch):
    monkeypatch.setattr("aivcs.backends.s3.index.LEAST", 2)
    made = [ended_run(s3) for _ in range(3)]
    write = Segments.write
    done: list[bool] = []

    def written(self, runs):
        if not done:
            done.append(True)
            s3.open().store.logs.remove(f"run/{made[1]}")
        return write(self, runs)

    monkeypatch.setattr(Segments, "write", written)
    store = s3.open().store
    store.sweep(store.now(), delete=True)
    assert done
    assert len(s3.keys("index/segments")) == 1
    listed = {found.run_id for found in s3.open().runs.list_runs()}
    assert listed == {made[0], made[2]}
    assert all(made[1].encode() not in s3.get(name) for name in names_in(s3))


def test_verify_finds_an_erased_run_that_a_killed_gc_left_in_a_segment(s3, monkeypatch):
    monkeypatch.setattr("aivcs.backends.s3.index.LEAST", 2)
    made = [ended_run(s3) for _ in range(3)]
    write = Segments.write

    def killed(self, runs):
        rm(s3.open(), [made[1]], ErasureRequest("ada", "its tags leaked"))
        write(self, runs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Segments, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            s3.open().store.sweep(time.time(), delete=True)

    def found(*, repair):
        store = s3.open().store
        findings = store.inspect(frozenset({"runs"}), lambda *_: None, repair=repair)
        return [(f.where, f.repaired) for f in findings if "the index still has" in f.problem]

    assert made[1] in {run.run_id for run in s3.open().runs.list_runs()}
    assert found(repair=False) == [(f"run/{made[1]}", None)]
    assert found(repair=True) == [(f"run/{made[1]}", "it was removed")]
    assert found(repair=False) == []
    assert {run.run_id for run in s3.open().runs.list_runs()} == {made[0], made[2]}


def test_runs_of_one_segment_that_are_removed_at_once_are_all_gone(s3, monkeypatch):
    monkeypatch.setattr("aivcs.backends.s3.index.LEAST", 2)
    made = [ended_run(s3, 1) for _ in range(5)]
    store = s3.open().store
    store.sweep(store.now(), delete=True)
    # Both read the segment before either writes it anew, if nothing stops them.
    meeting = threading.Barrier(2)
    read = Segments.read

    def met(self, segment):
        found = read(self, segment)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(1)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Segments, "read", met)
        threads = [
            threading.Thread(target=s3.open().store.logs.remove, args=[f"run/{run}"])
            for run in made[1:3]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    listed = {found.run_id for found in s3.open().runs.list_runs()}
    assert listed == {made[0], made[3], made[4]}


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
