"""Copying blobs: those that the target lacks, many at a time, each verified on arrival."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO

from aivcs.errors import IntegrityError, NotFoundError, StorageError
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from _typeshed import WriteableBuffer

    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import Backend

_AHEAD = 16
"""Blobs of the source that are opened at once."""
_AHEAD_BYTES = 1 << 18
"""Bytes that are read ahead of each of them."""
_FEW = 1000
"""Number of wanted blobs up to which each is looked up; for more, the target is listed."""


class BlobCopier:
    """Copies blobs from one store to another.

    Attributes:
        copied: The number of blobs that were copied.
        size: The number of their bytes.
        absent: The blobs that the source does not have.
        damaged: The error of each blob that is damaged at the source, by digest.
        erased: The blobs that were erased in the target, and are not brought back.
        left_out: Those of them that the source has, and the target has not.
    """

    def __init__(self, source: Backend, target: Backend, progress: Callable[[int], None]) -> None:
        """Takes both stores.

        Args:
            source: Where the blobs are.
            target: Where they are copied to.
            progress: Called with the number of bytes of each piece that is read.
        """
        self._source = source
        self._target = target
        self._progress = progress
        self._there = DiskMap()  # blobs that were found in the target, or copied there
        self.copied = self.size = 0
        self.absent: set[ContentDigest] = set()
        self.damaged: dict[str, StorageError] = {}
        self.erased: Collection[str] = ()
        self.left_out: set[ContentDigest] = set()

    def missing(self, digests: Iterable[ContentDigest]) -> list[ContentDigest]:
        """Returns the blobs that the target lacks, each once, in order."""
        wanted = []
        for digest in sorted(set(digests)):
            if bytes.fromhex(digest) in self._there:
                continue
            if digest not in self.erased:
                wanted.append(digest)
            elif self._source.objects.contains(digest) and not self._target.objects.contains(
                digest
            ):
                self.left_out.add(digest)
        if len(wanted) <= _FEW:
            lacking = list(self._asked(wanted))
        else:
            lacking = list(_absent_from(wanted, self._target.objects.list_digests()))
        for digest in set(wanted).difference(lacking):
            self._there.add(bytes.fromhex(digest))
        return lacking

    def _asked(self, wanted: list[ContentDigest]) -> Iterator[ContentDigest]:
        contains = self._target.objects.contains
        if len(wanted) < _AHEAD:
            yield from (digest for digest in wanted if not contains(digest))
            return
        with ThreadPoolExecutor(_AHEAD) as pool:
            for digest, is_there in zip(wanted, pool.map(contains, wanted), strict=True):
                if not is_there:
                    yield digest

    def copy(self, digests: Iterable[ContentDigest]) -> None:
        """Copies the blobs that the target lacks; durable on return. Call it in a hold.

        A blob that the source does not have, or that is damaged there, is noted, and the others are
        copied.

        Raises:
            StorageError: The target failed.
        """
        waiting = self.missing(digests)
        while waiting:
            waiting = waiting[self._copy_some(waiting) :]

    def _copy_some(self, digests: list[ContentDigest]) -> int:
        """Copies blobs up to the first that cannot be; returns the number that are done with."""
        done = 0
        streams = _Streams(self._source, digests, self._progress)
        try:
            for digest in self._target.objects.put_many(streams):
                wanted = streams.given[done]
                done += 1
                if digest != wanted:
                    # What was stored has its true name, so nothing refers to it.
                    self.damaged[wanted] = IntegrityError(wanted, digest, f"blob {wanted}")
                    continue
                self._there.add(bytes.fromhex(wanted))
                self.copied += 1
        except StorageError:
            failed = streams.failed
            if failed is None:
                raise
            wanted, cause = failed
            if cause.is_store_away:
                raise
            if isinstance(cause, NotFoundError):
                self.absent.add(wanted)
            else:
                self.damaged[wanted] = cause
            if done != len(streams.given):
                raise  # the target failed, too
            self.size += streams.size
            return digests.index(wanted) + 1
        self.size += streams.size
        return len(digests)


class _Streams:
    """Iterates over the open streams of blobs, some of which are opened ahead.

    Attributes:
        given: The blobs whose streams were given out, without one that failed.
        failed: The blob that could not be read, and the error; None if there is none.
        size: The number of bytes that were read.
    """

    def __init__(
        self, source: Backend, digests: list[ContentDigest], progress: Callable[[int], None]
    ) -> None:
        self._source = source
        self._digests = digests
        self._progress = progress
        self.given: list[ContentDigest] = []
        self.failed: tuple[ContentDigest, StorageError] | None = None
        self.size = 0

    def __iter__(self) -> Iterator[BinaryIO]:
        with ThreadPoolExecutor(_AHEAD) as pool:
            waiting = [pool.submit(self._open, digest) for digest in self._digests[:_AHEAD]]
            try:
                for number, digest in enumerate(self._digests):
                    try:
                        begin, stream = waiting.pop(0).result()
                    except StorageError as error:
                        self.failed = digest, error
                        raise
                    if number + _AHEAD < len(self._digests):
                        waiting.append(pool.submit(self._open, self._digests[number + _AHEAD]))
                    self.given.append(digest)
                    try:
                        yield BufferedReader(_Begun(begin, stream, self._count, self._fail))
                    finally:
                        stream.close()
            finally:
                self._abandon(waiting)

    def _open(self, digest: ContentDigest) -> tuple[bytes, BinaryIO]:
        stream = self._source.objects.open(digest)
        try:
            return stream.read(_AHEAD_BYTES), stream
        except BaseException:
            stream.close()
            raise

    def _fail(self, error: StorageError) -> None:
        self.failed = self.given.pop(), error

    def _abandon(self, waiting: list[Future[tuple[bytes, BinaryIO]]]) -> None:
        for future in waiting:
            if not future.cancel() and future.exception() is None:
                future.result()[1].close()

    def _count(self, size: int) -> None:
        self.size += size
        self._progress(size)


class _Begun(RawIOBase):
    """A stream whose beginning was read."""

    def __init__(
        self,
        begin: bytes,
        stream: BinaryIO,
        count: Callable[[int], None],
        fail: Callable[[StorageError], None],
    ) -> None:
        super().__init__()
        self._begin = memoryview(begin)
        self._stream = stream
        self._count = count
        self._fail = fail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if self._begin:
            size = min(len(view), len(self._begin))
            view[:size] = self._begin[:size]
            self._begin = self._begin[size:]
        else:
            try:
                data = self._stream.read(len(view))
            except StorageError as error:
                self._fail(error)
                raise OSError(str(error)) from error  # what a reader of any stream expects
            size = len(data)
            view[:size] = data
        self._count(size)
        return size


def _absent_from(
    wanted: list[ContentDigest], there: Iterable[ContentDigest]
) -> Iterator[ContentDigest]:
    rest = iter(there)
    other: str | None = next(rest, None)
    for digest in wanted:
        while other is not None and other < digest:
            other = next(rest, None)
        if other != digest:
            yield digest
