"""Many blobs at once: what makes them durable is done for many together, as the disk can do it.

A content waits in a temporary file. Before any of a batch gets its name, all of it is durable; only
when the names are, too, are the digests given back. So a crash leaves, of what was not given back,
whole objects and temporaries, and never a name without its content.

Short contents wait in memory for others: a portion is looked for and written in one hold, and each
folder is looked at once for it. While a portion is synced, the next one is read and written.
"""

import os
import resource

from aivcs.backends.fs import files
from aivcs.backends.fs.blobs import object_name
from aivcs.backends.fs.syncing import Syncing
from aivcs.errors import OutcomeUnknownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from aivcs.backends.fs.blobs import FileCasStore
    from aivcs.backends.fs.folder import Folder
    from aivcs.model.digest import ContentDigest

_FILES = 4096
"""Contents after which a batch is stored."""
_BYTES = 256 << 20
"""Bytes after which it is."""
_OPEN = 512
"""Files that are kept open until they are synced, at most: the kernel need not keep an error for
whoever opens a file later. Half of them are being synced while the others are written."""
_IN_MEMORY = 8 << 20
"""Bytes of short contents that wait in memory, at most, and one content more."""


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


def _fill(batch: "_Batch", contents: "Iterator[BinaryIO]") -> bool:
    """Adds contents until the batch is full, and tells whether there may be more of them."""
    may_be_more = False
    try:
        for readable in contents:
            batch.add(readable)
            if batch.is_full:
                may_be_more = True
                break
    except Exception:
        batch.write()  # those that were added are to be stored
        raise
    batch.write()
    return may_be_more


class _Batch:
    """Contents that are on their way into the store."""

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
        # Where few may be open, there are others who need some.
        self._portion = (_OPEN if limit < 0 else max(2, min(_OPEN, limit // 4))) // 2

    def _begin(self) -> None:
        self._digests: list[ContentDigest] = []
        # The temporary of each digest; None if there is none yet, or the object is there.
        self._temporaries: dict[ContentDigest, str | None] = {}
        self._bytes = 0
        self._shards: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether the batch should be stored before more is added."""
        return len(self._digests) >= _FILES or self._bytes >= _BYTES

    def add(self, readable: "BinaryIO") -> None:
        """Reads a content to its end and keeps it aside, or in memory if it is short.

        Raises:
            BackendError: It, or one before it that was in memory, could not be read or written;
                the batch is what comes before that.
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
        if len(self._short) + len(self._unsynced) >= self._portion or self._in_memory >= _IN_MEMORY:
            self.write()

    def _add_long(self, digest: "ContentDigest", fd: int, temporary: str) -> None:
        try:
            self._write_short()  # in order, so that a failure leaves those before it
            if digest not in self._temporaries:
                with self._folder.hold():
                    there = self._store.touch(digest)
                if there is not None:
                    self._temporaries[digest] = None
                    self._unsynced.append((there, object_name(digest)))
                else:
                    self._temporaries[digest] = temporary
                    self._unsynced.append((fd, temporary))
                    self._bytes += os.lseek(fd, 0, os.SEEK_CUR)
                    fd = -1
        finally:
            if fd >= 0:
                self._store.abandon(fd, temporary)

    def write(self) -> None:
        """Keeps aside what is in memory, and begins to make durable what is not.

        Raises:
            BackendError: One could not be written; the batch is what comes before it.
            LockTimeoutError: Objects are being removed for too long; likewise.
            OutcomeUnknownError: Whether others of the batch are durable cannot be known.
        """
        self._write_short()
        self._sync()

    def store(self) -> "list[ContentDigest]":
        """Gives all contents their names; returns their digests, in order, once that is durable.

        Raises:
            BackendError: It could not be done.
            OutcomeUnknownError: Whether they are durable cannot be known.
        """
        self._sync()
        if self._syncing is not None:
            self._syncing.finish()
        with self._folder.hold():
            for digest, temporary in self._temporaries.items():
                if temporary is not None:
                    self._folder.rename(temporary, object_name(digest))
                    self._temporaries[digest] = None
            if self._syncing is not None and self._temporaries:
                shards = sorted({digest[:2] for digest in self._temporaries})
                parents = [*(f"objects/{shard}" for shard in shards), "objects"]
                folders = [*map(self._folder.path, parents), self._folder.root]
                self._syncing.finish_folders(folders)
        digests = self._digests
        self._begin()
        return digests

    def abandon(self) -> None:
        """Removes what was not stored, and lets go of everything."""
        if self._syncing is not None:
            self._syncing.close()
        for fd, _ in self._unsynced:
            files.close(fd)
        for temporary in self._temporaries.values():
            if temporary is not None:
                self._folder.discard(temporary)

    def _write_short(self) -> None:
        """Writes aside what is in memory and not in the store; then nothing is in memory."""
        contents, self._short, self._in_memory = self._short, {}, 0
        if not contents:
            return
        written = None
        try:
            with self._folder.hold():
                self._require_shards({digest[:2] for digest in contents})
                for digest, data in contents.items():
                    there = self._store.touch(digest, are_parents_real=True)
                    if there is not None:
                        self._unsynced.append((there, object_name(digest)))
                    else:
                        fd, temporary = self._store.set_aside(data, are_parents_real=True)
                        self._temporaries[digest] = temporary
                        self._unsynced.append((fd, temporary))
                        self._bytes += len(data)
                    written = digest
        except BaseException:
            self._forget_after(written, contents)
            raise

    def _require_shards(self, shards: "set[str]") -> None:
        """Refuses folders that are no real ones; once a batch, since looking takes time, too."""
        if not self._shards:
            self._folder.require_parents("tmp/")
            self._folder.require_parents("objects/")
        for shard in shards - self._shards:
            self._folder.require_folder(f"objects/{shard}")
        self._shards |= shards

    def _forget_after(
        self, written: "ContentDigest | None", contents: "dict[ContentDigest, bytes]"
    ) -> None:
        """Takes those out of the batch that come after the last of `contents` that was written."""
        digests = list(contents)
        lost = digests[0 if written is None else digests.index(written) + 1 :]
        if lost:
            del self._digests[self._digests.index(lost[0]) :]
        for digest in lost:
            temporary = self._temporaries.pop(digest)
            if temporary is not None:  # Ctrl-C came right behind it
                self._folder.discard(temporary)

    def _sync(self) -> None:
        """Begins to make durable what is not, once the portion before is; closes its files."""
        written, self._unsynced = self._unsynced, []
        if self._syncing is not None:
            self._syncing.begin(written, self._bytes)
        else:
            for fd, _ in written:
                files.close(fd)
