"""Writes bytes and blobs to files, and makes the names of files durable."""

import os

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

PIECE = 256 << 10
"""Bytes of a blob read at once: few enough to stay in a processor's cache."""


def store_around(path: "str | bytes") -> "str | None":
    """Returns the folder of the store that a path is, or is in, links resolved; None if in none."""
    at = os.path.realpath(os.fsdecode(path))
    while at != "/":
        if at.endswith("/.aivcs") or os.path.isdir(f"{at}/objects"):
            try:
                with open(os.open(f"{at}/format", os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                    if file.read(64).strip().isdigit():
                        return at
            except OSError:
                pass  # no file, so no store
        at = os.path.dirname(at)
    return None


def require_outside_stores(path: "str | bytes") -> None:
    """Refuses to write to a path in a store: its files are written by its own backend alone.

    Raises:
        UsageError: The path is, or is in, the folder of a store, links resolved.
    """
    if store := store_around(path):
        what = f"{os.fsdecode(path)!a} is in the store {store!a}, where only aivcs keeps its files"
        raise UsageError(f"{what}; name a place outside of it")


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Writes all bytes to a file descriptor.

    Raises:
        OSError: Not all could be written; some may have been.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(path: str) -> None:
    """Makes the entries of a folder durable.

    Raises:
        OSError: The system could not confirm it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_blob(stream: "BinaryIO", fd: int) -> None:
    """Writes a blob to a file, by the `write_to` of its stream if it has one.

    Args:
        stream: The blob, from `CasStore.open`, of which nothing was read.
        fd: The file, empty, open for reading and writing.

    Raises:
        OSError: Not all could be written.
        IntegrityError: The blob is damaged.
    """
    write_to: Callable[[int], None] | None = getattr(stream, "write_to", None)
    if write_to is not None:
        write_to(fd)
        return
    while piece := stream.read(PIECE):
        write_all(fd, piece)
