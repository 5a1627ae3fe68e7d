"""A command's output through `aivcs run exec`, against `tee FILE`.

`cat` writes a file of short lines to a pipe whose other end is read by `wc -c`. What is timed is
the whole pipeline: until the reader had it all, and the run was ended and durable, too (`tee` makes
nothing durable). What a start of it costs is a row of the subject startup.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Done, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Bench

_LINE = b"line %07d of what a command printed, and it is this long\n"


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the rate of each kind of capture."""
    folder = bench.place("execution")
    (folder / "spec").write_text("spec\n")
    block = b"".join(_LINE % number for number in range(1 << 14))
    with open(folder / "output", "wb") as file:
        while file.tell() < bench.size(1024, 1) << 20:
            file.write(block)
        size = file.tell()

    def passed(command: str) -> Done:
        pipeline = f"set -o pipefail; {command} | wc -c"
        done = bench.run("bash", "-c", pipeline, cwd=folder)
        assert int(done.out) == size, f"{done.out} of {size} bytes came"
        shutil.rmtree(folder / ".aivcs")
        bench.run(bench.aivcs, "init", cwd=folder)
        return done

    record = "aivcs run exec --agent bot --spec-file spec --capture"
    jobs = {
        kind: partial(passed, f"{record} {kind} -- cat output")
        for kind in ("none", "blobs", "lines")
    }
    jobs["tee"] = partial(passed, "cat output | tee copy")
    times = bench.compare(bench.size(3, 1), jobs)
    rate = size / 2**20 / times.pop("tee")
    for kind, taken in times.items():
        what = f"run exec --capture {kind}, {size >> 20:,} MiB"
        yield Row(what, size / 2**20 / taken, "MiB/s", "cat | tee FILE", rate, least=True)
