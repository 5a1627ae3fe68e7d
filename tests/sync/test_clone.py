"""`aivcs clone`: a store that has all of another, wherever either of them is."""

import pytest
from conftest import Aivcs
from sync.conftest import blobs, content, logs, record


@pytest.fixture
def full(here):
    """A store with runs, releases, a block, pins, and a blob that nothing names."""
    for number in range(3):
        record(here, number)
    record(here, is_over=False)
    one, two = here.put(b"one"), here.put(b"two")
    here.ok("release", "promote", "prod/bot", one, "--label", "v1", "--by", "ann")
    here.ok("release", "promote", "prod/bot", two, "--label", "v2", "--by", "ann")
    here.ok("release", "block", "prod/bot", "v1", "--reason", "slow", "--by", "ann")
    here.ok("blob", "pin", here.put(b"kept"))
    here.put(b"named by nothing")
    here.ok("head")
    return here


@pytest.fixture
def clone(full, tmp_path):
    """A clone of it."""
    (tmp_path / "clone").mkdir()
    other = Aivcs(tmp_path / "clone", full.home)
    assert full.ok("clone", ".", "../clone").lines[-1] == str(other.store)
    return other


class TestClone:
    def test_has_all_of_it(self, full, clone):
        assert logs(clone) == logs(full)
        assert blobs(clone) == blobs(full)
        name = "releases/prod/bot.jsonl"
        assert (clone.store / name).read_bytes() == (full.store / name).read_bytes()
        assert {p.name for p in clone.store.glob("pins/*")} == {
            p.name for p in full.store.glob("pins/*")
        }
        assert clone.ok("head").text == full.ok("head").text
        clone.ok("verify")

    def test_is_a_store_with_an_id_of_its_own(self, full, clone):
        assert (clone.store / "id").read_bytes() != (full.store / "id").read_bytes()

    def test_knows_where_it_came_from(self, full, clone):
        assert clone.ok("remote", "list").lines == [f"origin\t{full.store}"]
        assert clone.ok("pull").out == b""

    def test_follows_what_happens_there(self, full, clone):
        run = record(full)
        full.ok("release", "rollback", "prod/bot", "--to", "v2", "--reason", "x", "--by", "ann")
        lines = clone.ok("pull").lines
        assert sorted(lines) == ["release/prod/bot\textended\t4", f"run/{run}\tnew\t4"]
        assert clone.ok("head").text == full.ok("head").text

    def test_repeated_it_goes_on(self, full, clone):
        run = record(full)
        assert f"run/{run}\tnew\t4" in full.ok("clone", ".", "../clone").lines
        assert clone.ok("head").text == full.ok("head").text

    def test_into_another_store_is_refused(self, full, there):
        record(there)
        before = content(there)
        assert "there already" in full("clone", ".", str(there.folder), code=2).complaint
        assert content(there) == before

    def test_of_nothing_is_refused(self, full, tmp_path):
        for words in (("clone", "nothing.tar", "../clone"), ("pull", "./nothing.tar")):
            told = f"no file or store at {full.folder}/nothing.tar"
            assert told in full(*words, code=10).complaint
        full("clone", ".", "", code=2)
        full("clone", "", "../clone", code=2)
        assert not (tmp_path / "clone").exists()

    def test_a_copied_run_is_not_appended_to_until_it_is_ended_here(self, full, clone):
        (run,) = [p.name for p in clone.store.glob("replicas/*")]
        clone("run", "log", run, "x", code=15)
        clone("run", "finish", run, code=15)
        before = content(clone)
        early = clone("run", "finish", run, "--here", "--status", "failed", code=15)
        assert "run.lost_after" in early.complaint
        assert content(clone) == before
        clone.ok("config", "set", "run.lost_after", "0")
        clone.ok("run", "finish", run, "--here", "--status", "failed")
        assert clone.record(run)["status"] == "FAILED"
        assert full.record(run)["status"] == "RUNNING"
        clone.ok("push")
        assert full.record(run)["status"] == "FAILED"

    def test_an_orphaned_copy_is_reaped_when_it_is_old(self, full, clone):
        (run,) = [p.name for p in clone.store.glob("replicas/*")]
        assert clone.ok("run", "reap").out == b""
        assert clone.ok("run", "reap", "--older-than", "0s").lines == [run]
        assert clone.record(run)["status"] == "FAILED"

    def test_a_copy_is_lost_after_the_configured_time(self, full, clone):
        (run,) = [p.name for p in clone.store.glob("replicas/*")]
        clone.ok("config", "set", "run.lost_after", "3600")
        assert clone.ok("run", "reap").out == b""
        clone.ok("config", "set", "--user", "run.lost_after", "0")
        assert clone.ok("run", "reap").out == b""  # the store's own file says otherwise
        clone.ok("config", "unset", "run.lost_after")
        assert clone.ok("run", "reap").lines == [run]
        clone("config", "set", "run.lost_after", "-1", code=2)

    def test_a_lost_run_may_be_named_at_once(self, full, clone):
        (run,) = [p.name for p in clone.store.glob("replicas/*")]
        assert clone.ok("run", "reap", run).lines == [run]


class TestReleasesAtTheirHome:
    def live(self, aivcs, name="prod/bot"):
        return aivcs.ok("release", "current", name).text

    def test_a_promotion_in_a_clone_is_made_at_home(self, full, clone):
        spec = clone.put(b"three")
        done = clone.ok("release", "promote", "prod/bot", spec, "--label", "v3", "--by", "bob")
        assert done.text == spec == self.live(full) == self.live(clone)
        assert full.ok("blob", "get", spec).out == b"three"
        assert clone.ok("head").text == full.ok("head").text

    def test_parts_and_evidence_go_with_it(self, full, clone):
        (clone.folder / "p.md").write_text("a prompt")
        spec = clone.ok("spec", "create", "--prompts", "p.md").text
        run = clone.ok("run", "start", "--agent", "bot", "--spec", spec).text
        clone.ok("run", "finish", run)
        clone.ok("release", "promote", "prod/bot", spec, "--evidence", run, "--by", "bob")
        assert full.record(run)["status"] == "COMPLETED"
        assert full.ok("spec", "show", "prod/bot@current").out
        full.ok("verify")

    def test_its_policy_holds_and_not_that_of_the_clone(self, full, clone):
        full.ok("config", "set", "policy.prod/*.require_runs", "1")
        spec = clone.put(b"three")
        before = self.live(full)
        clone("release", "promote", "prod/bot", spec, "--by", "bob", code=15)
        assert self.live(full) == before
        full.ok("config", "unset", "policy.prod/*.require_runs")
        clone.ok("config", "set", "policy.prod/*.require_runs", "1")
        clone.ok("release", "promote", "prod/bot", spec, "--by", "bob")
        assert self.live(full) == spec

    def test_an_expectation_holds_there(self, full, clone):
        newer = full.put(b"newer")
        full.ok("release", "promote", "prod/bot", newer, "--by", "ann")
        spec = clone.put(b"three")
        words = ("release", "promote", "prod/bot", spec, "--by", "bob")
        assert clone(*words, "--expect", "@3", code=15)
        assert self.live(full) == newer
        clone.ok(*words, "--expect", newer)

    def test_rollback_block_and_unblock_too(self, full, clone):
        one, two = full.put(b"one"), full.put(b"two")
        words = ("--by", "bob", "--reason", "x")
        clone.ok("release", "unblock", "prod/bot", "v1", *words)
        assert clone.ok("release", "rollback", "prod/bot", *words).text == one
        assert self.live(full) == one
        clone.ok("release", "block", "prod/bot", "v2", *words)
        assert full("release", "promote", "prod/bot", two, code=15)
        assert clone.ok("head").text == full.ok("head").text

    def test_a_name_may_have_its_home_here(self, full, clone):
        clone.ok("config", "set", "release.home.mine/*", "here")
        spec = clone.put(b"mine")
        clone.ok("release", "promote", "mine/bot", spec, "--by", "bob")
        assert full("release", "current", "mine/bot").code == 12
        clone.ok("pull")
        assert self.live(clone, "mine/bot") == spec

    def test_without_its_home_nothing_is_changed(self, full, clone, tmp_path):
        full.store.rename(tmp_path / "away")
        before = content(clone)
        spec = clone.put(b"two")
        assert clone("release", "promote", "prod/bot", spec, "--by", "bob", code=10)
        assert content(clone) == before

    def test_what_is_live_at_home_can_be_asked_for(self, full, clone):
        newer = full.put(b"newer")
        full.ok("release", "promote", "prod/bot", newer, "--by", "ann")
        assert self.live(clone) != newer
        assert clone.ok("release", "current", "prod/bot", "--at-home").text == newer


class TestPulledReleases:
    @pytest.fixture
    def reader(self, full, store):
        other = store("reader")
        other.ok("remote", "add", "team", str(full.store))
        other.ok("pull")
        return other

    def test_are_read_by_the_name_of_the_remote(self, full, reader):
        two = full.put(b"two")
        done = reader.ok("release", "current", "team:prod/bot")
        assert done.text == two
        assert b"pulled" in done.err
        assert reader.ok("release", "history", "team:prod/bot").out == (
            full.ok("release", "history", "prod/bot").out
        )
        assert reader.ok("release", "show", "team:prod/bot@v1").out
        run = reader.ok("run", "start", "--agent", "bot", "--spec", "team:prod/bot@v2").text
        assert reader.record(run)["spec_digest"] == two

    def test_are_counted(self, full, reader):
        full.ok("release", "block", "prod/bot", "v2", "--reason", "slow", "--by", "ann")
        assert "pulled 1 release log from team" in reader.ok("pull").err.decode()
        run = full.ok("run", "list", "--limit", "1", "--status", "completed").text.split()[0]
        full.ok("run", "annotate", run, "evaluation", "score:=1")
        assert "pulled 1 annotation from team" in reader.ok("pull").err.decode()
        assert "nothing to pull from team" in reader.ok("pull").err.decode()

    def test_are_not_live_here(self, full, reader):
        assert reader("release", "current", "prod/bot").code == 12
        assert reader.ok("release", "list").out == b""
        assert not list(reader.store.glob("releases/**/*.jsonl"))
        own = reader.put(b"own")
        reader.ok("release", "promote", "prod/bot", own, "--by", "me")
        reader.ok("pull", "--all")
        assert reader.ok("release", "current", "prod/bot").text == own

    def test_cannot_be_changed(self, reader):
        spec = reader.put(b"x")
        for words in (("promote", "team:prod/bot", spec), ("rollback", "team:prod/bot")):
            assert reader("release", *words, code=2)

    def test_are_followed(self, full, reader):
        newer = full.put(b"newer")
        full.ok("release", "promote", "prod/bot", newer, "--by", "ann")
        assert reader.ok("pull").lines == ["team:prod/bot\textended\t4"]
        assert reader.ok("release", "current", "team:prod/bot").text == newer
        assert reader.ok("pull").out == b""

    def test_a_log_that_was_rewritten_there_is_refused(self, full, reader):
        path = full.release_log("prod/bot")
        first = path.read_bytes().splitlines(keepends=True)[0]
        path.write_bytes(first)
        three = full.put(b"three")
        full.ok("release", "promote", "prod/bot", three, "--by", "eve")
        before = reader.ok("release", "current", "team:prod/bot").text
        done = reader("pull", code=15)
        assert b"line 2" in done.err
        assert reader.ok("release", "current", "team:prod/bot").text == before

    def test_gc_keeps_what_they_name(self, full, reader):
        reader.ok("gc", "--grace", "0s")
        assert reader.ok("blob", "get", full.put(b"two")).out == b"two"

    def test_go_with_the_remote(self, full, reader):
        reader.ok("remote", "rm", "team")
        assert reader("release", "current", "team:prod/bot", code=2)
        reader.ok("gc", "--grace", "0s")
        assert reader("blob", "has", full.put(b"two")).code == 1


class TestRunsAtARemote:
    def test_a_run_that_spans_jobs_is_started_there(self, here, there, tmp_path):
        spec = here.put(b"spec")
        words = ("run", "start", "--agent", "bot", "--spec", spec, "--at", "origin")
        run = here.ok(*words, "--dotenv", str(tmp_path / "env")).text
        assert f"AIVCS_STORE={there.store}" in (tmp_path / "env").read_text()
        assert there.ok("blob", "get", spec).out == b"spec"
        there.ok("run", "log", run, "x")
        assert not list(here.store.glob("runs/*/*"))
        assert here.ok(*words, "--key", "k").text == here.ok(*words, "--key", "k").text
