"""The guarantees of a `RunLedger`: many writers at once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from aivcs.errors import ConflictError, InvalidRunStateError
from aivcs.model.run import RunEvent, RunId
from aivcs.testing.race import race
from aivcs.testing.runs.given import DONE, META, SPEC, RunLedgerFixtures

if TYPE_CHECKING:
    from aivcs.testing.runs.given import OpenStore


class RunRaceContract(RunLedgerFixtures):
    """The guarantees of many writers at once."""

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
