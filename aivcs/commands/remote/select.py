"""Selects runs for a copy, by the filters of `aivcs run list`."""

from __future__ import annotations

from aivcs.commands.run.list import list_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aivcs.errors import StorageError
    from aivcs.model.run import RunId
    from aivcs.repository import Repository


def select(
    repo: Repository, *, runs: Sequence[str] = (), limit: int | None = None, **filters: Any
) -> list[RunId] | None:
    """Returns the ids of the matching runs; None, which is all, without any filter.

    Args:
        repo: The store.
        runs: Runs as for `Repository.resolve_run`, in addition to those that match.
        limit: As for `list_`.
        filters: The filters of `list_`; what is empty or None filters nothing.

    Raises:
        UsageError: A filter is malformed.
        RunNotFoundError: There is no such run.
        StorageError: A run cannot be read, so it cannot be told whether it matches.
    """
    is_filtered = limit is not None or any(filters.values())
    if not is_filtered and not runs:
        return None

    def refuse(_: RunId, error: StorageError) -> None:
        raise error

    named = [repo.resolve_run(run) for run in runs]
    for run_id in named:
        repo.runs.get_run(run_id)
    if not is_filtered:
        return named
    found = list_(repo, limit=limit, unreadable=refuse, **filters)
    return [*named, *(record.run_id for record in found if record.run_id not in named)]
