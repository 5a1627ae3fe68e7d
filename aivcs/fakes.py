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

from aivcs.backends.memory import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger

__all__ = ["MemoryCasStore", "MemoryReleaseRegistry", "MemoryRunLedger"]
