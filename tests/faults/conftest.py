"""A store to do harm to, and the commands that harm is done to."""

import os
import shutil
import subprocess
from typing import Any

import pytest
from crash.harness import judge, require, require_strace


@pytest.fixture(scope="session")
def strace():
    require_strace()


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory):
    """A function that makes a store in a folder, always the same, and tells what is in it."""
    made: dict[Any, Any] = {}

    def make(aivcs, sha256):
        if made:
            shutil.copytree(made["folder"], aivcs.folder, dirs_exist_ok=True)
            return made["facts"]
        aivcs.ok("init")
        facts = {"spec": aivcs.put(b"spec one\n"), "two": aivcs.put(b"spec two\n")}
        facts["spare"] = aivcs.put(b"nobody refers to this")
        facts["run"] = aivcs.ok("run", "start", "--agent", "bot", "--spec", facts["spec"]).text
        aivcs.ok("run", "log", "--stdin", facts["run"], stdin=b'{"kind":"a"}\n{"kind":"b"}\n')
        aivcs.ok("release", "promote", "team/bot", facts["spec"])
        aivcs.ok("release", "promote", "team/bot", facts["two"])
        aivcs.ok("config", "set", "core.lock_timeout", "20")
        (aivcs.folder / "new").write_bytes(b"new content\n")
        (aivcs.folder / "old").write_bytes(b"spec one\n")
        (aivcs.folder / "large").write_bytes(bytes(range(256)) * 9000)
        folder = tmp_path_factory.mktemp("lived-in") / "project"
        shutil.copytree(aivcs.folder, folder)
        made.update(folder=folder, facts=facts)
        return facts

    return make


class Victim:
    """A store in use.

    Attributes:
        aivcs: The command.
        facts: The digests of two specs, and a run.
        before: What the store showed.
    """

    def __init__(self, aivcs, facts):
        self.aivcs = aivcs
        self.facts = facts
        self.before = judge(aivcs.store)

    def arguments(self, text):
        return [word.format(**self.facts) for word in text.split()]

    def require_unharmed(self, done, *, code):
        """The command said in one line that it failed; all is as it was; nothing lies about."""
        out, err = done.stdout or b"", done.stderr.decode()
        returned = done.returncode
        assert returned == code if isinstance(code, int) else returned in code, done
        assert "Traceback" not in err, err
        assert err.startswith("aivcs: "), done
        assert err.count("\n") == 1, done
        assert not out or b"\n" in out
        assert judge(self.aivcs.store) == self.before
        self.require_no_temporaries()

    def require_no_temporaries(self):
        assert os.listdir(self.aivcs.store / "tmp") == []


@pytest.fixture
def victim(outside, lived_in, files):
    return Victim(outside, lived_in(outside, files.sha256))


@pytest.fixture
def mounted(tmp_path, outside):
    """A function that mounts a tmpfs, with some options, where the command works."""
    require(os.geteuid() == 0, "mounting a tmpfs needs root")
    mounts = []

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "aivcs-test", str(outside.folder)],
            capture_output=True,
            check=False,
        )
        require(done.returncode == 0, f"a tmpfs cannot be mounted: {done.stderr!r}")
        mounts.append(outside.folder)
        return outside

    yield mount
    for folder in mounts:
        subprocess.run(["umount", "-l", str(folder)], check=True)


WRITERS = {
    "blob put": "blob put new",
    "blob put (there already)": "blob put old",
    "blob put (large)": "blob put large",
    "blob rm": "blob rm {spare}",
    "run start": "run start --agent bot --spec {spec}",
    "run log": "run log {run} k a=1",
    "run log --stdin": "run log --stdin {run}",
    "run finish": "run finish {run}",
    "release promote (first)": "release promote other/bot {spec}",
    "release promote (next)": "release promote team/bot {spec}",
    "release rollback": "release rollback team/bot",
    "config set": "config set core.lock_timeout 5",
    "config unset": "config unset core.lock_timeout",
}
"""Commands that change a store."""
READERS = {
    "blob get": "blob get {spec}",
    "blob has": "blob has {spec} {two}",
    "blob ls": "blob ls",
    "run show": "run show {run}",
    "run events": "run events {run}",
    "run list": "run list",
    "release current": "release current team/bot",
    "release history": "release history team/bot",
    "release list": "release list",
    "status": "status",
    "verify": "verify --json",
    "config get": "config get core.durability",
    "config list": "config list",
}
"""Commands that only read; all but `blob has` print something."""


def most_are_slow(commands, fast):
    """The names of commands for parametrize: by default some of them, with `-m slow` the others."""
    return [
        name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in commands
    ]


STDIN = b'{"kind":"k","payload":{"a":1}}\n{"kind":"k"}\n'
"""For those that read standard input."""
