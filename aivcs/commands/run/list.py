"""`aivcs run list`: the runs that fit, where each filter may have several values."""

from __future__ import annotations

from heapq import merge
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from aivcs.commands.run.payload import split_tag
from aivcs.errors import UsageError
from aivcs.log.run_filter import age
from aivcs.model.record import check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aivcs.errors import StorageError
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId, RunRecord, RunStatus
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository


def list_(
    repo: Repository,
    *,
    agents: Sequence[str] = (),
    specs: Sequence[str] = (),
    statuses: Sequence[RunStatus] = (),
    tags: Sequence[str] = (),
    since: Timestamp | None = None,
    limit: int | None = None,
    unreadable: Callable[[RunId, StorageError], None],
) -> Iterator[RunRecord]:
    """Yields the runs that fit, newest first.

    Args:
        repo: Where they are.
        agents: Only those of one of these agents, if there are any.
        specs: Only those of one of these specs, as for `Repository.resolve_spec`.
        statuses: Only those that are one of these.
        tags: Only those with these tags, words as for `run.start`; of several values of one key
            a run has one.
        since: Only those created at or after this.
        limit: At most so many.
        unreadable: Told once of each run that cannot be read, before the first is yielded.

    Raises:
        UsageError: A word is wrong, or the limit is negative.
        InvalidNameError: No agent can have this name.
    """
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of runs, 0 or more")
    reported: set[RunId] = set()

    def report_once(run_id: RunId, error: StorageError) -> None:
        if run_id not in reported:
            reported.add(run_id)
            unreadable(run_id, error)

    # The store answers for one value of each filter; of several it is asked for every combination.
    found = [
        repo.runs.iter_runs(
            spec,
            agent_name=agent,
            status=status,
            since=since,
            tags=dict(tagged),
            limit=limit,
            unreadable=report_once,
        )
        for spec, agent, status, tagged in product(
            resolve_specs(repo, specs),
            check_agents(agents),
            dict.fromkeys(statuses) or [None],
            product(*_alternatives(tags)),
        )
    ]
    if len(found) == 1:
        return found[0]
    return islice(_distinct(merge(*found, key=age, reverse=True)), limit)


def live_specs(repo: Repository) -> dict[ContentDigest, str]:
    """Returns what specs are live as: NAME@LABEL, or NAME; of what cannot be read, nothing."""
    from aivcs.commands.release.list import list_ as list_releases

    found: dict[ContentDigest, str] = {}
    for told in list_releases(repo)[0]:
        record, label = told.record, told.record.metadata.version_label
        found.setdefault(record.spec_digest, f"{record.name}@{label}" if label else record.name)
    return found


def resolve_specs(repo: Repository, specs: Iterable[str]) -> list[ContentDigest | None]:
    """Returns the digests of specs, each once; a single None, which is any, where there is none."""
    digests = (repo.resolve_spec(spec, allow_missing=True) for spec in specs)
    return list(dict.fromkeys(digests)) or [None]


def check_agents(agents: Iterable[str]) -> list[str | None]:
    """Returns the names of agents, each once; a single None, which is any, where there is none.

    Raises:
        InvalidNameError: No agent can have such a name.
    """
    for agent in agents:
        check_text("the NAME of --agent", agent)
    return list(dict.fromkeys(agents)) or [None]


def _alternatives(words: Iterable[str]) -> Iterable[list[tuple[str, Any]]]:
    """The tags of each key, of which a run has one."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for key, value in map(split_tag, words):
        found.setdefault(key, []).append((key, value))
    return found.values()


def _distinct(records: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Yields runs once that stand side by side."""
    last = None
    for record in records:
        if record.run_id != last:
            yield record
        last = record.run_id
