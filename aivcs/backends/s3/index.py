"""The index of runs: an object for each, named so that the newest comes first.

A row has the first line of a run's log, and its last line once the run has ended. It is written
before the log begins, so that no run is without one, and again after the end. A row that lags tells
of a running run, whose log is then read. `aivcs verify --repair` writes rows that are missing.
"""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING

from aivcs.errors import AivcsError, StorageError
from aivcs.log import chain, run as rules
from aivcs.log.run_filter import outcome_of
from aivcs.model.run import RunId
from aivcs.store.listing import Listing, no_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.s3.client import Client, Stored
    from aivcs.backends.s3.rows_cache import RowsCache
    from aivcs.log.run_filter import Outcome, RunFilter
    from aivcs.model.run import RunRecord, RunStatus
    from aivcs.store.contracts import RunLedger
    from aivcs.store.listing import Unreadable

FOLDER = "index/runs"
_LIMIT = 10**17
"""Microseconds from which a run's time is taken off, so that the newest is the first by name."""
_DIGITS = 17
_BATCH = 64
"""Rows read at once."""
_BEFORE = "before"
"""The member of a row's metadata with the hash of the line before the last."""


def row_key(line: bytes) -> str:
    """Returns the key of the row of a run by the first line of its log; empty if it is none.

    Raises:
        IntegrityError: The line is not an entry of a log.
    """
    entry = chain.members(line)
    if entry["type"] != "run":
        return ""
    try:
        moment = _moment(str(entry.get("created_at")))
    except ValueError:
        return ""
    return f"{FOLDER}/{moment}-{entry.get('run_id')}"


class Rows:
    """Writes and reads rows. Thread-safe."""

    def __init__(self, client: Client, cache: RowsCache | None = None) -> None:
        """Takes the client of the store, and a cache of rows of runs that have ended."""
        self._client = client
        self._cache = cache

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

    def keys(self) -> Iterator[str]:
        """Yields the keys of all rows, the newest run first, and of equal times the higher id."""
        found = (entry.key for entry in self._client.entries(FOLDER))
        for _, group in groupby(found, lambda key: key[: len(FOLDER) + 1 + _DIGITS]):
            yield from sorted(group, reverse=True)

    def records(self, keys: list[str]) -> Iterator[tuple[str, RunRecord | None]]:
        """Yields the ids of the runs of rows, in order, each with its record if it has ended."""
        cached = self._cache.get(keys) if self._cache is not None else {}
        wanted = [key for key in keys if key not in cached]
        found = zip(wanted, self._client.each(self._client.get, wanted), strict=True)
        fresh = {key: row for key, stored in found if (row := _row(stored)) is not None}
        if fresh and self._cache is not None:
            self._cache.add(fresh)
        rows = cached | fresh
        for key in keys:
            run_id = key[len(FOLDER) + 2 + _DIGITS :]
            yield run_id, _record(run_id, rows.get(key))


class RowIndex(Listing):
    """The `RunIndex` over rows. A run whose row does not tell its end is looked up in its log."""

    __slots__ = ("_rows",)

    def __init__(self, ledger: RunLedger, unreadable: Unreadable, rows: Rows) -> None:
        """Takes a ledger, the rows, and a function to call with runs that cannot be read."""
        super().__init__(ledger, unreadable)
        self._rows = rows

    def newest(self, run_filter: RunFilter, limit: int | None) -> Iterator[RunRecord]:
        """As `RunIndex.newest`."""
        left = limit
        keys = self._rows.keys()
        while left is None or left > 0:
            batch = list(islice(keys, _BATCH if left is None else min(max(left, 1), _BATCH)))
            if not batch:
                return
            for record in self._records(batch):
                if run_filter.since is not None and record.created_at < run_filter.since:
                    return
                if run_filter.fits(record):
                    yield record
                    if left is not None:
                        left -= 1
                        if not left:
                            return

    def outcomes(self, run_filter: RunFilter) -> Iterator[Outcome]:
        """As `RunIndex.outcomes`."""
        return map(outcome_of, self.newest(run_filter, None))

    def count(self) -> dict[RunStatus, int]:
        """As `RunIndex.count`."""
        counts = no_runs()
        keys = self._rows.keys()
        while batch := list(islice(keys, _BATCH * 4)):
            for record in self._records(batch):
                counts[record.status] += 1
        return counts

    def _records(self, keys: list[str]) -> Iterator[RunRecord]:
        for key, (run_id, record) in zip(keys, self._rows.records(keys), strict=True):
            if record is not None:
                yield record
                continue
            for found in self.get(run_id):
                # A row of another time was written by somebody who took the run for a new one.
                if _moment_of(key) == _moment(found.created_at):
                    yield found


def _row(found: Stored | None) -> tuple[bytes, bytes] | None:
    """First and last line in a row, if the run has ended and the row is whole."""
    lines = found.data.split(b"\n") if found is not None else []
    if found is None or len(lines) != 3 or lines[2]:
        return None
    first, last, _ = lines
    is_whole = chain.is_linked(first, "") and chain.is_linked(last, found.metadata.get(_BEFORE, ""))
    return (first, last) if is_whole else None


def _record(run_id: str, row: tuple[bytes, bytes] | None) -> RunRecord | None:
    if row is None:
        return None
    try:
        return rules.read_record(*row, RunId(run_id))
    except StorageError:
        return None  # its log tells


def _moment(created_at: str) -> str:
    """A time in the key of a row; a later one sorts before an earlier one.

    Raises:
        ValueError: The text is not a time.
    """
    from datetime import datetime

    left = _LIMIT - round(datetime.fromisoformat(created_at).timestamp() * 1_000_000)
    return f"{min(max(left, 0), _LIMIT - 1):0{_DIGITS}d}"


def _moment_of(key: str) -> str:
    return key[len(FOLDER) + 1 : len(FOLDER) + 1 + _DIGITS]
