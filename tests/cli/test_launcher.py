"""How the installed script finds its Python, its package and, where needed, the other packages."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aivcs
from aivcs import __version__

SCRIPT = Path(__file__).parents[2] / "bin/aivcs"
PACKAGE = Path(aivcs.__file__).parent
VERSION = f"python3.{sys.version_info[1]}"
SAID = f"aivcs {__version__}\n"


@pytest.fixture
def installed(tmp_path):
    """Makes a folder as an installer leaves it, and returns its script."""

    def install(prefix, packages="site-packages", environment=True, package=True):
        prefix = tmp_path / prefix
        if environment:
            subprocess.run(
                [sys.executable, "-m", "venv", "--without-pip", prefix], check=True, timeout=60
            )
        (prefix / "bin").mkdir(parents=True, exist_ok=True)
        folder = prefix / "lib" / VERSION / packages
        folder.mkdir(parents=True, exist_ok=True)
        if package:
            (folder / "aivcs").symlink_to(PACKAGE)
        shutil.copy(SCRIPT, prefix / "bin/aivcs")
        return prefix / "bin/aivcs"

    return install


@pytest.fixture
def call(tmp_path):
    """Runs a program far from the script, with nothing but Debian's programs in PATH."""

    def run(*words, path="/usr/bin:/bin", folder=tmp_path, **variables):
        return subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", **variables},
        )  # fmt: skip

    return run


def programs(folder, **scripts):
    """Makes programs of sh, and returns a PATH that has them first."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name.replace("_", ".")).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name.replace("_", ".")).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize("prefix", ["env", "an environment with 'quotes' and spaces", "$HOME *"])
def test_an_environment_may_have_any_name(installed, call, prefix):
    done = call(installed(prefix), "--version")
    assert (done.stdout, done.stderr) == (SAID, "")


def test_a_symbolic_link_may_lead_to_the_script_from_anywhere(installed, call, tmp_path):
    script = installed("in an environment")
    links = tmp_path / "local" / "bin"
    links.mkdir(parents=True)
    (links / "aivcs").symlink_to(script)
    (tmp_path / "again").symlink_to("local/bin/aivcs")
    (tmp_path / "environment").symlink_to(script.parents[1])
    for words in (
        [links / "aivcs"], ["./again"], ["local/bin/../bin/aivcs"], ["environment/bin/aivcs"],
        ["sh", "again"],
    ):  # fmt: skip
        assert call(*words, "--version").stdout == SAID, words
    for path in (f"{links}:/bin:/usr/bin", "local/bin:/bin:/usr/bin"):
        assert call("sh", "-c", "aivcs --version", path=path).stdout == SAID, path
    for path in (".:/bin:/usr/bin", ":/bin:/usr/bin"):
        done = call("sh", "-c", "aivcs --version", path=path, folder=links)
        assert done.stdout == SAID, path


@pytest.mark.parametrize("packages", ["site-packages", "dist-packages"])
def test_outside_of_an_environment_the_packages_tell_which_python(
    installed, call, tmp_path, packages
):
    """As after `pip install --user`: python3 may be another, and the right one elsewhere."""
    script = installed("user", packages, environment=False)
    right = f'exec {sys.executable} "$@"'
    path = programs(tmp_path / "p", **{VERSION.replace(".", "_"): right, "python3": "exit 9"})
    done = call(script, "--version", path=path)
    assert (done.stdout, done.stderr) == (SAID, "")


def test_a_python_beside_the_script_comes_first(installed, call, tmp_path):
    """As in an image with several, of which /usr/bin has another of the same version."""
    script = installed("opt", environment=False)
    script.with_name(VERSION).symlink_to(sys.executable)
    wrong = programs(tmp_path / "p", **{VERSION.replace(".", "_"): "exit 9", "python3": "exit 9"})
    assert call(script, "--version", path=wrong).stdout == SAID


def test_an_editable_install_is_found_as_python_finds_it(installed, call):
    script = installed("env", package=False)
    (pth,) = script.parents[1].glob("lib/*/site-packages")
    (pth / "ours.pth").write_text(f"{PACKAGE.parent}\n")
    (pth / "aivcs/cli/shell/completions").mkdir(parents=True)  # pip copies these all the same
    done = call(script, "--version")
    assert (done.stdout, done.stderr) == (SAID, "")


def test_where_no_python_has_the_package_that_is_said(installed, call):
    done = call(installed("env", package=False), "--version")
    assert done.returncode == 1
    assert "No module named 'aivcs'" in done.stderr


class TestWithoutSite:
    """Python's `site` runs only where a command needs other packages."""

    @pytest.fixture
    def script(self, installed):
        script = installed("env")
        (folder,) = script.parents[1].glob("lib/*/site-packages")
        # As after an editable install: only `site` finds the other packages.
        others = [path for path in sys.path if path.endswith("-packages")]
        (folder / "others.pth").write_text("\n".join(others) + "\n")
        return script

    def imported(self, call, folder, *words):
        """The modules that Python says it loads."""
        done = call(*words, folder=folder, PYTHONPROFILEIMPORTTIME="1")
        lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
        return done, {line.rpartition("|")[2].strip() for line in lines}

    def test_commands_of_loops_do_without(self, script, call, aivcs):
        digest = aivcs.put(b"one")
        run = aivcs.begin()
        for words in (
            ("run", "log", run, "k"), ("blob", "get", digest), ("release", "promote", "b", digest),
            ("run", "finish", run), ("release", "current", "b"), ("--version",),
        ):  # fmt: skip
            done, modules = self.imported(call, aivcs.folder, script, *words)
            assert done.returncode == 0, done
            assert "posix" in modules
            assert "site" not in modules, words

    def test_other_packages_are_found_where_site_says(self, script, call, aivcs):
        done, modules = self.imported(
            call, aivcs.folder, script, "config", "set", "core.durability", "batch"
        )
        assert done.returncode == 0, done
        assert {"site", "tomli_w"} <= modules

    def test_added_formats_are_found(self, script, call, aivcs, tmp_path):
        """An entry point of a package that only `site` finds."""
        (tmp_path / "more").mkdir()
        info = tmp_path / "more" / "ours-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: ours\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[aivcs.formats]\nours = ours:FORMAT\n")
        (folder,) = script.parents[1].glob("lib/*/site-packages")
        (folder / "more.pth").write_text(f"{tmp_path / 'more'}\n")
        (aivcs.folder / "file").write_text("x")
        done = call(script, "run", "import", "--from", "ours", "file", folder=aivcs.folder)
        assert "No module named 'ours'" in done.stderr

    def test_the_folder_of_the_script_is_not_searched(self, script, call, aivcs):
        script.with_name("tomli_w.py").write_text("raise SystemExit(9)")
        words = ("config", "set", "core.durability", "batch")
        assert call(script, *words, folder=aivcs.folder).returncode == 0
