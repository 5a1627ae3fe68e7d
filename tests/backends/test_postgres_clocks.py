"""A clock that is a year off, on the server or here: what hangs on it, and what does not."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from servers import postgres

from aivcs import errors
from aivcs.api import Repository
from aivcs.commands.erasing import ErasureRequest
from aivcs.commands.run.prune import Rules, prune
from aivcs.commands.store import clock
from aivcs.commands.store.gc import clear_leftovers, collect
from aivcs.errors import BackendError
from aivcs.log.run_filter import RunFilter
from aivcs.model.run import RunEvent, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.store.settings import Settings

YEAR_S = 365 * 86_400
PARTS = frozenset({"runs", "releases", "blobs"})


@pytest.fixture(params=["+365d", "-365d"])
def off(request):
    """A server whose clock is a year off."""
    library = postgres.need_other_clock()
    made = postgres.Server(postgres.need_programs(), clock=(library, request.param))
    yield made
    made.end()


def now(skew):
    """The time of a clock that is so many seconds off."""
    return Timestamp.from_datetime(datetime.now(UTC) + timedelta(seconds=skew))


def refused_by_age(repo):
    """Requires that nothing is removed because it is old."""
    for remove in (
        lambda: list(collect(repo, grace=0)),
        lambda: clear_leftovers(repo),
        lambda: prune(repo, Rules(older_than=1), ErasureRequest("ann", "old")),
    ):
        with pytest.raises(BackendError, match=r"nothing was done[.] Set the one that is wrong"):
            remove()


def test_a_server_a_year_off_orders_nothing_and_removes_nothing(off):
    url = off.url(off.store())
    repo, other = (Repository.open(url, Settings(lock_timeout=0.3)) for _ in range(2))
    assert abs(repo.store.now() - time.time()) == pytest.approx(YEAR_S, abs=120)
    spec, runs = repo.blobs.put(b"spec"), []
    for _ in range(3):
        with repo.start_run(spec, agent_name="bot") as run:
            assert [run.log("step"), run.log("step")] == [1, 2]
        runs.append(run.run_id)
    repo.promote("bot", spec, by="ann")
    repo.promote("bot", repo.blobs.put(b"next"), by="ann")
    repo.rollback("bot", by="ann")
    for record in repo.runs.list_runs():  # its times are of the client
        assert abs(record.created_at.microseconds() / 1e6 - time.time()) < 600
    recent = RunFilter(since=now(-600))
    listed = repo.store.list_runs(repo.runs, lambda *_: None).newest(recent, 20)
    assert [record.run_id for record in listed] == runs[::-1]
    assert [entry.seq for entry in repo.releases.history("bot")] == [3, 2, 1]
    refused_by_age(repo)
    assert not list(repo.store.inspect(PARTS, lambda *_: None))
    # A wait for a lock ends when its limit says, by whatever clock.
    with repo.hold():
        assert repo.blobs.contains(spec)
        began = time.monotonic()
        with pytest.raises(errors.LockTimeoutError), other.store.objects.removal():
            pass
        assert time.monotonic() - began < 60
    with other.store.objects.removal():
        pass
    administered: Any = repo.store
    assert any("seconds" in doubt and "clock" in doubt for doubt in administered.check())
    repo.store.close()
    other.store.close()


@pytest.mark.parametrize("skew", [YEAR_S, -YEAR_S])
def test_a_client_a_year_off_orders_its_lines_and_removes_nothing(
    server, database, monkeypatch, skew
):
    repo = Repository.open(server.url(database))
    spec = repo.blobs.put(b"spec")
    began = repo.start_run(spec, agent_name="bot").run_id
    assert repo.runs.append_event(began, RunEvent("a", {})) == 1
    with monkeypatch.context() as patch:
        patch.setattr(clock, "time", lambda: time.time() + skew)
        patch.setattr(Timestamp, "now", staticmethod(lambda: now(skew)))
        refused_by_age(repo)
        off = repo.start_run(spec, agent_name="bot").run_id
        assert (
            repo.runs.append_event(began, RunEvent("b", {})) == 2
        )  # the log decides, not the time
        assert repo.promote("bot", spec, by="ann").seq == 1
    assert repo.promote("bot", repo.blobs.put(b"next"), by="ann").seq == 2
    assert [record.seq for record in repo.releases.history("bot")] == [2, 1]
    # Lists are by the times in the records: what such a machine wrote stands where it says.
    newest = [record.run_id for record in repo.runs.list_runs()]
    assert newest == ([off, began] if skew > 0 else [began, off])
    # What arrived, arrived now: rules for old runs go by the server's time.
    repo.runs.complete_run(off, RunSummary(success=True))
    assert (
        prune(repo, Rules(older_than=86_400), ErasureRequest("ann", "old"), dry_run=True).runs == []
    )
    assert not list(repo.store.inspect(PARTS, lambda *_: None))
    repo.store.close()
