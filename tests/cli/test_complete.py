"""What completions ask the command for: never an error, never a wait, never a change."""

import fcntl
import subprocess
import sys

import pytest

from aivcs.api import Repository
from aivcs.model.run import RunMetadata, RunSummary


def ask(aivcs, *words, **options):
    """What is offered, with what is said of it; there must be no error, whatever is asked."""
    done = aivcs("__complete", *words, code=0, **options)
    assert done.err == b"", done
    return [tuple(line.split("\t")) for line in done.out.decode().split("\n")[:-1]]


def run_imported(aivcs, agent):
    """A run of an agent that could not be started here under its name."""
    repo = Repository.open(aivcs.store)
    repo.runs.create_run(repo.blobs.put(b"a spec\n"), RunMetadata(agent))


def values(aivcs, *words, **options):
    return [value for value, _ in ask(aivcs, *words, **options)]


KINDS = [
    "run", "running", "agent", "release", "digest", "pin", "spec", "target", "expectation",
    "event", "nonsense", "",
]  # fmt: skip


class TestComplete:
    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_is_offered_where_there_is_no_store(self, outside, kind):
        assert ask(outside, kind, "run", "show", "") in ([], [("none", "nothing was released")])

    def test_nothing_is_said_of_a_folder_or_store_that_is_not_there(self, outside):
        assert ask(outside, "run", "-C", "no where", "run", "show", "") == []
        assert ask(outside, "run", "--store", "s3://bucket", "run", "show", "") == []
        assert ask(outside, "run", "--store") == []
        assert ask(outside, "run") == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_store_is_left_as_it_is(self, aivcs, unchanged, kind):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"one"))
        run = aivcs.begin()
        with unchanged:
            for words in (["run", "log", ""], ["release", "rollback", "bot", ""], [run[:3]]):
                ask(aivcs, kind, *words)

    def test_runs_of_the_right_status_come_first(self, aivcs):
        over, running = aivcs.begin(), aivcs.begin()
        aivcs.ok("run", "finish", over)
        assert values(aivcs, "running", "run", "log", "") == [running]
        assert values(aivcs, "running", "run", "log", over[:3]) == [over], "it is what was typed"
        assert values(aivcs, "run", "run", "show", "") == [running, over]
        assert ask(aivcs, "run", "run", "show", over[:9])[0][1].startswith("bot completed, ")

    def test_the_run_of_the_environment_is_offered_as_such(self, aivcs):
        run = aivcs.begin()
        env = {"AIVCS_RUN": run}
        assert values(aivcs, "run", "run", "show", "", env=env) == ["@", run]
        assert values(aivcs, "event", "run", "log", "@", "", env=env) == []
        aivcs.ok("run", "log", run, "noted")
        assert values(aivcs, "event", "run", "log", "@", "n", env=env) == ["noted"]

    def test_quotes_and_homes_are_read_as_the_shell_would(self, aivcs):
        run_imported(aivcs, "my agent")
        (aivcs.home / "in a").symlink_to(aivcs.folder)
        for folder in ("'in a'", '"in a"', "in\\ a", "~/in\\ a", "in a"):
            words = ["-C", folder, "run", "list", "--agent", "'my a"]
            assert values(aivcs, "agent", *words, cwd=aivcs.home) == ["my agent"], folder

    def test_options_before_an_operand_are_no_operands(self, aivcs):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"one"), "--label", "v1")
        for words in (
            ["--reason", "x", "bot", "--to", ""],
            ["--by=me", "bot", "--to", ""],
            ["--to", "@1", "bot", "--to", ""],
            ["--", "bot", ""],
        ):
            assert values(aivcs, "target", "release", "rollback", *words) == ["@1", "v1"], words

    def test_a_pin_is_offered_where_pins_are_taken_away(self, aivcs):
        one, _ = aivcs.put(b"one"), aivcs.put(b"two")
        aivcs.ok("blob", "pin", one)
        assert values(aivcs, "pin", "blob", "unpin", "") == [one]

    def test_what_cannot_be_read_is_passed_over(self, aivcs):
        good, bad = aivcs.begin(), aivcs.begin()
        aivcs.run_log(bad).write_bytes(b'{"type":"run"}\n')
        (aivcs.run_log(good).parent / f"{good[:2]}-stray\n.jsonl").write_bytes(b"")
        assert values(aivcs, "run", "run", "show", "") == [good]
        (aivcs.store / "config.toml").write_text("[core]\nlokk = 1\n")
        assert values(aivcs, "run", "run", "show", "") == [good], "a warning is for commands"
        (aivcs.store / "config.toml").write_text("[core\n")
        assert values(aivcs, "run", "run", "show", "") == []

    def test_a_damaged_name_hides_no_other(self, aivcs):
        one = aivcs.put(b"one")
        for name in ("a", "b", "c"):
            aivcs.ok("release", "promote", name, one)
        with aivcs.release_log("b").open("ab") as log:
            log.write(b"no entry\n")
        assert values(aivcs, "release", "release", "current", "") == ["a", "c"]
        specs = values(aivcs, "spec", "run", "list", "--spec", "")
        assert specs == ["a@current", "c@current", one]

    def test_what_a_shell_would_misread_is_not_offered(self, aivcs):
        for agent in ("-x", "$(touch hurt)", "a'b"):
            run_imported(aivcs, agent)
        offered = values(aivcs, "agent", "run", "list", "--agent", "")
        assert sorted(offered) == ["$(touch hurt)", "a'b"]

    def test_beside_the_index_what_is_newer_is_known_and_nothing_written(self, aivcs, unchanged):
        repo = Repository.open(aivcs.store)
        spec = repo.blobs.put(b"a spec\n")
        # So many that there is an index.
        runs = [repo.runs.create_run(spec, RunMetadata("bot")) for _ in range(70)]
        aivcs.ok("run", "list")
        assert (aivcs.store / "index.sqlite").exists()
        for run in runs[:-1]:
            repo.runs.complete_run(run, RunSummary(success=True, duration_ms=1))
        new = aivcs.begin("other")
        with (
            unchanged,
            open(aivcs.store / "index.sqlite", "rb") as index,
            open(aivcs.run_log(new), "rb") as log,
        ):
            assert values(aivcs, "running", "run", "log", "") == [new, runs[-1]]
            assert values(aivcs, "agent", "run", "list", "--agent", "") == ["bot", "other"]
            # Without the index, for whoever would have to wait for it.
            fcntl.flock(index, fcntl.LOCK_EX)
            fcntl.flock(log, fcntl.LOCK_EX)
            assert values(aivcs, "running", "run", "log", "") == [new, runs[-1]]

    def test_it_gives_up_where_the_store_does_not_answer(self, outside):
        script = (
            "import time\n"
            "from aivcs.cli.session.context import Context\n"
            "from aivcs.cli.shell import complete_handlers as complete\n"
            "complete._TIMEOUT_S = 1\n"
            "complete._candidates = lambda *_: time.sleep(600)\n"
            "complete.complete(Context(), 'run', [''])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=outside.folder, env=outside.environment(),
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_commands_are_offered_by_their_words(self, aivcs):
        assert "run" in values(aivcs, "command", "help", "")
        assert values(aivcs, "command", "help", "run", "l") == ["log", "list"]
        assert values(aivcs, "command", "help", "_") == []
