"""What it costs to call a command once, against the start of the bare interpreter.

Commands that scripts call in a loop, in a store with a `config.toml` and in one without; then all
others, in the store of some eighty runs that these left. Whole processes, each event and blob
durable (`durability = "full"`).
"""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from aivcs.cli.parse._names import NAMES
from benchmarks.harness import FLOOR, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.harness import Bench, Done

BAR, _AIM = 1.5, 1.15
"""What a command of a loop may take, and should take, in starts of the interpreter."""
_OTHERS = {
    "init": "", "trust": "--list", "store grants": "--role reader", "store check": "",
    "store upgrade": "",
    "status": "", "report": "-o report.html", "verify": "", "gc": "--dry-run", "head": "",
    "shell-init": "",
    "push": "../other", "pull": "../other", "remote list": "", "spool list": "", "spool push": "",
    "blob ls": "", "blob verify": "", "blob pin": "SPEC", "blob unpin": "SPEC",
    "blob rm": "SPARE", "run show": "RUN", "run events": "RUN", "run list": "-n 20",
    "run reap": "--dry-run", "run verify": "", "release list": "", "release verify": "",
    "release diff": "bot",
    "spec create": "--prompts one", "spec show": "AGENT", "spec list": "",
    "spec checkout": "--force AGENT parts", "spec diff": "AGENT SPEC", "run diff": "RUN RUN",
    "config get": "core.durability", "config set": "core.lock_timeout 20",
    "config unset": "core.lock_timeout", "config list": "", "completion": "bash", "help": "run log",
    "release show": "bot", "release block": "bot NONE --reason slow", "release provenance": "bot",
    "skill": "", "run tree": "RUN", "run search": "--kind tool_called",
    "run annotate": "RUN -m fine",
    "run prune": "--older-than 999w --dry-run",
    "run export": "RUN --format otlp", "run digest": "RUN --replay",
    "release wait": "bot", "release watch": "--once bot",
    "run exec": "--agent bot --spec SPEC -- true", "run stats": "",
    "run import": "--all", "hook status": "", "hook install": "codex", "hook uninstall": "codex",
    "hook run": "codex",
}  # fmt: skip
"""The arguments of each command; SPEC (a blob), AGENT (a spec made of parts), RUN, and SPARE
(a blob that nothing refers to) stand for what is in the store, NONE for a blob that is not."""
_FIRST_SEEN = {"help", "--help", "run log --help", "a usage error"}
"""What a newcomer calls, which has a bar of its own."""
_LEFT_OUT = {
    "shell-session", "__complete", "release unblock", "release sign", "release checkout", "web",
    "remote add", "remote rm", "clone", "bundle create", "bundle verify", "mcp", "run session",
    "run state", "browse", "release approve", "run redact", "run rm", "run why",
}  # fmt: skip
"""Commands that others start, that only work once, that wait for ssh-keygen, git, a person or
the disk."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields a row for each command."""
    plain, configured = (_Store(bench, name) for name in ("plain", "configured"))
    bench.run(bench.aivcs, "config", "set", "core.lock_timeout", "20", cwd=configured.folder)
    jobs: dict[str, Callable[[], Done]] = {FLOOR: bench.floor, **plain.hot()}
    jobs |= {f"{name}, with a config.toml": job for name, job in configured.hot().items()}
    times = bench.compare(bench.size(40, 1), jobs)
    floor = times.pop(FLOOR)
    for name, taken in times.items():
        bar, aim = (2.5, 1.4) if name.endswith("config.toml") else (BAR, _AIM)
        yield Row(name, taken, "s", FLOOR, floor, bar, aim)
    middle = median(times[name] for name in plain.hot())
    yield Row("the median of those without a config.toml", middle, "s", FLOOR, floor, 1.35, _AIM)

    small = _Store(bench, "one-run")
    jobs = {f"{name}, one run": partial(small.call, name) for name in ("status", "verify")}
    times = bench.compare(bench.size(10, 1), {FLOOR: bench.floor, **plain.others(), **jobs})
    floor = times.pop(FLOOR)
    for name, taken in times.items():
        bar, aim = (3.5, 2) if name in {*_FIRST_SEEN, *jobs} else (8, 5)
        yield Row(name, taken, "s", FLOOR, floor, bar, aim)


class _Store:
    """A store with a spec, a run and a release, and the commands that are called in it."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.folder: Path = bench.place(name)
        other = self.folder.parent / "other"  # to push to, and to pull from
        other.mkdir(exist_ok=True)
        bench.run(bench.aivcs, "init", cwd=other)
        for content in ("one", "two", "spare"):
            (self.folder / content).write_text(content[0] * 1024)
        puts = (self.call("blob", "put", name).out for name in ("one", "two", "spare"))
        self.one, self.two, self.spare = puts
        self.agent = self.call("spec", "create", "--partial", "--prompts", "one").out
        self.run_id = self.call("run", "start", "--agent", "bot", "--spec", self.one).out
        for spec in (self.one, self.two):
            self.call("release", "promote", "bot", spec)

    def call(self, *arguments: str, code: int = 0) -> Done:
        return self.bench.run(self.bench.aivcs, *arguments, cwd=self.folder, code=code)

    def hot(self) -> dict[str, Callable[[], Done]]:
        """The commands that scripts call in a loop, any number of times in any order."""
        words = {
            "blob put": ["one"],
            "blob get": [self.one],
            "blob has": [self.one],
            "run start": ["--agent", "bot", "--spec", self.one],
            "run log": [self.run_id, "tool_called", "tool_name=search", "step:=1"],
            "release promote": ["bot", self.one],
            "release current": ["bot"],
            "release history": ["bot", "-n", "20"],
        }
        jobs: dict[str, Callable[[], Done]] = {
            name: partial(self.call, *name.split(), *arguments) for name, arguments in words.items()
        }
        return {**jobs, "release rollback": self._roll_back, "run finish": self._finish}

    def _roll_back(self) -> Done:
        for spec in (self.one, self.two):
            self.call("release", "promote", "bot", spec)
        return self.call("release", "rollback", "bot")

    def _finish(self) -> Done:
        run_id = self.call("run", "start", "--agent", "bot", "--spec", self.one).out
        return self.call("run", "finish", run_id)

    def _remove(self, remove: Callable[[], Done]) -> Done:
        self.call("blob", "put", "spare")
        return remove()

    def others(self) -> dict[str, Callable[[], Done]]:
        """All other commands, help, and a mistake."""
        jobs: dict[str, Callable[[], Done]] = {
            name: partial(self.call, *name.split(), *self._words(arguments))
            for name, arguments in _OTHERS.items()
            if name in NAMES
        }
        jobs["blob rm"] = partial(self._remove, jobs["blob rm"])
        for name in sorted(set(NAMES) - _OTHERS.keys() - self.hot().keys() - _LEFT_OUT):
            self.bench.skip(f"{name}: no arguments for it are known here ({__name__})")
        jobs["--version"] = partial(self.call, "--version")
        jobs["--help"] = partial(self.call, "--help")
        jobs["run log --help"] = partial(self.call, "run", "log", "--help")
        jobs["a usage error"] = partial(self.call, "blob", "put", "--no-such-option", code=2)
        return jobs

    def _words(self, arguments: str) -> list[str]:
        named = {
            "SPEC": self.two, "AGENT": self.agent, "RUN": self.run_id, "SPARE": self.spare,
            "NONE": 64 * "0",
        }  # fmt: skip
        return [named.get(word, word) for word in arguments.split()]
