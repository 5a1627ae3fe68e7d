"""A store in a schema of a PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.backends.postgres import rights, schema
from aivcs.backends.postgres.address import Address
from aivcs.backends.postgres.documents import PostgresDocuments
from aivcs.backends.postgres.logs import PostgresLogs
from aivcs.backends.postgres.objects import PostgresObjects
from aivcs.backends.postgres.session import Session
from aivcs.errors import NoRepositoryError
from aivcs.store.identity import identify
from aivcs.store.lookup import Lookup
from aivcs.store.settings import Settings
from aivcs.store.verify import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable

    Configure = Callable[[bytes | None], Settings]


class PostgresBackend:
    """The `Backend`, and the administration of its store."""

    folder = None
    poll_seconds = (0.1, 1.0)

    def __init__(self, address: Address, settings: Settings) -> None:
        """Takes an address; nothing is checked. Use `open` or `init`."""
        self.url = address.url
        self.settings = settings
        self._session = Session(address, settings)
        self._logs = PostgresLogs(self._session)
        self._objects = PostgresObjects(self._session)
        self._documents = PostgresDocuments(self._session)
        self._version = schema.VERSION

    @classmethod
    def open(cls, url: str, settings: Settings | Configure | None = None) -> PostgresBackend:
        """Opens a store.

        Args:
            url: The URL.
            settings: The settings, or a function that makes them from the store's configuration.

        Raises:
            NoRepositoryError: There is no store in the schema.
            UnsupportedFormatError: A later version made it.
            UnreachableError: The server cannot be reached.
            BackendError: The server refuses the connection.
            UsageError: The URL is not valid.
        """
        address = Address(url)
        store = cls(address, settings_of(settings, None))
        try:
            found = schema.open_store(store._session)
            if found is None:
                others = ", ".join(schema.schemas(store._session))
                raise NoRepositoryError(
                    f"there is no store in {store.url} (schema {address.schema}); "
                    + (f"this database has stores in the schemas {others}; " if others else "")
                    + "make one with: aivcs init, with the URL in AIVCS_STORE or --store"
                )
            store._version, config = found
            if config is not None:
                store._set(settings_of(settings, config))
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def init(
        cls,
        url: str,
        *,
        shared: bool = False,  # noqa: ARG003 the server's roles say who may what
        private: bool = False,  # noqa: ARG003
        settings: Settings | Configure | None = None,
    ) -> PostgresBackend:
        """Makes a store in a schema, if there is none, and opens it.

        Raises:
            BackendError: The user may not make it, or the server cannot hold it.
            UnreachableError: The server cannot be reached.
        """
        store = cls(Address(url), settings_of(settings, None))
        try:
            schema.install(store._session)
            if store._session.read("SELECT {s}.is_owner()") == [(True,)]:
                identify(store._documents)
        finally:
            store.close()
        return cls.open(url, settings)

    def _set(self, settings: Settings) -> None:
        self.settings = settings
        self._session.configure(settings)

    # what it supplies; not before an upgrade, if it needs one

    @property
    def logs(self) -> PostgresLogs:
        """The logs."""
        self._require_version()
        return self._logs

    @property
    def objects(self) -> PostgresObjects:
        """The blobs."""
        self._require_version()
        return self._objects

    @property
    def documents(self) -> PostgresDocuments:
        """The small files."""
        self._require_version()
        return self._documents

    def _require_version(self) -> None:
        if self._version < schema.VERSION:
            raise schema.outdated(self._session, self._version)

    def is_own(self, name: str) -> bool:
        """As `Backend.is_own`: the same user of the database started it."""
        return bool(
            self._session.read(
                "SELECT 1 FROM {s}.logs WHERE name = %s AND begun_by = session_user", name
            )
        )

    def now(self) -> float:
        """As `Backend.now`: the time of the server."""
        return float(
            self._session.read("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]
        )

    def hold(self, *, later: bool = False) -> AbstractContextManager[None]:
        """As `Backend.hold`."""
        return self._session.hold(later=later)

    def doubts(self) -> Iterator[str]:
        """As `Backend.doubts`."""
        return rights.settings_doubts(self._session)

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """As `Backend.list_runs`."""
        from aivcs.backends.postgres.run_index import PostgresRuns

        return PostgresRuns(self._session, ledger, unreadable)

    def lookup(self, ledger: RunLedger) -> Lookup:
        """As `Backend.lookup`."""
        return Lookup(self, ledger)

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,  # noqa: ARG002 a transaction leaves nothing half done
    ) -> Iterator[Finding]:
        """As `Backend.inspect`; compares the projection of the runs with their logs, too."""
        yield from inspect(self, parts, progress)
        if "runs" in parts:
            from aivcs.backends.postgres.projection import differences

            yield from differences(self._session)

    def measure(self, parts: frozenset[str]) -> int:
        """As `Backend.measure`."""
        size = 0
        if "blobs" in parts:
            size += self._session.read("SELECT coalesce(sum(size), 0)::int8 FROM {s}.blobs")[0][0]
        for part, prefix in (("runs", "run/"), ("releases", "release/")):
            if part in parts:
                size += self._session.read(
                    "SELECT coalesce(sum(length(data)), 0)::int8 FROM {s}.chunks c "
                    "JOIN {s}.logs l ON l.id = c.log WHERE starts_with(l.name, %s)",
                    prefix,
                )[0][0]
        return size

    def sweep(self, moment: float, *, delete: bool) -> int:
        """As `Backend.sweep`: the parts of uploads that were never finished."""
        rows = self._session.change("SELECT {s}.sweep(to_timestamp(%s), %s)", moment, delete)
        return int(rows[0][0])

    def close(self) -> None:
        """As `Backend.close`."""
        self._session.close()

    # administration

    def grants(self, role: str, names: str | None = None) -> str:
        """Returns the SQL that gives a role its rights; the owner executes it.

        Args:
            role: reader, recorder, promoter, eraser, maintainer or owner.
            names: A pattern of release names, for a promoter.

        Raises:
            UsageError: There is no such role, or the pattern is not valid.
        """
        self._require_version()
        return rights.grants(self._session, role, names)

    def check(self) -> Iterator[str]:
        """Yields sentences about what is wrong with the rights, clock and versions."""
        return rights.check(self._session)

    def upgrade(self) -> Iterator[str]:
        """Brings the schema to this version; yields each step that was done.

        Raises:
            BackendError: The user is not the owner, or a step failed and changed nothing.
        """
        yield from schema.upgrade(self._session)
        self._version = schema.VERSION


def settings_of(settings: Settings | Configure | None, config: bytes | None) -> Settings:
    """Returns the settings of an opening; how to reach the store does not depend on its own file.

    Args:
        settings: The settings, or a function that makes them from the store's configuration.
        config: That configuration, as far as it is known.
    """
    if settings is None:
        return Settings()
    return settings if isinstance(settings, Settings) else settings(config)
