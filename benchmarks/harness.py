"""What every subject needs: a place, processes run and timed, rounds, and the rows of the table."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FLOOR = "python -c pass"
"""The start of the bare interpreter that aivcs runs on: what no command of it can go below."""
_MEMORY = """
import os, sys
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
sys.stderr.write(f"{usage.ru_maxrss}\\n")
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a program and tells its most memory resident (KiB, on Linux). A process of its own, since
the system counts the memory of the process that starts another to that other: this one needs less
than anything that is measured."""


class JobError(Exception):
    """Something that is to be measured did not work."""


class Done(NamedTuple):
    """What a process did.

    Attributes:
        seconds: From before its start to after its end.
        out: What it printed, without the last newline.
        err: What it said on standard error.
    """

    seconds: float
    out: str = ""
    err: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the table: something measured, and something else measured in the same run.

    Attributes:
        what: What was done.
        measured: What it took.
        unit: "s", "MiB", "MiB/s" or "events/s".
        against: What it is compared with.
        reference: What that took, in the same unit.
        bar: The ratio that it must keep; None if nothing is asked.
        aim: The ratio that it should reach.
        least: Whether bar and aim are the least that will do; else they are the most.
    """

    what: str
    measured: float
    unit: str
    against: str
    reference: float
    bar: float | None = None
    aim: float | None = None
    least: bool = False

    @property
    def ratio(self) -> float:
        """How many times the reference it is."""
        return self.measured / self.reference

    @property
    def verdict(self) -> str:
        """Whether the aim, the bar or neither is reached; empty if nothing is asked."""
        if self.bar is None:
            return ""
        if self.aim is not None and self._reaches(self.aim):
            return "aim"
        return "bar" if self._reaches(self.bar) else "MISSED"

    def _reaches(self, ratio: float) -> bool:
        return self.ratio >= ratio if self.least else self.ratio <= ratio

    def as_json(self) -> dict[str, Any]:
        """Returns the members, with ratio and verdict."""
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


@dataclass
class Bench:
    """Where and how everything is measured.

    Attributes:
        programs: The `bin` folder of the environment whose aivcs is measured.
        folder: A scratch folder on a real disk.
        quick: Whether to do as little as shows that all of it works; its figures mean nothing.
        peers: The environment in which other tools are installed; None if there is none.
        million: Where the store of a million runs is, or is to be made; None to leave it out.
        curves: By command, what it took (seconds) at each size; for the picture.
        skipped: What could not be measured, and why.
    """

    programs: Path
    folder: Path
    quick: bool = False
    peers: Path | None = None
    million: Path | None = None
    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def python(self) -> str:
        """The interpreter that aivcs runs on."""
        return str(self.programs / "python")

    @property
    def aivcs(self) -> str:
        """The command."""
        return str(self.programs / "aivcs")

    def size(self, full: int, quick: int) -> int:
        """Returns how much of something to do."""
        return quick if self.quick else full

    def skip(self, why: str) -> None:
        """Notes what cannot be measured here."""
        print(f"... skipped: {why}", file=sys.stderr)
        self.skipped.append(why)

    def place(self, name: str) -> Path:
        """Makes a folder with an empty store, `NAME/.aivcs`, and returns it."""
        folder = self.folder / name
        folder.mkdir()
        self.run(self.aivcs, "init", cwd=folder)
        return folder

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        stdin: Path | None = None,
        environment: Mapping[str, str] | None = None,
        code: int = 0,
        keep: bool = True,
    ) -> Done:
        """Runs a program, with its output in a pipe.

        Args:
            command: The program and its arguments.
            cwd: Where; by default the scratch folder.
            stdin: A file to read from; by default there is nothing to read.
            environment: What it is told beside `PATH` and a `HOME` without any configuration.
            code: The exit code it must have.
            keep: Whether its output is wanted; else it goes nowhere.

        Raises:
            JobError: It had another exit code.
        """
        path = f"{self.programs}:{os.environ['PATH']}"
        variables = {"PATH": path, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        with (stdin or Path(os.devnull)).open("rb") as source:
            began = perf_counter()
            done = subprocess.run(
                list(map(str, command)),
                cwd=cwd or self.folder,
                env={**variables, **(environment or {})},
                stdin=source,
                stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            seconds = perf_counter() - began
        if done.returncode != code:
            said = done.stderr.strip()[-500:]
            raise JobError(f"{' '.join(map(str, command))[:200]}: exit {done.returncode}: {said}")
        return Done(seconds, (done.stdout or "").removesuffix("\n"), done.stderr)

    def has(self, module: str) -> bool:
        """Tells whether the measured environment has a Python module."""
        script = f"import importlib.util as u; print(u.find_spec({module!r}) is not None)"
        return self.run(self.python, "-c", script).out == "True"

    def floor(self) -> Done:
        """Starts the bare interpreter."""
        return self.run(self.python, "-c", "pass")

    def settle(self) -> None:
        """Waits until nothing on the disk waits to be written, so that nobody pays for others."""
        if not self.quick:
            self.run("sync", "-f", self.folder)

    def memory(self, *command: str | Path, cwd: Path, code: int = 0) -> float:
        """Runs a program, which must have an exit code; returns its most resident memory in MiB."""
        done = self.run(self.python, "-S", "-c", _MEMORY, *command, cwd=cwd, code=code, keep=False)
        return int(done.err.split()[-1]) / 1024

    def compare(self, rounds: int, jobs: Mapping[str, Callable[[], Done]]) -> dict[str, float]:
        """Returns the median seconds of each job.

        Each round does every job once, so that whatever else the machine does hits all alike, and
        in another order, since what one leaves to the disk the next may have to wait for.
        """
        times: dict[str, list[float]] = {name: [] for name in jobs}
        order, chance = list(jobs), random.Random(1)
        for _ in range(rounds):
            for name in order:
                times[name].append(jobs[name]().seconds)
            chance.shuffle(order)
        return {name: statistics.median(taken) for name, taken in times.items()}
