"""What may be too much for memory: a table and a stack that move to a file when they are long.

Short ones never leave memory, and cost no more than a dict and a list. A long one is a temporary
database of SQLite's, of which a few pages are in memory; it has no name that anybody could open,
lies where temporary files do (`TMPDIR`), and is gone when it is let go of or the process ends,
however that ends. Both are exact. Neither is for several threads at once.

Where the interpreter was built without SQLite, all stays in memory.
"""

import marshal
from bisect import bisect_left, bisect_right, insort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.util.disk_map_file import DiskMapFile

    Key = int | str | bytes
    Value = int | bytes | None

LIMIT = 1024
"""Entries of a table that are held in memory: some 150 KiB of digests."""
_AT_ONCE = 256
"""Keys read at once where all are wanted."""
_BLOCK = 512
"""Items of a stack that are moved at once."""


class DiskMap:
    """Values by keys, in the order of the keys; these are of one type, and so are the values.

    All methods raise `BackendError` where the file cannot be written or read.
    """

    __slots__ = ("_file", "_keys", "_limit", "_values")

    def __init__(self, limit: "int | None" = None) -> None:
        """Begins empty.

        Args:
            limit: How many entries are held in memory; by default `LIMIT`.
        """
        self._limit = LIMIT if limit is None else limit
        self._values: dict[Any, Any] = {}
        self._keys: list[Any] = []  # in order
        self._file: DiskMapFile | None = None

    def __contains__(self, key: "Key") -> bool:
        """Whether there is such a key."""
        if self._file is None:
            return key in self._values
        return bool(self._file.rows("SELECT 1 FROM kept WHERE key = ?", (key,)))

    def __bool__(self) -> bool:
        """Whether there is any key."""
        if self._file is None:
            return bool(self._keys)
        return bool(self._file.rows("SELECT 1 FROM kept LIMIT 1"))

    def __setitem__(self, key: "Key", value: "Value") -> None:
        """Sets the value of a key that may be there or not."""
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
        """Adds a key without a value; returns False if it is there already."""
        if self._file is None:
            is_new = key not in self._values
            if is_new:
                self[key] = None
            return is_new
        return self._file.change("INSERT OR IGNORE INTO kept VALUES (?, NULL)", (key,)) > 0

    def pop(self, key: "Key") -> "Any":
        """Removes a key, and returns its value; None if there is none."""
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
        """Yields all keys in their order, or from the greatest to the least.

        Entries may come and go meanwhile: one that does is seen or not, every other once.
        """
        last = None
        while keys := self._beyond(last, descending=descending):
            yield from keys
            last = keys[-1]

    def _beyond(self, last: "Any", *, descending: bool) -> "list[Any]":
        """The next few keys beyond one; the first few if it is None."""
        if self._file is None:
            if descending:
                stop = len(self._keys) if last is None else bisect_left(self._keys, last)
                return self._keys[max(0, stop - _AT_ONCE) : stop][::-1]
            start = 0 if last is None else bisect_right(self._keys, last)
            return self._keys[start : start + _AT_ONCE]
        beyond, order = ("<", "DESC") if descending else (">", "ASC")
        where = "" if last is None else f"WHERE key {beyond} ?"
        rows = self._file.rows(
            f"SELECT key FROM kept {where} ORDER BY key {order} LIMIT {_AT_ONCE}",  # noqa: S608 nothing of anybody's
            () if last is None else (last,),
        )
        return [key for (key,) in rows]

    def _spill(self) -> None:
        try:
            # Only now: most tables never need what it imports.
            from aivcs.util.disk_map_file import DiskMapFile
        except ImportError:  # an interpreter that was built without SQLite
            self._limit = 1 << 62
            return
        self._file = DiskMapFile(self._values.items())
        self._values, self._keys = {}, []


class DiskStack:
    """Values of which the one pushed last is popped first; such as `marshal` can write.

    Methods raise `BackendError` where the file cannot be written or read.
    """

    __slots__ = ("_below", "_count", "_top")

    def __init__(self) -> None:
        """Begins empty."""
        self._top: list[Any] = []
        self._below: DiskMap | None = None
        self._count = 0  # of blocks below

    def __bool__(self) -> bool:
        """Whether there is anything to pop."""
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
        """Takes the value off the top.

        Raises:
            IndexError: There is none.
        """
        if not self._top and self._below is not None and self._count:
            self._count -= 1
            self._top = marshal.loads(self._below.pop(self._count))  # noqa: S302 our own
        return self._top.pop()
