"""What start-up may load: every import of a command that scripts call in a loop is counted."""

import ast
import importlib.util
import marshal
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aivcs
import aivcs.cli
import aivcs.errors

HOT_FORBIDDEN = {
    "json", "re", "typing", "dataclasses", "enum", "pathlib", "hashlib", "asyncio", "datetime",
    "rich", "typer", "subprocess", "tomllib", "contextlib", "functools", "collections",
    "platformdirs", "argparse", "tempfile", "shutil",
}  # fmt: skip

MODULES = {"blob": 19, "run": 28, "release": 29}
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


def has_no_code(name):
    """Whether a package has nothing but a docstring."""
    file = Path(aivcs.__file__).parents[1].joinpath(*name.split("."), "__init__.py")
    (first, *rest) = ast.parse(file.read_text()).body
    return isinstance(first, ast.Expr) and not rest


@pytest.fixture
def copied(tmp_path):
    """A copy of the package, and what tells the value of a constant of it, imported directly."""
    package = tmp_path / "copy" / "aivcs"
    for folder in ("cli", "codec"):
        (package / folder).mkdir(parents=True)
    for file in ("__init__", "cli/__init__", "codec/__init__", "codec/url"):
        shutil.copy(Path(aivcs.__file__).parent / f"{file}.py", package / f"{file}.py")
    module = package / "codec" / "url.py"
    module.write_text("VALUE = 1\n")
    script = (
        "from aivcs.cli import import_directly\nimport_directly()\n"
        "from aivcs.codec import url\nassert type(url.__loader__).__name__ == '_Importer'\n"
        "print(url.VALUE, url.__spec__.cached, sep='\\n')"
    )

    def ask():
        done = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONPATH": str(package.parent)},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        value, compiled = done.stdout.splitlines()
        return int(value), Path(compiled)

    return module, ask


class TestImportingDirectly:
    def test_packages_that_are_not_read_have_no_code(self):
        assert all(map(has_no_code, aivcs.cli._BARE_PACKAGES))

    def test_reads_what_python_compiled(self, copied):
        module, ask = copied
        value, compiled = ask()  # compiles it
        assert value == 1
        assert compiled == Path(importlib.util.cache_from_source(str(module)))
        # The same source by time and size: only the compiled file can tell the value.
        status = module.stat()
        module.write_text("VALUE = 2\n")
        os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert ask() == (1, compiled)

    @pytest.mark.parametrize("change", ["time", "size"])
    def test_compiles_a_source_that_is_another_one(self, copied, change):
        module, ask = copied
        ask()
        status = module.stat()
        module.write_text("VALUE = 2\n" if change == "time" else "VALUE = 22\n")
        seconds = 1_000_000_000 if change == "time" else 0
        os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns + seconds))
        assert ask()[0] == (2 if change == "time" else 22)
        assert ask()[0] == (2 if change == "time" else 22)

    @pytest.mark.parametrize("keep", [0, 3, 15])
    def test_compiles_again_where_the_header_is_cut(self, copied, keep):
        _, ask = copied
        _, compiled = ask()
        compiled.write_bytes(compiled.read_bytes()[:keep])
        assert ask()[0] == 1

    def test_a_compiled_file_without_code_is_an_error_as_ever(self, copied):
        _, ask = copied
        _, compiled = ask()
        compiled.write_bytes(compiled.read_bytes()[:16] + marshal.dumps(None))
        with pytest.raises(subprocess.CalledProcessError) as caught:
            ask()
        assert "ImportError: Non-code object in" in caught.value.stderr  # as Python says it

    def test_reads_a_long_file(self, copied):
        module, ask = copied
        module.write_text(f"VALUE = 5\nTEXT = {'x' * 100_000!r}\n")
        _, compiled = ask()
        assert compiled.stat().st_size > 1 << 16
        assert ask()[0] == 5

    def test_leaves_a_file_with_other_flags_to_python(self, copied):
        module, ask = copied
        _, compiled = ask()
        compiled.unlink()
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(module), invalidation_mode=mode)
        module.write_text("VALUE = 333\n")  # which nobody is to look at
        assert ask()[0] == 1

    def test_a_folder_that_was_moved_says_where_it_is(self, copied, tmp_path):
        module, ask = copied
        ask()
        moved = tmp_path / "moved"
        module.parents[2].rename(moved)
        script = (
            "from aivcs.cli import import_directly\nimport_directly()\n"
            "import aivcs.codec.url as m\n"
            "print(m.__spec__.loader.get_code(m.__name__).co_filename)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONPATH": str(moved)},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == str(moved / "aivcs" / "codec" / "url.py")

    def test_packages_without_code_are_as_if_they_had_been_read(self, outside):
        script = (
            "import sys, importlib.util as u, aivcs.cli as c\nc.import_directly()\n"
            "for name in c._BARE_PACKAGES:\n"
            "    module = sys.modules[name]\n"
            "    spec = u.find_spec(name)\n"
            "    assert spec is module.__spec__ and spec.loader.get_code(name) is not None\n"
            "    assert module.__path__ == spec.submodule_search_locations\n"
            '    assert open(module.__file__).read().startswith(\'"""\')\n'
            "    parent, _, last = name.rpartition('.')\n"
            "    assert getattr(sys.modules[parent], last) is module\n"
        )
        subprocess.run(
            [sys.executable, "-c", script],
            env=outside.environment(),
            cwd=outside.folder,
            check=True,
        )

    def test_does_not_stand_in_where_other_compiled_files_are_wanted(self, outside):
        script = (
            "import sys, aivcs.cli as c\nc.import_directly()\nprint(c._Importer in sys.meta_path)"
        )
        elsewhere = f"pycache_prefix={outside.folder}"
        for options, expected in ((["-O"], "False"), (["-X", elsewhere], "False"), ([], "True")):
            done = subprocess.run(
                [sys.executable, *options, "-c", script], env=outside.environment(),
                cwd=outside.folder, capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert done.stdout.strip() == expected


def test_no_module_has_the_name_of_a_package_beside_it():
    """Python takes the package then, and the importer of the command the module."""
    package = Path(aivcs.__file__).parent
    assert not [file for file in package.rglob("*.py") if file.with_suffix("").is_dir()]


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
                tables = {name for name in ours if name.endswith("._table")}
                assert tables == {"aivcs.cli.parse._table"}, command
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
