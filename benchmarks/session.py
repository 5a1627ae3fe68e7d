"""A loop of events in bash through the shell session, against a loop of `git hash-object`.

    python benchmarks/session.py [--events N] [--rounds N] [--json] [BIN]

BIN is the folder of an environment that has aivcs installed by pip; by default, this one's. Each
round runs both loops, in turn; the time of the session includes its start, and a last `aivcs_flush`
until every event is durable. The peer stores one small text a turn with
`git hash-object -w --stdin`, in a tenth of the turns, and is not asked to make anything durable.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SESSION = """
eval "$(aivcs shell-init)"
for ((i = 0; i < $1; i++)); do
    aivcs_log tool_called tool_name=search path=src/main.py step:=$i text='what was found there'
done
aivcs_flush
"""
GIT = """
for ((i = 0; i < $1; i++)); do
    git hash-object -w --stdin <<<"tool_called tool_name=search path=src/main.py $i" >/dev/null
done
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bin", nargs="?", type=Path, default=Path(sys.executable).parent)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        rows = measure(arguments.bin.absolute(), Path(folder), arguments.events, arguments.rounds)
    peer = next((rate for name, rate in rows if name.startswith("git ")), None)
    if arguments.json:
        found = [
            {"loop": name, "events_per_second": rate, "ratio": peer and rate / peer}
            for name, rate in rows
        ]
        print(json.dumps(found))
        return
    for name, rate in rows:
        ratio = f"{rate / peer:6.1f} x" if peer else "   (no git to compare with)"
        print(f"{name:<24} {rate:9.0f} events/s {ratio}")


def measure(programs: Path, folder: Path, events: int, rounds: int) -> list[tuple[str, float]]:
    """Returns the median rate of each loop, in events a second."""
    environment = {"HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(*command: str, run_id: str = "") -> tuple[float, str]:
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env={**environment, "AIVCS_RUN": run_id}, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return time.perf_counter() - began, done.stdout.strip()

    run("aivcs", "init")
    (folder / "spec").write_bytes(b"spec")
    loops = {f"aivcs_log in {shell}": shell for shell in ("bash", "zsh") if shutil.which(shell)}
    rates: dict[str, list[float]] = {name: [] for name in loops}
    peer = "git hash-object" if shutil.which("git") else ""
    if peer:
        rates[peer] = []
        run("git", "init", "-q", "git")
    for _ in range(rounds):
        for name, shell in loops.items():
            run_id = run("aivcs", "run", "start", "--agent", "a", "--spec-file", "spec")[1]
            taken, _answer = run(shell, "-c", SESSION, "-", str(events), run_id=run_id)
            rates[name].append(events / taken)
            shown = run("aivcs", "run", "show", run_id, "--json")[1]
            found = run("aivcs", "run", "events", run_id, "--json")[1].count("\n") + 1
            assert found == events, shown
        if peer:
            turns = max(1, events // 10)
            taken, _answer = run("bash", "-c", f"cd git\n{GIT}", "-", str(turns))
            rates[peer].append(turns / taken)
    return [(name, statistics.median(found)) for name, found in rates.items()]


if __name__ == "__main__":
    main()
