"""The guarantees of a `RunLedger`: batches of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aivcs.errors import ConflictError, SerializationError
from aivcs.log.bulk_events import parse_events
from aivcs.model.run import RunEvent, RunId
from aivcs.testing.runs.given import DONE, RunLedgerFixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.store.contracts import RunLedger
    from aivcs.testing.runs.given import OpenStore


class RunBatchContract(RunLedgerFixtures):
    """The guarantees of batches of events."""

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
