"""Maps what the server or libpq says to the errors of aivcs, each with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs import errors
from aivcs.errors import BackendError, StorageError

if TYPE_CHECKING:
    import psycopg

LOST_RACE = frozenset({"23505", "23503"})
"""Unique and foreign key violation: another came first. Nothing was done."""
AGAIN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: nothing was done, and the same may work now."""
_MISSING = frozenset({"3F000", "42P01", "42883"})
"""No such schema, table or function."""
_AWAY = ("57P01", "57P02", "57P03", "57P05", "08", "53300", "25P03")
"""The server ends or refuses the connection, which says nothing about the next one."""

_FINAL = (
    ("password authentication failed", "check the user, and PGPASSWORD, PGPASSFILE or ~/.pgpass"),
    ("no password supplied", "set PGPASSWORD, or write the password to ~/.pgpass"),
    ("authentication failed", "check the user and how the server lets it in (pg_hba.conf)"),
    ("no pg_hba.conf entry", "let this user and address in, in the server's pg_hba.conf"),
    ("pg_hba.conf rejects", "let this user and address in, in the server's pg_hba.conf"),
    ('role "', "check the user in the URL, or make the role: CREATE ROLE … LOGIN"),
    ('database "', "check the database in the URL, or make it: createdb NAME"),
    ("permission denied for database", "ask its owner: GRANT CONNECT ON DATABASE … TO …"),
    ("certificate verify failed", "check sslrootcert: the server's certificate is not trusted"),
    ("server certificate for", "the certificate is another host's; use its name in the URL"),
    ("server does not support SSL", "switch TLS on in the server, or set PGSSLMODE yourself"),
    ("root certificate file", "name the certificate authority: PGSSLROOTCERT=FILE"),
    ("SSL error", "check the TLS settings of server and client"),
    ("definition of service", "check the service's name and ~/.pg_service.conf"),
    ("invalid connection option", "see libpq's parameters for what a URL may contain"),
    ("invalid URI", "write postgresql://USER@HOST/DATABASE?schema=NAME"),
    ("invalid sslmode", "write sslmode=verify-full"),
    ("invalid integer value", "check the port, and the other numbers in the URL"),
    ("invalid port number", "check the port in the URL"),
)
"""Messages of failed connections (in English; libpq gives no code), and the way out. Trying again
does not help with these."""


_ROLE = (
    ("must be owner", "owner"),
    ("change the release", "promoter --name PATTERN"),
    ("append to a run that", ""),
    ("end a run that", "maintainer"),
    ("redact", "eraser"),
    ("remove_log", "eraser"),
    ("remov", "maintainer"),
    ("erase", "eraser"),
    ("document eras", "eraser"),
    ("document config", "owner"),
    ("function append", "recorder"),
    ("function put", "recorder"),
    ("function renew", "recorder"),
    ("record runs", "recorder"),
    ("store blobs", "recorder"),
)
"""Messages of refused statements, and a role that may execute each, if there is one."""


def is_lost(error: psycopg.Error) -> bool:
    """Tells whether the connection went away, so that the outcome of a statement is not known."""
    import psycopg

    state = error.sqlstate
    if state is not None:
        return state.startswith(_AWAY)
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def refusal(error: psycopg.Error, url: str) -> StorageError | None:
    """Returns the error for a connection that will not come about; None if it may later."""
    said = str(error)
    for part, remedy in _FINAL:
        if part in said:
            return BackendError(f"{url}: {line_of(error)}; {remedy}")
    return None


def line_of(error: BaseException) -> str:
    """Returns what the server said, in one line."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    fatal = [line.partition("FATAL:")[2].strip() for line in said if "FATAL:" in line]
    return fatal[-1] if fatal else said[0].removesuffix(":")


def translated(error: psycopg.Error, url: str, seconds: float) -> StorageError:
    """Returns the error of aivcs for a statement that the server refused: nothing was done.

    Args:
        error: The server's.
        url: The store, for the message.
        seconds: The time limit for locks.
    """
    state = error.sqlstate or ""
    said = line_of(error)
    if state == "55P03":
        return errors.LockTimeoutError(f"a lock of {url}", seconds)
    if state in {"42501", "25006"}:
        role = next((role for part, role in _ROLE if part in said), "ROLE")
        way = "it is a standby; name the primary in the URL"
        if state == "42501" and role:
            way = f"the owner gives rights with the SQL of: aivcs store grants --role {role}"
        elif state == "42501":
            way = "who started it extends or completes it; a maintainer ends it: aivcs run reap"
        refusal = BackendError(f"{url}: {said}; nothing was done; {way}")
        refusal.is_refusal = True
        return refusal
    if state in _MISSING:
        return BackendError(f"{url}: {said}; aivcs store check tells what is missing")
    if state.startswith("53"):
        return BackendError(f"{url}: the server has run out of something: {said}; nothing was done")
    return BackendError(f"{url}: {said}; nothing was done")
