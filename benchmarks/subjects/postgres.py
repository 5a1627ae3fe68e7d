"""A store in PostgreSQL against bare statements on the same server, in the same rounds.

The server is one of its own, started for this, with `fsync = on` in the scratch folder. What is
compared is a process on an open connection; only `run list` and `run log` are whole commands.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks import stores
from benchmarks.harness import FLOOR, Done, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Bench

_SCRIPT = """
import json, sys, time
from hashlib import sha256
from multiprocessing import get_context
import psycopg
from aivcs.log.bulk_events import BulkEvents
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent
from aivcs.api import Repository

url, job, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
BATCH = 4000
WARM = 8  # what a writer does before it counts: after five times a statement is prepared
PAYLOAD = {"tool_name": "search", "query": "x" * 150}
SPEC = ContentDigest.from_bytes(b"spec")
bare = psycopg.connect(url.partition("?")[0], autocommit=True)

def table(key):
    bare.execute("DROP TABLE IF EXISTS bare")
    bare.execute("CREATE TABLE bare (run int, seq bigint, kind text, payload text, at timestamptz, "
                 f"PRIMARY KEY ({key}))")

def start():
    repo = Repository.open(url)
    return repo, repo.start_run(SPEC, agent_name="bot", allow_missing_spec=True).run_id

def append():
    repo, run = start()
    return lambda n: repo.runs.append_event(run, RunEvent("tool_called", PAYLOAD))

def insert():
    table("run, seq")
    statement = "INSERT INTO bare VALUES (1, %s, %s, %s, now())"
    return lambda n: bare.execute(statement, (n, "tool_called", str(PAYLOAD)))

def promote():
    repo = Repository.open(url)
    by = ReleaseMetadata(promoted_by="ann")
    return lambda n: repo.releases.promote("bot", SPEC, by)

def bulk():
    repo, run = start()
    body = b'"kind":"tool_called","payload":{"tool_name":"search","query":"%s"},' % (b"x" * 150)
    body += b'"timestamp":"2026-01-01T00:00:00.000000Z"'
    events = BulkEvents([body] * count)
    return lambda n: repo.runs.append_events(run, events)

def copy():
    table("run, seq")
    row = '\\ttool_called\\t{"tool_name":"search","query":"%s"}\\t2026-01-01\\n' % ("x" * 150)
    def act(n):
        with bare.cursor().copy("COPY bare FROM STDIN") as rows:
            for first in range(0, count, BATCH):
                rows.write("".join(f"1\\t{first + n}{row}" for n in range(BATCH)))
    return act

def write(kind, run, seconds, go, told):
    if kind == "ours":
        runs = Repository.open(url).runs
        act = lambda: runs.append_event(run, RunEvent("tool_called", PAYLOAD))
    else:
        own = psycopg.connect(url.partition("?")[0], autocommit=True)
        last_of = "SELECT seq, hash FROM log WHERE run = 1 ORDER BY seq DESC LIMIT 1"
        def act():
            while True:
                try:
                    with own.transaction():
                        seq, before = own.execute(last_of).fetchone() or (0, "")
                        event = {"seq": seq + 1, "kind": "tool_called", "payload": PAYLOAD}
                        line = json.dumps(event)
                        link = sha256((before + line).encode()).hexdigest()
                        insert = "INSERT INTO log VALUES (1, %s, %s, %s)"
                        own.execute(insert, (seq + 1, line, link))
                    return
                except psycopg.errors.UniqueViolation:
                    pass
    for _ in range(WARM):
        act()
    go.wait()
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        act()
        done += 1
    told.put(done)

def writers(kind):
    run = None
    if kind == "ours":
        run = start()[1]
    else:
        bare.execute("DROP TABLE IF EXISTS log")
        bare.execute("CREATE TABLE log (run int, seq bigint, line text, hash text, "
                     "PRIMARY KEY (run, seq))")
    context = get_context("fork")
    go, told = context.Barrier(count), context.SimpleQueue()
    seconds = 5 if count > 2 else 0.2
    all_of_them = [context.Process(target=write, args=(kind, run, seconds, go, told))
                   for _ in range(count)]
    for each in all_of_them:
        each.start()
    done = [told.get() for _ in all_of_them]
    for each in all_of_them:
        each.join()
    print(sum(done) / seconds, min(done) / (sum(done) / len(done)))

if job in ("ours", "naive"):
    writers(job)
else:
    act, times = globals()[job](), 1 if job in ("bulk", "copy") else count
    began = time.perf_counter()
    for n in range(times):
        act(n)
    print((time.perf_counter() - began) / times)
"""
_RUNS = """
DO $$
DECLARE line text; id text; made text;
BEGIN
  FOR n IN 1 .. {count} LOOP
    id := 'aaaaaaaa-0000-4000-8000-' || lpad(n::text, 12, '0');
    made := to_char(timestamp '2026-01-01' + n * interval '1 minute',
      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    line := '{{"type":"run","format":1,"run_id":"' || id || '","spec_digest":"' || repeat('0', 64)
      || '","metadata":{{"git_sha":null,"agent_name":"bot","tags":{{}}}},"created_at":"'
      || made || '"';
    PERFORM {schema}.append('run/' || id, 0, NULL, ARRAY[convert_to(line || ',"hash":"'
      || encode(sha256(convert_to(line, 'UTF8')), 'hex') || E'"}}\\n', 'UTF8')], '', true);
  END LOOP;
END $$
"""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the rows; none without a server's programs."""
    sys.path.insert(0, "tests")
    try:
        servers: Any = import_module("servers.postgres")
    finally:
        sys.path.pop(0)
    programs = servers.find_programs()
    if programs is None:
        bench.skip("a store in PostgreSQL: PostgreSQL is not installed")
        return
    server = servers.Server(programs, "fsync=on")
    try:
        yield from _rows(bench, server)
    finally:
        server.end()


def _memory(bench: Bench, url: str, events: int) -> Row:
    """What `run log --stdin` has resident at most, while it sends a long stream."""
    folder = bench.place("postgres-memory")
    stores.write_events(folder / "events", events)
    (folder / "spec").write_text("a spec")
    environment = {"AIVCS_STORE": url}
    spec = bench.run(bench.aivcs, "blob", "put", folder / "spec", environment=environment)
    run = bench.run(
        bench.aivcs, "run", "start", "--agent", "a", "--spec", spec.out, environment=environment
    ).out
    script = 'AIVCS_STORE=$1 "$2" run log --stdin "$3" <events'
    most = bench.memory("sh", "-c", script, "sh", url, bench.aivcs, run, cwd=folder)
    return Row(
        f"run log --stdin of {events:,} events to PostgreSQL", most, "MiB", "the limit", 64, 1
    )


def _rows(bench: Bench, server: Any) -> Iterator[Row]:
    database = server.store()
    url = server.url(database)

    def job(name: str, count: int) -> list[float]:
        done = bench.run(bench.python, "-c", _SCRIPT, url, name, str(count))
        return [float(word) for word in done.out.split()]

    def jobs(counts: dict[str, int]) -> dict[str, float]:
        names = {name: lambda name=name: Done(job(name, counts[name])[0]) for name in counts}
        return bench.compare(bench.size(3, 1), names)

    each = bench.size(1000, 3)
    times = jobs({"append": each, "promote": each, "insert": each})
    bare = "a bare INSERT"
    yield Row(
        "append of an event to PostgreSQL", times["append"], "s", bare, times["insert"], 1.5, 1
    )
    yield Row("promote in PostgreSQL", times["promote"], "s", bare, times["insert"], 4, 3)

    events = bench.size(1_000_000, 4_000)
    times = jobs({"bulk": events, "copy": events})
    what = f"{events:,} events in one call to PostgreSQL"
    yield Row(what, times["bulk"], "s", "COPY of rows", times["copy"], 1.6, 0.9)

    yield _memory(bench, url, events)

    writers = bench.size(64, 2)
    ours, evenness = job("ours", writers)
    naive, _ = job("naive", writers)
    what = f"{writers} writers on one run in PostgreSQL"
    naive_client = "BEGIN, read the last line, insert the next with its hash, COMMIT; again if lost"
    yield Row(what, ours, "events/s", naive_client, naive, 10, 20, least=True)
    yield Row(f"{what}: who wrote least", evenness, "s", "the mean", 1, 0.5, 0.9, least=True)

    runs = bench.size(100_000, 100)
    server.sql(
        _RUNS.format(count=runs, schema="aivcs"), database=url.rpartition("/")[2].partition("?")[0]
    )
    environment = {"AIVCS_STORE": url}

    def listing() -> Done:
        return bench.run(bench.aivcs, "run", "list", "-n", "20", environment=environment)

    assert len(listing().out.splitlines()) == 20
    times = bench.compare(bench.size(10, 1), {FLOOR: bench.floor, "list": listing})
    what = f"run list -n 20 in PostgreSQL, {runs:,} runs"
    yield Row(what, times["list"], "s", FLOOR, times[FLOOR], 10)
