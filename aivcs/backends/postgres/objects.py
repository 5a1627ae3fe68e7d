"""The blobs: each an upload of parts of 1 MiB, which the server hashes before it counts."""

from __future__ import annotations

from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from aivcs.backends.postgres.session import AgainError, RaceLostError
from aivcs.codec.sha256 import hasher
from aivcs.errors import BackendError, IntegrityError, NotFoundError, SerializationError
from aivcs.model.digest import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import WriteableBuffer

    from aivcs.backends.postgres.session import Session
    from aivcs.store.driver import Removal

PART = 1 << 20
"""Bytes of a part."""
LIMIT = 64 << 20
"""Bytes of a blob, at most: the server holds a whole one in memory to hash it."""
_READ = 1 << 16
"""Bytes read from a stream at once."""
_DIGESTS = 5000
"""Digests to read at once."""
_BEGINNING = """SELECT b.size, b.upload, p.data FROM {s}.blobs b
    LEFT JOIN {s}.parts p ON p.upload = b.upload AND p.number = 0 WHERE b.digest = %s"""
_CONTENT = f"""SELECT b.size, p.data FROM {{s}}.blobs b LEFT JOIN {{s}}.parts p
    ON p.upload = b.upload AND p.number < greatest(1, (b.size + {PART - 1}) / {PART})
    WHERE b.digest = %s ORDER BY p.number"""


class PostgresObjects:
    """The `ObjectDriver`."""

    def __init__(self, session: Session) -> None:
        """Takes the session of an opening."""
        self._session = session

    def put(self, data: bytes) -> ContentDigest:
        """As `ObjectDriver.put`.

        Raises:
            SerializationError: It is over the limit, or not bytes.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise SerializationError(f"a blob is made of bytes, not of {type(data).__name__}")
        content = bytes(data)
        if len(content) > LIMIT:
            raise _too_large(len(content))
        digest = ContentDigest.from_bytes(content)
        self._session.hold_from_now()
        if len(content) <= PART:
            self._session.change("SELECT {s}.put_blob(%s)", content)
        else:
            self._upload(
                digest, lambda: (content[at : at + PART] for at in range(0, len(content), PART))
            )
        return digest

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """As `ObjectDriver.put_stream`; more than a part of it waits in a temporary file."""
        hashed, size = hasher(PART), 0
        with SpooledTemporaryFile(max_size=PART, prefix="aivcs-") as spool:
            try:
                while chunk := _read(readable):
                    hashed.update(chunk)
                    size += len(chunk)
                    if size > LIMIT:
                        raise _too_large(size)
                    spool.write(chunk)
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                raise BackendError(
                    f"the stream cannot be read: {error}; nothing was stored"
                ) from error
            spool.seek(0)
            if size <= PART:
                return self.put(spool.read())

            def parts() -> Iterator[bytes]:
                spool.seek(0)
                while part := spool.read(PART):
                    yield part

            digest = ContentDigest(hashed.hexdigest())
            self._session.hold_from_now()
            self._upload(digest, parts)
        return digest

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """As `ObjectDriver.put_many`, one by one."""
        for readable in contents:
            yield self.put_stream(readable)

    def get(self, digest: ContentDigest) -> bytes:
        """As `ObjectDriver.get`."""
        digest = ContentDigest(digest)
        rows = self._session.read(_CONTENT, digest)
        if not rows:
            raise NotFoundError(digest)
        content = b"".join(part for _, part in rows if part is not None)
        actual = ContentDigest.from_bytes(content)
        if actual != digest:
            raise _damaged(digest, actual)
        return content

    def open(self, digest: ContentDigest) -> BinaryIO:
        """As `ObjectDriver.open`; reads part by part."""
        digest = ContentDigest(digest)
        rows = self._session.read(_BEGINNING, digest)
        if not rows:
            raise NotFoundError(digest)
        size, upload, first = rows[0]
        parts = max(1, -(-size // PART))
        return BufferedReader(_Stream(self._session, digest, upload, parts, first or b""))

    def contains(self, digest: ContentDigest) -> bool:
        """As `ObjectDriver.contains`."""
        digest = ContentDigest(digest)
        return bool(self._session.read("SELECT 1 FROM {s}.blobs WHERE digest = %s", digest))

    def delete(self, digest: ContentDigest) -> None:
        """As `ObjectDriver.delete`."""
        self._session.change("SELECT {s}.remove_blob(%s, NULL)", ContentDigest(digest))

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """As `ObjectDriver.list_digests`."""
        begin = prefix.lower()
        if "\0" in begin:
            return
        after = ""
        while True:
            rows = self._session.read(
                "SELECT digest FROM {s}.blobs WHERE digest > %s AND digest >= %s "
                f"AND starts_with(digest, %s) ORDER BY digest LIMIT {_DIGESTS}",
                after,
                begin,
                begin,
            )
            yield from (ContentDigest(digest) for (digest,) in rows)
            if len(rows) < _DIGESTS:
                return
            after = rows[-1][0]

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """As `ObjectDriver.stored`."""
        after = ""
        while True:
            rows = self._session.read(
                "SELECT digest, size, extract(epoch FROM put)::float8 FROM {s}.blobs "
                f"WHERE digest > %s ORDER BY digest LIMIT {_DIGESTS}",
                after,
            )
            yield from ((ContentDigest(digest), size, put) for digest, size, put in rows)
            if len(rows) < _DIGESTS:
                return
            after = rows[-1][0]

    @contextmanager
    def removal(self) -> Iterator[Removal]:
        """As `ObjectDriver.removal`."""
        with self._session.removal():
            yield self

    def remove(self, digest: ContentDigest, *, unless_since: float | None = None) -> bool:
        """As `Removal.remove`."""
        rows = self._session.removing(
            "SELECT {s}.remove_blob(%s, to_timestamp(%s))", ContentDigest(digest), unless_since
        )
        return bool(rows[0][0])

    def confirm(self) -> None:
        """As `Removal.confirm`: the lock is that of the connection."""
        self._session.removing("SELECT 1")

    def _upload(self, digest: ContentDigest, parts: Callable[[], Iterable[bytes]]) -> None:
        """Stores a content of several parts, unless it is stored and whole."""
        session = self._session

        def act() -> None:
            ((is_whole,),) = session.execute("SELECT {s}.renew_blob(%s)", digest)
            if is_whole:
                return
            with session.transaction():
                ((upload,),) = session.execute("SELECT {s}.begin_upload()")
                with session.pipeline():
                    for number, part in enumerate(parts()):
                        session.send("SELECT {s}.put_part(%s, %s, %s)", upload, number, part)
                try:
                    session.execute("SELECT {s}.finish_upload(%s)", upload)
                except RaceLostError as lost:  # the blob was removed, and is put again by others
                    raise AgainError(str(lost)) from lost

        session.repeat(act, is_change=True)


class _Stream(RawIOBase):
    """A blob's bytes, read part by part; raises at the end if they do not have its digest."""

    def __init__(
        self, session: Session, digest: ContentDigest, upload: int, parts: int, first: bytes
    ) -> None:
        super().__init__()
        self._session = session
        self._digest = digest
        self._upload = upload
        self._parts = parts
        self._number = 1
        self._rest = memoryview(first)
        self._hasher = hasher(parts * PART)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while not self._rest and self._number < self._parts:
            self._next_part()
        chunk = self._rest[: len(view)]
        self._hasher.update(chunk)
        self._rest = self._rest[len(chunk) :]
        # With the last bytes, not after them: a caller that reads exactly the size stops there.
        if not self._rest and self._number == self._parts:
            actual = self._hasher.hexdigest()
            if actual != self._digest:
                raise _damaged(self._digest, actual)
        view[: len(chunk)] = chunk
        return len(chunk)

    def _next_part(self) -> None:
        rows = self._session.read(
            "SELECT data FROM {s}.parts WHERE upload = %s AND number = %s",
            self._upload,
            self._number,
        ) or self._session.read(
            # Somebody put the content again meanwhile, which is another upload of the same bytes.
            "SELECT p.data FROM {s}.parts p JOIN {s}.blobs b ON b.upload = p.upload "
            "WHERE b.digest = %s AND p.number = %s",
            self._digest,
            self._number,
        )
        self._number += 1
        if rows:
            self._rest = memoryview(rows[0][0])


def _read(readable: BinaryIO) -> bytes:
    """The next bytes of a stream; empty only at its end."""
    chunk: bytes | None = readable.read(_READ)
    if chunk is None:
        raise BlockingIOError("it is non-blocking and has no data yet")
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise SerializationError(f"a blob is made of bytes, not of {type(chunk).__name__}")
    return bytes(chunk)


def _too_large(size: int) -> SerializationError:
    return SerializationError(
        f"a blob of at least {size} bytes is over the limit of {LIMIT} of a store in PostgreSQL; "
        "keep it elsewhere and store its name, or split it"
    )


def _damaged(digest: ContentDigest, actual: str) -> IntegrityError:
    return IntegrityError(digest, actual, f"blob {digest}")
