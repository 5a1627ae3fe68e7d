"""One connection to the server, made again when it is lost; and the holds that live in it.

Every opening of a store has one session. Threads take turns. A hold on blobs is an advisory lock of
the session, so that a lost connection loses it; when it was lost and nobody removed blobs since,
the hold goes on in the next connection. If somebody did, everything in the hold fails.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from aivcs import errors
from aivcs.backends.postgres import faults
from aivcs.backends.postgres.client import limits, load_psycopg, quoted, secured
from aivcs.errors import BackendError, OutcomeUnknownError, StorageError
from aivcs.util.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from aivcs.backends.postgres.address import Address
    from aivcs.store.settings import Settings

    Connection = psycopg.Connection[Any]

T = TypeVar("T")

_FIRST_WAIT = 0.05
"""Seconds before the second attempt, about."""
_MAX_WAIT = 2.0
"""Seconds between two attempts, at most."""
_IDLE_MS = 60_000
"""Milliseconds after which the server ends a transaction whose client has stopped in its middle:
it holds the lock of a log."""

_SET_UP = """SELECT set_config('lock_timeout', %s, false),
    set_config('idle_in_transaction_session_timeout', %s, false),
    set_config('client_encoding', 'UTF8', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('application_name', 'aivcs', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, false)"""


class LostError(Exception):
    """The connection was lost in the middle of a statement; it may have been executed."""


class Session:
    """The connection of one opening.

    Attributes:
        address: The store.
        settings: The settings of the opening.
    """

    def __init__(self, address: Address, settings: Settings) -> None:
        """Connects when first used."""
        self._connection: Connection | None = None
        self.address = address
        self.settings = settings
        self.schema = quoted(address.schema)
        self._lock = RLock()
        self._holds = 0
        self._later = 0
        self._epoch: int | None = None
        self._in_transaction = False
        self._is_unread = False
        self._removing: Connection | None = None
        self._process = os.getpid()
        self._opening: str | None = None
        self._opened: list[tuple[Any, ...]] = []

    def configure(self, settings: Settings) -> None:
        """Takes the settings that the store's own configuration adds to."""
        is_changed = settings.lock_timeout != self.settings.lock_timeout
        self.settings = settings
        if self._connection is not None and is_changed:
            self.read("SELECT set_config('lock_timeout', %s, false)", self._lock_ms())

    def _lock_ms(self) -> str:
        return str(max(1, round(self.settings.lock_timeout * 1000)))

    def open(self, statement: str) -> list[tuple[Any, ...]]:
        """Connects, and executes a first statement in the same round trip as the settings.

        Raises:
            BackendError: The server refuses the connection or the statement.
            UnreachableError: The server cannot be reached.
        """
        with self._lock:
            self._opening = statement
            try:
                return self.repeat(self._open, is_change=False)
            finally:
                self._opening = None

    def _open(self) -> list[tuple[Any, ...]]:
        self._drop()
        self._connected()
        return self._opened

    # statements

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Executes a statement that changes nothing; again if the connection is lost.

        Args:
            statement: SQL, in which `{s}` stands for the schema.
            values: Its parameters.
        """
        return self.repeat(lambda: self.execute(statement, *values), is_change=False)

    def change(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Executes a statement that may be executed twice without harm, until its outcome is known.

        Raises:
            OutcomeUnknownError: The server could not be reached to find out.
        """

        def act() -> list[tuple[Any, ...]]:
            try:
                return self.execute(statement, *values)
            except RaceLostError as lost:  # to one who does not queue; it looks again itself
                raise AgainError(str(lost)) from lost

        return self.repeat(act, is_change=True)

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Executes a statement once.

        Raises:
            LostError: The connection was lost; the statement may have been executed.
            StorageError: The server refused it; nothing was done.
        """
        import psycopg

        with self._lock:
            connection = self._connected()
            try:
                cursor = connection.execute(self.sql(statement), values or None, binary=True)
                return cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                raise self._judged(error) from error

    def script(self, sql: str) -> None:
        """Executes several statements, without parameters, in a transaction."""
        import psycopg

        with self._lock:
            try:
                self._connected().execute(sql.encode())
            except psycopg.Error as error:
                raise self._judged(error) from error

    def repeat(self, act: Callable[[], T], *, is_change: bool) -> T:
        """Calls a function again as long as the connection is lost in it, or a deadlock broken.

        Args:
            act: Does the same at each call.
            is_change: Whether a call whose connection was lost may have changed something.

        Raises:
            UnreachableError: The server could not be reached, and nothing was done.
            OutcomeUnknownError: It could not be reached to find out what was done.
        """
        end = time.monotonic() + self.settings.remote.timeout
        is_doubtful = False
        with self._lock:
            for attempts, wait in enumerate(backoff(_FIRST_WAIT, _MAX_WAIT), 1):
                try:
                    return act()
                except LostError as lost:
                    if self._in_transaction:  # the block around it begins again
                        raise
                    is_doubtful = is_doubtful or is_change
                    if time.monotonic() > end:
                        why = self._tried(str(lost), attempts)
                        raise self._gone(why, is_doubtful=is_doubtful) from lost
                    time.sleep(wait)
                except StorageError as error:
                    # Even a refusal tells nothing of the attempt before: that may still run.
                    if is_doubtful and not isinstance(error, OutcomeUnknownError):
                        why = getattr(error, "reason", "") or str(error)
                        raise self._gone(why, is_doubtful=True) from error
                    raise
                except AgainError as again:
                    if self._in_transaction or time.monotonic() > end:
                        if is_doubtful:
                            raise self._gone(str(again), is_doubtful=True) from again
                        raise BackendError(str(again)) from again
                    time.sleep(wait)
        raise AssertionError  # backoff() has no end

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A block that is one transaction; committed at its end.

        Raises:
            LostError: The connection was lost; if in the commit, it may have been committed.
            StorageError: The server refused a statement; nothing was done.
        """
        with self._lock:
            if self._in_transaction:
                yield
                return
            self.execute("BEGIN")
            self._in_transaction = True
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._in_transaction = False

    def _roll_back(self) -> None:
        if self._connection is None:
            return
        try:
            self.execute("ROLLBACK")
        except (LostError, StorageError):
            self._drop()

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """A block, in a transaction, whose statements do not wait for each other."""
        import psycopg

        connection = self._connected()
        try:
            with connection.pipeline():
                yield
        except psycopg.Error as error:
            raise self._judged(error) from error

    def send(self, statement: str, *values: object) -> None:
        """Sends a statement in a `pipeline`, without its result."""
        import psycopg

        assert self._connection is not None
        try:
            self._connection.execute(self.sql(statement), values or None, binary=True)
        except psycopg.Error as error:
            raise self._judged(error) from error

    def sql(self, statement: str) -> bytes:
        """Returns a statement with the schema's name in it."""
        return statement.replace("{s}", self.schema).encode()

    # holds

    @contextmanager
    def hold(self, *, later: bool = False) -> Iterator[None]:
        """A block in which no blob is removed that was found or put in it."""
        with self._lock:
            if later:
                self._later += 1
            else:
                self._enter()
        try:
            yield
        finally:
            with self._lock:
                if later:
                    self._later -= 1
                else:
                    self._holds -= 1
                if not self._later and not self._holds:
                    self._leave()

    def hold_from_now(self) -> None:
        """Begins a hold that was to begin with the first blob."""
        with self._lock:
            if self._later and self._epoch is None:
                self._take()

    def _enter(self) -> None:
        self._holds += 1
        if self._epoch is None:
            try:
                self._take()
            except BaseException:
                self._holds -= 1
                raise

    def _take(self) -> None:
        ((epoch,),) = self.read("SELECT {s}.hold()")
        self._epoch = epoch

    def _leave(self) -> None:
        epoch, self._epoch = self._epoch, None
        if epoch is None or self._connection is None:
            return  # with a lost connection went the lock
        import psycopg

        try:
            # Without waiting for the answer, since hardly anything follows in most commands; the
            # server executes it before it executes, or ends, anything else here.
            self._connection.pgconn.send_query(self.sql("SELECT {s}.end_hold()"))
            self._connection.pgconn.flush()
            self._is_unread = True
        except psycopg.Error:
            self._drop()  # with the connection goes the lock

    @contextmanager
    def removal(self) -> Iterator[None]:
        """A block in which nobody is in a hold.

        It does not queue for the lock: a removal that waits must not keep others from their holds.

        Raises:
            LockTimeoutError: Others are in holds for too long.
        """
        limit = self.settings.lock_timeout
        end = time.monotonic() + limit
        for wait in backoff(0.005, 0.05):
            with self._lock:  # no other thread may connect anew in between
                ((is_mine,),) = self.read("SELECT {s}.try_removal()")
                self._removing = self._connection if is_mine else None
            if is_mine:
                break
            if time.monotonic() > end:
                raise errors.LockTimeoutError(f"the blobs of {self.address.url}", limit)
            time.sleep(wait)
        try:
            yield
        finally:
            with self._lock:
                self._end_removal()

    def _end_removal(self) -> None:
        connection, self._removing = self._removing, None
        if connection is None or connection is not self._connection:
            return  # with a lost connection went the lock
        try:
            self.execute("SELECT {s}.end_removal()")
        except (LostError, StorageError):
            self._drop()

    def removing(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Executes a statement in a `removal`, in the connection that has its lock.

        Raises:
            BackendError: The connection was lost; somebody may have begun to rely on a blob.
        """
        try:
            with self._lock:
                if self._connection is not self._removing or self._removing is None:
                    raise LostError
                return self.execute(statement, *values)
        except LostError as lost:
            raise BackendError(
                f"{self.address.url}: the connection was lost while removing blobs; run it again"
            ) from lost

    # the connection

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        """Ends the connection of a session that nobody closed."""
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._is_unread = False
        # A forked child has a copy of the connection, and would end that of its parent.
        if connection is not None and self._process == os.getpid():
            connection.close()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
            try:
                self._resume_hold()
            except BaseException:
                self._drop()
                raise
        elif self._is_unread:
            self._read_answer(self._connection)
            if self._connection is None:
                if self._in_transaction:  # the block around it begins again
                    raise LostError("the server does not answer")
                return self._connected()
        return self._connection

    def _read_answer(self, connection: Connection) -> None:
        """Takes the answer that `_leave` did not wait for; a lost connection shows itself later."""
        import psycopg

        self._is_unread = False
        of_server = connection.pgconn
        end = time.monotonic() + self.settings.remote.timeout
        try:
            poller = select.poll()
            poller.register(of_server.socket, select.POLLIN)
            while True:
                while of_server.is_busy():  # get_result() would keep other threads from running
                    left = max(0.0, end - time.monotonic())
                    if not poller.poll(left * 1000):
                        self._drop()  # with the connection goes the lock
                        return
                    of_server.consume_input()
                if of_server.get_result() is None:
                    return
        except psycopg.Error:
            pass

    def _resume_hold(self) -> None:
        """Takes the lock of a hold again, if nobody removed blobs while it was lost."""
        if self._epoch is None or self._connection is None:
            return
        import psycopg

        try:
            cursor = self._connection.execute(self.sql("SELECT {s}.hold()"))
            ((epoch,),) = cursor.fetchall()
        except psycopg.Error as error:
            raise self._judged(error) from error
        if epoch != self._epoch:
            raise OutcomeUnknownError(
                f"{self.address.url}: the connection was lost, and blobs were removed before it "
                "came back; look at what is stored, and repeat what is not"
            )

    def _connect(self) -> Connection:
        psycopg = load_psycopg(self.address.url)
        end = time.monotonic() + self.settings.remote.timeout
        remote = self.settings.remote
        notify = remote.notify  # which a store for the blobs, with the same settings, may take
        self.address.with_password(remote.password(self.address.url))
        conninfo = secured(self.address, remote.tls)
        lasting = limits(conninfo, remote.timeout)
        for attempts, wait in enumerate(backoff(_FIRST_WAIT, _MAX_WAIT), 1):
            left = max(2, min(10, int(end - time.monotonic())))
            connection: Connection | None = None
            try:
                connection = psycopg.connect(
                    conninfo, autocommit=True, connect_timeout=left, **lasting
                )
                self._process = os.getpid()
                self._set_up(connection)
                return connection
            except psycopg.Error as error:
                if connection is not None:
                    connection.close()
                refused = faults.refusal(error, self.address.url)
                if refused is not None:
                    raise refused from None  # the cause may quote a password
                if not faults.is_lost(error):
                    url, limit = self.address.url, self.settings.lock_timeout
                    raise faults.translated(error, url, limit) from error
                if time.monotonic() + wait > end:
                    why = self._tried(faults.line_of(error), attempts)
                    raise self._gone(why, is_doubtful=False) from None
                if notify is not None:
                    why = faults.line_of(error)
                    notify(
                        f"cannot reach {self.address.url}: {why}; trying for {remote.timeout:g} s"
                    )
                    notify = None
            time.sleep(wait)
        raise AssertionError

    def _set_up(self, connection: Connection) -> None:
        """Makes the settings; executes the first statement, if there is one, in the same trip."""
        values = (self._lock_ms(), str(_IDLE_MS))
        if self._opening is None:
            connection.execute(_SET_UP, values)
            return
        with connection.pipeline():
            connection.execute(_SET_UP, values)
            cursor = connection.execute(self.sql(self._opening), binary=True)
        self._opened = cursor.fetchall()

    def _judged(self, error: psycopg.Error) -> Exception:
        """Translates the error of a statement; drops a connection that is broken."""
        connection = self._connection
        if faults.is_lost(error) or connection is None or connection.broken or connection.closed:
            self._drop()
            return LostError(faults.line_of(error))
        if error.sqlstate in faults.LOST_RACE:
            return RaceLostError(faults.line_of(error))
        if error.sqlstate in faults.AGAIN:
            return AgainError(faults.line_of(error))
        return faults.translated(error, self.address.url, self.settings.lock_timeout)

    def _tried(self, why: str, attempts: int) -> str:
        """Returns why an attempt failed, with the number of attempts and their time."""
        timeout = self.settings.remote.timeout
        return why if attempts == 1 else f"{why} ({attempts} attempts in {timeout:g} s)"

    def _gone(self, why: str, *, is_doubtful: bool) -> StorageError:
        url = self.address.url
        if is_doubtful:
            return OutcomeUnknownError(
                f"{url}: the connection was lost, and it could not be found out what was stored "
                f"({why}); look, and repeat what is not"
            )
        return errors.UnreachableError(url, why)


class RaceLostError(Exception):
    """Another change came first; nothing was done."""


class AgainError(Exception):
    """The server broke a deadlock; nothing was done."""
