"""The man pages are well-formed and complete, and their examples work."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from aivcs.cli.exit_codes import MEANINGS
from aivcs.cli.help.examples import EXAMPLES
from aivcs.cli.parse.commands import ROOT as EVERYTHING, visible
from aivcs.cli.session import ci_tags as ci, git_identity as identity
from tools.generate.manual import ENVIRONMENT

PROJECT = Path(__file__).parents[2]
PAGES = sorted((PROJECT / "man").glob("*.1"))
COMMANDS = visible(EVERYTHING).every()


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def read(path):
    """The page as a person reads it."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    shown = run("mandoc", "-T", "utf8", "-O", "width=78", path).stdout
    return re.sub(r".\x08", "", shown)


def test_every_command_has_a_page():
    assert {path.stem for path in PAGES} == {c.name.replace(" ", "-") for c in COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_finds_no_fault(page):
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = run("mandoc", "-T", "lint", "-W", "warning", page)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_finds_no_fault(page):
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = run("groff", "-mdoc", "-ww", "-z", page)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_page_names_every_option_and_operand(command):
    shown = read(PROJECT / "man" / f"{command.name.replace(' ', '-')}.1")
    for option in command.options:
        for spelling in option.spellings:
            assert re.search(rf"^ +(\S+, )?{re.escape(spelling)}\b", shown, re.MULTILINE), spelling
    for positional in command.positionals:
        assert positional.metavar.removesuffix("...") in shown
    for child in command.children:
        assert f"{child.name.replace(' ', '-')}(1)" in shown


def test_the_first_page_lists_every_exit_code():
    shown = " ".join(read(PROJECT / "man" / "aivcs.1").split())
    for code, meaning in MEANINGS.items():
        assert f"{code} {meaning}" in shown


def test_every_variable_that_is_read_is_documented():
    read_names = {*identity._COMMIT_VARIABLES, *identity._ACTOR_VARIABLES, *ci.GITHUB_URL}
    read_names |= {ci.MATRIX, *ci.GITLAB_PART, *ci.GITLAB_PROJECTS}
    read_names.update(
        name for table in (ci.GITHUB, ci.GITLAB) for s in table.values() for name in s
    )
    sources = [*(PROJECT / "aivcs/cli").rglob("*.py"), PROJECT / "aivcs/config/files.py"]
    for source in sources:
        named = re.findall(r"""named_by\(context, "[^"]+", "([A-Z_]+)""", source.read_text())
        read_names.update(named)
        read_names.update(
            re.findall(r"""environ(?:ment)?(?:\.get\(|\[)["']([A-Z_]+)["']""", source.read_text())
        )
    read_names.discard("GIT_OPTIONAL_LOCKS")  # which is set for git, not read
    documented = {name for names, _ in ENVIRONMENT for name in names}
    assert {"AIVCS_STORE", "AIVCS_RUN", "AIVCS_DEBUG", "NO_COLOR", "PAGER"} <= read_names
    assert read_names == documented


def test_the_wheel_ships_pages_and_completions(tmp_path):
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    shared = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared["man"] == "share/man/man1"
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (built,) = wheel.WheelBuilder(str(PROJECT)).build(directory=str(tmp_path))
    names = {name.partition("/share/")[2] for name in zipfile.ZipFile(built).namelist()}
    assert {f"man/man1/{page.name}" for page in PAGES} <= names
    assert {
        "bash-completion/completions/aivcs",
        "zsh/site-functions/_aivcs",
        "fish/vendor_completions.d/aivcs.fish",
    } <= names


PREPARE = """
mkdir agents prompts
echo 'Review this.' | tee prompt.md prompts/one.md > prompts/two.md
echo '{"temperature": 0}' > config.json
echo '{"prompt": "…"}' > spec.json
echo '["search"]' | tee tools.json > graph.json
echo '{"verdict": "fine"}' > answer.json
echo 'to do' > notes.md
echo '[{"type": "system", "subtype": "init", "tools": [], "session_id": "s-0001"},
  {"type": "result", "subtype": "success", "is_error": false,
   "session_id": "s-0001"}]' > execution.json
echo '{"kind": "token", "payload": {"n": 1}}' > events.jsonl
aivcs init
digest=$(aivcs blob put prompt.md)
aivcs release promote reviewer "$digest" --label v1.0
spec=$(aivcs blob put spec.json)
aivcs release promote reviewer "$(aivcs blob put config.json)" --label v1.1
AIVCS_RUN=$(aivcs run start --agent reviewer --spec "$spec")
aivcs init ../team
aivcs remote add origin ../team
echo "export digest=$digest spec=$spec AIVCS_RUN=$AIVCS_RUN" > ../variables
"""
"""Makes the store that the examples are written for."""
BEGIN = ". ../variables\n"
END_SOON = "(sleep 0.5; aivcs run finish @) &\n"
"""For an example that waits until its run ends."""


class Shell:
    """A bash in a folder of its own that stops at the first command that fails."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        command = folder / "bin" / "aivcs"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aivcs "$@"\n')
        command.chmod(0o755)
        (folder / "work").mkdir()

    def run(self, script):
        return run(
            "bash", "-eu", "-o", "pipefail", "-c", script,
            cwd=self.folder / "work",
            stdin=subprocess.DEVNULL,
            timeout=60,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "AIVCS_ACTOR": "tester",
            },
        )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("examples") / "prepared")
    done = shell.run(PREPARE)
    assert done.returncode == 0, done.stderr
    return shell.folder


@pytest.fixture
def shell(prepared, tmp_path):
    shell = Shell(tmp_path / "shell")
    shutil.copytree(prepared, shell.folder, dirs_exist_ok=True)
    return shell


ELSEWHERE = {"aivcs browse", "aivcs run why"}
"""Commands that need a terminal, or a repository of git: tests/tui, tests/cli/test_run_why.py."""


def test_every_command_has_an_example():
    assert {command.name for command in COMMANDS} == EXAMPLES.keys()


@pytest.mark.parametrize(
    ("name", "example"),
    [(name, e) for name, found in EXAMPLES.items() if name not in ELSEWHERE for e in found],
    ids=lambda value: value if isinstance(value, str) else value.about,
)
def test_an_example_works(shell, name, example):
    assert re.search(rf"\b{name}\b", example.script), "it shows another command"
    assert max(map(len, example.script.split("\n"))) < 80, "it is too wide for a page"
    done = shell.run(BEGIN + (END_SOON if "--follow" in example.script else "") + example.script)
    assert (done.returncode, "aivcs: " in done.stderr) == (0, False), done.stderr


def test_an_example_that_fails_would_be_noticed(shell):
    assert shell.run(BEGIN + "aivcs run log @ tool_called no=json oops").returncode == 2
