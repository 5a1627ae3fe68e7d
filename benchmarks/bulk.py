"""What it takes to store a stream of events, against SQLite taking the same lines.

    python benchmarks/bulk.py [--events N] [--rounds N] [--json] [BIN]

BIN is the folder of an environment that has aivcs installed by pip; by default, this one's. Every
event has 200 bytes. `aivcs run log --stdin` checks, chains and syncs them, all of it durable at its
end; SQLite parses the same lines and inserts kind and payload in one transaction, once by the json
of Python and once by its own JSON functions. All are whole processes; reported are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SQLITE = """
import json, sqlite3, sys
connection = sqlite3.connect("events.db")
connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT, payload TEXT)")
with connection:
    {insert}
"""
_PYTHON = """connection.executemany(
        "INSERT INTO events (kind, payload) VALUES (?, ?)",
        ((event["kind"], json.dumps(event["payload"])) for event in map(json.loads, sys.stdin)),
    )"""
_OWN = """connection.executemany(
        "INSERT INTO events (kind, payload) SELECT ?1 ->> '$.kind', ?1 -> '$.payload'",
        ((line,) for line in sys.stdin),
    )"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bin", nargs="?", type=Path, default=Path(sys.executable).parent)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        times = measure(arguments.bin.absolute(), Path(folder), arguments.events, arguments.rounds)
    ours = statistics.median(times["aivcs run log --stdin"])
    rows = [(name, statistics.median(taken)) for name, taken in times.items()]
    if arguments.json:
        print(json.dumps([{"what": name, "seconds": taken} for name, taken in rows]))
        return
    for name, taken in rows:
        each = taken / arguments.events * 1e6
        print(f"{name:<28} {each:6.2f} us an event; aivcs has {taken / ours:.2f} of its rate")


def measure(programs: Path, folder: Path, events: int, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds that each way took in each round."""
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    lines = folder / "events.jsonl"
    with lines.open("w") as file:
        for number in range(events):
            payload = {
                "tool_name": "search",
                "step": number,
                "args": {"query": f"how to parse dates {number}", "limit": 10},
            }
            event = {"kind": "tool_called", "payload": payload}
            room = 199 - len(json.dumps({**event, "payload": {**payload, "note": ""}}))
            file.write(json.dumps({**event, "payload": {**payload, "note": "x" * room}}) + "\n")

    def run(*command: str, source: Path | None = None) -> tuple[float, str]:
        with (source or Path(os.devnull)).open("rb") as stdin:
            began = time.perf_counter()
            done = subprocess.run(
                command, cwd=folder, env=environment, stdin=stdin, capture_output=True,
                check=True, text=True,
            )  # fmt: skip
            return time.perf_counter() - began, done.stdout.strip()

    aivcs, python = str(programs / "aivcs"), str(programs / "python")
    run(aivcs, "init")
    spec = run(aivcs, "blob", "put", "-")[1]
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        started = run(aivcs, "run", "start", "--agent", "bot", "--spec", spec)[1]
        for name, command in {
            "aivcs run log --stdin": [aivcs, "run", "log", "--stdin", started],
            "SQLite, with Python's json": [python, "-c", _SQLITE.format(insert=_PYTHON)],
            "SQLite, with its own": [python, "-c", _SQLITE.format(insert=_OWN)],
        }.items():
            (folder / "events.db").unlink(missing_ok=True)
            times.setdefault(name, []).append(run(*command, source=lines)[0])
    return times


if __name__ == "__main__":
    main()
