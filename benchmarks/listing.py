"""What listing costs in a store with many runs, against the start of the bare interpreter.

    python benchmarks/listing.py [--runs N] [--rounds N] [--json] [--store DIR] [BIN]

BIN is the folder of an environment that has aivcs installed by pip; by default, this one's. The
store is made anew with N runs of a few events, one in a thousand of them running, unless DIR holds
one already that an earlier call has left there. Each round runs every command once, in turn, so
that whatever else the machine does hits all alike; reported are medians. The ratio is to
`python -c pass` of the same interpreter; for building the index, to `cat` of the same files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aivcs.backends.fs import FileBackend
from aivcs.log import chain
from aivcs.log import run as rules
from aivcs.model import (
    ContentDigest,
    RunEvent,
    RunId,
    RunMetadata,
    RunRecord,
    RunStatus,
    Timestamp,
)
from aivcs.settings import Settings

AGENTS = [f"team-{number % 5}/agent-{number}" for number in range(20)]
TOOLS = ("search", "read_file", "write_file", "shell", "browser")
NEW = 100
"""Runs that are added before each refresh."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bin", nargs="?", type=Path, default=Path(sys.executable).parent)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--builds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        folder = arguments.store or Path(scratch)
        if not (folder / ".aivcs").exists():
            fill(folder, arguments.runs)
        rows = measure(arguments.bin.absolute(), folder, arguments.rounds, arguments.builds)
    if arguments.json:
        print(json.dumps([{"what": n, "ms": ms, "ratio": r, "to": to} for n, ms, r, to in rows]))
        return
    for name, milliseconds, ratio, to in rows:
        print(f"{name:<36} {milliseconds:9.1f} ms {ratio:7.2f} x {to}")


def measure(
    programs: Path, folder: Path, rounds: int, builds: int
) -> list[tuple[str, float, float, str]]:
    """Returns what each thing took (milliseconds), and how that compares to what."""
    store = folder / ".aivcs"
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "AIVCS_STORE": str(store)}
    aivcs = str(programs / "aivcs")

    def run(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            check=True,
        )  # fmt: skip
        return time.perf_counter() - began

    floor = "python -c pass"
    few = [aivcs, "run", "list", "-n", "20"]
    reading = [
        "sh",
        "-c",
        'find "$1" -name "*.jsonl" -print0 | xargs -0 cat',
        "sh",
        f"{store}/runs",
    ]
    everything = "cat of all logs"
    times: dict[str, list[float]] = {everything: [], "index made from nothing": []}
    for _ in range(builds):
        times[everything].append(run(*reading))
        (store / "index.sqlite").unlink(missing_ok=True)
        times["index made from nothing"].append(run(*few))
    commands = {
        floor: [str(programs / "python"), "-c", "pass"],
        "run list -n 20": few,
        "run list -n 20 --agent": [*few, "--agent", AGENTS[6]],
        "run list -n 20 --status": [*few, "--status", "failed"],
        "run list -n 20 --json": [*few, "--json"],
        "status": [aivcs, "status"],
        "TAB for a RUN": [aivcs, "__complete", "run", "run", "show", ""],
        "TAB for a running RUN": [aivcs, "__complete", "running", "run", "log", ""],
        "TAB for an --agent": [aivcs, "__complete", "agent", "run", "list", "--agent", ""],
    }
    for _ in range(rounds):
        for name, command in commands.items():
            times.setdefault(name, []).append(run(*command))
    refresh = f"run list -n 20 after {NEW} new runs"
    for seed in range(builds):
        fill(folder, NEW, seed=seed + 2, since=1 / 24)
        times.setdefault(refresh, []).append(run(*few))
    times["run list (all)"] = [run(aivcs, "run", "list") for _ in range(builds)]
    slow = {everything, "index made from nothing", "run list (all)"}
    median = {name: statistics.median(taken) for name, taken in times.items()}
    return [
        (name, took * 1000, took / median[to], to)
        for name, took in median.items()
        for to in [everything if name in slow else floor]
    ]


def fill(folder: Path, runs: int, seed: int = 1, since: float = 365.0) -> None:
    """Makes a store, or completes it, with runs of the last `since` days, as whole logs."""
    store = FileBackend.init(str(folder / ".aivcs"), settings=Settings(durability="none"))
    chance = random.Random(seed)
    specs = [store.blobs.put(f"spec {number}\n".encode()) for number in range(40)]
    now = datetime.now(UTC)
    for number in range(runs):
        status = "RUNNING" if number % 1000 == 0 else "COMPLETED"
        if chance.random() < 0.08 and status != "RUNNING":
            status = chance.choice(("FAILED", "FAILED", "CANCELLED"))
        created = now - timedelta(days=since * chance.random())
        run_id, log = make_log(chance, chance.choice(specs), created, status)
        path = folder / ".aivcs" / "runs" / run_id[:2]
        path.mkdir(exist_ok=True)
        (path / f"{run_id}.jsonl").write_bytes(log)


def make_log(
    chance: random.Random, spec: ContentDigest, created: datetime, status: str
) -> tuple[str, bytes]:
    """Returns the id and the whole log of a run."""
    record = RunRecord(
        run_id=RunId.random(),
        spec_digest=spec,
        metadata=RunMetadata(
            chance.choice(AGENTS),
            git_sha=f"{chance.getrandbits(160):040x}",
            tags={"ticket": str(chance.randrange(10_000)), "ci.pipeline": "nightly"},
        ),
        status=RunStatus.RUNNING,
        summary=None,
        created_at=Timestamp.from_datetime(created),
        completed_at=None,
    )
    line, _ = rules.header(record)
    extension = rules.Extension(record.run_id, line[:-1], lambda _: None)
    moment = created
    for step in range(chance.randrange(4, 12)):
        moment += timedelta(seconds=chance.random() * 20)
        payload = {"tool": chance.choice(TOOLS), "step": step, "args": ["x" * chance.randrange(60)]}
        extension.add(RunEvent("tool_called", payload, timestamp=Timestamp.from_datetime(moment)))
    lines = [line, *extension.lines]
    if status != "RUNNING":
        milliseconds = (moment - created) // timedelta(milliseconds=1)
        body = (
            f'{{"type":"end","status":"{status}","summary":{{"total_events":'
            f'{extension.position.count},"final_state_digest":null,"duration_ms":{milliseconds},'
            f'"success":{"true" if status == "COMPLETED" else "false"}}},'
            f'"completed_at":"{Timestamp.from_datetime(moment)}"'
        )
        lines.append(chain.seal(body, extension.head)[0])
    return record.run_id, b"".join(lines)


if __name__ == "__main__":
    main()
