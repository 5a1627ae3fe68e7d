"""The rows of runs that have ended, on this machine: they do not change any more."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, first BLOB, last BLOB) WITHOUT ROWID"
)
_BATCH = 500
"""Keys in one query."""


class RowsCache:
    """A cache of rows by their keys. Thread-safe; a cache that cannot be used holds nothing."""

    def __init__(self, folder: str) -> None:
        """Takes the folder of this user's caches for the store; empty keeps nothing."""
        self._path = f"{folder}/runs.sqlite" if folder else ""
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None

    def get(self, keys: list[str]) -> dict[str, tuple[bytes, bytes]]:
        """Returns first and last line of the runs that are known, by key."""
        with self._lock:
            return self._get(keys)

    def add(self, rows: Mapping[str, tuple[bytes, bytes]]) -> None:
        """Keeps the first and the last line of runs."""
        from sqlite3 import Error

        values = [(key, first, last) for key, (first, last) in rows.items()]
        with self._lock:
            database = self._opened()
            if database is None:
                return
            try:
                with database:
                    database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", values)
            except Error:
                pass  # another process writes, or the disk is full

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _get(self, keys: list[str]) -> dict[str, tuple[bytes, bytes]]:
        from sqlite3 import Error

        database = self._opened()
        found: dict[str, tuple[bytes, bytes]] = {}
        if database is None:
            return found
        try:
            for start in range(0, len(keys), _BATCH):
                part = keys[start : start + _BATCH]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, first, last FROM rows WHERE key IN ({marks})"  # noqa: S608 marks
                found |= {key: (first, last) for key, first, last in database.execute(query, part)}
        except Error:
            return {}
        return found

    def _opened(self) -> sqlite3.Connection | None:
        if self._database is None and self._path:
            import sqlite3

            try:
                os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
                self._database = sqlite3.connect(self._path, timeout=1, check_same_thread=False)
                self._database.execute(_SCHEMA)
            except (OSError, sqlite3.Error):
                self._path = ""
                if self._database is not None:
                    self._database.close()
                    self._database = None
        return self._database
