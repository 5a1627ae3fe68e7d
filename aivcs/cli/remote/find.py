"""Finds and opens the other store of a command: a remote by its name, a path, or a URL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.url import shown
from aivcs.config.files import is_absent
from aivcs.config.remotes import check_url, default_remote, remotes
from aivcs.errors import NoRepositoryError, UsageError

if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.config.keys import Config
    from aivcs.repository import Repository


_BUNDLE = "bundle://"
_MAX_LABEL = 200


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
        NoRepositoryError: There is no store; or a configuration that is not one's own names it, and
            it is not trusted.
        ConflictError: It is another store than the one that was trusted.
        BackendError: It cannot be reached.
    """
    ids = None
    if "://" not in remote.url and is_absent(remote.url):
        raise NoRepositoryError(f"no file or store at {remote.url}; check the path")
    if remote.name:
        from aivcs.cli.remote.trust import trusted_ids

        ids = trusted_ids(context, remote)
    repo, layers = context.open_other(remote.url, is_typed=ids is None)
    if ids is not None:
        from aivcs.config.trust import require_identity

        require_identity(repo.store, ids)
    return repo, layers


def open_untrusted(remote: Remote, label: str, own: Repository) -> Repository:
    """Opens the bundle of a stranger, within limits.

    Args:
        remote: The bundle.
        label: The label of its source.
        own: The store that is to take it.

    Raises:
        UsageError: It is not a file, or the label is not one plain line.
        IntegrityError: It is not a bundle.
        BackendError: It is over a limit.
    """
    from aivcs.opening import load_backend
    from aivcs.repository import Repository

    if not label.strip() or not label.isprintable() or len(label) > _MAX_LABEL:
        raise UsageError("the LABEL of --from-untrusted is a line of 200 characters at most")
    if not remote.is_bundle:
        raise UsageError(
            "--from-untrusted takes a bundle's FILE: what a stranger sends stays apart until then"
        )
    return Repository(load_backend("bundle").open_untrusted(remote.url, own.store.settings))
