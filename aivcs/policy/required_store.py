"""The system's rule that releases of some names belong to one store (`require_store`)."""

from __future__ import annotations

from fnmatch import fnmatchcase

from aivcs.codec.url import shown
from aivcs.errors import ConflictError
from aivcs.policy.select import check_pattern
from aivcs.store.identity import stored_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.store.driver import Backend


def require_store(store: Backend, name: str) -> None:
    """Requires that a store may have releases of a name.

    All patterns that fit the name must allow the store.

    Args:
        store: The open store, whose settings have the patterns.
        name: The release name.

    Raises:
        ConflictError: The name belongs to another store.
        UsageError: A pattern is not valid.
        BackendError: The id of the store cannot be read.
        IntegrityError: The id of the store is damaged.
    """
    for pattern, _ in store.settings.require_store:
        check_pattern(pattern, "require_store")
    wanted = {id_ for pattern, id_ in store.settings.require_store if fnmatchcase(name, pattern)}
    if not wanted:
        return
    found = stored_id(store.documents)
    if wanted != {found}:
        raise ConflictError(
            f"{name} belongs to the store with the id {' and '.join(sorted(wanted))}, as the "
            f"system's configuration requires, and {shown(store.url)} has the id "
            f"{found or 'of no store'}; nothing was done. Name that store: --store URL"
        )
