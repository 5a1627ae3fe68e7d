"""A third backend, on one SQLite file: it shows that the driver is all that a store needs.

`sqlite:///path` names it, after `register()`. A file next to it is locked by holds and removals.
"""

import fcntl
import os
import sqlite3
import time
from contextlib import contextmanager
from threading import local

from aivcs import errors
from aivcs.codec.sha256 import hex_digest
from aivcs.log import chain
from aivcs.model.digest import ContentDigest
from aivcs.opening import SCHEMES
from aivcs.store.blobs import WholeBlobs
from aivcs.store.identity import identify
from aivcs.store.listing import Listing
from aivcs.store.lookup import Lookup
from aivcs.store.numbered import NumberedView
from aivcs.store.place import START, Place
from aivcs.store.settings import Settings
from aivcs.store.verify import inspect

SCHEMA = """
CREATE TABLE lines (log TEXT, number INTEGER, line BLOB, PRIMARY KEY (log, number)) WITHOUT ROWID;
CREATE TABLE blobs (digest TEXT PRIMARY KEY, content BLOB, put REAL) WITHOUT ROWID;
CREATE TABLE documents (name TEXT PRIMARY KEY, data BLOB);
"""


def register():
    """Makes `sqlite://` a scheme of stores in this process."""
    SCHEMES["sqlite"] = f"{__name__}:SqliteBackend"


class Database:
    """A connection for each thread, whose errors are those of a backend."""

    def __init__(self, path, timeout):
        self.path = path
        self.timeout = timeout
        self._local = local()

    def run(self, statement, *values):
        try:
            return self._connection().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise errors.LockTimeoutError(self.path, self.timeout) from error
            raise errors.BackendError(f"cannot use {self.path}: {error}") from error

    def names(self, statement, prefix):
        """Yields the texts of one column that begin with a prefix."""
        return (name for (name,) in self.run(statement) if name.startswith(prefix))

    @contextmanager
    def change(self):
        """A block that is one transaction, alone with the database; durable at its end."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    @contextmanager
    def state(self):
        """A block in which nothing that others write is seen."""
        if self._connection().in_transaction:
            yield
            return
        self.run("BEGIN")
        try:
            yield
        finally:
            self.run("ROLLBACK")

    def _connection(self):
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(
                self.path, timeout=self.timeout, isolation_level=None
            )
            self._local.connection.execute("PRAGMA journal_mode = WAL")
        return self._local.connection


class SqliteLogs:
    """The `LogDriver`."""

    def __init__(self, database):
        self._database = database

    def names(self, prefix="", *, strict=True):
        return self._database.names("SELECT DISTINCT log FROM lines ORDER BY log", prefix)

    def where(self, name):
        return name

    @contextmanager
    def look(self, name):
        with self._database.state():
            yield self._view(name)

    def update(self, name, decide, *, durable=True):
        with self._database.change():
            view = self._view(name)
            lines = list(decide(view))
            number = self._count(name)
            for line in lines:
                number += 1
                self._database.run("INSERT INTO lines VALUES (?, ?, ?)", name, number, line)

    def append_texts(self, name, texts):
        return None

    def read(self, name, after=START, *, settled=False):
        with self._database.state():
            count = self._count(name)
            known = (
                chain.hash_of(self._line(name, after.lines)[:-1]) if after.lines <= count else None
            )
            if known != after.hash:
                after = START
        rows = self._database.run(
            "SELECT line FROM lines WHERE log = ? AND number BETWEEN ? AND ? ORDER BY number",
            name,
            after.lines + 1,
            count,
        )
        with chain.naming(name):
            for number, line in chain.verified_lines(
                (bytes(line) for (line,) in rows), after.hash, after.lines
            ):
                yield line, Place(number, chain.hash_of(line) or "")

    def _view(self, name):
        count = self._count(name)
        return NumberedView(name, count, lambda n: self._line(name, n)) if count else None

    def _count(self, name):
        ((count,),) = self._database.run(
            "SELECT coalesce(max(number), 0) FROM lines WHERE log = ?", name
        )
        return count

    def _line(self, name, number):
        rows = self._database.run(
            "SELECT line FROM lines WHERE log = ? AND number = ?", name, number
        )
        return bytes(rows[0][0]) if rows else b""


class SqliteBlobs(WholeBlobs):
    """The `ObjectDriver`."""

    def __init__(self, database, guard):
        self._database = database
        self._guard = guard

    def load(self, digest):
        rows = self._database.run("SELECT content FROM blobs WHERE digest = ?", digest)
        return bytes(rows[0][0]) if rows else None

    def save(self, digest, content):
        with self._guard.hold():
            self._database.run(
                "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)", digest, content, time.time()
            )

    def contains(self, digest):
        return bool(
            self._database.run("SELECT 1 FROM blobs WHERE digest = ?", ContentDigest(digest))
        )

    def delete(self, digest):
        self._database.run("DELETE FROM blobs WHERE digest = ?", ContentDigest(digest))

    def list_digests(self, prefix=""):
        return map(
            ContentDigest,
            self._database.names("SELECT digest FROM blobs ORDER BY digest", prefix.lower()),
        )

    def stored(self):
        rows = self._database.run("SELECT digest, length(content), put FROM blobs")
        return ((ContentDigest(digest), size, put) for digest, size, put in rows)

    @contextmanager
    def removal(self):
        with self._guard.removal():
            yield self

    def remove(self, digest, *, unless_since=None):
        limit = float("inf") if unless_since is None else unless_since
        return bool(
            self._database.run(
                "DELETE FROM blobs WHERE digest = ? AND put < ? RETURNING 1", digest, limit
            )
        )

    def confirm(self):
        pass  # a lock on a file lasts as long as its descriptor


class SqliteDocuments:
    """The `Documents`."""

    def __init__(self, database):
        self._database = database

    def read(self, name):
        rows = self._database.run("SELECT data FROM documents WHERE name = ?", name)
        return (bytes(rows[0][0]), hex_digest(rows[0][0])) if rows else None

    def create(self, name, data):
        statement = "INSERT INTO documents VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1"
        return bool(self._database.run(statement, name, data))

    def write(self, name, data, *, expect=None):
        with self._database.change():
            self._require(name, expect)
            self._database.run("INSERT OR REPLACE INTO documents VALUES (?, ?)", name, data)

    def names(self, prefix, *, newest_first=False):
        names = self._database.names("SELECT name FROM documents ORDER BY rowid DESC", prefix)
        return names if newest_first else iter(sorted(names))

    def drop(self, name, *, expect=None):
        with self._database.change():
            self._require(name, expect)
            gone = self._database.run("DELETE FROM documents WHERE name = ? RETURNING 1", name)
            return bool(gone)

    def _require(self, name, expect):
        found = self.read(name)
        if expect is not None and expect != (found[1] if found else ""):
            raise errors.ConflictError(f"{name} was changed by somebody else; nothing was written")


class FileGuard:
    """Holds and removals, by locks on a file beside the database."""

    def __init__(self, path, timeout):
        self._path = path
        self._timeout = timeout

    def hold(self):
        return self._locked(fcntl.LOCK_SH)

    def removal(self):
        return self._locked(fcntl.LOCK_EX)

    @contextmanager
    def _locked(self, kind):
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            deadline = time.monotonic() + self._timeout
            while True:
                try:
                    fcntl.flock(fd, kind | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise errors.LockTimeoutError(self._path, self._timeout) from None
                    time.sleep(0.005)
            yield
        finally:
            os.close(fd)


class SqliteBackend:
    """The `Backend`."""

    folder = None
    poll_seconds = (0.05, 0.5)

    def __init__(self, url, settings):
        path = url.removeprefix("sqlite://")
        self.url = url
        self.settings = settings
        database = Database(path, settings.lock_timeout)
        self._guard = FileGuard(f"{path}.lock", settings.lock_timeout)
        self.logs = SqliteLogs(database)
        self.objects = SqliteBlobs(database, self._guard)
        self.documents = SqliteDocuments(database)

    @classmethod
    def open(cls, url, settings=None):
        path = url.removeprefix("sqlite://")
        if not os.path.exists(path):
            raise errors.NoRepositoryError(f"{url} is not a store; make one with: aivcs init {url}")
        documents = SqliteDocuments(Database(path, 30))
        if (documents.read("format") or (b"",))[0] != b"1\n":
            raise errors.UnsupportedFormatError(f"{url} is a store of another format")
        if callable(settings):
            settings = settings((documents.read("config.toml") or (None,))[0])
        return cls(url, settings or Settings())

    @classmethod
    def init(cls, url, *, shared=False, private=False, settings=None):
        path = url.removeprefix("sqlite://")
        if not os.path.exists(path):
            with sqlite3.connect(path) as database:
                database.executescript(SCHEMA)
            database.close()
            documents = SqliteDocuments(Database(path, 30))
            identify(documents)
            documents.create("format", b"1\n")
        return cls.open(url, settings)

    def now(self):
        return time.time()

    @contextmanager
    def hold(self, *, later=False):
        if later:  # putting is a hold by itself
            yield
            return
        with self._guard.hold():
            yield

    def doubts(self):
        return iter(())

    def is_own(self, name):
        return bool(name)

    def list_runs(self, ledger, unreadable):
        return Listing(ledger, unreadable)

    def lookup(self, ledger):
        return Lookup(self, ledger)

    def inspect(self, parts, progress, *, repair=False):
        del repair
        return inspect(self, parts, progress)

    def measure(self, parts):
        del parts
        return 0

    def sweep(self, moment, *, delete):
        del moment, delete
        return 0

    def close(self):
        pass
