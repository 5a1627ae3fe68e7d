"""Things that several tests of the command need."""

import fcntl
import itertools
import os
import pty
import struct
import termios
from typing import Any

import pytest
from command import read_terminal


@pytest.fixture
def terminal(aivcs):
    """Runs a command on a terminal of some width; returns what it printed there."""

    def run(*arguments, columns=80, code=0, **env):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = aivcs.start(
            *arguments, stdin=slave, stdout=slave, stderr=slave,
            env={"TERM": "xterm-256color", "PAGER": "cat", **env},
        )  # fmt: skip
        os.close(slave)
        out = read_terminal(master)
        assert process.wait(30) == code, out
        return out.decode().replace("\r\n", "\n")

    return run


@pytest.fixture
def same_beginning(files):
    """Two contents whose digests begin with the same four characters, and these four."""
    seen: dict[Any, Any] = {}
    for number in itertools.count():
        content = b"%d" % number
        short = files.sha256(content)[:4]
        if short in seen:
            return seen[short], content, short
        seen[short] = content
    raise AssertionError
