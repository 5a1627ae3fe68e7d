"""`aivcs hook`: the settings of programs, and captures that they start."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import snapshot
from formats import samples
from importing.hook_calls import call_of, captured, state, write_session

PROGRAMS = {
    "claude-code": (".claude/settings.json", ["Stop", "SessionEnd"]),
    "codex": (".codex/hooks.json", ["Stop", "SessionEnd"]),
    "gemini": (".gemini/settings.json", ["AfterAgent", "SessionEnd"]),
}
FOREIGN = """{
    "model": "opus",   "list":[1,2],
\t"hooks": {
        "Stop": [
            {"matcher": "", "hooks": [{"type":"command","command":"say done"}]}
        ], "PreToolUse": []
    }
}
"""


def session(aivcs, *written):
    return write_session(aivcs.home, *written)


def call(aivcs, path, event="Stop", *, program="claude-code", store=True, **more):
    """Calls the hook as a program does; returns when the capture in the background is over."""
    options = ["--store", str(aivcs.store)] if store else []
    told = call_of(path, event, cwd=str(aivcs.folder), **more)
    return raw(aivcs, told, *options, "hook", "run", program)


def raw(aivcs, stdin, *words):
    before = state(aivcs.home)
    done = aivcs(*words, stdin=stdin, cwd="/", code=0)
    assert (done.out, done.err) == (b"", b"")
    return captured(aivcs.home, before)


def row(aivcs, program="claude-code"):
    found = aivcs.ok("hook", "status", "--json").json_lines
    return next((one for one in found if one["program"] == program), None)


class TestInstall:
    @pytest.mark.parametrize("program", PROGRAMS)
    def test_makes_settings_and_shows_them(self, aivcs, program):
        file, events = PROGRAMS[program]
        done = aivcs.ok("hook", "install", program)
        path = aivcs.home / file
        assert done.lines[0] == str(path)
        assert [line[2:] for line in done.lines[1:]] == path.read_text().splitlines()
        assert all(line.startswith("+ ") for line in done.lines[1:])
        hooks = json.loads(path.read_text())["hooks"]
        assert list(hooks) == events
        for (group,) in hooks.values():
            (hook,) = group["hooks"]
            assert hook["type"] == "command"
            assert hook["command"].endswith(f"--store {aivcs.store} hook run {program}")
            assert os.access(hook["command"].split()[0], os.X_OK)
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        "text", ["{}", "{}\n", '{"a":1}', FOREIGN, '{\n\t"x": [\n\t\t{}\n\t]\n}']
    )
    def test_keeps_every_other_byte(self, aivcs, text):
        path = aivcs.home / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o640)
        done = aivcs.ok("hook", "install", "claude-code")
        after = path.read_text()
        json.loads(after)
        assert path.stat().st_mode & 0o777 == 0o640
        kept = iter(after)
        assert all(letter in kept for letter in text)  # in this order
        before = text.split()
        assert json.loads(text).keys() <= json.loads(after).keys()
        again = aivcs.ok("hook", "install", "claude-code")
        assert (again.lines, path.read_text()) == ([], after)
        assert b"already installed" in again.err
        assert done.lines[1:]
        aivcs.ok("hook", "uninstall", "claude-code")
        assert path.read_text().split() == before

    def test_gives_back_foreign_settings_byte_for_byte(self, aivcs):
        path = aivcs.home / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(FOREIGN)
        aivcs.ok("hook", "install", "claude-code")
        assert '{"type":"command","command":"say done"}' in path.read_text()
        removed = aivcs.ok("hook", "uninstall", "claude-code")
        assert all(line.startswith(("- ", "+ ")) for line in removed.lines[1:])
        assert path.read_text() == FOREIGN
        assert b"not installed" in aivcs.ok("hook", "uninstall", "claude-code").err

    def test_names_another_store_in_the_same_place(self, aivcs, tmp_path):
        aivcs.ok("hook", "install", "codex")
        path = aivcs.home / ".codex/hooks.json"
        hooks = path.read_text()
        aivcs.ok("init", str(tmp_path / "other"))
        other = str(tmp_path / "other" / ".aivcs")
        aivcs.ok("--store", other, "hook", "install", "codex")
        assert path.read_text() == hooks.replace(str(aivcs.store), other)

    def test_keeps_links(self, aivcs):
        real = aivcs.home / "dotfiles" / "claude.json"
        real.parent.mkdir()
        real.write_text("{}\n")
        os.link(real, aivcs.home / "second")
        path = aivcs.home / ".claude/settings.json"
        path.parent.mkdir()
        path.symlink_to(real)
        aivcs.ok("hook", "install", "claude-code")
        assert path.is_symlink()
        assert "hook run" in real.read_text()
        assert (aivcs.home / "second").read_text() == real.read_text()
        aivcs.ok("hook", "uninstall", "claude-code")
        assert json.loads(real.read_text()) == {}

    @pytest.mark.parametrize(
        "text", ["", "[]", "// mine\n{}", '{"hooks": []}', '{"hooks": {"Stop": 1}}', "{} {}"]
    )
    def test_refuses_what_it_does_not_understand(self, aivcs, text):
        path = aivcs.home / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(text)
        done = aivcs("hook", "install", "claude-code", code=0 if text == "" else 2)
        if text:
            assert path.read_text() == text
            assert "by hand: " in done.complaint

    def test_in_a_project_does_nothing_where_aivcs_is_missing(self, aivcs):
        aivcs.ok("hook", "install", "--project", "claude-code")
        hooks = json.loads((aivcs.folder / ".claude/settings.json").read_text())["hooks"]
        command = hooks["Stop"][0]["hooks"][0]["command"]
        assert str(aivcs.folder) not in command
        done = subprocess.run(
            ["/bin/sh", "-c", command], env={"PATH": "/nowhere"}, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    @pytest.mark.parametrize("program", ["claude-code", "codex", "gemini"])
    def test_in_a_project_is_recognised_and_removed(self, aivcs, program):
        aivcs.ok("hook", "install", "--project", program)
        (path,) = (path for path in aivcs.folder.glob(".*/*.json") if path.parent != aivcs.store)
        once = path.read_text()
        assert "already" in aivcs.ok("hook", "install", "--project", program).err.decode()
        assert path.read_text() == once
        aivcs.ok("hook", "uninstall", "--project", program)
        assert json.loads(path.read_text()) == {}

    def test_needs_a_store(self, outside):
        outside("hook", "install", "claude-code", code=10)
        assert not (outside.home / ".claude").exists()

    def test_knows_the_programs(self, aivcs):
        aivcs("hook", "install", "emacs", code=2)
        aivcs("hook", "install", "--user", "--project", "codex", code=2)

    def test_offers_the_sessions_of_before(self, aivcs):
        session(aivcs)
        told = aivcs.ok("hook", "install", "claude-code").err
        assert b"has 1 session here; import them: aivcs run import --all --from claude-code" in told


@pytest.mark.process
class TestRun:
    def test_imports_what_is_new_and_ends_the_run_with_the_session(self, aivcs):
        lines = samples.CLAUDE.splitlines(keepends=True)
        path = session(aivcs, b"".join(lines[:6]))
        now = call(aivcs, path)
        assert now["run"] == samples.CLAUDE_ID
        assert "error" not in now
        first = aivcs.events(samples.CLAUDE_ID)
        session(aivcs)
        call(aivcs, path)
        grown = aivcs.events(samples.CLAUDE_ID)
        assert grown[: len(first)] == first
        assert len(grown) > len(first)
        assert aivcs.record(samples.CLAUDE_ID)["status"] == "RUNNING"
        call(aivcs, path, "SessionEnd", reason="other")
        assert aivcs.record(samples.CLAUDE_ID)["status"] == "COMPLETED"

    def test_imports_the_sessions_of_subagents(self, aivcs):
        path = session(aivcs)
        session(aivcs, samples.CLAUDE_SUBAGENT, f"{samples.CLAUDE_ID}/subagents/agent-a1.jsonl")
        call(aivcs, path)
        assert set(aivcs.ok("run", "list").text.split()) >= {f"{samples.CLAUDE_ID}.a1"}

    def test_passes_over_a_session_that_was_erased(self, aivcs):
        path = session(aivcs)
        session(aivcs, samples.CLAUDE_SUBAGENT, f"{samples.CLAUDE_ID}/subagents/agent-a1.jsonl")
        aivcs.ok("run", "import", "--seal", path)
        aivcs.ok("run", "rm", samples.CLAUDE_ID, "--reason", "not needed", "--by", "ada")
        now = call(aivcs, path)
        assert (now["run"], now.get("error")) == (f"{samples.CLAUDE_ID}.a1", None)

    def test_masks_secrets(self, aivcs):
        token = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
        call(aivcs, session(aivcs, samples.CLAUDE.replace(b"README.md", token.encode())))
        assert aivcs.events(samples.CLAUDE_ID)
        for path, (_, content) in snapshot(aivcs.home.parent / "project").items():
            assert token.encode() not in (content or b""), path

    def test_uses_the_store_of_the_folder_where_none_is_named(self, aivcs):
        now = call(aivcs, session(aivcs), store=False)
        assert now["store"] == str(aivcs.store)
        assert aivcs.record(samples.CLAUDE_ID)

    def test_without_a_store_says_so_in_the_status(self, outside):
        path = session(outside)
        told = json.dumps({"transcript_path": path, "cwd": str(outside.folder)})
        now = raw(outside, told, "hook", "run", "claude-code")
        assert "NoRepositoryError" in now["error"]
        assert row(outside)["error"] == now["error"]

    @pytest.mark.parametrize(
        "stdin", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"{}", b'{"a":' * 9999]
    )
    def test_garbage_is_answered_by_nothing(self, aivcs, stdin):
        now = raw(aivcs, stdin, "--store", str(aivcs.store), "hook", "run", "claude-code")
        assert now["error"]
        assert aivcs.ok("run", "list").lines == []

    def test_a_closed_input_is_answered_by_nothing_and_told_afterwards(self, aivcs):
        words = [sys.executable, "-m", "aivcs", "--store", str(aivcs.store)]
        closed = 'exec "$@" hook run claude-code <&-'
        done = subprocess.run(["sh", "-c", closed, "sh", *words], env=aivcs.environment(),
                              capture_output=True, check=True)  # fmt: skip
        assert (done.stdout, done.stderr) == (b"", b"")
        deadline = time.monotonic() + 30
        while "error" not in state(aivcs.home) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "not JSON" in row(aivcs)["error"]

    @pytest.mark.parametrize(
        "words",
        [
            ["hook", "run"],
            ["hook", "run", "emacs"],
            ["hook", "run", "--bogus", "codex"],
            ["hook", "run", "codex", "more"],
            ["--store", "/nowhere", "hook", "run", "codex"],
            ["-C", "/nowhere", "hook", "run", "codex"],
            ["--color", "mauve", "hook", "run", "codex"],
        ],
    )
    def test_a_mistake_in_the_call_is_answered_by_nothing(self, aivcs, words):
        done = aivcs(*words, stdin=b"{}", code=0)
        assert (done.out, done.err) == (b"", b"")

    def test_reads_only_session_files_of_the_program(self, aivcs):
        secret = aivcs.home / "secret.jsonl"
        secret.write_bytes(samples.CLAUDE)
        good = session(aivcs)
        folder = os.path.dirname(good)
        link, fifo = os.path.join(folder, "l.jsonl"), os.path.join(folder, "f.jsonl")
        os.symlink(secret, link)
        os.mkfifo(fifo)
        os.symlink(folder, aivcs.home / ".claude/projects/linked")
        for path in (
            str(secret), link, fifo, f"{folder}/../../../secret.jsonl", folder, "secret.jsonl",
            f"{aivcs.home}/.claude/projects/linked/{samples.CLAUDE_ID}.jsonl", f"{good}\0",
            f"{folder}/absent.jsonl",
        ):  # fmt: skip
            assert call(aivcs, path)["error"], path
            assert aivcs.ok("run", "list").lines == []

    def test_a_locked_or_full_store_is_answered_by_nothing(self, aivcs):
        path = session(aivcs)
        aivcs.store.joinpath("runs").rmdir()
        aivcs.store.joinpath("runs").write_text("no folder")
        now = call(aivcs, path)
        assert now["error"]
        status = row(aivcs)
        assert status["error"] == now["error"]
        assert "captured_at" not in now

    def test_imports_nothing_before_it_has_returned(self, aivcs):
        script = (
            "import sys\nbare = set(sys.modules)\nimport os\nos.fork = lambda: 1\n"
            "os.waitpid = lambda *_: print(*sorted(set(sys.modules) - bare), file=sys.stderr)\n"
            "import aivcs.cli.main\n"
            "keep = os.dup(2)\nsys.stderr = os.fdopen(keep, 'w')\n"
            "aivcs.cli.main.main(['hook', 'run', 'codex'])\n"
        )
        done = subprocess.run([sys.executable, "-c", script], input=b"{}", capture_output=True,
                              env=aivcs.environment(), check=True)  # fmt: skip
        loaded = done.stderr.decode().split()
        assert "aivcs.cli.hook.run_handler" in loaded
        heavy = {"json", "re", "typing", "fcntl", "aivcs.repository", "pathlib", "collections"}
        assert not heavy & set(loaded)
        assert len([name for name in loaded if name.startswith("aivcs")]) <= 16


class TestStatus:
    def test_is_empty_where_nothing_is(self, aivcs):
        assert aivcs.ok("hook", "status").lines == []
        assert b"warning" not in aivcs.ok("status").err

    def test_shows_sessions_that_nobody_captured(self, aivcs):
        path = session(aivcs)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        one = row(aivcs)
        assert (one["sessions"], one["captured_at"], one["installed"]) == (1, None, False)
        assert one["behind"] == 1
        assert b"warning" not in aivcs.ok("status").err
        aivcs.ok("hook", "install", "claude-code")
        assert b"warning: Claude Code: 1 session is newer than the last capture" in (
            aivcs.ok("status").err
        )
        aivcs.ok("run", "import", "--all")
        assert row(aivcs)["behind"] == 0
        assert b"warning" not in aivcs.ok("status").err

    def test_shows_settings_that_cannot_be_read(self, aivcs):
        (aivcs.home / ".claude").mkdir()
        (aivcs.home / ".claude/settings.json").write_text('{"hooks": [1,')
        one = row(aivcs)
        assert "it is not JSON" in one["error"]
        assert not one["installed"]

    def test_shows_sessions_that_changed_since(self, aivcs):
        path = session(aivcs)
        aivcs.ok("hook", "install", "claude-code")
        aivcs.ok("run", "import", "--all")
        file = aivcs.home / ".local/state/aivcs/hooks/claude-code.json"
        known = json.loads(file.read_text())
        file.write_text(json.dumps(known | {"captured_at": "2026-01-01T00:00:00.000000Z"}))
        changed = 1767225600 + 3600  # an hour after that
        os.utime(path, (changed, changed))
        one = row(aivcs)
        assert (one["behind"], one["lag_s"]) == (1, 3600)
        cells = aivcs.ok("hook", "status").text.split("\t")
        assert cells == [
            "claude-code", "yes", "1", "2026-01-01T00:00:00.000000Z", "1", "3600", "-",
        ]  # fmt: skip
        assert b"newer than the last capture" in aivcs.ok("status").err

    def test_a_capture_that_was_killed_is_noticed(self, aivcs):
        aivcs.ok("hook", "install", "codex")
        folder = aivcs.home / ".local/state/aivcs/hooks"
        folder.mkdir(parents=True)
        gone = subprocess.Popen(["true"])
        gone.wait()
        state = {"called_at": "2026-01-01T00:00:00.000000Z", "pid": gone.pid}
        (folder / "codex.json").write_text(json.dumps(state))
        assert row(aivcs, "codex")["error"] == "the last capture ended before it was complete"
        assert b"warning: Codex: the last capture failed" in aivcs.ok("status").err

    def test_files_that_are_damaged_are_no_reason_to_fail(self, aivcs):
        folder = aivcs.home / ".local/state/aivcs/hooks"
        folder.mkdir(parents=True)
        session(aivcs)
        for text in ("", "[]", "{", '{"captured_at": 1, "error": [], "pid": "x"}', "\0"):
            (folder / "claude-code.json").write_text(text)
            assert row(aivcs)["sessions"] == 1
