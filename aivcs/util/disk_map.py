"""A map and a stack that move to a temporary SQLite file when they outgrow memory.

Small ones stay in memory and cost no more than a dict and a list. A large one is a temporary SQLite
database with a few pages in memory. Its file has no name, is in the folder for temporary files
(`TMPDIR`), and disappears when the object is freed or the process ends in any way. Neither class is
thread-safe.

If the interpreter was built without SQLite, everything stays in memory.
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
"""Entries of a map held in memory, at most: some 150 KiB of digests."""
_KEYS_PER_READ = 256
"""Keys read at once when iterating over all."""
_BLOCK = 512
"""Items of a stack moved to or from the file at once."""


class DiskMap:
    """A map ordered by its keys; all keys are of one type, and all values, too.

    All methods raise `BackendError` if the file cannot be written or read.
    """

    __slots__ = ("_file", "_keys", "_limit", "_values")

    def __init__(self, limit: "int | None" = None) -> None:
        """Makes an empty map.

        Args:
            limit: The number of entries held in memory, at most; by default `LIMIT`.
        """
        self._limit = LIMIT if limit is None else limit
        self._values: dict[Any, Any] = {}
        self._keys: list[Any] = []  # in order
        self._file: DiskMapFile | None = None

    def __contains__(self, key: "Key") -> bool:
        """Whether the map has a key."""
        if self._file is None:
            return key in self._values
        return bool(self._file.rows("SELECT 1 FROM kept WHERE key = ?", (key,)))

    def __bool__(self) -> bool:
        """Whether the map has any key."""
        if self._file is None:
            return bool(self._keys)
        return bool(self._file.rows("SELECT 1 FROM kept LIMIT 1"))

    def __setitem__(self, key: "Key", value: "Value") -> None:
        """Sets the value of a new or existing key."""
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
        """Adds a key with the value None; returns False if the map has the key already."""
        if self._file is None:
            is_new = key not in self._values
            if is_new:
                self[key] = None
            return is_new
        return self._file.change("INSERT OR IGNORE INTO kept VALUES (?, NULL)", (key,)) > 0

    def pop(self, key: "Key") -> "Any":
        """Removes a key and returns its value; None if there is no such key."""
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

        The map may be changed during the iteration: an entry added or removed then may or may not
        be yielded; every other one is yielded once.
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
                return self._keys[max(0, stop - _KEYS_PER_READ) : stop][::-1]
            start = 0 if last is None else bisect_right(self._keys, last)
            return self._keys[start : start + _KEYS_PER_READ]
        beyond, order = ("<", "DESC") if descending else (">", "ASC")
        where = "" if last is None else f"WHERE key {beyond} ?"
        rows = self._file.rows(
            f"SELECT key FROM kept {where} ORDER BY key {order} LIMIT {_KEYS_PER_READ}",  # noqa: S608 nothing of anybody's
            () if last is None else (last,),
        )
        return [key for (key,) in rows]

    def _spill(self) -> None:
        try:
            # Imported only now: most maps never need it.
            from aivcs.util.disk_map_file import DiskMapFile
        except ImportError:  # an interpreter that was built without SQLite
            self._limit = 1 << 62
            return
        self._file = DiskMapFile(self._values.items())
        self._values, self._keys = {}, []


class DiskStack:
    """A stack of values that `marshal` can write.

    Methods raise `BackendError` if the file cannot be written or read.
    """

    __slots__ = ("_below", "_count", "_top")

    def __init__(self) -> None:
        """Makes an empty stack."""
        self._top: list[Any] = []
        self._below: DiskMap | None = None
        self._count = 0  # number of blocks in `_below`

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
