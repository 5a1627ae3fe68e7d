"""Copies between stores of several kinds, and many at once."""

import hashlib
import random
import subprocess
import threading
import time

import pytest
from backends.sqlite_driver import register
from command import COMMAND
from sync.conftest import logs, record

from aivcs import Repository
from aivcs.commands.bundle.create import create
from aivcs.commands.remote.clone import Clone
from aivcs.commands.remote.copy import Copy
from aivcs.commands.store.head import take
from aivcs.errors import BackendError, InvalidNameError, UnreachableError
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store.annotations import compose
from aivcs.store.pulled import PulledLogs
from aivcs.sync.blobs import BlobCopier
from aivcs.sync.bundle import BundleWriter
from aivcs.sync.releases import pull_releases


def fill(repo):
    """Runs of all kinds, releases, blocks, and blobs of all sizes."""
    spec = repo.blobs.put(b'{"prompts_digest": "' + repo.blobs.put(b"p").encode() + b'"}')
    for number in range(12):
        run = repo.runs.create_run(spec, RunMetadata("bot", tags={"n": number}))
        blob = repo.blobs.put(b"x" * 10**number if number < 7 else b"y")
        repo.runs.append_events(
            run, [RunEvent("step", {"$blob": str(blob), "n": n}) for n in range(number)]
        )
        repo.runs.append_event(run, RunEvent("late", [number], seq=500))
        repo.runs.append_event(run, RunEvent("early", None, seq=300))
        if number % 3:
            repo.runs.complete_run(run, RunSummary(success=True))
    for run in list(repo.runs.list_run_ids())[:3]:
        note = compose(run, "note", {"$blob": str(repo.blobs.put(b"scan"))}, by="ann")
        repo.annotations.add(note)
    for label in ("v1", "v2"):
        repo.releases.promote("a/b", spec, ReleaseMetadata("ann", version_label=label))
    repo.releases.block("a/b", repo.blobs.put(b"bad"), by="ann", reason="slow")


def clone(source, target):
    work = Clone(source, target, remembers=False)
    assert all(outcome.error is None for outcome in work.run())
    return target


def test_a_store_that_goes_away_stops_the_copy_of_annotations(tmp_path, monkeypatch):
    first, second = Repository.init(tmp_path / "first"), Repository.init(tmp_path / "second")
    fill(first)
    work = Copy(first, second, own=first)
    assert all(outcome.error is None for outcome in work.copy_runs())

    def fail(*_):
        raise UnreachableError("the other store", "it is off")

    monkeypatch.setattr(type(second.store.documents), "create", fail)
    with pytest.raises(UnreachableError):
        list(work.copy_annotations())


def test_a_copy_tells_its_progress_from_one_thread_at_a_time(tmp_path):
    first, second = (Repository.init(tmp_path / name) for name in ("first", "second"))
    fill(first)
    told, overlaps, inside = [], [], threading.Lock()

    def progress(size):
        if not inside.acquire(blocking=False):
            overlaps.append(size)
            return
        time.sleep(0.005)  # in which another thread may come
        told.append(size)
        inside.release()

    work = Copy(first, second, own=first, progress=progress)
    assert all(outcome.error is None for outcome in work.copy_runs())
    assert told
    assert overlaps == []


def first_line(kind, name, spec):
    """The line with which a log begins, under any name."""
    if kind == "run":
        metadata = '{"git_sha":null,"agent_name":"bot","tags":{}}'
        text = f'{{"type":"run","format":1,"run_id":"{name}","spec_digest":"{spec}"'
    else:
        metadata = '{"version_label":null,"promoted_by":"eve","notes":null}'
        text = f'{{"type":"release","format":1,"seq":1,"action":"promote","name":"{name}"'
        text += f',"spec_digest":"{spec}"'
        metadata += ',"target_seq":1,"parent_seq":null'
    text += f',"metadata":{metadata},"created_at":"2026-12-01T13:00:00.000000Z"'
    return f'{text},"hash":"{hashlib.sha256(text.encode()).hexdigest()}"}}\n'.encode()


@pytest.mark.parametrize("name", ["../../../../out", "prod/../../../out", "a/../../other/name"])
@pytest.mark.parametrize("kind", ["run", "release"])
@pytest.mark.parametrize("is_home", [True, False])
def test_a_name_in_the_source_leads_to_no_other_place(tmp_path, kind, name, is_home):
    register()
    source = Repository.init(f"sqlite://{tmp_path}/source.db")
    target = Repository.init(tmp_path / "target")
    spec = source.blobs.put(b"a spec")
    good = source.runs.create_run(spec, RunMetadata("bot"))
    source.store.logs.update(f"{kind}/{name}", lambda _: [first_line(kind, name, spec)])
    told = list(Copy(source, target, own=target).copy_runs())
    if kind == "release":
        blobs = BlobCopier(source.store, target.store, lambda _: None)
        told += pull_releases(
            source, target, [name], blobs, remote="origin", is_home=lambda _: is_home
        )
    errors = [outcome.error for outcome in told if outcome.error is not None]
    assert [type(error) for error in errors] == [InvalidNameError]
    assert list(target.runs.list_run_ids("")) == [good]
    assert not [*tmp_path.rglob("*out*"), *tmp_path.rglob("name*")]


@pytest.mark.parametrize("is_selection", [False, True])
def test_a_bundle_has_the_blobs_of_what_is_recorded_meanwhile(tmp_path, monkeypatch, is_selection):
    repo, path = Repository.init(tmp_path / "one"), str(tmp_path / "b.tar")
    run = repo.runs.create_run(repo.blobs.put(b"spec"), RunMetadata("bot"))
    add = BundleWriter._add_log

    def meanwhile(self, name):
        late = repo.blobs.put(b"late")
        repo.runs.append_event(run, RunEvent("step", {"$blob": str(late)}))
        add(self, name)

    monkeypatch.setattr(BundleWriter, "_add_log", meanwhile)
    create(repo, path, runs=[run] if is_selection else None)
    bundle = Repository.open(f"bundle://{path}")
    for event in bundle.runs.get_events(run):
        assert bundle.blobs.get(event.payload["$blob"]) == b"late"


def test_a_copy_that_may_not_be_remembered_is_made(tmp_path, monkeypatch):
    source, target = Repository.init(tmp_path / "one"), Repository.init("memory://x")
    fill(source)

    def write(name, data, **options):
        raise BackendError(f"may not change {name}")

    monkeypatch.setattr(target.store.documents, "write", write)
    assert all(outcome.error is None for outcome in Clone(source, target).run())
    assert take(target).digest == take(source).digest


def test_a_copy_drops_no_mark_of_a_run_that_has_none(tmp_path, monkeypatch):
    """Whoever copies may not be allowed to drop any."""
    source, target = Repository.init(tmp_path / "one"), Repository.init("memory://x")
    fill(source)
    target.store.documents.create("untrusted/another", b"eve\n")

    def drop(name, **options):
        raise BackendError(f"may not change {name}")

    monkeypatch.setattr(target.store.documents, "drop", drop)
    clone(source, target)


def test_a_store_keeps_its_head_through_every_kind_of_store(tmp_path):
    register()
    first = Repository.init(tmp_path / "first")
    fill(first)
    head = take(first).digest
    path = str(tmp_path / "b.tar")
    second = clone(first, Repository.init(f"sqlite://{tmp_path}/second.db"))
    third = clone(second, Repository.init("memory://x"))
    assert create(third, path).heads == head
    last = clone(Repository.open(f"bundle://{path}"), Repository.init(tmp_path / "last"))
    for repo in (second, third, last):
        assert take(repo).digest == head
    for log in first.store.logs.names():
        lines = [line for line, _ in first.store.logs.read(log)]
        assert [line for line, _ in last.store.logs.read(log)] == lines
    assert not list(last.store.inspect(frozenset({"blobs", "runs", "releases"}), lambda *_: None))


class TestReleasesOfStrangers:
    """A release that no policy judged does not become live where one would refuse it."""

    @pytest.fixture
    def guarded(self, here):
        here.ok("config", "set", "policy.prod/*.require_runs", "1")
        return here

    @pytest.fixture
    def loose(self, store, guarded):
        other = store("loose")
        other.ok("release", "promote", "prod/bot", other.put(b"evil"), "--by", "eve")
        record(other)
        return other

    def live(self, aivcs):
        return aivcs("release", "current", "prod/bot").code

    def test_not_by_push(self, guarded, loose):
        loose.ok("push", str(guarded.store))
        assert self.live(guarded) == 12

    def test_not_by_pull(self, guarded, loose):
        guarded.ok("remote", "add", "loose", str(loose.store))
        guarded.ok("pull", "loose")
        assert self.live(guarded) == 12
        spec = guarded.ok("release", "current", "loose:prod/bot").text
        assert guarded("release", "promote", "prod/bot", spec, "--by", "me").code == 15

    def test_not_by_a_bundle(self, guarded, loose):
        loose.ok("bundle", "create", "../b.tar")
        guarded.ok("pull", "../b.tar")
        assert self.live(guarded) == 12

    def test_not_by_a_clone(self, guarded, loose):
        before = self.live(guarded)
        loose("clone", ".", str(guarded.folder), code=2)
        assert self.live(guarded) == before == 12

    def test_copied_files_are_found_out(self, guarded, loose):
        target = guarded.release_log("prod/bot")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(loose.release_log("prod/bot").read_bytes())
        assert guarded("release", "verify", "prod/bot").code == 14


def test_a_remote_that_a_store_names_is_trusted_by_each_user(here, there, tmp_path):
    record(here)
    (tmp_path / "other home").mkdir()
    env = {"HOME": str(tmp_path / "other home")}
    done = here("push", env=env, code=10)
    assert "aivcs trust" in done.complaint
    assert not logs(there)
    here.ok("push", str(there.store), env=env)  # naming it is consent


def test_a_store_that_was_replaced_is_not_taken_for_the_trusted_one(here, there):
    record(here)
    (there.store / "id").write_text("0" * 32 + "\n")
    here("push", code=15)
    assert not logs(there)


@pytest.mark.slow
@pytest.mark.process
def test_eight_stores_push_at_once_and_are_killed_at_random(store, tmp_path):
    target = store("target")
    sources = []
    for number in range(8):
        source = store(f"s{number}")
        repo = Repository.open(source.store)
        spec = repo.blobs.put(f"spec {number}".encode())
        for n in range(100):
            run = repo.runs.create_run(spec, RunMetadata("bot"))
            blob = repo.blobs.put(f"blob {number} {n}".encode())
            repo.runs.append_events(run, [RunEvent("k", {"$blob": str(blob)}) for _ in range(5)])
            repo.runs.complete_run(run, RunSummary(success=True))
        sources.append(source)
    dice = random.Random(7)
    for _ in range(4):
        pushes = [source.start("push", str(target.store)) for source in sources]
        time.sleep(dice.uniform(0.3, 2))
        for push in pushes:
            if dice.random() < 0.7:
                push.kill()
        for push in pushes:
            push.wait(120)
        # Whatever was killed, all that has a name is whole.
        target.ok("verify", timeout=120)
    for source in sources:
        source.ok("push", str(target.store), timeout=120)
    wanted = {name: data for source in sources for name, data in logs(source).items()}
    assert logs(target) == wanted
    assert len(wanted) == 800
    target.ok("verify", timeout=120)
    other = store("other order")
    for source in reversed(sources):
        source.ok("push", str(other.store), timeout=120)
    assert other.ok("head", timeout=120).text == target.ok("head", timeout=120).text


@pytest.mark.slow
@pytest.mark.process
def test_a_push_beside_gc_leaves_no_reference_to_nothing(store):
    source, target = store("source"), store("target")
    for _ in range(30):
        record(source)
    for digest in (path.parent.name + path.name for path in source.store.glob("objects/*/*")):
        target.put(source.ok("blob", "get", digest).out)  # old and not referred to: gc's prey
    collector = subprocess.Popen(
        ["bash", "-c", f"while :; do {' '.join(COMMAND)} gc --grace 0s || exit; done"],
        cwd=target.folder, env=target.environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        source.ok("push", str(target.store), timeout=120)
    finally:
        subprocess.run(["kill", "--", f"-{collector.pid}"], check=False)
        collector.wait(60)
    done = target.ok("verify", "--json", timeout=120)
    assert done.out == b""
    assert logs(target) == logs(source)


@pytest.mark.parametrize("kind", ["pulled", "bundle"])
def test_reading_begins_anew_in_a_copy_that_was_replaced(tmp_path, kind):
    """As where the remote was made anew: its log is another one under the same name."""
    target = Repository.init(tmp_path / "target")
    pulled = PulledLogs(target.store, "origin")

    def copied(by, labels):
        source = Repository.init(tmp_path / by)
        spec = source.blobs.put(b"spec")
        for label in labels:
            source.releases.promote("bot", spec, ReleaseMetadata(by, version_label=label))
        if kind == "bundle":
            create(source, f"{tmp_path}/b.tar")
            return Repository.open(f"bundle://{tmp_path}/b.tar").store.logs
        lines = (line for line, _ in source.store.logs.read("release/bot"))
        pulled.keep("bot", lines, source.releases.head("bot"))
        return pulled

    logs = copied("ann", ["v1", "v2"])
    (_, one), (last, two) = logs.read("release/bot")
    assert [line for line, _ in logs.read("release/bot", one)] == [last]
    for number, labels in enumerate((["v1"], ["v1", "v2", "v3"])):
        logs = copied(f"bob-{number}", labels)
        for after in (one, two):
            places = [place for _, place in logs.read("release/bot", after)]
            assert [place.lines for place in places] == list(range(1, len(labels) + 1))
            assert list(logs.read("release/bot", places[-1])) == []
