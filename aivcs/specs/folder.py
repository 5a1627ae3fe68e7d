"""Reads the parts of an agent from disk, as manifests and digests.

Only content that is the same everywhere is read: regular files with names in UTF-8. Empty folders
are ignored, and of the permissions only the executable bit is kept.
"""

from __future__ import annotations

import io
import os
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.sha256 import hasher
from aivcs.errors import BackendError, SerializationError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.specs.manifest import (
    FOLDER,
    MAX_MANIFEST,
    REPOSITORIES,
    File,
    check_path,
    encode_manifest,
    may_be_manifest,
    parse_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

    from aivcs.specs.selection import Selection

    DigestAll = Callable[[Iterator[BinaryIO]], Iterable[ContentDigest]]
    """A function that reads files, opened one after the other, and yields their digests."""

_PEEK = 64
"""Bytes that tell whether a file may read as a manifest."""
_CHUNK = 1 << 20
"""Bytes read at once."""


class PartOnDisk(NamedTuple):
    """A part of a checkout, where an older spec has it: a file or a folder of the part's name.

    Attributes:
        path: The path, in the system's encoding.
        files: For a folder, each file's path below it, as in a manifest; None for a file.
    """

    path: bytes
    files: list[str] | None


def find_part(path: str, what: str) -> PartOnDisk:
    """Examines a part and requires that it can be stored, before anything of it is stored.

    Args:
        path: A file or folder; a link is followed, since the user named it.
        what: The name of the part in messages.

    Raises:
        UsageError: The path does not exist, or holds entries that cannot be stored: links, pipes,
            devices, names that are not UTF-8, repositories; or it is a file that reads as a
            manifest.
        BackendError: The path cannot be read.
    """
    if not path:
        raise UsageError(f"the PART of {what} is empty; is a variable unset?")
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{what}: no file or folder {path!a}") from None
    except ValueError:
        raise UsageError(f"{what}: {path!a} cannot be a path") from None
    except OSError as error:
        raise BackendError(f"cannot read {path!a}: {error.strerror}") from error
    root = os.fsencode(os.path.realpath(path))
    if S_ISDIR(mode):
        if os.fsdecode(os.path.basename(root)).lower() in REPOSITORIES:
            raise UsageError(f"{what}: {path!a} is a repository; a part is what one keeps in one")
        return PartOnDisk(root, _list_files(root))
    if not S_ISREG(mode):
        raise UsageError(
            f"{what}: {path!a} is a pipe or a device, which cannot be read again; keep it in a file"
        )
    with open_regular(root) as file:
        if _reads_as_manifest(file):
            raise UsageError(f"{what}: {path!a} reads as the manifest of a folder; give the folder")
    return PartOnDisk(root, None)


def read_selection(selection: Selection, digest_all: DigestAll) -> dict[str, list[File]]:
    """Reads the files of a selection; returns those of each part, with their modes and digests.

    Raises:
        UsageError: A file is not a regular one any more.
        BackendError: A file vanished, or cannot be read or stored; the message names it.
    """
    from aivcs.specs.work_tree import modes_in_index

    indexed = modes_in_index(selection.root)
    on_disk: list[str] = []

    def opened() -> Iterator[BinaryIO]:
        for part in selection.parts.values():
            for found in part:
                with open_regular(found.real, found.path) as file:
                    on_disk.append(_mode_of(file))
                    yield file

    digests = iter(list(digest_all(opened())))
    modes = iter(on_disk)
    files: dict[str, list[File]] = {}
    for name, part in selection.parts.items():
        for found in part:
            mode = next(modes)
            if indexed is not None:
                inside = found.real[len(selection.root.rstrip(b"/")) + 1 :]
                mode = indexed.get(inside, "644")
            files.setdefault(name, []).append(File(found.path, mode, next(digests)))
    return files


def digest_files(files: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
    """Yields the digest of each file without storing it.

    Raises:
        BackendError: One cannot be read.
    """
    return map(_digest_of, files)


def digest_part(part: PartOnDisk) -> ContentDigest:
    """Returns the digest of a part without storing it.

    Raises:
        UsageError: A file is no longer a regular file.
        BackendError: One cannot be read.
    """
    if part.files is None:
        with open_regular(part.path) as file:
            return _digest_of(file)
    return ContentDigest.from_bytes(_manifest(part, lambda files: map(_digest_of, files)))


def _manifest(part: PartOnDisk, digest_all: DigestAll) -> bytes:
    """The manifest of a folder whose files, opened one after the other, `digest_all` reads."""
    assert part.files is not None
    modes = []

    def opened() -> Iterator[BinaryIO]:
        for path in part.files or ():
            with open_regular(_below(part.path, path)) as file:
                modes.append(_mode_of(file))
                yield file

    digests = list(digest_all(opened()))
    return encode_manifest(map(File, part.files, modes, digests), FOLDER)


def _list_files(root: bytes) -> list[str]:
    """The paths of all files below a folder."""
    found = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        where = _below(root, folder)
        try:
            # As bytes: what a name is must not depend on the locale.
            with os.scandir(where) as entries:
                for entry in entries:
                    path = _checked(folder, entry.name, where)
                    try:
                        mode = entry.stat(follow_symlinks=False).st_mode
                    except OSError as error:
                        raise BackendError(
                            f"cannot read {_shown(entry.path)}: {error.strerror}"
                        ) from error
                    if S_ISDIR(mode):
                        waiting.append(path)
                        continue
                    if not S_ISREG(mode):
                        kind = "a link" if S_ISLNK(mode) else "a pipe, socket or device"
                        raise UsageError(
                            f"{_shown(entry.path)} is {kind}; parts are made of regular files"
                        )
                    if not os.access(entry.path, os.R_OK):
                        raise BackendError(f"cannot read {_shown(entry.path)}: Permission denied")
                    found.append(path)
        except OSError as error:
            raise BackendError(f"cannot read {_shown(where)}: {error.strerror}") from error
    return found


def _checked(folder: str, name: bytes, where: bytes) -> str:
    path = name.decode("utf-8", "surrogateescape")
    if folder:
        path = f"{folder}/{path}"
    try:
        check_path(path)
    except SerializationError as error:
        raise UsageError(f"in {_shown(where)}: {error}") from error
    return path


def _below(root: bytes, path: str) -> bytes:
    return root + b"/" + path.encode() if path else root


def _shown(path: bytes) -> str:
    return ascii(os.fsdecode(path))


class _NamedFile(io.FileIO):
    """A file whose name is in every error of reading it."""

    def __init__(self, fd: int, shown: str) -> None:
        super().__init__(fd)
        self._shown = shown

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return super().readinto(buffer) or 0
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {self._shown}") from error

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size) or b""
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {self._shown}") from error


def open_regular(path: bytes, name: str | None = None) -> BinaryIO:
    """Opens a regular file, never through a link or blocking on a pipe that replaced it.

    Args:
        path: The file.
        name: The name of the file in messages; by default its path.

    Raises:
        UsageError: It is not a regular file.
        BackendError: The file vanished, or cannot be read.
    """
    shown = _shown(path) if name is None else ascii(name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BackendError(f"{shown} vanished while it was read; try again") from error
    except OSError as error:
        raise BackendError(f"cannot read {shown}: {error.strerror}") from error
    if not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(f"{shown} is not a regular file any more")
    return _NamedFile(fd, shown)


def _mode_of(file: BinaryIO) -> str:
    return "755" if os.fstat(file.fileno()).st_mode & 0o100 else "644"


def _digest_of(file: BinaryIO) -> ContentDigest:
    try:
        hashed = hasher(os.fstat(file.fileno()).st_size)
        while data := file.read(_CHUNK):
            hashed.update(data)
    except OSError as error:
        raise BackendError(f"cannot read a file: {error.strerror}") from error
    return ContentDigest(hashed.hexdigest())


def _reads_as_manifest(file: BinaryIO) -> bool:
    try:
        data = file.read(_PEEK)
        if not may_be_manifest(data):
            return False
        while len(data) <= MAX_MANIFEST and (more := file.read(MAX_MANIFEST + 1 - len(data))):
            data += more
    except OSError as error:
        raise BackendError(f"cannot read a file: {error.strerror}") from error
    try:
        return parse_manifest(data) is not None
    except SerializationError:
        return True
