"""`aivcs release list`: finds the live release of each name."""

from aivcs.commands.release.history import CURRENT, HistoryEntry
from aivcs.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.repository import Repository


def list_(
    repo: "Repository", *, uses: "Sequence[str]" = ()
) -> "tuple[list[HistoryEntry], list[StorageError]]":
    """Returns the live release of each name, by name, and the errors of unreadable logs.

    Args:
        repo: The repository.
        uses: Only releases of specs that use one of these files, as for
            `aivcs.commands.run.uses.Uses`; empty is all.
    """
    is_user = None
    if uses:
        from aivcs.commands.run.uses import Uses

        is_user = Uses(repo, uses)
    live: list[HistoryEntry] = []
    damaged: list[StorageError] = []
    for name in repo.releases.list_names():
        try:
            with repo.releases.view(name) as view:
                record = view.live
                if record is None or (is_user and not is_user(record.spec_digest)):
                    continue
                is_blocked = view.find_block(record.spec_digest) is not None
        except StorageError as error:
            if error.is_store_away:
                raise
            damaged.append(error)
            continue
        live.append(HistoryEntry(record, CURRENT, is_live=True, is_blocked=is_blocked))
    return live, damaged
