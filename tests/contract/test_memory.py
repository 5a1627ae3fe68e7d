"""The memory stores keep every guarantee of the contracts."""

import pytest

from aivcs.backends.memory import MemoryBackend
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.store.annotations import DocumentAnnotations
from aivcs.testing import (
    AnnotationStoreContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)


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
            memory.backend.objects.objects[digest] = edit(memory.backend.objects.objects[digest])

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
        return rewrite_memory(memory)


class TestMemoryReleaseRegistry(ReleaseRegistryContract):
    @pytest.fixture
    def memory(self):
        return MemoryReleaseRegistry()

    @pytest.fixture
    def open_store(self, memory):
        return lambda: memory

    @pytest.fixture
    def rewrite(self, memory, rewrite_memory):
        return rewrite_memory(memory)


class TestMemoryAnnotations(AnnotationStoreContract):
    @pytest.fixture
    def documents(self):
        return MemoryBackend().documents

    @pytest.fixture
    def open_store(self, documents):
        return lambda: DocumentAnnotations(documents)

    @pytest.fixture
    def corrupt(self, documents):
        def corrupt(name, edit):
            data, _ = documents.read(name)
            documents.write(name, edit(data))

        return corrupt
