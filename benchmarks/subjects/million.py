"""A store of a million runs: listing, statistics, the index, and the memory of what reads them all.

Filling it takes several minutes and 8 GiB, so it is measured only where `--million DIR` names a
folder for it, which is kept for the next time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import stores
from benchmarks.harness import FLOOR, Row
from benchmarks.subjects.listing import index_from_nothing
from benchmarks.subjects.memory import of_whole_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Bench


def measure(bench: Bench) -> Iterator[Row]:
    """Yields times against the bare interpreter and `cat`, memory against a store of ten runs."""
    if bench.million is None and not bench.quick:
        bench.skip("a million runs: no --million DIR")
        return
    count = bench.size(1_000_000, 100)
    large = (bench.million or bench.folder / "million").absolute()
    if not (large / "filled").exists():
        large.mkdir(parents=True, exist_ok=True)
        stores.add_runs(large, count)
        (large / "filled").touch()
    yield from _times(bench, large, count)
    yield from of_whole_stores(bench, {10: stores.of_runs(bench, 10), count: large}, 1.3)


def _times(bench: Bench, large: Path, count: int) -> Iterator[Row]:
    yield index_from_nothing(bench, large, count, 1, bar=2, aim=1.2)
    aivcs = partial(bench.run, bench.aivcs, cwd=large)
    times = bench.compare(
        bench.size(10, 1),
        {
            FLOOR: bench.floor,
            "run list -n 20": partial(aivcs, "run", "list", "-n", "20"),
            "run stats": partial(aivcs, "run", "stats"),
            "TAB for a RUN": partial(aivcs, "__complete", "run", "run", "show", ""),
        },
    )
    for what, bar in (("run list -n 20", 3), ("run stats", 40), ("TAB for a RUN", 3)):
        yield Row(f"{what}, {count:,} runs", times[what], "s", FLOOR, times[FLOOR], bar)
