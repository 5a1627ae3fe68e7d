"""The blobs of a store on S3: an object for each, where a store in a folder has its file."""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, cast

from aivcs.backends.s3.client import PART_BYTES
from aivcs.codec.sha256 import hasher
from aivcs.errors import BackendError, IntegrityError, NotFoundError, SerializationError
from aivcs.model.digest import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from _typeshed import WriteableBuffer

    from aivcs.backends.s3.client import Client
    from aivcs.backends.s3.trash import Trash
    from aivcs.store.driver import Removal

_FOLDER = "objects"
_CHUNK = 1 << 18
"""Bytes read from a stream at once."""
_IN_MEMORY = 1 << 20
"""Bytes of a stream that are kept in memory until it is hashed; a longer one goes to TMPDIR."""
_PARALLEL_FROM = 2 * PART_BYTES
"""Size in bytes from which a blob is read in parallel ranges."""
_RANGES = 4
"""Ranges of one blob that are read at once."""


def object_key(digest: str) -> str:
    """Returns the key of a blob."""
    return f"{_FOLDER}/{digest[:2]}/{digest[2:]}"


class S3Objects:
    """The `ObjectDriver`. Thread-safe; memory is bounded whatever the size of a blob."""

    def __init__(
        self,
        client: Client,
        trash: Trash,
        *,
        is_held: Callable[[], bool],
        may_remove: Callable[[], None],
    ) -> None:
        """Takes the parts.

        Args:
            client: The client of the store.
            trash: The removed blobs.
            is_held: Tells whether somebody relies on blobs now.
            may_remove: Raises an error if garbage must not be collected here.
        """
        self._may_remove = may_remove
        self._client = client
        self._trash = trash
        self._is_held = is_held

    def put(self, data: bytes) -> ContentDigest:
        """As `ObjectDriver.put`."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise SerializationError(f"a blob is made of bytes, not of {type(data).__name__}")
        from io import BytesIO

        content = bytes(data)
        digest = ContentDigest.from_bytes(content)
        self._upload(digest, len(content), BytesIO(content))
        return digest

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """As `ObjectDriver.put_stream`; a large stream is kept in TMPDIR until it is hashed."""
        digest, size, spooled = _spool(readable)
        with spooled:
            self._upload(digest, size, spooled)
        return digest

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """As `ObjectDriver.put_many`, several at once."""

        def upload(content: tuple[ContentDigest, int, BinaryIO]) -> ContentDigest:
            digest, size, spooled = content
            with spooled:
                self._upload(digest, size, spooled)
            return digest

        return self._client.each(upload, map(_spool, contents))

    def get(self, digest: ContentDigest) -> bytes:
        """As `ObjectDriver.get`."""
        with self.open(digest) as stream:
            return stream.read()

    def open(self, digest: ContentDigest) -> BinaryIO:
        """As `ObjectDriver.open`; a large blob is read in parallel ranges."""
        digest = ContentDigest(digest)
        key = object_key(digest)
        found = self._client.stream(key)
        if found is None:
            key = self._trash.find(digest)
            found = self._client.stream(key) if key else None
            if found is None:
                raise NotFoundError(digest)
            if self._is_held():
                self._trash.restore(digest)
        size, parts = found
        if size >= _PARALLEL_FROM:
            parts = self._ranges(key, size)
        return BufferedReader(_VerifiedParts(digest, size, parts), _CHUNK)

    def contains(self, digest: ContentDigest) -> bool:
        """As `ObjectDriver.contains`; in a hold it takes a blob back from the trash."""
        digest = ContentDigest(digest)
        if self._client.head(object_key(digest)) is not None:
            return True
        return self._is_held() and self._trash.restore(digest)

    def delete(self, digest: ContentDigest) -> None:
        """As `ObjectDriver.delete`."""
        digest = ContentDigest(digest)
        self._client.delete(object_key(digest))
        self._trash.clear(digest)

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """As `ObjectDriver.list_digests`."""
        begin = prefix.lower()
        folder = f"{_FOLDER}/{begin[:2]}" if len(begin) >= 2 else _FOLDER
        after = f"{_FOLDER}/{begin}" if len(begin) == 1 else ""
        if len(begin) > 2:
            after = object_key(begin[:-1])  # which sorts before all that begin so
        for entry in self._client.entries(folder, after):
            digest = _digest_of(entry.key)
            if digest is None:
                continue
            if digest.startswith(begin):
                yield digest
            elif digest > begin:
                return

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """As `ObjectDriver.stored`."""
        for entry in self._client.entries(_FOLDER):
            digest = _digest_of(entry.key)
            if digest is None:
                raise IntegrityError.of(
                    f"{entry.key} is not an object of this store; remove it, or move it elsewhere",
                    entry.key,
                )
            yield digest, entry.size, entry.modified

    def removal(self) -> AbstractContextManager[Removal]:
        """As `ObjectDriver.removal`, without a lock: what is removed goes to the trash first."""
        self._may_remove()
        return self._trash.removal()

    def _upload(self, digest: ContentDigest, size: int, content: BinaryIO) -> None:
        if size <= PART_BYTES:
            content.seek(0)
            self._client.put(object_key(digest), content.read())
        else:
            self._client.put_file(object_key(digest), content)

    def _ranges(self, key: str, size: int) -> Iterator[bytes]:
        """The bytes of an object, from ranges that are read ahead."""

        def part(start: int) -> bytes:
            return self._client.get_range(key, start, min(start + PART_BYTES, size)) or b""

        return self._client.each(part, range(0, size, PART_BYTES), _RANGES)


class _VerifiedParts(RawIOBase):
    """A stream of a blob's bytes that raises with the last of them if they are not the blob's."""

    def __init__(self, digest: ContentDigest, size: int, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._digest = digest
        self._left = size
        self._parts = parts
        self._part = memoryview(b"")
        self._hasher = hasher(size)
        self._is_checked = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._part:
            self._part = memoryview(self._next())
        count = min(len(view), len(self._part))
        self._hasher.update(self._part[:count])
        self._left -= count
        # With the last bytes, not after them: a caller that reads exactly the size stops there.
        if self._left <= 0 or not count:
            self._check()
        view[:count] = self._part[:count]
        self._part = self._part[count:]
        return count

    def _next(self) -> bytes:
        if self._left <= 0:
            return b""
        try:
            for part in self._parts:
                if part:
                    return part
        except (OSError, Exception) as error:
            from aivcs.errors import StorageError

            if isinstance(error, StorageError):
                raise
            raise BackendError(
                f"blob {self._digest} could not be read to its end: the connection was cut; "
                "try again"
            ) from error
        raise BackendError(f"blob {self._digest} was cut short by the server; try again")

    def _check(self) -> None:
        if not self._is_checked:
            self._is_checked = True
            actual = self._hasher.hexdigest()
            if actual != self._digest:
                raise IntegrityError(self._digest, actual, f"blob {self._digest}")


def _spool(readable: BinaryIO) -> tuple[ContentDigest, int, BinaryIO]:
    """Digest, size and a copy of a stream: in memory if it is small, else in TMPDIR."""
    from tempfile import SpooledTemporaryFile

    spooled = cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY))
    hashed = hasher(1 << 20)  # streams are long as a rule
    size = 0
    try:
        while True:
            chunk: bytes | None = readable.read(_CHUNK)
            if chunk is None:
                raise BlockingIOError("it is non-blocking and has no data yet")
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise SerializationError(f"a blob is made of bytes, not of {type(chunk).__name__}")
            if not chunk:
                break
            hashed.update(chunk)
            size += len(chunk)
            spooled.write(chunk)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        spooled.close()
        raise BackendError(f"the stream cannot be read: {error}; nothing was stored") from error
    except BaseException:
        spooled.close()
        raise
    return ContentDigest(hashed.hexdigest()), size, spooled


def _digest_of(key: str) -> ContentDigest | None:
    """The digest in the key of a blob; None if it is another key."""
    folder, _, rest = key.removeprefix(f"{_FOLDER}/").partition("/")
    text = folder + rest
    if len(folder) != 2 or len(text) != 64 or text.strip("0123456789abcdef"):
        return None
    return ContentDigest(text)
