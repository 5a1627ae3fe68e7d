"""What live specs are made of, and is not there; a part of `aivcs verify`.

A spec names its parts, and a part others, by JSON strings of 64 hexadecimal digits; in any other
text such digits keep a blob (`aivcs.store.references`), but are not a name. Even such a string may
be the digest of something that was never a blob, so a missing one is a notice. The absence of a
pinned blob is damage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository

_PUT = "put the content: aivcs blob put FILE; if it never was a blob, nothing is missing"
_READ = "check owner, permissions and disk, then verify again"


def verify(repo: Repository, found: Iterable[Finding]) -> Iterator[Finding]:
    """Yields findings of a whole store, and behind them what live specs name and is missing.

    A blob that is missing is said once, with the first live spec that needs it.
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
    except StorageError:
        if not told:
            raise
        return  # what was found must be mended first
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
        yield Finding(DAMAGE, f"release/{name}", None, f"it cannot be read: {error}", _READ)
        return
    if live is not None:
        yield from _missing_of(repo, live, seen)


def _missing_of(repo: Repository, live: ReleaseRecord, seen: DiskMap) -> Iterator[Finding]:
    """Yields what is missing of a live spec, and was not seen under another one.

    Args:
        repo: The store.
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
                part = next(parts, None)  # and no more: a full stack is no damage to the blob
            except NotFoundError:
                why = f"it is what is live as {release}"
                if whole:
                    why = f"blob {whole.hex()} names it, which belongs to what is live as {release}"
                yield Finding(NOTICE, digest, None, f"it is not in this store, but {why}", _PUT)
            except IntegrityError:
                pass  # which was found before
            except BackendError as error:
                yield Finding(DAMAGE, digest, None, f"it cannot be read: {error}", _READ)
            else:
                if part is None:
                    break
                waiting.push((bytes.fromhex(part), key))
                count += 1
                continue
            for _ in range(count):  # whatever that was, the blob may not have said it
                waiting.pop()
            break
