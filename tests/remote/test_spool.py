"""The spool: runs for a store that is away are recorded on this machine, and arrive later."""

import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from erasure.conftest import holders

from aivcs.api import Repository
from aivcs.commands import erasing
from aivcs.commands.erasing import ErasureRequest
from aivcs.commands.remote.copy import Copy
from aivcs.commands.run.rm import erased_log, rm
from aivcs.commands.spool.push import SpoolPush
from aivcs.errors import BackendError
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store import erasing as store_erasing
from aivcs.store.annotations import compose
from aivcs.sync.spool import Spools


@pytest.fixture
def spooled(remote):
    """The user wants runs to go to a spool first, and waits for no store."""
    remote.configure("[core]\nspool = true\n[remote]\ntimeout = 0.1\n")
    return remote


def place(remote):
    return remote.home / ".local/state/aivcs/spool"


def logs_here(remote):
    """The bytes of the logs in the spool, by run."""
    return {path.stem: path.read_bytes() for path in place(remote).glob("*/*/.aivcs/runs/*/*")}


def logs_there(remote):
    """The bytes of the logs in the store, by run."""
    copy = remote.folder / f"copy{random.random()}"
    remote("clone", remote.url, str(copy))
    return {path.stem: path.read_bytes() for path in copy.glob(".aivcs/runs/*/*")}


def waiting(remote):
    return [json.loads(line) for line in remote.at("spool", "list", "--json").lines]


def begin(remote, *words, **options):
    spec = remote.folder / "prompt.md"
    spec.write_text("You review.\n")
    words = ("run", "start", "--agent", "bot", "--spec-file", str(spec), *words)
    return remote.at(*words, **options).text


def arrived(remote, run, lines):
    """Waits until the store has a number of lines of a run."""
    end = time.monotonic() + 50
    while time.monotonic() < end:
        found = logs_there(remote).get(run, b"")
        if found.count(b"\n") >= lines:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{run} did not arrive")


class TestWhoSpools:
    def test_nobody_unless_it_is_configured(self, remote):
        run = begin(remote)
        assert not place(remote).exists()
        assert run in logs_there(remote)

    def test_a_store_in_a_folder_never_does(self, remote, tmp_path):
        remote.configure("[core]\nspool = true\n")
        spool = tmp_path / "spool"
        remote("init", "local")
        folder = remote.folder / "local"
        for store in (".", ".aivcs", f"file://{folder}/.aivcs"):
            env = {"AIVCS_SPOOL": str(spool)} | ({} if store == "." else {"AIVCS_STORE": store})
            (folder / "p.md").write_text("p")
            words = ("run", "start", "--agent", "bot", "--spec-file", "p.md")
            run = remote(*words, env=env, cwd=folder).text
            remote("run", "log", run, "x", env=env, cwd=folder)
            remote("run", "finish", run, env=env, cwd=folder)
            assert not remote("status", env=env, cwd=folder).out.count("spool")
        assert not spool.exists()
        assert not place(remote).exists()

    def test_a_variable_names_the_place(self, remote, tmp_path):
        spool = tmp_path / "spool"
        begin(remote, env={"AIVCS_SPOOL": str(spool)})
        assert list(spool.glob("*/*/.aivcs/runs/*/*.jsonl"))
        for bad in ("spool", "./spool"):
            assert "begins with /" in begin_fails(remote, 2, AIVCS_SPOOL=bad)

    def test_the_configuration_of_the_store_is_remembered(self, remote):
        remote.configure("[remote]\ntimeout = 0.1\n")
        remote.at("config", "set", "core.spool", "true")
        begin(remote)
        remote.go_away()
        run = begin(remote)
        remote.come_back()
        remote.at("spool", "push")
        assert run in logs_there(remote)

    def test_it_is_a_truth_value(self, remote):
        assert "true or false" in remote("config", "set", "--user", "core.spool", "yes", code=2).err
        remote("config", "set", "--user", "core.spool", "true")
        assert remote("config", "get", "core.spool").text == "true"

    def test_its_place_is_that_of_platformdirs(self, remote):
        program = (
            "import platformdirs; print(platformdirs.user_state_dir('aivcs', appauthor=False))"
        )
        told = subprocess.run(
            [sys.executable, "-c", program], env=remote.environment(), capture_output=True,
            check=True,
        )  # fmt: skip
        if sys.platform == "linux":
            assert told.stdout.decode().strip() == str(place(remote).parent)

    def test_nobody_else_may_read_it(self, spooled):
        begin(spooled)
        for folder, _, _ in os.walk(place(spooled)):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700

    def test_a_place_that_others_may_enter_is_refused(self, remote, tmp_path):
        (tmp_path / "open").mkdir(mode=0o755)
        assert "chmod 700" in begin_fails(remote, 16, AIVCS_SPOOL=str(tmp_path / "open"))

    def test_commands_on_a_folder_load_nothing_of_it(self, outside):
        outside.ok("init")
        spec = outside.ok("blob", "put", "-", stdin="x").text
        run = outside.ok("run", "start", "--agent", "a", "--spec", spec).text
        program = (
            "import sys; from aivcs.cli.main import main; "
            f"main(['run', 'log', {run!r}, 'k']); main(['run', 'finish', {run!r}]); "
            "sys.exit(any('spool' in name for name in sys.modules))"
        )
        subprocess.run(
            [sys.executable, "-c", program], cwd=outside.folder, env=outside.environment(),
            check=True,
        )  # fmt: skip


def begin_fails(remote, code, **env):
    (remote.folder / "p.md").write_text("p")
    words = ("run", "start", "--agent", "bot", "--spec-file", "p.md")
    return remote.at(*words, env=env, code=code).err


class TestAJob:
    def test_arrives_byte_for_byte(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "n:=1")
        events = "".join(f'{{"kind":"step","payload":{n}}}\n' for n in range(100))
        spooled.at("run", "log", "--stdin", run, stdin=events)
        spooled.at("run", "finish", run, "--exit-code", "1")
        assert waiting(spooled) == []
        assert logs_there(spooled) == logs_here(spooled)
        assert spooled.at("run", "show", run, "--json").out.count('"FAILED"')
        spooled.at("verify")

    def test_is_pushed_while_it_goes_on(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step")
        assert arrived(spooled, run, 2)
        spooled.at("run", "log", run, "step")
        assert arrived(spooled, run, 3) == logs_here(spooled)[run]

    def test_goes_on_while_the_store_is_away_even_if_it_was_never_seen(self, spooled):
        spooled.go_away()
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "n:=1")
        spooled.at("run", "log", "--stdin", run, stdin='{"kind":"x","payload":{}}\n')
        assert spooled.at("run", "show", run).out.count("RUNNING")
        assert len(spooled.at("run", "events", run, "--json").lines) == 2
        done = spooled.at("run", "finish", run)
        assert "1 run waits in the spool" in done.err
        assert [(one["run_id"], one["lines"]) for one in waiting(spooled)] == [(run, 4)]
        assert spooled.at("spool", "push", code=75).out == ""
        spooled.come_back()
        assert spooled.at("spool", "push").lines == [f"run/{run}\tnew\t4"]
        assert waiting(spooled) == []
        assert logs_there(spooled) == logs_here(spooled)
        other = begin(spooled)
        spooled.at("run", "finish", other)
        assert set(logs_there(spooled)) == {run, other}

    def test_begun_before_the_store_was_known_is_found_when_it_is(self, spooled):
        spooled.go_away()
        run = begin(spooled)
        spooled.come_back()
        spooled("trust", spooled.url)
        spooled.at("run", "log", run, "step")
        other = begin(spooled)
        spooled.at("run", "finish", run)
        assert set(logs_there(spooled)) == {run, other}
        assert len({path.parts[-6] for path in place(spooled).glob("*/*/.aivcs/runs/*/*")}) == 1

    def test_goes_on_when_its_store_is_trusted_in_the_middle(self, spooled):
        spooled.go_away()
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "n:=1")
        spooled.come_back()
        spooled("trust", spooled.url)
        spooled.at("run", "log", run, "step", "n:=2")
        spooled.at("spool", "push")
        spooled.at("run", "log", run, "step", "n:=3")
        spooled.at("run", "finish", run)
        assert logs_there(spooled) == logs_here(spooled)
        assert logs_there(spooled)[run].count(b"\n") == 5

    def test_for_a_store_under_two_names_has_one_spool(self, spooled):
        begin(spooled)
        begin(spooled, env={"AIVCS_STORE": spooled.url.replace("server", "alias")})
        assert len(list(place(spooled).glob("*/state.json"))) == 1

    def test_what_is_executed_goes_on_and_logs_to_the_same_run(self, spooled):
        spooled.go_away()
        (spooled.folder / "p.md").write_text("p")
        script = f"echo hello; {spooled.script} run log @ inner; printenv AIVCS_STORE"
        done = spooled.at(
            "run", "exec", "--agent", "bot", "--spec-file", "p.md", "--", "sh", "-c", script
        )
        assert done.lines == ["hello", spooled.url]
        assert "waits in the spool" in done.err
        spooled.come_back()
        spooled.at("spool", "push")
        (log,) = logs_there(spooled).values()
        assert log.count(b'"kind":"inner"') == 1
        assert log.count(b'"COMPLETED"') == 1

    def test_hands_the_store_on_to_other_steps(self, spooled, tmp_path):
        env = {"GITHUB_ACTIONS": "true", "GITHUB_ENV": str(tmp_path / "env")}
        (tmp_path / "env").touch()
        begin(spooled, "--github-env", env=env)
        assert f"AIVCS_STORE={spooled.url}\n" in (tmp_path / "env").read_text()

    def test_a_script_with_functions_of_the_shell_does(self, spooled):
        spooled.go_away()
        run = begin(spooled)
        script = f"""
            set -e
            eval "$({spooled.script} shell-init)"
            for n in 1 2 3; do aivcs_log step n:=$n; done
            aivcs_flush
            {spooled.script} run finish @
        """
        env = spooled.environment(AIVCS_STORE=spooled.url, AIVCS_RUN=run)
        subprocess.run(
            ["bash", "-c", script], env=env, cwd=spooled.folder, check=True, timeout=60,
            capture_output=True,
        )  # fmt: skip
        assert logs_here(spooled)[run].count(b"\n") == 5
        spooled.come_back()
        spooled.at("spool", "push")
        assert logs_there(spooled) == logs_here(spooled)

    def test_a_run_with_a_key_is_started_once(self, spooled):
        run = begin(spooled, "--key", "job 7")
        assert begin(spooled, "--key", "job 7") == run
        spooled.go_away()
        assert begin(spooled, "--key", "job 7") == run

    def test_a_parent_may_be_in_the_store_or_in_the_spool(self, remote):
        old = begin(remote)
        remote.configure("[core]\nspool = true\n")
        child = begin(remote, "--parent", old)
        grandchild = begin(remote, "--from", child)
        assert json.loads(remote.at("run", "show", child, "--json").out)["metadata"]["tags"] == {
            "parent": old
        }
        assert remote.at("run", "show", grandchild).out.count(child)

    def test_a_run_that_was_started_in_the_store_goes_on_there(self, remote):
        run = begin(remote)
        remote.configure("[core]\nspool = true\n")
        remote.at("run", "log", run, "step")
        remote.at("run", "finish", run)
        assert logs_there(remote)[run].count(b"\n") == 3
        assert run not in logs_here(remote)

    def test_an_unknown_run_is_not_there(self, spooled):
        begin(spooled)
        spooled.at("run", "log", "0" * 8, "step", code=12)
        spooled.at("run", "finish", "", code=2)

    def test_ten_at_once_arrive(self, spooled):
        spooled.at("run", "list")
        (spooled.folder / "p.md").write_text("p")
        script = """
            run=$($0 run start --agent bot --spec-file p.md)
            for n in 1 2 3; do $0 run log $run step n:=$n; done
            $0 run finish $run
        """
        env = spooled.environment(AIVCS_STORE=spooled.url)
        jobs = [
            subprocess.Popen(
                ["sh", "-ec", script, str(spooled.script)], env=env, cwd=spooled.folder
            )
            for _ in range(10)
        ]
        assert [job.wait(120) for job in jobs] == [0] * 10
        spooled.at("spool", "push")
        there = logs_there(spooled)
        assert len(there) == 10
        assert there == logs_here(spooled)


class TestASpec:
    def test_of_the_store_is_brought_along(self, spooled):
        spec = spooled.at("blob", "put", "-", stdin="a spec").text
        spooled.at("release", "promote", "bot", spec, "--label", "v1", "--by", "ann")
        run = spooled.at("run", "start", "--agent", "bot", "--spec", "bot@current").text
        assert json.loads(spooled.at("run", "show", run, "--json").out)["spec_digest"] == spec
        assert list(place(spooled).glob(f"*/*/.aivcs/objects/{spec[:2]}/{spec[2:]}"))

    def test_is_what_it_was_when_the_store_is_away(self, spooled):
        spec = spooled.at("blob", "put", "-", stdin="a spec").text
        spooled.at("release", "promote", "bot", spec, "--by", "ann")
        spooled.at("run", "start", "--agent", "bot", "--spec", "bot@current")
        spooled.go_away()
        done = spooled.at("run", "start", "--agent", "bot", "--spec", "bot@current")
        assert "taken to be what it was" in done.err
        done = spooled.at("run", "start", "--agent", "bot", "--spec", "f" * 64)
        assert "is not known" in done.err
        spooled.at("run", "start", "--agent", "bot", "--spec", "other@current", code=75)

    def test_that_is_nowhere_is_refused(self, spooled):
        spooled.at("run", "start", "--agent", "bot", "--spec", "f" * 64, code=12)
        spooled.at("run", "start", "--agent", "bot", "--spec", "bot@current", code=12)


SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


class TestWhatIsNotPushed:
    def test_a_secret_is_held_back_and_said(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", f"key={SECRET}")
        done = spooled.at("-q", "run", "finish", run)
        assert "held back" in done.err
        assert SECRET not in done.err
        assert logs_there(spooled).get(run, b"").count(b"\n") <= 1
        (one,) = waiting(spooled)
        assert "github-token" in one["error"]
        assert "1 run waits" in spooled.at("status").out
        spooled.at("spool", "push", code=15)
        spooled.at("spool", "push", "--no-scan")
        assert logs_there(spooled) == logs_here(spooled)

    def test_the_others_are_pushed_all_the_same(self, spooled):
        bad, good = begin(spooled), begin(spooled)
        spooled.at("run", "log", bad, "step", f"key={SECRET}")
        spooled.at("run", "finish", bad)
        spooled.at("run", "finish", good)
        assert logs_there(spooled)[good] == logs_here(spooled)[good]

    def test_nothing_goes_to_another_store_under_the_same_url(self, spooled):
        run = begin(spooled)
        spooled.place.unlink()
        spooled("init", spooled.url)
        spooled.at("run", "finish", run)
        done = spooled.at("spool", "push", code=15)
        assert "another store" in done.err
        assert logs_there(spooled) == {}
        assert logs_here(spooled)[run].count(b"\n") == 2

    def test_status_says_so_although_the_store_is_away(self, spooled):
        begin(spooled)
        spooled.go_away()
        begin(spooled)
        done = spooled.at("status", code=75)
        assert "wait" in done.err.splitlines()[-2]


def day_store(remote):
    (store,) = place(remote).glob("*/*/.aivcs")
    return store


def log_of(remote, run):
    return day_store(remote) / f"runs/{run[:2]}/{run}.jsonl"


class TestWhatIsErased:
    def test_in_the_spool_is_erased_in_the_store_too(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "password=swordfish")
        spooled.at("run", "finish", run)
        assert b"swordfish" in logs_there(spooled)[run]
        words = ("run", "redact", run, "--match", "swordfish", "--reason", "leaked")
        spooled("--store", str(day_store(spooled)), *words)
        assert "erasures/" in spooled.at("spool", "push").out
        assert b"swordfish" not in logs_there(spooled)[run]
        assert "nothing waits" in spooled.at("spool", "push").err
        spooled.at("verify")

    @pytest.mark.parametrize("is_over", [True, False])
    def test_before_it_was_pushed_arrives_as_it_is(self, spooled, is_over):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", f"key={SECRET}")
        if is_over:
            assert "held back" in spooled.at("run", "finish", run).err
        words = ("run", "redact", run, "--match", SECRET, "--reason", "leaked")
        spooled("--store", str(day_store(spooled)), *words)
        spooled.at("spool", "push")
        assert SECRET.encode() not in logs_there(spooled)[run]
        assert logs_there(spooled) == logs_here(spooled)
        assert waiting(spooled) == []
        spooled.at("verify")

    def test_as_a_whole_run_is_erased_there(self, spooled):
        run = begin(spooled)
        spooled.at("run", "finish", run)
        spooled("--store", str(day_store(spooled)), "run", "rm", run, "--reason", "leaked")
        spooled.at("spool", "push")
        assert run not in logs_there(spooled)


def erased(remote, run):
    """Erases a run by its id, and leaves the copy in the spool as it is."""
    env = {"AIVCS_SPOOL": str(remote.folder / "elsewhere")}
    remote.at("run", "rm", run, "--reason", "leaked", env=env)


class TestAnErasedId:
    @pytest.mark.parametrize("case", ["away", "arrived", "its day is gone"])
    def test_is_not_used_again(self, spooled, case):
        if case == "away":
            spooled.go_away()
        run = begin(spooled, "--key", "job 7")
        spooled.at("run", "finish", run)
        spooled.at("run", "rm", run, "--reason", "leaked")
        if case == "its day is gone":
            shutil.rmtree(day_store(spooled).parent)
        done = begin_again(spooled)
        assert f"run {run} was erased on purpose" in done.err
        assert logs_here(spooled) == {}

    def test_of_a_run_that_was_recorded_anew_is_said_and_nothing_is_lost(self, spooled):
        run = begin(spooled, "--key", "job 7")
        spooled.at("run", "finish", run)
        shutil.rmtree(day_store(spooled).parent)
        erased(spooled, run)
        spooled.go_away()
        assert begin(spooled, "--key", "job 7") == run
        spooled.at("run", "log", run, "step", "n:=7")
        spooled.at("run", "finish", run)
        other = begin(spooled)
        spooled.come_back()
        for _ in range(2):
            told = spooled.at("spool", "push", code=15).err
            assert f"run {run} was erased on purpose" in told
            (one,) = waiting(spooled)
            assert (one["run_id"], one["lines"]) == (run, 3)
            assert "erased on purpose" in one["error"]
            # Also with its day, once that is over.
            day = day_store(spooled).parent
            day.rename(day.with_name("2020-01-01"))
        assert b'"n":7' in logs_here(spooled)[run]
        assert set(logs_there(spooled)) == {other}
        subprocess.run(["sh", "-c", told.partition("to let it go: ")[2]], check=True)
        assert spooled.at("run", "finish", other).err == ""
        assert logs_here(spooled) == {}

    def test_keeps_no_copy_of_what_was_erased(self, spooled):
        ended, lost = begin(spooled), begin(spooled)
        spooled.at("run", "finish", ended)
        spooled.at("spool", "push")
        day = day_store(spooled).parent.rename(day_store(spooled).parents[1] / "2020-01-01")
        spooled.at("run", "reap", lost, env={"AIVCS_SPOOL": str(spooled.folder / "elsewhere")})
        erased(spooled, ended)
        erased(spooled, lost)
        begin(spooled)
        spooled.at("spool", "push")
        assert not day.exists()


def begin_again(remote):
    words = ("run", "start", "--agent", "bot", "--spec-file", "prompt.md", "--key", "job 7")
    return remote.at(*words, code=15)


class TestErasingByRun:
    """`run redact` and `run rm` at the store, of runs of which the spool has a copy."""

    def redact(self, spooled, run, text, **options):
        words = ("run", "redact", run, "--match", text, "--reason", "leaked")
        return spooled.at(*words, **options)

    def anywhere(self, spooled, text):
        """Whether a text is in a log here or there."""
        logs = [*logs_here(spooled).values(), *logs_there(spooled).values()]
        return any(text.encode() in log for log in logs)

    @pytest.mark.parametrize("is_over", [True, False])
    def test_reaches_what_is_held_back(self, spooled, is_over):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", f"key={SECRET}")
        if is_over:
            spooled.at("run", "finish", run)
        self.redact(spooled, run, SECRET)
        assert not self.anywhere(spooled, SECRET)
        assert logs_there(spooled) == logs_here(spooled)
        assert waiting(spooled) == []
        spooled.at("verify")

    def test_reaches_what_has_arrived_of_a_run_that_goes_on(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "password=swordfish")
        spooled.at("spool", "push")
        assert self.anywhere(spooled, "swordfish")
        self.redact(spooled, run, "swordfish")
        assert not self.anywhere(spooled, "swordfish")
        spooled.at("run", "log", run, "step")
        spooled.at("run", "finish", run)
        assert logs_there(spooled) == logs_here(spooled)
        spooled.at("verify")

    def test_reaches_the_copy_of_a_run_that_has_arrived(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "password=swordfish")
        spooled.at("run", "finish", run)
        self.redact(spooled, run[:8], "swordfish")
        assert not self.anywhere(spooled, "swordfish")
        assert "swordfish" not in spooled.at("run", "events", run).out
        assert "nothing waits" in spooled.at("spool", "push").err
        spooled("--store", str(day_store(spooled)), "verify")

    def test_reaches_a_copy_that_was_left(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "password=swordfish")
        spooled.at("run", "finish", run)
        env = {"AIVCS_SPOOL": str(spooled.folder / "other")}
        self.redact(spooled, run, "swordfish", env=env)
        assert self.anywhere(spooled, "swordfish")
        words = ("run", "redact", run, "1", "--reason", "leaked")
        assert "redacted before" in spooled.at(*words).err
        assert not self.anywhere(spooled, "swordfish")

    def test_waits_for_a_store_that_is_away(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "password=swordfish")
        spooled.at("spool", "push")
        spooled.go_away()
        assert "in the spool only" in self.redact(spooled, run, "swordfish").err
        assert "swordfish" not in spooled.at("run", "events", run).out
        spooled.come_back()
        spooled.at("spool", "push")
        assert not self.anywhere(spooled, "swordfish")

    def test_of_a_whole_run(self, spooled):
        arrived, held = begin(spooled), begin(spooled)
        spooled.at("run", "log", held, "step", f"key={SECRET}")
        for run in (arrived, held):
            spooled.at("run", "finish", run)
        done = spooled.at("run", "rm", arrived, held, "--reason", "leaked")
        assert sorted(line.split("\t")[0] for line in done.lines) == sorted(
            [f"run/{arrived}", f"run/{held}"]
        )
        assert logs_here(spooled) == logs_there(spooled) == {}
        assert waiting(spooled) == []
        spooled.at("run", "show", held, code=12)

    @pytest.mark.parametrize("is_held", [False, True])
    @pytest.mark.parametrize("words", [(), ("--with-blobs",)], ids=["original", "all"])
    def test_reaches_the_blobs_of_a_run(self, spooled, is_held, words):
        text = "swordfish"
        (spooled.folder / "file").write_text(text)
        run = begin(spooled)
        if is_held:
            spooled.at("run", "log", run, "step", f"key={SECRET}")
        spooled.at("run", "log", "--blob", f"file={spooled.folder / 'file'}", run, "output")
        if not words:
            digest = hashlib.sha256(text.encode()).hexdigest()
            source = json.dumps({"blob": {"$blob": digest}})
            day = str(day_store(spooled))
            spooled("--store", day, "run", "annotate", run, "import.source", source)
        spooled.at("run", "finish", run)
        spooled("clone", spooled.url, "before")
        assert len(holders(spooled.folder / "before", text)) == (not is_held)
        assert len(holders(place(spooled), text)) == 1
        spooled.at("run", "rm", run, "--reason", "leaked", *words)
        spooled("clone", spooled.url, "after")
        assert holders(spooled.folder / "after", text) == holders(place(spooled), text) == []

    def test_of_a_run_that_goes_on_is_refused_before_another_is_erased(self, spooled):
        arrived, other = begin(spooled), begin(spooled)
        spooled.at("run", "finish", arrived)
        spooled.at("run", "rm", arrived, other, "--reason", "leaked", code=15)
        assert set(logs_there(spooled)) == {arrived, other}

    def test_reads_ask_the_store_for_what_has_arrived(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "password=swordfish")
        spooled.at("run", "finish", run)
        self.redact(spooled, run, "swordfish", env={"AIVCS_SPOOL": str(spooled.folder / "other")})
        assert "swordfish" not in spooled.at("run", "events", run).out
        spooled.go_away()
        assert "copy in the spool" in spooled.at("run", "show", run).err


class TestADamagedLog:
    def bad_and_good(self, spooled):
        """A run whose last line was changed, and another, both of which wait."""
        spooled.go_away()
        bad, good = begin(spooled), begin(spooled)
        for run in (bad, good):
            spooled.at("run", "log", run, "step", "n:=1")
            spooled.at("run", "finish", run)
        log = log_of(spooled, bad)
        log.write_bytes(log.read_bytes().replace(b'"n":1', b'"n":2'))
        spooled.come_back()
        return bad, good

    def test_is_left_and_the_others_go_on(self, spooled):
        bad, good = self.bad_and_good(spooled)
        done = spooled.at("spool", "push", code=14)
        assert f"--store {day_store(spooled)} verify --repair" in done.err
        there = logs_there(spooled)
        assert there[good] == logs_here(spooled)[good]
        assert bad not in there
        (one,) = waiting(spooled)
        assert one["run_id"] == bad
        assert "verify --repair" in one["error"]
        assert "1 run waits" in spooled.at("status").out

    def test_hinders_no_release(self, spooled):
        self.bad_and_good(spooled)
        run = begin(spooled)
        spooled.at("run", "finish", run)
        spec = hashlib.sha256(b"You review.\n").hexdigest()
        words = ("release", "promote", "bot", spec, "--evidence", run, "--by", "ann")
        assert spooled.at(*words).text == spec

    def test_that_cannot_be_read_at_its_end_is_listed(self, spooled):
        bad, good = self.bad_and_good(spooled)
        log = log_of(spooled, bad)
        log.write_bytes(log.read_bytes().replace(b'"COMPLETED"', b'"FAILED"'))
        assert {one["run_id"]: one["lines"] for one in waiting(spooled)} == {bad: None, good: 3}
        assert "2 runs wait" in spooled.at("status").out
        spooled.at("spool", "push", code=14)
        assert list(logs_there(spooled)) == [good]

    @pytest.mark.parametrize("keep", ["a torn first line", "fewer lines"])
    def test_that_lost_lines_keeps_its_day(self, spooled, keep):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", "n:=1")
        spooled.at("spool", "push")
        spooled.go_away()
        spooled.at("run", "log", run, "step", "n:=2")
        spooled.come_back()
        log = log_of(spooled, run)
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(lines[0][:-1] if keep == "a torn first line" else lines[0])
        day = log.parents[3]
        old = day.rename(day.with_name("2020-01-01"))
        done = spooled.at("spool", "push", code=14)
        assert "verify --repair" in done.err
        assert old.is_dir()
        assert logs_there(spooled)[run].count(b"\n") == 2


class TestAKeyOnTwoMachines:
    def test_is_warned_of_and_has_a_way_out(self, spooled):
        spooled.go_away()
        (spooled.folder / "p.md").write_text("p")
        words = ("run", "start", "--agent", "bot", "--spec-file", "p.md", "--key", "job 7")
        done = spooled.at(*words)
        assert "another machine" in done.err
        run, other = done.text, {"AIVCS_SPOOL": str(spooled.folder / "other")}
        assert spooled.at(*words, env=other).text == run
        spooled.at("run", "log", run, "mine")
        spooled.at("run", "finish", run)
        spooled.come_back()
        spooled.at("spool", "push", env=other)
        told = spooled.at("spool", "push", code=15).err
        keep = told.partition(": aivcs ")[2].partition("; to let it go")[0]
        spooled(*shlex.split(keep))
        drop = told.partition("let it go then: ")[2]
        subprocess.run(["sh", "-c", drop], check=True)
        assert waiting(spooled) == []
        assert "nothing waits" in spooled.at("spool", "push").err
        there = logs_there(spooled)
        assert set(there) == {run, f"{run}.2"}
        assert b'"kind":"mine"' in there[f"{run}.2"]

    def test_that_the_store_was_asked_for_is_not(self, spooled):
        (spooled.folder / "p.md").write_text("p")
        words = ("run", "start", "--agent", "bot", "--spec-file", "p.md", "--key", "job 7")
        assert spooled.at(*words).err == ""


class TestItsFiles:
    def state(self, remote):
        (path,) = place(remote).glob("*/state.json")
        return path

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", '{"url":5,"id":7}', '{"failed_at":1e400}', '{"url":"x"}', "\0"]
    )
    def test_that_are_damaged_are_made_anew(self, spooled, text):
        spooled.go_away()
        spooled("trust", spooled.url, code=None)
        spooled.come_back()
        run = begin(spooled)
        path = self.state(spooled)
        path.write_text(text)
        assert "name it: aivcs --store" in spooled("spool", "push", code=10).err
        spooled.at("run", "finish", run)
        assert json.loads(path.read_text())["url"] == spooled.url
        assert logs_there(spooled) == logs_here(spooled)
        assert not (spooled.folder / "x").exists()

    def test_without_the_id_lead_to_no_other_store(self, spooled):
        run = begin(spooled)
        self.state(spooled).write_text("{}")
        spooled.place.unlink()
        spooled("init", spooled.url)
        spooled.at("run", "finish", run)
        assert "another store" in spooled.at("spool", "push", code=15).err
        assert logs_there(spooled) == {}

    @pytest.mark.parametrize("text", ['{"lines":"x"}', '{"at":1e400,"error":[]}', "[]", "\0"])
    def test_with_notes_that_are_damaged(self, spooled, text):
        run = begin(spooled)
        spooled.at("spool", "push")
        (note,) = place(spooled).glob(f"*/*/waiting/{run}")
        note.write_text(text)
        assert [one["run_id"] for one in waiting(spooled)] == [run]
        spooled.at("spool", "push")
        assert waiting(spooled) == []

    def test_that_bind_a_url_lead_nowhere_else(self, spooled):
        begin(spooled)
        (binding,) = place(spooled).glob("urls/*")
        for text in (b"../..", b"\xff", b""):
            binding.write_bytes(text)
            begin(spooled)
        assert len(logs_here(spooled)) == 4

    def replace(self, path, kind):
        """Puts something else in the place of a file or a folder of the spool."""
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if kind == "folder":
            path.mkdir()
        elif kind == "file":
            path.touch()
        else:
            path.symlink_to(path.with_name("elsewhere"))

    @pytest.mark.parametrize(
        ("name", "kind"), [("lock", "folder"), ("lock", "link"), ("DAY/waiting", "file")]
    )
    def test_that_cannot_be_used_are_named(self, spooled, name, kind):
        begin(spooled)
        folder = self.state(spooled).parent
        path = folder / name.replace("DAY", day_store(spooled).parent.name)
        self.replace(path, kind)
        assert str(path) in spooled.at("spool", "push", code=16).err
        assert not (folder / "elsewhere").exists()

    def test_that_cannot_be_locked_hinder_no_job(self, spooled):
        run = begin(spooled)
        for name in ("lock", "turn"):
            self.replace(self.state(spooled).parent / name, "folder")
        spooled.at("run", "log", run, "step")
        assert "not pushed" in spooled.at("run", "finish", run).err
        assert logs_here(spooled)[run].count(b"\n") == 3

    def test_that_are_far_too_long_are_named(self, spooled):
        spooled.go_away()
        run = begin(spooled)
        spooled.come_back()
        (note,) = place(spooled).glob(f"*/*/waiting/{run}")
        os.truncate(note, 1 << 30)
        assert f"{note} has more than 64 MiB; empty it" in spooled.at("spool", "list", code=16).err
        os.truncate(note, 0)
        spooled.at("spool", "push")
        assert run in logs_there(spooled)

    def test_a_refused_event_marks_nothing(self, spooled):
        run = begin(spooled)
        spooled.at("run", "finish", run)
        assert waiting(spooled) == []
        spooled.at("run", "log", run, "late", code=15)
        spooled.at("run", "log", "--stdin", run, stdin='{"kind":"x","payload":{}}\n', code=15)
        assert not list(place(spooled).glob("*/*/waiting/*"))


@pytest.mark.slow
def test_status_waits_for_no_store_for_a_minute(remote):
    remote.configure("[core]\nspool = true\n")
    begin(remote)
    remote.go_away()
    remote.at("status", code=75)  # a call that takes as long as remote.timeout fails


class TestARelease:
    def test_waits_for_the_evidence_in_the_spool(self, spooled):
        begin(spooled)
        spooled.go_away()
        run = begin(spooled)
        spooled.at("run", "log", run, "evaluation", "score:=1")
        spooled.at("run", "finish", run)
        spooled.come_back()
        spec = hashlib.sha256(b"You review.\n").hexdigest()
        assert run not in logs_there(spooled)
        done = spooled.at("release", "promote", "bot", spec, "--evidence", run, "--by", "ann")
        assert done.text == spec
        assert logs_there(spooled)[run] == logs_here(spooled)[run]

    def test_is_refused_if_its_evidence_is_held_back(self, spooled):
        run = begin(spooled)
        spooled.at("run", "log", run, "step", f"key={SECRET}")
        spooled.at("run", "finish", run)
        spec = hashlib.sha256(b"You review.\n").hexdigest()
        words = ("release", "promote", "bot", spec, "--evidence", run, "--by", "ann")
        assert "held back" in spooled.at(*words, code=15).err
        assert spooled.at("release", "list").out == ""


class TestDays:
    def age(self, remote):
        (day,) = place(remote).glob("*/20*")
        day.rename(day.with_name("2020-01-01"))
        return day.with_name("2020-01-01")

    def test_one_that_is_over_goes_when_the_store_has_all_of_it(self, spooled):
        run = begin(spooled)
        spooled.at("run", "finish", run)
        day = self.age(spooled)
        other = begin(spooled)
        spooled.at("run", "finish", other)
        assert not day.exists()
        assert set(logs_there(spooled)) == {run, other}
        assert spooled.at("run", "show", run).out.count("COMPLETED")

    def test_one_stays_while_a_run_goes_on(self, spooled):
        run = begin(spooled)
        day = self.age(spooled)
        spooled.at("spool", "push")
        spooled.at("run", "log", run, "step")
        spooled.at("run", "finish", run)
        assert logs_there(spooled)[run].count(b"\n") == 3
        spooled.at("spool", "push")
        assert not day.exists() or waiting(spooled) == []

    def test_what_was_lost_here_and_ended_there_is_let_go(self, spooled):
        run = begin(spooled)
        spooled.at("spool", "push")
        day = self.age(spooled)
        spooled.at("run", "reap", run, env={"AIVCS_SPOOL": ""})
        begin(spooled)
        spooled.at("spool", "push")
        assert not day.exists()


class TestADayThatIsRemoved:
    """Within one process, so that each step comes exactly where it could do harm."""

    @pytest.fixture
    def there(self, tmp_path):
        return Repository.init(tmp_path / "there")

    @pytest.fixture
    def spool(self, tmp_path, there):
        return Spools(str(tmp_path / "spool")).make("test://there", there.identity)

    @pytest.fixture
    def day(self, spool, monkeypatch):
        """The store of yesterday, as a process has it open that began before midnight."""
        yesterday = time.gmtime(time.time() - 86_400)
        with monkeypatch.context() as patch:
            patch.setattr("aivcs.sync.spool.gmtime", lambda: yesterday)
            return spool.today()

    @pytest.fixture
    def ended(self, day):
        """A run of that day that has ended."""
        run = day.runs.create_run(ContentDigest("0" * 64), RunMetadata("bot"))
        day.runs.complete_run(run, RunSummary(success=True))
        return run

    def push(self, spool, there):
        return list(SpoolPush(spool).run(lambda: there))

    @pytest.mark.parametrize("step", ["_push_day", "_remove"])
    @pytest.mark.parametrize("change", ["start", "annotate"])
    def test_keeps_what_comes_while_it_is_copied(
        self, spool, there, day, ended, monkeypatch, step, change
    ):
        copied, started = Copy.copy_annotations, list[str]()

        def copy_annotations(copy):
            yield from copied(copy)
            if not started and (step == "_push_day") == bool(copy._selection):
                started.append(ended)
                if change == "start":
                    started.append(day.runs.create_run(ContentDigest("0" * 64), RunMetadata("b")))
                else:
                    day.annotations.add(compose(ended, "note", None, text="late", by="ann"))

        monkeypatch.setattr(Copy, "copy_annotations", copy_annotations)
        self.push(spool, there)
        assert started
        self.push(spool, there)
        assert {f"run/{run}" for run in started} <= set(there.store.logs.names("run/"))
        assert change == "start" or [
            one.value.payload for one in there.annotations.of_run(ended)
        ] == [{"text": "late"}]

    @pytest.mark.parametrize("block", ["staying", "hold"])
    def test_stays_while_somebody_writes_to_it(self, spool, there, day, ended, block):
        with day.hold() if block == "hold" else spool.staying(day.day):
            self.push(spool, there)
            assert spool.days() == [day.day]
        self.push(spool, there)
        assert spool.days() == []

    @pytest.mark.parametrize("step", ["recorded", "erased"])
    def test_stays_while_a_run_of_it_is_erased(self, spool, there, day, ended, monkeypatch, step):
        pushed: list[str] = []
        carry_out = store_erasing.carry_out

        def carrying_out(store, items):
            if step == "erased":
                carry_out(store, items)
            if not pushed:
                pushed.append(day.day)
                self.push(spool, there)
                assert spool.days() == [day.day]
            if step == "recorded":
                carry_out(store, items)

        monkeypatch.setattr(erasing, "carry_out", carrying_out)
        rm(day, [ended], ErasureRequest("ann", "a token"))
        assert pushed
        self.push(spool, there)
        assert spool.days() == []
        assert f"run/{ended}" not in there.store.logs.names("run/")
        assert f"run/{ended}" in there.erasures.load().logs

    def test_is_read_to_the_end_of_the_erasures_that_were_pushed(self, spool, day, ended):
        rm(day, [ended], ErasureRequest("ann", "a token"))
        (name,) = spool.unpushed_erasures(day)
        spool.note_erasures(day, [f"erasures/{number:064x}" for number in range(15_000)])
        spool.note_erasures(day, [name])
        assert spool.unpushed_erasures(day) == []

    def test_acknowledges_no_erasure_later(self, spool, there, day, ended):
        other = spool.of(day.day)
        target = erased_log(other, ended)
        self.push(spool, there)
        assert spool.days() == []
        with pytest.raises(BackendError, match="do it again"):
            erasing.erase(other, [target], ErasureRequest("ann", "a token"))
        assert spool.days() == []

    def test_acknowledges_nothing_later(self, spool, there, day, ended):
        other = spool.of(day.day)
        self.push(spool, there)
        assert spool.days() == []
        for late in (
            lambda: day.runs.create_run(ContentDigest("0" * 64), RunMetadata("bot")),
            lambda: other.runs.append_event(ended, RunEvent("late", None)),
            lambda: other.annotations.add(compose(ended, "note", None, text="late", by="ann")),
            lambda: other.hold().__enter__(),
        ):
            with pytest.raises(BackendError, match="do it again"):
                late()
        assert spool.days() == []

    def test_goes_with_the_next_push_if_its_removal_was_killed(
        self, spool, there, day, ended, monkeypatch
    ):
        def killed(*_, **__):
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr("aivcs.commands.spool.push.rmtree", killed)
            with pytest.raises(SystemExit):
                self.push(spool, there)
        assert spool.leftovers() == [f"{spool.folder}/{day.day}.gone"]
        assert SpoolPush(spool).is_needed
        self.push(spool, there)
        assert spool.leftovers() == []
        assert not SpoolPush(spool).is_needed

    def test_tells_what_cannot_be_removed_after_the_runs_are_pushed(
        self, spool, there, day, ended, monkeypatch
    ):
        os.makedirs(f"{spool.folder}/2020-01-01.gone")

        def refused(path):
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr("aivcs.commands.spool.push.rmtree", refused)
        with pytest.raises(BackendError, match=r"cannot remove .*gone: Permission denied"):
            self.push(spool, there)
        assert list(there.store.logs.names("run/")) == [f"run/{ended}"]


class TestAPushInTheBackground:
    def test_that_fails_says_why(self, spooled):
        spool = Spools(str(place(spooled))).make(spooled.url, None)
        spool.today().runs.create_run(ContentDigest("0" * 64), RunMetadata("bot"))
        spooled("spool-push", spool.folder, command=[str(spooled.script)])  # until it has ended
        assert "does not know the URL of its store" in spool.state["error"]
        assert "failed_at" in spool.state
        assert "does not know the URL of its store" in spooled.at("status").out


class TestAPushThatIsKilled:
    @pytest.mark.parametrize("seed", range(3))
    def test_goes_on_where_it_was(self, spooled, seed):
        spooled.go_away()
        runs = [begin(spooled) for _ in range(5)]
        for run in runs:
            events = "".join(f'{{"kind":"step","payload":{n}}}\n' for n in range(200))
            spooled.at("run", "log", "--stdin", run, stdin=events)
            spooled.at("run", "finish", run)
        spooled.come_back()
        chance = random.Random(seed)
        env = spooled.environment(AIVCS_STORE=spooled.url)
        for _ in range(6):
            push = subprocess.Popen(
                [str(spooled.script), "spool", "push"], env=env, cwd=spooled.folder,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(chance.uniform(0.1, 0.9))
            push.send_signal(signal.SIGKILL)
            push.wait()
        spooled.at("spool", "push")
        assert waiting(spooled) == []
        assert logs_there(spooled) == logs_here(spooled)
        spooled.at("verify")

    def test_a_recorder_that_is_killed_leaves_what_it_acknowledged(self, spooled):
        spooled.go_away()
        run = begin(spooled)
        env = spooled.environment(AIVCS_STORE=spooled.url)
        script = f"while :; do {spooled.script} run log --print-seq {run} step || exit; done"
        job = subprocess.Popen(
            ["sh", "-c", script], env=env, stdout=subprocess.PIPE, start_new_session=True
        )
        time.sleep(1.5)
        os.killpg(job.pid, signal.SIGKILL)
        acknowledged = job.communicate()[0].split()
        spooled.come_back()
        spooled.at("spool", "push")
        there = logs_there(spooled)[run]
        assert there == logs_here(spooled)[run]
        assert there.count(b'"kind":"step"') >= len(acknowledged) > 0


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a file system")
class TestAFullDisk:
    @pytest.fixture
    def small(self, tmp_path):
        folder = tmp_path / "small"
        folder.mkdir(mode=0o700)
        words = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", str(folder)]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            pytest.skip("cannot mount here")
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)

    def test_loses_nothing_that_was_acknowledged(self, remote, small):
        env = {"AIVCS_SPOOL": str(small)}
        remote.configure("[remote]\ntimeout = 0.1\n")
        remote.go_away()
        run = begin(remote, env=env)
        text = "x" * 30_000
        stored = 0
        for n in range(20):
            done = remote.at("run", "log", run, "step", f"n:={n}", f"t={text}", env=env, code=None)
            assert done.code in {0, 16}
            stored += done.code == 0
        assert 0 < stored < 20
        remote.come_back()
        remote.at("spool", "push", env=env)
        assert logs_there(remote)[run].count(b'"kind":"step"') == stored
        remote.at("verify")


def test_the_record_of_a_run_that_waits_is_a_plain_store(spooled):
    run = begin(spooled)
    (store,) = place(spooled).glob("*/*/.aivcs")
    assert Path(store, "format").read_text() == "1\n"
    spooled("--store", str(store), "verify")
    assert spooled("--store", str(store), "run", "show", run).out.count("RUNNING")
