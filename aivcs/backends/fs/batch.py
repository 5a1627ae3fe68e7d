"""Many blobs at once: what makes them durable is done for many together, as the disk can do it.

A content waits in a temporary file. Before any of a batch gets its name, all of it is durable; only
when the names are, too, are the digests given back. So a crash leaves, of what was not given back,
whole objects and temporaries, and never a name without its content.

Each file is synced by itself, so that its errors are its own; but by several threads at once, and
after the disk was set to work at all of them: then one commit of the file system's journal serves
many of them, and the others find nothing left to do.
"""

import os
import resource

from aivcs.backends.fs import files
from aivcs.backends.fs.blobs import object_name
from aivcs.errors import OutcomeUnknownError
from aivcs.writing import begin_writing_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import ThreadPoolExecutor
    from typing import BinaryIO

    from aivcs.backends.fs.blobs import FileCasStore
    from aivcs.backends.fs.folder import Folder
    from aivcs.model import ContentDigest

_FILES = 4096
"""Contents after which a batch is stored."""
_BYTES = 256 << 20
"""Bytes after which it is."""
_OPEN = 256
"""Files that are kept open until they are synced, at most: the kernel need not keep an error for
whoever opens a file later."""
_THREADS = 16
"""Syncs that go on at once. They wait, so it does not matter how many processors there are."""


def put_many(
    store: "FileCasStore", folder: "Folder", contents: "Iterable[BinaryIO]"
) -> "Iterator[ContentDigest]":
    """As `CasStore.put_many`."""
    batch = _Batch(store, folder)
    try:
        failure: Exception | None = None
        iterator = iter(contents)
        while failure is None:
            is_last = True
            try:
                for readable in iterator:
                    batch.add(readable)
                    if batch.is_full:
                        is_last = False
                        break
            except OutcomeUnknownError:
                raise  # after a sync has failed, nothing is synced any more
            except Exception as error:  # noqa: BLE001 raised again behind what can be stored
                failure = error
            yield from batch.store()
            if is_last:
                break
        if failure is not None:
            raise failure
    finally:
        batch.abandon()


class _Batch:
    """Contents that are on their way into the store."""

    __slots__ = (
        "_bytes", "_digests", "_failed", "_folder", "_most_open", "_pool", "_store", "_temporaries",
        "_unsynced",
    )  # fmt: skip

    def __init__(self, store: "FileCasStore", folder: "Folder") -> None:
        self._store = store
        self._folder = folder
        self._pool: ThreadPoolExecutor | None = None
        self._failed = False
        self._unsynced: list[tuple[int, str]] = []
        self._begin()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Where few may be open, there are others who need some.
        self._most_open = _OPEN if limit < 0 else max(1, min(_OPEN, limit // 4))

    def _begin(self) -> None:
        self._digests: list[ContentDigest] = []
        # The temporary of each digest; None if the object is there.
        self._temporaries: dict[ContentDigest, str | None] = {}
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the batch should be stored before more is added."""
        return len(self._digests) >= _FILES or self._bytes >= _BYTES

    def add(self, readable: "BinaryIO") -> None:
        """Reads a content to its end and keeps it aside.

        Raises:
            BackendError: It could not be read or written; the batch is as before.
            LockTimeoutError: Objects are being removed for too long; the batch is as before.
            OutcomeUnknownError: Whether others of the batch are durable cannot be known.
        """
        digest, data, fd, temporary = self._store.receive(readable)
        try:
            if digest not in self._temporaries:
                with self._folder.hold():
                    there = self._store.touch(digest)
                if there is not None:
                    self._temporaries[digest] = None
                    self._unsynced.append((there, object_name(digest)))
                else:
                    if fd < 0:
                        fd, temporary = self._store.set_aside(data)
                    self._temporaries[digest] = temporary
                    self._unsynced.append((fd, temporary))
                    fd, written = -1, fd
                    self._bytes += self._begin_writing_back(written)
            self._digests.append(digest)
        finally:
            if fd >= 0:
                self._store.abandon(fd, temporary)
        if len(self._unsynced) >= self._most_open:
            self._sync()

    def store(self) -> "list[ContentDigest]":
        """Gives all contents their names; returns their digests, in order, once that is durable.

        Raises:
            BackendError: It could not be done.
            OutcomeUnknownError: Whether they are durable cannot be known.
        """
        self._sync()
        with self._folder.hold():
            for digest, temporary in self._temporaries.items():
                if temporary is not None:
                    self._folder.rename(temporary, object_name(digest))
                    self._temporaries[digest] = None
            if self._folder.is_durable and self._temporaries:
                for shard in sorted({digest[:2] for digest in self._temporaries}):
                    files.sync_folder(self._folder.path(f"objects/{shard}"))
                self._folder.sync_parents("objects/")
        digests = self._digests
        self._begin()
        return digests

    def abandon(self) -> None:
        """Removes what was not stored, and lets go of everything."""
        if self._pool is not None:
            self._pool.shutdown()
        for fd, _ in self._unsynced:
            files.close(fd)
        for temporary in self._temporaries.values():
            if temporary is not None:
                self._folder.discard(temporary)

    def _begin_writing_back(self, fd: int) -> int:
        """Sets the disk to work at a file that was written; returns how many bytes it has."""
        size = os.lseek(fd, 0, os.SEEK_CUR)
        if self._folder.is_durable:
            begin_writing_back(fd, 0, size)
        return size

    def _sync(self) -> None:
        """Makes the contents durable that are not, and closes their files."""
        waiting, self._unsynced = self._unsynced, []
        try:
            if not self._folder.is_durable:
                return
            if len(waiting) <= _THREADS:
                self._sync_each(waiting)
                return
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(_THREADS)
            parts = [waiting[at::_THREADS] for at in range(_THREADS)]
            tasks = [self._pool.submit(self._sync_each, part) for part in parts]
            errors = [task.exception() for task in tasks]  # until the last of them has ended
            for error in errors:
                if error is not None:
                    raise error
        finally:
            for fd, _ in waiting:
                files.close(fd)

    def _sync_each(self, waiting: "list[tuple[int, str]]") -> None:
        for fd, path in waiting:
            if self._failed:
                return
            try:
                files.sync_file(fd, path)
            except BaseException:
                self._failed = True
                raise
