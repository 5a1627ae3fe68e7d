"""Reads the members of a plain tar strictly: regular files with plain names, each once.

A tar from elsewhere can hold links, devices, names that climb out of a folder, one name twice,
sparse files and headers of any size. All of that is refused here, before any of its content is
used; so is a compressed file. Only headers are read, and the content of a member is where they say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import BackendError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

BLOCK = 512
"""Bytes of the unit of a tar."""
_MAX_PAX = 8192
"""Bytes of an extended header, at most: it holds a path."""
_ZERO = bytes(BLOCK)
_PAX_KEYS = frozenset({"path", "size", "mtime", "comment"})
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")


class Limits(NamedTuple):
    """Limits of a tar.

    Attributes:
        entries: Members.
        size: Bytes of the file.
        path: Characters of a member's name.
        line: Bytes of a line of a log.
    """

    entries: int = 100_000_000
    size: int = 1 << 60
    path: int = 300
    line: int = (1 << 30) + (1 << 20)


class Member(NamedTuple):
    """A regular file in a tar.

    Attributes:
        name: Its name.
        offset: Where its content begins.
        size: The bytes of its content.
    """

    name: str
    offset: int
    size: int


class TarReader:
    """Reads the headers of a tar."""

    def __init__(self, fd: int, path: str, limits: Limits) -> None:
        """Takes an open regular file.

        Args:
            fd: Its descriptor.
            path: Its name, for messages.
            limits: What it may hold.
        """
        self._fd = fd
        self._path = path
        self._limits = limits
        self._size = os.fstat(fd).st_size

    def members(self) -> Iterator[Member]:
        """Yields the members in their order.

        Raises:
            IntegrityError: It is not a tar, is cut off, or has a member that is refused.
            BackendError: It is over a limit, or cannot be read.
        """
        if self._size > self._limits.size:
            self._refuse_limit(f"it has {self._size} bytes, over the limit of {self._limits.size}")
        if self._read(0, 6).startswith(_COMPRESSED):
            self._refuse("it is compressed; unpack it first, to a plain tar")
        at, count = 0, 0
        path, size = "", -1  # from an extended header
        while True:
            header = self._read(at, BLOCK)
            if header == _ZERO:
                self._require_end(at)
                return
            if len(header) < BLOCK:
                self._refuse("it is cut off: its end is missing")
            kind, name, length = self._parse(header)
            at += BLOCK
            if kind == b"x":
                path, size = self._extended(at, length)
            else:
                member = Member(path or name, at, length if size < 0 else size)
                path, size = "", -1
                length = member.size
                count += 1
                if count > self._limits.entries:
                    self._refuse_limit(f"it has more than {self._limits.entries} entries")
                self._require_plain(kind, member)
                yield member
            at += -(-length // BLOCK) * BLOCK

    def _parse(self, header: bytes) -> tuple[bytes, str, int]:
        """Returns type, name and size in a header."""
        stated = _octal(header[148:156])
        if stated is None or stated != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            self._refuse("it is not a tar, or a header of it is damaged")
        size = _octal(header[124:136])
        if size is None or size > self._size:
            self._refuse("a header has a size that cannot be")
            raise AssertionError
        name, prefix = _text(header[:100]), _text(header[345:500])
        if header[257:263] == b"ustar\0" and prefix:
            name = f"{prefix}/{name}"
        return header[156:157], name, size

    def _extended(self, at: int, length: int) -> tuple[str, int]:
        """Returns the path and the size in an extended header; empty and -1 if it has none."""
        if length > _MAX_PAX:
            self._refuse(f"it has an extended header of {length} bytes")
        rest = self._read(at, length)
        path, size = "", -1
        while rest:
            digits, space, _ = rest.partition(b" ")
            number = int(digits) if space and digits.isdigit() and len(digits) < 6 else 0
            record, rest = rest[:number], rest[number:]
            key, mark, value = record[len(digits) + 1 : -1].partition(b"=")
            word = key.decode(errors="replace")
            if not mark or not record.endswith(b"\n") or word not in _PAX_KEYS:
                self._refuse(f"it has an extended header with {word[:40]!a}, which no bundle has")
            if word == "path":
                path = value.decode(errors="surrogateescape")
            elif word == "size":
                if not value.isdigit() or len(value) > 19 or int(value) > self._size:
                    self._refuse("an extended header has a size that cannot be")
                size = int(value)
        return path, size

    def _require_plain(self, kind: bytes, member: Member) -> None:
        name = member.name
        if kind not in {b"0", b"\0"}:
            what = {b"1": "a link", b"2": "a link", b"5": "a folder", b"S": "a sparse file"}
            self._refuse(f"{name[:80]!a} is {what.get(kind, 'no regular file')}")
        if len(name) > self._limits.path:
            self._refuse_limit(f"a name of it has more than {self._limits.path} characters")
        if member.offset + member.size > self._size:
            self._refuse(f"it is cut off in {name[:80]!a}")

    def _require_end(self, at: int) -> None:
        """Requires that nothing but zeros follows the end of the tar, as tar pads it."""
        rest = self._size - at
        if rest > 1 << 20 or self._read(at, rest).strip(b"\0"):
            self._refuse("something follows its end")

    def _read(self, at: int, size: int) -> bytes:
        try:
            return os.pread(self._fd, size, at)
        except OSError as error:
            raise BackendError(f"cannot read {self._path}: {error.strerror}") from error

    def _refuse(self, problem: str) -> NoReturn:
        raise IntegrityError.of(f"{self._path} is not a bundle: {problem}", self._path)

    def _refuse_limit(self, problem: str) -> NoReturn:
        raise BackendError(f"{self._path} is refused: {problem}")


def _octal(field: bytes) -> int | None:
    text = field.strip(b" \0")
    return int(text, 8) if text and not text.strip(b"01234567") else None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")
