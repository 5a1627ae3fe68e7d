"""The Python API: a repository, its stores, and a run that ends with its block."""

import ast
import datetime as dt
import os
import pydoc
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path

import pytest

import aivcs
from aivcs.store.settings import Settings


@pytest.fixture
def repo(tmp_path):
    return aivcs.Repository.init(str(tmp_path))


@pytest.fixture
def spec(repo):
    return repo.blobs.put(b"You are a careful engineer.")


class TestRepository:
    def test_is_made_opened_and_discovered(self, tmp_path, repo, spec):
        below = tmp_path / "a" / "b"
        below.mkdir(parents=True)
        for found in (
            aivcs.Repository.open(f"{tmp_path}/.aivcs"),
            aivcs.Repository.open(tmp_path / ".aivcs"),
            aivcs.Repository.open(f"file://{tmp_path}/.aivcs"),
            aivcs.Repository.discover(str(below)),
            aivcs.Repository.discover(below),
            aivcs.Repository.init(tmp_path),
        ):
            assert found.path == f"{tmp_path}/.aivcs"
            assert found.blobs.get(spec) == b"You are a careful engineer."

    def test_is_not_found_where_there_is_none(self, tmp_path):
        with pytest.raises(aivcs.NoRepositoryError):
            aivcs.Repository.open(str(tmp_path))
        with pytest.raises(aivcs.NoRepositoryError):
            aivcs.Repository.discover(str(tmp_path))
        with pytest.raises(aivcs.UsageError, match="ftp"):
            aivcs.Repository.open("ftp://host/store")

    def test_keeps_to_its_own_configuration(self, tmp_path, repo, spec):
        repo.edit_config(lambda _: b"[limits]\nevent_bytes = 1024\n")
        run = aivcs.Repository.open(repo.path).start_run(spec, agent_name="a")
        with pytest.raises(aivcs.SerializationError):
            run.log("k", "x" * 2000)

    def test_promotes_and_rolls_back(self, repo, spec):
        other = repo.blobs.put(b"other")
        for digest in (spec, other):
            repo.releases.promote("bot", digest, aivcs.ReleaseMetadata("alice"))
        assert repo.resolve_spec("bot@current") == other
        repo.releases.rollback("bot")
        assert repo.resolve_spec("bot@current") == spec

    def test_gives_a_blob_by_a_prefix_of_its_digest(self, repo, spec):
        assert repo.get_blob(spec[:8].upper()) == repo.get_blob(spec) == repo.blobs.get(spec)
        with pytest.raises(aivcs.NotFoundError):
            repo.get_blob("0000")

    def test_everything_public_is_there(self):
        for name in dir(aivcs):
            assert getattr(aivcs, name) is not None
        with pytest.raises(AttributeError):
            aivcs.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_public_is_said_once_to_everybody():
    """What `*`, help(), the loader and type checkers are told is the same."""
    (block,) = [
        node
        for node in ast.parse(Path(aivcs.__file__).read_text()).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name)
    ]
    typed = [alias for node in block.body for alias in node.names]  # type: ignore[attr-defined]
    assert all(alias.name == alias.asname for alias in typed)
    homes = [name for names in aivcs._HOMES.values() for name in names.split()]
    assert sorted(homes) == sorted(aivcs.__all__) == sorted(alias.name for alias in typed)
    assert dir(aivcs) == sorted([*aivcs.__all__, "__version__"])
    assert all(isinstance(getattr(aivcs, name), type) for name in aivcs.__all__)


def test_help_shows_the_public_names_only():
    text = pydoc.plain(pydoc.render_doc(aivcs))
    shown = re.findall(r"^    class (\w+)", text, re.MULTILINE)
    assert sorted(shown) == sorted(aivcs.__all__)
    assert "TYPE_CHECKING" not in text


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    at: Path


class Scalar:
    """Stands in for numpy's numbers and arrays."""

    dtype = "float32"

    def __init__(self, value):
        self.value = value

    def tolist(self):
        return self.value


class Opaque:
    def __str__(self):
        raise RuntimeError


NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.timezone(dt.timedelta(hours=1)))


class TestValuesThatJsonHasNot:
    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            (NOON, "2026-01-02T11:00:00.000000Z"),
            (NOON.replace(tzinfo=None), "2026-01-02T12:00:00"),
            (NOON.date(), "2026-01-02"),
            (dt.timedelta(milliseconds=1500), 1.5),
            (Path("a/b"), "a/b"),
            (Path(os.fsdecode(b"a\xff")), "a\\udcff"),
            (Colour.RED, "red"),
            (Level.HIGH, 3),
            (Point(1, Path("p")), {"x": 1, "at": "p"}),
            (Scalar(1.5), 1.5),
            (Scalar([1, 2]), [1, 2]),
            (Scalar(float("nan")), "NaN"),
            (float("-inf"), "-Infinity"),
            ({"b", "a"}, ["a", "b"]),
            (range(3), [0, 1, 2]),
            (b"text", "text"),
            (b"\xff", "\\xff"),
            ({None: "b", Colour.RED: "d"}, None),
            (Decimal("1.10"), "1.10"),
            (ValueError("x"), "ValueError('x')"),
            (aivcs.Head(1, "h"), {"lines": 1, "hash": "h"}),
            (Opaque(), "<Opaque>"),
            (Point, str(Point)),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_become_json_in_an_event(self, repo, spec, value, stored):
        if isinstance(value, dict):
            value["yes"] = (1, 2.5, [True])
            stored = {"null": "b", "red": "d", "yes": [1, 2.5, [True]]}
        with repo.start_run(spec, agent_name="bot", tags={"t": value}) as run:
            run.log("k", {"v": value, "list": [value]})
            run.log("k", v=value)
        first, second = repo.runs.get_events(run.run_id)
        assert first.payload == {"v": stored, "list": [stored]}
        assert second.payload == {"v": stored}
        assert run.record().metadata.tags == {"t": stored}
        assert type(second.payload["v"]) is type(stored)

    def test_what_cannot_end_is_refused(self, repo, spec):
        circle = [{1}]
        circle.append(circle)  # type: ignore[arg-type]
        with repo.start_run(spec, agent_name="bot") as run:
            with pytest.raises(aivcs.SerializationError, match="nested"):
                run.log("k", circle)
            with pytest.raises(aivcs.SerializationError, match="two keys"):
                run.log("k", {1: "a", "1": "b"})
        assert repo.runs.get_events(run.run_id) == []

    def test_numbers_of_numpy(self, repo, spec):
        numpy = pytest.importorskip("numpy")
        with repo.start_run(spec, agent_name="bot") as run:
            run.log("k", a=numpy.float32(0.5), b=numpy.arange(2), c=numpy.bool_(True))
        assert repo.runs.get_events(run.run_id)[0].payload == {"a": 0.5, "b": [0, 1], "c": True}


class TestActiveRun:
    def test_takes_members_by_name(self, repo, spec):
        with repo.start_run(spec, agent_name="bot") as run:
            run.log("k", tool="grep", hits=3, self="me")
            run.log("k", {"seq": 1, "timestamp": 2}, hits=3)
            run.log("k", seq=9)
        payloads = [event.payload for event in repo.runs.get_events(run.run_id)]
        assert payloads[0] == {"tool": "grep", "hits": 3, "self": "me"}
        assert payloads[1] == {"seq": 1, "timestamp": 2, "hits": 3}
        assert payloads[2] == {}

    @pytest.mark.parametrize("payload", [{"a": 1}, [1], "text", 0])
    def test_a_member_that_has_no_place_is_refused(self, repo, spec, payload):
        with repo.start_run(spec, agent_name="bot") as run, pytest.raises(TypeError):
            run.log("k", payload, a=2)
        assert repo.runs.get_events(run.run_id) == []

    def test_takes_a_prefix_for_its_final_state_and_refuses_others_at_once(self, repo, spec):
        with repo.start_run(spec, agent_name="bot") as run:
            with pytest.raises(aivcs.InvalidDigestError):
                run.final_state = "no digest"
            with pytest.raises(aivcs.NotFoundError):
                run.final_state = "0000"
            run.final_state = spec[:8]
        assert run.record().summary.final_state_digest == spec

    def test_completes_with_its_block(self, repo, spec):
        with repo.start_run(spec, agent_name="bot", tags={"k": 1}) as run:
            assert run.log("a") == 1
            assert run.log("b", {"n": 2}) == 2
            assert run.record().status == aivcs.RunStatus.RUNNING
            run.final_state = repo.blobs.put(b"state")
        record = repo.runs.get_run(run.run_id)
        assert record.status == aivcs.RunStatus.COMPLETED
        assert record.summary.success
        assert record.summary.total_events == 2
        assert record.summary.final_state_digest == run.final_state
        assert [event.payload for event in repo.runs.get_events(run.run_id)] == [{}, {"n": 2}]

    def test_fails_with_the_exception_as_last_event(self, repo, spec):
        with (
            pytest.raises(ZeroDivisionError),
            repo.start_run(spec, agent_name="bot") as run,
        ):
            raise ZeroDivisionError("by zero \udcff")
        record = run.record()
        assert record.status == aivcs.RunStatus.FAILED
        assert not record.summary.success
        last = repo.runs.get_events(run.run_id)[-1]
        assert last.kind == "exception"
        assert last.payload["type"] == "ZeroDivisionError"
        assert last.payload["message"].startswith("by zero")
        assert "raise ZeroDivisionError" in last.payload["traceback"]

    def test_fails_where_the_limit_is_too_small_for_the_exception(self, repo, spec):
        repo = aivcs.Repository.open(repo.path, Settings(max_event=1024))
        with (
            pytest.raises(RuntimeError, match="xxx"),
            repo.start_run(spec, agent_name="bot") as run,
        ):
            raise RuntimeError("x" * 5000)
        assert run.record().status == aivcs.RunStatus.FAILED
        assert repo.runs.get_events(run.run_id)[-1].kind == "exception"

    def test_is_cancelled_by_an_interrupt(self, repo, spec):
        with (
            pytest.raises(KeyboardInterrupt),
            repo.start_run(spec, agent_name="bot") as run,
        ):
            raise KeyboardInterrupt
        assert run.record().status == aivcs.RunStatus.CANCELLED
        assert repo.runs.get_events(run.run_id) == []

    @pytest.mark.parametrize(
        ("end", "status"), [("complete", "COMPLETED"), ("fail", "FAILED"), ("cancel", "CANCELLED")]
    )
    def test_stays_as_the_block_ended_it(self, repo, spec, end, status):
        with repo.start_run(spec, agent_name="bot") as run:
            getattr(run, end)()
        assert run.record().status == status
        with pytest.raises(aivcs.InvalidRunStateError):
            run.log("late")

    def test_needs_a_spec_that_is_stored(self, repo):
        with pytest.raises(aivcs.NotFoundError):
            repo.start_run("0" * 64, agent_name="bot")


class TestTables:
    """Runs and matches as flat dictionaries, of which every library makes a table."""

    @pytest.fixture
    def runs(self, repo, spec):
        with repo.start_run(spec, agent_name="bot", tags={"env": "ci"}) as run:
            run.log("tool_called", {"tool_name": "search", "query": "a needle"})
        with repo.start_run(spec, agent_name="other") as later:
            later.log("note", {"text": "hay"})
        repo.annotate(run.run_id, "evaluation", {"score": 0.25}, by="judge", tags={"seen": True})
        return run.run_id, later.run_id

    def test_each_run_is_a_row_with_its_tags(self, repo, spec, runs):
        later, first = repo.to_records()
        assert (first["run_id"], later["run_id"]) == runs
        assert {first[name] for name in ("agent_name", "status", "spec_digest")} == {
            "bot", "COMPLETED", spec,
        }  # fmt: skip
        assert (first["events"], first["success"], first["tag.env"]) == (1, True, "ci")
        assert first["tag.seen"] is True
        assert first.keys() - later.keys() == {"tag.env", "tag.seen"}
        assert type(first["run_id"]) is str
        assert [row["run_id"] for row in repo.to_records(tags=["env=ci"])] == [runs[0]]
        assert list(repo.to_records(agents=["nobody"])) == []

    def test_each_match_is_a_row(self, repo, runs):
        (found,) = repo.search_runs("needle")
        begin, end = found["match_begin"], found["match_end"]
        assert (found["run_id"], found["seq"], found["kind"]) == (runs[0], 1, "tool_called")
        assert found["passage"][begin:end] == "needle"
        (scored,) = repo.search_runs(where=["/score < 0.5"])
        assert scored["annotation"] is not None
        assert scored.keys() == found.keys()
        assert list(repo.search_runs("needle", agents=["other"])) == []
        with pytest.raises(aivcs.UsageError):
            repo.search_runs()
