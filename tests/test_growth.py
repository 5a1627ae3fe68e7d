"""What a call reads of a log does not grow with the log: bytes counted, on logs of real length."""

import gc
import itertools
import json
import os
from functools import partial

import pytest
from folder_store import FolderStore

from aivcs.commands.release.history import show
from aivcs.commands.run.stream import append_stream
from aivcs.log.release_changes import plan_rollback
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata
from aivcs.store.settings import Settings

BLOCK = 8192
"""What is read at a time where few lines are wanted."""
SHORT, LONG = 100, 5_000


@pytest.fixture
def store(tmp_path):
    return FolderStore.init(str(tmp_path / ".aivcs"), settings=Settings(durability="none"))


@pytest.fixture
def read_by(monkeypatch):
    """The bytes that a call reads, of any file."""
    counts = []

    def counting(name):
        original = getattr(os, name)

        def read(*arguments):
            data = original(*arguments)
            counts.append(len(data))
            return data

        monkeypatch.setattr(os, name, read)

    counting("read")
    counting("pread")

    def measure(call):
        counts.clear()
        call()
        return sum(counts)

    return measure


def run_of(store, events):
    spec = store.blobs.put(b"spec")
    run = store.runs.create_run(spec, RunMetadata("bot"))
    store.runs.append_events(run, [RunEvent("step", {"n": n}) for n in range(events)])
    return run


def released(store, times):
    specs = [store.blobs.put(b"one"), store.blobs.put(b"two")]
    name = f"bot-{times}"
    for number in range(times):
        store.releases.promote(name, specs[number % 2], ReleaseMetadata("ci"))
    return name, specs[times % 2]


def newest(store, name):
    return list(itertools.islice(store.releases.iter_history(name), 20))


@pytest.mark.parametrize("events", [SHORT, LONG])
def test_a_run_of_any_length_is_appended_to_by_its_end_and_shown_by_both_ends(
    store, read_by, events
):
    run = run_of(store, events)
    assert read_by(partial(store.runs.append_event, run, RunEvent("step"))) == BLOCK
    assert read_by(partial(store.runs.get_run, run)) == 2 * BLOCK


def test_releasing_reads_as_much_after_any_number_of_releases(store, read_by):
    metadata = ReleaseMetadata("ci")
    costs = []
    for times in (SHORT, LONG):
        name, spec = released(store, times)
        assert read_by(partial(store.releases.current, name)) == BLOCK
        assert read_by(partial(store.releases.promote, name, spec, metadata)) == BLOCK
        costs.append(read_by(partial(newest, store, name)))
    assert costs[0] == costs[1] <= 3 * BLOCK


def test_a_rollback_halves_the_log_so_many_times_as_many_cost_a_few_blocks_more(store, read_by):
    short, long = (
        read_by(partial(store.releases.rollback, released(store, times)[0]))
        for times in (SHORT, LONG)
    )
    assert long <= short + 2 * BLOCK * (LONG // SHORT).bit_length()


def planned_rollback(releases, name, to):
    with releases.view(name) as view:
        return plan_rollback(view, to).release


def test_an_entry_is_found_by_its_number_and_shown_by_what_came_after_it(store, read_by):
    repo = store
    name, _ = released(store, LONG)
    size = os.path.getsize(f"{store.path}/releases/{name}.jsonl")
    halving = 2 * BLOCK * (size.bit_length() + 4)
    assert halving < size / 4
    assert read_by(partial(repo.resolve_spec, f"{name}@3")) <= halving
    assert read_by(partial(planned_rollback, store.releases, name, 3)) <= halving
    assert read_by(partial(show, repo, name)) <= halving
    assert read_by(partial(show, repo, name, f"@{LONG - 9}")) <= halving


def test_a_deep_stack_is_read_once_on_the_way_down(store, read_by):
    metadata = ReleaseMetadata("ci")
    specs = [ContentDigest.from_bytes(b"%d" % number) for number in range(LONG)]
    for spec in specs:
        store.releases.promote("deep", spec, metadata)
    size = os.path.getsize(f"{store.path}/releases/deep.jsonl")
    record = None

    def roll_back():
        nonlocal record
        record = planned_rollback(store.releases, "deep", 3)

    # The few that are looked for each by itself are most of what is beyond one reading.
    assert read_by(roll_back) < size + 60 * 2 * BLOCK * LONG.bit_length()
    assert (record.spec_digest, record.target_seq, record.parent_seq) == (specs[2], 3, 2)  # type: ignore[union-attr]


def test_a_line_of_any_length_is_searched_for_its_end_once(store, tmp_path, monkeypatch):
    searched = []
    read = os.read

    class Piece(bytes):
        """Bytes that came at once, or behind others."""

        def split(self, sep=None, maxsplit=-1):
            searched.append(len(self))
            return super().split(sep, maxsplit)

        def __radd__(self, before):
            return Piece(b"".join((before, self)))

    lines = [{"kind": "step", "payload": {"text": text * 200_000}} for text in "ab"]
    (tmp_path / "stream").write_text("\n".join(map(json.dumps, lines)))
    run = run_of(store, 0)
    stored: list[int] = []
    with monkeypatch.context() as patched, (tmp_path / "stream").open("rb", 0) as stream:
        patched.setattr(gc, "set_threshold", lambda *_: None)
        patched.setattr(os, "read", lambda fd, size: Piece(read(fd, min(size, 4096))))
        append_stream(store.runs, run, stream, 1 << 20, atomic=False, stored=stored.extend)
    assert stored == [1, 2]
    assert [event.payload for event in store.runs.get_events(run)] == [
        line["payload"] for line in lines
    ]
    assert sum(searched) < 1.1 * (tmp_path / "stream").stat().st_size
