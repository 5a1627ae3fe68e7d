"""Reading a log from a place on, while it grows."""

import os

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.logs.lines import LogLines
from aivcs.errors import IntegrityError
from aivcs.log import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.store.place import Place


def read(
    folder: "Folder", name: str, after: "Place | None", *, settled: bool
) -> "Iterator[tuple[bytes, Place]]":
    """Yields the lines of a log after a place; as `LogDriver.read`."""
    from aivcs.store.place import START, Place

    file = layout.checked_log_path(name)
    after = after or START
    folder.require_parents(file)
    path = folder.path(file)
    fd = files.open_file(path, os.O_RDONLY)
    if fd is None:
        return
    try:
        with files.os_errors("read", path):
            lines = LogLines(fd, file)
            is_known = lines.is_behind(after.hint, after.hash)
            end = _end(folder, fd, path, lines, settled=settled)
            if not is_known or after.hint > end:
                after = _find(lines, end, after) or START
            number, offset = after.lines, after.hint
            if offset >= end:
                return
            for line in lines.forwards(end, offset, after.hash, number):
                number += 1
                offset += len(line) + 1
                yield line, Place(number, chain.hash_of(line) or "", offset)
    finally:
        os.close(fd)


def _find(lines: LogLines, end: int, wanted: "Place") -> "Place | None":
    """Returns the place after the line that has the hash of `wanted`; None if no line has."""
    offset = 0
    for number, line in enumerate(lines.forwards(end) if wanted.lines else (), 1):
        offset += len(line) + 1
        if chain.hash_of(line) == wanted.hash:
            return type(wanted)(number, wanted.hash, offset)
    return None


def _end(folder: "Folder", fd: int, path: str, lines: LogLines, *, settled: bool) -> int:
    """Returns the offset at which a log ends; if `settled`, no power cut takes a line before it."""
    if not settled:
        try:
            return lines.read_tail().end
        except IntegrityError:
            pass  # without the lock, a write that is being undone looks like damage
    files.lock_file(fd, path, folder.settings.lock_timeout, shared=True)
    try:
        if settled and folder.is_durable:
            files.sync_file(fd, path)
        return lines.read_tail().end
    finally:
        files.unlock_file(fd)
