"""Copies the records of erasures, before everything else, and carries them out after it.

Records are create-only documents, so a copy is a union. A push erases at the other store what is
recorded here; last, since the last line of a log is redacted only when another follows. Who pulls
decides: a record that would erase something here is only told of, and not stored, unless its
erasures are to be applied. Of a source that nobody vouches for, none is taken: a record that is
stored would be pushed on, and erase elsewhere. What was erased in either store is not copied
(`RunCopier`, `BlobCopier`).
"""

from __future__ import annotations

from aivcs.errors import StorageError
from aivcs.log.erasure import Erasures, name_of
from aivcs.model.record import Head
from aivcs.store.erasing import begin, erasing, pending
from aivcs.sync.plan import NEW
from aivcs.sync.transfer import FAILED, Copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.erasure import StoredErasure
    from aivcs.repository import Repository
    from aivcs.store.erasing import Pending

NOT_APPLIED = "not applied"
"""The action of a record that would erase something in the target, and was not stored."""


def copy_erasures(
    source: Repository,
    target: Repository,
    *,
    applies: bool,
    is_trusted: bool = True,
    dry_run: bool = False,
) -> Iterator[Copied]:
    """Copies the records that the target lacks; yields what became of each. It erases nothing yet.

    The name of the record stands in `Copied.run_id`.

    Args:
        source: Where the records are.
        target: Where they are copied to.
        applies: Whether to copy those that erase something in the target.
        is_trusted: Whether somebody vouches for the source. Of a stranger, nothing is taken.
        dry_run: Whether to write nothing.

    Raises:
        StorageError: A store is away, and the rest was not copied.
    """
    if not is_trusted:
        return
    found: list[StoredErasure] = []
    there = target.erasures.load().names
    for name in source.erasures.names():
        if name in there:
            continue
        try:
            stored = source.erasures.read(name)
        except StorageError as error:
            if error.is_store_away:
                raise
            yield Copied(name, FAILED, Head(0, ""), error=error)
            continue
        if stored is not None:
            found.append(stored)
    if found:
        yield from _take(target, found, applies=applies, dry_run=dry_run)


def _take(
    target: Repository, found: list[StoredErasure], *, applies: bool, dry_run: bool
) -> Iterator[Copied]:
    erasures = Erasures()
    for stored in found:
        erasures.add(stored)
    effects: dict[str, list[Pending]] = {}
    for item in pending(target.store, erasures, are_new=True):
        effects.setdefault(item.stored.digest, []).append(item)
    for stored in found:
        name, effect = name_of(stored.digest), effects.get(stored.digest, [])
        head = Head(1, stored.digest)
        if effect and not applies:
            yield Copied(name, NOT_APPLIED, head)
            continue
        try:
            if effect:
                erasing(target.store)
            if not dry_run:
                if effect:
                    begin(target.store, stored.value)
                target.erasures.add(stored.value)  # and carried out when all is copied
        except StorageError as error:
            if error.is_store_away:
                raise
            yield Copied(name, FAILED, Head(0, ""), error=error)
        else:
            yield Copied(name, NEW, head)
