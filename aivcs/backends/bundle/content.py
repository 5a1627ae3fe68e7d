"""The logs, blobs and documents of a bundle: parts of one file, found by an index."""

from __future__ import annotations

import os
from array import array
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, RawIOBase
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from aivcs.codec.sha256 import hasher, hex_digest
from aivcs.errors import (
    BackendError,
    IntegrityError,
    NotFoundError,
    StorageError,
)
from aivcs.log.annotation import name_of as annotation_name, split_name
from aivcs.log.names import is_log_name
from aivcs.model.digest import ContentDigest
from aivcs.store.numbered import NumberedView, read_lines
from aivcs.store.place import START
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from _typeshed import WriteableBuffer

    from aivcs.backends.bundle.tar import Member
    from aivcs.store.driver import LogView, Removal
    from aivcs.store.place import Place

_CHUNK = 1 << 18
"""Bytes read at once."""
_MAX_DOCUMENT = 1 << 30
"""Bytes of a document, at most: a heads manifest of millions of logs."""
_MAX_LABEL = 1024
"""Bytes of the label of an untrusted run, at most."""
FOLDER = ".aivcs/"
"""The folder of all members."""
HEADS = "heads.json"
"""The document with the heads manifest of the bundle."""
SIGNATURE = "heads.json.sig"
"""The document with a signature of that manifest."""


class Index:
    """Where in the file each member is; kept on disk if it is long.

    Attributes:
        path: The path of the file.
        max_line: Bytes of a line of a log, at most.
    """

    def __init__(self, fd: int, path: str, max_line: int) -> None:
        """Begins empty."""
        self._fd = fd
        self.path = path
        self.max_line = max_line
        self._lock = Lock()  # a map is for one thread at a time
        self._found = DiskMap()
        self._folded = DiskMap()

    def add(self, member: Member) -> None:
        """Adds a member by the name of the log, blob or document that it is.

        Raises:
            IntegrityError: No store has a file of that name, or the bundle has it twice.
        """
        name = name_of(member.name)
        if name is None:
            self._refuse(f"no store has {member.name[:80]!a}")
        # On a file system that ignores case, one would replace the other.
        if not self._folded.add(name.casefold()):
            self._refuse(f"it has {member.name[:80]!a} twice, or in two spellings")
        if name.startswith("document/pins/") and member.size:
            self._refuse(f"{member.name[:80]!a} is not empty")
        if name.startswith("document/untrusted/") and member.size > _MAX_LABEL:
            self._refuse(f"{member.name[:80]!a} is too long")
        self._found[name] = member.offset.to_bytes(8, "big") + member.size.to_bytes(8, "big")

    def find(self, name: str) -> tuple[int, int] | None:
        """Returns offset and size of a member, or None."""
        with self._lock:
            packed: bytes | None = self._found.get(name)
        if packed is None:
            return None
        return int.from_bytes(packed[:8], "big"), int.from_bytes(packed[8:], "big")

    def names(self, prefix: str) -> Iterator[str]:
        """Yields the names that begin with a prefix, in order."""
        names = self._found.keys()
        while True:
            with self._lock:
                name = next(names, None)
            if name is None or name[: len(prefix)] > prefix:
                return
            if name.startswith(prefix):
                yield name

    def read(self, at: int, size: int) -> bytes:
        """Returns bytes of the file.

        Raises:
            BackendError: They cannot be read.
        """
        try:
            data = os.pread(self._fd, size, at)
        except OSError as error:
            raise BackendError(f"cannot read {self.path}: {error.strerror}") from error
        if len(data) < size:
            raise BackendError(f"cannot read {self.path}: it became shorter")
        return data

    def _refuse(self, problem: str) -> NoReturn:
        raise IntegrityError.of(f"{self.path} is not a bundle: {problem}", self.path)


def name_of(path: str) -> str | None:
    """Returns the log, `blob/<digest>` or `document/<name>` that a member is, or None."""
    if not path.startswith(FOLDER):
        return None
    folder, _, rest = path.removeprefix(FOLDER).partition("/")
    if folder == "objects" and len(rest) == 65 and rest[2] == "/":
        return _blob(rest[:2] + rest[3:])
    if folder == "runs" and rest.endswith(".jsonl"):
        name = rest[3:].removesuffix(".jsonl")
        return _log("run", name) if rest[:3] == f"{name[:2]}/" else None
    if folder == "releases" and rest.endswith(".jsonl"):
        return _log("release", rest.removesuffix(".jsonl"))
    if folder == "pins" and _blob(rest):
        return f"document/pins/{rest}"
    if folder == "untrusted" and _log("run", rest):
        return f"document/untrusted/{rest}"
    if folder == "erasures" and _blob(rest):
        return f"document/erasures/{rest}"
    if folder == "notes":
        return _annotation(f"notes/{rest}")
    if not rest and folder in {"format", HEADS, SIGNATURE}:
        return f"document/{folder}"
    return None


def _blob(digits: str) -> str | None:
    is_digest = len(digits) == 64 and not digits.strip("0123456789abcdef")
    return f"blob/{digits}" if is_digest else None


def _annotation(name: str) -> str | None:
    try:
        run_id, digest = split_name(name)
    except StorageError:
        return None
    return f"document/{name}" if name == annotation_name(run_id, digest) else None


def _log(kind: str, name: str) -> str | None:
    log = f"{kind}/{name}"
    return log if is_log_name(log) else None


def refuse_writing(*_: object, **__: object) -> NoReturn:
    """Refuses to change a bundle.

    Raises:
        BackendError: Always.
    """
    raise BackendError("a bundle is not changed; clone it: aivcs clone FILE DIR")


class BundleLogs:
    """The `LogDriver` of a bundle."""

    def __init__(self, index: Index) -> None:
        """Takes the index of its members."""
        self._index = index

    update = append_texts = refuse_writing

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:  # noqa: ARG002
        """As `LogDriver.names`."""
        for kind in ("release/", "run/"):
            if kind.startswith(prefix[: len(kind)]):
                yield from self._index.names(prefix if len(prefix) > len(kind) else kind)

    def where(self, name: str) -> str:
        """As `LogDriver.where`."""
        return f"{os.path.basename(self._index.path)}: {name}"

    @contextmanager
    def look(self, name: str) -> Iterator[LogView | None]:
        """As `LogDriver.look`."""
        ends = self._ends(name)
        if not ends:
            yield None
            return

        def fetch(number: int) -> bytes:
            begin = ends[number - 2] if number > 1 else start
            return self._index.read(begin, ends[number - 1] - begin)

        start = (self._index.find(name) or (0, 0))[0]
        yield NumberedView(self.where(name), len(ends), fetch)

    def read(
        self,
        name: str,
        after: Place = START,
        *,
        settled: bool = False,  # noqa: ARG002 nothing in it changes
    ) -> Iterator[tuple[bytes, Place]]:
        """As `LogDriver.read`."""
        return read_lines(self.where(name), partial(self._lines, name), after)

    def _lines(self, name: str) -> Iterator[bytes]:
        """Yields the lines with their newlines; the last may lack its own."""
        found = self._index.find(name)
        if found is None:
            return
        at, size = found
        end, begun, length = at + size, list[bytes](), 0  # pieces of the line that has not ended
        while at < end:
            data = self._index.read(at, min(_CHUNK, end - at))
            at += len(data)
            *lines, rest = data.split(b"\n")
            if lines:
                yield b"".join(begun) + lines[0] + b"\n"
                yield from (line + b"\n" for line in lines[1:])
                begun, length = [], 0
            begun.append(rest)
            length += len(rest)
            if length > self._index.max_line:
                self._refuse_line(name)
        if length:
            yield b"".join(begun)

    def _ends(self, name: str) -> array[int]:
        """Returns the offset of the end of each line in the file."""
        ends = array("Q")
        at = (self._index.find(name) or (0, 0))[0]
        for line in self._lines(name):
            at += len(line)
            ends.append(at)
        return ends

    def _refuse_line(self, name: str) -> NoReturn:
        raise BackendError(
            f"{self.where(name)} is refused: a line has more than {self._index.max_line} bytes"
        )


class BundleBlobs:
    """The `ObjectDriver` of a bundle."""

    def __init__(self, index: Index) -> None:
        """Takes the index of its members."""
        self._index = index

    put = put_stream = put_many = delete = refuse_writing

    def get(self, digest: ContentDigest) -> bytes:
        """As `ObjectDriver.get`."""
        with self.open(digest) as stream:
            return stream.read()

    def open(self, digest: ContentDigest) -> BinaryIO:
        """As `ObjectDriver.open`."""
        digest = ContentDigest(digest)
        found = self._index.find(f"blob/{digest}")
        if found is None:
            raise NotFoundError(digest)
        return BufferedReader(_VerifiedPart(self._index, digest, *found), _CHUNK)

    def contains(self, digest: ContentDigest) -> bool:
        """As `ObjectDriver.contains`."""
        return self._index.find(f"blob/{ContentDigest(digest)}") is not None

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """As `ObjectDriver.list_digests`."""
        for name in self._index.names(f"blob/{prefix.lower()}"):
            yield ContentDigest(name[5:])

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """As `ObjectDriver.stored`; no time is known."""
        for digest in self.list_digests():
            found = self._index.find(f"blob/{digest}")
            yield digest, found[1] if found else 0, 0.0

    def removal(self) -> AbstractContextManager[Removal]:
        """Refuses, as `refuse_writing`."""
        refuse_writing()


class BundleDocuments:
    """The `Documents` of a bundle."""

    def __init__(self, index: Index) -> None:
        """Takes the index of its members."""
        self._index = index

    create = write = drop = refuse_writing

    def read(self, name: str) -> tuple[bytes, str] | None:
        """As `Documents.read`."""
        found = self._index.find(f"document/{name}")
        if found is None:
            return None
        if found[1] > _MAX_DOCUMENT:
            raise BackendError(f"{self._index.path} is refused: its {name} is too long")
        data = self._index.read(*found)
        return data, hex_digest(data)

    def names(self, prefix: str, *, newest_first: bool = False) -> Iterator[str]:  # noqa: ARG002
        """As `Documents.names`; no time is known."""
        for name in self._index.names(f"document/{prefix}"):
            yield name.removeprefix("document/")


class _VerifiedPart(RawIOBase):
    """A stream of a blob's bytes that raises at its end if they do not have its digest."""

    def __init__(self, index: Index, digest: ContentDigest, at: int, size: int) -> None:
        super().__init__()
        self._index = index
        self._digest = digest
        self._at = at
        self._end = at + size
        self._hasher = hasher(size)
        if not size:
            self._verify()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        size = min(len(view), self._end - self._at)
        if not size:
            return 0
        data = self._index.read(self._at, size)
        self._hasher.update(data)
        self._at += size
        if self._at == self._end:
            self._verify()
        view[:size] = data
        return size

    def _verify(self) -> None:
        actual = self._hasher.hexdigest()
        if actual != self._digest:
            where = f"{os.path.basename(self._index.path)}: blob {self._digest}"
            raise IntegrityError(self._digest, actual, where)
