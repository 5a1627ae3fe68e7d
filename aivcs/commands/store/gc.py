"""`aivcs gc`: removes what nothing refers to any more.

A blob goes when nothing refers to it (`aivcs.store.references`), it was not put for a while, and no
blob that was put since then names it: building something out of blobs may take that long before
anything refers to it.

First everything is read, while the others go on. Then, batch by batch, they are kept out for a
moment, in which is read what they wrote meanwhile, and what is garbage still is removed. Others
check for a blob and refer to it in one hold, so they find it there for good, or gone. A blob goes
before those that it names, so that one which is there still has all of its parts. Whenever this
ends, by itself or not, nothing was removed that anything referred to.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import IntegrityError, LockTimeoutError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.store.references import ReachableSet, digests_in_blob
from aivcs.util.disk_map import DiskMap, DiskStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.repository import Repository

GRACE = 14 * 86_400
"""Seconds since a blob was put last before it can go, unless something else is asked for."""
_PATIENCE = 0.1
"""Seconds that a batch may keep others waiting, beyond what it takes to catch up with them."""


class Removed(NamedTuple):
    """A blob that was removed.

    Attributes:
        digest: Its digest.
        size: Its bytes.
    """

    digest: ContentDigest
    size: int


def collect(repo: Repository, *, grace: float = GRACE, dry_run: bool = False) -> Iterator[Removed]:
    """Removes the blobs that may go, and yields them, each after it is gone.

    Args:
        repo: Where.
        grace: Seconds since a blob was put last before it can go.
        dry_run: Whether to yield what would go, and remove nothing; then nothing is locked.

    Raises:
        UsageError: The grace period is negative.
        IntegrityError: A log or a blob that counts is damaged: it could refer to anything.
        LockTimeoutError: Others are in the way for too long.
        BackendError: Something cannot be read or removed.
    """
    moment = before(repo, grace)
    reachable = ReachableSet(repo)
    _read(reachable)
    garbage = _parents_last(repo, _unwanted(repo, reachable, moment))
    if dry_run:
        while garbage:
            blob = _removed(garbage.pop())
            if blob.digest not in reachable:
                yield blob
        return
    count = 0
    while garbage:
        _read(reachable)  # so that little is left to read while others wait
        gone = []
        try:
            with repo.store.objects.removal() as removal:
                _read(reachable)
                deadline = monotonic() + _PATIENCE
                while garbage and monotonic() < deadline:
                    blob = _removed(garbage.pop())
                    if blob.digest in reachable:
                        continue
                    if removal.remove(blob.digest, unless_since=moment):
                        gone.append(blob)
                    else:  # put again meanwhile: then what it names is wanted again, too
                        reachable.search(blob.digest)
        except LockTimeoutError as error:
            if count:
                message = (
                    f"others were in {error.what} all the time for {error.seconds:g} s; "
                    f"{count} {'blob was' if count == 1 else 'blobs were'} deleted "
                    "before. Run it again when less is going on"
                )
                error.args = (message,)
            raise
        count += len(gone)
        yield from gone


def clear_leftovers(repo: Repository, *, grace: float = GRACE, dry_run: bool = False) -> int:
    """Removes what crashes left unfinished; returns how many files.

    Args:
        repo: Where.
        grace: Seconds since such a file was written before it can go.
        dry_run: Whether to count only.

    Raises:
        UsageError: The grace period is negative.
        BackendError: One cannot be removed.
    """
    return repo.store.sweep(before(repo, grace), delete=not dry_run)


def before(repo: Repository, grace: float) -> float:
    """Returns the moment (POSIX seconds) a grace period ago, by the store's clock.

    Raises:
        UsageError: The grace period is negative.
    """
    if grace < 0:
        raise UsageError("a grace period is not negative")
    return repo.store.now() - grace


def _unwanted(repo: Repository, reachable: ReachableSet, moment: float) -> DiskMap:
    """Returns what may go as far as was read: the bytes of each blob, by those of its digest.

    What was put since the moment is searched, so that what it names stays; but what was looked at
    before it may be among these.
    """
    unwanted = DiskMap()
    for digest, size, put in repo.store.objects.stored():
        if put >= moment:
            reachable.search(digest)
        elif digest not in reachable:
            unwanted[bytes.fromhex(digest)] = size
    return unwanted


def _parents_last(repo: Repository, blobs: DiskMap) -> DiskStack:
    """Returns some blobs so that each comes off before those that it names, else in their order.

    A damaged one goes all the same, so what it named matters no more.
    """
    opened = DiskMap()
    order, waiting = DiskStack(), DiskStack()
    for top in blobs.keys(descending=True):
        waiting.push((top, False))
        while waiting:
            key, is_done = waiting.pop()
            if is_done:
                order.push((key, blobs.get(key)))
            elif opened.add(key):
                waiting.push((key, True))
                try:
                    for digest in digests_in_blob(repo, ContentDigest(key.hex())):
                        part = bytes.fromhex(digest)
                        if part in blobs and part not in opened:
                            waiting.push((part, False))
                except (IntegrityError, NotFoundError):
                    continue
    return order


def _removed(item: tuple[bytes, int]) -> Removed:
    key, size = item
    return Removed(ContentDigest(key.hex()), size)


def _read(reachable: ReachableSet) -> None:
    for _ in reachable.catch_up():
        pass
