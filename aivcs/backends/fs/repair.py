"""Mends what can be mended without a doubt; each function does one thing and says what it did.

What is found is looked at once more, because writers go on meanwhile: logs under their lock,
objects by what is in the file that is moved. Nothing is thrown away but what was never
acknowledged: everything else that has to give way is kept in `damaged/`. Each step leaves a store
as good as before, so a repair that was interrupted is completed by the next.

What would take a decision is not done here: a log with a broken chain, or with entries that break
the rules, stays as it is; so do links, devices and folders that somebody else put there.
"""

from __future__ import annotations

import os
from os.path import samestat
from typing import TYPE_CHECKING

from aivcs.backends.fs import files
from aivcs.backends.fs.blobs import hash_file
from aivcs.backends.fs.lines import LogLines
from aivcs.backends.fs.logfile import LockedLog
from aivcs.errors import ConflictError
from aivcs.log.verify_run import DAMAGE, Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.verify_run import Problem

    Rules = Callable[[Iterable[tuple[int, bytes]]], Iterator[Problem]]

_GONE = "it is gone already"
_LONGEST = 180
"""Characters of a path that the name of what is set aside begins with, at most."""


def mend_log(folder: Folder, name: str, check: Rules) -> str:
    """Brings the end of a log in order, as its next writer would, if the rest of it is right.

    Args:
        folder: The store's folder.
        name: The log's path below it.
        check: The rules that its lines must keep.

    Raises:
        ConflictError: The rest of it is not right.
        IntegrityError: Its end is damaged, not torn.
        LockTimeoutError: A writer holds it.
        BackendError: It cannot be read or written.
    """
    path = folder.path(name)
    folder.require_parents(name)
    fd = files.open_file(path, os.O_RDWR | os.O_APPEND)
    if fd is None:
        return _GONE
    try:
        files.lock_file(fd, path, folder.settings.lock_timeout)
        lines = LogLines(fd, name)
        with files.doing("read", path):
            tail = lines.read_tail()
            if tail.is_clean:
                return "a writer has mended it already"
            links = Links(lines.between(0, tail.end))
            damaged = any(problem.severity == DAMAGE for problem in check(links))
            if damaged or links.break_found() is not None:
                raise ConflictError(f"{name} has other damage, so it was left as it is")
            LockedLog(folder, name, fd)
    finally:
        os.close(fd)
    if tail.unterminated:
        return "its newline was added"
    if not tail.truncated.strip(b"\0"):
        return f"{len(tail.truncated)} NULs were cut off"
    return f"{len(tail.truncated)} bytes were cut off and kept in damaged/"


def remove_leftover(folder: Folder, name: str) -> str:
    """Removes a temporary file whose process is gone.

    Raises:
        BackendError: It cannot be removed.
    """
    with files.doing("remove", folder.path(name)):
        try:
            os.unlink(folder.path(name))
        except FileNotFoundError:
            return _GONE
    return "it was removed"


def set_object_aside(folder: Folder, name: str, digest: str) -> str:
    """Moves an object whose bytes are not its content to `damaged/`; then it is absent.

    Raises:
        BackendError: It cannot be read or moved.
    """
    fd = files.open_file(folder.path(name), os.O_RDONLY)
    if fd is None:
        return _GONE
    try:
        with files.doing("read", name):
            actual = hash_file(fd)
        if actual == digest:
            return "it was put again meanwhile"
        aside = _set_aside(folder, name, fd, actual)
    finally:
        os.close(fd)
    return f"it was moved to {aside}" if aside else "it was put again meanwhile"


def set_stray_aside(folder: Folder, name: str) -> str:
    """Moves a file that is no part of a store to `damaged/`.

    Raises:
        BackendError: It cannot be read or moved.
    """
    fd = files.open_file(folder.path(name), os.O_RDONLY)
    if fd is None:
        return _GONE
    try:
        with files.doing("read", name):
            actual = hash_file(fd)
        aside = _set_aside(folder, name, fd, actual)
    finally:
        os.close(fd)
    if not aside:
        raise ConflictError(f"{name} is being replaced; it was left as it is")
    return f"it was moved to {aside}"


def move_object(folder: Folder, name: str, digest: str) -> str:
    """Moves an object that stands in the wrong folder to where its content belongs.

    Raises:
        ConflictError: It was replaced meanwhile.
        BackendError: It cannot be read or moved.
    """
    fd = files.open_file(folder.path(name), os.O_RDONLY)
    if fd is None:
        return _GONE
    try:
        with files.doing("read", name):
            actual = hash_file(fd)
        if actual == digest:
            return "it was put again meanwhile"
        right = object_name(actual)
        if not is_whole(folder, actual):
            if folder.is_durable:
                files.sync_file(fd, name)
            _give_name(folder, name, fd, right)
        aside = _set_aside(folder, name, fd, actual)
        if aside:  # a second name of what is in its place now
            remove_leftover(folder, aside)
    finally:
        os.close(fd)
    return f"it was moved to {right}"


def restore_object(folder: Folder, name: str, digest: str) -> str:
    """Moves an object back that a repair had in its hands when it was interrupted.

    Raises:
        ConflictError: It was replaced meanwhile.
        BackendError: It cannot be read or moved.
    """
    fd = files.open_file(folder.path(name), os.O_RDONLY)
    if fd is None:
        return _GONE
    try:
        with files.doing("read", name):
            if hash_file(fd) != digest:
                raise ConflictError(f"{name} was replaced meanwhile")
        _give_name(folder, name, fd, object_name(digest))
    finally:
        os.close(fd)
    remove_leftover(folder, name)
    return f"it was moved back to {object_name(digest)}"


def object_name(digest: str) -> str:
    """Returns where the object of a blob belongs."""
    return f"objects/{digest[:2]}/{digest[2:]}"


def is_whole(folder: Folder, digest: str) -> bool:
    """Tells whether the object of a blob is in its place and undamaged.

    Raises:
        BackendError: It cannot be read.
    """
    name = object_name(digest)
    folder.require_parents(name)
    fd = files.open_file(folder.path(name), os.O_RDONLY)
    if fd is None:
        return False
    try:
        with files.doing("read", name):
            return hash_file(fd) == digest
    finally:
        os.close(fd)


def _set_aside(folder: Folder, name: str, fd: int, actual: str) -> str:
    """Moves an open file to `damaged/`; returns where it is now, or nothing if it was replaced.

    A name can be removed, but not on condition of what it names: between the look and the move a
    writer may put the right content in this place. Then that is what was moved, and it is put back.
    Should this be interrupted just there, `restore_object` is what the next repair does.
    """
    flat = name.replace("/", "-")[:_LONGEST]
    aside = f"damaged/{flat}.{actual[:12]}"
    with files.doing("move", name):
        folder.require_parents(name)
        folder.make_parents(aside)
        if os.path.lexists(folder.path(aside)):
            aside += f"-{os.urandom(4).hex()}"
        try:
            os.rename(folder.path(name), folder.path(aside))
        except FileNotFoundError:
            return ""
        if samestat(os.fstat(fd), os.lstat(folder.path(aside))):
            folder.sync_parents(aside)
            folder.sync_parents(name)
            return aside
        try:
            os.link(folder.path(aside), folder.path(name))
        except FileExistsError:
            pass  # and put once more
        folder.sync_parents(name)
        os.unlink(folder.path(aside))
    return ""


def _give_name(folder: Folder, name: str, fd: int, target: str) -> None:
    """Gives an open file a second name, durably, in place of what may have that name."""
    temporary = folder.path(f"tmp/{os.getpid()}-{os.urandom(6).hex()}")
    with files.doing("move", name):
        folder.make_parents("tmp/")
        folder.make_parents(target)
        os.link(folder.path(name), temporary)
        try:
            if not samestat(os.fstat(fd), os.lstat(temporary)):
                raise ConflictError(f"{name} was replaced meanwhile; it was left as it is")
            # As if it had been put now, so that nobody takes it for garbage.
            os.utime(temporary)
            os.rename(temporary, folder.path(target))
        except BaseException:
            folder.discard(temporary)
            raise
    folder.sync_parents(target)
