"""What a command costs in a log that is long, against the same command in one that is short."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import stores
from benchmarks.harness import FLOOR, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Bench, Done

_EVENTS = "run log"
_RELEASES = ("release promote", "release current", "release history -n 20")
_LIST = "run list -n 20"


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the longest against the shortest, and leaves the curves in between."""
    powers = range(1, bench.size(5, 2) + 1)
    folder = bench.place("growth")
    jobs: dict[tuple[str, int], Callable[[], Done]] = {}
    for size in [*(10**power for power in powers), bench.size(1_000_000, 1_000)]:
        run_id = stores.run_of_events(bench, folder, size)
        jobs[_EVENTS, size] = partial(
            bench.run, bench.aivcs, "run", "log", run_id, "tool_called", "step:=1", cwd=folder
        )
    spec = bench.run(bench.aivcs, "blob", "put", "/dev/null", cwd=folder).out
    for size in (10**power for power in powers):
        name = f"bot-{size}"
        stores.add_releases(folder, name, size)
        for command, words in zip(_RELEASES, ([name, spec], [name], [name]), strict=True):
            jobs[command, size] = partial(
                bench.run, bench.aivcs, *command.split(), *words, cwd=folder
            )
    for size in (10**power for power in powers):
        jobs[_LIST, size] = partial(
            bench.run, bench.aivcs, *_LIST.split(), cwd=stores.of_runs(bench, size)
        )
        jobs[_LIST, size]()  # makes the index

    named = {f"{command} {size}": job for (command, size), job in jobs.items()}
    times = bench.compare(bench.size(60, 1), {FLOOR: bench.floor, **named})
    bench.curves[FLOOR] = {0: times[FLOOR]}
    for command, size in jobs:
        bench.curves.setdefault(command, {})[size] = times[f"{command} {size}"]
    for command in (_EVENTS, *_RELEASES):
        curve = bench.curves[command]
        things = "events" if command == _EVENTS else "releases"
        longest = max(curve)
        yield Row(
            f"{command}, where there are {longest:,} {things}",
            curve[longest], "s", f"{command}, where there are 10", curve[10], 1.2, 1.05,
        )  # fmt: skip
