"""A shell loop of events through the shell session, against a loop of `git hash-object`.

The session's time includes its start, and a last `aivcs_flush` until every event is durable. The
peer stores one small text a turn, in a tenth of the turns, and makes nothing durable.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Done, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Bench

_SESSION = """
eval "$(aivcs shell-init)"
for ((i = 0; i < $1; i++)); do
    aivcs_log tool_called tool_name=search path=src/main.py step:=$i text='what was found there'
done
aivcs_flush
"""
_GIT = """
for ((i = 0; i < $1; i++)); do
    git hash-object -w --stdin <<<"tool_called tool_name=search path=src/main.py $i" >/dev/null
done
"""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the rate of the loop in each shell that is installed."""
    events = bench.size(10_000, 20)
    folder = bench.place("loops")
    (folder / "spec").write_text("spec\n")

    def session(shell: str) -> Done:
        start = ("run", "start", "--agent", "bot", "--spec-file", "spec")
        run_id = bench.run(bench.aivcs, *start, cwd=folder).out
        script = (shell, "-c", _SESSION, "-", str(events))
        done = bench.run(*script, cwd=folder, environment={"AIVCS_RUN": run_id})
        stored = bench.run(bench.aivcs, "run", "events", run_id, cwd=folder).out.count("\n") + 1
        assert stored == events, f"{stored} of {events} events are there"
        return done

    jobs = {shell: partial(session, shell) for shell in ("bash", "zsh") if shutil.which(shell)}
    if not shutil.which("git"):
        bench.skip("loops: git is not installed")
        return
    turns = events // 10
    bench.run("git", "init", "-q", folder / "git")
    jobs["git"] = partial(bench.run, "bash", "-c", _GIT, "-", str(turns), cwd=folder / "git")
    times = bench.compare(bench.size(3, 1), jobs)
    peer = turns / times.pop("git")
    for shell, taken in times.items():
        what = f"aivcs_log in {shell}, {events:,} events and aivcs_flush"
        against = "a loop of git hash-object -w --stdin"
        yield Row(what, events / taken, "events/s", against, peer, 35, 60, least=True)
