"""Histories of many processes under faults, checked by code that the product has no part in."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers.fault_proxy import FaultProxy
from servers.history import complaints

from aivcs.api import Repository

BUSY_S = 300
"""Seconds for a command that shares the processors with 64 others, at most."""
CLIENT = Path(__file__).parents[1] / "servers" / "client.py"


def lines_of(server, database, log):
    rows = server.sql(
        "SELECT line FROM aivcs.lines WHERE log = %s ORDER BY number", log, database=database
    )
    return [json.loads(line) for (line,) in rows]


def operations_of(folder):
    """The operations in all notes: the second note of one replaces the first."""
    operations = {}
    for path in folder.glob("*.notes"):
        for line in path.read_text().splitlines():
            note = json.loads(line)
            operations[note["id"]] = {"end": None, "outcome": None, "seq": None, **note}
    return list(operations.values())


class Work:
    """Clients at work on one run and one release."""

    def __init__(self, server, database, folder, port=None):
        self.server, self.database, self.folder = server, database, folder
        self.url = server.url(database).replace(f":{server.port}/", f":{port or server.port}/")
        repo = Repository.open(server.url(database))
        self.run = repo.start_run(repo.blobs.put(b"spec"), agent_name="bot").run_id
        repo.store.close()
        self.clients = {}

    def start(self, client, count):
        self.clients[client] = subprocess.Popen(
            [sys.executable, CLIENT, self.url, self.run, "bot", client, str(count),
             self.folder / f"{client}.notes"],
        )  # fmt: skip

    def alive(self):
        return [client for client, process in self.clients.items() if process.poll() is None]

    def terminate(self):
        """Ends all connections but one's own; returns their number."""
        rows = self.server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND pid <> pg_backend_pid()",
            self.database,
        )
        return len(rows)

    def wait_for_notes(self):
        """Waits until some operations went on since, but no longer than a second.

        On a busy machine clients whose connections end all the time would acknowledge nothing.
        """

        def noted():
            return sum(path.stat().st_size for path in self.folder.glob("*.notes"))

        before, end = noted(), time.monotonic() + 1
        while noted() < before + 1000 and time.monotonic() < end:
            time.sleep(0.05)

    def check(self):
        operations = operations_of(self.folder)
        run = lines_of(self.server, self.database, f"run/{self.run}")
        release = lines_of(self.server, self.database, "release/bot")
        assert list(complaints(operations, run, release)) == []
        repo = Repository.open(self.server.url(self.database))
        parts = frozenset({"runs", "releases"})
        # The specs of the releases are none that anybody stored.
        wrong = [f for f in repo.store.inspect(parts, lambda *_: None) if "store" not in f.problem]
        assert wrong == []
        repo.store.close()
        return operations, run, release

    def close(self):
        for process in self.clients.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def test_clients_that_nothing_befalls(server, database, tmp_path):
    work = Work(server, database, tmp_path)
    try:
        for client in ("a", "b", "last"):
            work.start(client, 20)
        assert [process.wait(60) for process in work.clients.values()] == [0, 0, 0]
    finally:
        work.close()
    operations, run, _ = work.check()
    assert len(operations) == 60
    assert run[-1]["type"] == "end"


@pytest.mark.slow
def test_a_thousand_faults_lose_nothing_and_double_nothing(own_server, tmp_path):
    database = own_server.store()
    proxy = FaultProxy(own_server.port)
    proxy.rate = 0.05
    work, faults, kills, restarts = Work(own_server, database, tmp_path, proxy.port), 0, 0, 0
    chance = random.Random(2)
    try:
        for n in range(8):
            work.start(f"c{n}", 400)
        deadline = time.monotonic() + 400
        while time.monotonic() < deadline and faults + proxy.cuts + kills < 1000:
            work.wait_for_notes()
            faults += work.terminate()
            alive = work.alive()
            if alive and chance.random() < 0.1:
                client = chance.choice(alive)
                work.clients[client].kill()
                kills += 1
                work.start(f"{client}x", 200)
            elif not alive:
                work.start(f"d{kills}{faults}", 400)
            if faults > 300 * (restarts + 1):
                own_server.restart()
                restarts += 1
        proxy.rate = 0
        for client in work.alive():
            work.clients[client].kill()
        work.start("last", 10)
        assert work.clients["last"].wait(60) == 0
    finally:
        work.close()
        proxy.close()
    operations, run, release = work.check()
    acknowledged = sum(op["outcome"] == "ok" for op in operations)
    print(
        f"{faults} terminated, {proxy.cuts} cut, {kills} killed, {restarts} restarts: "
        f"{acknowledged} of {len(operations)} acknowledged, {len(run)} and {len(release)} lines"
    )
    assert faults + proxy.cuts + kills >= 1000
    assert acknowledged > 500


@pytest.mark.slow
@pytest.mark.process
def test_64_processes_write_one_run_without_a_gap(own_server, outside):
    """Readers, verify and gc run beside them, and the server is restarted twice."""
    url = own_server.url(own_server.store())
    plain = outside.environment
    outside.environment = lambda **changes: plain(**{"AIVCS_STORE": url, **changes})
    repo = Repository.open(url)
    run = repo.start_run(repo.blobs.put(b"spec"), agent_name="bot").run_id
    script = (
        "import sys\n"
        "from aivcs.model.run import RunEvent\n"
        "from aivcs.api import Repository\n"
        "runs = Repository.open(sys.argv[1]).runs\n"
        "for n in range(200):\n"
        "    runs.append_event(sys.argv[2], RunEvent('e', {'by': sys.argv[3], 'n': n}))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, url, run, str(n)]) for n in range(64)
    ]
    lengths, times = [0], Counter[str]()

    def read():
        told = outside.ok("run", "events", run, "--json", timeout=BUSY_S).json_lines
        seqs = [event["seq"] for event in told]
        assert seqs == list(range(1, len(seqs) + 1))
        lengths.append(len(seqs))

    def collect():
        content = f"unused {times}"
        unused = outside.ok("blob", "put", "-", stdin=content, timeout=BUSY_S).text
        outside.ok("gc", "--grace", "0s", timeout=BUSY_S)
        outside("blob", "has", unused, code=1, timeout=BUSY_S)

    def repeat(act):
        while any(writer.poll() is None for writer in writers):
            act()
            times[act.__name__] += 1

    def verify():
        assert b"no damage" in outside.ok("verify", timeout=BUSY_S).err

    def restart_at(seq):
        last = 0
        while last < seq:
            time.sleep(0.1)
            with repo.store.logs.look(f"run/{run}") as view:
                assert view is not None
                last = json.loads(view.last).get("seq", 0)
        own_server.restart()

    with ThreadPoolExecutor() as beside:
        working = [beside.submit(repeat, act) for act in (read, verify, collect)]
        try:
            restart_at(4000)
            restart_at(8000)
            assert [writer.wait() for writer in writers] == [0] * 64
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()
    assert [work.result() for work in working] == [None] * 3
    assert lengths == sorted(lengths)
    print(f"beside the writers: {dict(times)}")
    assert len(times) == 3
    events = repo.runs.get_events(run)
    assert repo.runs.head(run).lines == 12_801  # reads and checks the chain
    repo.store.close()
    assert [event.seq for event in events] == list(range(1, 12_801))
    for by in range(64):
        assert [e.payload["n"] for e in events if e.payload["by"] == str(by)] == list(range(200))


def operation(name, op, start, end, outcome, **more):
    return {
        "id": name,
        "op": op,
        "start": start,
        "end": end,
        "outcome": outcome,
        "seq": None,
        **more,
    }


def event(seq, name):
    return {"type": "event", "seq": seq, "payload": {"id": name}}


def entry(seq, name):
    return {"type": "release", "seq": seq, "metadata": {"notes": name}}


@pytest.mark.parametrize(
    ("operations", "run", "release", "complaint"),
    [
        ([operation("a", "append", 1, 2, "ok", seq=1)], [], [], "is lost"),
        ([operation("a", "append", 1, 2, "ok", seq=2)], [event(1, "a")], [], "stands at 1"),
        ([operation("a", "append", 1, 2, "refused")], [event(1, "a")], [], "was refused"),
        ([operation("a", "append", 1, 2, "unknown")], [event(1, "a"), event(2, "a")], [],
         "2 times"),
        ([], [event(1, "a")], [], "nobody asked"),
        ([operation("a", "append", 1, None, None)], [event(2, "a")], [], "gap"),
        ([operation("a", "append", 5, 6, "ok", seq=1),
          operation("b", "append", 1, 2, "ok", seq=2)],
         [event(1, "a"), event(2, "b")], [], "began after"),
        ([operation("a", "promote", 1, 2, "ok", seq=2, expect=0),
          operation("b", "promote", 1, 9, None)],
         [], [entry(1, "b"), entry(2, "a")], "expected @0"),
        ([operation("f", "finish", 1, 2, "ok"), operation("a", "append", 3, 4, "unknown")],
         [{"type": "end"}], [], "not refused"),
        ([operation("f", "finish", 1, 2, "ok")], [{"type": "end"}, {"type": "x"}], [], "last line"),
    ],
)  # fmt: skip
def test_the_checker_finds_what_is_wrong(operations, run, release, complaint):
    assert any(complaint in found for found in complaints(operations, run, release))
