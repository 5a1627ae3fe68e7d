"""The subjects, in the order in which they are measured: each yields rows of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.subjects import (
    blobs,
    execution,
    finding,
    growth,
    listing,
    loops,
    memory,
    million,
    peers,
    postgres,
    s3,
    startup,
    streams,
    sync,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Bench, Row

SUBJECTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "startup": startup.measure,
    "streams": streams.measure,
    "loops": loops.measure,
    "execution": execution.measure,
    "growth": growth.measure,
    "listing": listing.measure,
    "finding": finding.measure,
    "blobs": blobs.measure,
    "verify": verify.measure,
    "sync": sync.measure,
    "memory": memory.measure,
    "million": million.measure,
    "peers": peers.measure,
    "postgres": postgres.measure,
    "s3": s3.measure,
}
