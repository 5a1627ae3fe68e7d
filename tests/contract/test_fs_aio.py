"""The async twins of the stores on disk keep every guarantee that the stores keep."""

import pytest
from folder_store import FolderStore

from aivcs import aio
from aivcs.testing import CasStoreContract, ReleaseRegistryContract, RunLedgerContract


class TestAsyncFileCasStore(CasStoreContract):
    @pytest.fixture
    def open_store(self, folder, bridge):
        return lambda: bridge.cas_store(aio.wrap(FolderStore.open(str(folder)).blobs))

    @pytest.fixture
    def corrupt(self, corrupt_object):
        return corrupt_object


class TestAsyncFileRunLedger(RunLedgerContract):
    @pytest.fixture
    def open_store(self, folder, bridge):
        return lambda: bridge.run_ledger(aio.wrap(FolderStore.open(str(folder)).runs))

    @pytest.fixture
    def rewrite(self, rewrite_run):
        return rewrite_run


class TestAsyncFileReleaseRegistry(ReleaseRegistryContract):
    @pytest.fixture
    def open_store(self, folder, bridge):
        return lambda: bridge.release_registry(aio.wrap(FolderStore.open(str(folder)).releases))

    @pytest.fixture
    def rewrite(self, rewrite_release):
        return rewrite_release
