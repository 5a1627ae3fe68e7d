"""Finds blobs that live specs name and the store does not have. Part of `aivcs verify`.

A spec names its parts, and a part others, by JSON strings of 64 hexadecimal digits. In any other
text such digits keep a blob (`aivcs.store.references`), but do not name one. Even such a string may
be the digest of something that was never a blob, so a missing one is a notice. A missing blob with
a pin is damage.
"""

from __future__ import annotations

from aivcs.errors import (
    BackendError,
    IntegrityError,
    NotFoundError,
    StorageError,
    UnsupportedFormatError,
)
from aivcs.log.verify_run import DAMAGE, NOTICE
from aivcs.model.digest import ContentDigest
from aivcs.store.finding import Finding
from aivcs.store.references import digests_in_blob
from aivcs.util.disk_map import DiskMap, DiskStack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository

_FIX_ABSENT = "put the content: aivcs blob put FILE; if it never was a blob, nothing is missing"
_FIX_UNREADABLE = "check owner, permissions and disk, then verify again"


def verify(repo: Repository, found: Iterable[Finding]) -> Iterator[Finding]:
    """Yields findings of a whole store, then the missing blobs of live specs.

    A missing blob is reported once, for the first live spec that needs it.
    """
    told = DiskMap()
    for finding in found:
        if finding.is_open:
            told.add(finding.where)
        yield finding
    # Strictly: a name that could not be listed would seem to be none.
    names = repo.store.logs.names("release/")
    try:
        listed = list(names)
    except StorageError as error:
        if not told or error.is_store_away:
            raise
        return  # the findings so far must be repaired first
    seen = DiskMap()
    for log in listed:
        for finding in _missing_under(repo, log.removeprefix("release/"), seen):
            if finding.where not in told:
                yield finding


def _missing_under(repo: Repository, name: str, seen: DiskMap) -> Iterator[Finding]:
    try:
        live = repo.releases.current(name)
    except (IntegrityError, UnsupportedFormatError):
        return  # which was found before
    except BackendError as error:
        if error.is_store_away:
            raise
        yield Finding(
            DAMAGE, f"release/{name}", None, f"it cannot be read: {error}", _FIX_UNREADABLE
        )
        return
    if live is not None:
        yield from _missing_of(repo, live, seen)


def _missing_of(repo: Repository, live: ReleaseRecord, seen: DiskMap) -> Iterator[Finding]:
    """Yields the missing blobs of a live spec that no other spec has reported.

    Args:
        repo: The repository.
        live: The release.
        seen: The digests that were looked for, as bytes; takes further ones.
    """
    release = f"{live.name}@{live.seq}"
    waiting = DiskStack()
    waiting.push((bytes.fromhex(live.spec_digest), b""))
    while waiting:
        key, whole = waiting.pop()
        if not seen.add(key):
            continue
        digest = ContentDigest(key.hex())
        count = 0
        parts = digests_in_blob(repo, digest, strings=True)
        while True:
            try:
                # Nothing else in the `try`: an error of the stack is not damage to the blob.
                part = next(parts, None)
            except NotFoundError:
                why = f"it is what is live as {release}"
                if whole:
                    why = f"blob {whole.hex()} names it, which belongs to what is live as {release}"
                yield Finding(
                    NOTICE, digest, None, f"it is not in this store, but {why}", _FIX_ABSENT
                )
            except IntegrityError:
                pass  # which was found before
            except BackendError as error:
                if error.is_store_away:
                    raise
                yield Finding(DAMAGE, digest, None, f"it cannot be read: {error}", _FIX_UNREADABLE)
            else:
                if part is None:
                    break
                waiting.push((bytes.fromhex(part), key))
                count += 1
                continue
            for _ in range(count):  # whatever that was, the blob may not have said it
                waiting.pop()
            break
