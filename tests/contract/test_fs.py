"""The stores on disk keep every guarantee of the contracts."""

import pytest
from folder_store import FolderStore

from aivcs.backends.fs.index import query
from aivcs.testing import CasStoreContract, ReleaseRegistryContract, RunLedgerContract


class TestFileCasStore(CasStoreContract):
    @pytest.fixture
    def open_store(self, folder):
        return lambda: FolderStore.open(str(folder)).blobs

    @pytest.fixture
    def corrupt(self, corrupt_object):
        return corrupt_object


class TestFileRunLedger(RunLedgerContract):
    @pytest.fixture
    def open_store(self, folder):
        return lambda: FolderStore.open(str(folder)).runs

    @pytest.fixture
    def rewrite(self, rewrite_run):
        return rewrite_run


class TestFileRunLedgerWithIndex(TestFileRunLedger):
    """The same with an index from the first run on."""

    @pytest.fixture(autouse=True)
    def always(self, monkeypatch):
        monkeypatch.setattr(query, "_FEW", 0)


class TestFileReleaseRegistry(ReleaseRegistryContract):
    @pytest.fixture
    def open_store(self, folder):
        return lambda: FolderStore.open(str(folder)).releases

    @pytest.fixture
    def rewrite(self, rewrite_release):
        return rewrite_release
