"""The guarantees of a `RunLedger`: reading and listing runs."""

from __future__ import annotations

import re
from time import sleep
from typing import TYPE_CHECKING, Any, cast

import pytest

from aivcs.errors import (
    IntegrityError,
    InvalidDigestError,
    StorageError,
    UsageError,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.testing.linking import body_of, relink
from aivcs.testing.runs.given import DONE, META, OTHER_SPEC, SPEC, RunLedgerFixtures, change

if TYPE_CHECKING:
    from aivcs.store.contracts import RunLedger
    from aivcs.testing.lines import Rewrite
    from aivcs.testing.runs.given import OpenStore


def at_the_same_moment(lines: list[bytes]) -> list[bytes]:
    """A log of one line, created at a certain moment."""
    (line,) = lines
    body = re.sub(
        rb'"created_at":"[^"]*"', b'"created_at":"2026-01-31T12:00:00.000000Z"', body_of(line)
    )
    return relink([body])


def _outcome(record: RunRecord) -> str:
    """An item of `iter_outcomes` as text that can be sorted."""
    duration = record.summary.duration_ms if record.summary else None
    return repr((record.metadata.agent_name, record.status, record.created_at, duration))


def wait_for_another_moment() -> None:
    """Returns when the clock shows a later microsecond, so that what follows is newer."""
    now = Timestamp.now()
    while Timestamp.now() <= now:
        sleep(0.000_01)


class RunReadingContract(RunLedgerFixtures):
    """The guarantees of reading and listing runs."""

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
