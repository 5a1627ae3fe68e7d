"""The stores on disk keep every guarantee of the contracts."""

import pytest
from folder_store import FolderStore

from aivcs.api import Repository
from aivcs.backends.fs.index import query
from aivcs.testing import (
    AnnotationStoreContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)


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


class TestFileAnnotations(AnnotationStoreContract):
    @pytest.fixture
    def open_store(self, folder):
        return lambda: Repository.open(folder).annotations

    @pytest.fixture
    def corrupt(self, folder):
        def corrupt(name, edit):
            path = folder / name
            path.chmod(0o644)
            path.write_bytes(edit(path.read_bytes()))

        return corrupt
