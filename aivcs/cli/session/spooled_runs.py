"""Erases runs that were recorded in a spool: waiting runs there, pushed runs in both places.

A run that waits is at home in its spool. It is erased there, and the store learns of it with the
next push. Of one that has arrived, the spool has a copy until the day is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.cli.session.spooling import find_spool, push_at_end, reach
from aivcs.commands.erasing import complete
from aivcs.errors import StorageError
from aivcs.log.erasure import name_of
from aivcs.store.erasing import begin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context
    from aivcs.model.erasure import StoredErasure
    from aivcs.model.run import RunId
    from aivcs.repository import Repository
    from aivcs.sync.spool import Spool
    from aivcs.sync.spool_day import DayStore


class SpooledRun(NamedTuple):
    """A run in a spool.

    Attributes:
        spool: The spool.
        day: The store of the day in which it is.
        run_id: The run.
    """

    spool: Spool
    day: DayStore
    run_id: RunId

    @property
    def waits(self) -> bool:
        """Whether the store may lack some of it."""
        return self.run_id in self.spool.marks(self.day.day)

    @property
    def has_begun_to_arrive(self) -> bool:
        """Whether the store has some of it."""
        return bool(self.spool.note_of(self.day.day, self.run_id).get("lines"))


def find_spooled(context: Context, run: str) -> SpooledRun | None:
    """Returns a run of the spool of the call's store; None if it has none.

    Raises:
        AmbiguousError: Several runs of the spool fit.
        AivcsError: The spool cannot be read.
    """
    url = context.network_store()
    spool = find_spool(context, url) if url else None
    found = None if spool is None else spool.find(run)
    if spool is None or found is None:
        return None
    return SpooledRun(spool, found, found.resolve_run(run))


def divide(
    context: Context, runs: list[str]
) -> tuple[list[SpooledRun], dict[str, SpooledRun | None]]:
    """Divides runs by where they are erased, after a push of what waits.

    Returns:
        Those that wait in a spool all the same, and those in the store, each with its copy in the
        spool, if there is one.
    """
    found = {run: find_spooled(context, run) for run in runs}
    first = next((one for one in found.values() if one is not None and one.waits), None)
    if first is not None:
        push_for(context, first.spool)
    waiting = [one for one in found.values() if one is not None and one.waits]
    there = {
        run if one is None else one.run_id: one
        for run, one in found.items()
        if one is None or not one.waits
    }
    return waiting, there


def push_for(context: Context, spool: Spool) -> None:
    """Pushes what waits in a spool, and warns of what cannot be pushed; takes some seconds."""
    kept, context.spool = context.spool, spool
    try:
        push_at_end(context)
    finally:
        context.spool = kept


def store_with_releases(
    context: Context, found: SpooledRun, *, is_needed: bool
) -> Repository | None:
    """Opens the store whose releases may need what is erased in a spool.

    Args:
        context: The call.
        found: The run that is erased.
        is_needed: Whether a release may need it although nothing of it has arrived.

    Returns:
        The store; None if it is away, and no release can need the run.

    Raises:
        StorageError: It is away.
    """
    try:
        return reach(context, context.network_store())
    except StorageError as error:
        if not error.is_store_away or is_needed or found.has_begun_to_arrive:
            raise
        return None


def push_erasures(context: Context, found: SpooledRun) -> None:
    """Brings to the store what was erased in a spool; warns if it cannot."""
    push_for(context, found.spool)
    if found.spool.unpushed_erasures(found.day):
        context.warn(
            "aivcs: warning: erased in the spool only; what the store has of it goes with the "
            "next push: aivcs spool push"
        )


def erase_copy(found: SpooledRun, there: Repository, made: Iterable[StoredErasure]) -> None:
    """Erases in the spool what was erased of a run in the store, now or before.

    Args:
        found: The run.
        there: The store.
        made: The records that were made now.

    Raises:
        StorageError: It cannot be erased; the next call does it.
    """
    erasures, name = there.erasures.load(), f"run/{found.run_id}"
    records = {stored.digest: stored for stored in made}
    for of_line in erasures.lines_of(name).values():
        records |= {stored.digest: stored for stored in of_line}
    records |= {stored.digest: stored for _, stored in erasures.logs.get(name, ())}
    try:
        with found.day.staying():
            known = set(found.day.erasures.names())
            for stored in records.values():
                if name_of(stored.digest) not in known:
                    begin(found.day.store, stored.value)
                    found.day.erasures.add(stored.value)
            complete(found.day)
    except StorageError:
        if found.day.day not in found.spool.days():
            return  # it went with its day
        raise
    names = [name_of(digest) for digest in records]
    new = [one for one in found.spool.unpushed_erasures(found.day) if one in names]
    if new:
        found.spool.note_erasures(found.day, new)
