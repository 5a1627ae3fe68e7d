"""A stream of events of 200 bytes into one run, against SQLite taking the same lines.

`run log --stdin` checks and chains each event, and all are durable when it ends. SQLite parses the
same lines and inserts kind and payload in one transaction, once by the json of Python and once by
its own JSON functions. Whole processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import Row
from benchmarks.stores import write_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Bench, Done

_SQLITE = """
import json, sqlite3, sys
connection = sqlite3.connect("events.db")
connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT, payload TEXT)")
with connection:
    connection.executemany({insert})
"""
_PYTHON = """
    "INSERT INTO events (kind, payload) VALUES (?, ?)",
    ((event["kind"], json.dumps(event["payload"])) for event in map(json.loads, sys.stdin)),
"""
_OWN = """
    "INSERT INTO events (kind, payload) SELECT ?1 ->> '$.kind', ?1 -> '$.payload'",
    ((line,) for line in sys.stdin),
"""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the rate of aivcs against both of SQLite."""
    events = bench.size(1_000_000, 1_000)
    folder = bench.place("streams")
    lines = folder / "events.jsonl"
    write_events(lines, events)
    (folder / "spec").write_text("spec\n")

    def ours() -> Done:
        start = ("run", "start", "--agent", "bot", "--spec-file", "spec")
        run_id = bench.run(bench.aivcs, *start, cwd=folder).out
        return bench.run(bench.aivcs, "run", "log", "--stdin", run_id, cwd=folder, stdin=lines)

    def sqlite(insert: str) -> Done:
        (folder / "events.db").unlink(missing_ok=True)
        script = _SQLITE.format(insert=insert)
        return bench.run(bench.python, "-c", script, cwd=folder, stdin=lines)

    times = bench.compare(
        bench.size(3, 1),
        {"ours": ours, "json": lambda: sqlite(_PYTHON), "own": lambda: sqlite(_OWN)},
    )
    rates = {name: events / taken for name, taken in times.items()}
    what = f"run log --stdin, {events:,} events"
    bar, aim = 0.8, 2.0
    if bench.has("msgspec"):
        what += ", with the extra fast"
        bar, aim = 1.5, 2.5
    by_python = "SQLite, lines parsed by Python's json"
    yield Row(what, rates["ours"], "events/s", by_python, rates["json"], bar, aim, least=True)
    by_itself = "SQLite, lines parsed by its own functions"
    yield Row(what, rates["ours"], "events/s", by_itself, rates["own"])
