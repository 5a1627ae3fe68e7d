"""Link files: a file `.aivcs` in the place of a store, with a line that names the store.

    store = "postgresql://db.example/aivcs?schema=team"

A relative path is one from the folder of the file. A store that a link file names is used if the
user or the system trusts it, or if a relative path leads to it in the same work tree.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.codec.toml import TomlError, parse_toml
from aivcs.codec.url import is_url
from aivcs.config import trust
from aivcs.config.layers import read_config
from aivcs.errors import BackendError, NoRepositoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = ".aivcs"
"""The name of a link file."""


class Link(NamedTuple):
    """A link file that may be followed.

    Attributes:
        store: The URL, or the absolute path of a folder.
        ids: The ids that the store may have; none if it needs no trust.
    """

    store: str
    ids: set[str]


def follow(path: str, *, environment: Mapping[str, str] = os.environ) -> Link:
    """Returns where a link file leads, if the store may be used.

    Args:
        path: The file.
        environment: The environment variables, which say where the user's configuration is.

    Raises:
        NoRepositoryError: The file names no store, or one that is not trusted.
        UsageError: Its URL has a password, or a configuration file says something invalid.
        BackendError: The file, or a configuration file, cannot be read.
    """
    store = read(path)
    trust.refuse_password(store, path)
    place = target(path, store)
    if not is_url(place) and not os.path.isabs(store) and is_in_work_tree(path, place):
        return Link(place, set())
    return Link(place, trust.require_trusted(place, path, environment=environment))


def read(path: str) -> str:
    """Returns the URL or path that a link file names, as it stands there.

    Raises:
        NoRepositoryError: The file names no store.
        BackendError: The file cannot be read.
    """
    data = read_config(path)
    try:
        store = parse_toml(data or b"").get("store")
    except TomlError:
        store = None
    if not isinstance(store, str) or not store or "\0" in store:
        raise NoRepositoryError(
            f'{path} is a file that names no store; it has the line: store = "URL or path"'
        )
    return store


def target(path: str, store: str) -> str:
    """Returns the URL, or the absolute path, of a store that a link file names."""
    bare = store.removeprefix("file://")
    if is_url(bare):
        return store
    return os.path.abspath(os.path.join(os.path.dirname(path), bare))


def is_in_work_tree(path: str, store: str) -> bool:
    """Tells whether a store is in the work tree of a link file, links resolved.

    Without a `.git` above the file, the file's folder counts as the work tree.
    """
    folder = root = os.path.realpath(os.path.dirname(path))
    while not os.path.lexists(f"{root}/.git"):
        above = os.path.dirname(root)
        if above == root:
            root = folder
            break
        root = above
    return os.path.realpath(store).startswith(f"{root.rstrip('/')}/")


def write(path: str, store: str) -> None:
    """Writes a new link file; durable on return.

    Raises:
        BackendError: The file cannot be written, or something has its name.
    """
    data = f"store = {encode_trusted(store)}\n".encode()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
        except BaseException:
            os.unlink(path)
            raise
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror}") from error
