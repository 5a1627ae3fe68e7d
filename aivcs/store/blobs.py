"""Blobs over a device that keeps each blob as one value, such as memory or a row of a table."""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO

from aivcs.codec.sha256 import hasher
from aivcs.errors import BackendError, IntegrityError, NotFoundError, SerializationError
from aivcs.model.digest import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import WriteableBuffer

    from aivcs.store.driver import ObjectDriver

_CHUNK = 1 << 16
"""Bytes read from a stream at once."""


class WholeBlobs:
    """Base of an `ObjectDriver` for a device of whole values.

    A subclass supplies `load` and `save`, and the methods of the protocol that are missing here.
    Each blob put or read is held in memory as a whole. Every blob read is verified.
    """

    def load(self, digest: str) -> bytes | None:
        """Returns the bytes stored under a digest, not verified; None if there are none."""
        raise NotImplementedError

    def save(self, digest: str, content: bytes) -> None:
        """Stores a content in a hold, durable on return; replaces any bytes under its digest."""
        raise NotImplementedError

    def contains(self, digest: ContentDigest) -> bool:
        """As `ObjectDriver.contains`; loads the blob, which a subclass may avoid."""
        return self.load(ContentDigest(digest)) is not None

    def put(self, data: bytes) -> ContentDigest:
        """As `ObjectDriver.put`."""
        content = _copy(data)
        digest = ContentDigest.from_bytes(content)
        self.save(digest, content)
        return digest

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """As `ObjectDriver.put_stream`, but not in bounded memory."""
        chunks = []
        try:
            while chunk := _copy(_read(readable)):
                chunks.append(chunk)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise BackendError(f"the stream cannot be read: {error}; nothing was stored") from error
        return self.put(b"".join(chunks))

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """As `ObjectDriver.put_many`, one by one."""
        for readable in contents:
            yield self.put_stream(readable)

    def get(self, digest: ContentDigest) -> bytes:
        """As `ObjectDriver.get`."""
        digest, content = self._find(digest)
        actual = ContentDigest.from_bytes(content)
        if actual != digest:
            raise _damaged(digest, actual)
        return content

    def open(self, digest: ContentDigest) -> BinaryIO:
        """As `ObjectDriver.open`."""
        return BufferedReader(_VerifiedBytes(*self._find(digest)))

    def _find(self, digest: ContentDigest) -> tuple[ContentDigest, bytes]:
        digest = ContentDigest(digest)
        content = self.load(digest)
        if content is None:
            raise NotFoundError(digest)
        return digest, content


class _VerifiedBytes(RawIOBase):
    """A stream of a blob's bytes that raises at its end if they do not have its digest."""

    def __init__(self, digest: ContentDigest, content: bytes) -> None:
        super().__init__()
        self._digest = digest
        self._rest = memoryview(content)
        self._hasher = hasher(len(content))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        chunk = self._rest[: len(view)]
        self._hasher.update(chunk)
        self._rest = self._rest[len(chunk) :]
        # With the last bytes, not after them: a caller that reads exactly the size stops there.
        if not self._rest and (actual := self._hasher.hexdigest()) != self._digest:
            raise _damaged(self._digest, actual)
        view[: len(chunk)] = chunk
        return len(chunk)


def _read(readable: BinaryIO) -> bytes:
    """The next bytes of a stream; empty only at its end."""
    chunk: bytes | None = readable.read(_CHUNK)
    if chunk is None:
        raise BlockingIOError("it is non-blocking and has no data yet")
    return chunk


def _copy(data: object) -> bytes:
    """An immutable copy of the bytes."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise SerializationError(f"a blob is made of bytes, not of {type(data).__name__}")
    return bytes(data)


def _damaged(digest: ContentDigest, actual: str) -> IntegrityError:
    return IntegrityError(digest, actual, f"blob {digest}")


class ObjectStore:
    """The `CasStore` contract over an `ObjectDriver`, without the driver's other methods."""

    def __init__(self, objects: ObjectDriver) -> None:
        """Takes the objects of a store."""
        self._objects = objects

    def put(self, data: bytes) -> ContentDigest:
        """As `CasStore.put`."""
        return self._objects.put(data)

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """As `CasStore.put_stream`."""
        return self._objects.put_stream(readable)

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """As `CasStore.put_many`."""
        return self._objects.put_many(contents)

    def get(self, digest: ContentDigest) -> bytes:
        """As `CasStore.get`."""
        return self._objects.get(digest)

    def open(self, digest: ContentDigest) -> BinaryIO:
        """As `CasStore.open`."""
        return self._objects.open(digest)

    def contains(self, digest: ContentDigest) -> bool:
        """As `CasStore.contains`."""
        return self._objects.contains(digest)

    def delete(self, digest: ContentDigest) -> None:
        """As `CasStore.delete`."""
        self._objects.delete(digest)

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """As `CasStore.list_digests`."""
        return self._objects.list_digests(prefix)
