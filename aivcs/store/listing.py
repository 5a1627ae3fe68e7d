"""Lists the runs of a store from the ends of all logs; every index must give the same results."""

from aivcs.errors import RunNotFoundError, StorageError
from aivcs.log.run_filter import age, outcome_of
from aivcs.model.run import RunId, RunStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.log.run_filter import Outcome, RunFilter
    from aivcs.model.run import RunRecord
    from aivcs.store.contracts import RunLedger

    Unreadable = Callable[[RunId, StorageError], None] | None


class Listing:
    """The `RunIndex` for a store without an index: it reads each log."""

    __slots__ = ("_ledger", "_unreadable")

    def __init__(self, ledger: "RunLedger", unreadable: "Unreadable") -> None:
        """Takes a ledger, and a function to call with runs that cannot be read."""
        self._ledger = ledger
        self._unreadable = unreadable

    def newest(self, run_filter: "RunFilter", limit: "int | None") -> "Iterator[RunRecord]":
        """Yields the matching runs, newest first, at most `limit`.

        Memory: `limit` records; without a limit, sort keys only, on disk if they are many.
        """
        found = filter(run_filter.fits, self.everything())
        if limit is not None:
            from heapq import nlargest

            yield from nlargest(limit, found, key=age)
            return
        from aivcs.util.disk_map import DiskMap

        ages = DiskMap()  # keys: time, NUL, id; neither part contains a NUL
        for record in found:
            ages.add("\0".join(age(record)))
        for key in ages.keys(descending=True):
            yield from filter(run_filter.fits, self.get(key.partition("\0")[2]))

    def outcomes(self, run_filter: "RunFilter") -> "Iterator[Outcome]":
        """Yields agent, status, time of creation and duration in ms of each matching run."""
        return map(outcome_of, filter(run_filter.fits, self.everything()))

    def count(self) -> "dict[RunStatus, int]":
        """Returns the number of runs with each status."""
        counts = no_runs()
        for record in self.everything():
            counts[record.status] += 1
        return counts

    def everything(self) -> "Iterator[RunRecord]":
        """Yields all readable runs, ordered by id; reports the others to `unreadable`."""
        for run_id in self._ledger.list_run_ids():
            yield from self.get(run_id)

    def get(self, run_id: str) -> "Iterator[RunRecord]":
        """Yields the record of a run; nothing if it is gone or, after a report, unreadable."""
        try:
            yield self._ledger.get_run(run_id)
        except RunNotFoundError:
            pass
        except StorageError as error:
            self.tell(run_id, error)

    def tell(self, run_id: str, error: StorageError) -> None:
        """Reports a run that cannot be read to `unreadable`; without one, raises the error.

        Raises the error if the whole store is away.
        """
        if self._unreadable is None or error.is_store_away:
            raise error
        self._unreadable(RunId(run_id), error)


def no_runs() -> "dict[RunStatus, int]":
    """Returns a count of 0 for every status."""
    return dict.fromkeys(map(RunStatus, ("RUNNING", "COMPLETED", "FAILED", "CANCELLED")), 0)
