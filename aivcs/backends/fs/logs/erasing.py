"""Erasing lines and whole logs, and every copy of them in the folder.

A log is redacted by a new file that is renamed over the old one, under the old one's lock: a writer
that waited for it finds another file in its place, and opens that. The modification time stays, as
the time when the log arrived.

Other copies go first, so that a call that is interrupted is one that was not made: what repairs and
torn ends left in `damaged/`, temporary files of processes that are gone (one may be of an earlier
attempt), the index of texts, and the index of runs, which has tags.
"""

import os

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.folder import is_abandoned
from aivcs.backends.fs.index import texts
from aivcs.backends.fs.index.cache import NAME as INDEX
from aivcs.backends.fs.logs import LockedLog
from aivcs.log.redaction import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from aivcs.backends.fs.folder import Folder

_BATCH_BYTES = 1 << 20
"""Bytes of lines that are written at once."""


def redact(folder: "Folder", name: str, stubs: "Mapping[int, bytes]") -> None:
    """Replaces lines of a log; as `Erasing.redact`.

    Raises:
        ConflictError: The log is not the one that the stubs were made for.
        IntegrityError: The end of the log is damaged.
        LockTimeoutError: Another process holds it for too long.
        BackendError: It cannot be read or written; nothing has changed.
        OutcomeUnknownError: Whether the change is durable cannot be known.
    """
    file = layout.log_path(name)
    log = LockedLog.lock(folder, file)
    if log is None or log.view is None:
        return
    try:
        forget(folder, (file,))
        run_id = name.removeprefix("run/")
        texts.forget(folder, run_id)
        fd, temporary = folder.create_temporary()
        try:
            with files.os_errors("write", folder.path(file)):
                batch, size, changed = [], 0, False
                for old, new in zip(
                    log.view.forth(), replaced(name, log.view.forth(), stubs), strict=True
                ):
                    changed = changed or old != new
                    batch.append(new)
                    size += len(new)
                    if size >= _BATCH_BYTES:
                        files.write_all(fd, b"".join(batch))
                        batch, size = [], 0
                files.write_all(fd, b"".join(batch))
                status = os.stat(folder.path(file))
                os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:
            files.close(fd)
            folder.discard(temporary)
            raise
        if changed:
            folder.publish(fd, temporary, file)
        else:
            files.close(fd)
            folder.discard(temporary)
            folder.sync_parents(file)  # an earlier attempt may have renamed it and gone no further
        texts.forget(folder, run_id)  # somebody may have indexed the old text meanwhile
    finally:
        log.close()


def remove(folder: "Folder", names: "Iterable[str]") -> None:
    """Removes logs; as `Erasing.remove_many`.

    Raises:
        BackendError: One cannot be removed; others may be gone.
        OutcomeUnknownError: Whether they are gone durably cannot be known.
    """
    paths = [layout.log_path(name) for name in names]
    forget(folder, paths)
    texts.forget(folder)
    with files.os_errors("remove", INDEX):
        try:
            os.unlink(folder.path(INDEX))
        except FileNotFoundError:
            pass
    shards = {}
    for path in paths:
        shard = path[: path.rfind("/")]
        if shard not in shards:
            folder.require_parents(path)
            shards[shard] = path
        with files.os_errors("remove", path):
            try:
                os.unlink(folder.path(path))
            except FileNotFoundError:
                continue
    texts.forget(folder)  # somebody may have indexed the old text meanwhile
    if folder.is_durable:
        for shard in shards:
            try:
                files.sync_folder(folder.path(shard))
            except FileNotFoundError:
                continue
        files.sync_folder(folder.root)


def forget(folder: "Folder", paths: "Iterable[str]") -> None:
    """Removes what is left beside their places of files that are about to be erased.

    Args:
        folder: The store's folder.
        paths: The paths of the files below the store.

    Raises:
        BackendError: Something cannot be removed.
    """
    quarantined = folder.names_in(layout.QUARANTINE)
    if quarantined:
        origins = set(map(layout.quarantined_flat, paths))
        for entry in quarantined:
            if not origins.isdisjoint(layout.quarantined_from(entry)):
                _unlink(folder, f"{layout.QUARANTINE}/{entry}")
        files.sync_folder(folder.path(layout.QUARANTINE))
    for entry in folder.names_in(layout.TEMPORARY):
        if layout.is_temporary(entry) and is_abandoned(entry):
            _unlink(folder, f"{layout.TEMPORARY}/{entry}")


def damaged_copies(folder: "Folder", digest: str) -> "Iterator[BinaryIO]":
    """Yields the objects of a blob in `damaged/`; as `Erasing.damaged_copies`."""
    for name in folder.names_in(layout.QUARANTINE):
        if layout.quarantined_digest_of(name) == digest:
            fd = files.open_file(folder.path(f"{layout.QUARANTINE}/{name}"), os.O_RDONLY)
            if fd is not None:
                with os.fdopen(fd, "rb") as file:
                    yield file


def _unlink(folder: "Folder", name: str) -> None:
    with files.os_errors("remove", folder.path(name)):
        try:
            os.unlink(folder.path(name))
        except FileNotFoundError:
            pass
