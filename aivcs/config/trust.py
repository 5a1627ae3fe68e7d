"""Trust in stores that somebody else's file or configuration names.

The table `trust` of the user's and the system's configuration files has the URL or path of each
trusted store, with the id that it must answer with:

    [trust]
    "postgresql://db.example/aivcs?schema=team" = "4f0c…"

A store's own configuration and a discovered file decide nothing here.
"""

from __future__ import annotations

import os
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.url import canonical, has_password, is_url, shown
from aivcs.config.layers import TRUST, file_layers, ids_in, own_files
from aivcs.errors import ConflictError, NoRepositoryError, UsageError
from aivcs.store.identity import identify, stored_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aivcs.store.driver import Backend


class TrustedStore(NamedTuple):
    """An entry of a configuration file.

    Attributes:
        store: The URL, or the absolute path of a folder.
        store_id: The id that the store must have.
        origin: The file.
    """

    store: str
    store_id: str
    origin: str


def list_trusted(environment: Mapping[str, str]) -> list[TrustedStore]:
    """Returns the trusted stores, those of the user's file first.

    Args:
        environment: The environment variables, which say where the user's file is.

    Raises:
        UsageError: A file says something invalid.
        BackendError: A file cannot be read.
    """
    return [
        TrustedStore(store, store_id, path)
        for path, values in file_layers(environment)
        for store, store_id in values.get(TRUST, {}).items()
    ]


def is_trusted(
    store: str, store_id: str | None = None, *, environment: Mapping[str, str] = os.environ
) -> bool:
    """Tells whether the user or the system trusts a store.

    Args:
        store: The URL or absolute path.
        store_id: The id that the store has; None asks for the URL alone.
        environment: The environment variables, which say where the user's file is.

    Raises:
        UsageError: A configuration file says something invalid.
        BackendError: A configuration file cannot be read.
    """
    ids = trusted_ids(store, environment=environment)
    return bool(ids) if store_id is None else store_id in ids


def trusted_ids(store: str, *, environment: Mapping[str, str] = os.environ) -> set[str]:
    """Returns the ids under which a store is trusted; none if it is not.

    Raises:
        UsageError: A configuration file says something invalid.
        BackendError: A configuration file cannot be read.
    """
    return ids_in(file_layers(environment), store)


def require_trusted(
    store: str, named_by: str, *, environment: Mapping[str, str] = os.environ
) -> set[str]:
    """Requires that a store may be used that was not named by the user; returns its trusted ids.

    Use it before anything is sent there, credentials included; then `require_identity`.

    Args:
        store: The URL or absolute path.
        named_by: The file that names it, for the message.
        environment: The environment variables, which say where the user's file is.

    Raises:
        NoRepositoryError: It is not trusted; the message has the file, the URL and the command.
        UsageError: A configuration file says something invalid.
        BackendError: A configuration file cannot be read.
    """
    ids = trusted_ids(store, environment=environment)
    if not ids:
        name = shown(store)
        raise NoRepositoryError(
            f"{named_by} names the store {name}, which you have not trusted. "
            f"If you trust it: aivcs trust {quote(name)}"
        )
    return ids


def require_identity(store: Backend, ids: set[str]) -> None:
    """Requires that an open store has one of some trusted ids.

    Raises:
        ConflictError: It is another store.
        BackendError: Its id cannot be read.
        IntegrityError: Its id is damaged.
    """
    found = stored_id(store.documents)
    if found not in ids:
        name = shown(store.url)
        raise ConflictError(
            f"{name} is another store than the one you trusted: its id is {found or 'missing'}, "
            f"not {' or '.join(sorted(ids))}; nothing was done. If it was replaced on purpose: "
            f"aivcs trust {quote(name)}"
        )


def refuse_password(store: str, what: str) -> None:
    """Refuses to keep a URL that has a password.

    Args:
        store: The URL.
        what: What would keep it, for the message.

    Raises:
        UsageError: It has one.
    """
    if has_password(store):
        raise UsageError(
            f"{shown(store)} has a password, which {what} would keep; leave it out of the URL, "
            "and see docs/remote.md for places that keep passwords"
        )


def add(store: str, store_id: str, *, environment: Mapping[str, str] = os.environ) -> None:
    """Adds a store to the user's trusted ones, in place of an earlier id; durable on return.

    Args:
        store: The URL or absolute path.
        store_id: Its id.
        environment: The environment variables, which say where the user's file is.

    Raises:
        UsageError: The URL has a password, or the user's file has no place or is not valid.
        BackendError: The file cannot be read or written.
    """
    refuse_password(store, "the configuration")
    _set(store, store_id, environment)


def add_opened(place: str | None, store: Backend, *, environment: Mapping[str, str]) -> None:
    """Adds an open store, unless its place is None, and the place of its blobs, as `add` does."""
    if place is not None:
        add(place, identify(store.documents), environment=environment)
    blobs: Backend | None = getattr(store, "blob_store", None)
    if blobs is not None:
        add(store.settings.blobs, identify(blobs.documents), environment=environment)


def remove(store: str, *, environment: Mapping[str, str] = os.environ) -> bool:
    """Removes a store from the user's trusted ones; tells whether it was there.

    Raises:
        UsageError: The user's file has no place or is not valid.
        BackendError: The file cannot be read or written.
    """
    path = own_files(environment)[0][1]
    place = canonical(store)
    found = [
        entry
        for entry in list_trusted(environment)
        if entry.origin == path and canonical(entry.store) == place
    ]
    for entry in found:
        _set(entry.store, None, environment)
    return bool(found)


def name_of(text: str) -> str:
    """Returns the name by which a store is trusted: a URL as it is, a path absolute.

    Raises:
        UsageError: The text is empty.
    """
    if not text:
        raise UsageError("URL is empty; is a variable unset?")
    path = text.removeprefix("file://")
    return text if is_url(path) else os.path.abspath(path)


def _set(store: str, store_id: str | None, environment: Mapping[str, str]) -> None:
    from aivcs.config.editing import render
    from aivcs.config.own_file import edit_own

    place = store if not is_url(store) else canonical(store)
    keys = {store, place} if store_id is None else {place}

    def edit(text: bytes | None) -> bytes:
        for key in keys:
            text = render(text, [TRUST, key], store_id)
        return text or b""

    edit_own(environment, edit)
