"""The async twins keep every guarantee of the stores: all of the contract, once, over memory.

Slow. By default tests/test_aio.py shows that each method hands on to the sync one, and
test_machine.py that twins, among others, agree with the model.
"""

import pytest

from aivcs import aio
from aivcs.backends.memory import MemoryBackend
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.store.annotations import DocumentAnnotations
from aivcs.testing import (
    AnnotationStoreContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)

pytestmark = pytest.mark.slow


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
            memory.backend.objects.objects[digest] = edit(memory.backend.objects.objects[digest])

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
        return rewrite_memory(memory)


class TestAsyncReleaseRegistry(ReleaseRegistryContract):
    @pytest.fixture
    def memory(self):
        return MemoryReleaseRegistry()

    @pytest.fixture
    def open_store(self, bridge, memory):
        return lambda: bridge.release_registry(aio.wrap(memory))

    @pytest.fixture
    def rewrite(self, memory, rewrite_memory):
        return rewrite_memory(memory)


class TestAsyncAnnotations(AnnotationStoreContract):
    @pytest.fixture
    def documents(self):
        return MemoryBackend().documents

    @pytest.fixture
    def open_store(self, bridge, documents):
        return lambda: bridge.annotation_store(aio.wrap(DocumentAnnotations(documents)))

    @pytest.fixture
    def corrupt(self, documents):
        def corrupt(name, edit):
            data, _ = documents.read(name)
            documents.write(name, edit(data))

        return corrupt
