"""Listing runs in a store that has very many: with an index that is warm, stale, or not there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import stores
from benchmarks.harness import FLOOR, Done, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.harness import Bench

_NEW = 100
"""Runs that are added before each refresh."""
_REFRESH = 30
"""Interpreter starts that a refresh may cost: 0.3 s where one takes 10 ms."""
_CAT = 'find "$1" -name "*.jsonl" -print0 | xargs -0 cat'
"""A script that reads every log below its argument."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields lists against the bare interpreter, and the making of the index against `cat`."""
    count = bench.size(100_000, 100)
    folder = stores.of_runs(bench, count)
    few = partial(bench.run, bench.aivcs, "run", "list", "-n", "20", cwd=folder)
    tab = partial(bench.run, bench.aivcs, "__complete", cwd=folder)
    row = index_from_nothing(bench, folder, count, 3, bar=3)
    warm = bench.compare(
        bench.size(20, 1),
        {
            FLOOR: bench.floor,
            "": few,
            " --agent": partial(few, "--agent", stores.AGENTS[6]),
            " --status": partial(few, "--status", "failed"),
            " --json": partial(few, "--json"),
            "TAB for a RUN": partial(tab, "run", "run", "show", ""),
            "TAB for an --agent": partial(tab, "agent", "run", "list", "--agent", ""),
        },
    )
    for option in ("", " --agent", " --status", " --json"):
        what = f"run list -n 20{option}, {count:,} runs"
        yield Row(what, warm[option], "s", FLOOR, warm[FLOOR], 4, 2.5)
    for press in ("TAB for a RUN", "TAB for an --agent"):
        yield Row(f"{press}, {count:,} runs", warm[press], "s", FLOOR, warm[FLOOR], 3)
    yield row

    seeds = iter(range(2, 100))

    def refresh() -> Done:
        stores.add_runs(folder, _NEW, seed=next(seeds), days=1 / 24)
        return few()

    jobs: dict[str, Callable[[], Done]] = {"refresh": refresh, "warm": few, FLOOR: bench.floor}
    times = bench.compare(bench.size(5, 1), jobs)
    more = times["refresh"] - times["warm"]
    what = f"list after {_NEW} new runs, more than a warm one"
    yield Row(what, more, "s", FLOOR, times[FLOOR], _REFRESH)


def index_from_nothing(
    bench: Bench, folder: Path, count: int, rounds: int, *, bar: float, aim: float | None = None
) -> Row:
    """Measures a list that makes the index first, against reading all logs; leaves the index."""
    store = folder / ".aivcs"

    def cat() -> Done:
        return bench.run("sh", "-c", _CAT, "sh", store / "runs", keep=False)

    def rebuild() -> Done:
        (store / "index.sqlite").unlink(missing_ok=True)
        return bench.run(bench.aivcs, "run", "list", "-n", "20", cwd=folder)

    cat()  # from memory in all rounds, as far as it has room
    times = bench.compare(bench.size(rounds, 1), {"cat": cat, "rebuild": rebuild})
    what = f"index of {count:,} runs from nothing, and list"
    return Row(what, times["rebuild"], "s", "cat of the same logs", times["cat"], bar, aim)
