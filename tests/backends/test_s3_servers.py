"""A store on S3 passes every contract over real servers, and s3rver is refused."""

import shutil
import subprocess
from pathlib import Path

import pytest
from backends.s3_contracts import BackendOverS3, BlobsOverS3, ReleasesOverS3, RunsOverS3, s3
from servers.s3 import BUCKET, ceph, s3rver, seaweedfs

from aivcs.api import Repository
from aivcs.errors import BackendError

pytest.importorskip("obstore", reason="the extra s3 is not installed")
pytestmark = pytest.mark.slow
__all__ = ["s3"]
SERVERS = {"SeaweedFS": seaweedfs, "Ceph": ceph}
EXAMPLES = Path(__file__).parents[2] / "examples"


def pytest_generate_tests(metafunc):
    """The main job and the examples run on both servers; the rest takes minutes: if asked for."""
    if "server" in metafunc.fixturenames:
        always = {test_the_main_job, test_the_examples}
        marks = [] if metafunc.function in always else [pytest.mark.exhaustive]
        servers = [pytest.param(name, marks=marks) for name in SERVERS]
        metafunc.parametrize("server", servers, indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    running = SERVERS[request.param](tmp_path_factory.mktemp(request.param))
    yield running
    running.stop()


class TestBackend(BackendOverS3):
    pass


class TestBlobs(BlobsOverS3):
    pass


class TestRuns(RunsOverS3):
    pass


class TestReleases(ReleasesOverS3):
    pass


def test_the_main_job(server, command_over):
    aivcs = command_over(server)
    aivcs.ok("init")
    spec = aivcs.put("You are careful.")
    run = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec).text
    aivcs.ok("run", "log", "--stdin", run, stdin='{"kind":"a","payload":{}}\n' * 300)
    aivcs.ok("run", "exec", "--agent", "bot", "--spec", spec, "--", "echo", "hello")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    aivcs.ok("release", "promote", "bot", spec, "--label", "v1", "--evidence", run)
    other = aivcs.put("Be quick.")
    aivcs.ok("release", "promote", "bot", other, "--label", "v2")
    aivcs.ok("release", "rollback", "bot")
    assert aivcs.ok("release", "current", "bot").text == spec
    aivcs.ok("gc", "--grace", "0s")
    aivcs.ok("verify")
    assert len(aivcs.events(run)) == 300


@pytest.mark.parametrize("example", ["pipeline.sh", "release-desk.sh"])
def test_the_examples(server, command_over, tmp_path, example):
    for tool in ("jq", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    aivcs = command_over(server)
    (tmp_path / "desk").mkdir()
    done = subprocess.run(
        [EXAMPLES / example, tmp_path / "desk"],
        env=aivcs.environment(
            PATH=path_with_command(), AIVCS_ACTOR="tester"
        ),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (tmp_path / "desk" / ".aivcs").exists()
    aivcs.ok("verify")
    assert len(aivcs.ok("run", "list").lines) == (6 if example == "release-desk.sh" else 2)


def test_sixteen_processes_write_one_run(server, command_over):
    """200 events each, in batches of 20; all of them are there, numbered without a gap."""
    aivcs = command_over(server)
    aivcs.ok("init")
    run = aivcs.begin()
    script = (
        "for i in $(seq 10); do for k in $(seq 20); do "
        """printf '{"kind":"step","payload":{"w":%d,"i":%d}}\\n' "$1" "$((i * 20 + k))"; done; """
        "sleep 0.3; done"
    )
    processes = [
        subprocess.Popen(
            ["bash", "-c", f'{{ {script}; }} | aivcs run log --stdin "$2"', "-", str(number), run],
            env=aivcs.environment(PATH=path_with_command()),
        )
        for number in range(16)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0] * 16
    events = aivcs.events(run)
    assert [event["seq"] for event in events] == list(range(1, 3201))
    told = {(event["payload"]["w"], event["payload"]["i"]) for event in events}
    assert len(told) == 3200
    aivcs.ok("verify")


def path_with_command():
    """A PATH on which the command under test is found."""
    import os
    import sys

    if not Path(sys.executable).with_name("aivcs").exists() and shutil.which("aivcs") is None:
        pytest.skip("the command is not installed")
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_s3rver_is_refused(tmp_path, monkeypatch):
    running = s3rver(tmp_path)
    try:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "S3RVER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3RVER")
        with pytest.raises(BackendError, match="cannot keep a store"):
            Repository.init(f"s3://{BUCKET}/x")
    finally:
        running.stop()
