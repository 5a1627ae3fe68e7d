"""Scripts of real shells that log through the functions of `aivcs shell-init`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECONDS = 60
COMMANDS = {"bash": ["bash", "--norc", "--noprofile"], "zsh": ["zsh", "-f"]}
EVAL = 'eval "$(aivcs shell-init)" || exit 99'


class Script:
    """Runs scripts in one shell, in a folder with a store and a run in AIVCS_RUN."""

    def __init__(self, shell, aivcs, tmp_path):
        self.shell = shell
        self.aivcs = aivcs
        self.run = aivcs.begin()
        self.temporary = tmp_path / "temporary"
        self.temporary.mkdir()
        programs = tmp_path / "bin"
        programs.mkdir()
        command = programs / "aivcs"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m aivcs "$@"\n')
        command.chmod(0o755)
        self.environment = aivcs.environment(
            PATH=f"{programs}:{os.environ['PATH']}",
            TMPDIR=str(self.temporary),
            AIVCS_RUN=self.run,
        )

    def command(self, text, *arguments, before=""):
        script = f"{before}\n{EVAL}\n{text}"
        return [*COMMANDS[self.shell], "-c", script, "script", *arguments]

    def start(self, text, *arguments, before="", env=None, **options):
        return subprocess.Popen(
            self.command(text, *arguments, before=before),
            cwd=self.aivcs.folder,
            env={**self.environment, **(env or {})},
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            stdin=subprocess.DEVNULL,
            **options,
        )

    def __call__(self, text, *arguments, code=0, before="", env=None, **options):
        """Runs a script to its end; its exit code must be this. Returns stdout and stderr."""
        process = self.start(text, *arguments, before=before, env=env, **options)
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert b"Traceback" not in err, err
        assert process.returncode == code, (process.returncode, out, err)
        return (out or b"").decode(), err.decode()

    @property
    def events(self):
        """Kind and payload of every event of the run."""
        return [(e["kind"], e["payload"]) for e in self.aivcs.events(self.run)]

    @property
    def texts(self):
        return [payload["text"] for _, payload in self.events]

    def processes(self):
        """The background processes of this test: its folder is among their arguments."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if os.fsencode(self.temporary) in words and b"shell-session" in words:
                    found.append(int(entry.name))
        return found

    def require_no_leftovers(self):
        """Processes and folders vanish when the script has."""
        deadline = time.monotonic() + 20
        while (left := self.processes()) or any(self.temporary.iterdir()):
            if time.monotonic() > deadline:
                files = list(self.temporary.rglob("*"))
                for process in left:
                    os.kill(process, signal.SIGKILL)
                pytest.fail(f"left over: {left} {files}")
            time.sleep(0.02)


@pytest.fixture(params=sorted(COMMANDS))
def script(request, aivcs, tmp_path):
    if shutil.which(request.param) is None:
        if os.environ.get("AIVCS_REQUIRE_ALL") == "1":
            pytest.fail(f"there is no {request.param}")
        pytest.skip(f"there is no {request.param}")
    made = Script(request.param, aivcs, tmp_path)
    yield made
    made.require_no_leftovers()
