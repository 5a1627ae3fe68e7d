"""Sources that are cut, damaged or made to harm: each of their events is in a run, exactly once."""

import io
import json
import random

import pytest
from formats import samples
from formats.reading import read
from hypothesis import given, settings, strategies as st

from aivcs.api import Repository
from aivcs.commands.run.import_ import Options, Source, import_source
from aivcs.errors import AivcsError
from aivcs.formats import registry
from aivcs.formats.errors import FormatError
from aivcs.formats.masking import Masker
from aivcs.opening import load_backend
from examples import examples

NAMES = list(samples.ALL)
VALUES: list[object] = [
    None, True, 0, -1, 1e308, 2**70, "", "x", "\x00", "2026-11-01T10:00:00Z", "9999-99-99T9",
    [], {}, [[]], [None], {"id": []}, "../../etc/passwd", "a" * 300, "\ud800", {"$blob": "0" * 64},
]  # fmt: skip


def new_repo():
    return Repository(load_backend("memory")())


def bring(repo, data, form, *, seal=False):
    source = Source("", "source", io.BytesIO(data))
    return import_source(repo, source, Options(format=form, seal=seal, masker=Masker()))


def stored(repo):
    """The events of all runs, by the session they belong to."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for record in repo.runs.list_runs():
        session = record.metadata.tags["session"]
        for event in repo.runs.iter_events(record.run_id):
            found.setdefault(session, []).append((event.seq, event.kind, event.payload))
    return {session: sorted(events, key=lambda one: one[0]) for session, events in found.items()}


def told(data, form):
    found: dict[str, list[tuple[object, ...]]] = {}
    for event in read(data, form).events:
        found.setdefault(event.session, []).append((event.seq, event.kind, event.payload))
    return found


def state(repo):
    return {run: repo.runs.head(run) for run in repo.runs.list_run_ids()}


@pytest.mark.parametrize("name", NAMES)
def test_a_source_that_grows_by_any_bytes_becomes_one_run(name):
    form, data, *_ = samples.ALL[name]
    repo = new_repo()
    is_grown = registry.find_format(form).grows
    for end in [*range(1, len(data), 97), len(data)]:
        try:
            bring(repo, data[:end], form)
        except FormatError:
            assert not is_grown or data[:1] == b"[" or b"}\n{" not in data[:end]
    bring(repo, data, form, seal=True)
    known = stored(repo)
    whole = told(data, form)
    for session, events in whole.items():
        if is_grown:
            assert known[session] == events
            assert repo.runs.get_run(session).status.is_terminal
    before = state(repo)
    bring(repo, data, form, seal=True)
    assert state(repo) == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_cut_anywhere_is_stored_as_far_as_it_goes(name):
    form, data, *_ = samples.ALL[name]
    for end in range(1, len(data), 97):
        repo = new_repo()
        try:
            bring(repo, data[:end], form, seal=True)
        except FormatError:
            continue
        assert stored(repo) == told(data[:end], form)


def changed(data, chance):
    """Lines that are swapped, doubled, dropped, or have a member of another type."""
    lines = data.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        how = chance.choice(["swap", "double", "drop", "type", "bytes"])
        if how == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif how == "double":
            lines.insert(other, lines[at])
        elif how == "drop" and len(lines) > 1:
            del lines[at]
        elif how == "bytes":
            lines[at] = bytes(byte ^ (chance.random() < 0.02) for byte in lines[at])
        else:
            lines[at] = with_other_type(lines[at], chance)
    return b"".join(lines)


def with_other_type(line, chance):
    try:
        value = json.loads(line)
    except ValueError:
        return line
    place = value
    while isinstance(place, dict) and place:
        key = chance.choice(list(place))
        if not isinstance(place[key], dict) or chance.random() < 0.4:
            place[key] = chance.choice(VALUES)
            break
        place = place[key]
    return json.dumps(value).encode() + b"\n"


@settings(max_examples=examples(80))
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_whatever_was_done_to_it_no_event_is_lost(name, seed):
    form, data, *_ = samples.ALL[name]
    data = changed(data, random.Random(seed))
    repo = new_repo()
    try:
        bring(repo, data, form, seal=True)
    except AivcsError:
        return
    assert stored(repo) == told(data, form)
    for run in repo.runs.list_run_ids():
        assert repo.runs.get_run(run).status.is_terminal
    before = state(repo)
    bring(repo, data, form, seal=True)
    assert state(repo) == before


@settings(max_examples=examples(40))
@given(name=st.sampled_from(NAMES), seeds=st.lists(st.integers(0, 2**32), min_size=2, max_size=4))
def test_sources_with_one_id_keep_all_of_each(name, seeds):
    """Every source reads back from the runs of its session, whatever others came before it."""
    form, data, *_ = samples.ALL[name]
    repo = new_repo()
    variants = [changed(data, random.Random(seed)) for seed in seeds]
    done = []
    for variant in variants:
        try:
            bring(repo, variant, form)
            done.append(variant)
        except AivcsError:
            continue
    before = state(repo)
    for variant in done:
        bring(repo, variant, form)
    assert state(repo) == before
