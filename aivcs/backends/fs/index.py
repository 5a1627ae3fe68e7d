"""`index.sqlite`: what listing says of each run, so that the log of a finished run is read once.

It is a cache and never the truth: whatever is wrong with it costs time, and nothing that decides
(gates, `verify`, `gc`) asks it. Nobody is told of its faults; it is left aside, and made anew where
that can be done.

The file is *sealed*: its modification time is a moment long ago, drawn by lot, that also stands
inside. Whoever changes a byte of it later (a stray write, a restore, a process that was killed in
the middle) breaks the seal, because that sets the time; so of a sealed file everything can be
believed without reading it. Who changes it takes the seal away, durably, before the first byte, and
puts a new one on when the last is durable. Readers lock it shared, writers alone (`flock`); SQLite
itself is told not to lock, and keeps its journal in memory.
"""

import os

from aivcs.backends.fs import files
from aivcs.codec.json import encode_trusted, parse
from aivcs.errors import AivcsError, BackendError, LockTimeoutError
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunId, RunMetadata, RunOwner, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp

# Not the package sqlite3: it brings datetime, which costs more than the database itself.
try:
    import _sqlite3 as sqlite
except ImportError:  # an interpreter that was built without it
    sqlite = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.run_filter import Selection

    Row = tuple[Any, ...]
    Stamp = tuple[int, int, int, int]

NAME = "index.sqlite"
VERSION = 2
"""Of what stands in the file; an index of another version is made anew."""
_PATIENCE = 1.0
"""Seconds to wait for somebody who writes: he is done in a moment."""
STATUS = 5
"""Where the status stands in a row; the stamp of the log it was read from stands before it."""
_COLUMNS = (
    "run_id, inode, size, changed, modified, status, created_at, agent_name, spec_digest, git_sha, "
    "tags, owner, total_events, final_state_digest, duration_ms, success, exit_code, completed_at"
)
_INSERT = f"INSERT OR REPLACE INTO runs ({_COLUMNS}) VALUES ({', '.join('?' * 18)})"  # noqa: S608 no value of anybody's is in it
_SELECT = f"SELECT {_COLUMNS} FROM runs"  # noqa: S608 nor here
_SELECT_OUTCOMES = "SELECT run_id, agent_name, status, created_at, duration_ms FROM runs"
_TABLES = (
    "CREATE TABLE meta (version INTEGER, seal INTEGER)",
    "CREATE TABLE folders (name TEXT PRIMARY KEY, inode INTEGER, changed INTEGER)",
    f"CREATE TABLE runs ({_COLUMNS.replace('run_id', 'run_id TEXT PRIMARY KEY')})",
)
_INDICES = (
    "CREATE INDEX by_age ON runs (created_at)",
    "CREATE INDEX by_agent ON runs (agent_name, created_at)",
    "CREATE INDEX by_status ON runs (status, created_at)",
    "CREATE INDEX by_spec ON runs (spec_digest, created_at)",
)
# From name to name in the index over them, however many runs each has.
_AGENTS = """
    WITH RECURSIVE names(name) AS (
        SELECT min(agent_name) FROM runs WHERE agent_name >= ? AND agent_name < ?
        UNION ALL
        SELECT (SELECT min(agent_name) FROM runs WHERE agent_name > name AND agent_name < ?)
        FROM names WHERE name IS NOT NULL LIMIT ?)
    SELECT name, (SELECT max(created_at) FROM runs WHERE agent_name = name) FROM names
"""


class BrokenError(Exception):
    """The index cannot be used."""


class Index:
    """The index as it is at a moment, locked against change until it is closed.

    Every method raises `BrokenError` where the file turns out to be no index.
    """

    __slots__ = ("_database", "_fd", "_path")

    def __init__(self, folder: "Folder", *, patience: float = _PATIENCE) -> None:
        """Opens it.

        Args:
            folder: The store's folder.
            patience: Seconds to wait for somebody who writes; then it goes without the index.

        Raises:
            BrokenError: There is none that can be used.
        """
        path = folder.path(NAME)
        fd = _lock(folder, patience, shared=True)
        try:
            self._database = _connect(path, "immutable=1")
            try:
                _check_place(path, fd)
                _check_seal(self._database, os.fstat(fd).st_mtime_ns)
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._path = path

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        os.close(self._fd)

    def folders(self) -> "dict[str, tuple[int, int]]":
        """Returns inode and time of change (nanoseconds) that each folder of runs was read at."""
        rows = self._all("SELECT name, inode, changed FROM folders")
        return {name: (inode, changed) for name, inode, changed in rows}

    def unfinished(self) -> "dict[str, tuple[Stamp, Row]]":
        """Returns the rows of runs that were not over, or not readable, by id."""
        rows = self._all(
            f"{_SELECT} WHERE status = 'RUNNING' UNION ALL {_SELECT} WHERE status IS NULL"
        )
        return {row[0]: (row[1:STATUS], row) for row in rows}

    def known(self, shard: str) -> "dict[str, Stamp]":
        """Returns the stamps that the logs of one folder were read at, by id."""
        rows = self._all(
            "SELECT run_id, inode, size, changed, modified FROM runs "
            "WHERE run_id >= ? AND run_id < ?",
            _shard_range(shard),
        )
        return {row[0]: row[1:] for row in rows}

    def total(self) -> int:
        """Returns how many rows there are."""
        ((count,),) = self._all("SELECT count(*) FROM runs")
        return int(count)

    def rows(self, shard: str) -> "dict[str, Row]":
        """Returns the rows of the runs of one folder, by id."""
        rows = self._all(f"{_SELECT} WHERE run_id >= ? AND run_id < ?", _shard_range(shard))
        return {row[0]: row for row in rows}

    def newest(
        self, selection: "Selection", before: "tuple[str, str] | None", number: int
    ) -> "list[Row]":
        """Returns the newest rows that fit, whatever their tags.

        Args:
            selection: What is wanted.
            before: Only those that come behind the run with this moment of creation and this id.
            number: At most so many.
        """
        conditions, values = _conditions(selection)
        if before is not None:
            conditions.append("(created_at, run_id) < (?, ?)")
            values += before
        return self._all(
            f"{_SELECT} WHERE {' AND '.join(conditions)} "
            "ORDER BY created_at DESC, run_id DESC LIMIT ?",
            (*values, number),
        )

    def outcomes(
        self, selection: "Selection", after: str, number: int
    ) -> "list[tuple[str, str, str, str, int | None]]":
        """Returns id, agent, status, moment of creation and duration of runs that fit, by id.

        Args:
            selection: What is wanted; its tags do not count.
            after: Only those whose ids come behind this one.
            number: At most so many.
        """
        conditions, values = _conditions(selection)
        return self._all(
            f"{_SELECT_OUTCOMES} WHERE {' AND '.join(conditions)} AND run_id > ? "
            "ORDER BY run_id LIMIT ?",
            (*values, after, number),
        )

    def count(self, without: "Iterable[str]") -> "dict[str, int]":
        """Returns how many runs have each status, some left out."""
        counts: dict[str, int] = dict(
            self._all("SELECT status, count(*) FROM runs WHERE status IS NOT NULL GROUP BY status")
        )
        for run_id in without:
            for (status,) in self._all("SELECT status FROM runs WHERE run_id = ?", (run_id,)):
                if status is not None:
                    counts[status] -= 1
        return counts

    def begins(self, prefix: str, status: "str | None", number: int) -> "list[Row]":
        """Returns the newest rows of runs whose id begins so.

        Args:
            prefix: How the id begins.
            status: Only those that were this.
            number: At most so many.
        """
        where, values = "status IS NOT NULL", []
        if status is not None:
            where, values = "status = ?", [str(status)]
        if prefix:
            where += " AND run_id >= ? AND run_id < ?"
            values += _range(prefix)
        # With a prefix, few fit: better to sort these than to look through all by their age.
        order = "+created_at" if prefix and status is None else "created_at"
        return self._all(
            f"{_SELECT} WHERE {where} ORDER BY {order} DESC, run_id DESC LIMIT ?",
            (*values, number),
        )

    def agents(self, prefix: str, number: int) -> "dict[str, str]":
        """Returns the names of agents that begin so, each with the moment of its last run.

        Args:
            prefix: How the name begins.
            number: At most so many.
        """
        first, last = _range(prefix)
        rows = self._all(_AGENTS, (first, last, last, number))
        return {name: created for name, created in rows if name is not None}

    def _all(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        try:
            rows: list[Any] = self._database.execute(query, values).fetchall()
        except sqlite.Error as error:
            try:
                os.unlink(self._path)  # whole, but no index: the next one is made anew
            except OSError:
                pass
            raise BrokenError from error
        return rows


def _conditions(selection: "Selection") -> "tuple[list[str], list[str]]":
    """What is wanted of a readable run, whatever its tags: conditions, and the values in them."""
    wanted = [
        ("agent_name = ?", selection.agent_name),
        ("status = ?", selection.status),
        ("spec_digest = ?", selection.spec_digest),
        ("created_at >= ?", selection.since),
    ]
    conditions = ["status IS NOT NULL", *(text for text, value in wanted if value is not None)]
    return conditions, [str(value) for _, value in wanted if value is not None]


def build(folder: "Folder", rows: "Iterable[Row]", folders: "dict[str, tuple[int, int]]") -> bool:
    """Makes the index anew, and tells whether that could be done.

    Args:
        folder: The store's folder.
        rows: All there is to say; what they raise is raised.
        folders: As `Index.folders`, complete when the rows have been read.
    """
    if sqlite is None or not _may_replace(folder):
        return False
    try:
        fd, temporary = folder.create_temporary()
    except BackendError:
        return False
    try:
        database = _connect(temporary, "nolock=1")
        try:
            for statement in ("PRAGMA journal_mode = OFF", "BEGIN", *_TABLES):
                database.execute(statement)
            database.executemany(_INSERT, rows)
            for statement in _INDICES:
                database.execute(statement)
            database.execute("INSERT INTO meta VALUES (?, 0)", (VERSION,))
            _note_folders(database, folders)
            _seal(database, temporary, fd)
        finally:
            database.close()
        os.rename(temporary, folder.path(NAME))
    except (sqlite.Error, BrokenError, OSError):
        folder.discard(temporary)
        return False
    except BaseException:
        folder.discard(temporary)
        raise
    finally:
        os.close(fd)
    return True


def update(
    folder: "Folder",
    rows: "Iterable[Row]",
    gone: "Iterable[str]",
    folders: "dict[str, tuple[int, int] | None]",
) -> None:
    """Writes what has changed, if that can be done at once; otherwise somebody else will.

    Args:
        folder: The store's folder.
        rows: Of new runs, and instead of those of the same runs.
        gone: Ids of runs that are no more.
        folders: As `Index.folders`; None for one that is no more.
    """
    try:
        fd = _lock(folder, 0, shared=False)
    except BrokenError:
        return
    path, target, temporary = folder.path(NAME), fd, ""
    try:
        before = os.fstat(fd)
        if os.geteuid() not in {0, before.st_uid}:
            # Only its owner can seal a file, so this becomes one of ours.
            target, temporary = folder.create_temporary()
            _copy(fd, target)
        database = _connect(temporary or path, "nolock=1")
        try:
            _check_seal(database, before.st_mtime_ns)
            if not temporary:
                _check_place(path, fd)
                os.utime(path)
                os.fsync(fd)
            database.execute("PRAGMA journal_mode = MEMORY")
            database.execute("BEGIN")
            database.executemany(_INSERT, rows)
            database.executemany("DELETE FROM runs WHERE run_id = ?", ((one,) for one in gone))
            _note_folders(database, folders)
            _seal(database, temporary or path, target)
        finally:
            database.close()
        if temporary:
            os.rename(temporary, path)
    except (sqlite.Error, BrokenError, BackendError, OSError):
        if temporary:
            folder.discard(temporary)
    finally:
        os.close(fd)
        if target != fd:
            os.close(target)


def remove(folder: "Folder") -> None:
    """Removes the index, so that the next listing makes it anew.

    Raises:
        BackendError: It cannot be removed.
    """
    with files.os_errors("remove", folder.path(NAME)):
        try:
            os.unlink(folder.path(NAME))
        except FileNotFoundError:
            pass


def row_of(record: "RunRecord", stamp: "Stamp") -> "Row":
    """Returns the row of a run whose log had this stamp when it was read."""
    summary = record.summary
    ending: tuple[Any, ...] = (None,) * 5
    if summary is not None:
        ending = (
            summary.total_events,
            summary.final_state_digest,
            summary.duration_ms,
            int(summary.success),
            summary.exit_code,
        )
    metadata = record.metadata
    return (
        str(record.run_id), *stamp, str(record.status), str(record.created_at),
        metadata.agent_name, str(record.spec_digest), metadata.git_sha,
        encode_trusted(metadata.tags) if metadata.tags != {} else None,
        None if record.owner is None else encode_trusted(record.owner.to_json()),
        *ending, record.completed_at,
    )  # fmt: skip


def blank_row(run_id: str, stamp: "Stamp") -> "Row":
    """Returns the row of a log that is not yet one, or cannot be read."""
    return (run_id, *stamp, *(None,) * 13)


def stamp_of(status: os.stat_result) -> "Stamp":
    """Returns inode, size, and times of change and of writing (nanoseconds) of a log.

    No log that differs in content has the same stamp: every write sets the time of change, which
    nobody can set back.
    """
    return status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns


def record_of(row: "Row") -> "RunRecord":
    """Returns the record that a row was made of.

    Raises:
        BrokenError: It was made of none.
    """
    run_id, _, _, _, _, status, created_at, agent, spec, git_sha, tags, owner, *ending = row
    try:
        total, state, duration, success, exit_code, completed_at = ending
        summary = None
        if completed_at is not None:
            summary = RunSummary(
                total_events=total,
                final_state_digest=state,
                duration_ms=duration,
                success=bool(success),
                exit_code=exit_code,
            )
        return RunRecord(
            run_id=RunId(run_id),
            spec_digest=ContentDigest(spec),
            metadata=RunMetadata(agent, git_sha=git_sha, tags={} if tags is None else parse(tags)),
            status=RunStatus(status),
            summary=summary,
            created_at=Timestamp.stored(created_at),
            completed_at=None if completed_at is None else Timestamp.stored(completed_at),
            owner=None if owner is None else RunOwner(**parse(owner)),
        )
    except (AivcsError, TypeError, ValueError) as error:
        raise BrokenError from error


def _shard_range(shard: str) -> "tuple[str, str]":
    """The ids between which those of one folder lie."""
    return shard, shard[:-1] + chr(ord(shard[-1]) + 1)


def _range(prefix: str) -> "list[str]":
    """The texts between which those lie that begin so."""
    return [prefix, f"{prefix}\U0010ffff"]


def _lock(folder: "Folder", patience: float, *, shared: bool) -> int:
    """Opens and locks the index; returns the descriptor whose closing frees it."""
    if sqlite is None:
        raise BrokenError
    path = folder.path(NAME)
    try:
        fd = files.open_file(path, os.O_RDONLY)
    except BackendError as error:
        raise BrokenError from error
    if fd is None:
        raise BrokenError
    try:
        files.lock_file(fd, path, patience, shared=shared)
        owner = os.fstat(fd).st_uid
        root = os.stat(folder.root)
        if owner not in {0, os.geteuid(), root.st_uid} and not root.st_mode & 0o020:
            raise BrokenError  # whoever put it there has no business here
    except (LockTimeoutError, BackendError, OSError) as error:
        os.close(fd)
        raise BrokenError from error
    except BaseException:
        os.close(fd)
        raise
    return fd


def _may_replace(folder: "Folder") -> bool:
    """Whether a new index can be put in the place of what is there."""
    path = folder.path(NAME)
    return os.access(folder.root, os.W_OK) and (os.path.islink(path) or not os.path.isdir(path))


def _connect(path: str, how: str) -> "Any":
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        database = sqlite.connect(
            f"file:{quoted}?{how}", uri=True, isolation_level=None, check_same_thread=False
        )
        # The seal says whether all of it was written; SQLite need not see to that.
        database.execute("PRAGMA synchronous = OFF")
    except (sqlite.Error, UnicodeError) as error:
        raise BrokenError from error
    return database


def _check_place(path: str, fd: int) -> None:
    """Refuses a file that was replaced before SQLite opened it by its name."""
    try:
        mine, there = os.fstat(fd), os.stat(path)
    except OSError as error:
        raise BrokenError from error
    if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
        raise BrokenError


def _check_seal(database: "Any", modified: int) -> None:
    """Refuses a file that is not what was sealed."""
    try:
        row = database.execute("SELECT version, seal FROM meta").fetchone()
    except sqlite.Error as error:
        raise BrokenError from error
    if row != (VERSION, modified):
        raise BrokenError


def _seal(database: "Any", path: str, fd: int) -> None:
    """Ends a transaction and makes the file one that is believed.

    Raises:
        BrokenError: The file system does not keep the time.
    """
    # Whole, even seconds between 1970 and 2004: any file system can keep them, and no clock that
    # is about right gives them to a file that is written.
    seal = (int.from_bytes(os.urandom(4), "big") >> 3) * 2_000_000_000
    database.execute("UPDATE meta SET seal = ?", (seal,))
    database.execute("COMMIT")
    os.fsync(fd)
    os.utime(path, ns=(seal, seal))
    if os.fstat(fd).st_mtime_ns != seal:
        raise BrokenError


def _note_folders(database: "Any", folders: "dict[str, Any]") -> None:
    for name, stamp in folders.items():
        if stamp is None:
            database.execute("DELETE FROM folders WHERE name = ?", (name,))
        else:
            database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (name, *stamp))


def _copy(source: int, target: int) -> None:
    offset = 0
    while block := os.pread(source, 1 << 20, offset):
        files.write_all(target, block)
        offset += len(block)
