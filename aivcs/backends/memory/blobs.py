"""Blobs in memory, verified whenever they are read."""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from aivcs.codec.sha256 import hasher
from aivcs.errors import BackendError, IntegrityError, NotFoundError, SerializationError
from aivcs.model import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import WriteableBuffer

_CHUNK = 1 << 16
"""Bytes asked of a stream at once."""


class MemoryCasStore:
    """An `aivcs.CasStore` that keeps blobs in a dictionary.

    Attributes:
        objects: The stored bytes by digest. Tests damage blobs through it; nothing else should
            touch it.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.objects: dict[str, bytes] = {}
        self._lock = Lock()

    def put(self, data: bytes) -> ContentDigest:
        """Stores a copy of some bytes and returns its digest; repairs what was damaged.

        Raises:
            SerializationError: What was given is not bytes.
        """
        content = _copy(data)
        digest = ContentDigest.from_bytes(content)
        with self._lock:
            self.objects[digest] = content
        return digest

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """Stores what `readable` gives until its end, however little it gives at once.

        Raises:
            BackendError: It could not be read; nothing was stored.
            SerializationError: It gives something else than bytes.
        """
        chunks = []
        try:
            while chunk := _copy(_read(readable)):
                chunks.append(chunk)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise BackendError(f"the stream cannot be read: {error}; nothing was stored") from error
        return self.put(b"".join(chunks))

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """Stores contents and yields their digests, in order.

        Raises:
            BackendError: One could not be read; those before it are stored.
            SerializationError: One is not made of bytes; likewise.
        """
        for readable in contents:
            yield self.put_stream(readable)

    def get(self, digest: ContentDigest) -> bytes:
        """Returns the exact bytes of a blob, verified.

        Raises:
            InvalidDigestError: `digest` is none.
            NotFoundError: No blob has it.
            IntegrityError: What is stored is damaged.
        """
        digest, content = self._find(digest)
        actual = ContentDigest.from_bytes(content)
        if actual != digest:
            raise _damaged(digest, actual)
        return content

    def open(self, digest: ContentDigest) -> BinaryIO:
        """Returns a stream of a blob, whose last read raises if the bytes are not the content.

        Raises:
            InvalidDigestError: `digest` is none.
            NotFoundError: No blob has it.
            IntegrityError: From `read`, if what is stored is damaged.
        """
        return BufferedReader(_VerifiedBytes(*self._find(digest)))

    def contains(self, digest: ContentDigest) -> bool:
        """Tells whether a blob has this digest; does not read it.

        Raises:
            InvalidDigestError: `digest` is none.
        """
        with self._lock:
            return ContentDigest(digest) in self.objects

    def delete(self, digest: ContentDigest) -> None:
        """Removes a blob; no error if there is none.

        Raises:
            InvalidDigestError: `digest` is none.
        """
        with self._lock:
            self.objects.pop(ContentDigest(digest), None)

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """Returns the digests that begin with `prefix`, in order, as they are at this moment."""
        begin = prefix.lower()
        with self._lock:
            return iter(sorted(ContentDigest(d) for d in self.objects if d.startswith(begin)))

    def _find(self, digest: ContentDigest) -> tuple[ContentDigest, bytes]:
        digest = ContentDigest(digest)
        with self._lock:
            content = self.objects.get(digest)
        if content is None:
            raise NotFoundError(digest)
        return digest, content


class _VerifiedBytes(RawIOBase):
    """A stream of some bytes that fails at its end if they have not the digest they should."""

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
        # With the last bytes, not after them: who reads exactly the size never asks again.
        if not self._rest and (actual := self._hasher.hexdigest()) != self._digest:
            raise _damaged(self._digest, actual)
        view[: len(chunk)] = chunk
        return len(chunk)


def _read(readable: BinaryIO) -> bytes:
    """The next bytes of a stream; none at its end only."""
    chunk: bytes | None = readable.read(_CHUNK)
    if chunk is None:
        raise BlockingIOError("it does not block, and has no data yet")
    return chunk


def _copy(data: object) -> bytes:
    """The bytes of what was given, shared with nobody."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise SerializationError(f"a blob is made of bytes, not of {type(data).__name__}")
    return bytes(data)


def _damaged(digest: ContentDigest, actual: str) -> IntegrityError:
    return IntegrityError(digest, actual, f"blob {digest}")
