"""Blobs, one large and many small, durable and verified, against the tools that do half of it."""

from __future__ import annotations

import shutil
from itertools import count as count_up
from typing import TYPE_CHECKING

from benchmarks.harness import Done, Row
from benchmarks.stores import write_noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness import Bench

_LIMIT = 64.0
"""MiB that a command may have resident, however large a blob is."""
_GIT = (
    "git", "-c", "core.fsync=loose-object", "-c", "core.fsyncMethod=batch",
    "hash-object", "-w", "--stdin-paths",
)  # fmt: skip


def measure(bench: Bench) -> Iterator[Row]:
    """Yields time and memory of a large blob, and the time of many small ones."""
    yield from _large(bench)
    if shutil.which("git"):
        yield from _small(bench)
    else:
        bench.skip("small files: git is not installed")


def _large(bench: Bench) -> Iterator[Row]:
    mebibytes = bench.size(1024, 1)
    folder = bench.place("large")
    source, copy, objects = folder / "source", folder / "copy", folder / ".aivcs" / "objects"
    write_noise(source, mebibytes << 20)
    put = (bench.aivcs, "blob", "put", "source")
    digest = bench.run(*put, cwd=folder).out
    get = (bench.aivcs, "blob", "get", digest, "-o", "copy")

    def anew(path: Path, *command: str) -> Done:
        """Runs a command that makes this path, where nothing is and nothing waits for the disk."""
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        bench.settle()
        _free_some_memory(folder / "scratch", mebibytes)
        return bench.run(*command, cwd=folder)

    times = bench.compare(
        bench.size(5, 1),
        {
            "put": lambda: anew(objects / digest[:2], *put),
            "cp and sync": lambda: anew(copy, "sh", "-c", "cp source copy && sync copy"),
            "openssl dgst -sha256": lambda: bench.run("openssl", "dgst", "-sha256", source),
            "get": lambda: anew(copy, *get),
        },
    )
    faster, slower = sorted(("cp and sync", "openssl dgst -sha256"), key=lambda name: times[name])
    against = f"{slower}, the slower of that and {faster}"
    size = f"{mebibytes:,} MiB"
    yield Row(f"blob put, {size}", times["put"], "s", against, times[slower], 1.4, 1.1)
    yield Row(f"blob get -o, {size}", times["get"], "s", against, times[slower], 1.4, 1.1)
    shutil.rmtree(objects / digest[:2])
    copy.unlink()
    for name, command in {"blob put": put, "blob get -o": get}.items():
        used = bench.memory(*command, cwd=folder)
        yield Row(f"{name}, {size}, memory", used, "MiB", "a limit", _LIMIT, 1)
    for path in (source, copy, objects / digest[:2] / digest[2:]):
        path.unlink()


def _free_some_memory(path: Path, mebibytes: int) -> None:
    """Has the kernel know of so many pages that are free and were in use a moment ago.

    Under a virtual machine that gives free memory back, others cost ten times what is copied into
    them, and whoever comes first pays; so all come second.
    """
    with path.open("wb") as file:
        path.unlink()
        for _ in range(mebibytes):
            file.write(bytes(1 << 20))


def _small(bench: Bench) -> Iterator[Row]:
    count = bench.size(10_000, 20)
    folder = bench.place("small")
    sources = folder / "sources"
    sources.mkdir()
    paths = [sources / str(number) for number in range(count)]
    for path in paths:
        path.write_text(f"{path}\n" * 10)
    names = folder / "names"
    names.write_text("".join(f"{path}\n" for path in paths))
    bench.run("git", "init", "-q", folder / "git")

    # Nothing is deleted between the rounds: a file system that looks for room passes over what was
    # deleted in the last minute, which takes longer than to write the files.
    numbers = count_up()

    def ours() -> Done:
        (folder / ".aivcs").rename(folder / f"store-{next(numbers)}")
        bench.run(bench.aivcs, "init", cwd=folder)
        bench.settle()
        return bench.run(bench.aivcs, "blob", "put", "--stdin-paths", cwd=folder, stdin=names)

    def git() -> Done:
        (folder / "git").rename(folder / f"git-{next(numbers)}")
        bench.run("git", "init", "-q", folder / "git")
        bench.settle()
        return bench.run(*_GIT, cwd=folder / "git", stdin=names)

    times = bench.compare(bench.size(3, 1), {"ours": ours, "git": git})
    what = f"blob put --stdin-paths, {count:,} small files"
    against = "git hash-object -w --stdin-paths, fsyncMethod=batch"
    yield Row(what, times["ours"], "s", against, times["git"], 0.22, 0.1)
