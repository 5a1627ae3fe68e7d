"""In-memory stores for tests of code that uses aivcs: as strict as the real ones.

    from aivcs.fakes import MemoryRunLedger

    def test_the_agent_logs_its_tool_calls():
        ledger = MemoryRunLedger()
        my_agent(ledger)
        (run,) = ledger.list_runs()
        assert [event.kind for event in ledger.get_events(run.run_id)] == ["tool_called"]

They pass the same contract suite as the real stores (`aivcs.testing`): a payload that a real store
refuses is refused here too. For async code, `aivcs.aio.wrap(MemoryRunLedger())`.
"""

from aivcs.opening import load_backend
from aivcs.store.blobs import ObjectStore
from aivcs.store.releases import LogReleaseRegistry
from aivcs.store.runs import LogRunLedger

__all__ = ["MemoryCasStore", "MemoryReleaseRegistry", "MemoryRunLedger"]


class MemoryCasStore(ObjectStore):
    """An `aivcs.CasStore` that keeps blobs in memory.

    Attributes:
        backend: The store that holds them, for tests that damage blobs; for nothing else.
    """

    def __init__(self) -> None:
        """Makes an empty store."""
        self.backend = load_backend("memory")()
        super().__init__(self.backend.objects)


class MemoryRunLedger(LogRunLedger):
    """An `aivcs.RunLedger` that keeps the log of each run as a list of lines.

    Attributes:
        backend: The store that holds the logs, for tests that damage them; for nothing else.
    """

    def __init__(self) -> None:
        """Makes an empty ledger."""
        self.backend = load_backend("memory")()
        super().__init__(self.backend.logs)


class MemoryReleaseRegistry(LogReleaseRegistry):
    """An `aivcs.ReleaseRegistry` that keeps the log of each name as a list of lines.

    Attributes:
        backend: The store that holds the logs, for tests that damage them; for nothing else.
    """

    def __init__(self) -> None:
        """Makes an empty registry."""
        self.backend = load_backend("memory")()
        super().__init__(self.backend.logs)
