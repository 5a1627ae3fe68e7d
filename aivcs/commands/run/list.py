"""`aivcs run list`: finds runs by filters, each with any number of values."""

from __future__ import annotations

from heapq import merge
from itertools import islice, product

from aivcs.commands.run.annotated import Annotated
from aivcs.commands.run.payload import split_tag
from aivcs.errors import AivcsError, RunNotFoundError, StorageError, UsageError
from aivcs.log.run_filter import age
from aivcs.model.record import check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from aivcs.commands.git import Commit
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId, RunRecord, RunStatus
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository
    from aivcs.store.contracts import RunLedger

_MANY_SPECS = 32
"""Specs from which on asking each run is faster than listing those of each spec."""
MIN_SHA = 7
"""Characters of a recorded commit, at least, for it to name one."""


def list_(
    repo: Repository,
    *,
    agents: Sequence[str] = (),
    specs: Sequence[str] = (),
    statuses: Sequence[RunStatus] = (),
    tags: Sequence[str] = (),
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    before: tuple[str, str] | None = None,
    uses: Sequence[str] = (),
    parent: str | None = None,
    failed_tools: Sequence[str] = (),
    commit: Commit | None = None,
    limit: int | None = None,
    runs: RunLedger | None = None,
    unreadable: Callable[[RunId, StorageError], None],
) -> Iterator[RunRecord]:
    """Yields the matching runs, newest first.

    Args:
        repo: The repository.
        agents: Runs of one of these agents; empty is all.
        specs: Runs of one of these specs, as for `Repository.resolve_spec`; empty is all.
        statuses: Runs with one of these statuses; empty is all.
        tags: Words as for `start`. A run must have a tag of each key, of its own or by an
            annotation; several values of one key are alternatives.
        since: Runs created at or after this time.
        until: Runs created before this time.
        before: Runs after the one with this time of creation and this id, as for
            `RunLedger.iter_runs`.
        uses: Runs whose spec uses one of these files, as for `aivcs.commands.run.uses.Uses`.
        parent: Runs that come from this run, as for `Repository.resolve_run`.
        failed_tools: Runs in which a call of one of these tools failed; their logs are read.
        commit: Runs that this commit names, or that recorded it as that of their code.
        limit: The maximum number; None is all.
        runs: Lists the runs; by default those of the repository.
        unreadable: Called once for each unreadable run, before the first run is yielded; for one
            whose spec or events cannot be read, when it is its turn.

    Raises:
        UsageError: A tag is malformed, a filter is empty, or the limit is negative.
        InvalidNameError: The name is not valid for an agent.
    """
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of runs, 0 or more")
    reported: set[RunId] = set()

    def report_once(run_id: RunId, error: StorageError) -> None:
        if run_id not in reported:
            reported.add(run_id)
            unreadable(run_id, error)

    # The store knows of no annotations: where there are any, tags are compared here.
    wanted = _alternatives(tags)
    annotated = Annotated(repo) if wanted else None
    is_merged = annotated is not None and annotated.are_there
    wanted_specs = resolve_specs(repo, specs)
    users = _users(repo, uses) if uses else None
    if users is not None:  # few specs: the store finds their runs faster than each run is asked
        uses = ()
        wanted_specs = [spec for spec in users if wanted_specs == [None] or spec in wanted_specs]
        if not wanted_specs:  # unreadable runs are still to be told
            return repo.runs.iter_runs(limit=0, unreadable=report_once)
    if until is not None:  # no id is before the empty one
        before = min((until, ""), before or (until, ""))
    conditions = _conditions(repo, uses, parent, failed_tools)
    if commit is not None:
        made = commit
        conditions.insert(0, lambda record: _is_of(record, made))
    is_filtered = is_merged or bool(conditions)
    ledger = repo.runs if runs is None else runs
    # The store answers for one value of each filter; of several it is asked for every combination.
    found = [
        ledger.iter_runs(
            spec,
            agent_name=agent,
            status=status,
            since=since,
            before=before,
            tags=dict(tagged),
            limit=None if is_filtered else limit,
            unreadable=report_once,
        )
        for spec, agent, status, tagged in product(
            wanted_specs,
            check_agents(agents),
            dict.fromkeys(statuses) or [None],
            [()] if is_merged else product(*wanted.values()),
        )
    ]
    if len(found) == 1 and not is_filtered:
        return found[0]
    records = _distinct(merge(*found, key=age, reverse=True))
    if annotated is not None and is_merged:
        values = {key: [value for _, value in pairs] for key, pairs in wanted.items()}
        records = (record for record in records if annotated.have(record, values))
    if conditions:
        records = _meeting(records, conditions, report_once)
    return islice(records, limit)


def _conditions(
    repo: Repository,
    uses: Sequence[str],
    parent: str | None,
    failed_tools: Sequence[str],
) -> list[Callable[[RunRecord], bool]]:
    """Returns what else a run must meet, the cheapest first."""
    conditions: list[Callable[[RunRecord], bool]] = []
    if parent is not None:
        from aivcs.commands.run.lineage import origin_of

        run_id = repo.resolve_run(parent)

        def comes_from(record: RunRecord) -> bool:
            origin = origin_of(record)
            return origin is not None and origin.run_id == run_id

        conditions.append(comes_from)
    if uses:
        from aivcs.commands.run.uses import Uses

        is_user = Uses(repo, uses)
        conditions.append(lambda record: is_user(record.spec_digest))
    if failed_tools:
        from aivcs.commands.run.uses import had_failure

        if "" in failed_tools:
            raise UsageError("the TOOL of --failed-tool is empty; is a variable unset?")
        tools = frozenset(failed_tools)
        conditions.append(lambda record: had_failure(repo, record.run_id, tools))
    return conditions


def _users(repo: Repository, uses: Sequence[str]) -> list[ContentDigest] | None:
    """Returns the specs of runs that use any of some files; None if each run has to be asked."""
    from aivcs.commands.run.uses import Uses
    from aivcs.model.digest import ContentDigest

    is_user = Uses(repo, uses)
    if not hasattr(repo.store, "specs_of_runs"):
        return None
    specs = repo.store.specs_of_runs(repo.runs)
    try:
        found = [spec for spec in map(ContentDigest, sorted(specs or ())) if is_user(spec)]
    except AivcsError as error:
        if getattr(error, "is_store_away", False):
            raise
        return None  # each run of a damaged spec is to be told
    return None if specs is None or len(found) > _MANY_SPECS else found


def _is_of(record: RunRecord, commit: Commit) -> bool:
    """Whether a run was made at a commit, as it says or as the commit does."""
    sha = (record.metadata.git_sha or "").removesuffix("+dirty").lower()
    return record.run_id in commit.run_ids or (len(sha) >= MIN_SHA and commit.sha.startswith(sha))


def _meeting(
    records: Iterable[RunRecord],
    conditions: Sequence[Callable[[RunRecord], bool]],
    unreadable: Callable[[RunId, StorageError], None],
) -> Iterator[RunRecord]:
    """Yields the runs that meet all conditions; reports those of which that cannot be told."""
    for record in records:
        try:
            if all(condition(record) for condition in conditions):
                yield record
        except RunNotFoundError:
            continue  # gone since
        except StorageError as error:
            if error.is_store_away:
                raise
            unreadable(record.run_id, error)


def live_specs(repo: Repository) -> dict[ContentDigest, str]:
    """Returns the NAME@LABEL, or NAME, of each live spec. Unreadable logs are left out."""
    from aivcs.commands.release.list import list_ as list_releases

    found: dict[ContentDigest, str] = {}
    for told in list_releases(repo)[0]:
        record, label = told.record, told.record.metadata.version_label
        found.setdefault(record.spec_digest, f"{record.name}@{label}" if label else record.name)
    return found


def resolve_specs(repo: Repository, specs: Iterable[str]) -> list[ContentDigest | None]:
    """Returns the digests of specs, each once; `[None]`, which matches any, without specs."""
    digests = (repo.resolve_spec(spec, allow_missing=True) for spec in specs)
    return list(dict.fromkeys(digests)) or [None]


def check_agents(agents: Iterable[str]) -> list[str | None]:
    """Returns agent names, each once; `[None]`, which matches any, without names.

    Raises:
        InvalidNameError: The name is not valid for an agent.
    """
    for agent in agents:
        check_text("the NAME of --agent", agent)
    return list(dict.fromkeys(agents)) or [None]


def _alternatives(words: Iterable[str]) -> dict[str, list[tuple[str, Any]]]:
    """Groups tags by key: a run must match one tag of each group."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for key, value in map(split_tag, words):
        found.setdefault(key, []).append((key, value))
    return found


def _distinct(records: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Yields each run once, of equal ones in a row."""
    last = None
    for record in records:
        if record.run_id != last:
            yield record
        last = record.run_id
