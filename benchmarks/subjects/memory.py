"""The most memory resident while a long log is read, against a short one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import stores
from benchmarks.harness import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Bench


def measure(bench: Bench) -> Iterator[Row]:
    """Yields what streams must not need more of when they are long."""
    folder = bench.place("memory")
    events, many = bench.size(1_000_000, 100), bench.size(100_000, 100)
    for size in (10, many):
        stores.add_releases(folder, f"bot-{size}", size)
    runs = {size: stores.run_of_events(bench, folder, size) for size in (10, events)}
    listed = {size: stores.of_runs(bench, size) for size in (10, many)}
    for place in listed.values():
        bench.run(bench.aivcs, "run", "list", "-n", "1", cwd=place)  # makes the index
    for what, size, command, places in (
        ("run events", events, lambda size: (runs[size],), None),
        ("run events --json", events, lambda size: (runs[size], "--json"), None),
        ("release history", many, lambda size: (f"bot-{size}",), None),
        ("run list", many, lambda _: (), listed),
    ):
        short, long = (
            bench.memory(
                bench.aivcs,
                *what.split()[:2],
                *command(each),
                cwd=places[each] if places else folder,
            )
            for each in (10, size)
        )
        yield Row(f"{what}, {size:,} of them", long, "MiB", f"{what}, 10", short, 2, 1.25)
    yield from of_whole_stores(bench, listed, 2, 1.25)
    places = {size: _run_alone(bench, size) for size in (10, events)}
    yield _row(bench, "verify, events", places, "verify")
    places = {size: _releases_alone(bench, size) for size in (10, many)}
    yield _row(bench, "verify, releases of a name", places, "verify")
    places = {size: _blobs(bench, size) for size in (10, many)}
    yield _row(bench, "gc --dry-run, blobs named and as many not", places, "gc", "--dry-run")


def of_whole_stores(
    bench: Bench, places: dict[int, Path], bar: float, aim: float | None = None
) -> Iterator[Row]:
    """Yields what reads all runs of a large store and of a small one, by their numbers of runs."""
    yield _row(bench, "verify, runs", places, "verify", bar=bar, aim=aim)
    yield _row(bench, "gc --dry-run, runs", places, "gc", "--dry-run", bar=bar, aim=aim)
    # Last, since its manifest is a long blob to all others.
    yield _row(bench, "head, runs", places, "head", bar=bar, aim=aim)
    heads = {size: bench.run(bench.aivcs, "head", cwd=place).out for size, place in places.items()}
    short, long = (
        bench.memory(bench.aivcs, "verify", "--head", heads[size], cwd=places[size])
        for size in sorted(places)
    )
    yield Row(
        f"verify --head, runs, {max(places):,} of them", long, "MiB", "verify --head, runs, 10",
        short, bar, aim,
    )  # fmt: skip
    for place, head in zip(places.values(), heads.values(), strict=True):
        bench.run(bench.aivcs, "blob", "unpin", head, cwd=place)
        bench.run(bench.aivcs, "blob", "rm", head, cwd=place)


def _row(
    bench: Bench,
    what: str,
    places: dict[int, Path],
    *command: str,
    bar: float = 2,
    aim: float | None = 1.25,
) -> Row:
    """Compares a command in a large store with the same in a small one."""
    (few, short), (many, long) = (
        (size, bench.memory(bench.aivcs, *command, cwd=places[size])) for size in sorted(places)
    )
    return Row(f"{what}, {many:,} of them", long, "MiB", f"{what}, {few}", short, bar, aim)


def _run_alone(bench: Bench, events: int) -> Path:
    place = bench.place(f"memory-events-{events}")
    stores.run_of_events(bench, place, events)
    return place


def _releases_alone(bench: Bench, count: int) -> Path:
    place = bench.place(f"memory-releases-{count}")
    stores.add_releases(place, "bot", count)
    return place


def _blobs(bench: Bench, count: int) -> Path:
    """A store with so many blobs that pinned ones name, and as many that nothing does; old."""
    place = bench.place(f"memory-blobs-{count}")
    stores.add_old_blobs(place, count)
    return place
