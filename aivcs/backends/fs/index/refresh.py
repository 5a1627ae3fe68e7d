"""Finds the run logs that changed since the index was written, reading as few files as possible.

A folder that has not changed since it was read has the same names in it; so only folders that have,
and logs of runs that were not over, are looked at. In a changed folder every log is looked at, but
only one that is another file than before, or has changed as one, is read.

aivcs never writes to a log that is over, but restoring a copy in place does, and no folder changes
by that. So whoever shows a row proves it first by the stamp of its log (`is_as_read`), and whoever
counts runs, or asks which are not over, has every log looked at (`every`).

A time stamp is believed only if it is older than the clock of the file system is coarse: what was
changed a moment ago may be changed again within the same tick.
"""

import os
from time import time_ns

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.index.cache import STATUS, Index, blank_row, row_of, stamp_of
from aivcs.errors import RunNotFoundError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.index.cache import Row, Stamp
    from aivcs.model.run import RunRecord

    Get = Callable[[str], RunRecord]
    Unread = list[tuple[str, StorageError]]

_MANY = 5000
"""Number of changed logs above which the index is rebuilt instead of updated."""
_WORTH = 8
"""Changes from which on a new index may be written; fewer are found again as fast."""
_READ = 32
"""Logs that are looked at in the time in which one is read."""
_BYTES = 2048
"""Bytes of an index that are worth writing to save one look at a log in each later listing.

Writing that many takes as long as eight looks: an index is as large as the store, so a few changes
in a large one are found again rather than written.
"""
_NEVER = (0, 0, 0, 0)
"""A stamp that no log has."""


class Survey:
    """The changes since the index was written.

    Attributes:
        rows: The rows of runs that are new, have changed, or may have, by id.
        gone: Ids of removed runs.
        folders: Inode and time of change of folders that were read; None for one that was removed.
        unread: Ids of runs that cannot be read, and why.
        is_worth_writing: Whether the next survey would be much faster.
    """

    __slots__ = ("folders", "gone", "is_worth_writing", "rows", "unread")

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.gone: set[str] = set()
        self.folders: dict[str, tuple[int, int] | None] = {}
        self.unread: Unread = []
        self.is_worth_writing = False


def survey(folder: "Folder", index: Index, get: "Get", *, every: bool = False) -> "Survey | None":
    """Returns what has changed since an index was written; None if that is too much to hold.

    Args:
        folder: The store's folder.
        index: The index.
        get: Returns the record of a run.
        every: Whether to look at every log, as only that finds one that was overwritten in place.

    Raises:
        BackendError: A folder cannot be looked into.
        BrokenError: The file is not an index.
    """
    found = Survey()
    before = index.folders()
    unfinished = index.unfinished()
    changes, looks, is_rewritten = 0, 0, False
    for shard, stamp in folders_of_runs(folder):
        is_same = before.pop(shard, None) == stamp
        if is_same and not every:
            continue
        known = index.known(shard)
        if not is_same and settled(stamp[1]):
            found.folders[shard] = stamp
            looks += len(known)
        for run_id, mark in logs_in(folder, shard, known):
            was = known.pop(run_id, None)
            if was == mark:
                continue
            found.rows[run_id] = _read(folder, run_id, get, found.unread)
            if len(found.rows) > _MANY:
                return None
            if run_id in unfinished:
                changes += found.rows[run_id] != unfinished[run_id]
            else:
                changes += 1
                is_rewritten = is_rewritten or was is not None
        found.gone.update(known)
    for shard in before:
        found.folders[shard] = None
        found.gone.update(index.known(shard))
    changes += len(found.gone) + len(found.folders)
    for run_id, row in unfinished.items():
        if run_id in found.rows or run_id in found.gone:
            continue
        if row[STATUS] is None or not is_as_read(folder, row):
            found.rows[run_id] = _read(folder, run_id, get, found.unread)
            changes += found.rows[run_id] != row
    is_worth = changes >= _WORTH and (looks + _READ * changes) * _BYTES >= index.size
    found.is_worth_writing = is_worth or is_rewritten
    return found


def everything(
    folder: "Folder", get: "Get", folders: "dict[str, tuple[int, int]]"
) -> "Iterator[Row]":
    """Yields the rows of all runs, in the order of their ids.

    Args:
        folder: The store's folder.
        get: Returns the record of a run.
        folders: Takes inode and time of change of each folder.

    Raises:
        BackendError: A folder cannot be looked into.
    """
    read = _read_many(folder, get)
    for shard, stamp in folders_of_runs(folder):
        folders[shard] = stamp[0], settled(stamp[1])
        yield from map(read, sorted(names_in(folder, shard)))


def count_contradictions(folder: "Folder", index: Index, get: "Get") -> int:
    """Returns of how many runs an index says other than their logs, where it would be believed.

    Args:
        folder: The store's folder.
        index: The index.
        get: Returns the record of a run.

    Raises:
        BackendError: A folder cannot be looked into.
        BrokenError: The file is not an index.
    """
    count, unseen = 0, index.total()
    read = _read_many(folder, get)
    before = index.folders()
    for shard, stamp in folders_of_runs(folder):
        rows = index.rows(shard)
        unseen -= len(rows)
        is_same = before.pop(shard, None) == stamp
        for run_id, mark in logs_in(folder, shard, rows):
            row = rows.pop(run_id, None)
            if row is None:
                count += is_same  # nobody would look for it
            elif row[1:STATUS] == mark:
                count += read(run_id)[STATUS:] != row[STATUS:]
        if is_same:
            count += len(rows)
    # What is in no folder would be shown for ever, unless a folder is known to have vanished.
    return count + unseen - sum(len(index.known(shard)) for shard in before)


def has_more_than(folder: "Folder", number: int) -> bool:
    """Tells whether there are more logs than so many.

    Raises:
        BackendError: A folder cannot be looked into.
    """
    for shard, _ in folders_of_runs(folder):
        number -= sum(1 for _ in names_in(folder, shard))
        if number < 0:
            return True
    return False


def folders_of_runs(folder: "Folder") -> "Iterator[tuple[str, tuple[int, int]]]":
    """Yields the folders of runs with inode and time of change (nanoseconds), by name.

    Raises:
        BackendError: They cannot be looked at.
    """
    path = folder.path(layout.RUNS)
    folder.require_parents(f"{layout.RUNS}/")
    with files.os_errors("list", path):
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return
    for name in names:
        if len(name) != 2:
            continue
        with files.os_errors("look at", f"{path}/{name}"):
            try:
                status = os.lstat(f"{path}/{name}")
            except FileNotFoundError:
                continue
            if status.st_mode & 0o170000 != 0o040000:
                files.require_folder(f"{path}/{name}")
        yield name, (status.st_ino, status.st_ctime_ns)


def logs_in(
    folder: "Folder", shard: str, known: "dict[str, Stamp]"
) -> "Iterator[tuple[str, Stamp]]":
    """Yields the logs that stand in a folder, as their names say, with their stamps.

    Raises:
        BackendError: The folder cannot be looked into.
    """
    path = folder.path(f"{layout.RUNS}/{shard}")
    with files.os_errors("look at", path):
        for run_id in names_in(folder, shard, known):
            try:
                status = os.lstat(folder.path(layout.run_path(run_id)))
            except FileNotFoundError:
                continue
            yield run_id, stamp_of(status)


def names_in(folder: "Folder", shard: str, known: "Collection[str]" = ()) -> "Iterator[str]":
    """Yields the ids that names of files in a folder say; some are known to be ids."""
    path = folder.path(f"{layout.RUNS}/{shard}")
    with files.os_errors("list", path):
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            return
    for name in names:
        run_id = name[:-6]
        if not name.endswith(layout.SUFFIX) or run_id[:2] != shard:
            continue
        if run_id in known or layout.is_run_id(run_id):
            yield run_id


def _read_many(folder: "Folder", get: "Get") -> "Callable[[str], Row]":
    """Returns what reads one of very many runs: its loading takes as long as some hundred reads."""
    from aivcs.backends.fs.index.finished import read_finished

    return lambda run_id: read_finished(folder, run_id) or _read(folder, run_id, get, [])


def _read(folder: "Folder", run_id: str, get: "Get", unread: "Unread") -> "Row":
    """The row of a run, from its log."""
    try:
        # Before it is read: a log that changes meanwhile is read again. Only what can still change
        # is looked at again, so only of that the moment counts.
        status = os.lstat(folder.path(layout.run_path(run_id)))
        inode, size, changed, modified = stamp_of(status)
        record = get(run_id)
        if not record.status.is_terminal:
            changed = settled(changed)
        return row_of(record, (inode, size, changed, modified))
    except (OSError, RunNotFoundError):
        pass  # a crash left it before its first line, or it is about to be written
    except StorageError as error:
        unread.append((run_id, error))
    return blank_row(run_id, _NEVER)


def settled(changed: int) -> int:
    """Returns a time of change (ns), or 0 if it may come to stand for a later change too.

    No file has the time 0.
    """
    coarse = 2_000_000_000 if changed % 1_000_000_000 == 0 else 100_000_000
    return changed if changed + coarse < time_ns() else 0


def is_as_read(folder: "Folder", row: "Row") -> bool:
    """Tells whether a log is still the one that a row was read from."""
    run_id = row[0]
    try:
        status = os.lstat(folder.path(layout.run_path(run_id)))
    except OSError:
        return False
    return bool(stamp_of(status) == row[1:STATUS])
