"""The programs whose sessions aivcs finds by itself: where each keeps them, and its settings.

Session files are taken only if they are regular files of the user, reached through no link, below
the program's folder: anybody who can write there chose their paths.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Program(NamedTuple):
    """A program.

    Attributes:
        name: The name by which commands know it.
        title: Its own name.
        format: The format of its session files.
        variable: The environment variable that names its folder.
        folder: That folder below the user's home, by default.
        sessions: Folders with session files, below it.
        files: Patterns of the names of session files.
        settings: The file with hooks, below the folder, or below `.<folder>` of a project.
        events: The events that call the hook; the last one ends a session.
    """

    name: str
    title: str
    format: str
    variable: str
    folder: str
    sessions: tuple[str, ...]
    files: tuple[str, ...]
    settings: str
    events: tuple[str, ...]

    def home(self, environment: Mapping[str, str], home: str) -> str:
        """Returns the program's folder; empty where the user has no home."""
        named = environment.get(self.variable, "")
        if named.startswith("/"):
            return os.path.join(named, ".gemini") if self.name == "gemini" else named
        return os.path.join(home, self.folder) if home else ""

    def is_session(self, name: str) -> bool:
        """Tells whether a file's name is that of a session."""
        return any(fnmatch(name, pattern) for pattern in self.files)


PROGRAMS = (
    Program(
        "claude-code", "Claude Code", "claude-code", "CLAUDE_CONFIG_DIR", ".claude",
        ("projects",), ("*.jsonl",), "settings.json", ("Stop", "SessionEnd"),
    ),
    Program(
        "codex", "Codex", "codex", "CODEX_HOME", ".codex",
        ("sessions", "archived_sessions"), ("rollout-*.jsonl",), "hooks.json",
        ("Stop", "SessionEnd"),
    ),
    Program(
        "gemini", "Gemini CLI", "gemini-cli", "GEMINI_CLI_HOME", ".gemini",
        ("tmp",), ("session-*.jsonl", "session-*.json"), "settings.json",
        ("AfterAgent", "SessionEnd"),
    ),
)  # fmt: skip
"""All programs."""


def find_program(name: str) -> Program:
    """Returns the program of a name, which may also be that of its format.

    Raises:
        UsageError: There is none.
    """
    for program in PROGRAMS:
        if name in {program.name, program.format}:
            return program
    known = ", ".join(program.name for program in PROGRAMS)
    raise UsageError(f"no program is called {name[:60]!a}; there are {known}")


class SessionFile(NamedTuple):
    """A session file.

    Attributes:
        path: The path.
        size: Its bytes.
        changed: The time of its last change, in nanoseconds since 1970.
    """

    path: str
    size: int
    changed: int


def session_files(program: Program, folder: str) -> Iterator[SessionFile]:
    """Yields the session files of a program, in no certain order; skips what cannot be read.

    Args:
        program: The program.
        folder: Its folder.
    """
    for below in program.sessions:
        yield from _walk(program, os.path.join(folder, below))


def require_session_file(
    program: Program, folder: str, path: str, *, any_name: bool = False
) -> SessionFile:
    """Returns a session file that somebody else named.

    Args:
        program: The program.
        folder: Its folder.
        path: The path that was named.
        any_name: Whether a file may have another name than the program gives to sessions.

    Raises:
        UsageError: It is not a regular file of the user's below the program's folder for sessions,
            or a link leads there.
    """
    wanted = os.path.normpath(path)
    roots = [os.path.join(folder, below) for below in program.sessions]
    if wanted != path or not any(wanted.startswith(f"{root}/") for root in roots):
        raise UsageError(
            f"{path[:200]!a} is not below the sessions of {program.title}, {' or '.join(roots)}"
        )
    root = next(root for root in roots if wanted.startswith(f"{root}/"))
    if os.path.realpath(wanted) != os.path.join(os.path.realpath(root), wanted[len(root) + 1 :]):
        raise UsageError(f"{path[:200]!a} is reached through a link")
    found = _session_file(wanted)
    if found is None or not (any_name or program.is_session(os.path.basename(wanted))):
        raise UsageError(f"{path[:200]!a} is not a session file of yours")
    return found


def _walk(program: Program, folder: str) -> Iterator[SessionFile]:
    waiting = [folder]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                is_folder = S_ISDIR(entry.stat(follow_symlinks=False).st_mode)
            except OSError:
                continue
            if is_folder:
                waiting.append(entry.path)
            elif program.is_session(entry.name):
                found = _session_file(entry.path)
                if found is not None:
                    yield found


def _session_file(path: str) -> SessionFile | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    if not S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return None
    return SessionFile(path, found.st_size, found.st_mtime_ns)
