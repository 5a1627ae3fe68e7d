"""Listing runs: from the index and what has happened since, or from the logs alone.

Both ways give the same runs in the same order. The index is used where it can be, made where it is
missing, and brought up to date where that is worth it and can be done at once.
"""

from itertools import islice

from aivcs.backends.fs.index import BrokenError, Index, build, record_of, update
from aivcs.backends.fs.survey import everything, has_more_than, survey
from aivcs.errors import RunNotFoundError, StorageError
from aivcs.log.run_filter import age, outcome_of
from aivcs.model import RunStatus, Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.runs import FileRunLedger
    from aivcs.backends.fs.survey import Survey
    from aivcs.log.run_filter import Outcome, Selection
    from aivcs.model import RunId, RunRecord

    Unreadable = Callable[[RunId, StorageError], None] | None

_FEW = 64
"""Runs that are read faster than an index is opened."""
_CHUNK = 250
"""Rows of records read at once, a KiB or two each; between two times others may write."""
_OUTCOMES = 1000
"""Rows of outcomes read at once, which are much shorter."""


class Listing:
    """The runs of a store as they are now."""

    __slots__ = ("_folder", "_ledger", "_unreadable")

    def __init__(self, folder: "Folder", ledger: "FileRunLedger", unreadable: "Unreadable") -> None:
        """Takes the store's folder, its ledger, and whom to tell of runs that cannot be read."""
        self._folder = folder
        self._ledger = ledger
        self._unreadable = unreadable

    def newest(self, selection: "Selection", limit: "int | None") -> "Iterator[RunRecord]":
        """Yields the runs that fit, newest first, at most so many."""
        found = self._survey()
        if found is None:
            yield from self._from_logs(selection, limit)
            return
        self._tell_unread(found)
        changed = [record_of(row) for row in found.rows.values() if row[4] is not None]
        changed = sorted(filter(selection.fits, changed), key=age)
        hidden = found.rows.keys() | found.gone
        number = _CHUNK
        if limit is not None and not selection.tags:
            number = min(limit + len(hidden), _CHUNK)
        yield from islice(_merged(changed, self._from_index(selection, hidden, number)), limit)

    def outcomes(self, selection: "Selection") -> "Iterator[Outcome]":
        """Yields what `RunLedger.iter_outcomes` does of the runs that fit, whatever their tags."""
        found = self._survey()
        last, hidden = "", set[str]()
        if found is not None:
            self._tell_unread(found)
            hidden = found.rows.keys() | found.gone
            changed = (record_of(row) for row in found.rows.values() if row[4] is not None)
            yield from map(outcome_of, filter(selection.fits, changed))
            try:
                while True:
                    with Index(self._folder) as index:
                        rows = index.outcomes(selection, last, _OUTCOMES)
                    for run_id, agent, status, created_at, duration in rows:
                        if run_id not in hidden:
                            yield agent, RunStatus(status), Timestamp.stored(created_at), duration
                        last = run_id
                    if len(rows) < _OUTCOMES:
                        return
            except BrokenError:
                pass  # it was there a moment ago; the logs say the rest
        for record in self._all(told=found is not None):
            if record.run_id > last and record.run_id not in hidden and selection.fits(record):
                yield outcome_of(record)

    def count(self) -> "dict[RunStatus, int]":
        """Returns how many runs have each status."""
        counts = dict.fromkeys(map(RunStatus, ("RUNNING", "COMPLETED", "FAILED", "CANCELLED")), 0)
        found = self._survey()
        if found is not None:
            try:
                with Index(self._folder) as index:
                    counted = index.count(found.rows.keys() | found.gone)
            except BrokenError:
                found = None
        if found is None:
            for record in self._all():
                counts[record.status] += 1
            return counts
        self._tell_unread(found)
        for status, number in counted.items():
            counts[RunStatus(status)] += number
        for row in found.rows.values():
            if row[4] is not None:
                counts[RunStatus(row[4])] += 1
        return counts

    def _survey(self) -> "Survey | None":
        """What has happened since the index was written; None if there is no use of an index."""
        get = self._ledger.get_run
        for is_new in (False, True):
            try:
                with Index(self._folder) as index:
                    found = survey(self._folder, index, get)
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
            self._tell(run_id, error)

    def _tell(self, run_id: str, error: StorageError) -> None:
        from aivcs.model import RunId

        if self._unreadable is None:
            raise error
        self._unreadable(RunId(run_id), error)

    def _from_index(
        self, selection: "Selection", hidden: "Collection[str]", number: int
    ) -> "Iterator[RunRecord]":
        """Yields what the index knows of those that fit, newest first, without some of them."""
        before = None
        while True:
            try:
                with Index(self._folder) as index:
                    rows = index.newest(selection, before, number)
                is_last = len(rows) < number
                rows.reverse()
                while rows:
                    record = record_of(rows.pop())  # which is let go of as it is handed out
                    before = age(record)
                    if record.run_id not in hidden and (
                        not selection.tags or selection.fits(record)
                    ):
                        yield record
            except BrokenError:  # it was there a moment ago
                for record in self._from_logs(selection, None, told=True):
                    if record.run_id not in hidden and (before is None or age(record) < before):
                        yield record
                return
            if is_last:
                return

    def _from_logs(
        self, selection: "Selection", limit: "int | None", *, told: bool = False
    ) -> "Iterator[RunRecord]":
        """Yields the runs that fit, newest first; holds `limit` records, or keys beside memory."""
        found = filter(selection.fits, self._all(told=told))
        if limit is not None:
            from heapq import nlargest

            yield from nlargest(limit, found, key=age)
            return
        from aivcs.util.disk_map import Table

        ages = Table()  # age by age, each with the id behind a NUL, which neither has in it
        for record in found:
            ages.add("\0".join(age(record)))
        for key in ages.keys(descending=True):
            run_id = key.partition("\0")[2]
            try:
                record = self._ledger.get_run(run_id)
            except RunNotFoundError:
                continue
            except StorageError as error:  # though it could be read a moment ago
                self._tell(run_id, error)
                continue
            if selection.fits(record):
                yield record

    def _all(self, *, told: bool = False) -> "Iterator[RunRecord]":
        """Yields all runs by id; of those that cannot be read it tells, unless that was done."""
        for run_id in self._ledger.list_run_ids():
            try:
                yield self._ledger.get_run(run_id)
            except RunNotFoundError:
                continue
            except StorageError as error:
                if not told:
                    self._tell(run_id, error)


def _merged(changed: "list[RunRecord]", others: "Iterator[RunRecord]") -> "Iterator[RunRecord]":
    """Merges runs from the newest to the oldest; `changed` stands the other way round."""
    for record in others:
        while changed and age(changed[-1]) > age(record):
            yield changed.pop()
        yield record
    yield from reversed(changed)
