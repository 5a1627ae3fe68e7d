"""The async twins of the memory stores keep every guarantee that the stores keep."""

import pytest

from aivcs import aio
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.testing import CasStoreContract, ReleaseRegistryContract, RunLedgerContract


class TestAsyncCasStore(CasStoreContract):
    @pytest.fixture
    def memory(self):
        return MemoryCasStore()

    @pytest.fixture
    def open_store(self, bridge, memory):
        return lambda: bridge.cas_store(aio.wrap(memory))

    @pytest.fixture
    def corrupt(self, memory):
        def corrupt(digest, edit):
            memory.objects[digest] = edit(memory.objects[digest])

        return corrupt


class TestAsyncRunLedger(RunLedgerContract):
    @pytest.fixture
    def memory(self):
        return MemoryRunLedger()

    @pytest.fixture
    def open_store(self, bridge, memory):
        return lambda: bridge.run_ledger(aio.wrap(memory))

    @pytest.fixture
    def rewrite(self, memory, rewrite_memory):
        return rewrite_memory(memory.logs)


class TestAsyncReleaseRegistry(ReleaseRegistryContract):
    @pytest.fixture
    def memory(self):
        return MemoryReleaseRegistry()

    @pytest.fixture
    def open_store(self, bridge, memory):
        return lambda: bridge.release_registry(aio.wrap(memory))

    @pytest.fixture
    def rewrite(self, memory, rewrite_in_memory):
        return rewrite_in_memory(memory.driver, "release/")
