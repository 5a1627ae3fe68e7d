"""What start-up may load: every import of a command that scripts call in a loop is counted."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import aivcs
import aivcs.errors

HOT_FORBIDDEN = {
    "json", "re", "typing", "dataclasses", "enum", "pathlib", "hashlib", "asyncio", "datetime",
    "rich", "typer", "subprocess", "tomllib", "contextlib", "functools", "collections",
    "platformdirs", "argparse", "tempfile", "shutil",
}  # fmt: skip

MODULES = {"blob": 22, "run": 34, "release": 36}
"""Modules of ours that a command of a loop may load: half of what it costs beyond the interpreter
is finding, reading and running them."""


def modules_of(code, *arguments, cwd, environment):
    """The modules that a fresh interpreter has after running some code."""
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.splitlines()[-1].split())


def names_handed_on(module):
    """The names that a module says it has from others, where type checkers look."""
    (block,) = [
        node
        for node in ast.parse(Path(module.__file__).read_text()).body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    return [
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("aivcs")  # type: ignore[union-attr]
        for alias in node.names
    ]


def is_package(name):
    """Whether a module only holds others: it costs a look at a folder, and no code."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None


class TestNamesThatLoadLate:
    def test_are_there_and_listed(self):
        module = aivcs.errors
        names = names_handed_on(module)
        assert len(names) > 10
        assert not set(names) - set(dir(module))
        for name in names:
            assert getattr(module, name).__name__ == name


class TestStartUp:
    def test_import_aivcs_imports_nothing_heavy(self, outside):
        where = {"cwd": outside.folder, "environment": outside.environment()}
        bare = modules_of("", **where)
        found = modules_of("import aivcs", **where) - bare
        assert found == {"aivcs"}

    @pytest.mark.parametrize("config", [None, '# ours\n[core]\ndurability = "batch"\n'])
    def test_the_commands_of_loops_import_nothing_heavy(self, aivcs, config):
        if config:
            (aivcs.store / "config.toml").write_text(config)
        where = {"cwd": aivcs.folder, "environment": aivcs.environment()}
        bare = modules_of("", **where)
        one, two = aivcs.put(b"one"), aivcs.put(b"two")
        (aivcs.folder / "f").write_text("f")
        run = aivcs.begin()
        call = "from aivcs.cli.main import main\nassert main(sys.argv[1:]) == 0"
        for command in (
            ("blob", "put", "f"),
            ("blob", "put", "--sums", "f"),
            ("blob", "get", one),
            ("blob", "get", one[:8]),
            ("blob", "has", one),
            ("run", "start", "--agent", "a", "--spec", one, "--tag", "k=v"),
            ("run", "log", run, "k", '{"a":[1,2.5,"ü"]}'),
            ("run", "log", run, "k", "a=1", "b:=2"),
            ("run", "log", "--print-seq", run[:8], "k"),
            ("run", "finish", run, "--exit-code", "0"),
            ("run", "exec", "--agent", "a", "--spec", one, "--", "true"),
            ("release", "promote", "bot", one, "--label", "v1"),
            ("release", "promote", "bot", two, "--by", "me", "--expect", one),
            ("release", "rollback", "bot", "--reason", "x"),
            ("release", "rollback", "bot", "--to", "@2"),
            ("release", "current", "bot"),
            ("release", "current", "new", "--default", "x"),
            ("release", "history", "bot"),
        ):
            found = modules_of(call, *command, **where) - bare
            heavy = {name for name in found if name.partition(".")[0] in HOT_FORBIDDEN}
            assert not heavy, (command, heavy)
            ours = sorted(n for n in found if n.partition(".")[0] == "aivcs" and not is_package(n))
            if command[1] != "exec":  # it starts a program, and keeps a run around it
                most = MODULES[command[0]] + (4 if config else 0)  # and what reads it
                assert len(ours) <= most, (command, len(ours), ours)
                went_well = "--default" not in command  # which stands in for an error
                assert not went_well or "aivcs.rare_errors" not in ours, command
                records = {"aivcs.model.run", "aivcs.model.release"} & found
                assert records <= {f"aivcs.model.{command[0]}"}, command

    def test_a_policy_costs_nothing_where_nothing_is_released(self, aivcs):
        event = '{"kind":"evaluation","pointer":"/score","min":0.8}'
        aivcs.ok("config", "set", "policy.prod/*.require_runs", "3")
        aivcs.ok("config", "set", "policy.prod/*.require_event", event)
        where = {"cwd": aivcs.folder, "environment": aivcs.environment()}
        bare = modules_of("", **where)
        run = aivcs.begin()
        call = "from aivcs.cli.main import main\nassert main(sys.argv[1:]) == 0"
        for command in (
            ("run", "log", run, "evaluation", "score:=0.9"),
            ("release", "current", "new", "--default", "x"),
        ):
            found = modules_of(call, *command, **where) - bare
            heavy = {name for name in found if name.partition(".")[0] in HOT_FORBIDDEN}
            assert not heavy, (command, heavy)
            assert not found & {"aivcs.policy.select", "aivcs.policy.proposal", "aivcs.signing.ssh"}
