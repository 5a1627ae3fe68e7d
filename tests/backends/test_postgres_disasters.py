"""A standby takes over, or the disk of the server is full: what acknowledged means then."""

import os
import shutil
import subprocess
import time

import pytest
from crash.harness import require
from servers.postgres import KEEPER, Server, Standby, need_programs

from aivcs.api import Repository
from aivcs.errors import BackendError
from aivcs.model.run import RunEvent

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.fixture
def pair():
    """A server and its standby."""
    primary = Server(need_programs())
    try:
        standby = Standby(primary)
        try:
            yield primary, standby
        finally:
            standby.end()
    finally:
        if (primary.folder / "data" / "postmaster.pid").exists():
            primary.end()


def kinds(repo, run):
    repo.runs.head(run)  # reads and checks the chain
    return [event.kind for event in repo.runs.get_events(run)]


def caught_up(primary):
    return primary.sql(
        "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
    ) == [(1,)]


def until(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_standby_that_lags_has_a_beginning_of_each_log(pair, outside):
    """Without synchronous_standby_names, acknowledged means: on the primary."""
    primary, standby = pair
    database = primary.store()
    repo = Repository.open(primary.url(database))
    run = repo.start_run(repo.blobs.put(b"spec"), agent_name="bot").run_id
    repo.runs.append_events(run, [RunEvent("a", {}), RunEvent("b", {})])
    until(lambda: caught_up(primary))
    reading = Repository.open(standby.url(database))
    assert kinds(reading, run) == ["a", "b"]
    with pytest.raises(BackendError, match="standby; name the primary"):
        reading.runs.append_event(run, RunEvent("x", {}))
    reading.store.close()
    standby.cut_off()
    assert repo.runs.append_event(run, RunEvent("lost", {})) == 3
    head = outside.ok("head", env={"AIVCS_STORE": primary.url(database)}).text
    manifest = outside.ok("blob", "get", head, env={"AIVCS_STORE": primary.url(database)}).out
    repo.store.close()
    primary.stop()
    standby.promote()
    after = Repository.open(standby.url(database))
    assert kinds(after, run) == ["a", "b"]
    assert after.runs.append_event(run, RunEvent("c", {})) == 3
    after.store.close()
    variables = {"AIVCS_STORE": standby.url(database)}
    outside.ok("verify", env=variables)
    # Only a head that is kept elsewhere knows of what was lost.
    outside.ok("blob", "put", "-", stdin=manifest, env=variables)
    assert run in outside("verify", "--head", head, env=variables, code=14).text


def test_with_a_synchronous_standby_nothing_acknowledged_is_lost(pair, outside):
    primary, standby = pair
    database = primary.store()
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("SELECT pg_reload_conf()")
    until(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
    url = primary.url(database)
    repo = Repository.open(url)
    run = repo.start_run(repo.blobs.put(b"spec"), agent_name="bot").run_id
    for n in range(1, 51):
        assert repo.runs.append_event(run, RunEvent("acknowledged", {"n": n})) == n
    standby.cut_off()
    waiting = outside.start("run", "log", run, "waits", env={"AIVCS_STORE": url})
    with pytest.raises(subprocess.TimeoutExpired):  # it acknowledges nothing that is on one server
        waiting.wait(3)
    waiting.kill()
    waiting.wait()
    primary.stop()
    standby.promote()
    after = Repository.open(standby.url(database))
    assert kinds(after, run) == ["acknowledged"] * 50
    after.store.close()
    repo.store.close()


@pytest.fixture
def small_disk():
    """A server, and a file system of 24 MiB on which its database `full_soon` has a store."""
    require(os.geteuid() == 0, "mounting needs root")
    server = Server(need_programs())
    root = server.folder / "small"
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", root], capture_output=True, check=False
    )
    try:
        require(mounted.returncode == 0, f"tmpfs cannot be mounted: {mounted.stderr!r}")
        shutil.chown(root, server.folder.owner(), server.folder.group())
        server.store()  # makes the user and the template
        server.sql(f"CREATE TABLESPACE small LOCATION '{root}'")
        server.sql(
            f"CREATE DATABASE full_soon OWNER {KEEPER} TEMPLATE {server._template} TABLESPACE small"
        )
        yield server, root
    finally:
        server.stop()
        subprocess.run(["umount", root], check=False)
        shutil.rmtree(server.folder)


def test_a_full_disk_of_the_server_stores_all_or_nothing(small_disk, outside):
    server, root = small_disk
    variables = {"AIVCS_STORE": server.url("full_soon")}
    spec = outside.ok("blob", "put", "-", stdin="spec", env=variables).text
    run = outside.ok("run", "start", "--agent", "bot", "--spec", spec, env=variables).text
    stored = []
    while True:
        content = os.urandom(1 << 20)
        refused = outside("blob", "put", "-", stdin=content, env=variables)
        if refused.code:
            break
        stored.append((refused.text, content))
    assert refused.code == 16
    assert "run out of something" in refused.complaint
    assert "No space left" in refused.complaint
    logged = 0
    for _ in range(40):
        done = outside("run", "log", run, "step", f"text={'x' * 100_000}", env=variables)
        if done.code:
            assert done.code == 16
            assert "nothing was done" in done.complaint
            break
        logged += 1
    for digest, content in stored[:3]:
        assert outside.ok("blob", "get", digest, env=variables).out == content
    subprocess.run(["mount", "-o", "remount,size=64m", root], check=True)
    outside.ok("run", "log", run, "after", env=variables)
    lines = outside.ok("run", "events", run, "--json", env=variables).json_lines
    assert [line["seq"] for line in lines] == list(range(1, logged + 2))
    assert b"no damage" in outside.ok("verify", env=variables).err
