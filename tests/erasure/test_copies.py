"""Erasures travel with push, pull, clone and bundles, and what was erased does not come back."""

import hashlib

import pytest
from conftest import Aivcs
from erasure.conftest import SECRET, holders, quarantine, record
from sync import conftest as stores

store, here, there = stores.store, stores.here, stores.there


@pytest.fixture
def run(here, there):
    run = record(here)
    here.ok("push", "--no-scan")
    assert len(holders(there.store)) == 2
    return run


def redact(aivcs, run):
    words = ("--match", SECRET, "--with-blobs", "--reason", "a token leaked", "--by", "ada")
    aivcs.ok("run", "redact", run, *words)


class TestPushing:
    def test_what_was_redacted_is_redacted_there(self, here, there, run):
        redact(here, run)
        assert "pushed 4 erasures" in here.ok("push").err.decode()
        assert holders(there.store) == holders(here.store) == []
        assert "erased on purpose by ada" in there.ok("verify").text
        assert "nothing to push" in here.ok("push").err.decode()

    def test_what_was_put_aside_there_goes(self, here, there, run):
        quarantine(there)
        redact(here, run)
        here.ok("push")
        assert holders(there.store) == []

    def test_what_was_erased_there_is_not_brought_back(self, here, there, run):
        there.ok("run", "rm", run, "--reason", "gone")
        there.ok("gc", "--grace", "0s")
        here.ok("push", "--no-scan", "--all")
        assert holders(there.store) == []
        assert not there.run_log(run).exists()

    def test_a_blob_that_was_erased_there_is_not_brought_back(self, here, there, run):
        redact(there, run)
        other = record(here)  # which names the same blob
        here.ok("push", "--no-scan")
        assert there.run_log(other).exists()
        assert holders(there.store / "objects") == []

    def test_a_blob_that_came_there_after_it_was_erased_here_goes_once(self, here, there, run):
        redact(here, run)
        for path in holders(there.store / "objects"):
            digest = path.replace("/", "")
        there.ok("blob", "rm", digest, "--force")
        there.put(f"export TOKEN={SECRET}\n".encode())
        here.ok("push")
        assert not there.object(digest).exists()
        there.put(f"export TOKEN={SECRET}\n".encode())
        here.ok("push", "--all")
        there.ok("gc")
        assert there.object(digest).exists()

    def test_a_blob_that_was_put_again_is_said_to_be_left_out(self, here, there, run, tmp_path):
        redact(here, run)
        here.ok("push")
        record(here)  # which puts the same blob again
        told = here.ok("push", "--no-scan").err.decode()
        digest = hashlib.sha256(f"export TOKEN={SECRET}\n".encode()).hexdigest()
        assert f"1 blob ({digest}) left out" in told
        told = here.ok("clone", str(here.store), str(tmp_path / "clone")).err.decode()
        assert f"1 blob ({digest}) left out" in told

    def test_an_erased_run_goes_there_too(self, here, there, run):
        here.ok("run", "rm", run, "--reason", "gone")
        here.ok("push")
        assert not there.run_log(run).exists()

    def test_what_is_pending_here_is_completed_first(self, here, there, run):
        log = here.run_log(run)
        before = log.read_bytes()
        redact(here, run)
        log.write_bytes(before)
        here.ok("push")
        assert holders(there.store) == holders(here.store) == []


class TestPulling:
    def test_it_is_told_and_done_only_if_asked_for(self, here, there, run):
        redact(there, run)
        before = here.run_log(run).read_bytes()
        done = here.ok("pull")
        assert done.text.count("not applied") == 4
        assert "--apply-erasures" in done.err.decode()
        here.ok("gc")
        assert here.run_log(run).read_bytes() == before
        here.ok("pull", "--apply-erasures")
        assert holders(here.store) == []
        assert "not applied" not in here.ok("pull").text

    def test_the_users_configuration_may_ask_for_it(self, here, there, run):
        redact(there, run)
        here.ok("config", "set", "--user", "pull.apply_erasures", "origin")
        here.ok("pull")
        assert holders(here.store) == []

    def test_a_store_cannot_ask_for_it(self, here):
        here("config", "set", "pull.apply_erasures", "origin", code=2)

    def test_a_redacted_run_arrives_with_its_records(self, store, there, here, run):
        redact(there, run)
        third = store("third")
        third.ok("remote", "add", "origin", str(there.store))
        third.ok("pull")
        assert third.run_log(run).read_bytes() == there.run_log(run).read_bytes()
        assert "no damage found" in third.ok("verify").err.decode()

    def test_a_redacted_run_without_its_record_is_refused(self, store, there, here, run):
        redact(there, run)
        for path in (there.store / "erasures").iterdir():
            path.unlink()
        third = store("third")
        third.ok("remote", "add", "origin", str(there.store))
        assert "no record of an erasure" in third("pull", code=14).err.decode()
        assert not third.run_log(run).exists()

    def test_a_run_that_goes_on_is_pulled_on_behind_its_redacted_lines(self, here, there):
        running = record(there, is_over=False)
        here.ok("pull")
        there.ok("run", "redact", running, "6", "--reason", "r")
        there.ok("run", "log", running, "output", "text=more")
        there.ok("run", "finish", running)
        here.ok("pull")
        assert SECRET in here.run_log(running).read_text()  # nobody asked to erase it here
        assert "no damage found" in here.ok("verify").err.decode()
        here.ok("pull", "--apply-erasures")
        assert here.run_log(running).read_bytes() == there.run_log(running).read_bytes()

    def test_a_bundle_and_a_clone_have_the_records(self, here, there, run, tmp_path):
        redact(here, run)
        bundle = str(tmp_path / "all.tar")
        here.ok("bundle", "create", bundle)
        assert "no damage found" in here.ok("bundle", "verify", bundle).err.decode()
        here.ok("bundle", "create", str(tmp_path / "one.tar"), "--run", run)
        for source, folder in ((bundle, "a"), (str(tmp_path / "one.tar"), "b"), (here.store, "c")):
            here.ok("clone", str(source), str(tmp_path / folder))
            copy = Aivcs(tmp_path / folder, here.home)
            assert copy.run_log(run).read_bytes() == here.run_log(run).read_bytes()
            assert "no damage found" in copy.ok("verify").err.decode()

    def test_a_stranger_erases_nothing_and_forbids_no_id(self, here, there, run, tmp_path):
        there.ok("run", "rm", run, "--reason", "gone")
        other = record(there)
        bundle = str(tmp_path / "fork.tar")
        there.ok("bundle", "create", bundle)
        here.ok("pull", bundle, "--from-untrusted", "fork")
        assert here.run_log(run).exists()
        assert here.run_log(other).read_bytes() == there.run_log(other).read_bytes()
        assert "no damage found" in here.ok("verify").err.decode()

    def test_what_a_stranger_redacted_is_not_pushed_on(self, store, here, there, run, tmp_path):
        before = there.run_log(run).read_bytes()
        redact(here, run)  # in a stranger's clone, which may not push
        bundle = str(tmp_path / "fork.tar")
        other = record(here)
        here.ok("bundle", "create", bundle, "--run", run, "--run", other)
        third = store("third")
        third.ok("remote", "add", "origin", str(there.store))
        told = third("pull", bundle, "--from-untrusted", "fork", code=15).err.decode()
        assert f"of run {run} is redacted" in told
        assert third.run_log(other).exists()
        assert not third.run_log(run).exists()
        third.ok("push", "--no-scan", "--all")
        assert there.run_log(run).read_bytes() == before
        third.ok("pull")  # whoever vouches for the source has the run whole
        assert third.run_log(run).read_bytes() == before
