"""The stores in memory and on disk, and their async twins, agree with the model step by step."""

from itertools import cycle
from tempfile import TemporaryDirectory

import pytest
from folder_store import FolderStore
from hypothesis import settings

from aivcs import aio
from aivcs.backends.fs.index import query
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.testing import Bridge, Stores, StoresMachine
from examples import examples


class InMemory(StoresMachine):
    def __init__(self):
        super().__init__()
        self.memory = Stores(MemoryCasStore(), MemoryRunLedger(), MemoryReleaseRegistry())

    def open_backends(self):
        return [self.memory]


class Everywhere(InMemory):
    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = f"{self.folder.name}/.aivcs"
        FolderStore.init(self.path)
        self.twins = Stores(
            aio.wrap(MemoryCasStore()),  # type: ignore[arg-type]
            aio.wrap(MemoryRunLedger()),  # type: ignore[arg-type]
            aio.wrap(MemoryReleaseRegistry()),  # type: ignore[arg-type]
        )
        self.bridge = Bridge().__enter__()
        # An index from the first run on, or none would be made for so few.
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(query, "_FEW", 0)

    def open_backends(self):
        # Three openings of one folder take turns: none may rely on what it remembers.
        files = [FolderStore.open(self.path) for _ in range(3)]
        return [
            *super().open_backends(),
            Stores(
                TakingTurns(opened.blobs for opened in files),
                TakingTurns(opened.runs for opened in files),
                TakingTurns(opened.releases for opened in files),
            ),
            Stores(
                self.bridge.cas_store(self.twins.blobs),  # type: ignore[arg-type]
                self.bridge.run_ledger(self.twins.runs),  # type: ignore[arg-type]
                self.bridge.release_registry(self.twins.releases),  # type: ignore[arg-type]
            ),
        ]

    def teardown(self):
        try:
            super().teardown()
        finally:
            self.patch.undo()
            self.bridge.__exit__(None, None, None)
            self.folder.cleanup()


class TakingTurns:
    """Several stores as one: each call goes to the next of them."""

    def __init__(self, stores):
        self.stores = cycle(stores)

    def __getattr__(self, name):
        return getattr(next(self.stores), name)


TestInMemory = InMemory.TestCase
TestInMemory.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)
TestEverywhere = Everywhere.TestCase
TestEverywhere.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)
