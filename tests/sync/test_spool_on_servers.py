"""A job goes on while the real server of its store is away; all of it arrives when it is back."""

import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from servers import postgres
from servers.s3 import BUCKET, moto

pytest.importorskip("obstore", reason="the extra s3 is not installed")
own_server = postgres.own_server
EVENTS = 1000

JOB = """
set -eu
export AIVCS_RUN=$(aivcs run start --agent bot --spec-file prompt.md)
trap 'aivcs run finish @ --exit-code $?' EXIT
n=0
while [ $n -lt %d ]; do
    n=$((n + 1))
    echo "{\\"kind\\":\\"step\\",\\"payload\\":{\\"n\\":$n}}"
    if [ $n = 300 ]; then echo away >&2; WAIT; fi
done | aivcs run log --stdin @
aivcs run log --blob file=prompt.md @ done
"""


def spooled_logs(aivcs):
    place = aivcs.home / ".local/state/aivcs/spool"
    return {path.name: path.read_bytes() for path in place.glob("*/*/.aivcs/runs/*/*")}


def record_while_away(aivcs, url, stop):
    """Lets the server go away in the middle of a job, which ends well all the same."""
    gate = aivcs.folder / "gate"
    (aivcs.folder / "prompt.md").write_text("You review.\n")
    script = JOB.replace("WAIT", f"while [ ! -e {gate} ]; do sleep 0.1; done") % EVENTS
    path = f"{Path(sys.executable).parent}:{aivcs.environment()['PATH']}"
    env = aivcs.environment(AIVCS_STORE=url, PATH=path)
    job = subprocess.Popen(
        ["sh", "-c", script], cwd=aivcs.folder, env=env, stderr=subprocess.PIPE, text=True
    )
    assert job.stderr is not None
    assert "away" in job.stderr.readline()
    time.sleep(0.5)
    stop()
    gate.touch()
    told = job.communicate(timeout=120)[1]
    assert job.returncode == 0, told
    assert "waits in the spool" in told
    return env


def require_all_of_it(aivcs, url):
    """Everything arrives, byte for byte."""
    aivcs.ok("spool", "push", env={"AIVCS_STORE": url})
    assert aivcs.ok("spool", "list").out == b""
    aivcs.ok("verify", env={"AIVCS_STORE": url})
    aivcs.ok("clone", url, "copy")
    copy = aivcs.folder / "copy/.aivcs"
    there = {path.name: path.read_bytes() for path in copy.glob("runs/*/*")}
    assert there == spooled_logs(aivcs)
    (log,) = there.values()
    assert log.count(b'"kind":"step"') == EVENTS
    assert log.count(b'"COMPLETED"') == 1
    assert list(copy.glob("objects/*/*"))


def settle(aivcs):
    aivcs.ok("config", "set", "--user", "core.spool", "true")
    aivcs.ok("config", "set", "--user", "remote.timeout", "1")


@pytest.mark.slow
def test_postgresql_is_away(store, own_server):
    aivcs = store("here")
    url = own_server.url(own_server.store())
    settle(aivcs)
    record_while_away(aivcs, url, own_server.stop)
    aivcs("spool", "push", env={"AIVCS_STORE": url}, code=75)
    own_server.start()
    require_all_of_it(aivcs, url)


@pytest.mark.slow
def test_s3_is_away(store):
    """A fake that keeps everything in memory must not end: it is stopped, and answers nothing."""
    running = moto()
    try:
        aivcs = store("here")
        plain = aivcs.environment
        aivcs.environment = lambda **changes: plain(**{**running.environment(), **changes})
        url = f"s3://{BUCKET}/spool/{uuid.uuid4().hex}"
        aivcs.ok("init", url)
        settle(aivcs)

        def stop():
            for process in running.processes:
                process.send_signal(signal.SIGSTOP)

        record_while_away(aivcs, url, stop)
        for process in running.processes:
            process.send_signal(signal.SIGCONT)
        require_all_of_it(aivcs, url)
    finally:
        running.stop()
