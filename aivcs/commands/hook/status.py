"""`aivcs hook status`: when each program's sessions were captured last, and what is missing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.commands.hook.programs import PROGRAMS, session_files
from aivcs.commands.hook.state import read_state
from aivcs.errors import AivcsError, SerializationError
from aivcs.model.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aivcs.commands.hook.programs import Program

GRACE_S = 120
"""Seconds that a session may be newer than its capture: its turn is going on."""


class Status(NamedTuple):
    """The captures of one program.

    Attributes:
        program: The program's name.
        title: Its own name.
        hooks: The command of each event, by the file that has it.
        sessions: The number of its session files.
        captured_at: When a session was captured last; None for never.
        run: The run of that session.
        store: The store it went to.
        behind: The number of session files that have changed since.
        lag_s: Seconds between the last capture and the newest of them; 0 if there is none.
        error: What went wrong last, if nothing was captured since.
        error_at: When.
    """

    program: str
    title: str
    hooks: dict[str, dict[str, str]]
    sessions: int
    captured_at: str | None
    run: str | None
    store: str | None
    behind: int
    lag_s: int
    error: str | None
    error_at: str | None

    @property
    def is_installed(self) -> bool:
        """Whether any settings have a hook of ours."""
        return any(self.hooks.values())


def status(
    homes: Mapping[str, str],
    settings: Callable[[Program], list[str]],
    folder: str,
    now: Timestamp,
) -> Iterator[Status]:
    """Yields the state of each program that is here: has sessions, a hook, a capture or an error.

    Args:
        homes: The folder of each program, by name.
        settings: Returns the settings that a program may have.
        folder: The folder of the states.
        now: The present time.
    """
    for program in PROGRAMS:
        home = homes.get(program.name, "")
        if not home:
            continue
        hooks, problem = _hooks(program, settings(program))
        state = read_state(folder, program.name)
        sessions = behind = newest = 0
        captured = _text(state, "captured_at")
        since = _nanoseconds(captured)
        for file in session_files(program, home):
            sessions += 1
            newest = max(newest, file.changed)
            if file.changed > since and _age(file.changed, now) > GRACE_S:
                behind += 1
        if not (sessions or any(hooks.values()) or state or problem):
            continue
        error, error_at = _text(state, "error"), _text(state, "error_at")
        called = _text(state, "called_at")
        if error is None and called and called > (captured or "") and not _is_alive(state):
            error, error_at = "the last capture ended before it was complete", called
        lag = (newest - since) // 1_000_000_000 if behind and since else 0
        yield Status(
            program.name, program.title, hooks, sessions, captured, _text(state, "run"),
            _text(state, "store"), behind, lag, problem or error, error_at,
        )  # fmt: skip


def _hooks(program: Program, paths: list[str]) -> tuple[dict[str, dict[str, str]], str | None]:
    from aivcs.commands.hook.install import installed

    hooks: dict[str, dict[str, str]] = {}
    problem = None
    for path in paths:
        try:
            found = installed(program, path)
        except AivcsError as error:
            problem = f"{path}: {error}"
            continue
        if found:
            hooks[path] = found
    return hooks, problem


def _is_alive(state: dict[str, Any]) -> bool:
    """Tells whether the process of the last call is there; its id may be another's by now."""
    pid = state.get("pid")
    if type(pid) is not int or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _text(state: dict[str, Any], name: str) -> str | None:
    value = state.get(name)
    return value if isinstance(value, str) and value else None


def _nanoseconds(moment: str | None) -> int:
    if moment is None:
        return 0
    try:
        return Timestamp(moment).microseconds() * 1000
    except SerializationError:
        return 0


def _age(changed: int, now: Timestamp) -> int:
    return (now.microseconds() * 1000 - changed) // 1_000_000_000
