"""The command with two backends of tests: a store on SQLite, and the same behind a switch."""

import subprocess
import sys
from pathlib import Path

import pytest
from warm import Warm

SCRIPT = """\
#!{python}
import os, sys
sys.path.insert(0, {tests!r})
from backends import away_driver, sqlite_driver
sqlite_driver.register()
away_driver.register()
from aivcs.config import files
files.MACHINE = os.environ.get("TEST_MACHINE_CONFIG", "/nonexistent/aivcs/config.toml")
from aivcs.cli.main import run
run()
"""


class Done:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out.decode()
        self.err = err.decode()

    @property
    def text(self):
        return self.out.removesuffix("\n")

    @property
    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out[-2000:]!r}\nstderr: {self.err[-2000:]!r}"


class Remote:
    """Calls the command with stores that are named by URLs.

    Attributes:
        folder: The working directory.
        url: The URL of the store that can go away.
        script: The file of the command.
    """

    def __init__(self, outside, tmp_path, script, server):
        self._outside = outside
        self.folder = outside.folder
        self.home = outside.home
        self.machine = tmp_path / "machine.toml"
        self.place = tmp_path / "store.db"
        self.url = f"away://server{self.place}"
        self.script = script
        self._server = server

    def environment(self, **changes):
        return self._outside.environment(TEST_MACHINE_CONFIG=str(self.machine), **changes)

    def __call__(self, *words, code=0, env=None, cwd=None, stdin="", command=None):
        arguments = [*map(str, words)]
        options = {
            "env": self.environment(**(env or {})), "cwd": cwd or self.folder,
            "input": stdin.encode(), "timeout": 60,
        }  # fmt: skip
        if command is None:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            result = Done(*self._server(arguments, **pipes, **options))
        else:
            ran = subprocess.run(
                [*command, *arguments], capture_output=True, check=False, **options
            )
            result = Done(ran.returncode, ran.stdout, ran.stderr)
        assert "Traceback" not in result.err, result
        assert code is None or result.code == code, (words, result)
        return result

    def at(self, *words, env=None, **options):
        """Calls the command with the store in the environment."""
        return self(*words, env={"AIVCS_STORE": self.url, **(env or {})}, **options)

    def configure(self, text):
        """Adds to the user's configuration."""
        path = self.home / ".config/aivcs/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)
        return path

    def go_away(self, after=None):
        if after is None:
            Path(f"{self.place}.away").touch()
        else:
            Path(f"{self.place}.after").write_text(str(after))

    def come_back(self):
        Path(f"{self.place}.after").unlink(missing_ok=True)
        Path(f"{self.place}.away").unlink(missing_ok=True)

    @property
    def attempts(self):
        """How often the store was asked for while it was away."""
        log = Path(f"{self.place}.log")
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    """The file of the command that knows the backends of these tests."""
    path = tmp_path_factory.mktemp("bin") / "aivcs"
    path.write_text(SCRIPT.format(python=sys.executable, tests=str(Path(__file__).parents[1])))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def server(script, command_in):
    """Executes that command without the start of an interpreter for each call."""
    made = Warm([str(script)], command_in(Path("/"), Path("/")).environment())
    yield made
    made.close()


@pytest.fixture
def remote(outside, tmp_path, script, server):
    """The command, and a new store that a URL names."""
    made = Remote(outside, tmp_path, script, server)
    made("init", made.url)
    return made
