"""Making `texts.sqlite`: reads finished logs, and puts a newer index in the place of the old one.

It may stop after any log, and the next making goes on there. A document of the index is the words
of a piece of a log, without order or number. The words of all logs stand in a list, too, in which a
search looks for those that have a part of a text in them. An index from which
something would have to be taken is not corrected but made anew, so no text of a log that was
removed or rewritten stays in it.
"""

import os
from time import monotonic

from aivcs.backends.fs import layout
from aivcs.backends.fs.index.cache import (
    UNTOUCHED,
    BrokenError,
    connect,
    may_replace,
    place_of,
    shard_range,
    stamp_of,
)
from aivcs.backends.fs.index.refresh import folders_of_runs, logs_in, settled
from aivcs.backends.fs.index.texts import NAME, VERSION, TextIndex, lock, wipe
from aivcs.errors import AivcsError
from aivcs.log.words import words_of

try:
    import _sqlite3 as sqlite
except ImportError:  # an interpreter that was built without it
    sqlite = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.index.cache import Stamp

    Progress = Callable[[int], None]
    Document = tuple[int, str, str, Stamp | None]
    """Number, run, words; and with the last one of a run the stamp of its log."""

_PIECE = 4 << 20
"""Bytes of a log in one document; a longer line makes one by itself."""
_BATCH = 1 << 20
"""Bytes of words that are handed to the database at once."""
_TERMS = 100_000
"""Words in one row of the list of all."""
_FEW = 256
"""Number of unindexed runs that never causes a rewrite of the index."""
_SHARE = 32
"""The index is rewritten when the unindexed runs exceed its runs divided by this."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TABLES = (
    f"PRAGMA user_version = {VERSION}",
    "CREATE TABLE folders (name TEXT PRIMARY KEY, inode INTEGER, changed INTEGER)",
    "CREATE TABLE runs (run_id TEXT PRIMARY KEY, inode, size, changed, modified) WITHOUT ROWID",
    "CREATE TABLE pending (run_id TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE documents (document INTEGER PRIMARY KEY, run_id TEXT)",
    """CREATE VIRTUAL TABLE texts USING fts5(
        words, content = '', detail = none, columnsize = 0, tokenize = 'ascii')
    """,
    "CREATE TABLE vocabulary (words BLOB)",
)
_HOW = (
    # More is slower: it no longer fits into a processor's cache.
    "INSERT INTO texts (texts, rank) VALUES ('hashsize', 1048576)",
    "INSERT INTO texts (texts, rank) VALUES ('automerge', 0)",
    "INSERT INTO texts (texts, rank) VALUES ('crisismerge', 500)",
)


class _StaleError(Exception):
    """The old index has an entry of a log that was removed or changed."""


class Making:
    """The logs as they were read while an index is made.

    Attributes:
        pending: Runs that are not indexed.
        folders: Inode and time of change of each folder that was gone through.
    """

    def __init__(
        self, folder: "Folder", old: "TextIndex | None", deadline: float, progress: "Progress"
    ) -> None:
        """Takes the store's folder, and the index that is gone on with."""
        self._folder = folder
        self._old = old
        self._deadline = deadline
        self._progress = progress
        self._last = 0 if old is None else old.totals()[1]
        self.pending: list[str] = []
        self.folders: dict[str, tuple[int, int]] = {}

    def documents(self) -> "Iterator[Document]":
        """Yields the new documents, until all is done or it is time.

        Raises:
            _StaleError: The old index cannot be gone on with.
            BackendError: A folder cannot be looked into.
        """
        covered = {} if self._old is None else self._old.folders()
        waiting: dict[str, list[str]] = {}
        for run_id in () if self._old is None else self._old.pending():
            waiting.setdefault(run_id[:2], []).append(run_id)
        first = self._last
        for shard, stamp in folders_of_runs(self._folder):
            if self._last > first and monotonic() > self._deadline:
                return
            run_ids = waiting.pop(shard, [])
            if covered.pop(shard, None) != stamp:
                known = {} if self._old is None else self._old.known(shard)
                run_ids = []
                for run_id, mark in logs_in(self._folder, shard, known):
                    was = known.pop(run_id, None)
                    if was is None:
                        run_ids.append(run_id)
                    elif was != mark:
                        raise _StaleError
                if known:
                    raise _StaleError
            for run_id in run_ids:
                yield from self._read(run_id)
            self.folders[shard] = stamp[0], settled(stamp[1])
        if covered:
            raise _StaleError

    def _read(self, run_id: str) -> "Iterator[Document]":
        """Yields the documents of a run; nothing if it is not over, or cannot be read."""
        found: list[str] = []
        try:
            fd = os.open(self._folder.path(layout.run_path(run_id)), _FLAGS)
            try:
                status = os.fstat(fd)
                is_over = False
                for piece in _pieces(fd, status.st_size):
                    found.append(words_of(piece))
                    is_over = piece.startswith(b'{"type":"end"', piece.rfind(b"\n", 0, -1) + 1)
            finally:
                os.close(fd)
        except (OSError, AivcsError):
            is_over = False  # whoever reads it will say why
        if not is_over:
            self.pending.append(run_id)
            return
        for number, text in enumerate(found, 1):
            self._last += 1
            yield self._last, run_id, text, stamp_of(status) if number == len(found) else None
        self._progress(status.st_size)


def make(
    folder: "Folder", *, seconds: "float | None" = None, progress: "Progress" = lambda _: None
) -> bool:
    """Brings the index up to date where that is worth it; tells whether it put one in place.

    Never fails: whoever has no index does without.

    Args:
        folder: The store's folder.
        seconds: The time it may take before it stops with what it has; None for all it needs.
        progress: Called with the bytes of each log that was read.
    """
    if sqlite is None or not may_replace(folder, NAME):
        return False
    deadline = float("inf") if seconds is None else monotonic() + seconds
    place = place_of(folder, NAME)
    try:
        old: TextIndex | None = TextIndex(folder)
    except BrokenError:
        old = None
    try:
        if old is not None and not _is_worth(folder, old):
            return False
        try:
            return _write(folder, Making(folder, old, deadline, progress), old, place)
        except _StaleError:
            return _write(folder, Making(folder, None, deadline, progress), None, place)
    except (AivcsError, BrokenError, OSError, sqlite.Error):
        return False
    finally:
        if old is not None:
            old.close()


def _is_worth(folder: "Folder", old: TextIndex) -> bool:
    """Whether enough runs are not indexed that rewriting the index is worth its cost."""
    total = old.totals()[0]
    missing = len(old.pending())
    covered = old.folders()
    for shard, stamp in folders_of_runs(folder):
        if covered.pop(shard, None) != stamp:
            known = old.known(shard)
            for run_id, mark in logs_in(folder, shard, known):
                missing += known.pop(run_id, None) != mark
            if known:
                return True  # something was removed
    return bool(covered) or missing > max(_FEW, total // _SHARE)


def _write(
    folder: "Folder", making: Making, old: "TextIndex | None", place: "tuple[int, int] | None"
) -> bool:
    fd, temporary = folder.create_temporary()
    is_there = False
    try:
        database = connect(temporary, "nolock=1")
        try:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            if old is not None:
                old.copy_to(database)
            database.execute("BEGIN")
            for statement in (*(() if old is not None else _TABLES), *_HOW):
                database.execute(statement)
            _insert_all(database, making)
            _note(database, making)
            database.execute("INSERT INTO texts (texts) VALUES ('optimize')")
            _list_words(database)
            database.execute("COMMIT")
            os.fsync(fd)
            holder = lock(folder)
            try:
                # What was erased meanwhile must not come back by this index.
                if place_of(folder, NAME) == place and _is_as_read(folder, database):
                    database.close()
                    os.utime(temporary, ns=(UNTOUCHED, UNTOUCHED))
                    # A file system that does not keep the time has no index.
                    if os.fstat(fd).st_mtime_ns == UNTOUCHED:
                        os.rename(temporary, folder.path(NAME))
                        is_there = True
            finally:
                os.close(holder)
        finally:
            database.close()
    finally:
        os.close(fd)
        if not is_there:
            wipe(temporary)
    return is_there


def _insert_all(database: "Any", making: Making) -> None:
    """Hands the documents over in batches, each while the next one is made."""
    from threading import Thread

    error: list[BaseException] = []

    def insert(batch: "list[Document]") -> None:
        try:
            database.executemany(
                "INSERT INTO texts (rowid, words) VALUES (?, ?)",
                ((number, text) for number, _, text, _ in batch),
            )
            database.executemany(
                "INSERT INTO documents VALUES (?, ?)",
                ((number, run_id) for number, run_id, _, _ in batch),
            )
            database.executemany(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?)",
                ((run_id, *stamp) for _, run_id, _, stamp in batch if stamp is not None),
            )
        except BaseException as raised:  # noqa: BLE001 raised below, in the caller's thread
            error.append(raised)

    thread: Thread | None = None
    batch: list[Document] = []
    size = 0
    try:
        for document in making.documents():
            batch.append(document)
            size += len(document[2])
            if size >= _BATCH:
                if thread is not None:
                    thread.join()
                if error:
                    break
                thread = Thread(target=insert, args=(batch,))
                thread.start()
                batch, size = [], 0
    finally:
        if thread is not None:
            thread.join()
    if not error:
        insert(batch)
    if error:
        raise error[0]


def _note(database: "Any", making: Making) -> None:
    """Writes down what is covered."""
    for shard, stamp in making.folders.items():
        database.execute("DELETE FROM pending WHERE run_id >= ? AND run_id < ?", shard_range(shard))
        database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (shard, *stamp))
    database.executemany(
        "INSERT OR REPLACE INTO pending VALUES (?)", ((run_id,) for run_id in making.pending)
    )


def _list_words(database: "Any") -> None:
    """Writes the list of all words anew, in rows of about a megabyte."""
    database.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'texts', 'row')")
    database.execute("DELETE FROM vocabulary")
    terms = database.execute("SELECT term FROM temp.terms")
    while rows := terms.fetchmany(_TERMS):
        words = f" {' '.join(term for (term,) in rows)} "
        database.execute("INSERT INTO vocabulary VALUES (?)", (words.encode(),))


def _is_as_read(folder: "Folder", database: "Any") -> bool:
    """Whether all indexed logs are still as they were read."""
    for run_id, *stamp in database.execute("SELECT * FROM runs"):
        try:
            status = os.lstat(folder.path(layout.run_path(run_id)))
        except OSError:
            return False
        if stamp_of(status) != tuple(stamp):
            return False
    return True


def _pieces(fd: int, size: int) -> "Iterator[bytes]":
    """Yields a log in pieces of whole lines, without the text after the last newline."""
    rest = b""
    offset = 0
    while offset < size:
        block = os.pread(fd, min(_PIECE, size - offset), offset)
        if not block:
            return
        offset += len(block)
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
    if rest:
        yield b""  # it has no end yet
