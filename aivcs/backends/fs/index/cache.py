"""`index.sqlite`: what a listing says of each run, so that the log of a finished run is read once.

A cache and never the truth: a fault of it costs time, and nothing that decides (gates, `gc`) asks
it. Faults are not reported; an index that cannot be used is replaced where that is possible.

The file never changes. A new one is written under `tmp/` and renamed over it, so there are no
locks, no journal and no other file beside it. Whoever has opened one reads that same one to the
end, whatever takes its place meanwhile; a listing that opens it once, and compares it with the logs
after that, is right. The version is SQLite's `user_version`; each row has the stamp of its log as
proof. The modification time of every index is the same (`UNTOUCHED`): a write by another program
changes it, and then the file is not used.
"""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.backends.fs import files
from aivcs.codec.json import encode_trusted, parse
from aivcs.errors import AivcsError, BackendError
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
    from collections.abc import Iterable, Mapping
    from typing import Any, Self

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.run_filter import RunFilter

    Row = tuple[Any, ...]
    Stamp = tuple[int, int, int, int]
    Folders = Mapping[str, tuple[int, int] | None]

NAME = "index.sqlite"
VERSION = 3
"""The version of the tables (`PRAGMA user_version`); an index of another one is replaced."""
UNTOUCHED = 1_000_000_000_000_000_000
"""The modification time of every index (nanoseconds, in 2001): any file system can keep it."""
_TRIES = 5
"""Times to open an index that others keep replacing."""
STATUS = 5
"""Where the status stands in a row; the stamp of the log it was read from stands before it."""
CREATED_AT = 6
"""Where the moment of creation stands in a row."""
_COLUMNS = (
    "run_id, inode, size, changed, modified, status, created_at, agent_name, spec_digest, git_sha, "
    "tags, owner, total_events, final_state_digest, duration_ms, success, exit_code, completed_at"
)
_INSERT = f"INSERT OR REPLACE INTO runs ({_COLUMNS}) VALUES ({', '.join('?' * 18)})"  # noqa: S608 no value of anybody's is in it
_SELECT = f"SELECT {_COLUMNS} FROM runs"  # noqa: S608 nor here
_SELECT_OUTCOMES = "SELECT run_id, agent_name, status, created_at, duration_ms FROM runs"
_TABLES = (
    f"PRAGMA user_version = {VERSION}",
    "CREATE TABLE folders (name TEXT PRIMARY KEY, inode INTEGER, changed INTEGER)",
    f"CREATE TABLE runs ({_COLUMNS.replace('run_id', 'run_id TEXT PRIMARY KEY')})",
)
_INDICES = (
    "CREATE INDEX by_age ON runs (created_at)",
    "CREATE INDEX by_agent ON runs (agent_name, created_at)",
    "CREATE INDEX by_status ON runs (status, created_at)",
    "CREATE INDEX by_spec ON runs (spec_digest, created_at)",
)
_SPECS = """
    WITH RECURSIVE specs(spec) AS (
        SELECT min(spec_digest) FROM runs
        UNION ALL
        SELECT (SELECT min(spec_digest) FROM runs WHERE spec_digest > spec)
        FROM specs WHERE spec IS NOT NULL)
    SELECT spec FROM specs
"""
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


class SqliteIndex:
    """An open index file, with the folders and logs that it was made from.

    Every method raises `BrokenError` where the file turns out to be no index.

    Attributes:
        place: Which file it is, as `place_of` says.
    """

    __slots__ = ("_database", "_folder", "place")
    _database: "Any"
    place: "tuple[int, int] | None"

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder; a subclass opens the file."""
        self._folder = folder

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def folders(self) -> "dict[str, tuple[int, int]]":
        """Returns inode and time of change (nanoseconds) that each folder of runs was read at."""
        rows = self._all("SELECT name, inode, changed FROM folders")
        return {name: (inode, changed) for name, inode, changed in rows}

    def known(self, shard: str) -> "dict[str, Stamp]":
        """Returns the stamps that the logs of one folder were read at, by id."""
        rows = self._all(
            "SELECT run_id, inode, size, changed, modified FROM runs "
            "WHERE run_id >= ? AND run_id < ?",
            shard_range(shard),
        )
        return {row[0]: row[1:] for row in rows}

    def copy_to(self, database: "Any") -> None:
        """Copies all of it to an empty database.

        Raises:
            sqlite.Error: It cannot be read or written.
        """
        self._database.backup(database)

    def _all(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        try:
            rows: list[Any] = self._database.execute(query, values).fetchall()
        except (sqlite.Error, UnicodeError) as error:
            raise BrokenError from error
        return rows


class Index(SqliteIndex):
    """An index as it was written, even if another takes its place, until it is closed.

    Attributes:
        size: Its bytes.
    """

    __slots__ = ("size",)

    def __init__(self, folder: "Folder") -> None:
        """Opens the index of a store.

        Raises:
            BrokenError: The index is missing or unusable.
        """
        super().__init__(folder)
        for _ in range(_TRIES):
            self.place = place_of(folder)
            self.size = check_file(folder)
            self._database = connect(folder.path(NAME), "immutable=1")
            try:
                # SQLite opens by name: this tells whether it was the file that was checked.
                if place_of(folder) == self.place:
                    if self._all("PRAGMA user_version") != [(VERSION,)]:
                        raise BrokenError
                    return
            except BaseException:
                self.close()
                raise
            self.close()
        raise BrokenError

    def unfinished(self) -> "dict[str, Row]":
        """Returns the rows of runs that were not over, or not readable, by id."""
        rows = self._all(
            f"{_SELECT} WHERE status = 'RUNNING' UNION ALL {_SELECT} WHERE status IS NULL"
        )
        return {row[0]: row for row in rows}

    def total(self) -> int:
        """Returns how many rows there are."""
        ((count,),) = self._all("SELECT count(*) FROM runs")
        return int(count)

    def rows(self, shard: str) -> "dict[str, Row]":
        """Returns the rows of the runs of one folder, by id."""
        rows = self._all(f"{_SELECT} WHERE run_id >= ? AND run_id < ?", shard_range(shard))
        return {row[0]: row for row in rows}

    def newest(
        self, run_filter: "RunFilter", before: "tuple[str, str] | None", number: int
    ) -> "list[Row]":
        """Returns the newest rows that fit, whatever their tags.

        Args:
            run_filter: The filter.
            before: Only rows after the run with this time of creation and this id in the list.
            number: The number of rows, at most.
        """
        return self._newest(_SELECT, run_filter, before, number)

    def newest_ids(
        self, run_filter: "RunFilter", before: "tuple[str, str] | None", number: int
    ) -> "list[tuple[str, str]]":
        """Returns moment of creation and id of the runs whose rows `newest` returns."""
        return self._newest("SELECT created_at, run_id FROM runs", run_filter, before, number)

    def specs(self) -> "list[str]":
        """Returns the digests of all specs that runs have, each once."""
        return [spec for (spec,) in self._all(_SPECS) if spec is not None]

    def row(self, run_id: str) -> "list[Row]":
        """Returns the row of a run, or nothing."""
        return self._all(f"{_SELECT} WHERE run_id = ?", (run_id,))

    def _newest(
        self,
        select: str,
        run_filter: "RunFilter",
        before: "tuple[str, str] | None",
        number: int,
    ) -> "list[Any]":
        conditions, values = _conditions(run_filter)
        if before is not None:
            conditions.append("(created_at, run_id) < (?, ?)")
            values += before
        return self._all(
            f"{select} WHERE {' AND '.join(conditions)} "
            "ORDER BY created_at DESC, run_id DESC LIMIT ?",
            (*values, number),
        )

    def outcomes(
        self, run_filter: "RunFilter", after: str, number: int
    ) -> "list[tuple[str, str, str, str, int | None]]":
        """Returns id, agent, status, moment of creation and duration of runs that fit, by id.

        Args:
            run_filter: The filter; its tags are ignored.
            after: Only runs with a greater id.
            number: The number of rows, at most.
        """
        conditions, values = _conditions(run_filter)
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
        """Returns the newest rows of the runs whose id has a prefix.

        Args:
            prefix: The prefix of the id.
            status: Only runs that had this status; None is any.
            number: The number of rows, at most.
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
        """Returns the agent names with a prefix, each with the time of its newest run.

        Args:
            prefix: The prefix of the name.
            number: The number of names, at most.
        """
        first, last = _range(prefix)
        rows = self._all(_AGENTS, (first, last, last, number))
        return {name: created for name, created in rows if name is not None}

    def _all(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        try:
            return super()._all(query, values)
        except BrokenError:
            if place_of(self._folder) == self.place:
                self._folder.discard(self._folder.path(NAME))  # a listing that finds none makes one
            raise


def _conditions(run_filter: "RunFilter") -> "tuple[list[str], list[str]]":
    """The SQL conditions of a filter on readable runs, and their values; tags are left out."""
    wanted = [
        ("agent_name = ?", run_filter.agent_name),
        ("status = ?", run_filter.status),
        ("spec_digest = ?", run_filter.spec_digest),
        ("created_at >= ?", run_filter.since),
    ]
    conditions = ["status IS NOT NULL", *(text for text, value in wanted if value is not None)]
    return conditions, [str(value) for _, value in wanted if value is not None]


def place_of(folder: "Folder", name: str = NAME) -> "tuple[int, int] | None":
    """Returns inode and time of change of the file of an index; None if it is missing."""
    try:
        status = os.lstat(folder.path(name))
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def write(
    folder: "Folder",
    rows: "Iterable[Row]",
    folders: "Folders",
    *,
    place: "tuple[int, int] | None",
    old: "Index | None" = None,
    gone: "Iterable[str]" = (),
) -> bool:
    """Replaces the index by a new one; tells whether it did.

    An index that another process put in place since `place` was read is kept: it was made from a
    later reading of the logs.

    Args:
        folder: The store's folder.
        rows: The rows to add; they replace older rows of the same runs. An error of the iterator
            is raised.
        folders: As `Index.folders`, complete when the rows have been read; None for one that is
            gone.
        place: What `place_of` said before the first log was looked at.
        old: The index whose other rows are kept.
        gone: Ids of runs whose rows are not kept.
    """
    if sqlite is None or not may_replace(folder):
        return False
    try:
        fd, temporary = folder.create_temporary()
    except BackendError:
        return False
    is_there = False
    try:
        database = connect(temporary, "nolock=1")
        try:
            # The file has no name yet that a reader would look for: nobody sees it half written.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            if old is not None:
                old.copy_to(database)
            database.execute("BEGIN")
            for statement in () if old is not None else _TABLES:
                database.execute(statement)
            database.executemany(_INSERT, rows)
            database.executemany("DELETE FROM runs WHERE run_id = ?", ((one,) for one in gone))
            for statement in () if old is not None else _INDICES:
                database.execute(statement)
            _note_folders(database, folders)
            database.execute("COMMIT")
        finally:
            database.close()
        if place_of(folder) == place:
            os.fsync(fd)
            os.utime(temporary, ns=(UNTOUCHED, UNTOUCHED))
            # A file system that does not keep the time has no index.
            if os.fstat(fd).st_mtime_ns == UNTOUCHED and place_of(folder) == place:
                os.rename(temporary, folder.path(NAME))
                is_there = True
    except (sqlite.Error, BrokenError, OSError):
        pass
    finally:
        os.close(fd)
        if not is_there:
            folder.discard(temporary)
    return is_there


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
    """Returns the record in a row.

    Raises:
        BrokenError: The row holds no valid record.
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


def shard_range(shard: str) -> "tuple[str, str]":
    """Returns the bounds of the run ids in one folder: from the first, below the second."""
    return shard, shard[:-1] + chr(ord(shard[-1]) + 1)


def _range(prefix: str) -> "list[str]":
    """The bounds, in SQLite's order, of the texts with a prefix."""
    return [prefix, f"{prefix}\U0010ffff"]


def check_file(folder: "Folder", name: str = NAME) -> int:
    """Refuses what another program or an intruder may have written; returns its bytes.

    Raises:
        BrokenError: The index is missing or unusable.
    """
    if sqlite is None:
        raise BrokenError
    try:
        status, root = os.lstat(folder.path(name)), os.stat(folder.root)
    except OSError as error:
        raise BrokenError from error
    is_ours = status.st_uid in {0, os.geteuid(), root.st_uid} or root.st_mode & 0o020
    if not S_ISREG(status.st_mode) or status.st_mtime_ns != UNTOUCHED or not is_ours:
        raise BrokenError
    return status.st_size


def may_replace(folder: "Folder", name: str = NAME) -> bool:
    """Tells whether a new index can replace the present one."""
    try:
        is_folder = S_ISDIR(os.lstat(folder.path(name)).st_mode)
    except OSError:
        is_folder = False
    return not is_folder and os.access(folder.root, os.W_OK)


def connect(path: str, how: str) -> "Any":
    """Opens a database with parameters of its URI, in no transaction.

    Raises:
        BrokenError: It cannot be opened.
    """
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        return sqlite.connect(
            f"file:{quoted}?{how}", uri=True, isolation_level=None, check_same_thread=False
        )
    except (sqlite.Error, UnicodeError) as error:
        raise BrokenError from error


def _note_folders(database: "Any", folders: "Folders") -> None:
    for name, stamp in folders.items():
        if stamp is None:
            database.execute("DELETE FROM folders WHERE name = ?", (name,))
        else:
            database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (name, *stamp))
