"""A project in a CI system: its folder, the programs it has, and what the system would set."""

import os
import shutil
import subprocess
import sys

import pytest
from ci.systems import EXAMPLES


class Project:
    """A repository as a CI system checks it out; `pip` only says what it was to install.

    Attributes:
        script: The example that is its ci/store.sh.
    """

    script = "store-branch.sh"

    def __init__(self, aivcs, folder):
        self.aivcs = aivcs
        self.folder = aivcs.folder
        self.installed = folder / "installed"
        programs = folder / "programs"
        programs.mkdir()
        for name, text in {
            "aivcs": f'exec "{sys.executable}" -P -m aivcs "$@"',
            "pip": f"printf '%s\\n' \"$*\" >> '{self.installed}'",
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        self.environment = aivcs.environment(PATH=f"{programs}:{os.environ['PATH']}")
        self.origin = folder / "origin.git"
        (self.folder / "agent").mkdir()
        (self.folder / "agent/spec.json").write_text('{"model":"small-1"}\n')
        self.check("echo checking; echo done")

    def publish(self):
        """Makes it a git repository with a remote one, as the systems' stores need it."""
        (self.folder / "ci").mkdir()
        shutil.copy(EXAMPLES / self.script, self.folder / "ci/store.sh")
        script = """
            git init -q --bare "$1" && git init -q && git remote add origin "$1"
            git add -A && git -c user.name=a -c user.email=a@x commit -q -m first
        """
        done = subprocess.run(
            ["sh", "-e", "-c", script, "-", self.origin], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done

    def leave(self):
        """Takes away what a job leaves behind, as a runner does before the next one."""
        shutil.rmtree(self.folder / "store")

    def saved(self):
        """The command in a copy of the store as the branch has it."""
        copy = self.origin.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        subprocess.run(
            ["git", "clone", "-q", "-b", "aivcs-store", self.origin, copy],
            env=self.environment, check=True,
        )  # fmt: skip
        return type(self.aivcs)(copy, self.aivcs.home)

    def check(self, text):
        """Says what ./check.sh does."""
        (self.folder / "check.sh").write_text(f"#!/bin/sh\n{text}\n")
        (self.folder / "check.sh").chmod(0o755)

    def bash(self, script, environment):
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder, env={**self.environment, **environment},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def runs(self):
        """The records of all runs, oldest first."""
        aivcs = self.saved() if self.origin.exists() else self.aivcs
        return aivcs.ok("run", "list", "--json").json_lines[::-1]


@pytest.fixture
def project(outside, tmp_path):
    return Project(outside, tmp_path)
