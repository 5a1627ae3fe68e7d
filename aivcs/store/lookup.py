"""Completion lookup through the driver: bounded queries for somebody who is typing a name."""

from __future__ import annotations

from heapq import nlargest
from itertools import islice

from aivcs.errors import RunNotFoundError
from aivcs.log.run import read_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.run import RunRecord, RunStatus
    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import Backend, LogDriver

_MAX_RUNS = 1000
"""Runs to examine, at most."""
_MAX_BLOBS = 4000
"""Blobs to examine, at most."""
LINES = 200
"""Lines of a log to read, at most."""


class Lookup:
    """A `Lookup` over the ledger and the objects of a store."""

    def __init__(self, backend: Backend, ledger: RunLedger) -> None:
        """Takes an open store and the ledger over it."""
        self._backend = backend
        self._ledger = ledger

    def runs(
        self, prefix: str = "", *, status: RunStatus | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """As `aivcs.store.driver.Lookup.runs`."""
        runs = self._ledger.iter_runs(status=status, limit=_MAX_RUNS, unreadable=lambda *_: None)
        return list(islice((run for run in runs if run.run_id.startswith(prefix)), limit))

    def agents(self, prefix: str = "", *, limit: int = 100) -> dict[str, str]:
        """As `aivcs.store.driver.Lookup.agents`."""
        agents: dict[str, str] = {}
        for run in self.runs(limit=_MAX_RUNS):
            name = run.metadata.agent_name
            if name.startswith(prefix) and len(agents) < limit:
                agents.setdefault(name, run.created_at)
        return agents

    def blobs(self, prefix: str = "", *, limit: int = 50) -> list[tuple[str, int, float]]:
        """As `aivcs.store.driver.Lookup.blobs`."""
        found = islice(self._backend.objects.stored(), _MAX_BLOBS)
        fitting = (blob for blob in found if blob[0].startswith(prefix))
        return nlargest(limit, fitting, key=lambda blob: blob[2])

    def kinds(self, run_id: str) -> dict[str, int]:
        """As `aivcs.store.driver.Lookup.kinds`."""
        return kinds(self._backend.logs, run_id)


def kinds(logs: LogDriver, run_id: str) -> dict[str, int]:
    """Returns the number of events by kind among a run's last `LINES`, latest kind first.

    Raises:
        RunNotFoundError: No run has this id.
        StorageError: The run's log cannot be read.
    """
    found: dict[str, int] = {}
    with logs.look(f"run/{run_id}") as view:
        if view is None:
            raise RunNotFoundError(run_id)
        for line in islice(view.back(), LINES):
            event = read_event(line)
            if event is not None:
                found[event.kind] = found.get(event.kind, 0) + 1
    return found
