"""The rows of runs that have ended, on this machine, where they can be searched.

They do not change any more, so what is here may be incomplete, never wrong. Those of a segment of
the index come and go together; the others were read one by one. Where no file can be kept, or it
cannot be used, a temporary one serves this opening.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeVar

    from aivcs.backends.s3.segments import Segment
    from aivcs.log.run_filter import RunFilter

    Result = TypeVar("Result")
    Order = tuple[str, list[int]]

_VERSION = 2
_COLUMNS = "moment, run_id, first, last, agent, status, spec, created_at, duration"
_TABLES = (
    "DROP TABLE IF EXISTS rows",
    "DROP TABLE IF EXISTS segments",
    "CREATE TABLE segments (name TEXT PRIMARY KEY)",
    """CREATE TABLE rows (
        moment TEXT, run_id TEXT, segment TEXT, first BLOB, last BLOB, agent TEXT, status TEXT,
        spec TEXT, created_at TEXT, duration INTEGER, PRIMARY KEY (moment, run_id, segment))""",
    "CREATE INDEX by_age ON rows (moment, run_id DESC)",
    "CREATE INDEX by_agent ON rows (agent, moment, run_id DESC)",
    "CREATE INDEX by_status ON rows (status, moment, run_id DESC)",
    "CREATE INDEX by_spec ON rows (spec, moment, run_id DESC)",
    "CREATE INDEX by_segment ON rows (segment)",
    f"PRAGMA user_version = {_VERSION}",
)
_BATCH = 400
"""Values in one statement."""


class Row(NamedTuple):
    """The row of a run that has ended.

    Attributes:
        moment: Its time in the keys of rows: a later one sorts before an earlier one.
        run_id: Its id.
        first: The first line of its log.
        last: The last line of its log.
        agent: The name of its agent.
        status: Its status.
        spec: The digest of its spec.
        created_at: When it began, as in its log.
        duration: Its duration in ms; None if it is not known.
    """

    moment: str
    run_id: str
    first: bytes
    last: bytes
    agent: str
    status: str
    spec: str
    created_at: str
    duration: int | None

    @property
    def order(self) -> Order:
        """The place of the run in a list, the newest first."""
        return order_of(self.moment, self.run_id)


def order_of(moment: str, run_id: str) -> Order:
    """Returns the place of a run in a list: the newest first, and of equal times the higher id."""
    return moment, [*(-ord(letter) for letter in run_id), 1]


class RowsCache:
    """A cache of rows. Thread-safe."""

    def __init__(self, folder: str) -> None:
        """Takes the folder of this user's caches for the store; empty keeps nothing."""
        self._path = f"{folder}/runs.sqlite" if folder else ""
        self._lock = Lock()
        self._database: Any = None

    @staticmethod
    def is_possible() -> bool:
        """Tells whether this interpreter has a database."""
        try:
            import _sqlite3  # noqa: F401
        except ImportError:
            return False
        return True

    def get(self, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Row]:
        """Returns the rows that are known of runs with some times and ids."""

        def read(database: Any) -> dict[tuple[str, str], Row]:
            found = {}
            for start in range(0, len(places), _BATCH):
                part = places[start : start + _BATCH]
                marks = ",".join(["(?,?)"] * len(part))
                rows = database.execute(
                    f"SELECT {_COLUMNS} FROM rows WHERE (moment, run_id) IN (VALUES {marks})",  # noqa: S608 marks
                    [value for place in part for value in place],
                )
                found.update({(row[0], row[1]): Row(*row) for row in rows})
            return found

        return self._use(read)

    def add(self, rows: Iterable[Row], segment: str = "") -> None:
        """Keeps rows, those of a segment all at once."""
        values = [(*row, segment) for row in rows]

        def write(database: Any) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                f"INSERT OR REPLACE INTO rows ({_COLUMNS}, segment) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 columns
                values,
            )
            if segment:
                database.execute("INSERT OR REPLACE INTO segments VALUES (?)", (segment,))
                database.executemany(
                    "DELETE FROM rows WHERE moment = ? AND run_id = ? AND segment = ''",
                    [value[:2] for value in values],
                )
            database.execute("COMMIT")

        self._use(write)

    def keep_only(self, names: Iterable[str]) -> None:
        """Forgets the rows of all segments but some."""
        kept = set(names)

        def forget(database: Any) -> None:
            for name in self._segments(database) - kept:
                database.execute("BEGIN IMMEDIATE")
                database.execute("DELETE FROM segments WHERE name = ?", (name,))
                database.execute("DELETE FROM rows WHERE segment = ?", (name,))
                database.execute("COMMIT")

        self._use(forget)

    def forget(self, places: Iterable[tuple[str, str]]) -> None:
        """Forgets the rows of runs with some times and ids."""
        values = list(places)

        def forget(database: Any) -> None:
            database.execute("PRAGMA secure_delete = ON")
            database.executemany("DELETE FROM rows WHERE moment = ? AND run_id = ?", values)

        self._use(forget)

    def page(
        self, after: tuple[str, str], listed: Sequence[Segment], run_filter: RunFilter, number: int
    ) -> tuple[list[Row], list[Segment]]:
        """Returns rows of segments in order, and the segments that must be added to go on.

        Args:
            after: Time and id of a run: only runs that come after it in a list.
            listed: The segments, the one with the newest run first.
            run_filter: What is wanted; its tags do not count.
            number: Rows, at most.
        """
        conditions, values = _conditions(run_filter)

        def read(database: Any) -> tuple[list[Row], list[Segment]]:
            database.execute("BEGIN")  # others may add or forget segments meanwhile
            try:
                known = self._segments(database)
                missing = [segment for segment in listed if segment.name not in known]
                limit = missing[0].newest if missing else "~"
                rows = database.execute(
                    f"SELECT DISTINCT {_COLUMNS} FROM rows WHERE segment <> '' AND moment >= ? "  # noqa: S608 columns
                    f"AND NOT (moment = ? AND run_id >= ?) AND moment < ?{conditions} "
                    "ORDER BY moment, run_id DESC LIMIT ?",
                    (after[0], *after, limit, *values, number),
                ).fetchall()
            finally:
                database.execute("COMMIT")
            return [Row(*row) for row in rows], missing

        return self._use(read)

    def missing(self, listed: Iterable[Segment]) -> list[Segment]:
        """Returns the segments whose rows are not here."""
        known = self._use(self._segments)
        return [segment for segment in listed if segment.name not in known]

    def count(self) -> dict[str, int]:
        """Returns how many runs in segments have each status."""
        query = (
            "SELECT status, count(*) FROM (SELECT DISTINCT moment, run_id, status FROM rows "
            "WHERE segment <> '') GROUP BY status"
        )
        return self._use(lambda database: dict(database.execute(query)))

    def in_segments(self, places: Sequence[tuple[str, str]]) -> list[Row]:
        """Returns the rows of runs with some times and ids that a segment has."""

        def read(database: Any) -> list[Row]:
            found: set[Row] = set()
            for place in places:
                rows = database.execute(
                    f"SELECT {_COLUMNS} FROM rows "  # noqa: S608 columns
                    "WHERE moment = ? AND run_id = ? AND segment <> ''",
                    place,
                )
                found.update(Row(*row) for row in rows)
            return list(found)

        return self._use(read)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._close()

    def _use(self, act: Callable[[Any], Result]) -> Result:
        """The result of an act on the database; on a temporary one if the file cannot be used."""
        from _sqlite3 import Error  # not the package sqlite3, which brings datetime

        with self._lock:
            if self._path:
                try:
                    return act(self._opened(self._path))
                except (OSError, Error):
                    self._close()
                    self._path = ""
            try:
                return act(self._opened(""))
            except Error as error:
                raise BackendError(f"cannot sort the list of runs in TMPDIR: {error}") from error

    def _opened(self, path: str) -> Any:
        if self._database is None:
            from _sqlite3 import connect

            if path:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            self._database = connect(path, timeout=1, check_same_thread=False, isolation_level=None)
            ((version,),) = self._database.execute("PRAGMA user_version")
            if version != _VERSION:
                self._database.execute("BEGIN IMMEDIATE")
                for statement in _TABLES:
                    self._database.execute(statement)
                self._database.execute("COMMIT")
        return self._database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    @staticmethod
    def _segments(database: Any) -> set[str]:
        return {name for (name,) in database.execute("SELECT name FROM segments")}


def _conditions(run_filter: RunFilter) -> tuple[str, list[str]]:
    from aivcs.backends.s3.index import moment_of

    since = None if run_filter.since is None else moment_of(run_filter.since)
    wanted = [
        ("agent = ?", run_filter.agent_name),
        ("status = ?", run_filter.status),
        ("spec = ?", run_filter.spec_digest),
        ("moment <= ?", since),
    ]
    given = [(text, str(value)) for text, value in wanted if value is not None]
    return "".join(f" AND {text}" for text, _ in given), [value for _, value in given]
