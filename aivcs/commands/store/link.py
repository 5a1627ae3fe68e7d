"""`aivcs init --link`: names a store elsewhere in a file `.aivcs`."""

from __future__ import annotations

import os

from aivcs.codec.url import is_url, shown
from aivcs.config import link as link_file, trust
from aivcs.errors import BackendError, ConflictError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aivcs.repository import Repository


def link(
    store: str,
    folder: str,
    *,
    environment: Mapping[str, str],
    open_store: Callable[[str], Repository],
) -> str:
    """Writes a link file, and trusts the store that it names; harmless if repeated.

    Args:
        store: The URL of the store, or the path of its folder.
        folder: The folder that the file is for; made if it does not exist.
        environment: The environment variables, which say where the user's configuration is.
        open_store: Opens a store by its URL or absolute path.

    Returns:
        The path of the link file.

    Raises:
        UsageError: The URL has a password, or an operand is empty.
        ConflictError: The folder has a store, or a link file that names another one.
        NoRepositoryError: There is no such store.
        BackendError: The store cannot be opened, or a file cannot be written.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    if not store:
        raise UsageError("the URL of --link is empty; is a variable unset?")
    trust.refuse_password(store, "the link file")
    path = os.path.join(os.path.abspath(folder), link_file.NAME)
    place = trust.name_of(store)
    if os.path.isdir(path):
        raise ConflictError(
            f"{path} is a store; nothing was done. A folder has a store of its own, or a link"
        )
    text = place
    if not is_url(place) and not os.path.isabs(store.removeprefix("file://")):
        text = os.path.relpath(place, os.path.dirname(path))
    is_new = not os.path.lexists(path)
    if not is_new and link_file.target(path, link_file.read(path)) != place:
        named = shown(link_file.read(path))
        raise ConflictError(
            f"{path} names the store {named}; nothing was done. Remove the file first"
        )
    repo = open_store(place)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise BackendError(f"cannot make {os.path.dirname(path)}: {error.strerror}") from error
    is_apart = is_url(place) or os.path.isabs(text) or not link_file.is_in_work_tree(path, place)
    trust.add_opened(place if is_apart else None, repo.store, environment=environment)
    if is_new:
        link_file.write(path, text)
    return path
