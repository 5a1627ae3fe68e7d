"""`texts.sqlite`: which finished runs can hold a text, so that a search opens few logs.

A cache and never the truth: it names runs that may match, and whoever asked reads their logs. It
knows what it covers: folders of runs as they were when it was made. A run in a folder that has
changed since is named unless its log is still as it was read; a run that was not over is always
named. So a missing, partial or stale index costs time, and loses nothing.

As with `index.sqlite`, the file never changes, and a newer one is renamed over it
(`aivcs.backends.fs.index.texts_making`). Erasing is the exception: `forget` overwrites the file,
and a reader who has it open notices by its time, and does without.
"""

import os

from aivcs.backends.fs import files
from aivcs.backends.fs.index.cache import (
    UNTOUCHED,
    BrokenError,
    SqliteIndex,
    check_file,
    connect,
    place_of,
)
from aivcs.backends.fs.index.refresh import folders_of_runs, logs_in
from aivcs.errors import BackendError
from aivcs.log import words

try:
    import _sqlite3 as sqlite
except ImportError:  # an interpreter that was built without it
    sqlite = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aivcs.backends.fs.folder import Folder

NAME = "texts.sqlite"
VERSION = 100 + words.VERSION
"""The version of tables and words (`PRAGMA user_version`); an index of another one is replaced."""
MOST = 50_000
"""Runs that are named, at most; where more may match, all of them are looked at."""
_MANY_WORDS = 500
"""Words of the store that have a part in them, from which on the part rules nothing out."""
_BLOCK = 1 << 20


class TextIndex(SqliteIndex):
    """An index of texts as it was written, until it is closed."""

    __slots__ = ("_fd",)

    def __init__(self, folder: "Folder") -> None:
        """Opens the index of a store.

        Raises:
            BrokenError: The index is missing or unusable.
        """
        super().__init__(folder)
        self.place = place_of(folder, NAME)
        check_file(folder, NAME)
        path = folder.path(NAME)
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise BrokenError from error
        try:
            self._database = connect(path, "immutable=1")
        except BaseException:
            os.close(self._fd)
            raise
        try:
            is_known = self._all("PRAGMA user_version") == [(VERSION,)]
            if not is_known or not self._is_whole() or place_of(folder, NAME) != self.place:
                raise BrokenError
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        super().close()
        os.close(self._fd)

    def holding(self, parts: "Sequence[str]", most: int) -> "set[str] | None":
        """Returns the indexed runs whose words have all of some parts, `most` of them at most.

        None if the parts rule nothing out.
        """
        known = [words for part in parts if (words := self._words_with(part)) is not None]
        if not known:
            return None
        if [] in known:
            return set()
        wanted = " AND ".join("(" + " OR ".join(f'"{w}"' for w in words) + ")" for words in known)
        rows = self._all(
            "SELECT DISTINCT run_id FROM texts JOIN documents ON document = texts.rowid "
            "WHERE texts MATCH ? LIMIT ?",
            (wanted, most),
        )
        return {run_id for (run_id,) in rows}

    def knows(self, run_id: str) -> bool:
        """Tells whether a run is indexed."""
        return bool(self._all("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)))

    def pending(self) -> "list[str]":
        """Returns the runs of the covered folders that are not indexed."""
        return [run_id for (run_id,) in self._all("SELECT run_id FROM pending")]

    def totals(self) -> "tuple[int, int]":
        """Returns the number of indexed runs, and of the last document."""
        ((runs, last),) = self._all(
            "SELECT (SELECT count(*) FROM runs), (SELECT max(document) FROM documents)"
        )
        return int(runs), int(last or 0)

    def copy_to(self, database: "Any") -> None:
        """Copies all of it to an empty database.

        Raises:
            sqlite.Error: It cannot be read or written.
            BrokenError: It was erased meanwhile.
        """
        super().copy_to(database)
        if not self._is_whole():
            raise BrokenError

    def _words_with(self, part: str) -> "list[str] | None":
        """Returns the words of all logs that have a part in them; None if they are many."""
        sought = part.encode(errors="surrogatepass")
        found: list[str] = []
        try:
            for (words,) in self._database.execute("SELECT words FROM vocabulary"):
                at = words.find(sought)
                while at >= 0:
                    if len(found) == _MANY_WORDS:
                        return None
                    end = words.index(b" ", at)
                    found.append(words[words.rindex(b" ", 0, at) + 1 : end].decode())
                    at = words.find(sought, end)
        except (sqlite.Error, UnicodeError, ValueError) as error:
            raise BrokenError from error
        if not self._is_whole():
            raise BrokenError
        return found

    def _all(self, query: str, values: "tuple[Any, ...]" = ()) -> "list[Any]":
        rows = super()._all(query, values)
        if not self._is_whole():
            raise BrokenError
        return rows

    def _is_whole(self) -> bool:
        """Whether nobody has written to the file, as `forget` does."""
        return os.fstat(self._fd).st_mtime_ns == UNTOUCHED


def narrow(folder: "Folder", parts: "Sequence[str]", most: int = MOST) -> "set[str] | None":
    """Returns the runs that can hold a text, and perhaps others; None if all have to be looked at.

    Args:
        folder: The store's folder.
        parts: Parts of the words of the text, as `words.parts_of`.
        most: The number of runs to return, at most.

    Raises:
        BackendError: A folder cannot be looked into.
    """
    if not parts:
        return None
    try:
        with TextIndex(folder) as index:
            found = index.holding(parts, most + 1)
            if found is None:
                return None
            found.update(index.pending())
            covered = index.folders()
            # After the index was opened: what is added meanwhile is in a folder that has changed.
            for shard, stamp in folders_of_runs(folder):
                if len(found) > most:
                    return None
                if covered.get(shard) != stamp:
                    known = index.known(shard)
                    found.update(
                        run_id
                        for run_id, mark in logs_in(folder, shard, known)
                        if known.get(run_id) != mark
                    )
            return found if len(found) <= most else None
    except BrokenError:
        return None


def forget(folder: "Folder", run_id: "str | None" = None) -> None:
    """Erases what the index has of a run: overwrites the whole index, and removes it.

    A later search makes it anew. To be called after the log itself was rewritten or removed, so
    that nobody indexes the old text again.

    Args:
        folder: The store's folder.
        run_id: The run; an index that does not know it is kept. None erases in any case.

    Raises:
        BackendError: It cannot be overwritten or removed.
        LockTimeoutError: Another process is putting an index in place for too long.
    """
    fd = lock(folder)
    try:
        path = folder.path(NAME)
        if run_id is not None:
            try:
                with TextIndex(folder) as index:
                    if not index.knows(run_id):
                        return
            except BrokenError:
                pass
        if os.path.lexists(path):
            wipe(path)
            files.sync_folder(folder.root)
    finally:
        os.close(fd)


def lock(folder: "Folder") -> int:
    """Waits until nobody puts an index in place; returns the descriptor whose closing ends that.

    Raises:
        LockTimeoutError: Another process holds the lock for too long.
        BackendError: It cannot be taken.
    """
    path = folder.path("tmp")
    with files.os_errors("lock", path):
        try:
            fd = files.open_folder(path)
        except FileNotFoundError:
            files.make_folder(path, folder.folder_mode)
            fd = files.open_folder(path)
    try:
        files.lock_file(fd, path, folder.settings.lock_timeout)
    except BaseException:
        os.close(fd)
        raise
    return fd


def wipe(path: str) -> None:
    """Overwrites a file with zeros and removes it; a link is only removed.

    Raises:
        BackendError: It cannot be overwritten or removed.
    """
    with files.os_errors("erase", path):
        if files.is_regular(path):
            fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                left = os.fstat(fd).st_size
                while left > 0:
                    block = bytes(min(left, _BLOCK))
                    files.write_all(fd, block)
                    left -= len(block)
                os.fsync(fd)
            finally:
                os.close(fd)
        elif os.path.isdir(path) and not os.path.islink(path):
            raise BackendError(f"{path} is a folder; a store holds none there")
        os.unlink(path)
