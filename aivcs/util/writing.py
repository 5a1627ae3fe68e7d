"""Writes bytes and blobs to files, and makes the names of files durable."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

PIECE = 256 << 10
"""Bytes of a blob read at once: few enough to stay in a processor's cache."""


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
