"""The file of a map that outgrew memory: a temporary SQLite database without a name."""

# Not the package sqlite3: it imports datetime, which costs more than the database itself.
import _sqlite3 as sqlite

from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_CACHE_KIB = 128
"""KiB of a database held in memory."""


class DiskMapFile:
    """A database with one table, `kept`, with the columns `key` and `value`.

    All methods raise `BackendError` if the file cannot be written or read.
    """

    __slots__ = ("_database",)

    def __init__(self, rows: "Iterable[tuple[Any, Any]]") -> None:
        """Makes the database with some rows."""
        try:
            # An empty name makes a file that SQLite removes as soon as it is open.
            self._database = sqlite.connect("", isolation_level=None, check_same_thread=False)
            for statement in (
                "PRAGMA journal_mode = OFF",
                f"PRAGMA cache_size = -{_CACHE_KIB}",
                "CREATE TABLE kept (key PRIMARY KEY, value) WITHOUT ROWID",
                "BEGIN",  # never committed: nothing is to outlive this process
            ):
                self._database.execute(statement)
            self._database.executemany("INSERT INTO kept VALUES (?, ?)", rows)
        except sqlite.Error as error:
            raise _failed(error) from error

    def __del__(self) -> None:
        """Closes the database: Python 3.13 and later warn about a connection left open."""
        database = getattr(self, "_database", None)
        if database is not None:  # None if it could not be opened
            database.close()

    def rows(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        """Returns the rows of a query."""
        try:
            rows: list[Any] = self._database.execute(query, values).fetchall()
        except sqlite.Error as error:
            raise _failed(error) from error
        return rows

    def change(self, statement: str, values: "tuple[Any, ...]") -> int:
        """Executes a statement; returns the number of changed rows."""
        try:
            count: int = self._database.execute(statement, values).rowcount
        except sqlite.Error as error:
            raise _failed(error) from error
        return count


def _failed(error: Exception) -> BackendError:
    return BackendError(f"cannot write a temporary file: {error}; TMPDIR names the folder")
