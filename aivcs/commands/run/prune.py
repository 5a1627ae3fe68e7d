"""`aivcs run prune`: erases old runs by rules, and leaves records of which, by whom and why.

The age of a run is the time since it arrived in this store, not what its timestamps say: whoever
writes a run can choose those. Runs that go on, and runs that are evidence of a release which
stands, are never chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.erasing import ErasureRequest, erase, evidence_of
from aivcs.commands.run.rm import erased_log, records_of
from aivcs.commands.store.clock import agreed_now
from aivcs.errors import ConflictError, RunNotFoundError, UsageError
from aivcs.store.erasing import erasing
from aivcs.store.references import require_log_folders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aivcs.model.erasure import ErasedLog, StoredErasure
    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository

_SHARE = 5
"""At most one run in this many is erased at once, unless a number is given."""
_RECORDS = 10
"""Records, of a thousand runs each, that are stored before the first of them is carried out."""


class Rules(NamedTuple):
    """Which runs go.

    Attributes:
        older_than: Seconds since a run arrived; None is any age.
        keep_last: The number of the newest runs of each agent that stay; None keeps none.
    """

    older_than: int | None = None
    keep_last: int | None = None


class Pruned(NamedTuple):
    """The runs that were erased, or would be.

    Attributes:
        runs: Their ids, the oldest first.
        size: The bytes of their logs.
        kept: The number of old runs that stay because a release stands on them.
        records: The records; none if nothing was erased.
    """

    runs: list[str]
    size: int
    kept: int
    records: list[StoredErasure]


def prune(
    repo: Repository,
    rules: Rules,
    request: ErasureRequest,
    *,
    among: Iterable[RunRecord] | None = None,
    most: int | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Erases runs that have ended, by rules.

    Args:
        repo: The repository.
        rules: Which runs go.
        request: Who erases them, and why.
        among: The runs to choose from, in any order; None is all.
        most: The number of runs to erase, at most; None is a fifth of all runs.
        force: Whether to erase also runs that are evidence of a release which stands.
        dry_run: Whether to erase nothing.

    Raises:
        UsageError: There is no rule, or the reason is empty.
        ConflictError: More runs than allowed would be erased, or the store cannot erase.
        IntegrityError: A release log is damaged, or all are missing, so that it is not known what
            stands.
        BackendError: The store's clock and this machine's differ too much to tell what is old.
        StorageError: Something could not be erased; what is recorded is completed later.
    """
    logs = erasing(repo.store)
    if rules.older_than is None and rules.keep_last is None:
        raise UsageError("say which runs go: --older-than TIME, --keep-last N, or both")
    if rules.keep_last is not None and rules.keep_last < 0:
        raise UsageError("--keep-last takes a number of runs, 0 or more")
    if not request.reason.strip():
        raise UsageError("the reason is empty; is a variable unset?")
    arrivals = {name: (moment, size) for name, moment, size in logs.arrivals()}
    chosen = list(_chosen(repo, rules, arrivals, among))
    evidence: Collection[str] = () if force else evidence_of(repo)
    runs = [run_id for run_id in chosen if run_id not in evidence]
    kept = len(chosen) - len(runs)
    limit = len(arrivals) // _SHARE if most is None else most
    targets = list(_ended(repo, runs))
    if targets and not force:
        require_log_folders(repo.store)
    if len(targets) > limit:
        raise ConflictError(
            f"{len(targets)} of {len(arrivals)} runs would be erased, and without a number at "
            f"most one in {_SHARE} are; nothing was erased. If that is right: "
            f"--max {len(targets)}"
            if most is None
            else f"{len(targets)} runs would be erased, and --max is {most}; nothing was erased"
        )
    names = [target.log.removeprefix("run/") for target in targets]
    size = sum(arrivals[target.log][1] for target in targets)
    done: list[StoredErasure] = []
    if not dry_run:
        targets.sort(key=lambda target: target.log)
        done = erase(repo, records_of(targets), request, at_once=_RECORDS)
    return Pruned(names, size, kept, done)


def _chosen(
    repo: Repository,
    rules: Rules,
    arrivals: dict[str, tuple[float, int]],
    among: Iterable[RunRecord] | None,
) -> Iterator[str]:
    """Yields the runs that the rules choose, the oldest first."""
    before = None if rules.older_than is None else agreed_now(repo) - rules.older_than
    if rules.keep_last is None and among is None:
        found = [(moment, name.removeprefix("run/")) for name, (moment, _) in arrivals.items()]
    else:
        found = []
        newest: dict[str, list[tuple[float, str]]] = {}
        for record in repo.runs.iter_runs() if among is None else among:
            arrival = arrivals.get(f"run/{record.run_id}")
            if arrival is not None and record.status.is_terminal:
                of_agent = newest.setdefault(record.metadata.agent_name, [])
                of_agent.append((arrival[0], record.run_id))
        for of_agent in newest.values():
            of_agent.sort(reverse=True)
            found += of_agent[rules.keep_last or 0 :]
    yield from (run_id for moment, run_id in sorted(found) if before is None or moment < before)


def _ended(repo: Repository, runs: Iterable[str]) -> Iterator[ErasedLog]:
    for run_id in runs:
        try:
            yield erased_log(repo, _id(run_id))
        except (ConflictError, RunNotFoundError):
            continue  # it goes on, or is gone since


def _id(text: str) -> RunId:
    from aivcs.model.run import RunId

    return RunId(text)
