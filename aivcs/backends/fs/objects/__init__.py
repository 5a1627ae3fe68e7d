"""Blobs in files: `objects/ab/cdef…` holds the raw bytes of the content whose digest is `abcdef…`.

An object appears whole or not at all (a temporary file is written, synced and renamed) and never
changes. No name is trusted: every read is hashed, a put hashes the object that exists, and putting
a content again replaces its damaged object.
"""

import io
import os
from errno import EIO

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.folder import GcGuard
from aivcs.codec.sha256 import hasher, hex_digest
from aivcs.errors import BackendError, IntegrityError, NotFoundError, SerializationError
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.objects.removal import Removal

_CHUNK = 1 << 20
"""Bytes copied at once, and from which a content goes to a temporary file at once."""
_SHORT = 64 << 10
"""Bytes of the first read of an object; one that is shorter needs no other."""
_PIECE = 256 << 10
"""Bytes of every further read; they stay in the processor's cache."""


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
        is_open = True
        try:
            # Not earlier: a slow input should keep no garbage collector waiting.
            with GcGuard(self._folder):
                if not self._refresh(digest):
                    is_open = False  # `publish` closes it, and removes it if it fails
                    self._folder.publish(fd, temporary, layout.object_path(digest))
        finally:
            if is_open:
                self.abandon(fd, temporary)
        return digest

    def put_many(self, contents: "Iterable[BinaryIO]") -> "Iterator[ContentDigest]":
        """As `CasStore.put_many`."""
        from aivcs.backends.fs.objects.batch import put_many

        return put_many(self, self._folder, contents)

    def get(self, digest: ContentDigest) -> bytes:
        """As `CasStore.get`."""
        digest = ContentDigest(digest)
        fd = self._open(digest)
        try:
            with files.os_errors("read", layout.object_path(digest)):
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
        return _Blob(_VerifiedStream(digest, self._open(digest)), _SHORT)

    def contains(self, digest: ContentDigest) -> bool:
        """As `CasStore.contains`."""
        fd = self._find(ContentDigest(digest))
        if fd is None:
            return False
        os.close(fd)
        return True

    def delete(self, digest: ContentDigest) -> None:
        """As `CasStore.delete`."""
        name = layout.object_path(ContentDigest(digest))
        self._folder.require_parents(name)
        with files.os_errors("delete", name):
            try:
                os.unlink(self._folder.path(name))
            except FileNotFoundError:
                return
        self._folder.sync_parents(name)

    def list_digests(self, prefix: str = "") -> "Iterator[ContentDigest]":
        """As `CasStore.list_digests`."""
        prefix = prefix.lower()
        names_in = self._folder.names_in
        for shard in [prefix[:2]] if len(prefix) >= 2 else names_in(layout.OBJECTS):
            if len(shard) != 2 or not shard.startswith(prefix[:2]):
                continue
            for name in names_in(layout.object_folder(shard)):
                digest = layout.digest_of(shard, name)  # none of a stray file, which verify reports
                if digest and digest.startswith(prefix):
                    yield ContentDigest(digest)

    def stored(self) -> "Iterator[tuple[ContentDigest, int, float]]":
        """As `ObjectDriver.stored`."""
        from aivcs.backends.fs.objects.removal import stored

        return stored(self._folder)

    def removal(self) -> "Removal":
        """As `ObjectDriver.removal`."""
        from aivcs.backends.fs.objects.removal import Removal

        return Removal(self._folder)

    def _find(self, digest: ContentDigest, *, are_parents_real: bool = False) -> "int | None":
        name = layout.object_path(digest)
        if not are_parents_real:
            self._folder.require_parents(name)
        return files.open_file(self._folder.path(name), os.O_RDONLY)

    def _open(self, digest: ContentDigest) -> int:
        fd = self._find(digest)
        if fd is None:
            raise NotFoundError(digest)
        return fd

    def touch(self, digest: ContentDigest, *, are_parents_real: bool = False) -> "int | None":
        """Refreshes the age of an undamaged object and returns it open; None if there is none.

        The object is then as one that was put just now, except that it may not be durable. To be
        called in the GC guard: an object must not be removed between the check and the refresh.

        Args:
            digest: The digest of the object.
            are_parents_real: Whether the caller has just checked that its folders are real.
        """
        fd = self._find(digest, are_parents_real=are_parents_real)
        if fd is None:
            return None
        is_linked = False
        try:
            with files.os_errors("read", layout.object_path(digest)):
                is_whole = hash_file(fd) == digest
            if is_whole:
                with files.os_errors("refresh", layout.object_path(digest)):
                    try:
                        os.utime(fd)
                        is_linked = True
                    except PermissionError:
                        pass  # another user's object: one of this user's replaces it
        finally:
            if not is_linked:
                files.close(fd)
        return fd if is_linked else None

    def receive(self, readable: "BinaryIO") -> "tuple[ContentDigest, bytes, int, str]":
        """Reads a content to its end: a short one into memory, a long one into a temporary file.

        Returns:
            The digest; the bytes of a short content; of a long one, the descriptor (else -1) and
            the path of the temporary file, which is not durable yet.

        Raises:
            BackendError: It could not be read or written.
        """
        source = _find_long_file(readable)
        chunk = b"" if source >= 0 else _read_chunk(readable)
        if source < 0 and len(chunk) < _CHUNK:
            return ContentDigest.from_bytes(chunk), chunk, -1, ""
        from aivcs.backends.fs.objects.copying import copy

        hashed, sync = hasher(_CHUNK), self._folder.is_durable
        fd, temporary = self.write_temporary(chunk)
        try:
            with files.os_errors("write", temporary):
                copy(lambda size: _read(readable, size), fd, hashed, source=source, sync=sync)
        except BaseException:
            self.abandon(fd, temporary)
            raise
        return ContentDigest(hashed.hexdigest()), b"", fd, temporary

    def write_temporary(self, data: bytes, *, are_parents_real: bool = False) -> "tuple[int, str]":
        """Writes a temporary file and returns its descriptor and path; it is not durable yet.

        Args:
            data: The bytes.
            are_parents_real: As for `Folder.create_temporary`.

        Raises:
            BackendError: It could not be written, and is removed.
        """
        fd, temporary = self._folder.create_temporary(are_parents_real=are_parents_real)
        try:
            with files.os_errors("write", temporary):
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
        """Makes an undamaged object as one that was put just now; False if there is none.

        To be called in the GC guard, as `touch`.
        """
        fd = self.touch(digest)
        if fd is None:
            return False
        name = layout.object_path(digest)
        try:
            if self._folder.is_durable:
                # Its writer may have run without durability.
                files.sync_file(fd, self._folder.path(name))
        finally:
            files.close(fd)
        # Another process may have put it a moment ago and not have synced its name yet.
        self._folder.sync_parents(name)
        return True

    def _put(self, digest: ContentDigest, data: bytes) -> ContentDigest:
        with GcGuard(self._folder):
            if not self._refresh(digest):
                fd, temporary = self.write_temporary(data)
                self._folder.publish(fd, temporary, layout.object_path(digest))
        return digest


class _Blob(io.BufferedReader):
    """The bytes of an object; `read` raises at the end if they do not have its digest."""

    raw: "_VerifiedStream"

    def write_to(self, fd: int) -> None:
        """As `ObjectDriver.open` says."""
        self.raw.write_to(fd)


class _VerifiedStream(io.RawIOBase):
    """Reads an object; its last read raises if the bytes are not the content of the digest."""

    def __init__(self, digest: ContentDigest, fd: int) -> None:
        self._digest = digest
        self._fd = fd
        with files.os_errors("look at", layout.object_path(digest)):
            self._left = os.fstat(fd).st_size
        self._hasher = hasher(self._left)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        with files.os_errors("read", layout.object_path(self._digest)):
            count = os.readv(self._fd, [view])
        self._hasher.update(view[:count])
        self._left -= count
        # With the last bytes, not after them: a caller that reads exactly the size stops there.
        if self._left <= 0 or (not count and len(view)):
            _verify(self._digest, self._hasher.hexdigest())
        return count

    def write_to(self, fd: int) -> None:
        from aivcs.backends.fs.objects.copying import copy

        def read(size: int) -> bytes:
            with files.os_errors("read", layout.object_path(self._digest)):
                return os.read(self._fd, size)

        copy(read, fd, self._hasher, source=self._fd)
        if self._hasher.hexdigest() != self._digest:
            os.lseek(self._fd, 0, os.SEEK_SET)
            _verify(self._digest, hash_file(self._fd))
            raise OSError(EIO, "what was written cannot be read back")

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _verify(digest: ContentDigest, actual: str) -> None:
    if actual != digest:
        raise IntegrityError(
            digest,
            actual,
            layout.object_path(digest),
            f"blob {digest} is damaged: its bytes hash to {actual}; "
            "put the same content again to heal it, aivcs verify lists all damage",
        )


def hash_file(fd: int) -> str:
    """Returns the SHA-256 of an open file from its current offset on, in bounded memory.

    Raises:
        OSError: It cannot be read.
    """
    data = os.read(fd, _SHORT)
    if len(data) < _SHORT:
        return hex_digest(data)
    hashed = hasher(os.fstat(fd).st_size, data)
    while data := os.read(fd, _PIECE):
        hashed.update(data)
    return hashed.hexdigest()


def _find_long_file(readable: "BinaryIO") -> int:
    """Returns the descriptor of a stream that is a file with a long rest, otherwise -1."""
    if type(readable) is not io.FileIO:
        return -1  # it may make of its file what it likes
    try:
        fd = readable.fileno()
        return fd if os.fstat(fd).st_size - os.lseek(fd, 0, os.SEEK_CUR) >= _CHUNK else -1
    except (OSError, ValueError):
        return -1  # a pipe, or what reading it will say


def _read_chunk(readable: "BinaryIO") -> bytes:
    """Reads `_CHUNK` bytes, fewer only at the end, from a stream whose reads may be short."""
    chunk = _read(readable, _CHUNK)
    while chunk and len(chunk) < _CHUNK and (more := _read(readable, _CHUNK - len(chunk))):
        chunk += more
    return chunk


def _read(readable: "BinaryIO", size: int) -> bytes:
    """Reads once from a stream, at most `size` bytes; none at the end."""
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
