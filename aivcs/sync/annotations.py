"""Copies annotations: create-only documents, so a copy is a union, and nothing can diverge.

Only annotations of runs that the target has are copied, each checked against its name, which is the
digest of its content, and after the blobs that its payload declares.
"""

from __future__ import annotations

from aivcs.errors import ConflictError, StorageError
from aivcs.log.annotation import FOLDER, split_name
from aivcs.log.verify_run import blobs_in
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.sync.plan import NEW, SortedMembership
from aivcs.sync.scan import refuse_secrets
from aivcs.sync.transfer import FAILED, Copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aivcs.repository import Repository
    from aivcs.sync.blobs import BlobCopier


def copy_annotations(
    source: Repository,
    target: Repository,
    blobs: BlobCopier,
    *,
    runs: Collection[str] | None = None,
    scans: bool = False,
    dry_run: bool = False,
) -> Iterator[Copied]:
    """Copies the annotations that the target lacks; yields what became of each.

    The name of the annotation stands in `Copied.run_id`.

    Args:
        source: Where they are.
        target: Where they are copied to.
        blobs: Copies the blobs that they declare.
        runs: Only those of these runs; None is all.
        scans: As for `RunCopier`.
        dry_run: Whether to write nothing.

    Raises:
        StorageError: A store is away, and the rest was not copied.
    """
    there: SortedMembership | None = None
    erased = target.erasures.load().annotations
    last, has_run = "", False
    for name in source.store.documents.names(FOLDER):
        if there is None:  # asked for only if there is something to copy
            there = SortedMembership(target.store.documents.names(FOLDER))
        if there.has(name):
            continue
        try:
            run_id, digest = split_name(name)
            if digest in erased:
                continue
            if run_id != last:
                last, has_run = run_id, (runs is None or run_id in runs) and _has(target, run_id)
            if has_run:
                yield _copy(source, target, blobs, name, scans=scans, dry_run=dry_run)
        except StorageError as error:
            if error.is_store_away:
                raise
            yield Copied(name, FAILED, Head(0, ""), error=error)


def _has(repo: Repository, run_id: str) -> bool:
    with repo.store.logs.look(f"run/{run_id}") as view:
        return view is not None


def _copy(
    source: Repository,
    target: Repository,
    blobs: BlobCopier,
    name: str,
    *,
    scans: bool,
    dry_run: bool,
) -> Copied:
    stored = source.annotations.read(name)
    found = source.store.documents.read(name)
    if stored is None or found is None:
        raise ConflictError(f"{name} was removed at its source while it was copied")
    head = Head(1, stored.digest)
    if scans:
        refuse_secrets(found[0].decode(), name)
    wanted = sorted(map(ContentDigest, blobs_in(stored.value.payload)))
    if dry_run:
        return Copied(name, NEW, head, blobs=tuple(blobs.missing(wanted)))
    with target.hold():
        blobs.copy(wanted)
        for digest in wanted:
            if digest in blobs.damaged:
                raise blobs.damaged[digest]
        target.store.documents.create(name, found[0])
    return Copied(name, NEW, head)
