"""The guarantees of a `RunLedger`: creating runs and getting their records."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from aivcs.errors import (
    ConflictError,
    InvalidDigestError,
    InvalidNameError,
    RunNotFoundError,
    SerializationError,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.testing.race import race
from aivcs.testing.refusal import refuses
from aivcs.testing.runs.given import (
    DONE,
    META,
    NO_RUNS,
    OTHER_SPEC,
    PAYLOADS,
    REFUSED,
    SPEC,
    RunLedgerFixtures,
    same,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import RunLedger
    from aivcs.testing.runs.given import OpenStore


class RunCreationContract(RunLedgerFixtures):
    """The guarantees of creating runs and getting their records."""

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
