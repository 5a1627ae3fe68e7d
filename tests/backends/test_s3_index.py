"""Lists of runs over rows and segments of the index: the same as from the logs, whatever moves."""

import random
import threading
from collections import Counter

import pytest
from backends.s3_contracts import s3
from servers.proxy import Proxy
from servers.s3 import fake

from aivcs.api import Repository
from aivcs.backends.s3 import index, run_index
from aivcs.backends.s3.index import Rows
from aivcs.log.run_filter import RunFilter, age, outcome_of
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.store.listing import Listing, no_runs

pytest.importorskip("obstore", reason="the extra s3 is not installed")
__all__ = ["s3"]
server = fake
SPECS = [ContentDigest.from_bytes(b"%d" % number) for number in range(2)]


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """Segments of a few runs, so that a few runs are many."""
    monkeypatch.setattr(index, "SIZE", 5)
    monkeypatch.setattr(index, "LEAST", 4)
    monkeypatch.setattr(run_index, "_PAGE", 3)


def record(runs, count, *, seed=0, end=True):
    """Records runs of several agents, some at the same time; tells their ids, the newest first."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        moment = f"2026-01-{1 + number // 3:02d}T00:00:00.{seed:06d}Z"
        run = runs.create_run(
            SPECS[number % 2], RunMetadata(f"agent-{number % 3}", tags={"n": number % 2}),
            created_at=Timestamp(moment),
        )  # fmt: skip
        made.append((moment, run))
        if end:
            runs.append_event(run, RunEvent("step", {}))
            summary = RunSummary(success=True, duration_ms=number)
            chance.choice((runs.complete_run, runs.fail_run))(run, summary)
    return [run for _, run in sorted(made, reverse=True)]


def compare(repo):
    """Requires that all queries give what the logs give."""
    everything = list(Listing(repo.runs, None).newest(RunFilter(), None))
    fast = repo.store.list_runs(repo.runs, None)
    filters = [
        RunFilter(),
        RunFilter(agent_name="agent-1"),
        RunFilter(spec_digest=SPECS[1], status=RunStatus.FAILED),
        RunFilter(since=Timestamp("2026-01-03T00:00:00.000000Z")),
        RunFilter(since=Timestamp("2026-01-03T00:00:00.000001Z"), agent_name="agent-2"),
        RunFilter(tags={"n": 1}),
        RunFilter(status=RunStatus.RUNNING),
        RunFilter(agent_name="nobody"),
        *(RunFilter(before=age(everything[n])) for n in (0, len(everything) // 2, -1)),
        RunFilter(before=age(everything[3]), agent_name="agent-1"),
    ]
    for run_filter in filters:
        wanted = list(filter(run_filter.fits, everything))
        for limit in (None, 1, 7):
            assert list(fast.newest(run_filter, limit)) == wanted[:limit]
        assert list(fast.outcomes(run_filter)) == list(map(outcome_of, wanted))
    assert fast.count() == no_runs() | Counter(found.status for found in everything)


def findings(repo, *, repair=False):
    """What verification says of the rows."""
    found = repo.store.inspect(frozenset({"runs"}), lambda *_: None, repair=repair)
    return [finding for finding in found if "no row" in finding.problem]


def sweep(repo):
    repo.store.sweep(repo.store.now(), delete=True)


@pytest.mark.slow
def test_queries_over_segments_are_those_over_the_logs(s3, monkeypatch, tmp_path):
    repo = s3.open()
    record(repo.runs, 14)
    compare(repo)
    sweep(repo)
    assert len(s3.keys("index/segments")) == 3
    assert s3.keys("index/runs") == []
    compare(repo)
    record(repo.runs, 3, seed=1)  # older than some in segments, and newer than others
    record(repo.runs, 3, seed=2, end=False)
    sweep(repo)
    compare(repo)
    for caches in (str(tmp_path / "another"), "/proc/nowhere"):
        monkeypatch.setenv("XDG_CACHE_HOME", caches)
        compare(s3.open())
    (tmp_path / "another" / "aivcs").chmod(0o700)
    for path in (tmp_path / "another").rglob("runs.sqlite"):
        path.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    compare(s3.open())


def test_a_list_without_a_database_is_read_from_the_logs(s3, monkeypatch):
    record(s3.open().runs, 6)
    sweep(s3.open())
    monkeypatch.setitem(__import__("sys").modules, "_sqlite3", None)
    repo = s3.open()
    assert len(repo.runs.list_runs(limit=4)) == 4


@pytest.mark.parametrize("at", [0, 1, 3, 6])
def test_a_run_is_in_the_list_of_who_lists_while_rows_move(s3, monkeypatch, at):
    """Whatever the moment between two pages, and between rows and segments."""
    repo = s3.open()
    expected = record(repo.runs, 12)
    pages = Rows.pages

    def moving(self):
        """Pages of two rows, each listed when it is asked for; rows move between two of them."""
        for number in range(8):
            if number == at:
                with monkeypatch.context() as patched:
                    patched.setattr(Rows, "pages", pages)
                    sweep(s3.open())
            places = [place for page, _ in pages(self) for place in page]
            yield [p for p in places if expected.index(p[1]) // 2 == number], True

    monkeypatch.setattr(Rows, "pages", moving)
    listed = [found.run_id for found in s3.open().runs.iter_runs()]
    assert listed == expected


def test_segments_that_two_collectors_make_hold_each_run_once(s3):
    repos = [s3.open() for _ in range(3)]
    expected = record(repos[0].runs, 12)
    threads = [threading.Thread(target=sweep, args=[repo]) for repo in repos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(s3.keys("index/runs")) < 4  # as `small_segments` says
    repo = s3.open()
    assert [found.run_id for found in repo.runs.iter_runs()] == expected
    compare(repo)


def test_a_row_that_comes_back_tells_again(s3):
    """A retried import writes the row of the begin anew: the log tells, as always."""
    repo = s3.open()
    record(repo.runs, 6)
    rows = {key: s3.get(key) for key in s3.keys("index/runs")}
    sweep(repo)
    for key, data in list(rows.items())[:2]:
        s3.put(key, data.split(b"\n")[0] + b"\n")
    compare(repo)


@pytest.mark.parametrize(
    "edit", [lambda data: data[:-40], lambda data: b"", lambda data: b"x\ny\nz\n"]
)
def test_a_damaged_segment_shows_fewer_and_verification_tells(s3, edit, monkeypatch):
    repo = s3.open()
    record(repo.runs, 6)
    sweep(repo)
    (key,) = s3.keys("index/segments")[:1]
    s3.put(key, edit(s3.get(key)))
    assert findings(s3.open(), repair=True)
    assert not findings(s3.open())
    monkeypatch.setenv("XDG_CACHE_HOME", "")  # what was read before it was damaged is right
    compare(s3.open())


def test_verification_misses_no_row_that_is_in_a_segment(s3):
    repo = s3.open()
    record(repo.runs, 6)
    sweep(repo)
    assert not findings(s3.open())


def test_requests_of_a_list(s3, server, monkeypatch, tmp_path):
    """Two, once the segments and the rows were seen; else one for each of what is shown."""
    monkeypatch.setattr(index, "SIZE", 25)
    record(s3.open().runs, 50)
    sweep(s3.open())
    record(s3.open().runs, 3, seed=3)
    s3.open().runs.list_runs()
    with Proxy(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)

        def requests(**selection):
            repo = Repository.open(s3.url)
            proxy.clear()
            repo.runs.list_runs(**selection)
            repo.store.close()
            return len(proxy.requests)

        assert requests() == 2  # on a machine that has seen all of it
        assert requests(agent_name="agent-1", limit=5) == 2
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
        assert requests(limit=20) == 2 + 3 + 1  # the new rows, and the newest segment
        assert requests() == 2 + 1


def test_a_list_ends_though_a_killed_gc_left_rows_beside_their_segment(s3, monkeypatch):
    record(s3.open().runs, 4)
    with monkeypatch.context() as patched:
        patched.setattr("aivcs.backends.s3.index.Rows._listed", killed)
        with pytest.raises(KeyboardInterrupt):
            sweep(s3.open())
    assert len(s3.keys("index/runs")) == 4
    listed = [found.run_id for found in s3.open().runs.list_runs()]
    assert len(listed) == len(set(listed)) == 4


def killed(*_):
    raise KeyboardInterrupt
