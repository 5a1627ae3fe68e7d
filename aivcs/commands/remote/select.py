"""Selects runs for a copy, by the filters of `aivcs run list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.commands.run.list import list_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.errors import StorageError
    from aivcs.model.run import RunId, RunStatus
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository


def select(
    repo: Repository,
    *,
    runs: Sequence[str] = (),
    agents: Sequence[str] = (),
    specs: Sequence[str] = (),
    statuses: Sequence[RunStatus] = (),
    tags: Sequence[str] = (),
    since: Timestamp | None = None,
    limit: int | None = None,
) -> list[RunId] | None:
    """Returns the ids of the matching runs; None, which is all, without any filter.

    Args:
        repo: The store.
        runs: Runs as for `Repository.resolve_run`, in addition to those that match.
        agents: As for `list_`.
        specs: As for `list_`.
        statuses: As for `list_`.
        tags: As for `list_`.
        since: As for `list_`.
        limit: As for `list_`.

    Raises:
        UsageError: A filter is malformed.
        RunNotFoundError: There is no such run.
        StorageError: A run cannot be read, so it cannot be told whether it matches.
    """
    is_filtered = bool(agents or specs or statuses or tags) or since is not None
    if not is_filtered and limit is None and not runs:
        return None

    def refuse(_: RunId, error: StorageError) -> None:
        raise error

    named = [repo.resolve_run(run) for run in runs]
    for run_id in named:
        repo.runs.get_run(run_id)
    if named and not is_filtered and limit is None:
        return named
    found = list_(
        repo,
        agents=agents,
        specs=specs,
        statuses=statuses,
        tags=tags,
        since=since,
        limit=limit,
        unreadable=refuse,
    )
    return [*named, *(record.run_id for record in found if record.run_id not in named)]
