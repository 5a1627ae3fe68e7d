"""`aivcs blob get`: reads a blob, verified, as a stream or into a file."""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from aivcs.repository import Repository

_SMALL_BLOB_BYTES = 1 << 20
"""Bytes below which a blob is read once, into memory; a larger blob is read twice."""


def get(repo: "Repository", digest: str) -> "Iterator[bytes]":
    """Yields the bytes of a blob, after all of them are verified.

    A small blob is read once, a large one twice, because bytes sent down a pipe cannot be taken
    back.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: The stored data is damaged.
    """
    whole = repo.resolve_digest(digest)
    with repo.blobs.open(whole) as stream:
        first = _read_full(stream)
        if len(first) < _SMALL_BLOB_BYTES:
            yield first
            return
        from aivcs.util.writing import PIECE

        while stream.read(PIECE):
            pass
    with repo.blobs.open(whole) as stream:
        while piece := stream.read(PIECE):
            yield piece


def get_to_file(repo: "Repository", digest: str, path: str) -> None:
    """Writes a blob to a file: afterwards it has the verified bytes, or is unchanged.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: The stored data is damaged.
        UsageError: The path is in a store.
        BackendError: The file cannot be written.
    """
    from aivcs.util.writing import require_outside_stores, write_all

    whole = repo.resolve_digest(digest)
    require_outside_stores(path)
    try:
        mode = _mode_of(path)
        if mode is None or S_ISREG(mode):
            if mode is not None and (descriptor := _descriptor_of(path)) is not None:
                for chunk in get(repo, whole):
                    write_all(descriptor, chunk)
                return
            with repo.blobs.open(whole) as stream:
                _replace_file(os.path.realpath(path), stream, mode)
        else:  # a pipe or a device cannot be replaced, only written to
            with open(path, "wb", buffering=0) as out:
                for chunk in get(repo, whole):
                    write_all(out.fileno(), chunk)
    except OSError as error:
        raise BackendError(f"cannot write {path!a}: {error.strerror}") from error


def _read_full(stream: "BinaryIO") -> bytes:
    """Reads `_SMALL_BLOB_BYTES` bytes, or a shorter blob to its end, which verifies it."""
    data = stream.read(_SMALL_BLOB_BYTES)
    while 0 < len(data) < _SMALL_BLOB_BYTES:
        more = stream.read(_SMALL_BLOB_BYTES - len(data))
        if not more:
            break
        data += more
    return data


def _mode_of(path: str) -> "int | None":
    """Returns the mode of the output file; None if there is none yet."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if S_ISDIR(mode):
        raise UsageError(f"{path!a} is a folder; name a file")
    return mode


def _descriptor_of(path: str) -> "int | None":
    """Returns the descriptor that a path like /dev/stdout names; None for other paths.

    That file has earlier output and is open elsewhere: it must not be replaced or emptied.
    """
    descriptors = os.path.realpath("/dev/fd")
    while True:
        folder, name = os.path.split(path)
        if name.isdecimal() and os.path.realpath(folder) == descriptors:
            return int(name)
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))


def _replace_file(path: str, stream: "BinaryIO", mode: "int | None") -> None:
    from aivcs.util.writing import write_blob

    temporary = f"{path}.{os.urandom(4).hex()}.aivcs-tmp"
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if mode is not None:
                os.fchmod(fd, mode & 0o777)
            write_blob(stream, fd)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
