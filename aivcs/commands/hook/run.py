"""`aivcs hook run`: imports the session of which a program's hook tells."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.commands.hook.programs import require_session_file, session_files
from aivcs.commands.run.import_ import Imported, Options, Source, import_source
from aivcs.errors import BackendError, ErasedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.hook.programs import Program, SessionFile
    from aivcs.formats.masking import Masker
    from aivcs.repository import Repository

_ENDS = "SessionEnd"


class Call(NamedTuple):
    """The message of a program to its hook.

    Attributes:
        path: The session file.
        session: The id of the session.
        folder: Where the program works; empty if it did not say.
        is_over: Whether the session is over.
    """

    path: str
    session: str
    folder: str
    is_over: bool


def parse_call(data: bytes) -> Call:
    """Returns what a hook was given on standard input.

    Raises:
        UsageError: It is something else.
    """
    import json

    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"what the program sent is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError("what the program sent is not an object")
    texts = {
        name: value[name] if isinstance(value.get(name), str) else ""
        for name in ("transcript_path", "session_id", "cwd", "hook_event_name")
    }
    return Call(
        texts["transcript_path"], texts["session_id"], texts["cwd"],
        texts["hook_event_name"] == _ENDS,
    )  # fmt: skip


def capture(
    repo: Repository, program: Program, home: str, call: Call, masker: Masker, by: str
) -> list[Imported]:
    """Imports what is new of a session, and of those that it started, but not of erased ones.

    Args:
        repo: The repository.
        program: The program.
        home: Its folder.
        call: What it told.
        masker: What masks secrets.
        by: Who imports it.

    Raises:
        UsageError: It named no session file of the user's.
        StorageError: The store could not be written.
    """
    file = _file(program, home, call)
    done: list[Imported] = []
    for one in [file, *_children(program, home, file, call.session)]:
        options = Options(format=program.format, seal=call.is_over, masker=masker, by=by)
        with open(_open(one.path), "rb", buffering=0) as stream:
            source = Source(one.path, os.path.basename(one.path), stream)
            with suppress(ErasedError):  # an erased session stays erased, and the capture goes on
                done += import_source(repo, source, options).sessions
    return done


@contextmanager
def one_at_a_time(folder: str, program: str) -> Iterator[None]:
    """Returns a block in which no other capture of a program is going on."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(folder, f"{program}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _file(program: Program, home: str, call: Call) -> SessionFile:
    if call.path:
        return require_session_file(program, home, call.path)
    if call.session:
        for file in session_files(program, home):
            if call.session in os.path.basename(file.path):
                return file
    raise UsageError("the program named no session file")


def _children(program: Program, home: str, file: SessionFile, session: str) -> list[SessionFile]:
    """The session files of agents that a session started, in a folder beside its own file."""
    found = []
    for name in sorted({os.path.splitext(os.path.basename(file.path))[0], session}):
        if not name or "/" in name or name in {".", ".."}:
            continue
        for below in ("", "subagents"):
            folder = os.path.join(os.path.dirname(file.path), name, below)
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                continue
            for child in names:
                if child.endswith((".jsonl", ".json")) and not child.endswith(".meta.json"):
                    path = os.path.normpath(os.path.join(folder, child))
                    found.append(require_session_file(program, home, path, any_name=True))
    return found


def _open(path: str) -> int:
    """Opens a regular file of the user's; between the look at it and this it may be another."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BackendError(f"cannot read {path[:200]!a}: {error.strerror}") from error
    from stat import S_ISREG

    found = os.fstat(fd)
    if not S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(fd)
        raise UsageError(f"{path[:200]!a} is not a session file of yours")
    return fd
