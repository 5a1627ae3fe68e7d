"""Which session files were imported as they are: a cache, so that only what changed is read again.

It is kept for each store in the user's state folder. A file counts as imported if it has the size
and the time of then, and its runs are still in the store. Without the cache, every file is read
again, with the same result.
"""

from __future__ import annotations

import json
import os

from aivcs.errors import StorageError
from aivcs.formats.model import MAPPING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.commands.hook.programs import SessionFile
    from aivcs.repository import Repository

_MAX_FILE = 64 << 20
_SETTLED_NS = 2_000_000_000
"""Nanoseconds after its last change from which on a file's time tells that it is the same."""


class Seen:
    """The session files that were imported into a store."""

    def __init__(self, folder: str, repo: Repository) -> None:
        """Reads the cache.

        Args:
            folder: The folder of `aivcs hook`'s states; empty for no cache.
            repo: The repository.
        """
        from aivcs.store.identity import identify

        self._repo = repo
        self._path = ""
        self._files: dict[str, Any] = {}
        self._is_changed = False
        if folder:
            try:
                name = identify(repo.store.documents)
            except StorageError:
                return
            self._path = os.path.join(folder, "seen", f"{name}.json")
            self._files = _read(self._path)

    def has(self, file: SessionFile) -> bool:
        """Tells whether a file was imported as it is, and its runs are there."""
        known = self._files.get(file.path)
        if not isinstance(known, list) or known[:3] != [file.size, file.changed, MAPPING]:
            return False
        try:
            return bool(known[3:]) and all(self._repo.runs.get_run(str(run)) for run in known[3:])
        except StorageError:
            return False

    def add(self, file: SessionFile, runs: list[str], now_ns: int) -> None:
        """Keeps that a file was imported, unless it may have changed since it was looked at."""
        if now_ns - file.changed > _SETTLED_NS and runs:
            self._files[file.path] = [file.size, file.changed, MAPPING, *runs]
            self._is_changed = True

    def save(self) -> None:
        """Writes the cache. Never fails."""
        if not self._path or not self._is_changed:
            return
        temporary = f"{self._path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(self._files, file, ensure_ascii=False, separators=(",", ":"))
            os.replace(temporary, self._path)
        except OSError:
            try:
                os.unlink(temporary)
            except OSError:
                pass


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found = json.loads(file.read(_MAX_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
