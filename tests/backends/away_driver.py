"""A store that can go away: the one on SQLite, behind a switch that a test throws.

`away:///path` names it, after `register()`. It is away while `<path>.away` exists. A number in
`<path>.after` is that of the statements after which it goes away by itself. `<path>.log` has a line
for each attempt while it was away.
"""

import os
from threading import Lock
from time import monotonic, sleep

from backends.sqlite_driver import Database, SqliteBackend, SqliteLogs

from aivcs import errors
from aivcs.codec.url import shown
from aivcs.opening import SCHEMES
from aivcs.util.retry import backoff


def register():
    """Makes `away://` a scheme of stores in this process."""
    SCHEMES["away"] = f"{__name__}:AwayBackend"


def place_of(url):
    """The path in a URL, whose host is a decoration."""
    return "/" + url.partition("://")[2].partition("?")[0].partition("/")[2].rstrip("/")


class AwayDatabase(Database):
    """A database that fails as a server does that is away, before anything is done."""

    def __init__(self, path, timeout, url, remote):
        super().__init__(path, timeout)
        self._url = url
        self._remote = remote
        self._counting = Lock()

    def run(self, statement, *values):
        began, pauses, is_told = monotonic(), backoff(0.1, 5.0), False
        while True:
            try:
                self._require_there(statement)
                return super().run(statement, *values)
            except errors.UnreachableError as error:
                left = began + self._remote.timeout - monotonic()
                # Within a transaction nothing can be repeated by itself; its BEGIN can.
                if left <= 0 or self._connection().in_transaction:
                    raise
                if self._remote.notify is not None and not is_told:
                    is_told = True
                    limit = f"{self._remote.timeout:g} s"
                    self._remote.notify(
                        f"cannot reach {error.store}: {error.reason}; trying for {limit}"
                    )
            sleep(min(next(pauses), left))

    def _require_there(self, statement):
        if statement in {"ROLLBACK", "COMMIT"}:
            return
        with self._counting:
            self._count()
        if os.path.exists(f"{self.path}.away"):
            with open(f"{self.path}.log", "a") as file:
                file.write(f"{statement[:20]}\n")
            raise errors.UnreachableError(shown(self._url), "connection refused")

    def _count(self):
        after = f"{self.path}.after"
        if not os.path.exists(after):
            return
        with open(after, "r+") as file:
            left = int(file.read())
            file.seek(0)
            file.truncate()
            file.write(str(left - 1))
        if left <= 0:
            os.close(os.open(f"{self.path}.away", os.O_CREAT))


class AwayLogs(SqliteLogs):
    """The `LogDriver`, from which content can be erased."""

    erases = True

    def redact(self, name, stubs):
        statement = "UPDATE lines SET line = ? WHERE log = ? AND number = ?"
        with self._database.change():
            for number, line in stubs.items():
                self._database.run(statement, line + b"\n", name, number)

    def remove_many(self, names):
        for name in names:
            self._database.run("DELETE FROM lines WHERE log = ?", name)

    def forget_blob(self, digest):
        pass


class AwayBackend(SqliteBackend):
    """The `Backend`."""

    steps = ("made the table of stamps",)

    def __init__(self, url, settings):
        place = place_of(url)
        super().__init__(f"sqlite://{place}", settings)
        self.url = url
        self.logs = AwayLogs(None)
        database = AwayDatabase(place, settings.lock_timeout, url, settings.remote)
        for part in (self.logs, self.objects, self.documents):
            part._database = database

    @classmethod
    def open(cls, url, settings=None):
        place = place_of(url)
        if not os.path.exists(place):
            raise errors.NoRepositoryError(f"{url} is no store; make one with: aivcs init {url}")
        # Settings first: how to reach the store is the user's to say, never the store's.
        bare = settings(None) if callable(settings) else settings
        opened = cls(url, bare)
        text = (opened.documents.read("config.toml") or (None,))[0]
        if callable(settings) and text is not None:
            return cls(url, settings(text))
        return opened

    @classmethod
    def init(cls, url, *, shared=False, private=False, settings=None):
        SqliteBackend.init(f"sqlite://{place_of(url)}")
        return cls.open(url, settings)

    def grants(self, role, names=None):
        return f"GRANT {role} ON {names or '*'};"

    def check(self):
        if os.path.exists(f"{place_of(self.url)}.fault"):
            yield "the role recorder may delete"

    def upgrade(self):
        if self.documents.create("schema", b"2"):
            yield from self.steps
