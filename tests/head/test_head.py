"""`aivcs head`, and `aivcs verify --head`: a log cut short or written anew is found out."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from hashlib import sha256
from typing import Any

import pytest
from folder_store import FolderStore

from aivcs.commands.store import head
from aivcs.log.heads import heads_in, manifest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store.settings import Settings


@pytest.fixture
def run(aivcs):
    """A run of three lines beside a release log of two."""
    run = aivcs.begin()
    aivcs.ok("run", "log", run, "one")
    aivcs.ok("run", "log", run, "two")
    for content in (b"v1", b"v2"):
        aivcs.ok("release", "promote", "team/bot", aivcs.put(content))
    return run


def damage(aivcs, *digests):
    """Where and at which lines the store does not agree with some heads."""
    options = [word for digest in digests for word in ("--head", digest)]
    done = aivcs("verify", "--json", *options, code=14)
    return [(found["where"], found["line"]) for found in done.json_lines]


class TestVerifyUnasked:
    def test_compares_with_the_head_that_was_pinned_last(self, aivcs, run):
        first = aivcs.ok("head").text
        aivcs.ok("blob", "pin", aivcs.put(b'{"type":"heads","format":1,"logs":[1]}'))
        aivcs.ok("blob", "pin", aivcs.put(b"something else"))
        done = aivcs.ok("verify")
        assert f"compared with the head {first[:12]} that is pinned here".encode() in done.err
        aivcs.release_log("team/bot").unlink()
        ((where, line),) = damage(aivcs)
        assert (where, line) == ("release/team/bot", 2)
        assert "take a new head: aivcs head" in aivcs("verify", code=14).text
        aivcs.ok("release", "verify")
        aivcs.ok("head")  # on purpose, then
        assert aivcs.ok("verify").out == b""
        assert damage(aivcs, first) == [("release/team/bot", 2)]

    def test_a_new_head_warns_of_what_is_hidden_from_then_on(self, aivcs, run):
        cut, other = aivcs.begin(), aivcs.begin()
        aivcs.ok("run", "log", cut, "one")
        aivcs.ok("run", "annotate", other, "good")
        assert aivcs.ok("head").err == b""
        assert aivcs.ok("head").err == b""
        aivcs.ok("run", "log", other, "grown")
        grown = aivcs.ok("head")
        assert grown.err == b""
        aivcs.run_log(run).unlink()
        next((aivcs.store / "notes").rglob("*/*/*")).unlink()
        log = aivcs.run_log(cut)
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
        for kind in ("another", "more"):
            aivcs.ok("run", "log", cut, kind)
        said = aivcs.ok("head", "--json").err.decode()
        assert "3 are missing or changed" in said, said
        assert f"run/{run}" in said, said
        assert f"run/{cut}" in said, said
        assert "notes/" in said, said
        assert f"aivcs verify --head {grown.text}" in said, said
        assert len(damage(aivcs, grown.text)) == 3
        assert aivcs.ok("head").err == b""

    def test_says_a_manifest_that_is_missing_once(self, aivcs, run):
        aivcs.object(aivcs.ok("head").text).unlink()
        assert len(aivcs("verify", "--json", code=14).lines) == 1


class TestAStoreThatOneMayOnlyRead:
    @pytest.fixture
    def reader(self, aivcs, run):
        """Calls the command without the right to write to the store, which root has nowhere."""
        without = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
        if os.geteuid() == 0 and shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv")

        def call(*words):
            return subprocess.run(
                [*(without if os.geteuid() == 0 else ()), sys.executable, "-m", "aivcs", *words],
                cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, check=False,
            )  # fmt: skip

        def allow(*, writing):
            for path in [aivcs.store, *aivcs.store.rglob("*")]:
                mode = path.stat().st_mode
                path.chmod(mode | 0o200 if writing else mode & ~0o222)

        allow(writing=False)
        yield call
        allow(writing=True)

    def test_has_a_head_that_is_not_kept_in_it(self, aivcs, reader, unchanged):
        with unchanged:
            done = reader("head")
            manifest = reader("head", "--manifest")
            assert reader("head", "--manifest", "--json").returncode == 2
        assert (done.returncode, manifest.returncode, manifest.stderr) == (0, 0, b"")
        (warning,) = done.stderr.decode().splitlines()
        assert "the store does not keep the manifest (cannot " in warning
        digest = done.stdout.decode().strip()
        assert digest == sha256(manifest.stdout).hexdigest()
        assert digest == aivcs.ok("head").text
        aivcs.ok("blob", "unpin", digest)
        aivcs.object(digest).unlink()
        aivcs("verify", "--head", digest, code=14)
        assert aivcs.put(manifest.stdout) == digest
        aivcs.ok("verify", "--head", digest)

    def test_has_one_without_a_warning_if_its_owner_took_the_same(self, aivcs, run, request):
        digest = aivcs.ok("head").text
        done = request.getfixturevalue("reader")("head")
        assert (done.stdout.decode(), done.stderr) == (f"{digest}\n", b"")


class TestALogInTheWrongPlace:
    """A sync tool keeps both versions of a log and renames one; each is whole."""

    @pytest.mark.parametrize("kind", ["run", "release"])
    def test_is_vouched_for_by_no_head(self, aivcs, run, unchanged, kind):
        log = aivcs.run_log(run) if kind == "run" else aivcs.release_log("team/bot")
        copy = log.with_name(f"{log.stem}.sync-conflict-20260131-120000-ABCDEFG.jsonl")
        shutil.copy(log, copy)
        assert "damage" in aivcs("verify", code=14).text
        with unchanged:
            complaint = aivcs("head", code=14).complaint
        assert f"{copy.name} holds the log of" in complaint
        assert len(complaint) < 400
        copy.unlink()
        aivcs.ok("head")


class TestTheManifest:
    def test_names_every_log_with_its_lines_and_its_hash(self, aivcs, run, files):
        digest = aivcs.ok("head").text
        content = aivcs.ok("blob", "get", digest).out
        assert files.sha256(content) == digest
        expected = {
            "type": "heads",
            "format": 1,
            "logs": [
                {
                    "log": name,
                    "lines": lines,
                    "hash": files.read_chain(path)[-1]["hash"],
                }
                for name, lines, path in [
                    ("release/team/bot", 2, aivcs.release_log("team/bot")),
                    (f"run/{run}", 3, aivcs.run_log(run)),
                ]
            ],
        }
        assert content == json.dumps(expected, separators=(",", ":")).encode()

    def test_is_the_same_for_the_same_logs(self, aivcs, run):
        digest = aivcs.ok("head").text
        aivcs.put(b"more blobs are nothing to the logs")
        assert aivcs.ok("head").text == digest
        aivcs.ok("run", "log", run, "three")
        assert aivcs.ok("head").text != digest

    def test_is_pinned(self, aivcs, run):
        digest = aivcs.ok("head").text
        assert (aivcs.store / "pins" / digest).exists()
        assert "pin" in aivcs("blob", "rm", digest, code=15).complaint

    def test_prints_json(self, aivcs, run):
        assert aivcs.ok("head", "--json").json == {"digest": aivcs.ok("head").text, "logs": 2}

    def test_may_be_of_nothing(self, aivcs):
        digest = aivcs.ok("head").text
        assert aivcs.ok("blob", "get", digest).out == b'{"type":"heads","format":1,"logs":[]}'
        aivcs.ok("verify", "--head", digest)

    def test_leaves_out_a_log_without_a_line(self, aivcs):
        aivcs.release_log("bot").touch()
        assert aivcs.ok("head", "--json").json["logs"] == 0

    def test_is_not_taken_of_a_damaged_log(self, aivcs, run, unchanged):
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"one"', b'"ONE"'))
        with unchanged:
            complaint = aivcs("head", code=14).complaint
        assert f"{run}.jsonl line 2" in complaint

    def test_leaves_out_a_torn_end(self, aivcs, run):
        with aivcs.run_log(run).open("ab") as log:
            log.write(b'{"type":"event"')
        digest = aivcs.ok("head").text
        aivcs.ok("run", "log", run, "three")
        aivcs.ok("verify", "--head", digest)


class TestVerify:
    def test_accepts_a_store_that_grew(self, aivcs, run):
        first = aivcs.ok("head").text
        aivcs.ok("run", "log", run, "three")
        second = aivcs.ok("head").text
        aivcs.ok("run", "finish", run)
        aivcs.begin()
        aivcs.ok("release", "rollback", "team/bot")
        done = aivcs.ok("verify", "--head", first, "--head", second[:10])
        assert done.out == b""
        assert b"compared with 2 heads: no damage found" in done.err

    def test_catches_a_log_cut_at_a_line(self, aivcs, run):
        digest = aivcs.ok("head").text
        log = aivcs.run_log(run)
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
        assert aivcs.ok("run", "verify").out == b""  # by itself it is a whole log
        assert damage(aivcs, digest) == [(f"run/{run}", 3)]
        done = aivcs("verify", "--head", digest, code=14)
        assert f"run/{run} line 3" in done.text
        assert "ends at line 2" in done.text

    def test_catches_a_log_cut_that_grew_again(self, aivcs, run):
        digest = aivcs.ok("head").text
        log = aivcs.run_log(run)
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
        for kind in ("two", "three"):
            aivcs.ok("run", "log", run, kind)
        assert damage(aivcs, digest) == [(f"run/{run}", 3)]

    def test_catches_a_log_written_anew(self, aivcs, run, files):
        digest = aivcs.ok("head").text
        log = aivcs.release_log("team/bot")
        entries = [{k: v for k, v in e.items() if k != "hash"} for e in files.read_chain(log)]
        entries[0]["metadata"]["promoted_by"] = "somebody else"
        log.write_bytes(files.seal(entries))
        assert aivcs.ok("release", "verify").out == b""
        assert damage(aivcs, digest) == [("release/team/bot", 2)]

    @pytest.mark.parametrize("which", ["run", "release"])
    def test_catches_a_log_deleted(self, aivcs, run, which):
        digest = aivcs.ok("head").text
        log = aivcs.run_log(run) if which == "run" else aivcs.release_log("team/bot")
        log.unlink()
        name, line = (f"run/{run}", 3) if which == "run" else ("release/team/bot", 2)
        assert damage(aivcs, digest) == [(name, line)]
        assert "missing" in aivcs("verify", "--head", digest, code=14).text

    def test_catches_a_store_restored_from_before(self, aivcs, run):
        shutil.copytree(aivcs.store, aivcs.folder / "backup")
        aivcs.ok("run", "log", run, "three")
        aivcs.ok("release", "promote", "team/bot", aivcs.put(b"v3"))
        later = aivcs.begin("another")
        digest = aivcs.ok("head").text
        kept = aivcs.ok("blob", "get", digest).out
        shutil.rmtree(aivcs.store)
        (aivcs.folder / "backup").rename(aivcs.store)
        # The backup is from before the manifest, too: that alone tells.
        assert damage(aivcs, digest) == [(digest, None)]
        # Kept elsewhere, it tells more.
        assert aivcs.put(kept) == digest
        assert damage(aivcs, digest) == [
            ("release/team/bot", 3),
            *sorted([(f"run/{run}", 4), (f"run/{later}", 1)]),
        ]

    def test_says_of_a_broken_chain_that_the_line_cannot_be_reached(self, aivcs, run):
        digest = aivcs.ok("head").text
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"one"', b'"ONE"'))
        assert (f"run/{run}", 3) in damage(aivcs, digest)

    def test_does_not_mind_damage_behind_the_line(self, aivcs, run):
        digest = aivcs.ok("head").text
        for kind in ("three", "four"):
            aivcs.ok("run", "log", run, kind)
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"three"', b'"THREE"'))
        [(where, line)] = damage(aivcs, digest)
        assert where.endswith(".jsonl")  # the chain's own finding
        assert line == 4

    def test_catches_a_damaged_manifest(self, aivcs, run):
        digest = aivcs.ok("head").text
        aivcs.object(digest).write_bytes(b"{}")
        assert set(damage(aivcs, digest)) == {(digest, None)}

    def test_refuses_what_is_no_manifest(self, aivcs, files):
        for content in (
            b"", b"\xff", b"[]", b'{"type":"heads"}', b'{"type":"other","format":1,"logs":[]}',
            b'{"type":"heads","format":1,"logs":{}}', b'{"type":"heads","format":1,"logs":[1]}',
            manifest([("run/../../etc/passwd", Head(1, "0" * 64))]),
            manifest([("release/../x", Head(1, "0" * 64))]),
            manifest([("other/x", Head(1, "0" * 64))]),
            manifest([("run/abcd", Head(0, "0" * 64))]),
            manifest([("run/abcd", Head(1, "0" * 63))]),
        ):  # fmt: skip
            code = 16 if content == b'{"type":"heads"}' else 2
            assert aivcs("verify", "--head", aivcs.put(content), code=code).complaint
        aivcs("verify", "--head", "", code=2)
        aivcs("verify", "--head", "0000", code=12)
        aivcs("verify", "--head", aivcs.put(b'{"type":"heads","format":2,"logs":[]}'), code=16)

    def test_changes_nothing(self, aivcs, run, unchanged):
        digest = aivcs.ok("head").text
        with unchanged:
            aivcs.ok("verify", "--head", digest)


def test_a_manifest_is_read_as_it_was_written():
    heads = [("run/bb", Head(2, "1" * 64)), ("release/a/b", Head(1, "0" * 64))]
    assert heads_in(manifest(heads)) == sorted(heads)


def test_heads_of_the_contracts_are_those_of_the_manifest(tmp_path):
    """So that another backend, which has no files, can check the same manifest."""
    backend = FolderStore.init(str(tmp_path / ".aivcs"), settings=Settings(durability="none"))
    repo = backend
    spec = repo.blobs.put(b"spec")
    run_id = repo.start_run(spec, agent_name="bot").run_id
    repo.runs.append_event(run_id, RunEvent("k"))
    repo.runs.complete_run(run_id, RunSummary(success=True))
    repo.releases.promote("bot", spec, ReleaseMetadata("me"))
    taken = head.take(repo)
    assert heads_in(repo.blobs.get(taken.digest)) == [
        ("release/bot", repo.releases.head("bot")),
        (f"run/{run_id}", repo.runs.head(run_id)),
    ]


def test_beside_writers_it_names_only_what_stays(tmp_path):
    path = str(tmp_path / ".aivcs")
    FolderStore.init(path)

    def open_repo():
        return FolderStore.open(path, Settings(durability="none"))

    repo = open_repo()
    runs = [repo.runs.create_run(repo.blobs.put(b"s"), RunMetadata("bot")) for _ in range(3)]
    stop = threading.Event()

    def write(run_id):
        other = open_repo()
        while not stop.is_set():
            other.runs.append_events(run_id, [RunEvent("k", {"x": "y" * 300})] * 3)

    threads = [threading.Thread(target=write, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    try:
        begun = time.monotonic()
        taken: list[Any] = []
        # Until the writers had their turn, too.
        while len(set(taken)) < 3 and time.monotonic() < begun + 60:
            taken.append(head.take(repo).digest)
            assert list(head.verify(repo, taken[-1:])) == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(set(taken)) == 3
    assert list(head.verify(repo, taken)) == []
