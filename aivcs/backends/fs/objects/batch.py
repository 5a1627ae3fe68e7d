"""Putting many blobs at once, made durable together.

Each content is written to a temporary file. All contents of a batch are durable before any of them
is renamed to its object, and all names before a digest is yielded. So a crash leaves whole objects
and temporary files of digests that were not yielded, and never an object without its content.

Short contents wait in memory: a portion of them is compared with the store and written in one GC
guard, with one check of each folder. While a portion is synced, the next one is read and written.
"""

import os
import resource

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.folder import GcGuard
from aivcs.backends.fs.objects.syncing import Syncing
from aivcs.errors import OutcomeUnknownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.objects import FileCasStore
    from aivcs.model.digest import ContentDigest

_BATCH_CONTENTS = 4096
"""Contents after which a batch is stored."""
_BATCH_BYTES = 256 << 20
"""Bytes after which a batch is stored."""
_MAX_OPEN = 512
"""Files kept open until they are synced, at most: the kernel may not report a write error to a
descriptor opened later. Half of them are synced while the others are written."""
_MAX_IN_MEMORY = 8 << 20
"""Bytes of short contents that wait in memory, at most, plus one content."""


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
                is_last = not _fill(batch, iterator)
            except OutcomeUnknownError:
                raise  # after a failed sync nothing is synced any more
            except Exception as error:  # noqa: BLE001 raised again after the rest is stored
                failure = error
            yield from batch.store()
            if is_last:
                break
        if failure is not None:
            raise failure
    finally:
        batch.abandon()


def _fill(batch: "_Batch", contents: "Iterator[BinaryIO]") -> bool:
    """Adds contents until the batch is full; returns whether more may follow."""
    may_be_more = False
    try:
        for readable in contents:
            batch.add(readable)
            if batch.is_full:
                may_be_more = True
                break
    except Exception:
        batch.write()  # the contents that were added are to be stored
        raise
    batch.write()
    return may_be_more


class _Batch:
    """Contents that are being stored."""

    __slots__ = (
        "_bytes",
        "_digests",
        "_folder",
        "_in_memory",
        "_portion",
        "_shards",
        "_short",
        "_store",
        "_syncing",
        "_temporaries",
        "_unsynced",
    )  # fmt: skip

    def __init__(self, store: "FileCasStore", folder: "Folder") -> None:
        self._store = store
        self._folder = folder
        self._syncing = Syncing(folder.root) if folder.is_durable else None
        self._unsynced: list[tuple[int, str]] = []
        self._short: dict[ContentDigest, bytes] = {}
        self._in_memory = 0
        self._begin()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Where few may be open, leave most of them to the rest of the program.
        self._portion = (_MAX_OPEN if limit < 0 else max(2, min(_MAX_OPEN, limit // 4))) // 2

    def _begin(self) -> None:
        self._digests: list[ContentDigest] = []
        # The temporary of each digest; None if there is none yet, or the object is there.
        self._temporaries: dict[ContentDigest, str | None] = {}
        self._bytes = 0
        self._shards: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether the batch should be stored before more is added."""
        return len(self._digests) >= _BATCH_CONTENTS or self._bytes >= _BATCH_BYTES

    def add(self, readable: "BinaryIO") -> None:
        """Reads a content to its end, into a temporary file, or into memory if it is short.

        Raises:
            BackendError: This content, or an earlier one in memory, could not be read or written;
                the batch ends before it.
            LockTimeoutError: Objects are being removed for too long; likewise.
            OutcomeUnknownError: Whether others of the batch are durable cannot be known.
        """
        digest, data, fd, temporary = self._store.receive(readable)
        if fd >= 0:
            self._add_long(digest, fd, temporary)
        elif digest not in self._temporaries:
            self._temporaries[digest] = None
            self._short[digest] = data
            self._in_memory += len(data)
        self._digests.append(digest)
        if (
            len(self._short) + len(self._unsynced) >= self._portion
            or self._in_memory >= _MAX_IN_MEMORY
        ):
            self.write()

    def _add_long(self, digest: "ContentDigest", fd: int, temporary: str) -> None:
        try:
            self._write_short()  # in order, so that a failure keeps the contents before it
            if digest not in self._temporaries:
                with GcGuard(self._folder):
                    there = self._store.touch(digest)
                if there is not None:
                    self._temporaries[digest] = None
                    self._unsynced.append((there, layout.object_path(digest)))
                else:
                    self._temporaries[digest] = temporary
                    self._unsynced.append((fd, temporary))
                    self._bytes += os.lseek(fd, 0, os.SEEK_CUR)
                    fd = -1
        finally:
            if fd >= 0:
                self._store.abandon(fd, temporary)

    def write(self) -> None:
        """Writes the contents in memory to temporary files, and begins to sync what is written.

        Raises:
            BackendError: A content could not be written; the batch ends before it.
            LockTimeoutError: Objects are being removed for too long; likewise.
            OutcomeUnknownError: Whether others of the batch are durable cannot be known.
        """
        self._write_short()
        self._sync()

    def store(self) -> "list[ContentDigest]":
        """Renames all contents to their objects; returns the digests in order, once durable.

        Raises:
            BackendError: It could not be done.
            OutcomeUnknownError: Whether they are durable cannot be known.
        """
        self._sync()
        if self._syncing is not None:
            self._syncing.finish()
        with GcGuard(self._folder):
            for digest, temporary in self._temporaries.items():
                if temporary is not None:
                    self._folder.rename(temporary, layout.object_path(digest))
                    self._temporaries[digest] = None
            if self._syncing is not None and self._temporaries:
                shards = sorted({digest[:2] for digest in self._temporaries})
                parents = [*map(layout.object_folder, shards), layout.OBJECTS]
                folders = [*map(self._folder.path, parents), self._folder.root]
                self._syncing.finish_folders(folders)
        digests = self._digests
        self._begin()
        return digests

    def abandon(self) -> None:
        """Removes the temporary files that were not stored, and closes everything."""
        if self._syncing is not None:
            self._syncing.close()
        for fd, _ in self._unsynced:
            files.close(fd)
        for temporary in self._temporaries.values():
            if temporary is not None:
                self._folder.discard(temporary)

    def _write_short(self) -> None:
        """Writes to temporary files the contents in memory that the store lacks."""
        contents, self._short, self._in_memory = self._short, {}, 0
        if not contents:
            return
        written = None
        try:
            with GcGuard(self._folder):
                self._require_shards({digest[:2] for digest in contents})
                for digest, data in contents.items():
                    there = self._store.touch(digest, are_parents_real=True)
                    if there is not None:
                        self._unsynced.append((there, layout.object_path(digest)))
                    else:
                        fd, temporary = self._store.write_temporary(data, are_parents_real=True)
                        self._temporaries[digest] = temporary
                        self._unsynced.append((fd, temporary))
                        self._bytes += len(data)
                    written = digest
        except BaseException:
            self._forget_after(written, contents)
            raise

    def _require_shards(self, shards: "set[str]") -> None:
        """Refuses links in place of the folders needed; checks each once a batch, to save time."""
        if not self._shards:
            self._folder.require_parents(f"{layout.TEMPORARY}/")
            self._folder.require_parents(f"{layout.OBJECTS}/")
        for shard in shards - self._shards:
            self._folder.require_folder(layout.object_folder(shard))
        self._shards |= shards

    def _forget_after(
        self, written: "ContentDigest | None", contents: "dict[ContentDigest, bytes]"
    ) -> None:
        """Removes from the batch the contents after the last one that was written."""
        digests = list(contents)
        lost = digests[0 if written is None else digests.index(written) + 1 :]
        if lost:
            del self._digests[self._digests.index(lost[0]) :]
        for digest in lost:
            temporary = self._temporaries.pop(digest)
            if temporary is not None:  # Ctrl-C came right after it was written
                self._folder.discard(temporary)

    def _sync(self) -> None:
        """Begins to sync the written files, once the portion before is synced; closes them then."""
        written, self._unsynced = self._unsynced, []
        if self._syncing is not None:
            self._syncing.begin(written, self._bytes)
        else:
            for fd, _ in written:
                files.close(fd)
