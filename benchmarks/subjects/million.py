"""A store of a million runs: listing, statistics, the index, and the memory of what reads them all.

Filling it takes several minutes and 8 GiB, so it is measured only where `--million DIR` names a
folder for it, which is kept for the next time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import stores
from benchmarks.harness import FLOOR, Done, Row
from benchmarks.subjects.listing import CAT

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
    yield from _memory(bench, large, count)


def _times(bench: Bench, large: Path, count: int) -> Iterator[Row]:
    store = large / ".aivcs"
    few = partial(bench.run, bench.aivcs, "run", "list", "-n", "20", cwd=large)

    def rebuild() -> Done:
        (store / "index.sqlite").unlink(missing_ok=True)
        return few()

    def cat() -> Done:
        return bench.run("sh", "-c", CAT, "sh", store / "runs", keep=False)

    cat()
    slow = bench.compare(1, {"cat": cat, "rebuild": rebuild})
    times = bench.compare(
        bench.size(10, 1),
        {
            FLOOR: bench.floor,
            "run list -n 20": few,
            "run stats": partial(bench.run, bench.aivcs, "run", "stats", cwd=large),
            "TAB for a RUN": partial(
                bench.run, bench.aivcs, "__complete", "run", "run", "show", "", cwd=large
            ),
        },
    )
    for what, bar in (("run list -n 20", 3), ("run stats", 40), ("TAB for a RUN", 3)):
        yield Row(f"{what}, {count:,} runs", times[what], "s", FLOOR, times[FLOOR], bar)
    what = f"index of {count:,} runs from nothing, and list"
    yield Row(what, slow["rebuild"], "s", "cat of the same logs", slow["cat"], 2, 1.2)


def _memory(bench: Bench, large: Path, count: int) -> Iterator[Row]:
    small = stores.of_runs(bench, 10)
    places = {10: small, count: large}
    heads = {size: bench.run(bench.aivcs, "head", cwd=place).out for size, place in places.items()}
    try:
        for words in (["gc", "--dry-run"], ["head"], ["verify", "--head"]):
            short, long = (
                bench.memory(bench.aivcs, *words, *_head_of(words, heads[size]), cwd=place)
                for size, place in places.items()
            )
            what = f"{' '.join(words)}, {count:,} runs"
            yield Row(what, long, "MiB", f"{' '.join(words)}, 10 runs", short, 1.3)
    finally:
        for size, place in places.items():
            bench.run(bench.aivcs, "blob", "unpin", heads[size], cwd=place)
            bench.run(bench.aivcs, "blob", "rm", heads[size], cwd=place)


def _head_of(words: list[str], head: str) -> list[str]:
    """Returns the argument of `verify --head`."""
    return [head] if words[-1] == "--head" else []
