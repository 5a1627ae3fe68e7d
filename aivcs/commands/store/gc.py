"""`aivcs gc`: deletes blobs that nothing refers to.

A blob is garbage if nothing refers to it (`aivcs.store.references`), it was not put recently, and
no recently put blob names it: building something out of blobs may take that long before anything
refers to it.

First, everything is read, while writers continue. Then, per batch: lock writers out, read the lines
appended since, and delete what is still unreferenced. Writers check for a blob and refer to it in
one hold, so they find it there for good, or gone. A blob is deleted before the blobs that it names,
so that a blob that remains has all of its parts. Whenever this ends, interrupted or not, nothing
was deleted that anything referred to.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.store.clock import agreed_now
from aivcs.errors import IntegrityError, LockTimeoutError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.store.references import ReachableSet, digests_in_blob, require_log_folders
from aivcs.util.disk_map import DiskMap, DiskStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.repository import Repository

GRACE_S = 14 * 86_400
"""Seconds that a blob is kept after it was last put, by default."""
_MAX_BATCH_S = 0.1
"""Seconds that a batch may lock writers out, besides reading what they appended."""


class Removed(NamedTuple):
    """A deleted blob.

    Attributes:
        digest: Its digest.
        size: Its size in bytes.
    """

    digest: ContentDigest
    size: int


def collect(
    repo: Repository, *, grace: float = GRACE_S, dry_run: bool = False
) -> Iterator[Removed]:
    """Deletes garbage, and yields each blob after it is deleted.

    Args:
        repo: The repository.
        grace: Seconds that a blob is kept after it was last put.
        dry_run: Yield the garbage and delete nothing; then nothing is locked.

    Raises:
        UsageError: The grace period is negative.
        IntegrityError: A log or a referring blob is damaged, or the folder of all runs or releases
            is missing: it could refer to anything.
        LockTimeoutError: Other processes hold the store for too long.
        BackendError: A log or a blob cannot be read or removed.
    """
    moment = before(repo, grace)
    reachable = ReachableSet(repo)
    _read(reachable)
    garbage = _parents_last(repo, _unwanted(repo, reachable, moment))
    if garbage:
        require_log_folders(repo.store)
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
                deadline = monotonic() + _MAX_BATCH_S
                while garbage and monotonic() < deadline:
                    blob = _removed(garbage.pop())
                    if blob.digest in reachable:
                        continue
                    if removal.remove(blob.digest, unless_since=moment):
                        gone.append(blob)
                    else:  # put again in the meantime: the blobs it names are needed, too
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


def clear_leftovers(repo: Repository, *, grace: float = GRACE_S, dry_run: bool = False) -> int:
    """Deletes the unfinished files of crashes. Returns their number.

    Args:
        repo: The repository.
        grace: Seconds that a file is kept after it was last written.
        dry_run: Count only.

    Raises:
        UsageError: The grace period is negative.
        BackendError: A file cannot be removed.
    """
    return repo.store.sweep(before(repo, grace), delete=not dry_run)


def before(repo: Repository, grace: float) -> float:
    """Returns the moment (POSIX seconds) a grace period ago, by the store's clock.

    Raises:
        UsageError: The grace period is negative.
        BackendError: That clock and this machine's differ too much.
    """
    if grace < 0:
        raise UsageError("a grace period must not be negative")
    return agreed_now(repo) - grace


def _unwanted(repo: Repository, reachable: ReachableSet, moment: float) -> DiskMap:
    """Returns the garbage, as far as the store was read: sizes by digests, as bytes.

    Blobs put since the moment are searched, so that the blobs they name stay. Blobs that were
    searched earlier may be among the result.
    """
    unwanted = DiskMap()
    for digest, size, put in repo.store.objects.stored():
        if put >= moment:
            reachable.search(digest)
        elif digest not in reachable:
            unwanted[bytes.fromhex(digest)] = size
    return unwanted


def _parents_last(repo: Repository, blobs: DiskMap) -> DiskStack:
    """Orders blobs so that each is popped before those that it names.

    A damaged blob is deleted in any case: what it named does not count.
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
