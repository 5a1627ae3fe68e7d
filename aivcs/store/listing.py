"""Listing the runs of a store by reading the ends of all logs: what any index must agree with."""

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
    """The runs of a store as they are now; a `RunIndex` that has none."""

    __slots__ = ("_ledger", "_unreadable")

    def __init__(self, ledger: "RunLedger", unreadable: "Unreadable") -> None:
        """Takes a ledger, and whom to tell of runs that cannot be read."""
        self._ledger = ledger
        self._unreadable = unreadable

    def newest(self, run_filter: "RunFilter", limit: "int | None") -> "Iterator[RunRecord]":
        """Yields the runs that fit, newest first, at most so many.

        Memory: `limit` records; without a limit, sort keys only, on disk if they are many.
        """
        found = filter(run_filter.fits, self.everything())
        if limit is not None:
            from heapq import nlargest

            yield from nlargest(limit, found, key=age)
            return
        from aivcs.util.disk_map import DiskMap

        ages = DiskMap()  # age by age, each with the id behind a NUL, which neither has in it
        for record in found:
            ages.add("\0".join(age(record)))
        for key in ages.keys(descending=True):
            yield from filter(run_filter.fits, self.get(key.partition("\0")[2]))

    def outcomes(self, run_filter: "RunFilter") -> "Iterator[Outcome]":
        """Yields what `RunLedger.iter_outcomes` does of the runs that fit, whatever their tags."""
        return map(outcome_of, filter(run_filter.fits, self.everything()))

    def count(self) -> "dict[RunStatus, int]":
        """Returns how many runs have each status."""
        counts = no_runs()
        for record in self.everything():
            counts[record.status] += 1
        return counts

    def everything(self) -> "Iterator[RunRecord]":
        """Yields all runs by id, and tells of those that cannot be read."""
        for run_id in self._ledger.list_run_ids():
            yield from self.get(run_id)

    def get(self, run_id: str) -> "Iterator[RunRecord]":
        """Yields a run as its log says, unless it is no more, or cannot be read, which it tells."""
        try:
            yield self._ledger.get_run(run_id)
        except RunNotFoundError:
            pass
        except StorageError as error:
            self.tell(run_id, error)

    def tell(self, run_id: str, error: StorageError) -> None:
        """Tells of a run that cannot be read, or raises the error if there is nobody to tell."""
        if self._unreadable is None:
            raise error
        self._unreadable(RunId(run_id), error)


def no_runs() -> "dict[RunStatus, int]":
    """Returns a count of runs by status, of none."""
    return dict.fromkeys(map(RunStatus, ("RUNNING", "COMPLETED", "FAILED", "CANCELLED")), 0)
