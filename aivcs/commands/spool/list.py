"""`aivcs spool list`: lists the runs that wait on this machine for their store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import StorageError
from aivcs.log import chain
from aivcs.model.timestamp import Timestamp
from aivcs.sync.spool_day import with_repair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.sync.spool import Spool
    from aivcs.sync.spool_day import DayStore


class Waiting(NamedTuple):
    """A run that has lines which its store lacks.

    Attributes:
        run_id: The run.
        store: The URL of the store, without a password.
        since: When the first of those lines was recorded on this machine, by its clock; if lines
            have older times, as those of an imported session, or the log cannot be read, then the
            time of the last push that brought lines of the run, or of the run's mark in the spool.
        lines: Their number; None if the log cannot be read.
        error: Why the last push left it here; None if it is to be tried again.
    """

    run_id: str
    store: str
    since: Timestamp
    lines: int | None
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns the run as JSON."""
        return {**self._asdict(), "since": str(self.since)}


class Spooled(NamedTuple):
    """The runs that wait in a spool.

    Attributes:
        runs: The number of runs that wait.
        since: The earliest `Waiting.since`; None if none waits.
        error: Why the last push failed, or left one of them here; None if none did.
    """

    runs: int
    since: Timestamp | None
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {**self._asdict(), "since": None if self.since is None else str(self.since)}


def summary(spool: Spool) -> Spooled:
    """Returns what waits in a spool; a log that cannot be read does, too."""
    found = list(waiting(spool))
    error = spool.state.get("error") or next((one.error for one in found if one.error), None)
    since = min((one.since for one in found), default=None)
    return Spooled(len(found), since, error if found else None)


def waiting(spool: Spool) -> Iterator[Waiting]:
    """Yields the runs of a spool that wait, in the order of days and ids; asks no store.

    A run of which the last push brought everything does not wait, though it may go on. One whose
    log cannot be read does, with the error.
    """
    url = spool.state.get("url", "")
    for day in reversed(spool.days()):
        repo = spool.of(day)
        for run_id in spool.marks(day):
            note = spool.note_of(day, run_id)
            since = Timestamp.from_datetime(datetime.fromtimestamp(note["at"], UTC))
            try:
                found = _first_missing(spool, repo, run_id, note)
            except StorageError as error:
                yield Waiting(run_id, url, since, None, str(with_repair(repo, error)))
                continue
            if found is not None:
                since = max(since, min(_time_of(found[1]), Timestamp.now()))
                yield Waiting(run_id, url, since, found[0], note.get("error"))


def _first_missing(
    spool: Spool, repo: DayStore, run_id: str, note: dict[str, Any]
) -> tuple[int, bytes] | None:
    """Returns the number of lines that the store lacks, and the first; None if it lacks none.

    Raises:
        StorageError: The log cannot be read.
    """
    head = spool.head_of(repo, run_id)
    there = note.get("lines", 0)
    if head.lines <= there and head.hash == note.get("hash", ""):
        return None
    for line, place in repo.store.logs.read(f"run/{run_id}"):
        if place.lines > there:
            return head.lines - there, line
    return None


def _time_of(line: bytes) -> Timestamp:
    """The time in a line of a log: of a start, an event or an end."""
    entry = chain.members(line)
    for name in ("created_at", "timestamp", "completed_at"):
        if name in entry:
            return Timestamp(entry[name])
    return Timestamp.now()
