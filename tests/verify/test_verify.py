"""What `verify` finds in a store, and what it must not complain of."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from folder_store import FolderStore
from hypothesis import given, settings, strategies as st

from aivcs.errors import (
    IntegrityError,
    NoPreviousReleaseError,
    ReleaseNotFoundError,
    StorageError,
    UsageError,
)
from aivcs.fakes import MemoryReleaseRegistry
from aivcs.log.verify_release import release_problems
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunStatus, RunSummary
from aivcs.store.finding import Finding
from aivcs.store.settings import Settings
from aivcs.testing.release_entries import FINGERPRINT, SIGNATURE
from aivcs.util.disk_map import DiskMap
from examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ALL = frozenset({"blobs", "runs", "releases"})
SPEC = hashlib.sha256(b"spec").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
ABSENT = hashlib.sha256(b"absent").hexdigest()
TIME = "2026-01-31T12:00:00.000000Z"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    backend = FolderStore.init(str(tmp_path / ".aivcs"), settings=Settings(durability="none"))
    for content in (b"spec", b"other"):
        backend.blobs.put(content)
    return backend


def found(store: FolderStore, severity: str | None = None) -> list[Finding]:
    return [f for f in store.verify(ALL) if severity in {None, f.severity}]


def only(store: FolderStore) -> Finding:
    [finding] = found(store)
    return finding


def link(bodies: Iterable[str]) -> bytes:
    """A chained log, by the definition of the format and nothing of aivcs."""
    previous, log = "", b""
    for body in bodies:
        data = body.encode()
        previous = hashlib.sha256(previous.encode() + data).hexdigest()
        log += data + b',"hash":"' + previous.encode() + b'"}\n'
    return log


def compact(members: dict[str, Any]) -> str:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False)[:-1]


def opening(run_id: str = "run-1", **changes: Any) -> str:
    members = {
        "type": "run",
        "format": 1,
        "run_id": run_id,
        "spec_digest": SPEC,
        "metadata": {"git_sha": None, "agent_name": "a", "tags": {}},
        "created_at": TIME,
    }
    return compact(members | changes)


def event(seq: Any, **more: Any) -> str:
    members = {"type": "event", "seq": seq, "kind": "k", "payload": None, "timestamp": TIME}
    return compact(members | more)


def ending(total: int, **changes: Any) -> str:
    summary = {
        "total_events": total,
        "final_state_digest": None,
        "duration_ms": 0,
        "success": True,
    }
    return compact(
        {"type": "end", "status": "COMPLETED", "summary": summary, "completed_at": TIME} | changes
    )


def entry(seq: int, spec: str, target: int, parent: int | None, **changes: Any) -> str:
    members = {"type": "release", "format": 1, "seq": seq, "action": "promote", "name": "agent"}
    if seq > 1:
        del members["format"]
    return compact(
        members
        | {
            "spec_digest": spec,
            "metadata": {"version_label": None, "promoted_by": "me", "notes": None},
            "target_seq": target,
            "parent_seq": parent,
            "created_at": TIME,
        }
        | changes
    )


def block(seq: int, spec: str, release_seq: int, mark: str = "block", **more: Any) -> str:
    members = {"type": "mark", "seq": seq, "mark": mark, "name": "agent", "spec_digest": spec}
    members |= {"by": "me", "reason": "bad", "created_at": TIME, "release_seq": release_seq}
    return compact(members | more)


def place(store: FolderStore, name: str, data: bytes) -> Path:
    path = Path(store.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def place_run(store: FolderStore, bodies: Iterable[str], run_id: str = "run-1") -> Path:
    return place(store, f"runs/{run_id[:2]}/{run_id}.jsonl", link(bodies))


def place_release(store: FolderStore, bodies: Iterable[str]) -> Path:
    return place(store, "releases/agent.jsonl", link(bodies))


def make_run(store: FolderStore, events: int = 3) -> tuple[RunId, Path]:
    run_id = store.runs.create_run(ContentDigest(SPEC), RunMetadata("agent"))
    for number in range(events):
        store.runs.append_event(run_id, RunEvent("step", {"n": number}))
    return run_id, Path(store.path, "runs", run_id[:2], f"{run_id}.jsonl")


def object_path(store: FolderStore, content: bytes) -> Path:
    digest = hashlib.sha256(content).hexdigest()
    return Path(store.path, "objects", digest[:2], digest[2:])


# A healthy store


def test_a_healthy_store_gives_no_findings(store: FolderStore) -> None:
    store.blobs.put(b"")
    run_id, _ = make_run(store)
    for seq in (20, 7, 0, None):
        store.runs.append_event(run_id, RunEvent("late", [1.5, "é\u2028", {"a": []}], seq=seq))
    store.runs.fail_run(run_id, RunSummary(success=False, exit_code=3, final_state_digest=OTHER))
    make_run(store, 0)
    who = ReleaseMetadata("me")
    for spec in (SPEC, OTHER, OTHER):
        store.releases.promote("team/agent", ContentDigest(spec), who)
    store.releases.rollback("team/agent")
    store.releases.rollback("team/agent", to=ContentDigest(OTHER))
    store.releases.rollback("team/agent", to=ContentDigest(OTHER))
    assert found(store) == []


def test_hand_written_logs_in_the_form_of_the_format_are_healthy(store: FolderStore) -> None:
    place_run(store, [opening(), event(5, high=[5, 1]), event(2, high=[5, 2]), ending(2)])
    place_release(
        store,
        [
            entry(1, SPEC, 1, None),
            entry(2, OTHER, 2, 1),
            entry(3, SPEC, 1, None, action="rollback"),
            entry(4, OTHER, 4, 1, action="rollback"),
            block(5, SPEC, 4),
            entry(6, OTHER, 6, 1, block_seq=5),
        ],
    )
    assert found(store) == []


def test_unknown_members_are_let_be(store: FolderStore) -> None:
    place_run(store, [opening(later=1), event(1, extra={"a": [1]}), ending(1, more=None)])
    assert found(store) == []


def test_only_the_parts_that_are_named_are_read(store: FolderStore) -> None:
    object_path(store, b"spec").write_bytes(b"damaged")
    assert list(store.verify(frozenset({"runs", "releases"}))) == []
    assert len(list(store.verify(frozenset({"blobs"})))) == 1
    with pytest.raises(UsageError):
        store.verify(frozenset({"blob"}))


def test_progress_tells_every_object_and_log_with_its_bytes(store: FolderStore) -> None:
    _, path = make_run(store)
    seen: list[tuple[str, int]] = []
    assert list(store.verify(ALL, lambda part, size: seen.append((part, size)))) == []
    assert sorted(seen) == [("blobs", 4), ("blobs", 5), ("runs", path.stat().st_size)]


def test_verifying_changes_nothing(store: FolderStore) -> None:
    _, path = make_run(store)
    path.write_bytes(path.read_bytes() + b'{"torn')
    Path(store.path, "tmp", "leftover").write_bytes(b"x")
    object_path(store, b"spec").write_bytes(b"damaged")

    def state() -> list[tuple[str, int, int, bytes]]:
        return [
            (str(p), p.stat().st_mtime_ns, p.stat().st_mode, p.read_bytes() if p.is_file() else b"")
            for p in sorted(Path(store.path).rglob("*"))
        ]

    before = state()
    assert len(found(store)) == 3
    assert state() == before


def test_a_finding_is_a_value_with_a_json_form() -> None:
    finding = Finding("damage", "a\udcffb", 3, "p", "r")
    assert finding.to_json() == {
        "severity": "damage",
        "where": "a\\xffb",
        "line": 3,
        "problem": "p",
        "remedy": "r",
        "repaired": None,
    }
    assert finding == Finding("damage", "a\udcffb", 3, "p", "r")


# Flipped bytes


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_of_an_object_is_found(store: FolderStore, mask: int) -> None:
    path = object_path(store, b"other")
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
        finding = only(store)
        assert (finding.severity, finding.where) == ("damage", OTHER)


def damaged_line(log: bytes, at: int) -> int:
    return log.count(b"\n", 0, at) + 1


@pytest.mark.parametrize("flip", [lambda b: b ^ 1, lambda b: b ^ 0x80, lambda b: 0x0A, lambda b: 0])
@pytest.mark.parametrize("kind", ["run", "release"])
def test_every_flipped_byte_of_a_log_is_found_with_file_and_line(
    store: FolderStore, kind: str, flip: Callable[[int], int]
) -> None:
    if kind == "run":
        path = place_run(store, [opening(), event(1), event(2), ending(2)])
    else:
        path = place_release(store, [entry(1, SPEC, 1, None), entry(2, OTHER, 2, 1)])
    where = str(path.relative_to(store.path))
    whole = path.read_bytes()
    for at, byte in enumerate(whole):
        if flip(byte) == byte:
            continue
        path.write_bytes(whole[:at] + bytes([flip(byte)]) + whole[at + 1 :])
        finding = only(store)
        assert (finding.where, finding.line) == (where, damaged_line(whole, at)), at
        # The last newline alone can be put back: what stands before it proves that it was there.
        is_mendable = flip(byte) == 0 and at == len(whole) - 1
        assert finding.severity == ("notice" if is_mendable else "damage"), at


def test_a_nul_in_the_middle_of_a_log_hides_no_events_from_readers(store: FolderStore) -> None:
    path = place_run(store, [opening(), event(1), event(2), event(3)])
    path.write_bytes(path.read_bytes().replace(b'"seq":2', b'"seq":\0'))
    with pytest.raises(IntegrityError, match="line 3"):
        store.runs.get_events("run-1")


@pytest.mark.parametrize("seqs", [[1, 2, 2], [1, 2, 1], [1, 5, 5], [1, 5, 2, 3, 2], [0, 1, 0]])
def test_readers_refuse_a_run_that_has_a_seq_twice(store: FolderStore, seqs: list[int]) -> None:
    place_run(store, [opening(), *(event(seq) for seq in seqs)])
    with pytest.raises(IntegrityError, match="more than one event with the seq"):
        store.runs.get_events("run-1")


# The chain


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_deleted_line_breaks_the_chain_where_it_was(store: FolderStore) -> None:
    _, path = make_run(store, 5)
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    finding = only(store)
    assert (finding.severity, finding.line) == ("damage", 3)
    assert "further" not in finding.problem


def test_swapped_lines_are_one_finding_that_counts_the_rest(store: FolderStore) -> None:
    _, path = make_run(store, 5)
    lines = lines_of(path)
    lines[2], lines[3] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    finding = only(store)
    assert finding.line == 3
    assert "2 further lines break the chain" in finding.problem


def test_a_repeated_line_breaks_the_chain(store: FolderStore) -> None:
    _, path = make_run(store, 3)
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:3], lines[2], *lines[3:]]))
    assert only(store).line == 4


def test_two_damages_far_apart_are_named_and_counted(store: FolderStore) -> None:
    _, path = make_run(store, 8)
    lines = lines_of(path)
    for number in (2, 6):
        lines[number] = lines[number].replace(b'"step"', b'"stop"')
    path.write_bytes(b"".join(lines))
    finding = only(store)
    assert finding.line == 3
    assert "1 further line breaks the chain" in finding.problem


def test_a_damaged_hash_counts_as_one_line(store: FolderStore) -> None:
    _, path = make_run(store, 5)
    lines = lines_of(path)
    lines[2] = lines[2][:-10] + (b"0" if lines[2][-10:-9] != b"0" else b"1") + lines[2][-9:]
    path.write_bytes(b"".join(lines))
    finding = only(store)
    assert finding.line == 3
    assert "further" not in finding.problem


def test_an_edit_with_its_hash_made_anew_breaks_the_chain_at_the_next_line(
    store: FolderStore,
) -> None:
    path = place_run(store, [opening(), event(1), event(2), event(3)])
    forged = link([opening(), event(1), event(2, kind="other"), event(3)])
    lines, others = lines_of(path), forged.splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], others[2], lines[3]]))
    assert only(store).line == 4


def test_a_log_cut_at_a_newline_is_a_whole_log(store: FolderStore) -> None:
    # The chain links each line to those before and none to those after, so every beginning of a
    # log that ends with a line is itself a valid log. That is what recording heads is for.
    run_id, path = make_run(store, 5)
    head = store.runs.head(run_id)
    path.write_bytes(b"".join(lines_of(path)[:4]))
    assert found(store) == []
    assert store.runs.head(run_id) != head


def test_a_log_written_anew_as_a_whole_is_a_whole_log(store: FolderStore) -> None:
    # Whoever can compute SHA-256 can write another history; only its head differs.
    place_run(store, [opening(), event(1, kind="forged")])
    assert found(store) == []


# The end of a log


@pytest.mark.parametrize("tail", [b'{"type":"event","seq":4', b"{", b"\0\0\0", b"x\n\0\0"])
def test_a_torn_end_is_a_notice_and_the_next_append_mends_it(
    store: FolderStore, tail: bytes
) -> None:
    run_id, path = make_run(store, 3)
    path.write_bytes(path.read_bytes() + tail)
    finding = only(store)
    assert (finding.severity, finding.line) == ("notice", 5)
    assert f"{len(tail)} bytes" in finding.problem
    assert store.runs.append_event(run_id, RunEvent("k")) == 4
    assert found(store) == []


@pytest.mark.parametrize("nuls", [b"", b"\0\0"])
def test_a_missing_last_newline_is_a_notice(store: FolderStore, nuls: bytes) -> None:
    run_id, path = make_run(store, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + nuls)
    finding = only(store)
    assert (finding.severity, finding.line) == ("notice", 4)
    assert "newline" in finding.problem
    store.runs.append_event(run_id, RunEvent("k"))
    assert path.read_bytes().startswith(whole)
    assert found(store) == []


@pytest.mark.parametrize("garbage", [b"x", b"x\n", b" \n", b"\0x"])
def test_a_whole_last_line_that_runs_on_is_damage(store: FolderStore, garbage: bytes) -> None:
    _, path = make_run(store, 3)
    path.write_bytes(path.read_bytes()[:-1] + garbage)
    finding = only(store)
    assert (finding.severity, finding.line) == ("damage", 4)


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"\r\n"])
def test_a_line_behind_the_last_that_is_no_link_is_damage(store: FolderStore, line: bytes) -> None:
    _, path = make_run(store, 3)
    path.write_bytes(path.read_bytes() + line)
    finding = only(store)
    assert (finding.severity, finding.line) == ("damage", 5)


def test_an_edit_before_a_torn_end_is_still_found(store: FolderStore) -> None:
    _, path = make_run(store, 3)
    path.write_bytes(path.read_bytes().replace(b'"n":0', b'"n":9') + b"{torn")
    assert [(f.severity, f.line) for f in found(store)] == [("damage", 2), ("notice", 5)]


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b'{"type":"run"'])
def test_a_log_without_a_first_line_is_a_notice(store: FolderStore, data: bytes) -> None:
    place(store, "runs/ru/run-1.jsonl", data)
    place(store, "releases/agent.jsonl", data)
    assert [f.severity for f in found(store)] == ["notice", "notice"]


# The rules of a run's log


@pytest.mark.parametrize(
    ("bodies", "line", "says"),
    [
        ([event(1)], 1, "format"),
        ([event(1, format=1)], 1, "not 'run'"),
        ([opening(), opening()], 2, "second entry of type 'run'"),
        ([opening(run_id="run-2")], 1, "log of run run-2"),
        ([opening().replace('"format":1,', "")], 1, "does not name the format"),
        ([opening(), event(1), event(1, high=[1, 2])], 3, "another event has the seq 1"),
        ([opening(), event(1), event(1)], 3, "another event has the seq 1"),
        ([opening(), event(2)], 2, "high is missing, but it should be [2,1]"),
        ([opening(), event(2, high=[2, 2])], 2, "high is [2,2], but it should be [2,1]"),
        ([opening(), event(2, high=[2.0, 1])], 2, "high is [2.0,1]"),
        ([opening(), event(2, high=None)], 2, "high is null"),
        ([opening(), event(1, high=[1, 1])], 2, "it should be absent"),
        ([opening(), event(0)], 2, "should be [0,1]"),
        ([opening(), event(1.0)], 2, "seq"),
        ([opening(), event(-1)], 2, "seq"),
        ([opening(), event(True)], 2, "seq"),
        ([opening(), event(2**53)], 2, "seq"),
        ([opening(), event(1, kind="")], 2, "kind"),
        ([opening(), event(1, timestamp="2026-01-31T12:00:00Z")], 2, "timestamp"),
        ([opening(), event(1, timestamp="2026-02-31T12:00:00.000000Z")], 2, "timestamp"),
        ([opening(), event(1, timestamp=7)], 2, "not a valid 'event' entry"),
        ([opening(spec_digest=SPEC.upper())], 1, "spec_digest"),
        ([opening(spec_digest="abc")], 1, "not a valid 'run' entry"),
        ([opening(metadata=[])], 1, "not a valid 'run' entry"),
        ([opening(), ending(0), event(1), event(2)], 3, "the run ended on line 2"),
        ([opening(), ending(0), ending(0)], 3, "the run ended on line 2"),
        ([opening(), ending(0, status="RUNNING")], 2, "RUNNING"),
        ([opening(), ending(0, status="DONE")], 2, "not a valid 'run' entry"),
        ([opening(), ending(0, summary=[])], 2, "not a valid 'run' entry"),
        ([opening(), event(1)[:-1] + "Infinity"], 2, "not JSON"),
        ([opening(), event(1) + ',"more":1e999'], 2, "not strict JSON"),
        ([opening(), event(1) + ',"more":"\\ud800"'], 2, "not strict JSON"),
        ([opening(), event(1) + ',"seq":1'], 2, "duplicate key"),
        ([opening(), event(1).replace('"payload":null', '"payload":' + "[" * 201 + "]" * 201)], 2,
         "deeper than 200"),
        ([opening(), event(1).replace(":", ": ", 1)], 2, "begin"),
        ([opening(), compact({"seq": 1, "type": "event", "kind": "k", "payload": 1})], 2,
         "does not begin with its type"),
        ([opening(), event(1).replace('"kind":"k","payload":null', '"payload":null,"kind":"k"')], 2,
         "out of order"),
        ([opening(), compact({"type": "verdict"})], 2, "needs a newer aivcs"),
        ([opening(format=2)], 1, "needs a newer aivcs"),
        ([opening(), "[1"], 2, "not JSON"),
    ],
)  # fmt: skip
def test_a_whole_chain_of_wrong_entries_is_damage(
    store: FolderStore, bodies: list[str], line: int, says: str
) -> None:
    place_run(store, bodies)
    finding = only(store)
    assert (finding.severity, finding.line) == ("damage", line)
    assert says in finding.problem
    assert finding.remedy


def test_what_follows_a_wrong_high_is_judged_from_what_it_says(store: FolderStore) -> None:
    place_run(store, [opening(), event(1), event(2, high=[7, 2]), event(8, high=[8, 3]), event(4)])
    assert [f.line for f in found(store)] == [3, 5]


def test_nothing_behind_an_entry_of_a_later_format_is_judged(store: FolderStore) -> None:
    place_run(store, [opening(), compact({"type": "verdict"}), event(99), event(99)])
    assert only(store).line == 2


def test_a_total_that_differs_from_the_count_is_a_notice(store: FolderStore) -> None:
    run_id, _ = make_run(store, 3)
    store.runs.complete_run(run_id, RunSummary(success=True, total_events=7))
    finding = only(store)
    assert (finding.severity, finding.line) == ("notice", 5)
    assert "total_events is 7, but there are 3" in finding.problem


def test_a_spec_or_state_that_is_not_stored_is_a_notice(store: FolderStore) -> None:
    absent = hashlib.sha256(b"absent").hexdigest()
    run_id = store.runs.create_run(ContentDigest(absent), RunMetadata("agent"))
    store.runs.complete_run(run_id, RunSummary(success=True, final_state_digest=absent))
    store.releases.promote("agent", ContentDigest(absent), ReleaseMetadata("me"))
    store.releases.promote("agent", ContentDigest(absent), ReleaseMetadata("me"))
    findings = found(store)
    assert [(f.severity, f.line) for f in findings] == [("notice", 1), ("notice", 2), ("notice", 1)]
    assert all(absent in f.problem for f in findings)


# The rules of a release log


def hash_at(bodies: Iterable[str], line: int) -> str:
    """The hash that a line of a log made of some bodies bears."""
    link_: str = json.loads(link(bodies).splitlines()[line - 1])["hash"]
    return link_


FIRST = [entry(1, SPEC, 1, None), entry(2, OTHER, 2, 1)]
"""A log to be marked."""


def signature(seq: int, **changes: Any) -> str:
    members = {
        "type": "mark",
        "seq": seq,
        "mark": "signature",
        "name": "agent",
        "signed_seq": 1,
        "signed_hash": hash_at(FIRST, 1),
        "signature": SIGNATURE,
        "fingerprint": FINGERPRINT,
        "created_at": TIME,
        "release_seq": 2,
    }
    return compact(members | changes)


def test_hand_written_marks_are_healthy(store: FolderStore) -> None:
    place_release(
        store,
        [
            *FIRST,
            block(3, SPEC, 2),
            signature(4, block_seq=3),
            block(5, OTHER, 2, block_seq=3, path=[[_agreeing(SPEC, OTHER), 3]]),
            block(6, SPEC, 2, "unblock", block_seq=5, path=[[_agreeing(SPEC, OTHER), 5]]),
            entry(7, SPEC, 1, None, action="rollback", policy=SPEC, forced=True, block_seq=6),
            entry(
                8, SPEC, 8, None,
                evidence=[{"run_id": "run-1", "lines": 3, "hash": OTHER, "later": 1}], block_seq=6,
            ),
        ],
    )  # fmt: skip
    assert found(store) == []


def _agreeing(one: str, other: str) -> int:
    """In how many bits two digests agree before they differ, told from their digits as text."""
    pairs = zip(*(f"{int(digest, 16):0256b}" for digest in (one, other)), strict=True)
    return next(number for number, (bit, another) in enumerate(pairs) if bit != another)


@pytest.mark.parametrize(
    ("bodies", "line", "says"),
    [
        ([block(3, SPEC, 1)], 3, "release_seq is 1, but it should be 2"),
        ([block(3, SPEC, 3)], 3, "not a mark"),
        ([block(3, SPEC, 2, block_seq=2)], 3, "block_seq is 2, but it should be absent"),
        ([block(3, SPEC, 2), entry(4, OTHER, 4, 1)], 4, "block_seq is missing"),
        ([block(3, SPEC, 2), signature(4)], 4, "block_seq is missing"),
        ([block(3, SPEC, 2), block(4, OTHER, 2, block_seq=3)], 4, "path is []"),
        ([block(3, SPEC, 2, path=[[0, 2]])], 3, "path is [[0,2]]"),
        ([block(3, SPEC, 2, path=[[0, 3]])], 3, "path"),
        ([block(3, SPEC, 2, path=[[1, 2], [0, 1]])], 3, "path"),
        ([block(3, SPEC, 2, path=7)], 3, "path"),
        ([block(3, SPEC, 2, "unblock")], 3, "not blocked"),
        ([block(3, OTHER, 2), entry(4, OTHER, 4, 1, block_seq=3)], 4, "which @3 blocks"),
        ([block(3, SPEC.upper(), 2)], 3, "not the form of the format"),
        ([block(3, SPEC, 2, reason="")], 3, "not a mark"),
        ([block(3, SPEC, 2, by=7)], 3, "not a mark"),
        ([block(3, SPEC, 2, name="other")], 3, "it belongs to"),
        ([block(3, SPEC, 2, "freeze")], 3, "newer aivcs"),
        ([signature(3, signed_hash=ABSENT)], 3, "it signs the hash"),
        ([signature(3, signed_seq=3)], 3, "not a mark"),
        ([signature(3, signature="x")], 3, "not an SSH signature"),
        ([signature(3, fingerprint="SHA256:x")], 3, "fingerprint"),
        ([block(3, SPEC, 2), signature(4, signed_seq=3, block_seq=3)], 4, "not a"),
        ([entry(3, OTHER, 3, 1, forced=False)], 3, "not a"),
        ([entry(3, OTHER, 3, 1, policy="x")], 3, "not a"),
        ([entry(3, OTHER, 3, 1, policy=SPEC.upper())], 3, "not the form of the format"),
        ([entry(3, OTHER, 3, 1, evidence=[])], 3, "not a"),
        ([entry(3, OTHER, 3, 1, evidence=[{"run_id": "r-1"}])], 3, "not a"),
        (
            [entry(3, OTHER, 3, 1, evidence=[{"run_id": "r1", "lines": 0, "hash": SPEC}])],
            3, "not a",
        ),
    ],
)  # fmt: skip
def test_a_whole_chain_of_wrong_marks_is_damage(
    store: FolderStore, bodies: list[str], line: int, says: str
) -> None:
    place_release(store, [*FIRST, *bodies])
    finding = only(store)
    assert (finding.severity, finding.line) == ("damage", line)
    assert says in finding.problem


def test_a_policy_that_is_not_in_the_store_is_noticed(store: FolderStore) -> None:
    place_release(store, [entry(1, SPEC, 1, None, policy=ABSENT)])
    finding = only(store)
    assert (finding.severity, finding.line) == ("notice", 1)
    assert ABSENT in finding.problem


@pytest.mark.parametrize(
    ("bodies", "line", "says"),
    [
        ([entry(1, SPEC, 2, None).replace('"seq":1', '"seq":2')], 1, "seq is 2, not 1"),
        ([entry(1, SPEC, 1, None), entry(3, OTHER, 3, 1)], 2, "seq is 3, not 2"),
        ([entry(1, SPEC, 1, None), entry(1, OTHER, 1, 1)], 2, "seq is 1, not 2"),
        ([entry(1, SPEC, 1, None, name="else")], 1, "'else'"),
        ([entry(1, SPEC, 1, None).replace('"format":1,', "")], 1, "does not name the format"),
        ([entry(1, SPEC, 1, None, action="block")], 1, "needs a newer aivcs"),
        ([entry(1, SPEC, 1, None, action=[])], 1, "needs a newer aivcs"),
        ([entry(1, SPEC, 1, None, type="signed")], 1, "needs a newer aivcs"),
        ([entry(1, SPEC, 1, 1)], 1, "[1,1], but the entries before give [1,null]"),
        ([entry(1, SPEC, 1, None), entry(2, OTHER, 2, None)], 2, "give [2,1]"),
        ([entry(1, SPEC, 1, None), entry(2, SPEC, 2, 1)], 2, "give [2,null]"),
        ([entry(1, SPEC, 1, None), entry(2, SPEC, 1, None)], 2, "give [2,null]"),
        ([entry(1, SPEC, True, None)], 1, "target_seq is True"),
        ([entry(1, SPEC, 1, None, action="rollback")], 1, "never released"),
        (
            [entry(1, SPEC, 1, None), entry(2, OTHER, 2, 1),
             entry(3, SPEC, 3, 2, action="rollback"), entry(4, SPEC, 99, 98)],
            3, "give [1,null]",
        ),
        ([entry(1, SPEC, 1, None, metadata={})], 1, "not a"),
        ([entry(1, SPEC, 1, None, created_at="yesterday")], 1, "not a"),
        ([compact({"type": "mark", "format": 1, "seq": "1", "mark": "block"})], 1, "no seq"),
    ],
)  # fmt: skip
def test_a_whole_chain_of_wrong_releases_is_damage(
    store: FolderStore, bodies: list[str], line: int, says: str
) -> None:
    place_release(store, bodies)
    finding = only(store)
    assert (finding.severity, finding.line) == ("damage", line)
    assert says in finding.problem


steps = st.lists(
    st.tuples(st.sampled_from(["promote", "rollback", "to"]), st.integers(0, 3)), max_size=25
)


@settings(max_examples=examples(60), deadline=None)
@given(steps, st.sampled_from([0, 3, 2048]))
def test_whatever_the_registry_writes_satisfies_the_rules(
    moves: list[tuple[str, int]], limit: int
) -> None:
    registry = MemoryReleaseRegistry()
    specs = [ContentDigest.from_bytes(bytes([n])) for n in range(4)]
    who = ReleaseMetadata("me")
    for move, number in moves:
        try:
            if move == "promote":
                registry.promote("agent", specs[number], who)
            elif move == "rollback":
                registry.rollback("agent")
            elif any(r.spec_digest == specs[number] for r in registry.history("agent")):
                registry.rollback("agent", to=specs[number])
        except (NoPreviousReleaseError, ReleaseNotFoundError):
            pass
    bodies = [
        compact(
            {"type": "release"}
            | ({"format": 1} if r.seq == 1 else {})
            | {
                key: r.to_json()[key]
                for key in ("seq", "action", "name", "spec_digest", "metadata")
            }
            | {
                "target_seq": r.target_seq,
                "parent_seq": r.parent_seq,
                "created_at": str(r.created_at),
            }
        )
        for r in reversed(registry.history("agent"))
    ]
    numbered = enumerate(link(bodies).splitlines(), 1)
    assert (
        list(release_problems(numbered, "agent", lambda digest: True, partial(DiskMap, limit)))
        == []
    )


# Places


def test_an_empty_object_is_damage_that_putting_the_content_heals(store: FolderStore) -> None:
    object_path(store, b"spec").write_bytes(b"")
    finding = only(store)
    assert (finding.severity, finding.where) == ("damage", SPEC)
    assert "empty" in finding.problem
    store.blobs.put(b"spec")
    assert found(store) == []


def test_an_object_in_the_wrong_folder_is_damage_that_says_where_it_belongs(
    store: FolderStore,
) -> None:
    path = object_path(store, b"spec")
    place(store, f"objects/00/{path.name}", path.read_bytes())
    finding = only(store)
    assert (finding.severity, finding.where) == ("damage", "00" + SPEC[2:])
    assert f"objects/{SPEC[:2]}/" in finding.remedy


def test_a_log_in_the_wrong_folder_is_damage(store: FolderStore) -> None:
    place(store, "runs/xx/run-1.jsonl", link([opening()]))
    finding = only(store)
    assert (finding.severity, finding.where) == ("damage", "runs/xx/run-1.jsonl")
    assert "runs/ru/" in finding.remedy


STRAYS = [
    "objects/README",
    "objects/ab/short",
    "objects/xy/" + "0" * 62,
    "objects/ab/" + "A" * 62,
    "runs/README",
    "runs/ab/notes.txt",
    "runs/ab/.jsonl",
    "runs/abc/abc.jsonl",
    "releases/README",
    "releases/.hidden.jsonl",
    "releases/a..b/.jsonl/b.jsonl",
]


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_is_reported_and_not_read(store: FolderStore, name: str) -> None:
    place(store, name, b"stray")
    finding = only(store)
    assert finding.severity == "notice"
    assert name.startswith(finding.where)


@pytest.mark.parametrize("name", [name for name in STRAYS if name != "releases/README"])
def test_a_stray_folder_is_reported(store: FolderStore, name: str) -> None:
    Path(store.path, name).mkdir(parents=True)
    assert [f.severity for f in found(store)] == ["notice"]


@pytest.mark.parametrize(
    "name", [f"objects/ab/{'0' * 62}", "runs/ru/run-1.jsonl", "releases/a.jsonl/b.jsonl"]
)
def test_a_folder_in_the_place_of_an_object_or_a_log_is_damage(
    store: FolderStore, name: str
) -> None:
    Path(store.path, name).mkdir(parents=True)
    assert [f.severity for f in found(store)] == ["damage"]


PLACES = [
    f"objects/ab/{'0' * 62}",
    "runs/ru/run-1.jsonl",
    "releases/agent.jsonl",
    "tmp/temporary",
]


@pytest.mark.parametrize("name", [*PLACES, "objects/ab", "runs/ru", "releases/team"])
def test_a_symbolic_link_is_damage_and_not_followed(
    store: FolderStore, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "target"
    if "/" in name[9:] or name.startswith("tmp"):
        target.write_bytes(b"elsewhere")
    else:
        target.mkdir()
        (target / "inside").write_bytes(b"elsewhere")
    path = Path(store.path, name)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)
    finding = only(store)
    assert (finding.severity, finding.where) == ("damage", name)
    assert "symbolic link" in finding.problem


@pytest.mark.parametrize("part", ["objects", "runs", "releases", "tmp"])
def test_a_part_that_is_a_symbolic_link_is_damage(
    store: FolderStore, tmp_path: Path, part: str
) -> None:
    path = Path(store.path, part)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    finding = only(store)
    assert (finding.severity, finding.where) == ("damage", part)


@pytest.mark.parametrize("name", PLACES)
def test_a_pipe_is_damage_and_does_not_block(store: FolderStore, name: str) -> None:
    path = Path(store.path, name)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    findings: list[Finding] = []
    worker = threading.Thread(target=lambda: findings.extend(found(store)), daemon=True)
    worker.start()
    worker.join(20)
    assert not worker.is_alive()
    assert [(f.severity, f.where) for f in findings] == [("damage", name)]


def test_a_leftover_temporary_file_is_a_notice(store: FolderStore) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    gone = process.pid
    place(store, f"tmp/{gone}-0123456789ab", b"part")
    place(store, f"tmp/{os.getpid()}-0123456789ab", b"being written")
    finding = only(store)
    assert (finding.severity, finding.where) == ("notice", f"tmp/{gone}-0123456789ab")


def test_an_old_temporary_file_is_a_leftover_whoever_has_its_number_now(
    store: FolderStore,
) -> None:
    path = place(store, f"tmp/{os.getpid()}-0123456789ab", b"part")
    os.utime(path, (0, 0))
    assert only(store).severity == "notice"


@pytest.mark.parametrize("call", ["open", "pread"])
def test_a_log_that_cannot_be_read_is_damage(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    make_run(store)
    assert found(store) == []
    real = getattr(os, call)

    def fail(what: Any, *args: Any) -> Any:
        if call == "pread" or str(what).endswith(".jsonl"):
            raise OSError(errno.EIO, "Input/output error")
        return real(what, *args)

    monkeypatch.setattr(os, call, fail)
    finding = only(store)
    assert finding.severity == "damage"
    assert "Input/output error" in finding.problem


def test_an_object_that_cannot_be_read_is_damage(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    findings = found(store)
    assert {f.where for f in findings} == {SPEC, OTHER}
    assert {f.severity for f in findings} == {"damage"}


def test_folders_that_are_absent_are_as_good_as_empty(tmp_path: Path) -> None:
    backend = FolderStore.init(str(tmp_path / ".aivcs"))
    for part in ("objects", "runs", "releases", "tmp"):
        Path(backend.path, part).rmdir()
    assert found(backend) == []


# Beside writers


def test_appends_and_releases_while_verifying_give_no_damage(store: FolderStore) -> None:
    run_id, _ = make_run(store)
    store.releases.promote("agent", ContentDigest(SPEC), ReleaseMetadata("me"))
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(step: Callable[[int], object]) -> None:
        number = 0
        try:
            while not stop.is_set():
                step(number)
                number += 1
        except (OSError, StorageError, AssertionError) as error:
            failures.append(error)

    other = FolderStore.open(store.path, Settings(durability="none"))
    big = "x" * 300_000
    workers = [
        threading.Thread(target=write, args=(step,))
        for step in (
            lambda n: store.runs.append_event(run_id, RunEvent("k", big if n % 50 == 0 else n)),
            lambda n: other.runs.append_events(run_id, [RunEvent("k", m) for m in range(20)]),
            lambda n: other.releases.promote(
                "agent", ContentDigest(OTHER if n % 2 else SPEC), ReleaseMetadata("me")
            ),
            lambda n: other.blobs.put(b"%d" % n),
        )
    ]
    for worker in workers:
        worker.start()
    try:
        for _ in range(4):
            assert found(FolderStore.open(store.path), "damage") == []
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert failures == []
    assert found(store) == []
    assert store.runs.get_run(run_id).status is RunStatus.RUNNING


def test_a_log_that_seems_torn_is_judged_again_once_its_writer_is_done(store: FolderStore) -> None:
    import fcntl

    _, path = make_run(store)
    whole = path.read_bytes()
    extra = link([opening(), event(1)])  # any bytes: the writer takes them back
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(fd, extra)  # whole lines, which are not links

    def take_back() -> None:
        os.truncate(path, len(whole))
        os.close(fd)

    timer = threading.Timer(0.3, take_back)
    timer.start()
    assert found(store) == []
    timer.join()


def test_a_writer_that_hangs_does_not_hang_verify(store: FolderStore) -> None:
    import fcntl

    _, path = make_run(store)
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, b'{"type":')
        store = FolderStore.open(store.path, Settings(lock_timeout=0.2))
        assert only(store).severity == "notice"
    finally:
        os.close(fd)
