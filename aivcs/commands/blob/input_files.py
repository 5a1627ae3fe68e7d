"""Opens, reads and stores the user's files, with errors that name the path."""

import os
from stat import S_ISDIR

from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository

_CHUNK_BYTES = 1 << 20
"""Bytes of a list of paths that are read at once."""


def require_file(path: str) -> None:
    """Refuses a path that is not a readable file, before anything is stored.

    Raises:
        UsageError: The path is empty, does not exist, or is a folder.
    """
    if not path:
        raise UsageError("FILE is empty; is a variable unset?")
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no file {path!a}") from None
    except ValueError:
        raise UsageError(f"{path!a} cannot be a path") from None
    except OSError as error:
        raise BackendError(f"cannot read {path!a}: {error.strerror}") from error
    if S_ISDIR(mode):
        raise UsageError(
            f"{path!a} is a folder; put its files: "
            "find FOLDER -type f -print0 | aivcs blob put -z --stdin-paths"
        )


def open_input(path: str) -> "BinaryIO":
    """Opens a user's file for reading.

    Raises:
        UsageError: The path does not exist or is a folder.
        BackendError: The file cannot be opened.
    """
    try:
        return open(path, "rb", buffering=0)
    except (OSError, ValueError) as error:
        require_file(path)  # which says it better, if it is no file at all
        raise BackendError(
            f"cannot read {path!a}: {getattr(error, 'strerror', None) or error}"
        ) from error


def read_input(stream: "BinaryIO", size: int, what: str) -> bytes:
    """Reads up to `size` bytes of the user's input.

    Raises:
        BackendError: The file cannot be read.
    """
    try:
        return stream.read(size)
    except OSError as error:
        raise BackendError(f"cannot read {what}: {error.strerror}") from error


def read_paths(stream: "BinaryIO", separator: bytes) -> "Iterator[str]":
    """Yields the paths that a stream lists, each ended by `separator`.

    Raises:
        UsageError: A path is empty.
        BackendError: The stream cannot be read.
    """
    carry = b""
    while chunk := read_input(stream, _CHUNK_BYTES, "standard input"):
        *paths, carry = (carry + chunk).split(separator)
        for path in paths:
            if not path:
                raise UsageError("an empty path on standard input")
            yield _listed(path)
    if carry:
        yield _listed(carry)


def _listed(path: bytes) -> str:
    """Returns a path from a list, where `-` is a file of that name and not standard input."""
    return "./-" if path == b"-" else os.fsdecode(path)


def store_file(repo: "Repository", path: str) -> "ContentDigest":
    """Stores a user's file as a blob and returns its digest.

    Raises:
        UsageError: There is no such file, or it is a folder.
        BackendError: The file cannot be read or stored.
    """
    with open_input(path) as file:
        return repo.blobs.put_stream(file)
