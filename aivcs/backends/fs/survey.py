"""What has happened to the runs of a store since its index was written: as little as can be read.

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
from stat import S_ISREG
from time import time_ns

from aivcs.backends.fs import files
from aivcs.backends.fs.index import STATUS, Index, blank_row, row_of, stamp_of
from aivcs.codec.json import encode_trusted
from aivcs.errors import (
    InvalidNameError,
    RunNotFoundError,
    SerializationError,
    StorageError,
)
from aivcs.log import chain
from aivcs.model.run import RunId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.index import Row, Stamp
    from aivcs.model.run import RunRecord

    Get = Callable[[str], RunRecord]
    Unread = list[tuple[str, StorageError]]

_LOOK = 1 << 14
"""Bytes of either end of a log that are read where it is long."""
_MANY = 5000
"""Logs to read from which on making the index anew is no more work."""
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
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Survey:
    """What has changed.

    Attributes:
        rows: The rows of runs that are new, have changed, or may have, by id.
        gone: Ids of runs that are no more.
        folders: Inode and time of change of folders that were read; None for one that is no more.
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
        BrokenError: The index is none.
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
        if not is_same and _settled(stamp[1]):
            found.folders[shard] = stamp
            looks += len(known)
        for run_id, mark in _logs(folder, shard, known):
            was = known.pop(run_id, None)
            if was == mark:
                continue
            found.rows[run_id] = _read(folder, run_id, get, found.unread)
            if len(found.rows) > _MANY:
                return None
            if run_id in unfinished:
                changes += found.rows[run_id] != unfinished[run_id][1]
            else:
                changes += 1
                is_rewritten = is_rewritten or was is not None
        found.gone.update(known)
    for shard in before:
        found.folders[shard] = None
        found.gone.update(index.known(shard))
    changes += len(found.gone) + len(found.folders)
    for run_id, (_, row) in unfinished.items():
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
    for shard, stamp in folders_of_runs(folder):
        folders[shard] = stamp[0], _settled(stamp[1])
        for run_id in sorted(run_id for run_id, _ in _logs(folder, shard, {})):
            yield _read(folder, run_id, get, [])


def count_contradictions(folder: "Folder", index: Index, get: "Get") -> int:
    """Returns of how many runs an index says other than their logs, where it would be believed.

    Args:
        folder: The store's folder.
        index: The index.
        get: Returns the record of a run.

    Raises:
        BackendError: A folder cannot be looked into.
        BrokenError: The index is none.
    """
    count, unseen = 0, index.total()
    before = index.folders()
    for shard, stamp in folders_of_runs(folder):
        rows = index.rows(shard)
        unseen -= len(rows)
        is_same = before.pop(shard, None) == stamp
        for run_id, mark in _logs(folder, shard, rows):
            row = rows.pop(run_id, None)
            if row is None:
                count += is_same  # nobody would look for it
            elif row[1:STATUS] == mark:
                count += _read(folder, run_id, get, [])[STATUS:] != row[STATUS:]
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
        number -= sum(1 for _ in _logs(folder, shard, {}))
        if number < 0:
            return True
    return False


def folders_of_runs(folder: "Folder") -> "Iterator[tuple[str, tuple[int, int]]]":
    """Yields the folders of runs with inode and time of change (nanoseconds), by name.

    Raises:
        BackendError: They cannot be looked at.
    """
    path = folder.path("runs")
    folder.require_parents("runs/")
    with files.doing("list", path):
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return
    for name in names:
        if len(name) != 2:
            continue
        with files.doing("look at", f"{path}/{name}"):
            try:
                status = os.lstat(f"{path}/{name}")
            except FileNotFoundError:
                continue
            if status.st_mode & 0o170000 != 0o040000:
                files.require_folder(f"{path}/{name}")
        yield name, (status.st_ino, status.st_ctime_ns)


def _logs(folder: "Folder", shard: str, known: "dict[str, Stamp]") -> "Iterator[tuple[str, Stamp]]":
    """Yields the logs that stand in a folder, as their names say, with their stamps."""
    path = folder.path(f"runs/{shard}")
    with files.doing("list", path):
        try:
            entries = os.scandir(path)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                name = entry.name
                run_id = name[:-6]
                if not name.endswith(".jsonl") or run_id[:2] != shard:
                    continue
                if run_id not in known:
                    try:
                        RunId(run_id)
                    except InvalidNameError:
                        continue  # a stray file; verify reports it
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield run_id, stamp_of(status)


def _read(folder: "Folder", run_id: str, get: "Get", unread: "Unread") -> "Row":
    """The row of a run, from its log."""
    stamp, head, tail = _NEVER, b"", b""
    try:
        fd = os.open(f"{folder.root}/runs/{run_id[:2]}/{run_id}.jsonl", _FLAGS)
        try:
            status = os.fstat(fd)
            stamp = stamp_of(status)
            if S_ISREG(status.st_mode):
                head = tail = os.pread(fd, _LOOK, 0)
                if status.st_size > _LOOK:
                    tail = os.pread(fd, _LOOK, status.st_size - _LOOK)
        finally:
            os.close(fd)
    except OSError:
        pass  # who is asked next will say so
    row = sealed_row(run_id, stamp, head, tail)
    if row is not None:
        return row
    try:
        # Only what can still change is looked at again, so only of that the moment counts.
        inode, size, changed, modified = stamp
        return row_of(get(run_id), (inode, size, _settled(changed), modified))
    except RunNotFoundError:
        pass  # a crash left it before its first line, or it is about to be written
    except StorageError as error:
        unread.append((run_id, error))
    return blank_row(run_id, _NEVER)


def sealed_row(run_id: str, stamp: "Stamp", head: bytes, tail: bytes) -> "Row | None":
    """Returns the row of a log that is over and as aivcs writes it; None if in any doubt.

    Says what `row_of` says of what `fold` makes of its first and last line, in half the time.

    Args:
        run_id: The run.
        stamp: The stamp of its log.
        head: Whole lines from its beginning, and perhaps more.
        tail: The bytes at its end, at least the last line and the end of the one before it.
    """
    begin = tail.rfind(b"\n", 0, -1) + 1
    if not tail.startswith(b'{"type":"end","status":"', begin) or tail[-1:] != b"\n":
        return None
    first, last = head[: head.find(b"\n")], tail[begin:-1]
    previous = chain.hash_of(tail[max(0, begin - 1 - chain.LINK_BYTES) : begin - 1])
    if previous is None or not chain.is_right(first, "") or not chain.is_right(last, previous):
        return None
    try:
        entry, ending = chain.members(first), chain.members(last)
        metadata, summary = entry["metadata"], ending["summary"]
        agent, git_sha, tags = metadata["agent_name"], metadata["git_sha"], metadata["tags"]
        state, spec, status = summary["final_state_digest"], entry["spec_digest"], ending["status"]
        if (
            entry["type"] != "run"
            or entry["run_id"] != run_id
            or "owner" in entry
            or status not in _OVER
            or not _is_name(agent)
            or not (git_sha is None or _is_name(git_sha))
            or not _is_digest(spec)
            or not (state is None or _is_digest(state))
            or not _is_moment(entry["created_at"])
            or not _is_moment(ending["completed_at"])
            or not _is_count(summary["total_events"])
            or not _is_count(summary["duration_ms"])
            or type(summary["success"]) is not bool
            or not (summary.get("exit_code") is None or _is_count(summary["exit_code"]))
        ):
            return None
        return (
            run_id, *stamp, status, entry["created_at"], agent, spec, git_sha,
            encode_trusted(tags) if tags != {} else None, None, summary["total_events"], state,
            summary["duration_ms"], summary["success"], summary.get("exit_code"),
            ending["completed_at"],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, StorageError, SerializationError):
        return None


_OVER = frozenset(("COMPLETED", "FAILED", "CANCELLED"))
_DIGITS = dict.fromkeys(map(ord, "123456789"), "0")
_HEX = frozenset("0123456789abcdef")


def _is_name(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= 200 and value.isprintable()


def _is_digest(value: object) -> bool:
    return type(value) is str and len(value) == 64 and _HEX.issuperset(value)


def _is_moment(value: object) -> bool:
    return type(value) is str and value.translate(_DIGITS) == "0000-00-00T00:00:00.000000Z"


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _settled(changed: int) -> int:
    """A time of change, or 0, which no file has, if it may come to stand for a later change too."""
    coarse = 2_000_000_000 if changed % 1_000_000_000 == 0 else 100_000_000
    return changed if changed + coarse < time_ns() else 0


def is_as_read(folder: "Folder", row: "Row") -> bool:
    """Tells whether a log is still the one that a row was read from."""
    run_id = row[0]
    try:
        status = os.lstat(f"{folder.root}/runs/{run_id[:2]}/{run_id}.jsonl")
    except OSError:
        return False
    return bool(stamp_of(status) == row[1:STATUS])
