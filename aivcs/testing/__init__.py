"""The contract suite: what every backend guarantees, as tests to hold your own backend to.

Needs pytest and hypothesis: the extra `aivcs-cli[testing]`. Subclass a contract and say how to open
the store; pytest then finds one test for each guarantee of `aivcs.store.contracts`:

    from aivcs.testing import CasStoreContract

    class TestShelf(CasStoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: ShelfCasStore(tmp_path)

`open_store` is a factory. Called again it must give a store that reaches the same data: tests
reopen between steps, so that nothing passes which only lives in an object's attributes. Each test
gets a factory whose store is empty.

Tests of integrity need a back door to the stored bytes, which no contract offers: override the
fixture `corrupt` (blobs) or `rewrite` (runs, releases). Without it those tests are skipped, and say
so. `StoresMachine` drives several backends and a plain model through the same random steps;
`Bridge` presents an async store as a sync one, so that one suite tests both.
"""

import pytest

# Before the modules are imported, or their asserts would say only "AssertionError".
pytest.register_assert_rewrite(
    "aivcs.testing.annotations",
    "aivcs.testing.backend",
    "aivcs.testing.blobs",
    "aivcs.testing.machine",
    "aivcs.testing.race",
    "aivcs.testing.release_entries",
    "aivcs.testing.releases",
    "aivcs.testing.runs",
    "aivcs.testing.through_aio",
)

from aivcs.testing.annotations import AnnotationStoreContract  # noqa: E402
from aivcs.testing.backend import BackendContract  # noqa: E402
from aivcs.testing.blobs import CasStoreContract  # noqa: E402
from aivcs.testing.machine import Stores, StoresMachine  # noqa: E402
from aivcs.testing.releases import ReleaseRegistryContract  # noqa: E402
from aivcs.testing.runs import RunLedgerContract  # noqa: E402
from aivcs.testing.through_aio import Bridge  # noqa: E402

__all__ = [
    "AnnotationStoreContract",
    "BackendContract",
    "Bridge",
    "CasStoreContract",
    "ReleaseRegistryContract",
    "RunLedgerContract",
    "Stores",
    "StoresMachine",
]
