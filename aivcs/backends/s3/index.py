"""The index of runs: an object for each, named so that the newest comes first.

A row has the first line of a run's log, and its last line once the run has ended. It is written
before the log begins, so that no run is without one, and again after the end. A row that lags tells
of a running run, whose log is then read. Garbage collection moves rows of ended runs to segments
(`aivcs.backends.s3.segments`). `aivcs verify --repair` writes rows that are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.backends.s3.rows_cache import Row, order_of
from aivcs.backends.s3.segments import LEAST, SIZE, EndedRun
from aivcs.errors import AivcsError, StorageError
from aivcs.log import chain, run as rules
from aivcs.model.run import RunId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from aivcs.backends.s3.client import Client, Stored
    from aivcs.backends.s3.erasing_lock import ErasingLocks
    from aivcs.backends.s3.rows_cache import RowsCache
    from aivcs.backends.s3.segments import Segment, Segments

    Place = tuple[str, str]
    Result = TypeVar("Result")

FOLDER = "index/runs"
_LIMIT = 10**17
"""A run's key holds this minus its time in microseconds, so that the newest sorts first."""
_DIGITS = 17
_BEFORE = "before"
"""The member of a row's metadata with the hash of the line before the last."""
_READ = 256
"""Rows read at once when segments are made."""
_SEGMENTS = 4
"""Segments read at once: each has about a megabyte."""


def row_key(line: bytes) -> str:
    """Returns the key of the row of a run by the first line of its log; empty for another line.

    Raises:
        IntegrityError: The line is not an entry of a log.
    """
    entry = chain.members(line)
    if entry["type"] != "run":
        return ""
    try:
        moment = moment_of(str(entry.get("created_at")))
    except ValueError:
        return ""
    return f"{FOLDER}/{moment}-{entry.get('run_id')}"


def moment_of(created_at: str) -> str:
    """Returns a time as it is in the key of a row: a later one sorts before an earlier one.

    Raises:
        ValueError: The text is not a time.
    """
    from datetime import datetime

    left = _LIMIT - round(datetime.fromisoformat(created_at).timestamp() * 1_000_000)
    return f"{min(max(left, 0), _LIMIT - 1):0{_DIGITS}d}"


class Rows:
    """Writes and reads rows. Thread-safe.

    Attributes:
        segments: The segments of the index.
        cache: The rows of runs that have ended, on this machine.
    """

    def __init__(self, client: Client, segments: Segments, cache: RowsCache) -> None:
        """Takes the client of the store, the segments, and the cache."""
        self._client = client
        self.segments = segments
        self.cache = cache

    def begin(self, log: str, lines: list[bytes]) -> None:
        """Writes the row of a run that is about to begin."""
        key = row_key(lines[0][:-1]) if log.startswith("run/") else ""
        if key:
            self._client.put(key, lines[0])

    def end(self, log: str, lines: list[bytes], before: str, first: Callable[[], bytes]) -> None:
        """Writes the row of a run if it has just ended. Never fails: the end is stored already."""
        if log.startswith("run/") and lines[-1].startswith(b'{"type":"end"'):
            try:
                self.write(first(), lines[-1][:-1], before)
            except AivcsError:
                pass  # the run is listed by its log

    def write(self, first: bytes, last: bytes, before: str) -> None:
        """Writes the row of a run that has ended."""
        data = b"".join((first, b"\n", last, b"\n"))
        self._client.put(row_key(first), data, {_BEFORE: before})

    def pages(self) -> Iterator[tuple[list[Place], bool]]:
        """Yields time and id of each run with a row, in the order of lists, in pages.

        With each comes whether it took a request: rows may have moved to segments since, so these
        are listed after each request.
        """
        kept: list[Place] = []
        for page in self._client.pages(FOLDER):
            places = [place for entry in page if (place := _place_of(entry.key))]
            if not places:
                continue
            # Runs of the same time may go on in the next page, and come the other way round.
            kept += places
            last = kept[-1][0]
            yield sorted((p for p in kept if p[0] < last), key=lambda p: order_of(*p)), True
            kept = [place for place in kept if place[0] == last]
        # Without any row there was a request, too; otherwise these came with the last page.
        yield sorted(kept, key=lambda p: order_of(*p)), not kept

    def places(self) -> list[Place]:
        """Returns time and id of all runs with a row, in the order of lists."""
        return [place for page, _ in self.pages() for place in page]

    def each(self, act: Callable[[Place], Result], places: Iterable[Place]) -> Iterator[Result]:
        """Calls a function for each of some runs, several at a time; yields the results."""
        return self._client.each(act, places)

    def read(self, places: list[Place]) -> dict[Place, Row]:
        """Returns the rows of some runs, as far as these have ended."""
        known = self.cache.get(places)
        wanted = [place for place in places if place not in known]
        stored = self._client.each(self._client.get, map(_key_of, wanted))
        fresh = {}
        for place, found in zip(wanted, stored, strict=True):
            row = None if found is None else _row_of(_ended_run(place, found))
            if row is not None:
                fresh[place] = row
        if fresh:
            self.cache.add(fresh.values())
        return known | fresh

    def make_segments(self, locks: ErasingLocks) -> None:
        """Moves the rows of runs that have ended to segments, if there are many.

        Raises:
            LockTimeoutError: A run was erased meanwhile that is in a segment now, and others erase.
        """
        places = self.places()
        ended: list[EndedRun] = []
        while len(places) + len(ended) >= LEAST:
            if places:
                part, places = places[-_READ:], places[:-_READ]
                stored = self._client.each(self._client.get, map(_key_of, part))
                for place, found in zip(part, stored, strict=True):
                    run = None if found is None else _ended_run(place, found)
                    if run is not None and _row_of(run) is not None:
                        ended.append(run)
            if len(ended) >= SIZE or (not places and len(ended) >= LEAST):
                moved, ended = ended[:SIZE], ended[SIZE:]
                self.segments.write(moved)
                keys = sorted(f"{FOLDER}/{run.place}" for run in moved)
                # Who erases a run removes its row, and looks into the segments after that: it may
                # have looked before there was this one.
                gone = set(keys) - set(self._listed(keys[0], keys[-1]))
                self.drop({key.rpartition("/")[2] for key in gone}, locks)
                for _ in self._client.each(self._client.delete, keys):
                    pass
            elif not places:
                return

    def _listed(self, first: str, last: str) -> Iterator[str]:
        """Yields the keys of the rows that there are, from one to another."""
        for entry in self._client.entries(FOLDER, first[:-1]):
            if entry.key > last:
                return
            yield entry.key

    def load(self, wanted: list[Segment]) -> bool:
        """Adds the rows of segments to the cache; tells whether all of these are there still."""
        read = self._client.each(self.segments.read, wanted, _SEGMENTS)
        are_there = True
        for segment, runs in zip(wanted, read, strict=True):
            if runs is None:
                are_there = False
                continue
            rows = [row for run in runs if (row := _row_of(run)) is not None]
            self.cache.add(rows, segment.name)
        return are_there

    def remove(self, firsts: list[bytes], locks: ErasingLocks) -> None:
        """Removes the rows of runs, and makes the segments that have them anew without them.

        Args:
            firsts: The first line of the log of each.
            locks: The locks of those who erase.

        Raises:
            LockTimeoutError: Others erase all the time.
        """
        keys = {key for first in firsts if (key := row_key(first))}
        places = {key.rpartition("/")[2] for key in keys}
        for _ in self._client.each(self._client.delete, keys):
            pass
        self.drop(places, locks)
        if self.cache.is_possible():
            self.cache.forget((place[:_DIGITS], place[_DIGITS + 1 :]) for place in places)

    def drop(self, places: set[str], locks: ErasingLocks) -> None:
        """Makes the segments that have some runs anew without them.

        Two at once would each write the other's runs again, so only one does it at a time.

        Args:
            places: The time and the id of each, as in the key of its row.
            locks: The locks of those who erase.

        Raises:
            LockTimeoutError: Others do it all the time.
        """
        if not places:
            return
        from aivcs.backends.s3.erasing_lock import INDEX

        with locks.hold(INDEX) as lock:
            for segment in self.segments.listed():
                if any(segment.newest <= place[:_DIGITS] <= segment.oldest for place in places):
                    runs = self.segments.read(segment) or []
                    kept = [run for run in runs if run.place not in places]
                    if len(kept) < len(runs):
                        lock.keep()
                        if kept:
                            self.segments.write(kept)
                        self.segments.remove(segment)

    def moved(self) -> dict[str, str]:
        """Returns the runs that are in a segment: by id, time and id as in the key of a row."""
        found = {}
        for runs in self._client.each(self.segments.read, self.segments.listed(), _SEGMENTS):
            found.update({run.place.partition("-")[2]: run.place for run in runs or ()})
        return found


def _key_of(place: Place) -> str:
    return f"{FOLDER}/{place[0]}-{place[1]}"


def _place_of(key: str) -> Place | None:
    moment, _, run_id = key.rpartition("/")[2].partition("-")
    return (moment, run_id) if len(moment) == _DIGITS and run_id else None


def _ended_run(place: Place, found: Stored) -> EndedRun | None:
    """The lines in a row, if the run has ended and the row is whole."""
    lines = found.data.split(b"\n")
    if len(lines) != 3 or lines[2]:
        return None
    first, last, _ = lines
    before = found.metadata.get(_BEFORE, "")
    if not (chain.is_linked(first, "") and chain.is_linked(last, before)):
        return None
    return EndedRun("-".join(place), first, last, before)


def _row_of(run: EndedRun | None) -> Row | None:
    """The row of a run; None if its lines do not tell, so that its log must be read."""
    if run is None:
        return None
    moment, _, run_id = run.place.partition("-")
    try:
        record = rules.read_record(run.first, run.last, RunId(run_id))
        if not record.status.is_terminal or moment != moment_of(record.created_at):
            return None
    except (StorageError, ValueError):
        return None
    return Row(
        moment, run_id, run.first, run.last, record.metadata.agent_name, str(record.status),
        str(record.spec_digest), str(record.created_at),
        None if record.summary is None else record.summary.duration_ms,
    )  # fmt: skip
