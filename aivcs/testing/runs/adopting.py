"""The guarantees of a `RunLedger`: runs from elsewhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from aivcs.errors import (
    ConflictError,
    IntegrityError,
    RunNotFoundError,
    UnsupportedFormatError,
)
from aivcs.model.run import RunEvent, RunStatus
from aivcs.testing.linking import body_of, hash_of, link_line, relink
from aivcs.testing.race import race
from aivcs.testing.runs.given import NO_RUNS, SPEC, RunLedgerFixtures

if TYPE_CHECKING:
    from aivcs.testing.lines import Edit
    from aivcs.testing.runs.given import OpenStore


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


class RunAdoptionContract(RunLedgerFixtures):
    """The guarantees of adopting runs from elsewhere."""

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
