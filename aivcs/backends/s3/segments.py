"""Segments of the index: the rows of some thousand runs that have ended, in one object.

Garbage collection moves rows to a segment and removes them when the segment is there for good. So
who lists the rows first and the segments then sees each run at least once; a run that is seen in
both is one. A segment does not change; where a run is erased, another one takes its place. Its name
tells the times of its newest and oldest run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import BackendError
from aivcs.log import chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.backends.s3.client import Client

FOLDER = "index/segments"
SIZE = 1000
"""Rows of a segment, at most."""
LEAST = 500
"""Rows for which a segment is made, at least: fewer are read one by one."""


class EndedRun(NamedTuple):
    """First and last line of the log of a run that has ended.

    Attributes:
        place: The time and the id of the run, as in the key of its row.
        first: The first line.
        last: The last line.
        before: The hash of the line before the last.
    """

    place: str
    first: bytes
    last: bytes
    before: str


class Segment(NamedTuple):
    """A segment by its name.

    Attributes:
        newest: The time of its newest run, as in the keys of rows.
        oldest: The time of its oldest run.
        name: Its name.
    """

    newest: str
    oldest: str
    name: str


class Segments:
    """The segments of a store. Thread-safe."""

    def __init__(self, client: Client) -> None:
        """Takes the client of the store."""
        self._client = client

    def listed(self) -> list[Segment]:
        """Returns all segments, the one with the newest run first."""
        found = []
        for entry in self._client.entries(FOLDER):
            name = entry.key.rpartition("/")[2]
            parts = name.split("-")
            if len(parts) == 3 and parts[0].isdecimal() and parts[1].isdecimal():
                found.append(Segment(parts[0], parts[1], name))
        return sorted(found)

    def read(self, segment: Segment) -> list[EndedRun] | None:
        """Returns the runs of a segment, without any that is damaged; None if it is gone."""
        found = self._client.get(f"{FOLDER}/{segment.name}")
        return None if found is None else list(_runs_in(found.data))

    def write(self, runs: Iterable[EndedRun]) -> Segment:
        """Makes a segment, and reads it back.

        Raises:
            BackendError: It is not what was written.
        """
        ordered = sorted(runs)
        data = b"".join(
            b"%b %b\n%b\n%b\n" % (run.place.encode(), run.before.encode(), run.first, run.last)
            for run in ordered
        )
        newest, oldest = (run.place.partition("-")[0] for run in (ordered[0], ordered[-1]))
        segment = Segment(newest, oldest, f"{newest}-{oldest}-{os.urandom(8).hex()}")
        place = f"{FOLDER}/{segment.name}"
        self._client.create(place, data)
        stored = self._client.get(place)
        if stored is None or stored.data != data:
            raise BackendError(f"{place} is not what was written; the rows stay as they are")
        return segment

    def remove(self, segment: Segment) -> None:
        """Removes a segment, whose runs are elsewhere."""
        self._client.delete(f"{FOLDER}/{segment.name}")


def _runs_in(data: bytes) -> Iterator[EndedRun]:
    lines = data.split(b"\n")
    for at in range(0, len(lines) - 3, 3):
        place, _, before = lines[at].decode("utf-8", "replace").partition(" ")
        first, last = lines[at + 1 : at + 3]
        if chain.is_linked(first, "") and chain.is_linked(last, before):
            yield EndedRun(place, first, last, before)
