"""Follows the log of a name's releases: what `release wait` and `release watch` see of it."""

from __future__ import annotations

from aivcs.errors import IntegrityError
from aivcs.log.release_changes import entry_of
from aivcs.model.release import check_release_name
from aivcs.store.place import START, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.release_entries import LogEntry
    from aivcs.repository import Repository


class Follower:
    """Reads what was appended to a release log since the last look.

    A log may not exist yet, but what was seen of it never goes away.

    Attributes:
        place: The end of what was seen.
    """

    def __init__(self, repo: Repository, name: str, place: Place = START) -> None:
        """Begins after a place, where an earlier follower ended.

        Raises:
            InvalidNameError: The name breaks the rules.
            ConflictError: The name belongs to another store.
        """
        check_release_name(name)
        repo.require_store_of(name)
        self.place = place
        self._logs = repo.store.logs
        self._name = name
        self._log = f"release/{name}"

    def new(self) -> Iterator[LogEntry]:
        """Yields the entries that were appended since the last look; all are durable.

        Raises:
            IntegrityError: The log is damaged, or does not extend what was seen: it was cut,
                replaced or removed.
        """
        # Only what is there has to be made certain, which may cost a sync.
        if next(self._logs.read(self._log, self.place), None) is None:
            if self.place.lines:
                self._require_present()
            return
        for line, after in self._logs.read(self._log, self.place, settled=True):
            if after.lines <= self.place.lines:
                raise self._replaced("was cut or replaced since")
            entry = entry_of(line, self._name)
            self.place = after
            yield entry

    def _require_present(self) -> None:
        with self._logs.look(self._log) as view:
            if view is None:
                raise self._replaced("was removed since")

    def _replaced(self, what: str) -> IntegrityError:
        seen = f"line {self.place.lines} had the hash {self.place.hash}"
        return IntegrityError.of(
            f"the log of {self._name} does not extend what was seen of it: {seen}, and it {what}; "
            f"find out who did that: aivcs release verify {self._name}",
            self._log,
        )
