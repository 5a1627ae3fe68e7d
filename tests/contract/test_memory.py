"""The memory stores keep every guarantee of the contracts."""

import pytest

from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.testing import CasStoreContract, ReleaseRegistryContract, RunLedgerContract


class TestMemoryCasStore(CasStoreContract):
    @pytest.fixture
    def memory(self):
        return MemoryCasStore()

    @pytest.fixture
    def open_store(self, memory):
        return lambda: memory

    @pytest.fixture
    def corrupt(self, memory):
        def corrupt(digest, edit):
            memory.objects[digest] = edit(memory.objects[digest])

        return corrupt


class TestMemoryRunLedger(RunLedgerContract):
    @pytest.fixture
    def memory(self):
        return MemoryRunLedger()

    @pytest.fixture
    def open_store(self, memory):
        return lambda: memory

    @pytest.fixture
    def rewrite(self, memory, rewrite_memory):
        return rewrite_memory(memory.logs)


class TestMemoryReleaseRegistry(ReleaseRegistryContract):
    @pytest.fixture
    def memory(self):
        return MemoryReleaseRegistry()

    @pytest.fixture
    def open_store(self, memory):
        return lambda: memory

    @pytest.fixture
    def rewrite(self, memory, rewrite_in_memory):
        return rewrite_in_memory(memory.driver, "release/")
