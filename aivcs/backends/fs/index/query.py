"""Listing runs: from the index and what has changed since it was written, or from the logs alone.

Both ways give the same runs in the same order. The index is used where it can be, made where it is
missing, and replaced by one that is up to date where that is worth it. One listing opens it once,
before it looks at the logs, and keeps that file open to its end: one that others put in its place
meanwhile may have been made from an older look.
"""

from itertools import islice

from aivcs.backends.fs.index.cache import (
    CREATED_AT,
    STATUS,
    BrokenError,
    Index,
    place_of,
    record_of,
    write,
)
from aivcs.backends.fs.index.refresh import everything, has_more_than, is_as_read, survey
from aivcs.log.run_filter import age, outcome_of
from aivcs.model.run import RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.store.listing import Listing, no_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.index.cache import Row
    from aivcs.backends.fs.index.refresh import Survey
    from aivcs.log.run_filter import Outcome, RunFilter
    from aivcs.model.run import RunRecord
    from aivcs.store.contracts import RunLedger
    from aivcs.store.listing import Unreadable

_FEW = 64
"""Runs that are read faster than an index is opened."""
_CHUNK = 250
"""Rows of records read at once, a KiB or two each; between two times others may write."""
_OUTCOMES = 1000
"""Rows of outcomes read at once, which are much shorter."""


class IndexedListing(Listing):
    """The runs of a store as they are now; a `RunIndex`."""

    __slots__ = ("_accepts", "_folder")

    def __init__(
        self,
        folder: "Folder",
        ledger: "RunLedger",
        unreadable: "Unreadable",
        accepts: "Callable[[str], bool] | None" = None,
    ) -> None:
        """Takes what to list, and how.

        Args:
            folder: The store's folder.
            ledger: Its ledger.
            unreadable: Told of runs that cannot be read.
            accepts: Asked by `newest` of each run whether to list it, when its turn comes.
        """
        super().__init__(ledger, unreadable)
        self._folder = folder
        self._accepts = accepts

    def newest(self, run_filter: "RunFilter", limit: "int | None") -> "Iterator[RunRecord]":
        """Yields the matching runs, newest first, at most `limit`."""
        # A log that was overwritten in place may hold a RUNNING run that the index lists as ended;
        # only a look at every log finds it. For other lists it is enough to check the shown rows.
        # A search (`accepts`) shows only the runs that can hold its text.
        accepts = self._accepts
        every = (limit is None and accepts is None) or run_filter.status is RunStatus.RUNNING
        opened = self._open(every=every)
        if opened is None:
            if accepts is None:
                yield from super().newest(run_filter, limit)
                return
            records = super().newest(run_filter, None)
            yield from islice((each for each in records if accepts(each.run_id)), limit)
            return
        index, found = opened
        with index:
            self._tell_unread(found)
            changed = sorted(filter(run_filter.fits, _records(found)), key=age)
            hidden = found.rows.keys() | found.gone
            number = _CHUNK
            if limit is not None and not run_filter.tags:
                number = min(limit + len(hidden), _CHUNK)
            others = self._from_index(index, run_filter, hidden, number, proven=every)
            yield from islice(_merged(changed, others, accepts), limit)

    def outcomes(self, run_filter: "RunFilter") -> "Iterator[Outcome]":
        """Yields what `RunLedger.iter_outcomes` does of the runs that fit, whatever their tags."""
        opened = self._open(every=True)
        if opened is None:
            yield from super().outcomes(run_filter)
            return
        index, found = opened
        with index:
            self._tell_unread(found)
            hidden = found.rows.keys() | found.gone
            yield from map(outcome_of, filter(run_filter.fits, _records(found)))
            last = ""
            try:
                while rows := index.outcomes(run_filter, last, _OUTCOMES):
                    for run_id, agent, status, created_at, duration in rows:
                        if run_id not in hidden:
                            yield agent, RunStatus(status), Timestamp.stored(created_at), duration
                        last = run_id
                return
            except BrokenError:
                pass  # it was whole a moment ago; the logs say the rest
        for record in self._silent().everything():
            if record.run_id > last and record.run_id not in hidden and run_filter.fits(record):
                yield outcome_of(record)

    def specs(self) -> "set[str] | None":
        """Returns the digests of all specs that readable runs have; None without an index."""
        opened = self._open(every=False)
        if opened is None:
            return None
        index, found = opened
        try:
            with index:
                return {*index.specs(), *(record.spec_digest for record in _records(found))}
        except BrokenError:
            return None

    def count(self) -> "dict[RunStatus, int]":
        """Returns how many runs have each status."""
        opened = self._open(every=True)
        if opened is None:
            return super().count()
        index, found = opened
        try:
            with index:
                counted = index.count(found.rows.keys() | found.gone)
        except BrokenError:
            return super().count()
        self._tell_unread(found)
        counts = no_runs()
        for status, number in counted.items():
            counts[RunStatus(status)] += number
        for row in found.rows.values():
            if row[STATUS] is not None:
                counts[RunStatus(row[STATUS])] += 1
        return counts

    def _open(self, *, every: bool) -> "tuple[Index, Survey] | None":
        """Opens the index and finds the changes since; None if only the logs are to be read."""
        opened = self._look(every=every, is_new=False)
        if opened is None and has_more_than(self._folder, _FEW):
            place = place_of(self._folder)
            folders: dict[str, tuple[int, int]] = {}
            rows = everything(self._folder, self._ledger.get_run, folders)
            if write(self._folder, rows, folders, place=place) or place_of(self._folder) != place:
                opened = self._look(every=every, is_new=True)
        return opened

    def _look(self, *, every: bool, is_new: bool) -> "tuple[Index, Survey] | None":
        """As `_open`, with the index that is there; one that is not new may be replaced."""
        try:
            index = Index(self._folder)
        except BrokenError:
            return None
        found = None
        try:
            found = survey(self._folder, index, self._ledger.get_run, every=every)
            if found is not None and found.is_worth_writing and not is_new:
                rows, gone, folders = found.rows.values(), found.gone, found.folders
                write(self._folder, rows, folders, place=index.place, old=index, gone=gone)
        except BrokenError:
            pass
        finally:
            if found is None:
                index.close()
        return None if found is None else (index, found)

    def _tell_unread(self, found: "Survey") -> None:
        for run_id, error in found.unread:
            self.tell(run_id, error)

    def _silent(self) -> Listing:
        """Lists from the logs alone, after what is unreadable was told."""
        return Listing(self._ledger, lambda *_: None)

    def _from_index(
        self,
        index: Index,
        run_filter: "RunFilter",
        hidden: "Collection[str]",
        number: int,
        *,
        proven: bool,
    ) -> "Iterator[RunRecord]":
        """Yields the runs in the index that fit, newest first, without some of them."""
        before: tuple[str, str] | None = None
        try:
            for row in self._rows(index, run_filter, hidden, number):
                record = record_of(row)
                before = age(record)
                if run_filter.tags and not run_filter.fits(record):
                    continue
                if proven or is_as_read(self._folder, row):
                    yield record
                else:
                    yield from filter(run_filter.fits, self.get(record.run_id))
        except BrokenError:  # it was whole a moment ago; the logs say the rest
            for record in self._silent().newest(run_filter, None):
                is_left = record.run_id not in hidden and (before is None or age(record) < before)
                if is_left and (self._accepts is None or self._accepts(record.run_id)):
                    yield record

    def _rows(
        self, index: Index, run_filter: "RunFilter", hidden: "Collection[str]", number: int
    ) -> "Iterator[Row]":
        """Yields the rows of runs that fit, whatever their tags, newest first, without some."""
        accepts = self._accepts
        before: tuple[str, str] | None = None
        if run_filter.before is not None:
            before = str(run_filter.before[0]), run_filter.before[1]
        is_last = False
        while accepts is None and not is_last:
            rows = index.newest(run_filter, before, number)
            is_last = len(rows) < number
            rows.reverse()
            while rows:
                row = rows.pop()  # which is let go of as it is handed out
                before = row[CREATED_AT], row[0]
                if row[0] not in hidden:
                    yield row
        while accepts is not None and not is_last:
            found = index.newest_ids(run_filter, before, _OUTCOMES)
            is_last = len(found) < _OUTCOMES
            for before in found:
                run_id = before[1]
                if run_id not in hidden and accepts(run_id):
                    yield from index.row(run_id)


def _records(found: "Survey") -> "Iterator[RunRecord]":
    """Yields the records of runs that have changed and can be read."""
    return (record_of(row) for row in found.rows.values() if row[STATUS] is not None)


def _merged(
    changed: "list[RunRecord]",
    others: "Iterator[RunRecord]",
    accepts: "Callable[[str], bool] | None",
) -> "Iterator[RunRecord]":
    """Merges runs from the newest to the oldest; `changed` stands the other way round."""
    newest = (record for record in reversed(changed) if accepts is None or accepts(record.run_id))
    new = next(newest, None)
    for record in others:
        while new is not None and age(new) > age(record):
            yield new
            new = next(newest, None)
        yield record
    while new is not None:
        yield new
        new = next(newest, None)
