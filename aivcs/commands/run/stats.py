"""`aivcs run stats`: exact figures of each agent's runs.

The success rate is completed runs among completed and failed ones: a cancelled run says nothing
about its agent. Percentiles are of the durations of all finished runs, by the nearest rank: the
smallest duration that at least so many percent did not exceed. So every figure occurred; none is
interpolated or estimated.

Memory: eight bytes per run.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta
from itertools import chain, product

from aivcs.commands.run.list import check_agents, resolve_specs
from aivcs.model.run import RUN_STATUSES, RunStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from aivcs.errors import StorageError
    from aivcs.model.run import RunId
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository

CHART_DAYS = 14
"""The number of days with a count of their own; today (in UTC) is the last."""
PERCENTILES = (50, 90, 99)


class AgentStatistics:
    """The figures of one agent's runs.

    Attributes:
        agent_name: The agent.
        counts: The number of runs with each status.
        last_created_at: When the newest was started.
        runs_per_day: The runs started on each of the last `CHART_DAYS` days, the oldest day first.
    """

    def __init__(self, agent_name: str) -> None:
        """Starts without runs."""
        self.agent_name = agent_name
        self.counts: dict[RunStatus, int] = dict.fromkeys(RUN_STATUSES, 0)
        self.last_created_at: Timestamp | None = None
        self.runs_per_day = [0] * CHART_DAYS
        self._durations = array("q")
        self._is_sorted = True

    @property
    def runs(self) -> int:
        """The number of runs."""
        return sum(self.counts.values())

    @property
    def success_rate(self) -> float | None:
        """Completed among completed and failed runs, from 0 to 1; None without any."""
        completed, failed = self.counts[RunStatus.COMPLETED], self.counts[RunStatus.FAILED]
        return completed / (completed + failed) if completed or failed else None

    def add(
        self, status: RunStatus, created_at: Timestamp, duration: int | None, days: dict[str, int]
    ) -> None:
        """Counts a run.

        Args:
            status: Its status.
            created_at: When it was started.
            duration: Its duration in milliseconds, if it is over.
            days: The place of each date in `runs_per_day`.
        """
        self.counts[status] += 1
        if self.last_created_at is None or created_at > self.last_created_at:
            self.last_created_at = created_at
        day = days.get(created_at[:10])
        if day is not None:
            self.runs_per_day[day] += 1
        if duration is not None:
            self._durations.append(duration)
            self._is_sorted = False

    def percentile(self, percent: int) -> int | None:
        """Returns the duration (milliseconds) of this rank; None without a finished run.

        Args:
            percent: From 1 to 100.
        """
        if not self._is_sorted:
            self._durations = array("q", sorted(self._durations))
            self._is_sorted = True
        count = len(self._durations)
        return self._durations[(percent * count + 99) // 100 - 1] if count else None

    def to_json(self) -> dict[str, Any]:
        """Returns the figures by name."""
        return {
            "agent_name": self.agent_name,
            "runs": self.runs,
            **{status.lower(): number for status, number in self.counts.items()},
            "success_rate": self.success_rate,
            "duration_ms": {f"p{percent}": self.percentile(percent) for percent in PERCENTILES},
            "last_created_at": self.last_created_at,
            "runs_per_day": self.runs_per_day,
        }


def stats(
    repo: Repository,
    *,
    agents: Sequence[str] = (),
    specs: Sequence[str] = (),
    since: Timestamp | None = None,
    unreadable: Callable[[RunId, StorageError], None],
) -> list[AgentStatistics]:
    """Returns the figures of each agent, in order of names.

    Args:
        repo: The repository.
        agents: Runs of one of these agents; empty is all.
        specs: Runs of one of these specs, as for `Repository.resolve_spec`; empty is all.
        since: Runs created at or after this time.
        unreadable: Called for each unreadable run.

    Raises:
        InvalidNameError: The name is not valid for an agent.
    """
    unread: dict[RunId, StorageError] = {}

    def note(run_id: RunId, error: StorageError) -> None:
        unread[run_id] = error

    outcomes = [
        repo.runs.iter_outcomes(spec, agent_name=agent, since=since, unreadable=note)
        for spec, agent in product(resolve_specs(repo, specs), check_agents(agents))
    ]
    found = fold(chain.from_iterable(outcomes), datetime.now(UTC))
    for run_id, error in unread.items():
        unreadable(run_id, error)
    return found


def fold(
    outcomes: Iterable[tuple[str, RunStatus, Timestamp, int | None]], now: datetime
) -> list[AgentStatistics]:
    """Returns the figures of each agent from the outcomes of runs, in order of names.

    Args:
        outcomes: The results of `RunLedger.iter_outcomes`, in any order.
        now: The moment whose day, in UTC, is the last of `runs_per_day`.
    """
    days = {
        (now - timedelta(days=CHART_DAYS - 1 - number)).date().isoformat(): number
        for number in range(CHART_DAYS)
    }
    found: dict[str, AgentStatistics] = {}
    for agent, status, created_at, duration in outcomes:
        statistics = found.get(agent)
        if statistics is None:
            statistics = found[agent] = AgentStatistics(agent)
        statistics.add(status, created_at, duration, days)
    return [statistics for _, statistics in sorted(found.items())]
