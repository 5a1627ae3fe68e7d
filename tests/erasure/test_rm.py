"""`run rm`, `run prune`, `gc --prune`, `blob rm --reason`: what goes, what stays, what is told."""

import hashlib
import json
import os
import shutil
import time

import pytest
from erasure.conftest import SECRET, holders, quarantine, record, records

from aivcs.api import Repository
from aivcs.commands.erasing import ErasureRequest
from aivcs.commands.run.prune import Rules, prune
from aivcs.commands.run.rm import rm as rm_run
from aivcs.errors import BackendError
from aivcs.store import erasing
from aivcs.store.erasures import DocumentErasures


def finished(aivcs, agent="bot", *words):
    run = aivcs.begin(agent, b"a spec\n", *words)
    aivcs.ok("run", "log", run, "said", "text=x")
    aivcs.ok("run", "finish", run)
    return run


def imported(aivcs):
    """The run of a sealed session that a secret was typed in, whose original is kept."""
    line = {"type": "user", "sessionId": "session1", "timestamp": "2026-01-01T00:00:00Z",
            "uuid": "u", "message": {"role": "user", "content": SECRET}}  # fmt: skip
    (aivcs.folder / "a.jsonl").write_text(json.dumps(line) + "\n")
    aivcs.ok("run", "import", "--seal", "a.jsonl")
    (aivcs.folder / "a.jsonl").unlink()
    return "session1"


def arrived(aivcs, run, days):
    """Lets a run have arrived so many days ago."""
    moment = time.time() - days * 86_400
    os.utime(aivcs.run_log(run), (moment, moment))


def rm(aivcs, *words, code=0):
    return aivcs("run", "rm", *words, "--reason", "not needed", "--by", "ada", code=code)


class TestRemovingRuns:
    def test_a_run_goes_with_its_annotations_and_the_record_tells_its_head(self, aivcs, secret_run):
        aivcs.ok("run", "annotate", secret_run, "-m", SECRET)
        aivcs.ok("run", "list")
        last = aivcs.run_log(secret_run).read_text().splitlines()[-1]
        rm(aivcs, secret_run)
        left = holders(aivcs.store)
        assert [path.split("/")[0] for path in left] == ["objects"]  # which gc takes
        aivcs.ok("gc", "--grace", "0s")
        assert holders(aivcs.store) == []
        (told,) = records(aivcs)
        assert (told["what"], told["log"], told["lines"]) == ("log", f"run/{secret_run}", 8)
        assert told["head"] == json.loads(last)["hash"]
        assert aivcs.ok("run", "list", "--json").text == ""

    def test_a_head_tells_erased_from_lost(self, aivcs, secret_run):
        lost = finished(aivcs)
        head = aivcs.ok("head").text
        rm(aivcs, secret_run)
        assert "erased on purpose by ada" in aivcs.ok("verify", "--head", head).text
        aivcs.run_log(lost).unlink()
        told = aivcs("verify", "--head", head, code=14).text
        assert "the log is missing" in told

    def test_a_log_that_was_cut_before_it_was_erased_is_found_by_a_head(self, aivcs, secret_run):
        head = aivcs.ok("head").text
        lines = aivcs.run_log(secret_run).read_bytes().splitlines(keepends=True)
        aivcs.run_log(secret_run).write_bytes(b"".join(lines[:-2]))
        aivcs.ok("run", "finish", secret_run, "--status", "failed")
        rm(aivcs, secret_run)
        assert (
            "the log that was erased had 7 lines" in aivcs("verify", "--head", head, code=14).text
        )

    def test_its_id_is_not_used_again(self, aivcs, secret_run):
        exported = aivcs.ok("run", "export", secret_run, "--format", "jsonl").out
        rm(aivcs, secret_run)
        (aivcs.folder / "log.jsonl").write_bytes(exported)
        said = aivcs("run", "import", "log.jsonl").err.decode()
        assert "erased on purpose" in said
        assert not aivcs.run_log(secret_run).exists()

    def test_nor_is_its_key(self, aivcs):
        run = finished(aivcs, "bot", "--key", "job 7")
        rm(aivcs, run)
        spec = aivcs.ok("blob", "put", "-", stdin=b"a spec\n").text
        words = ("run", "start", "--agent", "bot", "--spec", spec, "--key", "job 7")
        assert f"run {run} was erased on purpose" in aivcs(*words, code=15).err.decode()

    def test_what_goes_on_or_proves_a_release_stays(self, aivcs, unchanged):
        running = record(aivcs, is_over=False)
        run = finished(aivcs)
        aivcs.ok("release", "promote", "bot", aivcs.put(b"a spec\n"), "--evidence", run)
        with unchanged:
            assert "goes on" in rm(aivcs, running, code=15).complaint
            assert "is evidence of release bot@1" in rm(aivcs, run, code=15).complaint
        rm(aivcs, run, "--force")
        told = aivcs.ok("release", "verify", "bot").text
        assert "evidence\tnot proven\t" in told
        assert "erased on purpose by ada" in told

    def test_all_are_checked_before_any_goes(self, aivcs, secret_run, unchanged):
        with unchanged:
            rm(aivcs, secret_run, "0000-missing", code=12)


class TestBlobsOfRemovedRuns:
    """The kept original goes with its run; the others stay, and that is said."""

    def source(self, aivcs, run, digest):
        aivcs.ok("run", "annotate", run, "import.source", json.dumps({"blob": {"$blob": digest}}))

    def test_the_original_of_an_import_goes_by_a_record(self, aivcs):
        run = imported(aivcs)
        (path,) = holders(aivcs.store / "objects")
        said = rm(aivcs, run, "--json")
        assert holders(aivcs.store) == []
        assert "still here" not in said.err.decode()
        (line,) = said.lines
        assert json.loads(line)["log"] == f"run/{run}"
        told = {one["what"]: one for one in records(aivcs)}
        assert sorted(told) == ["blob", "log"]
        assert told["blob"]["digest"] == path.replace("/", "")
        aivcs.ok("clone", ".", "copy")
        assert holders(aivcs.folder / "copy") == []
        assert "no damage found" in aivcs.ok("verify").err.decode()

    def test_it_goes_in_the_store_to_which_it_was_pushed(self, aivcs, tmp_path):
        run = imported(aivcs)
        aivcs.ok("init", str(tmp_path / "there"))
        aivcs.ok("push", "--no-scan", str(tmp_path / "there"))
        assert len(holders(tmp_path / "there")) == 2
        rm(aivcs, run)
        aivcs.ok("push", str(tmp_path / "there"))
        assert holders(tmp_path / "there") == []

    def test_the_others_stay_and_are_counted(self, aivcs, secret_run):
        one = rm(aivcs, secret_run).err.decode()
        assert "1 other blob that the runs named is still here: aivcs gc --grace 0s" in one
        runs = [record(aivcs), aivcs.begin("bot", b"a spec\n")]
        for more in ("", "more"):
            (aivcs.folder / "f").write_text(f"export TOKEN={SECRET}\n{more}")
            aivcs.ok("run", "log", "--blob", "f=f", runs[1], "output")
        aivcs.ok("run", "finish", runs[1])
        assert "2 other blobs that the runs named are still here" in rm(aivcs, *runs).err.decode()

    def test_all_but_the_spec_go_if_that_is_asked_for(self, aivcs):
        run = record(aivcs, is_over=False)
        spec = aivcs.put(b"a spec\n")
        state = aivcs.put(f"state {SECRET}".encode())
        note = aivcs.put(f"note {SECRET}".encode())
        aivcs.ok("run", "log", run, "used", json.dumps({"it": {"$blob": spec}}))
        aivcs.ok("run", "annotate", run, "n", json.dumps({"it": {"$blob": note}}))
        aivcs.ok("run", "finish", run, "--state", state)
        done = rm(aivcs, run, "--with-blobs")
        assert holders(aivcs.store) == []
        assert aivcs.object(spec).exists()
        assert [line.split("/")[0] for line in done.lines] == ["run", "blob", "blob", "blob"]
        assert "still here" not in done.err.decode()

    def test_one_that_was_damaged_and_put_aside_goes_too(self, aivcs, secret_run):
        quarantine(aivcs)
        rm(aivcs, secret_run, "--with-blobs")
        assert holders(aivcs.store) == []

    @pytest.mark.parametrize("words", [(), ("--with-blobs",)])
    def test_one_that_a_release_is_made_of_stays(self, aivcs, unchanged, words):
        spec = aivcs.put(b"of a release\n")
        aivcs.ok("release", "promote", "bot", spec)
        run = finished(aivcs)
        self.source(aivcs, run, spec)
        with unchanged:
            said = rm(aivcs, run, *words, code=15).complaint
        assert "release bot@1 is made of blob" in said
        rm(aivcs, run, "--force", *words)
        assert not aivcs.object(spec).exists()

    def test_a_stranger_names_no_original(self, aivcs):
        run = finished(aivcs)
        wanted = aivcs.put(b"of somebody else\n")
        self.source(aivcs, run, wanted)
        (aivcs.store / "untrusted").mkdir()
        (aivcs.store / "untrusted" / run).write_text("a fork\n")
        assert "1 other blob" in rm(aivcs, run).err.decode()
        assert aivcs.object(wanted).exists()

    def test_a_damaged_line_keeps_a_run_only_if_its_blobs_are_to_go(self, aivcs, secret_run):
        log = aivcs.run_log(secret_run)
        lines = log.read_bytes().splitlines(keepends=True)
        lines[3] = b"x" * (len(lines[3]) - 1) + b"\n"
        log.write_bytes(b"".join(lines))
        rm(aivcs, secret_run, "--with-blobs", code=14)
        rm(aivcs, secret_run)
        assert not log.exists()

    def test_an_interruption_leaves_the_run_or_no_blob(self, aivcs, monkeypatch):
        run = imported(aivcs)
        added = DocumentErasures.add

        def add(self, erasure):
            if erasure.what != "blob":
                raise BackendError("the disk is away")
            return added(self, erasure)

        monkeypatch.setattr(DocumentErasures, "add", add)
        with pytest.raises(BackendError):
            rm_run(Repository.open(aivcs.store), [run], ErasureRequest("ada", "r"))
        monkeypatch.undo()
        assert aivcs.run_log(run).exists()
        rm(aivcs, run)
        assert holders(aivcs.store) == []


class TestPruning:
    @pytest.fixture
    def runs(self, aivcs):
        """Runs that arrived 10, 20, … 100 days ago, of two agents by turns."""
        runs = []
        for number in range(1, 11):
            run = finished(aivcs, ("bot", "cat")[number % 2])
            arrived(aivcs, run, 10 * number)
            runs.append(run)
        return runs

    def prune(self, aivcs, *words, code=0):
        return aivcs("run", "prune", *words, "--by", "ada", code=code)

    def test_the_oldest_go_by_one_record(self, aivcs, runs):
        done = self.prune(aivcs, "--older-than", "85d")
        assert done.lines == [runs[9], runs[8]]
        (told,) = records(aivcs)
        assert told["what"] == "logs"
        assert sorted(log["log"][4:] for log in told["logs"]) == sorted(runs[8:])
        assert told["reason"] == "pruned runs older than 85d"
        assert len(aivcs.ok("run", "list", "--json").lines) == 8

    def test_a_dry_run_says_how_many_and_how_much(self, aivcs, runs, unchanged):
        size = sum(aivcs.run_log(run).stat().st_size for run in runs[8:])
        with unchanged:
            done = self.prune(aivcs, "--older-than", "85d", "--dry-run")
        assert done.lines == [runs[9], runs[8]]
        assert f"would erase 2 runs of {size:,} bytes" in done.err.decode()

    def test_the_last_of_each_agent_stay(self, aivcs, runs):
        done = self.prune(aivcs, "--keep-last", "4")
        assert sorted(done.lines) == sorted(runs[8:])

    def test_of_many_some_are_recorded_and_erased_before_the_next(self, aivcs, runs, monkeypatch):
        monkeypatch.setattr("aivcs.commands.run.prune._RECORDS", 1)
        monkeypatch.setattr("aivcs.commands.run.rm._PER_RECORD", 2)
        carried, looked = [], []

        def carry_out(store, found):
            carried.append([item.what for item in found])
            if len(carried) == 2:
                raise BackendError("the disk is away")
            erasing.carry_out(store, found)

        def pending(*words):
            looked.append(words)
            return erasing.pending(*words)

        monkeypatch.setattr("aivcs.commands.erasing.carry_out", carry_out)
        monkeypatch.setattr("aivcs.commands.erasing.pending", pending)
        there = set(runs)
        rules, request = Rules(older_than=45 * 86_400), ErasureRequest("ada", "old")
        with pytest.raises(BackendError):
            prune(Repository.open(aivcs.store), rules, request, most=6)
        left = {run for run in there if aivcs.run_log(run).exists()}
        assert sorted(f"run/{run}" for run in there - left) == carried[0]
        assert sorted(len(told["logs"]) for told in records(aivcs)) == [2, 2]
        done = prune(Repository.open(aivcs.store), rules, request, most=6)
        assert len(done.runs) == 4
        assert len(carried) == 5  # two records, and then what the first call left pending
        assert len(looked) == 1  # this reads the names of all runs
        assert [run for run in runs if aivcs.run_log(run).exists()] == runs[:4]
        assert "still here" not in aivcs.ok("verify").text

    def test_only_chosen_ones_go(self, aivcs, runs):
        failed = aivcs.begin("dog", b"a spec\n", "--tag", "env=ci")
        aivcs.ok("run", "finish", failed, "--status", "failed")
        arrived(aivcs, failed, 200)
        for words in (("--agent", "dog"), ("--status", "failed"), ("--tag", "env=ci")):
            done = self.prune(aivcs, "--older-than", "1d", *words, "--dry-run")
            assert done.lines == [failed], words

    def test_one_in_five_at_most_without_a_number(self, aivcs, runs, unchanged):
        with unchanged:
            said = self.prune(aivcs, "--older-than", "75d", code=15).complaint
            assert "3 of 10 runs" in said
            assert "--max 3" in said
            self.prune(aivcs, "--older-than", "75d", "--max", "2", code=15)
        assert len(self.prune(aivcs, "--older-than", "75d", "--max", "3").lines) == 3

    def test_what_its_timestamps_say_does_not_make_a_run_old(self, aivcs, runs):
        from aivcs.api import Repository
        from aivcs.model.run import RunMetadata, RunSummary
        from aivcs.model.timestamp import Timestamp

        ledger = Repository.open(aivcs.store).runs
        backdated = ledger.create_run(
            aivcs.put(b"a spec\n"),
            RunMetadata("bot"),
            created_at=Timestamp("2001-01-01T00:00:00Z"),
        )
        ledger.complete_run(backdated, RunSummary(success=True))
        assert backdated not in self.prune(aivcs, "--older-than", "85d").lines

    def test_evidence_and_what_goes_on_stay(self, aivcs, runs):
        spec = aivcs.put(b"a spec\n")
        aivcs.ok("release", "promote", "bot", spec, "--evidence", runs[9])
        running = aivcs.begin("bot", b"a spec\n")
        arrived(aivcs, running, 500)
        done = self.prune(aivcs, "--older-than", "85d")
        assert done.lines == [runs[8]]
        assert "kept 1 run, on which a release stands" in done.err.decode()

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), "say which runs go"),
            (("--older-than", "x"), "not a duration"),
            (("--keep-last", "-1"), "0 or more"),
            (("--older-than", "1d", "--reason", ""), "the reason is empty"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, aivcs, unchanged, words, says):
        with unchanged:
            assert says in self.prune(aivcs, *words, code=2).complaint

    def test_gc_applies_the_rules_of_the_store(self, aivcs, runs):
        assert "nothing says which runs go" in aivcs("gc", "--prune", code=2).complaint
        aivcs.ok("config", "set", "retention.older_than", "95d")
        assert aivcs.ok("gc", "--prune", "--dry-run").lines == [runs[9]]
        assert aivcs.ok("gc", "--prune").lines == [runs[9]]
        assert not aivcs.run_log(runs[9]).exists()

    def test_gc_collects_the_originals_of_pruned_imports(self, aivcs):
        run = imported(aivcs)
        (path,) = holders(aivcs.store / "objects")
        arrived(aivcs, run, 100)
        moment = time.time() - 100 * 86_400
        os.utime(aivcs.store / "objects" / path, (moment, moment))
        for _ in range(4):
            finished(aivcs)
        aivcs.ok("config", "set", "retention.older_than", "95d")
        assert aivcs.ok("gc", "--prune").lines[0] == run
        assert holders(aivcs.store) == []

    def test_gc_applies_no_rules_of_the_user(self, aivcs, runs):
        aivcs.ok("config", "set", "--user", "retention.older_than", "1s")
        assert "nothing says which runs go" in aivcs("gc", "--prune", code=2).complaint
        aivcs.ok("config", "set", "retention.older_than", "95d")
        assert aivcs.ok("gc", "--prune").lines == [runs[9]]


def recorded(aivcs, digest, created_at):
    """Writes the record of a blob's erasure by a machine whose clock is wrong."""
    told = {
        "type": "erasure", "format": 1, "what": "blob", "digest": digest,
        "by": "ada", "reason": "r", "created_at": created_at,
    }  # fmt: skip
    data = json.dumps(told, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    (aivcs.store / "erasures").mkdir(exist_ok=True)
    (aivcs.store / "erasures" / hashlib.sha256(data).hexdigest()).write_bytes(data)


class TestAClockThatIsWrong:
    def test_takes_no_blob_that_was_put_and_pinned_again(self, aivcs):
        digest = aivcs.put(b"a secret\n")
        aivcs.ok("blob", "rm", digest, "--reason", "r", "--by", "ada")
        recorded(aivcs, digest, "2999-01-01T00:00:00.000000Z")
        aivcs.put(b"a secret\n")
        aivcs.ok("blob", "pin", digest)
        aivcs.ok("gc")
        assert aivcs.object(digest).exists()
        assert (aivcs.store / "pins" / digest).exists()

    def test_does_not_keep_an_interrupted_erasure_from_being_completed(self, aivcs):
        digest = aivcs.put(b"a secret\n")
        (aivcs.store / "erasing").mkdir()
        (aivcs.store / "erasing" / digest).touch()
        recorded(aivcs, digest, "2001-01-01T00:00:00.000000Z")
        assert "no damage found, 1 notice" in aivcs.ok("verify").err.decode()
        assert "completed 1 interrupted erasure" in aivcs.ok("gc").err.decode()
        assert not aivcs.object(digest).exists()
        assert list((aivcs.store / "erasing").iterdir()) == []


class TestRemovingBlobs:
    def test_one_that_a_run_names_goes_and_verify_says_why(self, aivcs, secret_run):
        (digest,) = [
            path.replace("objects/", "").replace("/", "")
            for path in holders(aivcs.store)
            if path.startswith("objects")
        ]
        aivcs("blob", "rm", digest, code=15)
        aivcs.ok("blob", "pin", digest)
        aivcs.ok("blob", "rm", digest, "--reason", "a token", "--by", "ada")
        assert holders(aivcs.store / "objects") == []
        assert "which was erased on purpose by ada" in aivcs.ok("verify").text

    def test_one_that_was_damaged_and_put_aside_goes(self, aivcs, secret_run):
        digest = quarantine(aivcs)
        aivcs.ok("blob", "rm", digest, "--reason", "a token", "--by", "ada")
        assert holders(aivcs.store / "damaged") == []
        assert "which was erased on purpose by ada" in aivcs.ok("verify").text

    def test_one_that_only_a_run_names_gets_a_record(self, aivcs, secret_run, unchanged):
        digest = quarantine(aivcs)
        shutil.rmtree(aivcs.store / "damaged")
        with unchanged:
            aivcs("blob", "rm", "0" * 64, "--reason", "a token", code=12)
            aivcs("blob", "rm", digest, "0" * 64, "--reason", "a token", code=12)
        aivcs.ok("blob", "rm", digest, "--reason", "a token", "--by", "ada")
        assert [told["digest"] for told in records(aivcs)] == [digest]
        aivcs("blob", "has", digest, code=1)

    def test_one_that_a_release_is_made_of_stays(self, aivcs, secret_run, unchanged):
        spec = aivcs.put(b"a spec\n")
        aivcs.ok("release", "promote", "bot", spec)
        with unchanged:
            said = aivcs("blob", "rm", spec, "--reason", "r", code=15).complaint
        assert "release bot@1 is made of blob" in said

    def test_one_that_was_put_again_stays(self, aivcs, secret_run):
        digest = aivcs.put(b"wanted\n")
        aivcs.ok("blob", "rm", digest, "--reason", "by mistake")
        time.sleep(0.01)
        assert aivcs.put(b"wanted\n") == digest
        aivcs.ok("gc")
        aivcs.ok("blob", "has", digest)
