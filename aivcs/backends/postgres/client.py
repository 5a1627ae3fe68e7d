"""The client library: loaded when a store is opened, and how it is spoken to."""

from __future__ import annotations

import os
from struct import pack
from typing import TYPE_CHECKING, Any

from aivcs.backends.postgres import faults
from aivcs.errors import BackendError

if TYPE_CHECKING:
    from aivcs.backends.postgres.address import Address


_LEAST_SILENCE_S = 15
"""Seconds without an answer of the network, at least, before a connection is taken for lost."""


class Array:
    """Byte strings in PostgreSQL's binary form of `bytea[]`."""

    __slots__ = ("data",)

    def __init__(self, items: list[bytes]) -> None:
        """Joins the items: five times faster than the library's adaption of a list."""
        parts = [pack("!5i", 1, 0, 17, len(items), 1)]
        for item in items:
            parts += (pack("!i", len(item)), item)
        self.data = b"".join(parts)


def quoted(name: str) -> str:
    """Returns a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text as SQL writes it, whatever its backslashes mean."""
    return "'" + text.replace("'", "''") + "'"


def load_psycopg(url: str) -> Any:
    """Returns the client library.

    Raises:
        BackendError: It is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise BackendError(
            f"{url} needs a library that is not installed ({error}): "
            "pip install 'aivcs-cli[postgres]'"
        ) from None
    import logging

    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # what it would say is in our errors
    _register(psycopg)
    return psycopg


def _register(psycopg: Any) -> None:
    """Lets `Array` be a parameter."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = 1001  # bytea[]

        def dump(self, obj: Array) -> bytes:
            return obj.data

    psycopg.adapters.register_dumper(Array, ArrayDumper)


def secured(address: Address, tls: str) -> str:
    """Returns what to connect with; see `Address.secured`."""
    psycopg = load_psycopg(address.url)
    try:
        known = psycopg.conninfo.conninfo_to_dict(address.conninfo)
    except psycopg.Error as error:
        raise faults.refusal(error, address.url) or BackendError(
            f"{address.url}: the URL is not one for PostgreSQL"
        ) from None
    environment = os.environ
    address_of_host = known.get("hostaddr") or environment.get("PGHOSTADDR")  # connects there
    host = address_of_host or known.get("host") or environment.get("PGHOST", "")
    if not host and ("service" in known or "PGSERVICE" in environment):
        host = "service"  # its host is in a file that only libpq reads
    return address.secured(environment, str(host), tls)


def limits(conninfo: str, seconds: float) -> dict[str, int]:
    """Returns the parameters that let a connection end whose server went silent.

    The user's own stay: those of the URL, and with a service all, as only libpq reads its file.
    libpq ignores them on a socket of this machine, and where the system does not know them.

    Args:
        conninfo: What libpq is given.
        seconds: The longest wait for a server that is away.
    """
    from psycopg.conninfo import conninfo_to_dict

    known = conninfo_to_dict(conninfo)
    if "service" in known or "PGSERVICE" in os.environ:
        return {}
    silence = max(_LEAST_SILENCE_S, round(seconds))
    wanted = {
        "keepalives_idle": silence, "keepalives_interval": 10, "keepalives_count": 3,
        "tcp_user_timeout": silence * 1000,
    }  # fmt: skip
    return {name: value for name, value in wanted.items() if name not in known}
