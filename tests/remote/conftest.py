"""The command with two backends of tests: a store on SQLite, and the same behind a switch."""

import subprocess
import sys
from pathlib import Path

import pytest

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

    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

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

    def __init__(self, outside, tmp_path):
        self._outside = outside
        self.folder = outside.folder
        self.home = outside.home
        self.machine = tmp_path / "machine.toml"
        self.place = tmp_path / "store.db"
        self.url = f"away://server{self.place}"
        self.script = tmp_path / "bin" / "aivcs"
        self.script.parent.mkdir()
        tests = str(Path(__file__).parents[1])
        self.script.write_text(SCRIPT.format(python=sys.executable, tests=tests))
        self.script.chmod(0o755)

    def environment(self, **changes):
        return self._outside.environment(TEST_MACHINE_CONFIG=str(self.machine), **changes)

    def __call__(self, *words, code=0, env=None, cwd=None, stdin="", command=None):
        done = subprocess.run(
            [*(command or [str(self.script)]), *map(str, words)],
            env=self.environment(**(env or {})), cwd=cwd or self.folder, input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        result = Done(done)
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


@pytest.fixture
def remote(outside, tmp_path):
    """The command, and a new store that a URL names."""
    made = Remote(outside, tmp_path)
    made("init", made.url)
    return made
