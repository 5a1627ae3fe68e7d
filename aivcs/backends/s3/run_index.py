"""Lists of runs over the rows and the segments of the index, as far as they are asked for."""

from __future__ import annotations

from collections import deque
from itertools import count, islice
from typing import TYPE_CHECKING

from aivcs.backends.s3.index import moment_of
from aivcs.backends.s3.rows_cache import Row, order_of
from aivcs.backends.s3.segments import FOLDER
from aivcs.errors import BackendError, RunNotFoundError, StorageError
from aivcs.log import run as rules
from aivcs.log.run_filter import outcome_of
from aivcs.model.run import RunId, RunRecord, RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.store.listing import Listing, no_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.s3.index import Place, Rows
    from aivcs.backends.s3.segments import Segment
    from aivcs.log.run_filter import Outcome, RunFilter
    from aivcs.store.contracts import RunLedger
    from aivcs.store.listing import Unreadable

_BATCH = 64
"""Rows, or logs of running runs, read at once."""
_PAGE = 250
"""Rows of segments read at once, a KiB or two each."""
_ATTEMPTS = 5
_MOST = 16
"""Segments added to the cache at once."""


class RowIndex(Listing):
    """The `RunIndex` over rows. A run whose row does not tell its end is looked up in its log."""

    __slots__ = ("_rows",)

    def __init__(self, ledger: RunLedger, unreadable: Unreadable, rows: Rows) -> None:
        """Takes a ledger, the rows, and a function to call with runs that cannot be read."""
        super().__init__(ledger, unreadable)
        self._rows = rows

    def newest(self, run_filter: RunFilter, limit: int | None) -> Iterator[RunRecord]:
        """As `RunIndex.newest`."""
        records = map(_record_of, self._merged(run_filter, limit))
        return islice(filter(run_filter.fits, records), limit)

    def outcomes(self, run_filter: RunFilter) -> Iterator[Outcome]:
        """As `RunIndex.outcomes`."""
        for found in self._merged(run_filter, None):
            if isinstance(found, Row) and not run_filter.tags:
                if run_filter.since is None or found.created_at >= run_filter.since:
                    moment = Timestamp.stored(found.created_at)
                    yield found.agent, RunStatus(found.status), moment, found.duration
            elif run_filter.fits(record := _record_of(found)):
                yield outcome_of(record)

    def count(self) -> dict[RunStatus, int]:
        """As `RunIndex.count`."""
        counts = no_runs()
        rows = self._rows
        places = rows.places()
        for attempt in count(1):
            listed = rows.segments.listed()
            rows.cache.keep_only(segment.name for segment in listed)
            if rows.load(rows.cache.missing(listed)):
                break
            _require_few(attempt)
        for status, number in rows.cache.count().items():
            counts[RunStatus(status)] += number
        for start in range(0, len(places), _PAGE):
            part = places[start : start + _PAGE]
            for row in rows.cache.in_segments(part):  # counted as what its own row tells
                counts[RunStatus(row.status)] -= 1
            for _, found in self._read(part):
                if found is not None:
                    counts[RunStatus(found.status)] += 1
        return counts

    def _merged(self, run_filter: RunFilter, limit: int | None) -> Iterator[RunRecord | Row]:
        """Yields runs in order: all that have rows, and those of segments that may fit.

        A row may move to a segment at any time. So the segments are listed after each page of rows,
        and read as far as the page goes.
        """
        since = None if run_filter.since is None else moment_of(run_filter.since)
        passed = None
        if run_filter.before is not None:
            passed = moment_of(run_filter.before[0]), run_filter.before[1]
        stored = _StoredRuns(self._rows, run_filter, passed or ("", ""))
        size = _BATCH if limit is None else min(max(limit, 1), _BATCH)
        for page, is_new in self._rows.pages():
            if is_new:
                stored.list_segments()
            if passed is not None:
                page = [place for place in page if order_of(*place) > order_of(*passed)]
            for start in range(0, len(page), size):
                part = page[start : start + size]
                if since is not None and part[0][0] > since:
                    yield from stored.until(since, "")
                    return
                for place, found in self._read(part):
                    yield from stored.until(*place)
                    if found is not None and _may_fit(found, run_filter):
                        yield found
        yield from stored.until("~", "")

    def _read(self, places: list[Place]) -> Iterator[tuple[Place, RunRecord | Row | None]]:
        """Yields what is known of runs with rows, in order; logs are read several at a time."""
        rows = self._rows.read(places)
        logs = self._rows.each(self._look, (place for place in places if place not in rows))
        for place in places:
            if place in rows:
                yield place, rows[place]
                continue
            found = next(logs)
            if not isinstance(found, StorageError):
                # A row of another time was written by somebody who took the run for a new one.
                yield place, found if moment_of(found.created_at) == place[0] else None
                continue
            if not isinstance(found, RunNotFoundError):
                self.tell(place[1], found)
            yield place, None

    def _look(self, place: Place) -> RunRecord | StorageError:
        try:
            return self._ledger.get_run(place[1])
        except StorageError as error:
            return error


class _StoredRuns:
    """The runs of segments that may fit, the newest first; a segment is read when it is needed."""

    def __init__(self, rows: Rows, run_filter: RunFilter, passed: Place) -> None:
        self._rows = rows
        self._filter = run_filter
        self._listed: list[Segment] = []
        self._is_complete = True
        self._passed = passed
        self._waiting: deque[Row] = deque()
        self._load = 1
        self._attempts = 0

    def list_segments(self) -> None:
        """Looks which segments there are now."""
        listed = self._rows.segments.listed()
        if listed != self._listed:
            self._listed = listed
            self._rows.cache.keep_only(segment.name for segment in listed)
            self._is_complete = False
            self._waiting.clear()

    def until(self, moment: str, run_id: str) -> Iterator[Row]:
        """Yields the runs before a place in the order of lists; a run at this place is passed."""
        end = order_of(moment, run_id)
        while self._waiting or (not self._is_complete and self._fetch(moment)):
            if not self._waiting:
                continue
            row = self._waiting[0]
            if row.order > end:
                break
            self._waiting.popleft()
            self._passed = (row.moment, row.run_id)  # also if it is the last one, and passed
            if row.order < end:
                yield row
        self._passed = (moment, run_id)

    def _fetch(self, moment: str) -> bool:
        """Reads rows, or segments; tells whether there may be any up to a time."""
        rows, missing = self._rows.cache.page(self._passed, self._listed, self._filter, _PAGE)
        self._waiting.extend(rows)
        if not rows:
            if not missing:
                self._is_complete = True
                return False
            if missing[0].newest > moment:
                return False
            if not self._rows.load(missing[: self._load]):
                self._attempts += 1
                _require_few(self._attempts)
                self.list_segments()
            self._load = min(self._load * 2, _MOST)
        return True


def _require_few(attempts: int) -> None:
    """Requires that a segment that was listed is there, at the latest after some attempts.

    Another one takes its place when a run in it is erased.
    """
    if attempts >= _ATTEMPTS:
        raise BackendError(f"{FOLDER} lists an object that is not there; try again")


def _record_of(found: RunRecord | Row) -> RunRecord:
    if isinstance(found, Row):
        return rules.read_record(found.first, found.last, RunId(found.run_id))
    return found


def _may_fit(row: RunRecord | Row, run_filter: RunFilter) -> bool:
    """Whether a run may fit, as far as that is known without its record."""
    return isinstance(row, RunRecord) or (
        run_filter.agent_name in {None, row.agent}
        and run_filter.spec_digest in {None, row.spec}
        and run_filter.status in {None, row.status}
    )
