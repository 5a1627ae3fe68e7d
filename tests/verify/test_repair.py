"""What `verify --repair` mends, what it leaves, and that it can be interrupted anywhere."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aivcs.backends.fs import FileBackend, files
from aivcs.model import ContentDigest, ReleaseMetadata, RunEvent, RunMetadata
from aivcs.store.settings import Settings

ALL = frozenset({"blobs", "runs", "releases"})
DEAD = "4194304-0123456789ab"
"""How a temporary file of a process is called whose number is above all that Linux gives."""


@pytest.fixture
def store(tmp_path):
    return FileBackend.init(
        str(tmp_path / ".aivcs"), settings=Settings(durability="none", lock_timeout=2)
    )


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def mend(store):
    return list(store.verify(ALL, repair=True))


def find(store):
    return list(store.verify(ALL))


def object_of(store, digest):
    return Path(store.path, "objects", digest[:2], digest[2:])


def log_of(store, run):
    return Path(store.path, "runs", run[:2], f"{run}.jsonl")


def begin(store, events=2):
    run = store.runs.create_run(store.blobs.put(b"spec"), RunMetadata("a"))
    for number in range(events):
        store.runs.append_event(run, RunEvent("step", number))
    return run


def kept(store):
    return {path.name: path.read_bytes() for path in Path(store.path, "damaged").iterdir()}


def put_in_wrong_folder(store, content):
    digest = store.blobs.put(content)
    wrong = "00" if digest[:2] != "00" else "11"
    path = object_of(store, wrong + digest[2:])
    path.parent.mkdir(exist_ok=True)
    object_of(store, digest).rename(path)
    return digest, path


class TestLogs:
    @pytest.mark.parametrize("torn", [b"{", b'{"type":"event","seq":3', b"\0" * 50])
    def test_a_torn_end_is_cut_and_kept(self, store, torn):
        run = begin(store)
        log = log_of(store, run)
        before = log.read_bytes()
        log.write_bytes(before + torn)
        (finding,) = mend(store)
        assert "cut off" in finding.repaired
        assert log.read_bytes() == before
        assert list(kept(store).values()) == ([torn] if torn.strip(b"\0") else [])
        assert find(store) == []

    def test_a_newline_that_is_missing_is_added(self, store):
        store.releases.promote("a", store.blobs.put(b"spec"), ReleaseMetadata("me"))
        log = Path(store.path, "releases/a.jsonl")
        before = log.read_bytes()
        log.write_bytes(before[:-1])
        (finding,) = mend(store)
        assert finding.repaired == "its newline was added"
        assert log.read_bytes() == before

    def test_a_log_without_a_whole_line_becomes_an_empty_one(self, store):
        log = log_of(store, begin(store, 0))
        log.write_bytes(log.read_bytes()[:40])
        mend(store)
        assert log.read_bytes() == b""
        assert len(kept(store)) == 1
        (finding,) = mend(store)
        assert (finding.severity, finding.repaired) == ("notice", None)
        assert log.exists()  # a writer may just have made it

    @pytest.mark.parametrize("torn", [b"", b'{"type":"ev'])
    def test_a_log_with_a_broken_chain_is_never_touched(self, store, torn):
        log = log_of(store, begin(store))
        log.write_bytes(log.read_bytes().replace(b'"payload":0', b'"payload":7') + torn)
        before = log.read_bytes(), log.stat().st_mtime_ns
        findings = mend(store)
        assert [finding.repaired for finding in findings] == [None] * len(findings)
        assert any(finding.is_open for finding in findings)
        assert (log.read_bytes(), log.stat().st_mtime_ns) == before
        assert kept(store) == {}

    def test_a_log_that_breaks_the_rules_is_never_touched(self, store):
        log = log_of(store, begin(store, 0))
        first = json.loads(log.read_bytes())
        event = {
            "type": "event",
            "seq": 5,
            "kind": "k",
            "payload": 0,
            "timestamp": first["created_at"],
        }
        body = json.dumps(event, separators=(",", ":"))[:-1]
        link = sha256(first["hash"].encode() + body.encode())
        log.write_bytes(log.read_bytes() + f'{body},"hash":"{link}"}}\n{{'.encode())
        before = log.read_bytes()
        assert {finding.repaired for finding in mend(store)} == {None}
        assert log.read_bytes() == before

    def test_a_log_of_a_newer_version_is_never_touched(self, store):
        log = log_of(store, begin(store))
        previous = json.loads(log.read_bytes().splitlines()[-1])["hash"]
        body = '{"type":"later","x":1'
        link = sha256(previous.encode() + body.encode())
        log.write_bytes(log.read_bytes() + f'{body},"hash":"{link}"}}\n{{'.encode())
        before = log.read_bytes()
        mend(store)
        assert log.read_bytes() == before

    def test_a_log_in_the_wrong_folder_is_left_there(self, store):
        run = begin(store)
        wrong = Path(store.path, "runs/zz", f"{run}.jsonl")
        wrong.parent.mkdir()
        log_of(store, run).rename(wrong)
        (finding,) = mend(store)
        assert finding.is_open
        assert wrong.exists()

    def test_a_log_that_somebody_holds_is_left_for_later(self, store):
        import fcntl

        run = begin(store)
        log = log_of(store, run)
        with log.open("ab") as file:
            file.write(b"{")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            store.settings = Settings(durability="none", lock_timeout=0.05)
            (finding,) = mend(store)
            assert finding.repaired is None
            assert "it could not be repaired: another process has held" in finding.remedy
        (finding,) = mend(store)
        assert finding.repaired

    def test_what_a_writer_does_meanwhile_is_not_undone(self, store):
        run = begin(store, 0)
        stop = threading.Event()
        acked = []

        def write():
            other = FileBackend.open(store.path, Settings(durability="none"))
            while not stop.wait(0.001):  # or the log would outgrow the verifier
                acked.append(other.runs.append_event(run, RunEvent("step", None)))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(30):
                assert [finding for finding in mend(store) if finding.line] == []
        finally:
            stop.set()
            writer.join()
        assert [event.seq for event in store.runs.get_events(run)] == acked


class TestObjects:
    @pytest.mark.parametrize("data", [b"damaged", b""])
    def test_a_damaged_one_becomes_absent_and_can_be_put_again(self, store, data):
        digest = store.blobs.put(b"content")
        object_of(store, digest).write_bytes(data)
        (finding,) = mend(store)
        assert (finding.severity, finding.where, finding.is_open) == ("damage", digest, False)
        assert list(kept(store).values()) == [data]
        assert not store.blobs.contains(digest)
        assert find(store) == []
        assert store.blobs.put(b"content") == digest
        assert store.blobs.get(digest) == b"content"

    def test_one_that_is_damaged_twice_in_one_way_is_kept_twice(self, store):
        for _ in range(2):
            object_of(store, store.blobs.put(b"content")).write_bytes(b"damaged")
            mend(store)
        assert list(kept(store).values()) == [b"damaged"] * 2

    def test_one_in_the_wrong_folder_is_moved_to_its_own(self, store):
        digest, wrong = put_in_wrong_folder(store, b"content")
        (finding,) = mend(store)
        assert finding.repaired == f"it was moved to objects/{digest[:2]}/{digest[2:]}"
        assert store.blobs.get(digest) == b"content"
        assert not wrong.exists()
        assert (find(store), kept(store)) == ([], {})
        assert time.time() - object_of(store, digest).stat().st_mtime < 60

    @pytest.mark.parametrize("there", [b"content", b"damaged"])
    def test_one_in_the_wrong_folder_gives_way_to_or_heals_what_is_in_its_own(self, store, there):
        digest, wrong = put_in_wrong_folder(store, b"content")
        object_of(store, digest).write_bytes(there)
        mend(store)
        mend(store)
        assert store.blobs.get(digest) == b"content"
        assert not wrong.exists()
        assert find(store) == []

    def test_one_that_is_put_again_while_it_is_moved_is_there_afterwards(self, store, monkeypatch):
        digest = store.blobs.put(b"content")
        object_of(store, digest).write_bytes(b"damaged")
        rename = os.rename

        def overtake(old, new):
            if old == str(object_of(store, digest)):
                monkeypatch.setattr(os, "rename", rename)
                store.blobs.put(b"content")
            rename(old, new)

        monkeypatch.setattr(os, "rename", overtake)
        (finding,) = mend(store)
        assert "put again" in finding.repaired
        assert store.blobs.get(digest) == b"content"
        assert (find(store), kept(store)) == ([], {})

    def test_one_that_was_in_hand_when_a_repair_was_interrupted_is_put_back(self, store):
        digest = store.blobs.put(b"content")
        aside = Path(store.path, "damaged", f"objects-{digest[:2]}-{digest[2:]}.0123456789ab")
        object_of(store, digest).rename(aside)
        assert [finding.is_open for finding in find(store)] == [True]
        (finding,) = mend(store)
        assert "moved back" in finding.repaired
        assert store.blobs.get(digest) == b"content"
        assert (find(store), kept(store)) == ([], {})

    def test_one_in_hand_that_was_put_again_is_not_spoken_of(self, store):
        digest = store.blobs.put(b"content")
        aside = Path(store.path, "damaged", f"objects-{digest[:2]}-{digest[2:]}.0123456789ab")
        aside.write_bytes(b"content")
        assert mend(store) == []

    def test_one_that_cannot_be_moved_is_reported_as_such(self, store, monkeypatch):
        object_of(store, store.blobs.put(b"content")).write_bytes(b"damaged")

        def refuse(*arguments):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "rename", refuse)
        (finding,) = mend(store)
        assert finding.is_open
        assert "it could not be repaired: cannot move objects/" in finding.remedy

    def test_links_and_devices_are_left_where_they_are(self, store):
        digest = store.blobs.put(b"content")
        path = object_of(store, digest)
        path.unlink()
        path.symlink_to("/etc/hostname")
        os.mkfifo(path.parent / ("0" * 62))
        findings = mend(store)
        assert [finding.is_open for finding in findings] == [True, True]
        assert path.is_symlink()


class TestLeftovers:
    def test_of_processes_that_are_gone_are_removed(self, store):
        path = Path(store.path, "tmp", DEAD)
        path.write_bytes(b"x")
        (finding,) = mend(store)
        assert finding.repaired == "it was removed"
        assert not path.exists()

    def test_of_processes_that_are_there_are_not(self, store):
        path = Path(store.path, "tmp", f"{os.getpid()}-0123456789ab")
        path.write_bytes(b"x")
        assert mend(store) == []
        os.utime(path, (0, 0))
        (finding,) = mend(store)
        assert finding.repaired is None
        assert path.exists()


class TestStrayFiles:
    @pytest.mark.parametrize(
        "name",
        ["objects/readme", "objects/ab/cdef", "runs/x", "runs/ab/x.txt", "releases/x", "tmp/x",
         "releases/-x.jsonl", "objects/a b\n", "objects/" + "x" * 250],
    )  # fmt: skip
    def test_are_kept_in_damaged(self, store, name):
        path = Path(store.path, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"somebody's")
        (finding,) = mend(store)
        assert finding.repaired.startswith("it was moved to damaged/")
        assert list(kept(store).values()) == [b"somebody's"]
        assert not path.exists()
        assert find(store) == []

    def test_whose_names_are_no_text_are_kept_too(self, store):
        path = os.fsencode(store.path) + b"/objects/\xff"
        Path(os.fsdecode(path)).write_bytes(b"x")
        (finding,) = mend(store)
        assert finding.repaired
        assert list(kept(store).values()) == [b"x"]

    def test_folders_are_left(self, store):
        Path(store.path, "runs/stray").mkdir()
        (finding,) = mend(store)
        assert finding.repaired is None
        assert Path(store.path, "runs/stray").is_dir()

    def test_nothing_is_moved_through_a_link(self, store, tmp_path):
        Path(store.path, "damaged").rmdir()
        (tmp_path / "elsewhere").mkdir()
        Path(store.path, "damaged").symlink_to(tmp_path / "elsewhere")
        stray = Path(store.path, "objects/stray")
        stray.write_bytes(b"x")
        assert [finding.repaired for finding in mend(store)] == [None, None]
        assert stray.exists()
        assert list((tmp_path / "elsewhere").iterdir()) == []


def ruin(store):
    """A store with one of everything that can be mended; returns its whole objects and its run."""
    run = begin(store)
    log = log_of(store, run)
    log.write_bytes(log.read_bytes() + b'{"type":"ev')
    store.releases.promote("a", store.blobs.put(b"spec"), ReleaseMetadata("me"))
    release = Path(store.path, "releases/a.jsonl")
    release.write_bytes(release.read_bytes()[:-1])
    object_of(store, store.blobs.put(b"lost")).write_bytes(b"damaged")
    moved, _ = put_in_wrong_folder(store, b"moved")
    Path(store.path, "objects/stray").write_bytes(b"stray")
    Path(store.path, "tmp", DEAD).write_bytes(b"leftover")
    return run, [ContentDigest(sha256(b"spec")), moved]


class Interruption(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_repair_interrupted_anywhere_is_completed_by_the_next(tmp_path, monkeypatch, when):
    steps = 0
    while True:
        steps += 1
        store = FileBackend.init(
            str(tmp_path / f"{when}{steps}"), settings=Settings(durability="full")
        )
        run, whole = ruin(store)
        left = [steps]

        def counted(call, left=left):
            def step(*arguments, **options):
                left[0] -= 1
                is_last = left[0] == 0
                if is_last and when == "before":
                    raise Interruption
                try:
                    return call(*arguments, **options)
                finally:
                    if is_last and when == "after":
                        raise Interruption

            return step

        with monkeypatch.context() as patch:
            for name in (
                "rename",
                "link",
                "unlink",
                "ftruncate",
                "fsync",
                "mkdir",
                "write",
                "utime",
            ):
                patch.setattr(os, name, counted(getattr(os, name)))
            patch.setattr(files, "_sync_data", counted(files._sync_data))
            try:
                mend(store)
                is_over = True
            except Interruption:
                is_over = False
        # What was acknowledged is there all the while …
        assert len(store.runs.get_events(run)) == 2
        assert store.releases.current("a").spec_digest == whole[0]
        mend(store)
        # … and what was mended is mended, though temporary files of this process may be left.
        assert [f for f in find(store) if not f.where.startswith("tmp/")] == []
        assert all(store.blobs.contains(digest) for digest in whole)
        assert store.blobs.get(whole[1]) == b"moved"
        assert b"stray" in kept(store).values()
        assert b"damaged" in kept(store).values()
        assert b'{"type":"ev' in kept(store).values()
        if is_over:
            break
    assert steps > 20


class TestCommand:
    def test_says_what_it_did_and_exits_with_0(self, aivcs):
        digest = aivcs.put(b"content")
        aivcs.object(digest).write_bytes(b"damaged")
        aivcs("verify", code=14)
        done = aivcs.ok("verify", "--repair")
        (line,) = done.lines
        severity, where, _, what = line.split("\t")
        assert (severity, where) == ("damage", digest)
        assert what.startswith("repaired: it was moved to damaged/")
        assert done.err == b"read 1 blobs, 0 runs, 0 releases: 1 repaired\n"
        assert aivcs.ok("verify").out == b""

    def test_says_it_as_json(self, aivcs):
        aivcs.object(aivcs.put(b"content")).write_bytes(b"damaged")
        assert aivcs("verify", "--json", code=14).json["repaired"] is None
        assert aivcs.ok("verify", "--json", "--repair").json["repaired"].startswith("it was moved")

    def test_exits_with_14_if_damage_remains(self, aivcs):
        run = aivcs.begin()
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"bot"', b'"BOT"'))
        aivcs.object(aivcs.put(b"content")).write_bytes(b"damaged")
        done = aivcs("verify", "--repair", code=14)
        assert b"1 repaired, 1 damaged" in done.err

    @pytest.mark.parametrize("noun", ["blob", "run", "release"])
    def test_mends_only_what_it_is_asked_to(self, aivcs, noun):
        digest = aivcs.put(b"a spec\n")
        run = aivcs.begin()
        aivcs.ok("release", "promote", "bot", digest)
        damaged = {
            "blob": aivcs.store / "objects/stray",
            "run": aivcs.run_log(run),
            "release": aivcs.release_log("bot"),
        }
        for path in damaged.values():
            with path.open("ab") as file:
                file.write(b"{")
        before = {kind: path.read_bytes() for kind, path in damaged.items()}
        assert len(aivcs.ok(noun, "verify", "--repair").lines) == 1
        after = {
            kind: path.read_bytes() if path.exists() else None for kind, path in damaged.items()
        }
        assert [kind for kind in damaged if after[kind] != before[kind]] == [noun]

    def test_two_at_once_do_not_disturb_each_other(self, aivcs):
        digests = [aivcs.put(b"%d" % number) for number in range(12)]
        for digest in digests[:6]:
            aivcs.object(digest).write_bytes(b"damaged")
        both = [
            aivcs.start("verify", "--repair", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in "ab"
        ]
        for process in both:
            _, err = process.communicate()
            assert process.returncode == 0, err
        assert aivcs.ok("blob", "ls").lines == sorted(digests[6:])
        assert len(list((aivcs.store / "damaged").iterdir())) == 6

    @pytest.mark.parametrize("call", ["rename", "unlink", "ftruncate", "link"])
    def test_killed_at_a_system_call_is_completed_by_the_next(self, aivcs, call):
        if shutil.which("strace") is None:
            pytest.skip("there is no strace to kill a process at a system call")
        store = FileBackend.open(str(aivcs.store))
        for number in (1, 2):
            run, whole = ruin(store)
            subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                 "-e", f"inject={call}:signal=SIGKILL:when={number}",
                 sys.executable, "-m", "aivcs", "verify", "--repair"],
                cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, timeout=60,
                check=False,
            )  # fmt: skip
            aivcs.ok("verify", "--repair")
            assert aivcs.ok("verify").out == b""
            assert all(store.blobs.contains(digest) for digest in whole)
            assert len(store.runs.get_events(run)) == 2
            Path(store.path, "releases/a.jsonl").unlink()
