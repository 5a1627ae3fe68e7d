"""The file of a table that is too long for memory: a temporary database without a name."""

# Not the package sqlite3: it brings datetime, which costs more than the database itself.
import _sqlite3 as sqlite

from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_CACHE = 128
"""KiB of a database that are held in memory."""


class DiskMapFile:
    """A database with one table, `kept`, of a `key` and a `value`.

    All methods raise `BackendError` where it cannot be written or read.
    """

    __slots__ = ("_database",)

    def __init__(self, rows: "Iterable[tuple[Any, Any]]") -> None:
        """Makes it, with some rows."""
        try:
            # An empty name makes a file that SQLite removes as soon as it is open.
            self._database = sqlite.connect("", isolation_level=None, check_same_thread=False)
            for statement in (
                "PRAGMA journal_mode = OFF",
                f"PRAGMA cache_size = -{_CACHE}",
                "CREATE TABLE kept (key PRIMARY KEY, value) WITHOUT ROWID",
                "BEGIN",  # and never an end: nothing of it is to outlive this process
            ):
                self._database.execute(statement)
            self._database.executemany("INSERT INTO kept VALUES (?, ?)", rows)
        except sqlite.Error as error:
            raise _failed(error) from error

    def __del__(self) -> None:
        """Closes it: from Python 3.13 on a connection that nobody closed is warned of."""
        database = getattr(self, "_database", None)
        if database is not None:  # or there was none to be had
            database.close()

    def rows(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        """Returns what a query finds."""
        try:
            rows: list[Any] = self._database.execute(query, values).fetchall()
        except sqlite.Error as error:
            raise _failed(error) from error
        return rows

    def change(self, statement: str, values: "tuple[Any, ...]") -> int:
        """Changes rows; returns how many."""
        try:
            count: int = self._database.execute(statement, values).rowcount
        except sqlite.Error as error:
            raise _failed(error) from error
        return count


def _failed(error: Exception) -> BackendError:
    return BackendError(
        f"cannot keep what was read in a temporary file: {error}; TMPDIR says where those lie"
    )
