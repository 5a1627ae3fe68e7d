"""A project in a CI system: its folder, the programs it has, and what the system would set."""

import os
import subprocess
import sys

import pytest


class Project:
    """A folder as a CI system checks it out; `pip` only says what it was to install."""

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
        (self.folder / "agent").mkdir()
        (self.folder / "agent/spec.json").write_text('{"model":"small-1"}\n')
        self.check("echo checking; echo done")

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
        return self.aivcs.ok("run", "list", "--json").json_lines[::-1]


@pytest.fixture
def project(outside, tmp_path):
    return Project(outside, tmp_path)
