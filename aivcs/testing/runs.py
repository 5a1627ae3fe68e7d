"""The guarantees of every `aivcs.RunLedger`, as tests."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from itertools import pairwise
from random import Random
from time import sleep
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from aivcs.errors import (
    ConflictError,
    IntegrityError,
    InvalidDigestError,
    InvalidNameError,
    InvalidRunStateError,
    RunNotFoundError,
    SerializationError,
    StorageError,
    UnsupportedFormatError,
    UsageError,
)
from aivcs.log.bulk_events import parse_events
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunOwner, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.testing.linking import body_of, hash_of, link_line, relink
from aivcs.testing.race import race
from aivcs.testing.refusal import refuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.store.contracts import RunLedger

    OpenStore = Callable[[], RunLedger]
    Edit = Callable[[list[bytes]], list[bytes]]
    Rewrite = Callable[[str, Edit], None]

SPEC = ContentDigest(sha256(b"spec").hexdigest())
OTHER_SPEC = ContentDigest(sha256(b"other spec").hexdigest())
STATE = sha256(b"state").hexdigest()
META = RunMetadata("bot")
DONE = RunSummary(success=True)
LAST_SEQ = 9007199254740991
NO_RUNS = [
    "00000000-0000-4000-8000-000000000000",
    "",
    "x",
    "..",
    "../x",
    "a/b",
    "a\0b",
    "a\n",
    "-a",
    ".a",
    "é",
    "x" * 300,
    "a.jsonl",
]


def nested(levels: int) -> Any:
    """A value of arrays and objects inside one another."""
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


def circle() -> Any:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


PAYLOADS: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus zero": -0.0,
    "one": 1,
    "one as a double": 1.0,
    "beyond a double's integers": 2**53 + 1,
    "beyond 64 bits": -(2**64),
    "4300 digits": 10**4300 - 1,
    "minus 4300 digits": 1 - 10**4300,
    "a fraction": 0.1,
    "the largest double": 1.7976931348623157e308,
    "the smallest double": 5e-324,
    "an empty text": "",
    "an empty array": [],
    "an empty object": {},
    "umlauts": "Grüße",
    "characters beyond the BMP": "🦀\U0001d54f",
    "combining characters": "e\u0301 is not \u00e9",
    "line separators": "a\u2028b\u2029c\u0085d",
    "control characters": "\0\x01\t\n\r\x1b\x7f",
    "quotes and backslashes": '"\\/\\u0041',
    "a byte order mark": "\ufeff",
    "what looks like the end of a line": '","hash":"' + "0" * 64 + '"}\n',
    "keys in an order of their own": {"z": 1, "a": 2, "m": {"y": 1, "b": 2}},
    "an empty key": {"": {"": 0}},
    "a reserved key": {"hash": 1, "type": "end", "seq": 9, "high": [1, 2]},
    "200 levels": nested(200),
    "many things": {"list": [1, "two", None, [True, {"three": 3.5}]], "text": "ok"},
}
REFUSED: dict[str, Any] = {
    "not a number": float("nan"),
    "infinity": [float("inf")],
    "minus infinity": {"a": float("-inf")},
    "bytes": b"abc",
    "a set": {1, 2},
    "an object": object(),
    "a key that is a number": {1: 2},
    "a key that is null": {"a": {None: 2}},
    "a key that is true": [{True: 2}],
    "half a surrogate pair": "\ud800",
    "half a surrogate pair in a key": {"\udfff": 1},
    "201 levels": nested(201),
    "10,000 levels": nested(10_000),
    "4301 digits": 10**4300,
    "a circle": circle(),
}
every_ending = pytest.mark.parametrize(
    ("method", "status"),
    [("complete_run", "COMPLETED"), ("fail_run", "FAILED"), ("cancel_run", "CANCELLED")],
)


def change(text: bytes, by: bytes) -> Edit:
    """An edit that replaces a text wherever it stands, hashes left as they are."""
    return lambda lines: [line.replace(text, by) for line in lines]


EDITS: dict[str, Edit] = {
    "a kind edited": lambda lines: [
        line.replace(b'"kind":"two"', b'"kind":"TWO"') for line in lines
    ],
    "a time edited": lambda lines: [
        line.replace(b'"timestamp":"2', b'"timestamp":"1') if b'"two"' in line else line
        for line in lines
    ],
    "a hash edited": lambda lines: [
        *lines[:2],
        lines[2].replace(hash_of(lines[2]).encode(), b"0" * 64),
        *lines[3:],
    ],
    "a line swapped with its neighbour": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "a line deleted": lambda lines: lines[:2] + lines[3:],
    "a line repeated": lambda lines: [*lines[:2], lines[1], *lines[2:]],
    "a line emptied": lambda lines: [*lines[:2], b"", *lines[3:]],
    "a line replaced by other JSON": lambda lines: [*lines[:2], b"{}", *lines[3:]],
}
"""Edits of a log of a header and the events one to four; each first goes wrong at line 3."""
every_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)


def at_the_same_moment(lines: list[bytes]) -> list[bytes]:
    """A log of one line, created at a certain moment."""
    (line,) = lines
    body = re.sub(
        rb'"created_at":"[^"]*"', b'"created_at":"2026-01-31T12:00:00.000000Z"', body_of(line)
    )
    return relink([body])


def elsewhere(events: int, *, size: int = 0, is_over: bool = False) -> tuple[str, list[bytes]]:
    """Returns the id and the lines of a run that no ledger made.

    Args:
        events: The number of its events.
        size: The bytes of text in each event's payload; 0 for its seq alone.
        is_over: Whether the run has ended.
    """
    run, time = "01234567-89ab-4cde-8f01-23456789abcd", "2026-01-02T03:04:05.000006Z"
    entries: list[dict[str, Any]] = [
        {
            "type": "run", "format": 1, "run_id": run, "spec_digest": str(SPEC),
            "metadata": {"git_sha": None, "agent_name": "bot", "tags": {}}, "created_at": time,
        },
        *(
            {
                "type": "event", "seq": seq, "kind": "kind",
                "payload": "x" * size if size else seq, "timestamp": time,
            }
            for seq in range(1, events + 1)
        ),
    ]  # fmt: skip
    if is_over:
        summary = {
            "total_events": events, "final_state_digest": None, "duration_ms": 7, "success": True,
        }  # fmt: skip
        entries.append(
            {"type": "end", "status": "COMPLETED", "summary": summary, "completed_at": time}
        )
    lines: list[bytes] = []
    for entry in entries:
        lines.append(link_line(entry, hash_of(lines[-1]) if lines else ""))
    return run, lines


def beginning(lines: list[bytes], count: int) -> list[bytes]:
    """The first lines of a log."""
    return lines[:count]


class RunLedgerContract:
    """The guarantees of a `RunLedger`; subclass it and override `open_store`."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Override: a factory of ledgers which all reach the same runs, none at first."""
        raise NotImplementedError("override the fixture open_store")

    @pytest.fixture
    def rewrite(self) -> Rewrite:
        """Override: `rewrite(run_id, edit)` replaces a log's lines by `edit(lines)`, unnoticed.

        Lines are given and taken as bytes without their newlines.
        """
        pytest.skip("this backend gives the suite no back door to its lines")

    @pytest.fixture
    def ledger(self, open_store: OpenStore) -> RunLedger:
        """A ledger of the factory."""
        return open_store()

    @pytest.fixture
    def run(self, ledger: RunLedger) -> RunId:
        """A run without events."""
        return ledger.create_run(SPEC, META)

    @pytest.fixture
    def told(self, ledger: RunLedger) -> RunId:
        """A run with the events one, two, three, four."""
        run = ledger.create_run(SPEC, META)
        ledger.append_events(run, [RunEvent(kind) for kind in ("one", "two", "three", "four")])
        return run

    # create_run and get_run

    def test_a_new_run_is_running(self, open_store: OpenStore) -> None:
        metadata = RunMetadata("bot", git_sha="c0ffee", tags={"env": "ci"})
        run = open_store().create_run(SPEC, metadata)
        record = open_store().get_run(run)
        assert record == RunRecord(
            run_id=run,
            spec_digest=SPEC,
            metadata=metadata,
            status=RunStatus.RUNNING,
            summary=None,
            created_at=record.created_at,
            completed_at=None,
        )
        assert record.status is RunStatus.RUNNING
        assert type(record.run_id) is RunId
        assert type(record.spec_digest) is ContentDigest
        assert open_store().get_events(run) == []

    def test_a_new_id_is_a_random_uuid(self, ledger: RunLedger) -> None:
        runs = [ledger.create_run(SPEC, META) for _ in range(20)]
        assert len(set(runs)) == 20
        assert all(UUID(run).version == 4 and str(UUID(run)) == run for run in runs)

    def test_a_run_is_created_now(self, ledger: RunLedger) -> None:
        before = datetime.now(UTC)
        created = ledger.get_run(ledger.create_run(SPEC, META)).created_at
        after = datetime.now(UTC)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", created)
        assert before <= datetime.fromisoformat(created) <= after

    def test_metadata_has_no_commit_and_no_tags_by_default(self, ledger: RunLedger) -> None:
        metadata = ledger.get_run(ledger.create_run(SPEC, RunMetadata("bot"))).metadata
        assert metadata.agent_name == "bot"
        assert metadata.git_sha is None
        assert metadata.tags == {}

    def test_tags_are_any_json_value(self, open_store: OpenStore) -> None:
        for name, tags in PAYLOADS.items():
            run = open_store().create_run(SPEC, RunMetadata("bot", tags=tags))
            stored = open_store().get_run(run).metadata.tags
            assert same(stored, {} if tags is None else tags), name

    def test_tags_that_are_no_json_are_refused(self, open_store: OpenStore) -> None:
        for name, tags in REFUSED.items():
            metadata = RunMetadata("bot", tags=tags)
            refuses(SerializationError, name, open_store().create_run, SPEC, metadata)
        assert open_store().list_runs() == []

    def test_an_agent_may_have_any_printable_name(self, open_store: OpenStore) -> None:
        for name in ("Grüße 🦀", 'a"b\\c', "x" * 200):
            run = open_store().create_run(SPEC, RunMetadata(name, git_sha=name))
            metadata = open_store().get_run(run).metadata
            assert (metadata.agent_name, metadata.git_sha) == (name, name)

    def test_tags_that_change_after_creation_do_not_change_the_run(self, ledger: RunLedger) -> None:
        tags = {"env": "ci", "list": [1]}
        run = ledger.create_run(SPEC, RunMetadata("bot", tags=tags))
        tags["env"] = "prod"
        ledger.get_run(run).metadata.tags["list"].append(2)
        assert ledger.get_run(run).metadata.tags == {"env": "ci", "list": [1]}

    def test_a_run_from_elsewhere_keeps_its_id_and_its_start(self, open_store: OpenStore) -> None:
        for given in ("ses_5A", "2f9c0d", "x.1", "a" * 200):
            moment = Timestamp("2001-02-03T04:05:06.789+02:00")
            run = open_store().create_run(SPEC, META, run_id=given, created_at=moment)
            assert run == given
            assert type(run) is RunId
            record = open_store().get_run(given)
            assert (record.run_id, record.created_at) == (given, "2001-02-03T02:05:06.789000Z")
            assert record.status is RunStatus.RUNNING
        assert len(open_store().list_runs()) == 4

    def test_an_id_is_used_once(self, open_store: OpenStore, told: RunId) -> None:
        before, head = open_store().get_run(told), open_store().head(told)
        with pytest.raises(ConflictError, match=told):
            open_store().create_run(OTHER_SPEC, RunMetadata("other"), run_id=told)
        open_store().complete_run(told, DONE)
        with pytest.raises(ConflictError, match=told):
            open_store().create_run(SPEC, META, run_id=told)
        assert open_store().get_run(told).created_at == before.created_at
        assert open_store().head(told).lines == head.lines + 1

    def test_an_id_that_is_no_file_name_is_refused(self, open_store: OpenStore) -> None:
        for name in NO_RUNS[1:]:
            create = partial(open_store().create_run, SPEC, META, run_id=name)
            refuses(InvalidNameError, ascii(name), create)
        assert open_store().list_runs() == []

    def test_a_start_that_is_no_time_is_refused(self, open_store: OpenStore) -> None:
        for junk in ("", "yesterday", "2026-01-31T12:00:00"):
            moment = cast("Timestamp", junk)
            create = partial(open_store().create_run, SPEC, META, created_at=moment)
            refuses(SerializationError, junk, create)
        assert open_store().list_runs() == []

    def test_runs_from_elsewhere_are_listed_by_their_start(self, open_store: OpenStore) -> None:
        for name, year in (("middle", 2002), ("first", 2001), ("last", 2003)):
            moment = Timestamp(f"{year}-01-01T00:00:00Z")
            open_store().create_run(SPEC, META, run_id=name, created_at=moment)
        now = open_store().create_run(SPEC, META)
        listed = [record.run_id for record in open_store().list_runs()]
        assert listed == [now, "last", "middle", "first"]
        since = Timestamp("2002-01-01T00:00:00Z")
        assert len(open_store().list_runs(since=since)) == 3
        assert [record.run_id for record in open_store().list_runs(limit=2)] == [now, "last"]

    def test_of_racing_creations_with_one_id_one_succeeds(self, open_store: OpenStore) -> None:
        outcomes = race(8, lambda _: open_store().create_run(SPEC, META, run_id="one-for-all"))
        assert outcomes.returned == ["one-for-all"]
        assert [type(error) for error in outcomes.raised] == [ConflictError] * 7
        assert open_store().head("one-for-all").lines == 1

    def test_a_run_needs_a_digest_of_its_spec(self, ledger: RunLedger) -> None:
        for junk in ("", "abc", "g" * 64):
            with pytest.raises(InvalidDigestError):
                ledger.create_run(cast("ContentDigest", junk), META)
        assert ledger.list_runs() == []

    def test_a_spec_may_be_given_in_upper_case(self, ledger: RunLedger) -> None:
        run = ledger.create_run(cast("ContentDigest", SPEC.upper()), META)
        assert ledger.get_run(run).spec_digest == SPEC
        assert len(ledger.list_runs(cast("ContentDigest", SPEC.upper()))) == 1

    @pytest.mark.parametrize(
        "call",
        [
            lambda ledger, run_id: ledger.get_run(run_id),
            lambda ledger, run_id: ledger.get_events(run_id),
            lambda ledger, run_id: list(ledger.iter_events(run_id)),
            lambda ledger, run_id: ledger.head(run_id),
            lambda ledger, run_id: ledger.append_event(run_id, RunEvent("kind")),
            lambda ledger, run_id: ledger.append_events(run_id, []),
            lambda ledger, run_id: ledger.append_events(run_id, [RunEvent("kind")]),
            lambda ledger, run_id: ledger.complete_run(run_id, DONE),
            lambda ledger, run_id: ledger.fail_run(run_id, DONE),
            lambda ledger, run_id: ledger.cancel_run(run_id, DONE),
        ],
        ids=[
            "get_run",
            "get_events",
            "iter_events",
            "head",
            "append_event",
            "append_nothing",
            "append_events",
            "complete_run",
            "fail_run",
            "cancel_run",
        ],
    )
    def test_an_unknown_run_is_not_found(
        self, ledger: RunLedger, run: RunId, call: Callable[[RunLedger, str], object]
    ) -> None:
        for run_id in NO_RUNS:
            error = refuses(RunNotFoundError, ascii(run_id), call, ledger, run_id)
            assert error.run_id == run_id
        assert list(ledger.list_run_ids()) == [run]

    # append_event

    def test_events_are_numbered_from_one(self, open_store: OpenStore, run: RunId) -> None:
        seqs = [open_store().append_event(run, RunEvent("kind")) for _ in range(5)]
        assert seqs == [1, 2, 3, 4, 5]
        assert [event.seq for event in open_store().get_events(run)] == [1, 2, 3, 4, 5]

    def test_an_event_comes_back_as_it_was_appended(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().append_event(
            run, RunEvent("tool_called", {"q": "x"}, timestamp="2026-01-31T12:00:00.5Z")
        )
        (event,) = open_store().get_events(run)
        assert event == RunEvent(
            "tool_called", {"q": "x"}, seq=1, timestamp="2026-01-31T12:00:00.500000Z"
        )
        assert event.timestamp == "2026-01-31T12:00:00.500000Z"
        assert type(event.timestamp) is Timestamp

    def test_a_payload_is_any_json_value(self, open_store: OpenStore, run: RunId) -> None:
        for payload in PAYLOADS.values():
            open_store().append_event(run, RunEvent("kind", payload))
        events = open_store().get_events(run)
        for event, (name, payload) in zip(events, PAYLOADS.items(), strict=True):
            assert same(event.payload, payload), name

    def test_a_payload_that_is_no_json_is_refused(self, open_store: OpenStore, run: RunId) -> None:
        for name, payload in REFUSED.items():
            event = RunEvent("kind", payload)
            refuses(SerializationError, name, open_store().append_event, run, event)
        assert open_store().get_events(run) == []
        assert open_store().append_event(run, RunEvent("kind")) == 1

    @pytest.mark.parametrize(
        "payload", ["x" * ((1 << 20) - 2), "é" * ((1 << 19) - 1)], ids=["ASCII", "two-byte"]
    )
    def test_a_payload_may_have_one_mebibyte_and_no_more(
        self, open_store: OpenStore, run: RunId, payload: str
    ) -> None:
        # Counted in bytes as stored: the quotes are two of them.
        assert open_store().append_event(run, RunEvent("kind", payload)) == 1
        with pytest.raises(SerializationError):
            open_store().append_event(run, RunEvent("kind", payload + "x"))
        (event,) = open_store().get_events(run)
        assert event.payload == payload
        assert open_store().append_event(run, RunEvent("kind")) == 2

    def test_a_payload_that_changes_after_append_does_not_change_the_event(
        self, ledger: RunLedger, run: RunId
    ) -> None:
        payload = {"list": [1]}
        ledger.append_event(run, RunEvent("kind", payload))
        payload["list"].append(2)
        ledger.get_events(run)[0].payload["list"].append(3)
        assert ledger.get_events(run)[0].payload == {"list": [1]}

    def test_a_kind_is_any_printable_text(self, open_store: OpenStore, run: RunId) -> None:
        kinds = ["Grüße 🦀", 'a"b\\c', "x" * 200]
        for kind in kinds:
            open_store().append_event(run, RunEvent(kind))
        assert [event.kind for event in open_store().get_events(run)] == kinds

    def test_an_event_without_a_timestamp_happened_now(self, ledger: RunLedger, run: RunId) -> None:
        before = datetime.now(UTC)
        ledger.append_event(run, RunEvent("kind"))
        after = datetime.now(UTC)
        timestamp = ledger.get_events(run)[0].timestamp
        assert timestamp is not None
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp)
        assert before <= datetime.fromisoformat(timestamp) <= after

    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
            ("2026-01-31T12:00:00.123456+00:00", "2026-01-31T12:00:00.123456Z"),
            ("2026-01-01T01:30:00+02:00", "2025-12-31T23:30:00.000000Z"),
            ("1969-12-31T23:59:59.9-00:30", "1970-01-01T00:29:59.900000Z"),
            (
                datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-5))),
                "2026-01-31T17:00:00.000000Z",
            ),
        ],
        ids=str,
    )
    def test_a_timestamp_is_kept_in_utc(
        self, open_store: OpenStore, run: RunId, given: str, stored: str
    ) -> None:
        open_store().append_event(run, RunEvent("kind", timestamp=given))
        assert open_store().get_events(run)[0].timestamp == stored

    def test_timestamps_do_not_order_events(self, ledger: RunLedger, run: RunId) -> None:
        ledger.append_event(run, RunEvent("late", timestamp="2030-01-01T00:00:00Z"))
        ledger.append_event(run, RunEvent("early", timestamp="2020-01-01T00:00:00Z"))
        assert [event.kind for event in ledger.get_events(run)] == ["late", "early"]

    # seq

    @pytest.mark.parametrize("seq", [0, 1, 2, 1000, LAST_SEQ - 1, LAST_SEQ])
    def test_an_event_keeps_the_seq_it_brings(
        self, open_store: OpenStore, run: RunId, seq: int
    ) -> None:
        assert open_store().append_event(run, RunEvent("kind", seq=seq)) == seq
        assert [event.seq for event in open_store().get_events(run)] == [seq]

    @pytest.mark.parametrize(
        "seqs", [[0], [0, 1], [3], [7, 2], [7, 0], [1, 2, 3], [5, 9, 7]], ids=str
    )
    def test_an_event_without_a_seq_gets_the_highest_plus_one(
        self, open_store: OpenStore, run: RunId, seqs: list[int]
    ) -> None:
        for seq in seqs:
            open_store().append_event(run, RunEvent("kind", seq=seq))
        assert open_store().append_event(run, RunEvent("kind")) == max(seqs) + 1
        assert open_store().append_event(run, RunEvent("kind")) == max(seqs) + 2

    def test_a_number_that_fills_a_gap_does_not_become_the_next(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().append_event(run, RunEvent("kind", seq=10))
        open_store().append_event(run, RunEvent("kind", seq=5))
        assert open_store().append_event(run, RunEvent("kind")) == 11

    def test_behind_the_last_number_there_is_no_other(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().append_event(run, RunEvent("kind", seq=LAST_SEQ))
        with pytest.raises(ConflictError):
            open_store().append_event(run, RunEvent("kind"))
        assert open_store().append_event(run, RunEvent("kind", seq=4)) == 4
        assert [event.seq for event in open_store().get_events(run)] == [4, LAST_SEQ]

    def test_events_come_back_ordered_by_seq(self, open_store: OpenStore, run: RunId) -> None:
        for seq in (5, 1, LAST_SEQ, 9, 0, 3):
            open_store().append_event(run, RunEvent(f"number {seq}", seq=seq))
        events = open_store().get_events(run)
        assert [event.seq for event in events] == [0, 1, 3, 5, 9, LAST_SEQ]
        assert [event.kind for event in events] == [f"number {event.seq}" for event in events]
        assert list(open_store().iter_events(run)) == events

    @pytest.mark.parametrize("lowest", [0, 1, 7])
    def test_any_order_of_appending_gives_the_same_order_back(
        self, ledger: RunLedger, run: RunId, lowest: int
    ) -> None:
        seqs = list(range(lowest, lowest + 200))
        Random(lowest).shuffle(seqs)  # noqa: S311 not for secrets
        for begin in range(0, 200, 20):
            ledger.append_events(
                run, [RunEvent("kind", seq, seq=seq) for seq in seqs[begin : begin + 20]]
            )
        assert [event.payload for event in ledger.get_events(run)] == sorted(seqs)

    # retries and conflicts

    def test_the_identical_event_again_is_stored_once(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        for seq, (name, payload) in enumerate(PAYLOADS.items(), 1):
            open_store().append_event(run, RunEvent("kind", payload, seq=seq))
            before = open_store().head(run)
            assert open_store().append_event(run, RunEvent("kind", payload, seq=seq)) == seq, name
            assert open_store().head(run) == before, name
            assert len(open_store().get_events(run)) == seq, name

    @pytest.mark.parametrize("seq", [0, 1, 6, LAST_SEQ])
    def test_a_retry_is_safe_however_much_came_in_between(
        self, open_store: OpenStore, run: RunId, seq: int
    ) -> None:
        event = RunEvent("kind", {"a": 1}, seq=seq, timestamp="2026-01-31T12:00:00Z")
        open_store().append_event(run, event)
        for other in (3, 8, 2):
            open_store().append_event(run, RunEvent("other", seq=other))
        before = open_store().get_events(run)
        assert open_store().append_event(run, event) == seq
        assert open_store().append_events(run, [event, event]) == [seq, seq]
        assert open_store().get_events(run) == before

    def test_an_event_that_was_numbered_by_the_ledger_can_be_retried_with_its_number(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        seqs = [open_store().append_event(run, RunEvent("kind", number)) for number in range(3)]
        assert seqs == [1, 2, 3]
        assert open_store().append_event(run, RunEvent("kind", 1, seq=2)) == 2
        assert len(open_store().get_events(run)) == 3

    def test_a_retry_without_a_timestamp_keeps_the_first_one(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().append_event(run, RunEvent("kind", seq=1, timestamp="2026-01-31T12:00:00Z"))
        open_store().append_event(run, RunEvent("kind", seq=1))
        (event,) = open_store().get_events(run)
        assert event.timestamp == "2026-01-31T12:00:00.000000Z"

    def test_a_retry_may_name_the_same_moment_in_another_zone(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().append_event(run, RunEvent("kind", seq=1, timestamp="2026-01-31T12:00:00Z"))
        retry = RunEvent("kind", seq=1, timestamp="2026-01-31T13:00:00+01:00")
        assert open_store().append_event(run, retry) == 1
        assert len(open_store().get_events(run)) == 1

    @pytest.mark.parametrize(
        "other",
        [
            RunEvent("other", {"a": 1}, seq=1),
            RunEvent("kind", {"a": 2}, seq=1),
            RunEvent("kind", {"a": True}, seq=1),
            RunEvent("kind", {"a": "1"}, seq=1),
            RunEvent("kind", {"a": 1, "b": None}, seq=1),
            RunEvent("kind", {}, seq=1),
            RunEvent("kind", None, seq=1),
            RunEvent("kind", {"a": 1}, seq=1, timestamp="2026-01-31T12:00:01Z"),
        ],
        ids=["kind", "value", "true", "text", "more", "less", "null", "timestamp"],
    )
    def test_another_event_with_the_same_seq_is_a_conflict(
        self, open_store: OpenStore, run: RunId, other: RunEvent
    ) -> None:
        event = RunEvent("kind", {"a": 1}, seq=1, timestamp="2026-01-31T12:00:00Z")
        open_store().append_event(run, event)
        with pytest.raises(ConflictError):
            open_store().append_event(run, other)
        assert open_store().get_events(run) == [event]
        assert open_store().append_event(run, RunEvent("next")) == 2
        with pytest.raises(ConflictError):
            open_store().append_event(run, other)

    # append_events

    def test_a_batch_returns_the_seqs_in_the_order_given(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        events = [
            RunEvent("a"),
            RunEvent("b", seq=7),
            RunEvent("c"),
            RunEvent("d", seq=3),
            RunEvent("e"),
        ]
        assert open_store().append_events(run, events) == [1, 7, 8, 3, 9]
        assert [event.kind for event in open_store().get_events(run)] == ["a", "d", "b", "c", "e"]

    def test_a_batch_of_nothing_changes_nothing(self, open_store: OpenStore, run: RunId) -> None:
        before = open_store().head(run)
        assert open_store().append_events(run, []) == []
        assert open_store().head(run) == before

    def test_a_batch_may_come_from_a_generator(self, open_store: OpenStore, run: RunId) -> None:
        assert open_store().append_events(run, (RunEvent(kind) for kind in "abc")) == [1, 2, 3]
        assert len(open_store().get_events(run)) == 3

    def test_a_batch_may_be_made_from_what_the_ledger_holds(
        self, ledger: RunLedger, told: RunId
    ) -> None:
        copies = (RunEvent(event.kind) for event in ledger.iter_events(told))
        assert ledger.append_events(told, copies) == [5, 6, 7, 8]

    @pytest.mark.parametrize(
        "bad",
        [RunEvent("bad", float("nan")), RunEvent("bad", seq=2), RunEvent("bad", "x" * (1 << 20))],
        ids=["no JSON", "conflict", "too large"],
    )
    def test_all_of_a_batch_is_stored_or_none(
        self, open_store: OpenStore, run: RunId, bad: RunEvent
    ) -> None:
        open_store().append_events(run, [RunEvent("one"), RunEvent("two")])
        before = open_store().head(run)
        with pytest.raises((SerializationError, ConflictError)):
            open_store().append_events(run, [RunEvent("three"), bad, RunEvent("five")])
        assert open_store().head(run) == before
        assert [event.kind for event in open_store().get_events(run)] == ["one", "two"]
        assert open_store().append_event(run, RunEvent("three")) == 3

    def test_a_batch_that_its_maker_breaks_off_stores_nothing(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        def events() -> Iterator[RunEvent]:
            yield RunEvent("one")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            open_store().append_events(run, events())
        assert open_store().get_events(run) == []
        assert open_store().append_event(run, RunEvent("one")) == 1

    def test_a_batch_may_be_larger_than_one_write(self, open_store: OpenStore, run: RunId) -> None:
        text = "x" * 200_000
        seqs = open_store().append_events(run, [RunEvent("kind", text) for _ in range(15)])
        assert seqs == list(range(1, 16))
        assert [event.payload for event in open_store().get_events(run)] == [text] * 15

    @pytest.mark.parametrize("first", [None, 1], ids=["numbered", "explicit"])
    def test_the_identical_event_twice_in_a_batch_is_stored_once(
        self, open_store: OpenStore, run: RunId, first: int | None
    ) -> None:
        batch = [RunEvent("kind", 5, seq=first), RunEvent("kind", 5, seq=1), RunEvent("kind", 5)]
        assert open_store().append_events(run, batch) == [1, 1, 2]
        assert [event.seq for event in open_store().get_events(run)] == [1, 2]

    @pytest.mark.parametrize("first", [None, 1], ids=["numbered", "explicit"])
    def test_two_events_with_one_seq_in_a_batch_are_a_conflict(
        self, open_store: OpenStore, run: RunId, first: int | None
    ) -> None:
        batch = [RunEvent("kind", 5, seq=first), RunEvent("kind", 6, seq=1)]
        with pytest.raises(ConflictError):
            open_store().append_events(run, batch)
        assert open_store().get_events(run) == []

    def test_a_batch_can_be_retried_whole(self, open_store: OpenStore, run: RunId) -> None:
        batch = [RunEvent("kind", seq, seq=seq) for seq in (4, 0, 2)]
        assert open_store().append_events(run, batch[:2]) == [4, 0]
        assert open_store().append_events(run, batch) == [4, 0, 2]
        assert open_store().append_events(run, batch) == [4, 0, 2]
        assert [event.payload for event in open_store().get_events(run)] == [0, 2, 4]

    @pytest.mark.parametrize("before", [[], [4], [9, 2]], ids=str)
    def test_a_batch_of_lines_is_what_its_events_are(
        self, open_store: OpenStore, run: RunId, before: list[int]
    ) -> None:
        earlier = [RunEvent("earlier", seq=seq) for seq in before]
        open_store().append_events(run, earlier)
        lines = [
            b'{"kind": "one", "payload": {"b": "\xc3\xbc", "a": [1.50, null]}}',
            b'{"payload": 2, "kind": "two", "timestamp": "2026-01-31T12:00:00Z"}',
            b'{"kind": "three"}',
        ]
        batch = parse_events(lines, 1 << 20)
        assert batch is not None
        seqs = open_store().append_events(run, batch)
        highest = max(before, default=0)
        assert seqs == [highest + 1, highest + 2, highest + 3]
        events = open_store().get_events(run)[-3:]
        assert [(event.seq, event.kind, event.payload) for event in events] == [
            (highest + 1, "one", {"b": "ü", "a": [1.5, None]}),
            (highest + 2, "two", 2),
            (highest + 3, "three", {}),
        ]
        assert events[1].timestamp == "2026-01-31T12:00:00.000000Z"
        assert open_store().append_event(run, RunEvent("next")) == highest + 4
        open_store().complete_run(run, DONE)
        summary = open_store().get_run(run).summary
        assert summary is not None
        assert summary.total_events == len(before) + 4

    # the end of a run

    @every_ending
    def test_a_run_ends_with_its_summary(
        self, open_store: OpenStore, run: RunId, method: str, status: str
    ) -> None:
        summary = RunSummary(
            success=False,
            total_events=99,
            final_state_digest=STATE,
            duration_ms=12345,
            exit_code=3,
        )
        before = open_store().get_run(run)
        assert getattr(open_store(), method)(run, summary) is None
        record = open_store().get_run(run)
        assert record.status is RunStatus(status)
        assert record.summary == summary
        assert record.completed_at is not None
        assert record.completed_at >= record.created_at
        for name in ("run_id", "spec_digest", "metadata", "created_at"):
            assert getattr(record, name) == getattr(before, name)

    @every_ending
    def test_a_summary_without_numbers_is_counted_and_timed(
        self, open_store: OpenStore, told: RunId, method: str, status: str
    ) -> None:
        open_store().append_event(told, RunEvent("far out", seq=100))
        open_store().append_event(told, RunEvent("out of order", seq=50))
        sleep(0.003)
        getattr(open_store(), method)(told, RunSummary(success=True))
        record = open_store().get_run(told)
        assert record.status == status
        assert record.completed_at is not None
        took = datetime.fromisoformat(record.completed_at) - datetime.fromisoformat(
            record.created_at
        )
        assert record.summary == RunSummary(
            success=True,
            total_events=6,
            final_state_digest=None,
            duration_ms=took // timedelta(milliseconds=1),
        )
        assert took >= timedelta(milliseconds=3)
        assert record.summary.exit_code is None

    @every_ending
    def test_a_run_from_elsewhere_keeps_its_end(
        self, open_store: OpenStore, method: str, status: str
    ) -> None:
        start, end = Timestamp("2001-02-03T04:05:06Z"), Timestamp("2001-02-03T04:05:07.234567Z")
        run = open_store().create_run(SPEC, META, created_at=start)
        open_store().append_event(run, RunEvent("late", timestamp="2030-01-01T00:00:00Z"))
        getattr(open_store(), method)(run, RunSummary(success=True), completed_at=end)
        record = open_store().get_run(run)
        assert (record.status, record.completed_at) == (status, end)
        assert record.summary is not None
        assert record.summary.duration_ms == 1234
        exact = open_store().create_run(SPEC, META, created_at=start)
        summary = RunSummary(success=True, duration_ms=987654321)
        getattr(open_store(), method)(exact, summary, completed_at=start)
        ended = open_store().get_run(exact)
        assert ended.completed_at == start
        assert ended.summary is not None
        assert ended.summary.duration_ms == 987654321

    @every_ending
    def test_a_run_does_not_end_before_its_start(
        self, open_store: OpenStore, told: RunId, method: str, status: str
    ) -> None:
        assert status
        before, head = open_store().get_run(told), open_store().head(told)
        moment = Timestamp("2001-01-01T00:00:00Z")
        for wrong in (moment, "yesterday"):
            with pytest.raises(SerializationError):
                getattr(open_store(), method)(told, DONE, completed_at=wrong)
        assert open_store().get_run(told) == before
        assert open_store().head(told) == head

    def test_a_run_without_events_ends_with_none(self, open_store: OpenStore, run: RunId) -> None:
        open_store().complete_run(run, DONE)
        summary = open_store().get_run(run).summary
        assert summary is not None
        assert summary.total_events == 0
        assert open_store().get_events(run) == []

    def test_an_event_numbered_zero_counts(self, open_store: OpenStore, run: RunId) -> None:
        open_store().append_event(run, RunEvent("kind", seq=0))
        open_store().complete_run(run, DONE)
        summary = open_store().get_run(run).summary
        assert summary is not None
        assert summary.total_events == 1

    def test_whether_a_run_was_a_success_is_not_its_status(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().complete_run(run, RunSummary(success=False))
        record = open_store().get_run(run)
        assert record.status is RunStatus.COMPLETED
        assert record.summary is not None
        assert record.summary.success is False

    @every_ending
    @pytest.mark.parametrize("again", ["complete_run", "fail_run", "cancel_run"])
    def test_a_run_ends_once(
        self, open_store: OpenStore, told: RunId, method: str, status: str, again: str
    ) -> None:
        getattr(open_store(), method)(told, DONE)
        before, head = open_store().get_run(told), open_store().head(told)
        with pytest.raises(InvalidRunStateError) as caught:
            getattr(open_store(), again)(told, DONE)
        assert caught.value.run_id == told
        assert caught.value.status == status
        assert caught.value.expected == "RUNNING"
        assert open_store().get_run(told) == before
        assert open_store().head(told) == head

    def test_a_run_keeps_its_owner(self, open_store: OpenStore, ledger: RunLedger) -> None:
        owner = RunOwner(
            host="here",
            machine_id="m",
            boot_id="b",
            pid_namespace="pid:[1]",
            pid=4711,
            start_time=99,
        )
        run = ledger.create_run(SPEC, META, owner=owner)
        assert open_store().get_run(run).owner == owner
        ledger.append_event(run, RunEvent("one", {}))
        ledger.complete_run(run, DONE)
        record = open_store().get_run(run)
        assert record.owner == owner
        assert list(record.to_json())[-1] == "owner"

    def test_an_owner_of_whom_little_is_known_is_kept_as_well(
        self, open_store: OpenStore, ledger: RunLedger
    ) -> None:
        owner = RunOwner(host="here", pid=1)
        assert open_store().get_run(ledger.create_run(SPEC, META, owner=owner)).owner == owner

    def test_a_run_without_an_owner_has_none(self, ledger: RunLedger, run: RunId) -> None:
        record = ledger.get_run(run)
        assert record.owner is None
        assert "owner" not in record.to_json()

    def test_a_run_can_fail_with_a_last_event(self, open_store: OpenStore, told: RunId) -> None:
        store = open_store()
        before = store.get_events(told)
        lines = store.head(told).lines
        last = RunEvent("orphaned", {"reason": "gone"})
        store.fail_run(told, RunSummary(success=False), event=last)
        record, events = open_store().get_run(told), open_store().get_events(told)
        assert record.status is RunStatus.FAILED
        assert record.summary is not None
        assert record.summary.total_events == len(events) == len(before) + 1
        assert (events[-1].kind, events[-1].payload) == ("orphaned", {"reason": "gone"})
        assert open_store().head(told).lines == lines + 2

    @pytest.mark.parametrize("payload", [float("nan"), object()], ids=["nan", "an object"])
    def test_a_run_does_not_fail_if_its_last_event_is_refused(
        self, open_store: OpenStore, told: RunId, payload: object
    ) -> None:
        head = open_store().head(told)
        with pytest.raises(SerializationError):
            open_store().fail_run(told, DONE, event=RunEvent("orphaned", payload))
        assert open_store().head(told) == head
        assert open_store().get_run(told).status is RunStatus.RUNNING

    def test_a_run_does_not_fail_if_the_seq_of_its_last_event_is_taken(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        open_store().append_event(run, RunEvent("one", {}, seq=1))
        with pytest.raises(ConflictError):
            open_store().fail_run(run, DONE, event=RunEvent("other", {}, seq=1))
        assert open_store().get_run(run).status is RunStatus.RUNNING

    def test_a_run_that_is_over_gets_no_last_event(self, open_store: OpenStore, run: RunId) -> None:
        open_store().complete_run(run, DONE)
        head = open_store().head(run)
        with pytest.raises(InvalidRunStateError):
            open_store().fail_run(run, DONE, event=RunEvent("late", {}), expect=head)
        assert open_store().head(run) == head

    def test_an_unknown_run_cannot_fail_with_an_event(self, ledger: RunLedger) -> None:
        with pytest.raises(RunNotFoundError):
            ledger.fail_run(NO_RUNS[0], DONE, event=RunEvent("late", {}))

    def test_a_run_fails_only_with_the_head_that_is_expected(
        self, open_store: OpenStore, told: RunId
    ) -> None:
        head = open_store().head(told)
        open_store().append_event(told, RunEvent("a sign of life", {}))
        now = open_store().head(told)
        with pytest.raises(ConflictError):
            open_store().fail_run(told, DONE, event=RunEvent("late", {}), expect=head)
        assert open_store().head(told) == now
        open_store().fail_run(told, DONE, expect=now)
        assert open_store().get_run(told).status is RunStatus.FAILED

    def test_of_racing_last_events_one_is_stored(self, open_store: OpenStore, run: RunId) -> None:
        outcomes = race(
            8, lambda number: open_store().fail_run(run, DONE, event=RunEvent("last", number))
        )
        assert len(outcomes.returned) == 1
        assert {type(error) for error in outcomes.raised} == {InvalidRunStateError}
        assert len(open_store().get_events(run)) == 1

    @every_ending
    @pytest.mark.parametrize(
        "event",
        [RunEvent("five"), RunEvent("five", seq=9), RunEvent("two", seq=2)],
        ids=["new", "with a seq", "a retry"],
    )
    def test_nothing_is_appended_to_a_run_that_is_over(
        self, open_store: OpenStore, told: RunId, method: str, status: str, event: RunEvent
    ) -> None:
        getattr(open_store(), method)(told, DONE)
        before, head = open_store().get_events(told), open_store().head(told)
        with pytest.raises(InvalidRunStateError) as caught:
            open_store().append_event(told, event)
        assert caught.value.status == status
        with pytest.raises(InvalidRunStateError):
            open_store().append_events(told, [event, event])
        assert open_store().get_events(told) == before
        assert open_store().head(told) == head

    def test_the_end_of_one_run_is_not_the_end_of_another(self, ledger: RunLedger) -> None:
        one, other = ledger.create_run(SPEC, META), ledger.create_run(SPEC, META)
        ledger.complete_run(one, DONE)
        assert ledger.append_event(other, RunEvent("kind")) == 1
        assert ledger.get_run(other).status is RunStatus.RUNNING
        assert ledger.get_events(one) == []

    # reading

    def test_iter_events_yields_what_get_events_returns(
        self, open_store: OpenStore, told: RunId
    ) -> None:
        events = open_store().get_events(told)
        assert [event.kind for event in events] == ["one", "two", "three", "four"]
        assert list(open_store().iter_events(told)) == events

    def test_reading_events_can_stop_early(self, ledger: RunLedger, told: RunId) -> None:
        events = ledger.iter_events(told)
        assert next(events).kind == "one"
        if hasattr(events, "close"):
            events.close()
        assert ledger.append_event(told, RunEvent("five")) == 5

    def test_runs_are_listed_newest_first(self, open_store: OpenStore) -> None:
        created = []
        for number in range(6):
            run = open_store().create_run(SPEC, RunMetadata(f"bot {number}"))
            created.append(run)
            wait_for_another_moment()
        # What happens in a run later does not move it.
        open_store().append_event(created[0], RunEvent("kind"))
        open_store().complete_run(created[1], DONE)
        listed = open_store().list_runs()
        assert [record.run_id for record in listed] == created[::-1]
        assert list(open_store().iter_runs()) == listed
        assert listed == [open_store().get_run(run) for run in created[::-1]]

    def test_runs_are_listed_by_spec(self, open_store: OpenStore) -> None:
        mine, others = [], []
        for _ in range(3):
            mine.append(open_store().create_run(SPEC, META))
            wait_for_another_moment()
            others.append(open_store().create_run(OTHER_SPEC, META))
            wait_for_another_moment()
        assert [record.run_id for record in open_store().list_runs(SPEC)] == mine[::-1]
        assert [record.run_id for record in open_store().iter_runs(OTHER_SPEC)] == others[::-1]
        assert open_store().list_runs(ContentDigest("0" * 64)) == []
        assert len(open_store().list_runs(None)) == 6

    def test_runs_are_listed_by_what_they_are(self, open_store: OpenStore) -> None:
        for number in range(12):
            metadata = RunMetadata(f"bot {number % 3}", tags={"even": number % 2 == 0, "n": number})
            run = open_store().create_run((SPEC, OTHER_SPEC)[number % 4 == 0], metadata)
            how = (None, "complete_run", "fail_run", "cancel_run")[number % 4]
            if how is not None:
                getattr(open_store(), how)(run, DONE)
            wait_for_another_moment()
        every = open_store().list_runs()
        assert len(every) == 12
        moment = every[5].created_at
        for wanted, selection in (
            ([r for r in every if r.metadata.agent_name == "bot 1"], {"agent_name": "bot 1"}),
            ([r for r in every if r.status is RunStatus.FAILED], {"status": RunStatus.FAILED}),
            ([r for r in every if r.status is RunStatus.RUNNING], {"status": RunStatus.RUNNING}),
            ([r for r in every if r.spec_digest == OTHER_SPEC], {"spec_digest": OTHER_SPEC}),
            (every[:6], {"since": moment}),
            (every[6:], {"before": (moment, every[5].run_id)}),
            (every[5:], {"before": (moment, "~")}),
            (every[6:], {"before": (moment, "")}),
            (every[1:3], {"before": (every[0].created_at, every[0].run_id), "limit": 2}),
            ([r for r in every[4:] if r.metadata.agent_name == "bot 1"][:1],
             {"agent_name": "bot 1", "before": (every[3].created_at, every[3].run_id), "limit": 1}),
            ([r for r in every if r.metadata.tags["even"]], {"tags": {"even": True}}),
            ([], {"tags": {"even": 1}}),
            ([r for r in every if r.metadata.tags["n"] == 7], {"tags": {"n": 7, "even": False}}),
            ([], {"tags": {"other": None}}),
            ([], {"agent_name": "bot"}),
            (every[:4], {"limit": 4}),
            ([], {"limit": 0}),
            (every, {"limit": 100}),
            ([r for r in every if r.metadata.agent_name == "bot 2"][:2],
             {"agent_name": "bot 2", "limit": 2}),
            ([r for r in every[:6] if r.spec_digest == SPEC and r.status is RunStatus.CANCELLED],
             {"spec_digest": SPEC, "status": RunStatus.CANCELLED, "since": moment}),
        ):  # fmt: skip
            assert open_store().list_runs(**cast("Any", selection)) == wanted, selection
            assert list(open_store().iter_runs(**cast("Any", selection))) == wanted, selection
            if selection.keys() <= {"agent_name", "spec_digest", "since"}:
                outcomes = open_store().iter_outcomes(**cast("Any", selection))
                assert sorted(map(repr, outcomes)) == sorted(map(_outcome, wanted)), selection

    def test_runs_of_the_same_moment_are_listed_by_id(
        self, open_store: OpenStore, rewrite: Rewrite
    ) -> None:
        runs = [open_store().create_run(SPEC, META) for _ in range(8)]
        for run in runs:
            rewrite(run, at_the_same_moment)
        listed = [record.run_id for record in open_store().list_runs()]
        assert listed == sorted(runs, reverse=True)
        assert [record.run_id for record in open_store().list_runs(limit=3)] == listed[:3]

    def test_a_negative_number_of_runs_is_refused(self, ledger: RunLedger) -> None:
        with pytest.raises(UsageError):
            ledger.list_runs(limit=-1)

    def test_runs_that_cannot_be_read_are_named_and_the_others_listed(
        self, open_store: OpenStore, rewrite: Rewrite
    ) -> None:
        runs = [open_store().create_run(SPEC, META) for _ in range(3)]
        rewrite(runs[1], change(b'"bot"', b'"bat"'))
        unread: list[tuple[RunId, StorageError]] = []

        def note(run_id: RunId, error: StorageError) -> None:
            unread.append((run_id, error))

        for selection in ({}, {"agent_name": "nobody"}, {"limit": 1}):
            unread.clear()
            listed = [
                record.run_id
                for record in open_store().iter_runs(**cast("Any", selection), unreadable=note)
            ]
            assert [run for run, _ in unread] == [runs[1]]
            assert isinstance(unread[0][1], IntegrityError)
            assert runs[1] not in listed
            if not selection:
                assert sorted(listed) == sorted((runs[0], runs[2]))
            with pytest.raises(IntegrityError):
                open_store().list_runs(**cast("Any", selection))
        unread.clear()
        assert len(list(open_store().iter_outcomes(unreadable=note))) == 2
        assert [run for run, _ in unread] == [runs[1]]
        with pytest.raises(IntegrityError):
            list(open_store().iter_outcomes())
        unread.clear()
        counted = open_store().count_runs(unreadable=note)
        assert counted[RunStatus.RUNNING] == 2
        assert [run for run, _ in unread] == [runs[1]]
        with pytest.raises(IntegrityError):
            open_store().count_runs()

    def test_runs_are_counted_by_status(self, open_store: OpenStore) -> None:
        nothing = {"RUNNING": 0, "COMPLETED": 0, "FAILED": 0, "CANCELLED": 0}
        assert open_store().count_runs() == nothing
        runs = [open_store().create_run(SPEC, META) for _ in range(5)]
        assert open_store().count_runs() == {**nothing, "RUNNING": 5}
        open_store().complete_run(runs[0], DONE)
        open_store().complete_run(runs[3], DONE)
        open_store().fail_run(runs[1], RunSummary(success=False))
        counted = open_store().count_runs()
        assert counted == {"RUNNING": 2, "COMPLETED": 2, "FAILED": 1, "CANCELLED": 0}
        assert {type(status) for status in counted} == {RunStatus}

    def test_a_listed_run_is_what_it_is_now(self, ledger: RunLedger, told: RunId) -> None:
        assert [record.status for record in ledger.list_runs()] == ["RUNNING"]
        ledger.fail_run(told, RunSummary(success=False))
        (record,) = ledger.list_runs()
        assert record == ledger.get_run(told)
        assert record.status is RunStatus.FAILED
        assert record.summary is not None
        assert record.summary.total_events == 4

    def test_runs_are_not_listed_by_junk(self, ledger: RunLedger) -> None:
        with pytest.raises(InvalidDigestError):
            ledger.list_runs(cast("ContentDigest", "abc"))
        with pytest.raises(InvalidDigestError):
            list(ledger.iter_runs(cast("ContentDigest", "abc")))

    def test_an_empty_ledger_lists_nothing(self, ledger: RunLedger) -> None:
        assert ledger.list_runs() == []
        assert list(ledger.iter_runs()) == []
        assert list(ledger.list_run_ids()) == []

    def test_ids_are_listed_in_order(self, open_store: OpenStore) -> None:
        runs = sorted(open_store().create_run(SPEC, META) for _ in range(30))
        listed = list(open_store().list_run_ids())
        assert listed == runs
        assert {type(run) for run in listed} == {RunId}

    @pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 36])
    def test_ids_are_listed_by_prefix(self, open_store: OpenStore, length: int) -> None:
        runs = sorted(open_store().create_run(SPEC, META) for _ in range(30))
        for run in runs[::6]:
            prefix = run[:length]
            wanted = [other for other in runs if other.startswith(prefix)]
            assert list(open_store().list_run_ids(prefix)) == wanted
        assert list(open_store().list_run_ids(runs[0] + "0")) == []

    # adopting a run from elsewhere

    def test_a_run_from_elsewhere_is_here_line_by_line(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(3, is_over=True)
        head = open_store().adopt(run, lambda: lines)
        assert (head.lines, head.hash) == (5, hash_of(lines[-1]))
        assert open_store().head(run) == head
        assert open_store().get_run(run).status is RunStatus.COMPLETED
        assert [event.payload for event in open_store().get_events(run)] == [1, 2, 3]
        assert list(open_store().list_run_ids()) == [run]

    def test_lines_may_have_their_newlines(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(3)
        head = open_store().adopt(run, lambda: [line + b"\n" for line in lines])
        assert (head.lines, head.hash) == (4, hash_of(lines[-1]))

    def test_a_beginning_is_extended_by_what_is_missing(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(6, is_over=True)
        for count in (1, 4, 8):
            assert open_store().adopt(run, partial(beginning, lines, count)).lines == count
        assert open_store().head(run).hash == hash_of(lines[-1])

    def test_adopting_again_or_less_changes_nothing(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(6, is_over=True)
        head = open_store().adopt(run, lambda: lines)
        for count in (8, 5, 1):
            assert open_store().adopt(run, partial(beginning, lines, count)) == head
        assert open_store().head(run) == head

    def test_an_adopted_run_goes_on_by_the_rule_of_sequence(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(3)
        open_store().adopt(run, lambda: lines)
        assert open_store().append_event(run, RunEvent("kind")) == 4

    @pytest.mark.parametrize("count", [3, 5, 7])
    def test_runs_that_part_are_left_as_they_are_and_the_line_is_named(
        self, open_store: OpenStore, count: int
    ) -> None:
        run, lines = elsewhere(3)
        bodies = list(map(body_of, elsewhere(count)[1]))
        other = relink([*bodies[:2], bodies[2].replace(b':"kind"', b':"mind"'), *bodies[3:]])
        head = open_store().adopt(run, lambda: lines)
        with pytest.raises(ConflictError, match="line 3"):
            open_store().adopt(run, lambda: other)
        assert open_store().head(run) == head

    def test_a_run_that_has_ended_is_not_extended_by_other_lines(
        self, open_store: OpenStore
    ) -> None:
        run, lines = elsewhere(2, is_over=True)
        open_store().adopt(run, lambda: lines)
        with pytest.raises(ConflictError, match="line 4"):
            open_store().adopt(run, lambda: elsewhere(9)[1])

    @pytest.mark.parametrize(
        "edit",
        [
            lambda lines: lines[:0],
            lambda lines: lines[1:],
            lambda lines: [*lines[:2], lines[2].replace(b"kind", b"mind"), *lines[3:]],
            lambda lines: [*lines[:2], *lines[3:]],
            lambda lines: relink([*map(body_of, lines), body_of(lines[2])]),
            lambda lines: relink([*map(body_of, lines[:2]), body_of(lines[0])]),
            lambda lines: relink([body_of(lines[0]).replace(b'"run_id":"0', b'"run_id":"1')]),
            lambda lines: relink([*map(body_of, lines), b'{"type":"event","seq":9']),
            lambda lines: relink([*map(body_of, lines), b'{"type":"event","seq":[[[']),
            lambda lines: [*lines, b"", b"x" * 100],
        ],
    )
    def test_a_source_that_is_no_log_of_the_run_changes_nothing(
        self, open_store: OpenStore, edit: Edit
    ) -> None:
        run, lines = elsewhere(3)
        with pytest.raises(IntegrityError):
            open_store().adopt(run, lambda: edit(lines))
        assert list(open_store().list_run_ids()) == []

    def test_a_source_of_a_later_format_changes_nothing(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(3)
        later = relink([*map(body_of, lines), b'{"type":"wish","seq":9'])
        with pytest.raises((UnsupportedFormatError, IntegrityError)):
            open_store().adopt(run, lambda: later)
        assert list(open_store().list_run_ids()) == []

    def test_what_is_stored_was_checked_though_the_source_is_another_then(
        self, open_store: OpenStore
    ) -> None:
        run, lines = elsewhere(3, size=1 << 20)
        bodies = list(map(body_of, lines))
        readings = [lines, relink([*bodies[:2], bodies[2].replace(b':"kind"', b':"mind"')])]
        with pytest.raises(IntegrityError):
            open_store().adopt(run, lambda: readings.pop(0))
        assert list(open_store().list_run_ids()) == []

    def test_many_lines_are_adopted(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(20, size=1 << 20, is_over=True)
        head = open_store().adopt(run, lambda: lines)
        assert head.lines == 22
        assert open_store().head(run) == head

    def test_what_cannot_be_the_id_of_a_run_is_not_adopted(self, open_store: OpenStore) -> None:
        for run in NO_RUNS[1:]:
            with pytest.raises(RunNotFoundError):
                open_store().adopt(run, lambda: elsewhere(1)[1])

    def test_racing_adoptions_of_one_run_store_it_once(self, open_store: OpenStore) -> None:
        run, lines = elsewhere(40, is_over=True)
        counts = [5, 20, 42, 42, 30, 42]
        outcomes = race(6, lambda n: open_store().adopt(run, lambda: lines[: counts[n]]))
        assert outcomes.raised == []
        assert open_store().head(run).hash == hash_of(lines[-1])

    # the head and the chain

    def test_the_head_moves_with_every_change_and_with_nothing_else(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        heads = [open_store().head(run)]
        steps: list[Callable[[], object]] = [
            lambda: open_store().append_event(run, RunEvent("kind", seq=5)),
            lambda: open_store().append_event(run, RunEvent("kind", seq=2)),
            lambda: open_store().complete_run(run, DONE),
        ]
        for step in steps:
            step()
            heads.append(open_store().head(run))
            open_store().get_events(run)
            open_store().get_run(run)
            assert open_store().head(run) == heads[-1]
        assert [head.lines for head in heads] == [1, 2, 3, 4]
        assert len({head.hash for head in heads}) == 4
        assert all(re.fullmatch("[0-9a-f]{64}", head.hash) for head in heads)

    def test_a_batch_moves_the_head_by_its_lines(self, ledger: RunLedger, told: RunId) -> None:
        assert ledger.head(told).lines == 5

    def test_every_hash_is_that_of_the_hash_before_it_and_the_line(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        open_store().append_event(told, RunEvent("Grüße", {"🦀": "\u2028"}, seq=99))
        open_store().append_event(told, RunEvent("out of order", seq=50))
        open_store().complete_run(told, DONE)
        lines = read(rewrite, told)
        assert lines == relink(map(body_of, lines))
        assert open_store().head(told).lines == len(lines) == 8
        assert open_store().head(told).hash == hash_of(lines[-1])

    @every_edit
    def test_an_edited_history_is_noticed_and_the_line_is_named(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId, edit: Edit
    ) -> None:
        rewrite(told, edit)
        readings: list[Callable[[], object]] = [
            lambda: open_store().get_events(told),
            lambda: list(open_store().iter_events(told)),
        ]
        for read_events in readings:
            with pytest.raises(IntegrityError) as caught:
                read_events()
            assert caught.value.where.endswith("line 3")
            assert told in str(caught.value)

    @pytest.mark.parametrize("name", ["agent_name", "spec_digest", "created_at", "run_id"])
    def test_an_edited_first_line_is_noticed(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId, name: str
    ) -> None:
        def edit(lines: list[bytes]) -> list[bytes]:
            at = lines[0].index(b'"%s":"' % name.encode()) + len(name) + 4
            other = b"8" if lines[0][at : at + 1] != b"8" else b"9"
            return [lines[0][:at] + other + lines[0][at + 1 :], *lines[1:]]

        rewrite(told, edit)
        with pytest.raises(IntegrityError):
            open_store().get_run(told)
        with pytest.raises(IntegrityError):
            open_store().get_events(told)

    def test_an_edited_end_is_noticed(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        open_store().fail_run(told, DONE)
        rewrite(told, change(b'"FAILED"', b'"COMPLETED"'))
        with pytest.raises(IntegrityError):
            open_store().get_run(told)
        with pytest.raises(IntegrityError):
            open_store().head(told)
        with pytest.raises(IntegrityError):
            open_store().get_events(told)

    def test_a_run_with_a_damaged_end_is_not_extended(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        rewrite(told, change(b'"kind":"four"', b'"kind":"FOUR"'))
        damaged = read(rewrite, told)
        with pytest.raises(IntegrityError):
            open_store().append_event(told, RunEvent("five"))
        with pytest.raises(IntegrityError):
            open_store().append_events(told, [RunEvent("five")])
        with pytest.raises(IntegrityError):
            open_store().complete_run(told, DONE)
        assert read(rewrite, told) == damaged

    def test_a_retry_is_not_compared_with_a_damaged_event(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        rewrite(told, change(b'"kind":"two"', b'"kind":"TWO"'))
        with pytest.raises(IntegrityError):
            open_store().append_event(told, RunEvent("TWO", seq=2))

    def test_what_truncation_and_rewriting_hide_a_head_kept_elsewhere_shows(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        kept = open_store().head(told)
        rewrite(told, lambda lines: lines[:-1])
        assert len(open_store().get_events(told)) == 3
        assert open_store().head(told) != kept
        open_store().append_event(told, RunEvent("another"))
        assert open_store().head(told).lines == kept.lines
        assert open_store().head(told) != kept

    # what a newer version wrote

    def test_members_that_are_unknown_are_ignored(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        before, events = open_store().get_run(told), open_store().get_events(told)
        rewrite(told, lambda lines: relink(body_of(line) + b',"new":[{}]' for line in lines))
        assert open_store().get_run(told) == before
        assert open_store().get_events(told) == events
        assert open_store().append_event(told, RunEvent("five")) == 5

    def test_an_entry_of_an_unknown_type_is_refused(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        entry = {"type": "pause", "seq": 5}
        rewrite(told, lambda lines: [*lines, link_line(entry, hash_of(lines[-1]))])
        with pytest.raises(UnsupportedFormatError):
            open_store().get_events(told)
        with pytest.raises(UnsupportedFormatError):
            open_store().get_run(told)
        with pytest.raises(UnsupportedFormatError):
            open_store().append_event(told, RunEvent("five"))
        with pytest.raises(UnsupportedFormatError):
            open_store().complete_run(told, DONE)

    def test_a_log_of_a_later_format_is_refused(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        rewrite(
            told,
            lambda lines: relink(
                body_of(line).replace(b'"format":1', b'"format":2') for line in lines
            ),
        )
        with pytest.raises(UnsupportedFormatError):
            open_store().get_run(told)
        with pytest.raises(UnsupportedFormatError):
            open_store().get_events(told)

    # many at once

    def test_64_appends_from_8_threads_are_numbered_1_to_64(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        def append(thread: int) -> list[int]:
            ledger = open_store()
            return [ledger.append_event(run, RunEvent("kind", [thread, n])) for n in range(8)]

        outcomes = race(8, append)
        assert outcomes.raised == []
        assert sorted(seq for seqs in outcomes.returned for seq in seqs) == list(range(1, 65))
        events = open_store().get_events(run)
        assert [event.seq for event in events] == list(range(1, 65))
        for thread, seqs in enumerate(outcomes.returned):
            assert seqs == sorted(seqs)
            assert [events[seq - 1].payload for seq in seqs] == [[thread, n] for n in range(8)]

    def test_a_batch_is_not_mixed_with_others(self, open_store: OpenStore, run: RunId) -> None:
        outcomes = race(
            8, lambda n: open_store().append_events(run, [RunEvent(f"{n}") for _ in range(10)])
        )
        assert outcomes.raised == []
        for seqs in outcomes.returned:
            assert all(following == seq + 1 for seq, following in pairwise(seqs))
        assert len(open_store().get_events(run)) == 80

    def test_racing_retries_of_one_event_store_it_once(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        outcomes = race(8, lambda _: open_store().append_event(run, RunEvent("kind", 1, seq=4)))
        assert outcomes.raised == []
        assert outcomes.returned == [4] * 8
        assert len(open_store().get_events(run)) == 1
        assert open_store().head(run).lines == 2

    def test_of_racing_events_with_one_seq_one_is_stored(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        outcomes = race(8, lambda n: open_store().append_event(run, RunEvent("kind", n, seq=4)))
        assert outcomes.returned == [4]
        assert [type(error) for error in outcomes.raised] == [ConflictError] * 7
        assert len(open_store().get_events(run)) == 1

    def test_of_racing_ends_one_wins(self, open_store: OpenStore, run: RunId) -> None:
        methods = ["complete_run", "fail_run", "cancel_run"]
        outcomes = race(6, lambda n: getattr(open_store(), methods[n % 3])(run, DONE))
        assert len(outcomes.returned) == 1
        assert [type(error) for error in outcomes.raised] == [InvalidRunStateError] * 5
        assert open_store().head(run).lines == 2

    def test_the_end_of_a_run_counts_every_event_that_was_acknowledged(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        def act(thread: int) -> int:
            ledger = open_store()
            if not thread:
                ledger.complete_run(run, DONE)
                return 0
            for number in range(8):
                try:
                    ledger.append_event(run, RunEvent("kind"))
                except InvalidRunStateError:
                    return number
            return 8

        outcomes = race(5, act)
        assert outcomes.raised == []
        summary = open_store().get_run(run).summary
        assert summary is not None
        assert summary.total_events == sum(outcomes.returned)
        assert len(open_store().get_events(run)) == sum(outcomes.returned)

    def test_a_reader_beside_writers_sees_a_beginning_of_the_run(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        def act(thread: int) -> None:
            ledger = open_store()
            for _ in range(10):
                if thread % 2:
                    ledger.append_events(run, [RunEvent("kind", "x" * 5000)] * 3)
                else:
                    seqs = [event.seq for event in ledger.get_events(run)]
                    assert seqs == list(range(1, len(seqs) + 1))

        assert race(4, act).raised == []
        assert len(open_store().get_events(run)) == 60

    def test_racing_creations_make_runs_of_their_own(self, open_store: OpenStore) -> None:
        outcomes = race(8, lambda _: [open_store().create_run(SPEC, META) for _ in range(4)])
        assert outcomes.raised == []
        runs = sorted(run for runs in outcomes.returned for run in runs)
        assert len(set(runs)) == 32
        assert list(open_store().list_run_ids()) == runs
        assert sorted(record.run_id for record in open_store().list_runs()) == runs


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same down to types, signs of zero and order of keys."""
    # Not repr of the whole: integers of over 4300 digits have none.
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and list(one) == list(other)
            and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (
        repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
    )


def read(rewrite: Rewrite, name: str) -> list[bytes]:
    """The lines of a log as they are."""
    seen: list[bytes] = []

    def look(lines: list[bytes]) -> list[bytes]:
        seen.extend(lines)
        return lines

    rewrite(name, look)
    return seen


def _outcome(record: RunRecord) -> str:
    """An item of `iter_outcomes` as text that can be sorted."""
    duration = record.summary.duration_ms if record.summary else None
    return repr((record.metadata.agent_name, record.status, record.created_at, duration))


def wait_for_another_moment() -> None:
    """Returns when the clock shows a later microsecond, so that what follows is newer."""
    now = Timestamp.now()
    while Timestamp.now() <= now:
        sleep(0.000_01)
