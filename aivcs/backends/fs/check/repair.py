"""Repairs that take no decision; each function makes one and says what it did.

Writers may go on during a repair, so each finding is checked once more: logs under their lock,
objects by the bytes of the file that is moved. Only bytes that nobody acknowledged are deleted;
everything else that has to give way is moved to `damaged/`. Each step leaves the store as good as
before, and the next repair completes one that was interrupted.

Not repaired: a log with a broken chain or with entries that break the rules, and links, devices and
folders that somebody else put into the store.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from os.path import samestat

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.logs import LockedLog
from aivcs.backends.fs.logs.lines import LogLines
from aivcs.backends.fs.objects import hash_file
from aivcs.errors import ConflictError
from aivcs.log.verify_run import DAMAGE, Links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.verify_run import Problem

    Rules = Callable[[Iterable[tuple[int, bytes]]], Iterator[Problem]]


class GoneError(Exception):
    """The file to repair does not exist any more."""


@contextmanager
def _opened(folder: Folder, name: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Opens a file for a block."""
    fd = files.open_file(folder.path(name), flags)
    if fd is None:
        raise GoneError
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _hashed(folder: Folder, name: str) -> Iterator[tuple[int, str]]:
    """Opens a file for a block, with the SHA-256 of its bytes."""
    with _opened(folder, name) as fd:
        with files.os_errors("read", name):
            actual = hash_file(fd)
        yield fd, actual


def repair_log(folder: Folder, name: str, check: Rules) -> str:
    """Repairs the truncated end of a log, as its next writer would, if the rest of it is right.

    Args:
        folder: The store's folder.
        name: The path of the log below it.
        check: The rules that its lines must keep.

    Raises:
        GoneError: The log is gone.
        ConflictError: The rest of it is not right.
        IntegrityError: Its end is damaged, not truncated.
        LockTimeoutError: A writer holds it.
        BackendError: It cannot be read or written.
    """
    path = folder.path(name)
    folder.require_parents(name)
    with _opened(folder, name, os.O_RDWR | os.O_APPEND) as fd:
        files.lock_file(fd, path, folder.settings.lock_timeout)
        lines = LogLines(fd, name)
        with files.os_errors("read", path):
            tail = lines.read_tail()
            if tail.is_clean:
                return "a writer has mended it already"
            links = Links(lines.between(0, tail.end))
            damaged = any(problem.severity == DAMAGE for problem in check(links))
            if damaged or links.break_found() is not None:
                raise ConflictError(f"{name} has other damage, so it was left as it is")
            LockedLog(folder, name, fd)
    if tail.unterminated:
        return "its newline was added"
    if not tail.truncated.strip(b"\0"):
        return f"{len(tail.truncated)} NULs were cut off"
    return f"{len(tail.truncated)} bytes were cut off and kept in damaged/"


def remove_temporary(folder: Folder, name: str) -> str:
    """Removes an abandoned temporary file.

    Raises:
        GoneError: The file is gone.
        BackendError: It cannot be removed.
    """
    with files.os_errors("remove", folder.path(name)):
        try:
            os.unlink(folder.path(name))
        except FileNotFoundError:
            raise GoneError from None
    return "it was removed"


def quarantine_object(folder: Folder, name: str, digest: str) -> str:
    """Moves an object with wrong bytes to `damaged/`, so that it is absent.

    Raises:
        GoneError: The file is gone.
        BackendError: It cannot be read or moved.
    """
    with _hashed(folder, name) as (fd, actual):
        moved = "" if actual == digest else _quarantine(folder, name, fd, actual)
    return f"it was moved to {moved}" if moved else "it was put again meanwhile"


def quarantine_stray(folder: Folder, name: str) -> str:
    """Moves a file that is not part of a store to `damaged/`.

    Raises:
        GoneError: The file is gone.
        ConflictError: It is being replaced.
        BackendError: It cannot be read or moved.
    """
    with _hashed(folder, name) as (fd, actual):
        moved = _quarantine(folder, name, fd, actual)
    if not moved:
        raise ConflictError(f"{name} is being replaced; it was left as it is")
    return f"it was moved to {moved}"


def move_object(folder: Folder, name: str, digest: str) -> str:
    """Moves an object from the wrong folder to the place of its content.

    Raises:
        GoneError: The file is gone.
        ConflictError: It was replaced since it was found.
        BackendError: It cannot be read or moved.
    """
    with _hashed(folder, name) as (fd, actual):
        if actual == digest:
            return "it was put again meanwhile"
        right = layout.object_path(actual)
        if not _is_whole(folder, actual):
            if folder.is_durable:
                files.sync_file(fd, name)
            _link(folder, name, fd, right)
        moved = _quarantine(folder, name, fd, actual)
        if moved:  # a second name of the object that is in its place now
            folder.discard(folder.path(moved))
    return f"it was moved to {right}"


def restore_object(folder: Folder, name: str, digest: str) -> str:
    """Moves an object out of `damaged/` back to its place, where an interrupted repair left it.

    Raises:
        GoneError: The file is gone.
        ConflictError: It was replaced since it was found.
        BackendError: It cannot be read or moved.
    """
    right = layout.object_path(digest)
    with _hashed(folder, name) as (fd, actual):
        if actual != digest:
            raise ConflictError(f"{name} was replaced meanwhile")
        _link(folder, name, fd, right)
    folder.discard(folder.path(name))
    return f"it was moved back to {right}"


def _is_whole(folder: Folder, digest: str) -> bool:
    """Tells whether the object of a digest exists and is undamaged."""
    name = layout.object_path(digest)
    folder.require_parents(name)
    try:
        with _hashed(folder, name) as (_, actual):
            return actual == digest
    except GoneError:
        return False


def _quarantine(folder: Folder, name: str, fd: int, actual: str) -> str:
    """Moves an open file to `damaged/`; returns its path there, or nothing if it was replaced.

    A rename cannot depend on which file has the name: between the check and the rename a writer may
    put the right content. Then that was moved, and is linked back. If that is interrupted, the next
    repair does it (`restore_object`).
    """
    moved = layout.quarantine_path(name, actual)
    with files.os_errors("move", name):
        folder.require_parents(name)
        folder.make_parents(moved)
        if os.path.lexists(folder.path(moved)):
            moved += f"-{os.urandom(4).hex()}"
        try:
            os.rename(folder.path(name), folder.path(moved))
        except FileNotFoundError:
            return ""
        if samestat(os.fstat(fd), os.lstat(folder.path(moved))):
            folder.sync_parents(moved)
            folder.sync_parents(name)
            return moved
        try:
            os.link(folder.path(moved), folder.path(name))
        except FileExistsError:
            pass  # a writer has put it once more
        folder.sync_parents(name)
        os.unlink(folder.path(moved))
    return ""


def _link(folder: Folder, name: str, fd: int, target: str) -> None:
    """Links an open file to a second path, durably, replacing any file there."""
    temporary = folder.temporary_path()
    with files.os_errors("move", name):
        folder.make_parents(f"{layout.TEMPORARY}/")
        folder.make_parents(target)
        os.link(folder.path(name), temporary)
        try:
            if not samestat(os.fstat(fd), os.lstat(temporary)):
                raise ConflictError(f"{name} was replaced meanwhile; it was left as it is")
            # As if it had been put now, so that it is not collected as garbage.
            os.utime(temporary)
            os.rename(temporary, folder.path(target))
        except BaseException:
            folder.discard(temporary)
            raise
    folder.sync_parents(target)
