"""Listing runs: from the index and what has happened since, or from the logs alone.

Both ways give the same runs in the same order. The index is used where it can be, made where it is
missing, and brought up to date where that is worth it and can be done at once.
"""

from itertools import islice

from aivcs.backends.fs.index import STATUS, BrokenError, Index, build, record_of, update
from aivcs.backends.fs.survey import everything, has_more_than, is_as_read, survey
from aivcs.log.run_filter import age, outcome_of
from aivcs.model.run import RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.store.listing import Listing, no_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.survey import Survey
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

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder", ledger: "RunLedger", unreadable: "Unreadable") -> None:
        """Takes the store's folder, its ledger, and whom to tell of runs that cannot be read."""
        super().__init__(ledger, unreadable)
        self._folder = folder

    def newest(self, run_filter: "RunFilter", limit: "int | None") -> "Iterator[RunRecord]":
        """Yields the runs that fit, newest first, at most so many."""
        # A log that was overwritten in place may say that a run goes on which the index calls over:
        # only who looks at every log finds it. Else it is enough to prove the rows that are shown.
        every = limit is None or run_filter.status is RunStatus.RUNNING
        found = self._survey(every=every)
        if found is None:
            yield from super().newest(run_filter, limit)
            return
        self._tell_unread(found)
        changed = [record_of(row) for row in found.rows.values() if row[STATUS] is not None]
        changed = sorted(filter(run_filter.fits, changed), key=age)
        hidden = found.rows.keys() | found.gone
        number = _CHUNK
        if limit is not None and not run_filter.tags:
            number = min(limit + len(hidden), _CHUNK)
        others = self._from_index(run_filter, hidden, number, proven=every)
        yield from islice(_merged(changed, others), limit)

    def outcomes(self, run_filter: "RunFilter") -> "Iterator[Outcome]":
        """Yields what `RunLedger.iter_outcomes` does of the runs that fit, whatever their tags."""
        found = self._survey(every=True)
        last, hidden = "", set[str]()
        if found is not None:
            self._tell_unread(found)
            hidden = found.rows.keys() | found.gone
            changed = (record_of(row) for row in found.rows.values() if row[STATUS] is not None)
            yield from map(outcome_of, filter(run_filter.fits, changed))
            try:
                while True:
                    with Index(self._folder) as index:
                        rows = index.outcomes(run_filter, last, _OUTCOMES)
                    for run_id, agent, status, created_at, duration in rows:
                        if run_id not in hidden:
                            yield agent, RunStatus(status), Timestamp.stored(created_at), duration
                        last = run_id
                    if len(rows) < _OUTCOMES:
                        return
            except BrokenError:
                pass  # it was there a moment ago; the logs say the rest
        others = self if found is None else self._silent()
        for record in others.everything():
            if record.run_id > last and record.run_id not in hidden and run_filter.fits(record):
                yield outcome_of(record)

    def count(self) -> "dict[RunStatus, int]":
        """Returns how many runs have each status."""
        counts = no_runs()
        found = self._survey(every=True)
        if found is not None:
            try:
                with Index(self._folder) as index:
                    counted = index.count(found.rows.keys() | found.gone)
            except BrokenError:
                found = None
        if found is None:
            return super().count()
        self._tell_unread(found)
        for status, number in counted.items():
            counts[RunStatus(status)] += number
        for row in found.rows.values():
            if row[STATUS] is not None:
                counts[RunStatus(row[STATUS])] += 1
        return counts

    def _survey(self, *, every: bool) -> "Survey | None":
        """What has happened since the index was written; None if there is no use of an index."""
        get = self._ledger.get_run
        for is_new in (False, True):
            try:
                with Index(self._folder) as index:
                    found = survey(self._folder, index, get, every=every)
            except BrokenError:
                found = None
            if found is not None:
                if found.is_worth_writing and not is_new:
                    update(self._folder, found.rows.values(), found.gone, found.folders)
                return found
            if is_new or not has_more_than(self._folder, _FEW):
                return None
            folders: dict[str, tuple[int, int]] = {}
            if not build(self._folder, everything(self._folder, get, folders), folders):
                return None
        return None

    def _tell_unread(self, found: "Survey") -> None:
        for run_id, error in found.unread:
            self.tell(run_id, error)

    def _silent(self) -> Listing:
        """Lists from the logs alone, after what is unreadable was told."""
        return Listing(self._ledger, lambda *_: None)

    def _from_index(
        self, run_filter: "RunFilter", hidden: "Collection[str]", number: int, *, proven: bool
    ) -> "Iterator[RunRecord]":
        """Yields what the index knows of those that fit, newest first, without some of them."""
        before = None
        while True:
            try:
                with Index(self._folder) as index:
                    rows = index.newest(run_filter, before, number)
                is_last = len(rows) < number
                rows.reverse()
                while rows:
                    row = rows.pop()  # which is let go of as it is handed out
                    record = record_of(row)
                    before = age(record)
                    if record.run_id in hidden or (run_filter.tags and not run_filter.fits(record)):
                        continue
                    if proven or is_as_read(self._folder, row):
                        yield record
                    else:
                        yield from filter(run_filter.fits, self.get(record.run_id))
            except BrokenError:  # it was there a moment ago
                for record in self._silent().newest(run_filter, None):
                    if record.run_id not in hidden and (before is None or age(record) < before):
                        yield record
                return
            if is_last:
                return


def _merged(changed: "list[RunRecord]", others: "Iterator[RunRecord]") -> "Iterator[RunRecord]":
    """Merges runs from the newest to the oldest; `changed` stands the other way round."""
    for record in others:
        while changed and age(changed[-1]) > age(record):
            yield changed.pop()
        yield record
    yield from reversed(changed)
