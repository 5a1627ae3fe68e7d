"""Commands that are executed as runs."""

import base64
import os
import select
import sys
import termios
import time

import pytest


class Exec:
    """Executes commands as runs of one spec, and tells what became of the last."""

    def __init__(self, aivcs, programs):
        self.aivcs = aivcs
        programs.mkdir()
        command = programs / "aivcs"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m aivcs "$@"\n')
        command.chmod(0o755)
        self.program = str(command)
        self.path = f"{programs}:{os.environ['PATH']}"
        self.spec = aivcs.put(b"a spec\n")
        self.words = ["run", "exec", "--agent", "bot", "--spec", self.spec]

    def __call__(self, *command, options=(), **how):
        env = {"PATH": self.path, **how.pop("env", {})}
        words = self.words[:-2] if "--spec" in options else self.words
        return self.aivcs(*words, *options, "--", *command, env=env, **how)

    def start(self, *command, options=(), **how):
        return self.aivcs.start(*self.words, *options, "--", *command, **how)

    def shell(self, script, **how):
        """Runs a script in bash, where `exec_` executes a command."""
        prefix = f'exec_() {{ aivcs {" ".join(self.words)} "$@"; }}\n'
        return self.aivcs.shell(prefix + script, **how)

    @property
    def run(self):
        """The newest run."""
        return self.aivcs.ok("run", "list", "-n", "1").text.split("\t")[0]

    @property
    def record(self):
        return self.aivcs.record(self.run)

    @property
    def ending(self):
        """The status of the newest run, and the exit code recorded."""
        record = self.record
        return record["status"], record["summary"]["exit_code"]

    @property
    def events(self):
        """Kind and payload of the newest run's events."""
        return [(e["kind"], e["payload"]) for e in self.aivcs.events(self.run)]

    @property
    def output(self):
        """The payloads of its output."""
        return [payload for kind, payload in self.events if kind == "output"]

    def recorded(self, stream):
        """The bytes of a stream, put together again as the manual says."""
        return b"".join(self._bytes(p) for p in self.output if p["stream"] == stream)

    def _bytes(self, payload):
        if "blob" in payload:
            return self.aivcs.ok("blob", "get", payload["blob"]["$blob"]).out
        if "base64" in payload:
            data = base64.b64decode(payload["base64"], validate=True)
        else:
            data = payload["text"].encode()
        return data if payload.get("newline") is False else data + b"\n"


@pytest.fixture
def execute(aivcs, tmp_path):
    return Exec(aivcs, tmp_path / "programs")


class Desk:
    """A terminal with somebody at it: types, and reads what appears."""

    def __init__(self, argv, folder, environment):
        self.master, slave = os.openpty()
        termios.tcsetwinsize(self.master, (30, 100))
        self.seen = b""
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            os.close(os.open(os.ttyname(slave), os.O_RDWR))  # becomes the session's
            for descriptor in (0, 1, 2):
                os.dup2(slave, descriptor)
            os.chdir(folder)
            os.execvpe(argv[0], argv, environment)
        os.close(slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, text, seconds=30):
        """Reads until a text appears that has not been waited for yet; returns what came before."""
        wanted, end = text.encode(), time.monotonic() + seconds
        while wanted not in self.seen:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} does not appear in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    raise AssertionError(f"it ended without {text!r}: {self.seen!r}") from None
        before, _, self.seen = self.seen.partition(wanted)
        return before.decode()

    def is_canonical(self):
        """Whether the terminal edits lines, as a shell leaves it to a command."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ICANON)

    def resize(self, rows, columns):
        termios.tcsetwinsize(self.master, (rows, columns))

    def close(self):
        os.close(self.master)
        os.waitpid(self.pid, 0)


@pytest.fixture
def desk(execute):
    """A function that opens a terminal: with a command in it, or an interactive bash."""
    desks = []
    environment = execute.aivcs.environment(
        PATH=execute.path, PS1="READY> ", E=f"aivcs {' '.join(execute.words)} --"
    )

    def sit_down(*argv):
        argv = argv or ("bash", "--norc", "--noprofile", "--noediting", "-i")
        desks.append(Desk(argv, execute.aivcs.folder, environment))
        return desks[-1]

    yield sit_down
    for each in desks:
        each.close()
