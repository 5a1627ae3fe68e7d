"""The guarantees of a `RunLedger`: appending one event, sequence numbers, retries, conflicts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING

import pytest

from aivcs.errors import ConflictError, SerializationError
from aivcs.model.run import RunEvent, RunId
from aivcs.model.timestamp import Timestamp
from aivcs.testing.refusal import refuses
from aivcs.testing.runs.given import PAYLOADS, REFUSED, RunLedgerFixtures, same

if TYPE_CHECKING:
    from aivcs.store.contracts import RunLedger
    from aivcs.testing.runs.given import OpenStore
LAST_SEQ = 9007199254740991


class RunEventContract(RunLedgerFixtures):
    """The guarantees of appending one event, and of retrying it."""

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
