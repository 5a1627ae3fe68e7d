"""Blobs in files: `objects/ab/cdef…` holds the raw bytes of the content whose digest is `abcdef…`.

An object appears whole or not at all (written aside, made durable, renamed into place) and is never
changed. Nothing is believed for its name: what is read is hashed, what is put is compared with what
is there, and a damaged object is replaced when its content is put again.
"""

import io
import os

from aivcs.backends.fs import files
from aivcs.codec.sha256 import hasher, hex_digest
from aivcs.errors import BackendError, IntegrityError, NotFoundError, SerializationError
from aivcs.model import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import _Hash
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

    from aivcs.backends.fs.folder import Folder

_CHUNK = 1 << 20
"""Bytes moved at once."""
_SHORT = 64 << 10
"""Bytes of an object that one read should get."""
_PIECE = 256 << 10
"""Bytes of a longer one that one read gets, into memory that is used again: it stays in cache."""


class FileCasStore:
    """The `CasStore` contract on a folder."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def put(self, data: bytes) -> ContentDigest:
        """As `CasStore.put`."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise SerializationError(f"a blob is made of bytes, not of {type(data).__name__}")
        data = data if isinstance(data, bytes) else bytes(data)
        return self._put(ContentDigest.from_bytes(data), data)

    def put_stream(self, readable: "BinaryIO") -> ContentDigest:
        """As `CasStore.put_stream`."""
        digest, data, fd, temporary = self.receive(readable)
        if fd < 0:
            return self._put(digest, data)
        try:
            # Only now: a slow input should keep nobody waiting.
            self._folder.begin_hold(later=False)
        except BaseException:
            self.abandon(fd, temporary)
            raise
        try:
            self._publish_unless_there(fd, temporary, digest)
        finally:
            self._folder.end_hold()
        return digest

    def put_many(self, contents: "Iterable[BinaryIO]") -> "Iterator[ContentDigest]":
        """As `CasStore.put_many`."""
        from aivcs.backends.fs.batch import put_many

        return put_many(self, self._folder, contents)

    def get(self, digest: ContentDigest) -> bytes:
        """As `CasStore.get`."""
        digest = ContentDigest(digest)
        fd = self._open(digest)
        try:
            with files.doing("read", object_name(digest)):
                pieces = []
                while piece := os.read(fd, _CHUNK):
                    pieces.append(piece)
                data = b"".join(pieces)
        finally:
            os.close(fd)
        _verify(digest, hex_digest(data))
        return data

    def open(self, digest: ContentDigest) -> "BinaryIO":
        """As `CasStore.open`."""
        digest = ContentDigest(digest)
        return io.BufferedReader(_VerifiedStream(digest, self._open(digest)), _SHORT)

    def contains(self, digest: ContentDigest) -> bool:
        """As `CasStore.contains`."""
        fd = self._find(ContentDigest(digest))
        if fd is None:
            return False
        os.close(fd)
        return True

    def delete(self, digest: ContentDigest) -> None:
        """As `CasStore.delete`."""
        name = object_name(ContentDigest(digest))
        self._folder.require_parents(name)
        with files.doing("delete", name):
            try:
                os.unlink(self._folder.path(name))
            except FileNotFoundError:
                return
        self._folder.sync_parents(name)

    def list_digests(self, prefix: str = "") -> "Iterator[ContentDigest]":
        """As `CasStore.list_digests`."""
        prefix = prefix.lower()
        root = self._folder.path("objects")
        self._folder.require_parents("objects/")
        with files.doing("list", "objects"):
            shards = [prefix[:2]] if len(prefix) >= 2 else sorted(_entries(root))
        for shard in shards:
            if len(shard) != 2 or not shard.startswith(prefix[:2]):
                continue
            self._folder.require_parents(f"objects/{shard}/")
            with files.doing("list", f"objects/{shard}"):
                rests = sorted(_entries(f"{root}/{shard}"))
            for rest in rests:
                # What is not named like an object is no object; verify reports it.
                if len(rest) == 62 and _is_hex(shard + rest) and (shard + rest).startswith(prefix):
                    yield ContentDigest(shard + rest)

    def _find(self, digest: ContentDigest, *, are_parents_real: bool = False) -> "int | None":
        name = object_name(digest)
        if not are_parents_real:
            self._folder.require_parents(name)
        return files.open_file(self._folder.path(name), os.O_RDONLY)

    def _open(self, digest: ContentDigest) -> int:
        fd = self._find(digest)
        if fd is None:
            raise NotFoundError(digest)
        return fd

    def touch(self, digest: ContentDigest, *, are_parents_real: bool = False) -> "int | None":
        """Refreshes the age of an object that is there undamaged, and returns it open, or None.

        It is then as good as put just now, except for being durable. To be called in a hold: a
        collector of garbage must not come between look and refresh.

        Args:
            digest: Of the object.
            are_parents_real: Whether the caller has just seen that its folders are no links.
        """
        fd = self._find(digest, are_parents_real=are_parents_real)
        if fd is None:
            return None
        is_right = False
        try:
            with files.doing("read", object_name(digest)):
                is_whole = hash_file(fd) == digest
            if is_whole:
                with files.doing("refresh", object_name(digest)):
                    try:
                        os.utime(fd)
                        is_right = True
                    except PermissionError:
                        pass  # another user's: one of our own takes its place
        finally:
            if not is_right:
                files.close(fd)
        return fd if is_right else None

    def receive(self, readable: "BinaryIO") -> "tuple[ContentDigest, bytes, int, str]":
        """Reads a content to its end: a short one into memory, a long one into a temporary file.

        Returns:
            Its digest; its bytes if it is short; else the descriptor (which is -1 if it is short)
            and the path of a temporary file, written and no more.

        Raises:
            BackendError: It could not be read or written.
        """
        chunk = _read_chunk(readable)
        if len(chunk) < _CHUNK:
            return ContentDigest.from_bytes(chunk), chunk, -1, ""
        hashed = hasher(len(chunk), chunk)
        fd, temporary = self.set_aside(chunk)
        try:
            self._fill_from(fd, temporary, readable, hashed)
        except BaseException:
            self.abandon(fd, temporary)
            raise
        return ContentDigest(hashed.hexdigest()), b"", fd, temporary

    def set_aside(self, data: bytes, *, are_parents_real: bool = False) -> "tuple[int, str]":
        """Writes a temporary file, and returns its descriptor and path; it is not durable yet.

        Args:
            data: What it holds.
            are_parents_real: As for `Folder.create_temporary`.

        Raises:
            BackendError: It could not be written; then it is gone.
        """
        fd, temporary = self._folder.create_temporary(are_parents_real=are_parents_real)
        try:
            with files.doing("write", temporary):
                files.write_all(fd, data)
        except BaseException:
            self.abandon(fd, temporary)
            raise
        return fd, temporary

    def abandon(self, fd: int, temporary: str) -> None:
        """Closes and removes a temporary file."""
        os.close(fd)
        self._folder.discard(temporary)

    def _refresh(self, digest: ContentDigest) -> bool:
        """Tells whether the object is there undamaged; if so it is as good as put just now.

        To be called in a hold, as `touch`.
        """
        fd = self.touch(digest)
        if fd is None:
            return False
        name = object_name(digest)
        try:
            if self._folder.is_durable:
                # Whoever stored it may have been told not to wait for that.
                files.sync_file(fd, self._folder.path(name))
        finally:
            files.close(fd)
        # Another process may have put it a moment ago, and not come to make its name durable yet.
        self._folder.sync_parents(name)
        return True

    def _put(self, digest: ContentDigest, data: bytes) -> ContentDigest:
        with self._folder.hold():
            if not self._refresh(digest):
                fd, temporary = self.set_aside(data)
                self._folder.publish(fd, temporary, object_name(digest))
        return digest

    def _publish_unless_there(self, fd: int, temporary: str, digest: ContentDigest) -> None:
        try:
            there = self._refresh(digest)
        except BaseException:
            self.abandon(fd, temporary)
            raise
        if there:
            self.abandon(fd, temporary)
        else:
            self._folder.publish(fd, temporary, object_name(digest))

    def _fill_from(self, fd: int, temporary: str, readable: "BinaryIO", hashed: "_Hash") -> None:
        """Writes the rest of a stream to a temporary file while it is hashed."""
        from aivcs.util.write_behind import copy, read_into

        def fill(buffer: memoryview) -> int:
            try:
                count = read_into(readable, buffer)
            except (OSError, ValueError, TypeError) as error:
                raise _unreadable(error) from error
            hashed.update(buffer[:count])
            return count

        with files.doing("write", temporary):
            copy(fill, fd, sync=self._folder.is_durable)


class _VerifiedStream(io.RawIOBase):
    """Reads an object and refuses to end if what it gave was not the content."""

    def __init__(self, digest: ContentDigest, fd: int) -> None:
        self._digest = digest
        self._fd = fd
        with files.doing("look at", object_name(digest)):
            self._left = os.fstat(fd).st_size
        self._hasher = hasher(self._left)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        with files.doing("read", object_name(self._digest)):
            count = os.readv(self._fd, [view])
        self._hasher.update(view[:count])
        self._left -= count
        # With the last bytes, not after them: who reads exactly the size never asks again.
        if self._left <= 0 or (not count and len(view)):
            _verify(self._digest, self._hasher.hexdigest())
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def object_name(digest: str) -> str:
    """Returns where an object stands, below the store."""
    return f"objects/{digest[:2]}/{digest[2:]}"


def _verify(digest: ContentDigest, actual: str) -> None:
    if actual != digest:
        raise IntegrityError(
            digest,
            actual,
            object_name(digest),
            f"blob {digest} is damaged: its bytes hash to {actual}; "
            "put the same content again to heal it, aivcs verify lists all damage",
        )


def hash_file(fd: int) -> str:
    """Returns the SHA-256 of an open file from where it stands, read in bounded memory.

    Raises:
        OSError: It cannot be read.
    """
    data = os.read(fd, _SHORT)
    if len(data) < _SHORT:
        return hex_digest(data)
    hashed = hasher(os.fstat(fd).st_size, data)
    buffer = memoryview(bytearray(_PIECE))
    while count := os.readv(fd, [buffer]):
        hashed.update(buffer[:count])
    return hashed.hexdigest()


def _read_chunk(readable: "BinaryIO") -> bytes:
    """Reads `_CHUNK` bytes, or what is left before the end, from a stream that may give less."""
    chunk = _read(readable, _CHUNK)
    while chunk and len(chunk) < _CHUNK and (more := _read(readable, _CHUNK - len(chunk))):
        chunk += more
    return chunk


def _read(readable: "BinaryIO", size: int) -> bytes:
    """Reads what a stream gives at once, up to some bytes; none at the end."""
    try:
        data = readable.read(size)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error
    if data is None:
        raise _unreadable(BlockingIOError())
    if not isinstance(data, bytes):
        raise _unreadable(TypeError(type(data).__name__))
    return data


def _unreadable(error: "OSError | ValueError | TypeError") -> "BackendError | SerializationError":
    if isinstance(error, TypeError):
        return SerializationError(f"a blob is made of bytes, not of {error}")
    if isinstance(error, BlockingIOError):
        return BackendError("the input has no data yet and does not wait for it")
    # A ValueError: the stream is closed.
    return BackendError(f"cannot read the input: {getattr(error, 'strerror', None) or error}")


def _entries(path: str) -> "list[str]":
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def _is_hex(text: str) -> bool:
    return not text.strip("0123456789abcdef")
