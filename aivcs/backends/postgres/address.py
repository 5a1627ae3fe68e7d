"""The URL of a store in PostgreSQL: what it names, and what may be shown of it.

    postgresql://[USER@]HOST[:PORT]/DATABASE[?schema=NAME][&PARAMETER=VALUE…]

All but `schema` is as libpq has it, so service files, PGPASSFILE and the PG… variables work.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from aivcs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "aivcs"
"""The schema of a URL that names none."""
_MAX_SCHEMA = 40
"""Characters of a schema's name: the names of its roles must fit into PostgreSQL's 63."""
_SECRET = frozenset({"password", "sslpassword"})

_passwords: dict[str, str] = {}
"""Passwords that came in URLs, by the URL without them: a store is opened again by that."""


class Address:
    """A parsed URL.

    Attributes:
        url: The URL without a password; it opens the same store again in this process.
        conninfo: What libpq is given; has the password.
        schema: The schema of the store.
    """

    __slots__ = ("_base", "_query", "conninfo", "schema", "url")

    def __init__(self, url: str) -> None:
        """Parses a URL.

        Raises:
            UsageError: It is not valid.
        """
        try:
            parts = urlsplit(url)
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            password = parts.password
        except ValueError as error:
            raise UsageError(f"the URL of the store is not valid: {_mask(error, url)}") from None
        self.schema = dict(pairs).get("schema", SCHEMA)
        if not 0 < len(self.schema) <= _MAX_SCHEMA or not self.schema.isprintable():
            raise UsageError(f"schema {self.schema[:80]!r} is not a name of 1 to {_MAX_SCHEMA}")
        self._query = {key: value for key, value in pairs if key != "schema"}
        shown = [pair for pair in pairs if pair[0] not in _SECRET]
        netloc = parts.netloc
        if password is not None:
            userinfo, _, host = netloc.rpartition("@")
            netloc = f"{userinfo.partition(':')[0]}@{host}"
        self._base = f"{parts.scheme}://{netloc}{parts.path}"
        self.url = self._with(dict(shown))
        password = self._query.pop("password", None) if password is None else unquote(password)
        if password is not None:
            _passwords[self.url] = password
        password = _passwords.get(self.url)
        if password is not None:
            self._query["password"] = password
        self.conninfo = self._with(self._query)

    def _with(self, query: Mapping[str, str]) -> str:
        """The URL with other parameters."""
        text = urlencode(query, quote_via=quote, safe="/:,*")
        return f"{self._base}?{text}" if text else self._base

    def secured(self, environment: Mapping[str, str], hosts: str, tls: str) -> str:
        """Returns `conninfo` with TLS as the user wants it, off this machine.

        Args:
            environment: The environment, which may name certificates.
            hosts: The hosts that libpq takes from the URL, its service or the environment.
            tls: The least that the user's configuration asks for, one of `aivcs.store.remote.TLS`.

        Raises:
            UsageError: The URL asks for less.
        """
        asked = self._query.get("sslmode")
        if all(map(_is_near, (hosts or "").split(","))):
            return self.conninfo
        if asked is not None and _strength(asked) < _strength(tls):
            raise UsageError(
                f"{self.url}: sslmode={asked} lets others read, or answer in the server's place; "
                f"leave it out, or allow it in your own configuration: remote.tls = {asked}"
            )
        mode = asked or ("prefer" if tls == "disable" else tls)
        query = {**self._query, "sslmode": mode}
        if mode.startswith("verify") and not _has_roots(query, environment):
            query["sslrootcert"] = "system"
            query["sslmode"] = "verify-full"  # the only mode that libpq allows with it
        return self._with(query)

    def with_password(self, password: str | None) -> None:
        """Takes a password for connections, unless the URL has its own."""
        if password is not None and self.url not in _passwords:
            self._query["password"] = password
            self.conninfo = self._with(self._query)


def _strength(mode: str) -> int:
    """The strength of an sslmode; an unknown mode is the weakest."""
    return {"require": 1, "verify-ca": 2, "verify-full": 3}.get(mode, 0)


def _mask(error: ValueError, url: str) -> str:
    """The text of an error, unless it quotes the URL."""
    text = str(error)
    return "it cannot be parsed" if any(part in text for part in (url, "@", ":")) else text


def _is_near(host: str) -> bool:
    """Whether a connection to a host stays on this machine: a socket, or loopback."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _has_roots(query: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether libpq has certificates to verify with; otherwise the system's are used."""
    home = os.path.expanduser("~/.postgresql/root.crt")
    return "sslrootcert" in query or "PGSSLROOTCERT" in environment or os.path.exists(home)
