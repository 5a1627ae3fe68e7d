"""`aivcs hook install` and `aivcs hook uninstall`: hooks in the settings of programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.hook.settings import EMPTY, commands_in, with_hook, without_hook
from aivcs.errors import BackendError, UsageError

if TYPE_CHECKING:
    from aivcs.commands.hook.programs import Program

_MAX_SETTINGS = 4 << 20
"""Bytes of a program's settings, at most."""


class Change(NamedTuple):
    """A change of a program's settings.

    Attributes:
        path: The file.
        lines: The lines that were added, with `+ ` before them, and those removed, with `- `.
    """

    path: str
    lines: list[str]


def install(program: Program, path: str, command: str) -> Change:
    """Lets a program call a command when a turn or a session has ended.

    Everything else in the file stays as it is, byte for byte; so do its mode, and links to it.

    Args:
        program: The program.
        path: Its settings; made if they do not exist.
        command: The shell command.

    Raises:
        UsageError: The settings cannot be changed; they are as they were.
        BackendError: They cannot be read or written.
    """
    before = _read(path)
    try:
        after = with_hook(before or EMPTY, program.name, program.events, command)
    except UsageError as error:
        events = " and ".join(program.events)
        raise UsageError(
            f"{path}: {error}; let the events {events} call by hand: {command}"
        ) from error
    return _write(path, before, after)


def uninstall(program: Program, path: str) -> Change:
    """Removes our hooks from a program's settings; everything else stays as it is.

    Raises:
        UsageError: The settings cannot be changed; they are as they were.
        BackendError: They cannot be read or written.
    """
    before = _read(path)
    if before is None:
        return Change(path, [])
    try:
        after = without_hook(before, program.name)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return _write(path, before, after)


def installed(program: Program, path: str) -> dict[str, str]:
    """Returns the command that each event of a program calls; nothing where no hook is ours.

    Raises:
        UsageError: The settings have another form.
        BackendError: They cannot be read.
    """
    text = _read(path)
    return {} if text is None else commands_in(text, program.name)


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_SETTINGS + 1)
    except FileNotFoundError:
        if os.path.islink(path):
            raise BackendError(f"cannot read {path}: it is a link to nothing") from None
        return None
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _MAX_SETTINGS:
        raise UsageError(f"{path} has more than {_MAX_SETTINGS} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8") from error


def _write(path: str, before: str | None, after: str) -> Change:
    if after == before:
        return Change(path, [])
    from difflib import ndiff

    old, new = (before or "").splitlines(keepends=True), after.splitlines(keepends=True)
    lines = [line.rstrip("\r\n") for line in ndiff(old, new) if line[:2] in {"+ ", "- "}]
    target = os.path.realpath(path)
    data = after.encode()
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        mode, links = 0o600, 1
        if before is not None:
            found = os.stat(target)
            mode, links = found.st_mode & 0o7777, found.st_nlink
        if links > 1:  # the other names are to show the new content, too
            with open(target, "r+b") as file:
                file.write(data)
                file.truncate()
            return Change(path, lines)
        temporary = f"{target}.aivcs-{os.getpid()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror}") from error
    return Change(path, lines)
