"""A command's output through `aivcs run exec`, against `tee`; and what it costs to start one.

    python benchmarks/exec.py [--size MIB] [--rounds N] [--starts N] [--json] [BIN]

BIN is the folder of an environment that has aivcs installed by pip; by default, this one's. `cat`
writes a file of short lines to a pipe whose other end is read by `wc -c`: through `tee FILE`, and
through each kind of capture. `passed` is the time until the reader had it all, `ended` that until
the run was durable, too (`tee` makes nothing durable). The median of the rounds counts.
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

SPEC = ["--agent", "a", "--spec-file", "spec"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bin", nargs="?", type=Path, default=Path(sys.executable).parent)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        bench = Bench(arguments.bin.absolute(), Path(folder), arguments.size)
        throughput = bench.throughput(arguments.rounds)
        starts = bench.starts(arguments.starts)
    if arguments.json:
        print(json.dumps({"throughput": throughput, "starts": starts}))
        return
    tee = throughput["tee FILE"]["passed"]
    for name, row in throughput.items():
        rate = arguments.size / row["passed"]
        print(
            f"{name:<28} passed {row['passed']:6.2f} s {rate:6.0f} MiB/s "
            f"{row['passed'] / tee:5.2f} x tee, ended {row['ended']:6.2f} s"
        )
    floor = starts["python -c pass"]
    for name, seconds in starts.items():
        print(f"{name:<28} {seconds * 1000:6.1f} ms {seconds / floor:5.2f} x python -c pass")


class Bench:
    """A store, a file, and the programs that read it."""

    def __init__(self, programs: Path, folder: Path, mebibytes: int) -> None:
        self.folder = folder
        self.python = str(programs / "python")
        self.exec = [str(programs / "aivcs"), "run", "exec", *SPEC]
        self.environment = {"HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"}
        (folder / "spec").write_bytes(b"spec")
        self._run([str(programs / "aivcs"), "init"])
        block = b"".join(b"line %07d of what a command printed, and it is this long\n" % n
                         for n in range(1 << 14))  # fmt: skip
        with open(folder / "output", "wb") as file:
            while file.tell() < mebibytes << 20:
                file.write(block)

    def throughput(self, rounds: int) -> dict[str, dict[str, float]]:
        """Returns the median seconds of each way, until passed and until ended."""
        ways = {
            "nothing between": ["cat", "output"],
            "tee FILE": ["sh", "-c", "cat output | tee copy"],
            **{
                f"run exec --capture {kind}": [*self.exec, "--capture", kind, "--", "cat", "output"]
                for kind in ("none", "blobs", "lines")
            },
        }
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, command in ways.items():
                found[way].append(self._pass(command))
                (self.folder / "copy").unlink(missing_ok=True)
                shutil.rmtree(self.folder / ".aivcs")
                self._run([self.exec[0], "init"])
        return {
            way: {
                "passed": statistics.median(passed for passed, _ in times),
                "ended": statistics.median(ended for _, ended in times),
            }
            for way, times in found.items()
        }

    def starts(self, rounds: int) -> dict[str, float]:
        """Returns the median seconds of a whole process that does next to nothing."""
        commands = {
            "python -c pass": [self.python, "-c", "pass"],
            "true": ["true"],
            "run exec -- true": [*self.exec, "--", "true"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                began = time.perf_counter()
                self._run(command)
                times[name].append(time.perf_counter() - began)
        return {name: statistics.median(found) for name, found in times.items()}

    def _run(self, command: list[str]) -> None:
        subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def _pass(self, command: list[str]) -> tuple[float, float]:
        began = time.perf_counter()
        writer = subprocess.Popen(
            command, cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        # Of its own, so that nothing of this process stands in between.
        reader = subprocess.Popen(["wc", "-c"], stdin=writer.stdout, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.close()
        size = int(reader.communicate()[0])
        passed = time.perf_counter() - began
        assert (writer.wait(), size) == (0, (self.folder / "output").stat().st_size)
        return passed, time.perf_counter() - began


if __name__ == "__main__":
    main()
