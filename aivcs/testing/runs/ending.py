"""The guarantees of a `RunLedger`: the end of a run."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from time import sleep
from typing import TYPE_CHECKING

import pytest

from aivcs.errors import (
    ConflictError,
    InvalidRunStateError,
    RunNotFoundError,
    SerializationError,
)
from aivcs.model.run import RunEvent, RunId, RunOwner, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.testing.race import race
from aivcs.testing.runs.given import DONE, META, NO_RUNS, SPEC, RunLedgerFixtures

if TYPE_CHECKING:
    from aivcs.store.contracts import RunLedger
    from aivcs.testing.runs.given import OpenStore
STATE = sha256(b"state").hexdigest()


every_ending = pytest.mark.parametrize(
    ("method", "status"),
    [("complete_run", "COMPLETED"), ("fail_run", "FAILED"), ("cancel_run", "CANCELLED")],
)


class RunEndContract(RunLedgerFixtures):
    """The guarantees of the end of a run."""

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
