"""Copying between stores, against plain copies of the same files made durable: `cp -r` and `sync`.

A plain copy verifies nothing. rsync stands in for it where it is installed.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.harness import FLOOR, Done, Row
from benchmarks.stores import add_runs, write_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.harness import Bench


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the costs of a push, of a push of nothing, of a clone and of a bundle."""
    yield from _pushes(bench)
    yield from _large_blobs(bench)


def _pushes(bench: Bench) -> Iterator[Row]:
    runs = bench.size(10_000, 5)
    source, target = bench.place("sync-source"), bench.place("sync-target")
    add_runs(source, runs)
    bench.run(bench.aivcs, "remote", "add", "origin", target, cwd=source)

    def push() -> Done:
        shutil.rmtree(target / ".aivcs")
        bench.run(bench.aivcs, "init", cwd=target)
        bench.settle()
        # By its path: the remote is another store each time.
        return bench.run(bench.aivcs, "push", "../sync-target", cwd=source, keep=False)

    rounds = bench.size(2, 1)
    times = bench.compare(rounds, {"push": push, "copy": _copying(bench, source / ".aivcs")})
    against = f"{_copier()} and sync of the same files"
    yield Row(f"push, {runs:,} new runs", times["push"], "s", against, times["copy"], 2, 1.5)

    shutil.rmtree(target / ".aivcs")
    bench.run(bench.aivcs, "init", cwd=target)
    bench.run(bench.aivcs, "remote", "rm", "origin", cwd=source)
    bench.run(bench.aivcs, "remote", "add", "origin", target, cwd=source)
    for _ in range(3):  # what was settled is remembered once it is some seconds old
        bench.run(bench.aivcs, "push", cwd=source, keep=False)
        bench.run("sleep", str(bench.size(4, 0)))

    def push_nothing() -> Done:
        return bench.run(bench.aivcs, "push", cwd=source, keep=False)

    times = bench.compare(bench.size(15, 1), {FLOOR: bench.floor, "push": push_nothing})
    what = f"push of nothing, {runs:,} runs on both sides"
    yield Row(what, times["push"], "s", FLOOR, times[FLOOR], 10, 6)
    memory = bench.memory(bench.aivcs, "push", "--all", cwd=source)
    what = f"push --all, {runs:,} runs, memory"
    yield Row(what, memory, "MiB", "64 MiB", 64, 1)
    shutil.rmtree(source)
    shutil.rmtree(target)


def _large_blobs(bench: Bench) -> Iterator[Row]:
    mebibytes = bench.size(1024, 2)
    folder = bench.place("sync-blobs")
    noise = folder / "noise"
    for _ in range(8):
        write_noise(noise, (mebibytes << 20) // 8)
        bench.run(bench.aivcs, "blob", "put", "noise", cwd=folder)
    noise.unlink()
    clone, bundle, tar = bench.folder / "clone", bench.folder / "b.tar", bench.folder / "t.tar"

    def cloning() -> Done:
        shutil.rmtree(clone, ignore_errors=True)
        bench.settle()
        return bench.run(bench.aivcs, "clone", folder, clone)

    def bundling() -> Done:
        bundle.unlink(missing_ok=True)
        bench.settle()
        return bench.run(bench.aivcs, "bundle", "create", bundle, cwd=folder)

    def archiving() -> Done:
        tar.unlink(missing_ok=True)
        bench.settle()
        return bench.run("sh", "-c", 'tar cf "$1" "$2" && sync "$1"', "-", tar, folder / ".aivcs")

    jobs: dict[str, Callable[[], Done]] = {
        "clone": cloning, "copy": _copying(bench, folder / ".aivcs"), "bundle": bundling,
        "tar": archiving,
    }  # fmt: skip
    times = bench.compare(bench.size(3, 1), jobs)
    what = f"clone, {mebibytes:,} MiB in 8 blobs"
    yield Row(what, times["clone"], "s", f"{_copier()} and sync", times["copy"], 1.5, 1.2)
    what = f"bundle create, {mebibytes:,} MiB in 8 blobs"
    yield Row(what, times["bundle"], "s", "tar and sync", times["tar"], 1.5, 1.2)
    shutil.rmtree(folder)
    shutil.rmtree(clone, ignore_errors=True)
    bundle.unlink(missing_ok=True)
    tar.unlink(missing_ok=True)


def _copier() -> str:
    return "rsync -a" if shutil.which("rsync") else "cp -r"


def _copying(bench: Bench, source: Path) -> Callable[[], Done]:
    copy = bench.folder / "plain copy"

    def copying() -> Done:
        shutil.rmtree(copy, ignore_errors=True)
        bench.settle()
        script = f'{_copier()} "$1/" "$2" && find "$2" -type f -print0 | xargs -0 sync'
        done = bench.run("sh", "-c", script, "-", source, copy)
        shutil.rmtree(copy)
        return done

    return copying
