"""The most memory resident while a long log is read, against a short one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import stores
from benchmarks.harness import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    used = bench.memory(bench.aivcs, "verify", cwd=folder)
    bare = bench.memory(bench.python, "-c", "pass", cwd=folder)
    yield Row("verify of those runs and releases", used, "MiB", "python -c pass", bare)
