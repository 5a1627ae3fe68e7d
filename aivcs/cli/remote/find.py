"""Finds and opens the other store of a command: a remote by its name, a path, or a URL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.url import shown
from aivcs.config.remotes import check_url, default_remote, remotes
from aivcs.errors import UsageError

if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.config.keys import Config
    from aivcs.repository import Repository


_BUNDLE = "bundle://"


class Remote(NamedTuple):
    """Another store.

    Attributes:
        name: Its name in the configuration; empty if it was named by path or URL.
        url: Its URL or absolute path.
    """

    name: str
    url: str

    @property
    def is_bundle(self) -> bool:
        """Whether it is a file."""
        return self.url.startswith(_BUNDLE)

    @property
    def shown(self) -> str:
        """Its name for messages."""
        return self.name or shown(self.url.removeprefix(_BUNDLE))


def find_remote(context: Context, text: str | None) -> Remote:
    """Returns the remote that an operand means; call it after `context.repository()`.

    Args:
        context: The call.
        text: The name of a remote, a path or a URL; None is `origin`, else the only one.

    Raises:
        UsageError: There is no such remote.
    """
    known = remotes(context.layers)
    if text is None:
        name = default_remote(known)
        return Remote(name, known[name])
    if text in known:
        return Remote(text, known[text])
    if not text:
        raise UsageError("REMOTE is empty; is a variable unset?")
    if "://" in text or "/" in text or os.path.exists(text):
        return Remote("", absolute(context, text))
    names = f"; the remotes are {', '.join(known)}" if known else ""
    raise UsageError(f"no remote {text[:80]!a}{names}; add it with: aivcs remote add {text} URL")


def absolute(context: Context, text: str) -> str:
    """Returns a URL as it is, and a path as that of the folder of a store or of a bundle.

    Raises:
        UsageError: The text is empty, or a URL with a password.
    """
    check_url(text)
    if "://" in text:
        return text
    if not os.path.isabs(text):
        context.working_directory()  # fails if it was removed
    path = os.path.abspath(text)
    if os.path.isfile(path):
        return _BUNDLE + path
    inside = os.path.join(path, ".aivcs")
    # As people name a folder that has a store in it.
    is_store = os.path.exists(os.path.join(path, "format"))
    return inside if not is_store and os.path.isdir(inside) else path


def open_remote(context: Context, remote: Remote) -> tuple[Repository, list[tuple[str, Config]]]:
    """Opens a remote; returns it and its configuration.

    A store that a configuration names must be trusted before anything is sent to it.

    Raises:
        NoRepositoryError: There is no store, or it is not trusted.
        ConflictError: It is another store than the one that was trusted.
        BackendError: It cannot be reached.
    """
    from aivcs.config.trust import require_identity, require_trusted

    ids: set[str] = set()
    if remote.name:
        named_by = f"remote.{remote.name}.url of {_place(context, remote)}"
        ids = require_trusted(remote.url, named_by, environment=context.environment)
    repo, layers = context.open_other(remote.url)
    if ids:
        require_identity(repo.store, ids)
    return repo, layers


def _place(context: Context, remote: Remote) -> str:
    key = f"remote.{remote.name}.url"
    return next((place for place, values in context.layers if key in values), "the configuration")
