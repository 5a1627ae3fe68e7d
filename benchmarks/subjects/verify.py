"""Verifying a store, against processes that hash the same files: one, and one for each processor.

What one process takes is how fast a processor hashes. What several take at once tells how much of
the other processors was to be had in the same minutes; on a machine that does other work it is less
than their number says.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from benchmarks.harness import Done, Row
from benchmarks.stores import write_noise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Bench


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the speed of `verify`, with all files in the page cache if they fit."""
    mebibytes, blobs = bench.size(4096, 4), bench.size(64, 4)
    folder = bench.place("verify")
    source = folder / "source"
    for _ in range(blobs):
        write_noise(source, (mebibytes << 20) // blobs)
        bench.run(bench.aivcs, "blob", "put", "source", cwd=folder)
    files = [path for path in (folder / ".aivcs" / "objects").rglob("*") if path.is_file()]

    def openssl() -> Done:
        return bench.run("openssl", "dgst", "-sha256", *files)

    processors = os.cpu_count() or 1
    listed = folder / "files"
    listed.write_text("".join(f"{path}\n" for path in files))
    each = -(-len(files) // processors)

    def together() -> Done:
        hashing = ("xargs", f"-P{processors}", f"-n{each}", "openssl", "dgst", "-sha256")
        return bench.run(*hashing, stdin=listed)

    def ours() -> Done:
        return bench.run(bench.aivcs, "verify", cwd=folder)

    times = bench.compare(
        bench.size(3, 1), {"openssl": openssl, "together": together, "ours": ours}
    )
    speeds = {name: mebibytes / taken for name, taken in times.items()}
    what = f"verify, {mebibytes:,} MiB in {blobs} blobs"
    against = "openssl dgst -sha256 of the same files, one process"
    yield Row(what, speeds["ours"], "MiB/s", against, speeds["openssl"], 1.5, 1.9, least=True)
    against = f"openssl dgst -sha256 of the same files, {processors} processes"
    yield Row(what, speeds["ours"], "MiB/s", against, speeds["together"], 0.85, 0.95, least=True)
    shutil.rmtree(folder)
