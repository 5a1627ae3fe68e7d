"""`aivcs help` and `aivcs completion` print what comes with the command, however installed."""

import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command import read_terminal
from isolation import NO_SYSTEM

from aivcs.cli.parse.commands import ROOT as EVERYTHING, visible

PROJECT = Path(__file__).parents[2]
FILES = {"bash": "aivcs.bash", "zsh": "_aivcs", "fish": "aivcs.fish"}


def on_a_terminal(aivcs, *arguments, columns=80, **env):
    """What a command prints on a terminal, without marks for bold and underlined."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    process = aivcs.start(
        *arguments, env={"TERM": "xterm", "PAGER": "cat", **env},
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown = read_terminal(master)
    process.wait(60)
    text = re.sub(r".\x08|\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")
    return process.returncode, text


@pytest.fixture
def elsewhere(tmp_path):
    """The package alone, as it is where nothing was shared; and the same beside a share/."""
    target = tmp_path / "site"
    shutil.copytree(PROJECT / "aivcs", target / "aivcs", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copytree(PROJECT / "completions", target / "aivcs/cli/shell/completions")
    return target


def run_there(target, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "aivcs", *arguments], cwd=target,
        env={"PATH": os.environ["PATH"], "HOME": str(target), "PYTHONPATH": str(target),
             **NO_SYSTEM},
        capture_output=True, check=True,
    ).stdout  # fmt: skip


class TestHelp:
    @pytest.mark.parametrize(
        "command", visible(EVERYTHING).every()[::4], ids=lambda command: command.name
    )
    def test_a_pipe_gets_plain_text(self, outside, command):
        shown = outside.ok("help", *(command.path or ["aivcs"])).out.decode()
        assert shown.startswith(f"{command.name} - ")
        for part in ("SYNOPSIS", "DESCRIPTION", "OPTIONS", "FILES", "EXIT STATUS", "EXAMPLES"):
            assert f"\n{part}\n" in shown
        for option in command.options:
            assert option.spellings[-1] in shown
        assert max(map(len, shown.partition("\nEXAMPLES\n")[0].splitlines())) < 80
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", shown)

    def test_without_a_command_all_are_listed(self, outside):
        assert outside.ok("help").out == outside.ok("--help").out

    def test_a_person_gets_the_man_page(self, outside):
        if shutil.which("man") is None:
            pytest.skip("man is not installed")
        code, shown = on_a_terminal(outside, "help", "run", "log", MANPAGER="cat")
        assert code == 0
        assert "AIVCS-RUN-LOG(1)" in shown
        assert "Options come before RUN" in " ".join(shown.split())

    @pytest.mark.parametrize("env", [{"PATH": "/nowhere"}, {"TERM": "dumb"}])
    def test_without_man_a_person_gets_plain_text(self, outside, env):
        if "PATH" in env:  # a folder that has python and nothing else
            folder = outside.folder / "bin"
            folder.mkdir()
            (folder / "python3").symlink_to(sys.executable)
            env = {"PATH": str(folder)}
        code, shown = on_a_terminal(outside, "help", "run", "log", **env)
        assert (code, shown) == (0, outside.ok("help", "run", "log").out.decode())

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["rn"], "did you mean aivcs help run?"),
            (["run", "lgo"], "did you mean aivcs help run log?"),
            (["run", "log", "x"], "aivcs run log has no commands below it"),
            (["run", "zzzz"], "the commands are start, exec, log,"),
            (["shell-session"], "no command 'aivcs shell-session'"),
        ],
    )
    def test_what_is_no_command_is_said(self, outside, words, said):
        done = outside("help", *words, code=2)
        assert said in done.err.decode()
        assert done.out == b""
        assert done.err.count(b"\n") == 1

    def test_help_is_there_where_python_leaves_its_texts_out(self, outside):
        plain = outside.ok("run", "log", "--help").out
        assert outside.ok("run", "log", "--help", env={"PYTHONOPTIMIZE": "2"}).out == plain

    def test_every_list_of_commands_names_the_manual(self, outside):
        assert "examples: aivcs help COMMAND" in outside.ok("--help").out.decode()
        assert "aivcs help run" not in outside.ok("run", "--help").out.decode(), "it is that page"

    def test_help_is_drawn_where_there_is_room_and_cut_nowhere(self, outside):
        code, wide = on_a_terminal(outside, "run", "log", "--help", columns=80)
        assert (code, "╭" in wide) == (0, True)
        code, narrow = on_a_terminal(outside, "run", "log", "--help", columns=40)
        assert (code, "╭" in narrow) == (0, False)
        assert "tool_called" in narrow, "rich would have cut it"
        assert b"\x1b" not in outside.ok("run", "log", "--help").out
        code, dumb = on_a_terminal(outside, "run", "log", "--help", TERM="dumb")
        assert (code, "╭" in dumb) == (0, False)


class TestCompletion:
    @pytest.mark.parametrize("shell", FILES)
    def test_the_file_of_the_shell_is_printed(self, outside, shell):
        wanted = (PROJECT / "completions" / FILES[shell]).read_bytes()
        assert outside.ok("completion", shell).out == wanted

    @pytest.mark.parametrize("shell", FILES)
    def test_it_is_where_only_the_package_is_installed(self, elsewhere, shell):
        wanted = (PROJECT / "completions" / FILES[shell]).read_bytes()
        assert run_there(elsewhere, "completion", shell) == wanted

    def test_another_shell_is_refused(self, outside):
        done = outside("completion", "tcsh", code=2)
        assert done.err == b"aivcs: there are completions for bash, zsh and fish, not for 'tcsh'\n"

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_shell_can_load_it(self, aivcs, programs, shell):
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        script = {
            "bash": 'eval "$(aivcs completion bash)"; complete -p aivcs',
            "zsh": 'autoload -Uz compinit; compinit -D -u; eval "$(aivcs completion zsh)"; '
            "print $_comps[aivcs]",
            "fish": "aivcs completion fish | source; complete -C 'aivcs -C / blob g'",
        }[shell]
        done = subprocess.run(
            [shell, "-c", script], cwd=aivcs.folder, capture_output=True, text=True, check=False,
            env=aivcs.environment(PATH=f"{programs}:{os.environ['PATH']}"),
        )  # fmt: skip
        wanted = {
            "bash": "complete -F _aivcs aivcs\n",
            "zsh": "_aivcs\n",
            "fish": "get\tPrint the content of a blob, after verifying it\n",
        }
        assert (done.stderr, done.stdout) == ("", wanted[shell])
