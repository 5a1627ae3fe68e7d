"""What the commands that scripts call in a loop cost, against the start of the bare interpreter.

    python benchmarks/startup.py [--rounds N] [--config] [--json] [BIN]

BIN is the folder of an environment that has aivcs installed by pip; by default, this one's. Each
round runs every command once, in turn, so that whatever else the machine does hits all alike;
reported are medians and their ratio to `python -c pass` of the same interpreter. Durability: full.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bin", nargs="?", type=Path, default=Path(sys.executable).parent)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--config", action="store_true", help="in a store with a config.toml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        times = measure(
            arguments.bin.absolute(), Path(folder), arguments.rounds, config=arguments.config
        )
    floor = statistics.median(times["python -c pass"])
    rows = [
        (name, statistics.median(taken) * 1000, statistics.median(taken) / floor)
        for name, taken in times.items()
    ]
    if arguments.json:
        print(json.dumps([{"command": n, "ms": ms, "ratio": ratio} for n, ms, ratio in rows]))
        return
    for name, milliseconds, ratio in rows:
        print(f"{name:<20} {milliseconds:7.1f} ms {ratio:6.2f} x")


def measure(programs: Path, folder: Path, rounds: int, *, config: bool) -> dict[str, list[float]]:
    """Returns the seconds that each command took in each round."""
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    aivcs = str(programs / "aivcs")

    def run(*command: str) -> tuple[float, str]:
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            check=True, text=True,
        )  # fmt: skip
        return time.perf_counter() - began, done.stdout.strip()

    run(aivcs, "init")
    if config:
        run(aivcs, "config", "set", "core.lock_timeout", "20")
    (folder / "one").write_bytes(b"1" * 1024)
    (folder / "two").write_bytes(b"2" * 1024)
    one, two = (run(aivcs, "blob", "put", name)[1] for name in ("one", "two"))
    lasting = run(aivcs, "run", "start", "--agent", "bot", "--spec", one)[1]
    run(aivcs, "release", "promote", "bot", two)
    commands = {
        "python -c pass": [str(programs / "python"), "-c", "pass"],
        "blob put": [aivcs, "blob", "put", "one"],
        "blob get": [aivcs, "blob", "get", one],
        "blob has": [aivcs, "blob", "has", one],
        "run start": [aivcs, "run", "start", "--agent", "bot", "--spec", one],
        "run log": [aivcs, "run", "log", lasting, "tool_called", "tool_name=search", "step:=1"],
        "run finish": [],
        "release promote": [aivcs, "release", "promote", "bot", one],
        "release rollback": [aivcs, "release", "rollback", "bot"],
        "release current": [aivcs, "release", "current", "bot"],
        "release history": [aivcs, "release", "history", "bot", "-n", "20"],
        "run list": [aivcs, "run", "list", "-n", "20"],
        "--help": [aivcs, "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    started = ""
    for _ in range(rounds):
        for name, command in commands.items():
            taken, answer = run(*(command or [aivcs, "run", "finish", started]))
            times[name].append(taken)
            if name == "run start":
                started = answer
    return times


if __name__ == "__main__":
    main()
