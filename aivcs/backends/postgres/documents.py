"""The documents: rows that are replaced as a whole."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

from aivcs.codec.sha256 import hex_digest
from aivcs.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.postgres.session import Session

_WRITE = "SELECT {s}.write_document(%s, %s, %s, %s)"


class PostgresDocuments:
    """The `Documents`."""

    def __init__(self, session: Session) -> None:
        """Takes the session of an opening."""
        self._session = session

    def read(self, name: str) -> tuple[bytes, str] | None:
        """As `Documents.read`."""
        rows = self._session.read("SELECT data FROM {s}.documents WHERE name = %s", name)
        return (rows[0][0], hex_digest(rows[0][0])) if rows else None

    def create(self, name: str, data: bytes) -> bool:
        """As `Documents.create`."""
        ((is_made,),) = self._session.change(_WRITE, name, data, "", urandom(16))
        return bool(is_made)

    def write(self, name: str, data: bytes, *, expect: str | None = None) -> None:
        """As `Documents.write`."""
        ((is_written,),) = self._session.change(_WRITE, name, data, expect, urandom(16))
        if not is_written:
            raise _changed(name)

    def names(self, prefix: str, *, newest_first: bool = False) -> Iterator[str]:
        """As `Documents.names`."""
        order = "written_at DESC, name" if newest_first else "name"
        rows = self._session.read(
            f"SELECT name FROM {{s}}.documents WHERE starts_with(name, %s) ORDER BY {order}",
            prefix,
        )
        return (name for (name,) in rows)

    def drop(self, name: str, *, expect: str | None = None) -> bool:
        """As `Documents.drop`."""
        rows = self._session.change("SELECT {s}.drop_document(%s, %s)", name, expect)
        if rows == [(None,)]:
            raise _changed(name)
        return bool(rows[0][0])


def _changed(name: str) -> ConflictError:
    return ConflictError(f"{name} was changed by somebody else; nothing was written")
