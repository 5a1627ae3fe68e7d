"""A map and a stack that move to a temporary SQLite file when they outgrow memory.

Short ones stay in memory, and cost no more than a dict and a list. The file of a long one has no
name that others could open, lies in `TMPDIR`, and is gone with the object or the process, however
that ends. Both are exact. Neither is safe for several threads at once.

If the interpreter was built without SQLite, everything stays in memory.
"""

import marshal
from bisect import bisect_left, bisect_right, insort

from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Key = int | str | bytes
    Value = int | bytes | None

LIMIT = 1024
"""Entries of a map in memory, before it moves to a file: about 150 KiB of digests."""
_CHUNK_KEYS = 256
"""Keys that `keys` reads at once."""
_BLOCK = 512
"""Items of a stack that are moved at once."""
_CACHE_KIB = 128
"""KiB of a file that SQLite caches."""


class DiskMap:
    """A map in the order of its keys, which are of one type, as are its values.

    All methods raise `BackendError` if the file cannot be written or read.
    """

    __slots__ = ("_file", "_keys", "_limit", "_values")

    def __init__(self, limit: "int | None" = None) -> None:
        """Makes an empty map.

        Args:
            limit: How many entries stay in memory; by default `LIMIT`.
        """
        self._limit = LIMIT if limit is None else limit
        self._values: dict[Any, Any] = {}
        self._keys: list[Any] = []  # in order
        self._file: _SpillFile | None = None

    def __contains__(self, key: "Key") -> bool:
        """Returns whether a key exists."""
        if self._file is None:
            return key in self._values
        return bool(self._file.rows("SELECT 1 FROM kept WHERE key = ?", (key,)))

    def __bool__(self) -> bool:
        """Returns whether there is any key."""
        if self._file is None:
            return bool(self._keys)
        return bool(self._file.rows("SELECT 1 FROM kept LIMIT 1"))

    def __setitem__(self, key: "Key", value: "Value") -> None:
        """Sets the value of a new or an existing key."""
        if self._file is None:
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value
            if len(self._keys) > self._limit:
                self._spill()
            return
        self._file.change("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value))

    def get(self, key: "Key") -> "Any":
        """Returns the value of a key, or None."""
        if self._file is None:
            return self._values.get(key)
        rows = self._file.rows("SELECT value FROM kept WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def add(self, key: "Key") -> bool:
        """Adds a key without a value; returns False if it exists already."""
        if self._file is None:
            is_new = key not in self._values
            if is_new:
                self[key] = None
            return is_new
        return self._file.change("INSERT OR IGNORE INTO kept VALUES (?, NULL)", (key,)) > 0

    def pop(self, key: "Key") -> "Any":
        """Removes a key and returns its value, or None."""
        if self._file is None:
            if key in self._values:
                del self._keys[bisect_left(self._keys, key)]
            return self._values.pop(key, None)
        value = self.get(key)
        self._file.change("DELETE FROM kept WHERE key = ?", (key,))
        return value

    def floor(self, key: "Key") -> "tuple[Any, Any] | None":
        """Returns the greatest key that is not greater than this one, and its value."""
        if self._file is None:
            at = bisect_right(self._keys, key)
            return (self._keys[at - 1], self._values[self._keys[at - 1]]) if at else None
        rows = self._file.rows(
            "SELECT key, value FROM kept WHERE key <= ? ORDER BY key DESC LIMIT 1", (key,)
        )
        return rows[0] if rows else None

    def keys(self, *, descending: bool = False) -> "Iterator[Any]":
        """Yields all keys in ascending or descending order.

        Entries may be added and removed during the iteration; all others are yielded once.
        """
        last = None
        while keys := self._beyond(last, descending=descending):
            yield from keys
            last = keys[-1]

    def _beyond(self, last: "Any", *, descending: bool) -> "list[Any]":
        """Returns the next few keys beyond one; the first few if it is None."""
        if self._file is None:
            if descending:
                stop = len(self._keys) if last is None else bisect_left(self._keys, last)
                return self._keys[max(0, stop - _CHUNK_KEYS) : stop][::-1]
            start = 0 if last is None else bisect_right(self._keys, last)
            return self._keys[start : start + _CHUNK_KEYS]
        beyond, order = ("<", "DESC") if descending else (">", "ASC")
        where = "" if last is None else f"WHERE key {beyond} ?"
        rows = self._file.rows(
            f"SELECT key FROM kept {where} ORDER BY key {order} LIMIT {_CHUNK_KEYS}",  # noqa: S608 nothing of anybody's
            () if last is None else (last,),
        )
        return [key for (key,) in rows]

    def _spill(self) -> None:
        try:
            self._file = _SpillFile(self._values.items())
        except ImportError:  # an interpreter that was built without SQLite
            self._limit = 1 << 62
            return
        self._values, self._keys = {}, []


class DiskStack:
    """A stack of values that `marshal` can write.

    All methods raise `BackendError` if the file cannot be written or read.
    """

    __slots__ = ("_below", "_count", "_top")

    def __init__(self) -> None:
        """Makes an empty stack."""
        self._top: list[Any] = []
        self._below: DiskMap | None = None
        self._count = 0  # blocks in `_below`

    def __bool__(self) -> bool:
        """Whether the stack has any value."""
        return bool(self._top) or self._count > 0

    def push(self, value: "Any") -> None:
        """Puts a value on top."""
        self._top.append(value)
        if len(self._top) >= 2 * _BLOCK:
            if self._below is None:
                self._below = DiskMap(4)
            self._below[self._count] = marshal.dumps(self._top[:_BLOCK])
            self._count += 1
            del self._top[:_BLOCK]

    def pop(self) -> "Any":
        """Removes the top value and returns it.

        Raises:
            IndexError: The stack is empty.
        """
        if not self._top and self._below is not None and self._count:
            self._count -= 1
            self._top = marshal.loads(self._below.pop(self._count))  # noqa: S302 our own
        return self._top.pop()


class _SpillFile:
    """A temporary SQLite file with one table, `kept`, of a `key` and a `value`.

    All methods raise `BackendError` if it cannot be written or read.
    """

    __slots__ = ("_database", "_error")

    def __init__(self, rows: "Iterable[tuple[Any, Any]]") -> None:
        """Makes the file, with some rows; raises ImportError if there is no SQLite."""
        # Here, since most maps stay short. Not the package sqlite3: it imports datetime, which
        # costs more than the database itself.
        import _sqlite3 as sqlite

        self._error = sqlite.Error
        try:
            # An empty name makes a file that SQLite unlinks as soon as it is open.
            self._database = sqlite.connect("", isolation_level=None, check_same_thread=False)
            for statement in (
                "PRAGMA journal_mode = OFF",
                f"PRAGMA cache_size = -{_CACHE_KIB}",
                "CREATE TABLE kept (key PRIMARY KEY, value) WITHOUT ROWID",
                "BEGIN",  # and never a commit: nothing of it is to outlive this process
            ):
                self._database.execute(statement)
            self._database.executemany("INSERT INTO kept VALUES (?, ?)", rows)
        except sqlite.Error as error:
            raise _failed(error) from error

    def __del__(self) -> None:
        """Closes the file: from Python 3.13 on an unclosed connection causes a warning."""
        database = getattr(self, "_database", None)
        if database is not None:  # or it could not be opened
            database.close()

    def rows(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        """Returns the rows of a query."""
        try:
            rows: list[Any] = self._database.execute(query, values).fetchall()
        except self._error as error:
            raise _failed(error) from error
        return rows

    def change(self, statement: str, values: "tuple[Any, ...]") -> int:
        """Changes rows; returns how many."""
        try:
            count: int = self._database.execute(statement, values).rowcount
        except self._error as error:
            raise _failed(error) from error
        return count


def _failed(error: Exception) -> BackendError:
    return BackendError(
        f"cannot write a temporary file: {error}; TMPDIR names the folder for those"
    )
