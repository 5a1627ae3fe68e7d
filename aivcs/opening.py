"""Opening a store by its path or URL: its scheme, its backend, its settings.

A store that a command finds in a folder, instead of being told, is believed only as far as
`aivcs.config.trust` says.
"""

import os

from aivcs.errors import UsageError
from aivcs.store.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aivcs.store.driver import Backend

    Configure = Callable[[bytes | None], Settings]

SCHEMES = {
    "bundle": "aivcs.backends.bundle:BundleBackend",
    "file": "aivcs.backends.fs:FileBackend",
    "memory": "aivcs.backends.memory:MemoryBackend",
    "postgresql": "aivcs.backends.postgres:PostgresBackend",
    "s3": "aivcs.backends.s3:S3Backend",
}
"""The backend of each URL scheme, as module and class; loaded when used."""
HYBRID = "aivcs.backends.hybrid"
"""The module for a store whose blobs are in another one; loaded when used."""


def find_store(start: "str | os.PathLike[str]") -> str:
    """Returns the path of the store of a folder: its own, or the nearest one above it.

    It may be that of a link file (`aivcs.config.link`).

    Raises:
        NoRepositoryError: There is no store.
    """
    found: str = load_backend("file").discover(_absolute(start))
    return found


def split_url(store: "str | os.PathLike[str]") -> "tuple[str, str]":
    """Returns the scheme of a store's URL, and the absolute path or URL that its backend opens.

    Raises:
        UsageError: There is no backend for the scheme, or the path is empty.
    """
    text = os.fspath(store)
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower()  # RFC 3986, 3.1
    if not mark or scheme == "file":
        return "file", _absolute(rest if mark else text)
    if scheme not in SCHEMES:
        from aivcs.codec.url import shown

        raise UsageError(
            f"{shown(text)}: this version has no backend for {scheme}://; "
            "give the path of a folder, or a URL with postgresql:// or s3://"
        )
    return scheme, f"{scheme}://{rest}"


def with_blobs(store: "Backend", place: str = "") -> "Backend":
    """Returns an open store with another one for its blobs, if there is one.

    Args:
        store: The store.
        place: The URL of the other; by default, what the store's configuration names.
    """
    place = place or store.settings.blobs
    if not place:
        return store
    settings = store.settings

    def open_store(url: str) -> "Backend":
        scheme, where = split_url(url)
        opened: Backend = load_backend(scheme).open(where, settings)
        return opened

    try:
        hybrid = __import__(HYBRID, fromlist=["compose"])
        composed: Backend = hybrid.compose(store, place, open_store)
    except BaseException:
        store.close()
        raise
    return composed


def claim_blobs(store: "Backend", place: str) -> bool:
    """Makes the store at a URL the place of a store's blobs, for its configuration to name it.

    Returns:
        Whether it has the blobs that the store has itself, as far as the first hundred tell.

    Raises:
        NoRepositoryError: There is no store at the URL.
        BackendError: It cannot be the place of another store's blobs.
        ConflictError: It has the blobs of another store, or runs and releases of its own.
    """
    from itertools import islice

    own = [digest for digest, *_ in islice(store.objects.stored(), 100)]
    there = with_blobs(store, place).objects
    return all(there.contains(digest) for digest in own)


def load_backend(scheme: str) -> "Any":
    """Returns the backend class of a scheme.

    Its class methods `open(url, settings)` and `init(url, shared=…, private=…, settings=…)` return
    a `Backend`. The settings may be a function of the text of the store's own configuration. A
    backend that has to connect before it can read that text calls the function with None first, for
    `Settings.remote`, which never depends on the text.
    """
    module, _, name = SCHEMES[scheme].partition(":")
    return getattr(__import__(module, fromlist=[name]), name)


def _absolute(path: "str | os.PathLike[str]") -> str:
    """A path that stays the same place when the working directory changes."""
    if not os.fspath(path):
        raise UsageError("the path of the store is empty; is a variable unset?")
    return os.path.abspath(path)


def stored_settings(store: str) -> "Configure":
    """Returns a function that makes a store's settings from the text of its configuration.

    The system's `require_store` applies as well, and to a store on a network `remote.*` of the
    user's and the system's files.

    Args:
        store: The store's path or URL, for messages.
    """

    def configure(text: "bytes | None") -> Settings:
        from aivcs.config.files import MACHINE, is_absent, system_config_path

        is_remote = "://" in store
        if (
            text is None
            and not is_remote
            and is_absent(system_config_path(os.environ))
            and is_absent(MACHINE)
        ):
            return Settings()
        from aivcs.codec.url import shown
        from aivcs.config.keys import settings_of
        from aivcs.config.layers import outside_layers, parse_config

        own = [] if text is None else [parse_config(text, f"{shown(store)}/config.toml")]
        return settings_of([*own, *outside_layers(os.environ, is_remote=is_remote)])

    return configure


def trusting(store: str, settings: "Settings | Configure | None") -> "Configure":
    """Returns what makes the settings of a discovered store.

    Raises:
        NoRepositoryError: The function raises it if the configuration names a store for the blobs
            that is not trusted.
    """

    def configure(text: "bytes | None") -> Settings:
        made = settings or stored_settings(store)
        made = made(text) if callable(made) else made
        if made.blobs:
            from aivcs.config import trust

            trust.require_trusted(made.blobs, f"{store}/config.toml")
        return made

    return configure
