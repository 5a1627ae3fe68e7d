"""The Python API: a repository, its stores, and a run that ends with its block."""

import pytest

import aivcs
from aivcs.settings import Settings


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
        with pytest.raises(aivcs.UsageError, match="s3"):
            aivcs.Repository.open("s3://bucket/store")

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

    def test_everything_public_is_there(self):
        for name in dir(aivcs):
            assert getattr(aivcs, name) is not None
        with pytest.raises(AttributeError):
            aivcs.nonsense  # noqa: B018


class TestActiveRun:
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
