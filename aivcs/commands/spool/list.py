"""`aivcs spool list`: lists the runs that wait on this machine for their store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.log import chain
from aivcs.model.timestamp import Timestamp
from aivcs.store.adopt import standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.sync.spool import Spool


class Waiting(NamedTuple):
    """A run that has lines which its store lacks.

    Attributes:
        run_id: The run.
        store: The URL of the store, without a password.
        since: The time of the first of those lines.
        lines: Their number.
        error: Why the last push left it here; None if it is to be tried again.
    """

    run_id: str
    store: str
    since: Timestamp
    lines: int
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns the run as JSON."""
        return {**self._asdict(), "since": str(self.since)}


class Spooled(NamedTuple):
    """What waits in a spool.

    Attributes:
        runs: The number of runs that wait.
        since: The time since when the first of them does; None if there are none.
        error: Why the last push failed, or left one of them here; None if none did.
    """

    runs: int
    since: Timestamp | None
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {**self._asdict(), "since": None if self.since is None else str(self.since)}


def summary(spool: Spool) -> Spooled:
    """Returns what waits in a spool.

    Raises:
        StorageError: A log cannot be read.
    """
    found = list(waiting(spool))
    error = spool.state.get("error") or next((one.error for one in found if one.error), None)
    since = min((one.since for one in found), default=None)
    return Spooled(len(found), since, error if found else None)


def waiting(spool: Spool) -> Iterator[Waiting]:
    """Yields the runs of a spool that wait, in the order of days and ids; asks no store.

    A run of which the last push brought everything does not wait, though it may go on.

    Raises:
        StorageError: A log cannot be read.
    """
    url = spool.state.get("url", "")
    for day in reversed(spool.days()):
        repo = spool.of(day)
        for run_id in spool.marks(day):
            note = spool.note_of(day, run_id)
            head = standing(repo.store.logs, f"run/{run_id}")
            there = note.get("lines", 0)
            if head.lines <= there and head.hash == note.get("hash", ""):
                continue
            for line, place in repo.store.logs.read(f"run/{run_id}"):
                if place.lines > there:
                    error = note.get("error")
                    yield Waiting(run_id, url, _time_of(line), head.lines - there, error)
                    break


def _time_of(line: bytes) -> Timestamp:
    """The time in a line of a log: of a start, an event or an end."""
    entry = chain.members(line)
    for name in ("created_at", "timestamp", "completed_at"):
        if name in entry:
            return Timestamp(entry[name])
    return Timestamp.now()
