"""The same calls give the same answers, lines and heads in memory, on disk and in PostgreSQL."""

import os
from itertools import count
from tempfile import TemporaryDirectory

import pytest
from folder_store import FolderStore
from hypothesis import given, settings, strategies as st
from servers.postgres import start_server

from aivcs.api import Repository
from aivcs.errors import StorageError
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.log.bulk_events import BulkEvents, parse_events
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.store.settings import Settings
from aivcs.testing import Stores, StoresMachine

SPEC = ContentDigest.from_bytes(b"spec")
OTHER = ContentDigest.from_bytes(b"other")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
kinds = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=9
)
batches = st.lists(
    st.tuples(
        st.sampled_from(["auto", "auto", "one", "seq", "bulk"]),
        st.lists(st.tuples(kinds, json_values, st.integers(0, 30)), min_size=1, max_size=4),
    ),
    max_size=6,
)


class Frozen:
    """Ids and times that are the same in every store."""

    def __init__(self, patch, start):
        self.numbers = count(1)
        self.start = start
        patch.setattr(RunId, "random", staticmethod(self.run_id))
        patch.setattr(Timestamp, "now", staticmethod(self.now))

    def run_id(self):
        return RunId(f"{self.start:08x}-0000-4000-8000-{next(self.numbers):012x}")

    def now(self):
        return Timestamp(f"2026-01-01T00:00:00.{next(self.numbers):06d}Z")


def act(runs, batches):
    """Appends batches to a new run, and says what came of each."""
    run, said = runs.create_run(SPEC, RunMetadata("bot", tags={"a": "é"})), []
    for how, events in batches:
        try:
            if how == "bulk":
                lines = [b'{"kind":"k","payload":%d}' % seq for _, _, seq in events]
                bulk = parse_events(lines, 1 << 20, Timestamp.now())
                assert isinstance(bulk, BulkEvents)
                said.append(runs.append_events(run, bulk))
            elif how == "one":
                said.append([runs.append_event(run, RunEvent(*events[0][:2]))])
            else:
                given = [
                    RunEvent(kind, payload, seq=seq if how == "seq" else None)
                    for kind, payload, seq in events
                ]
                said.append(runs.append_events(run, given))
        except StorageError as error:
            said.append(type(error))
    return run, said


numbers = count(int.from_bytes(os.urandom(3), "big"))


@pytest.fixture(scope="module")
def repos(tmp_path_factory):
    server = start_server()
    name = server.store()
    repo = Repository.open(server.url(name), Settings(lock_timeout=10))
    folder = str(tmp_path_factory.mktemp("heads") / ".aivcs")
    FolderStore.init(folder)
    yield [FolderStore.open(folder, Settings(durability="none")), repo]
    repo.store.close()
    server.give_back(name)


@given(batches)
@settings(max_examples=30, deadline=None)
def test_the_server_links_events_as_the_rules_do(repos, batches):
    start = next(numbers)
    found = []
    for runs in (MemoryRunLedger(), *(repo.runs for repo in repos)):
        with pytest.MonkeyPatch.context() as patch:
            Frozen(patch, start)
            run, said = act(runs, batches)
            runs.complete_run(run, RunSummary(success=True))
            head = runs.head(run)
            found.append(
                (run, said, (head.lines, head.hash), runs.get_events(run), runs.get_run(run))
            )
    assert found[0] == found[1] == found[2]


def test_releases_have_the_same_heads(repos):
    heads = []
    name = f"bot{next(numbers)}"
    for releases in (MemoryReleaseRegistry(), *(repo.releases for repo in repos)):
        with pytest.MonkeyPatch.context() as patch:
            Frozen(patch, 1)
            by = ReleaseMetadata(version_label="v1", promoted_by="ann")
            releases.promote(name, SPEC, by)
            releases.promote(name, OTHER, ReleaseMetadata(promoted_by="bob"), expect=SPEC)
            releases.block(name, SPEC, by="ann", reason="slow")
            releases.unblock(name, SPEC, by="ann", reason="fine")
            releases.rollback(name, to=1)
            heads.append((releases.head(name).lines, releases.head(name).hash))
    assert heads[0] == heads[1] == heads[2]


class SideBySide(StoresMachine):
    """Memory, folder and PostgreSQL, step by step."""

    def __init__(self):
        super().__init__()
        self.server = start_server()
        self.name = self.server.store()
        self.folder = TemporaryDirectory()
        FolderStore.init(f"{self.folder.name}/.aivcs")
        self.memory = Stores(MemoryCasStore(), MemoryRunLedger(), MemoryReleaseRegistry())
        self.repos = [
            Repository.open(self.server.url(self.name), Settings(lock_timeout=10)),
            FolderStore.open(f"{self.folder.name}/.aivcs", Settings(durability="none")),
        ]

    def open_backends(self):
        return [self.memory, *(Stores(r.blobs, r.runs, r.releases) for r in self.repos)]

    def teardown(self):
        try:
            super().teardown()
        finally:
            for repo in self.repos:
                repo.store.close()
            self.server.give_back(self.name)
            self.folder.cleanup()


TestSideBySide = pytest.mark.slow(SideBySide.TestCase)
TestSideBySide.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
