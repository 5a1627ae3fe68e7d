"""Follows a page word for word: types its commands at a terminal and compares what comes back.

A block of "console" holds commands behind "$ " (a line behind "> " continues one) and, below each,
what a person sees. A block of "sh" or "bash" is pasted as it stands and must do without complaint.
All of a page happens in one shell, in the home of somebody called alice who has nothing yet.

What cannot be the same twice is not compared: ids of runs, moments, durations, ages, and how many
spaces stand between columns. "…" stands for anything within a line; a line of it for any lines. A
command must succeed, unless what is shown below it has a line that begins with "aivcs: " or
"damage".
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, Any, NamedTuple

from isolation import NO_SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 120
"""How long a page may take."""
ROWS = 50
_MARK = "\x1e"
_UNSEEN = re.compile(r".*(\x1b\[2K|\r)|\x1b\[[0-9;]*m")
"""What a progress bar wrote and wiped again, and colours."""

BLOCK = re.compile(r"^```(console|sh|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "RUN-ID"),
    (re.compile(r"^[0-9a-f]{8}(?= )", re.MULTILINE), "RUN-ID"),  # as a table shortens it
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z?)?"), "MOMENT"),
    (re.compile(r"\b(\d+ (second|minute|hour|day)s? ago|just now|now)\b"), "AGE"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b"), "DURATION"),
    (re.compile(r"[ \t]+"), " "),
)


class Step(NamedTuple):
    """What is typed, and the lines that are shown below it; None if nothing is said of them."""

    typed: str
    shown: list[str] | None


class Seen(NamedTuple):
    """What came back: the lines, and the exit code."""

    lines: list[str]
    code: int


def steps(page: str) -> Iterator[Step]:
    """Yields what a page has one type, in order."""
    for kind, text in BLOCK.findall(page):
        if kind != "console":
            yield Step(text.rstrip("\n"), None)
            continue
        typed: list[str] = []
        shown: list[str] = []
        for line in text.splitlines():
            if line.startswith("$ "):
                if typed:
                    yield Step("\n".join(typed), shown)
                typed, shown = [line[2:]], []
            elif line.startswith("> ") and not shown:
                typed.append(line[2:])
            elif line == ">" and not shown:
                typed.append("")
            else:
                shown.append(line)
        if typed:
            yield Step("\n".join(typed), shown)


def follow(page: list[Step], home: Path, commands: str, columns: int = 100) -> list[Seen]:
    """Types all steps of a page into bash at a terminal; returns what came back for each.

    Args:
        page: The steps.
        home: A new folder, shown as /home/alice.
        commands: The folder that `aivcs` is in.
        columns: The width of the terminal.
    """
    script = home.parent / "page.sh"
    script.write_text(
        "".join(
            f"{step.typed}\n__code=$?; printf '\\036%s\\036' $__code; (exit $__code)\n"
            for step in page
        )
    )
    terminal, inside = os.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    shell = subprocess.Popen(
        ["bash", str(script)],
        cwd=home,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        env={
            **NO_SYSTEM,
            "HOME": str(home),
            "USER": "alice",
            "LOGNAME": "alice",
            "PATH": f"{commands}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "PAGER": "cat",
            "AIVCS_ACTOR": "alice",
            "TMPDIR": str(home.parent),
        },
    )
    os.close(inside)
    try:
        text = _read_all(terminal).replace("\r\n", "\n").replace(str(home), "/home/alice")
        shell.wait(SECONDS)
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
    parts = text.split(_MARK)
    assert len(parts) == 2 * len(page) + 1, f"the shell ended early:\n{text[-3000:]}"
    return [
        Seen(parts[at].split("\n")[:-1], int(parts[at + 1])) for at in range(0, len(parts) - 1, 2)
    ]


def explain(step: Step, seen: Seen) -> str:
    """Returns what differs from what the page says, for a person; nothing if all is as it says."""
    may_fail = step.shown is not None and any(
        line.startswith(("aivcs: ", "damage: ")) for line in step.shown
    )
    if step.shown is None:
        as_shown = not any(line.startswith("aivcs: ") for line in seen.lines)
    else:
        as_shown = _pattern(step.shown).fullmatch(_plain(seen.lines)) is not None
    if as_shown and (seen.code == 0 or may_fail):
        return ""
    shown = "\n".join(step.shown or ["(anything)"])
    came = "\n".join(seen.lines)
    return f"$ {step.typed}\n--- the page shows:\n{shown}\n--- exit {seen.code}, and:\n{came}"


def _read_all(terminal: int) -> str:
    pieces: list[Any] = []
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # how a terminal says that nobody is on the other side any more
            piece = b""
        if not piece:
            return b"".join(pieces).decode()
        pieces.append(piece)


def visible(line: str) -> str:
    """Returns what is left of a line on a terminal, without colours and wiped progress bars."""
    return _UNSEEN.sub("", line).rstrip()


def _plain(lines: list[str]) -> str:
    text = "\n".join(visible(line) for line in lines)
    for varying, word in _VARYING:
        text = varying.sub(word, text)
    return text.strip("\n")


def _pattern(lines: list[str]) -> re.Pattern[str]:
    pattern = re.escape(_plain(lines))
    pattern = re.sub(
        r"(?m)^(?:\\ )?…\\?\n", "(?:.*\n)*", pattern
    )  # a line of its own, and more to come
    pattern = re.sub(r"(?m)\\?\n…$", "(?:\n.*)*", pattern)
    return re.compile(pattern.replace("…", ".*"))
