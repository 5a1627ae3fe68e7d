"""Listing the runs whose logs can hold what is looked for: by the index of texts, and by a look.

The index of texts rules most runs out where there is one; what is left is looked through as bytes.
Either way the runs are the same but for some that hold nothing, and in the same order.
"""

from aivcs.backends.fs.index.query import IndexedListing
from aivcs.backends.fs.index.texts import narrow
from aivcs.backends.fs.logs.scanning import LogScanner
from aivcs.log.run_filter import age
from aivcs.store.listing import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.run_filter import RunFilter
    from aivcs.model.run import RunRecord
    from aivcs.store.contracts import RunLedger
    from aivcs.store.listing import Unreadable
    from aivcs.store.sought import Sought

_FEW = 1_000
"""Runs whose ends are read faster than the index of runs is opened and compared."""


class HoldingListing(Listing):
    """The runs of a store that can hold what is looked for; a `RunIndex`."""

    __slots__ = ("_folder", "_scan", "_sought")

    def __init__(
        self, folder: "Folder", ledger: "RunLedger", unreadable: "Unreadable", sought: "Sought"
    ) -> None:
        """Takes the store's folder and ledger, whom to tell of unreadable runs, and the search."""
        super().__init__(ledger, unreadable)
        self._folder = folder
        self._sought = sought
        self._scan = LogScanner(folder, sought.may_hold)

    def newest(self, run_filter: "RunFilter", limit: "int | None") -> "Iterator[RunRecord]":
        """Yields the matching runs that can hold the text, newest first, at most `limit`."""
        sought = self._sought
        named = narrow(self._folder, sought.parts) if sought.uses_index else None
        if named is not None:
            named.update(sought.others)
        if named is None or len(named) > _FEW:

            def accepts(run_id: str) -> bool:
                if run_id in sought.others:
                    return True
                return (named is None or run_id in named) and self._scan(run_id)

            listing = IndexedListing(self._folder, self._ledger, self._unreadable, accepts)
            yield from listing.newest(run_filter, limit)
            return
        found = [
            record
            for run_id in sorted(named)
            if run_id in sought.others or self._scan(run_id)
            for record in self.get(run_id)
            if run_filter.fits(record)
        ]
        yield from sorted(found, key=age, reverse=True)[:limit]
