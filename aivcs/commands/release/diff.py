"""`aivcs release diff`: compares two releases by their specs and by a run of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.release.current import current
from aivcs.commands.run.diff import compare_runs
from aivcs.commands.run.figures import RunFigures, mean
from aivcs.commands.spec.diff import compare_specs
from aivcs.errors import ReleaseNotFoundError, RunNotFoundError, UsageError
from aivcs.log.release import find_release
from aivcs.model.release import check_release_name
from aivcs.model.run import RunStatus
from aivcs.policy.evidence import evidence_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aivcs.commands.run.diff import RunComparison
    from aivcs.commands.run.figures import Mean
    from aivcs.commands.spec.diff import Comparison
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.trace.usage import Price


class ReleaseComparison(NamedTuple):
    """The differences of two releases of a name.

    Attributes:
        a: The entry before.
        b: The entry after.
        specs: The differences of their specs.
        runs: The comparison of a run of each; None where one of them has no run.
        without_run: The entries that have none.
        figures: The means of scores, tokens, costs and durations of the evidence of each; without
            evidence, of that run.
    """

    a: ReleaseRecord
    b: ReleaseRecord
    specs: Comparison
    runs: RunComparison | None
    without_run: list[ReleaseRecord]
    figures: tuple[Mean, Mean]

    @property
    def is_equal(self) -> bool:
        """Whether the specs are equal and, as far as there are runs, the behaviour too."""
        return self.specs.is_equal and (self.runs is None or self.runs.is_equal)


def compare_releases(
    repo: Repository,
    name: str,
    before: str | None = None,
    after: str | None = None,
    ignored: Sequence[str] = (),
    prices: Mapping[str, Price] | None = None,
) -> ReleaseComparison:
    """Compares two releases: their specs, and a run of each.

    Args:
        repo: The repository.
        name: The agent's name.
        before: The one, as for `Repository.resolve_target`, or `current`; None is what the live
            release replaced, to which a rollback would return.
        after: The other; None is what is live.
        ignored: Members of the calls' payloads to ignore.
        prices: Prices by model, for calls of models that tell no cost.

    Raises:
        UsageError: The name of a member is empty.
        ReleaseNotFoundError: The name has no such release, or the live one replaced none.
        NotFoundError: A spec is not in the store.
        IntegrityError: The stored data is damaged.
    """
    check_release_name(name)
    if "" in ignored:
        raise UsageError("the KEY of --ignore is empty; is a variable unset?")
    live = current(repo, name)
    b = live if after is None else _find(repo, name, after)
    if before is not None:
        a = _find(repo, name, before)
    elif live.parent_seq is None:
        raise ReleaseNotFoundError(
            name,
            f"{name} has no release below the live one to compare it with; name one: "
            f"aivcs release diff {name} A (see: aivcs release history {name})",
        )
    else:
        a = _find(repo, name, f"@{live.parent_seq}")
    specs = compare_specs(repo, a.spec_digest, b.spec_digest)
    runs = _run_of(repo, a), _run_of(repo, b)
    without = [record for record, run in zip((a, b), runs, strict=True) if run is None]
    behaviour = None
    if runs[0] is not None and runs[1] is not None:
        behaviour = compare_runs(repo, runs[0], runs[1], ignored, prices)
    read = RunFigures(repo, prices)
    told = [
        mean((each, read.of(each)) for each in _speaking(repo, record) or _runs(repo, run))
        for record, run in zip((a, b), runs, strict=True)
    ]
    return ReleaseComparison(a, b, specs, behaviour, without, (told[0], told[1]))


def _find(repo: Repository, name: str, text: str) -> ReleaseRecord:
    if text == "current":  # as in NAME@current; not a label
        return current(repo, name)
    return find_release(name, repo.releases.iter_history(name), repo.resolve_target(name, text))


def _speaking(repo: Repository, record: ReleaseRecord) -> list[RunRecord]:
    """Returns the evidence runs of a release, for a rollback those of the promotion before."""
    before = (other for other in repo.releases.iter_history(record.name) if other.seq < record.seq)
    speaking: list[RunRecord] = []
    for evidence in evidence_for(record, before):
        try:
            speaking.append(repo.runs.get_run(evidence.run_id))
        except RunNotFoundError:
            continue  # not in this store; another run shows the behaviour as well
    return speaking


def _runs(repo: Repository, run_id: RunId | None) -> list[RunRecord]:
    return [] if run_id is None else [repo.runs.get_run(run_id)]


def _run_of(repo: Repository, record: ReleaseRecord) -> RunId | None:
    """Returns the run that shows how a release behaves.

    The newest run given as its evidence (for a rollback, as that of the promotion it returns to);
    else the newest completed run of that agent with that spec, else of any agent with that spec.
    """
    speaking = _speaking(repo, record)
    if speaking:
        return max(speaking, key=lambda run: run.created_at).run_id
    for agent in (record.name, None):
        for run in repo.runs.iter_runs(
            record.spec_digest, agent_name=agent, status=RunStatus.COMPLETED, limit=1
        ):
            return run.run_id
    return None
