"""The parts of verification and garbage collection that only a store on S3 needs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aivcs.backends.s3.chunks import joined_key
from aivcs.backends.s3.sealing import seal
from aivcs.errors import StorageError
from aivcs.store.erasures import DocumentErasures
from aivcs.store.finding import Finding
from aivcs.store.references import ReachableSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.s3.chunks import Chunks
    from aivcs.backends.s3.client import Client
    from aivcs.backends.s3.erasing_lock import ErasingLocks
    from aivcs.backends.s3.index import Rows
    from aivcs.backends.s3.logs import S3Logs
    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import Backend

_NOTICE = "notice"


def missing_rows(logs: S3Logs, rows: Rows, *, repair: bool) -> Iterator[Finding]:
    """Yields a notice for each run that lists do not show; a repair writes its row."""
    known = {run_id for _, run_id in rows.places()}
    known.update(rows.moved())  # in this order: rows move to segments
    for name in logs.names("run/"):
        if name[4:] in known:
            continue
        try:
            with logs.look(name) as view:
                if view is None:
                    continue
                first = view.first()
            repaired = None
            if repair:
                rows.begin(name, [first + b"\n"])
                repaired = "its row was written"
        except StorageError as error:
            if error.is_store_away:
                raise
            continue  # said about the log already
        yield Finding(
            _NOTICE, name, None, "the index has no row for it, so lists do not show it",
            "aivcs verify --repair writes the row", repaired,
        )  # fmt: skip


def erased_rows(
    store: Backend, rows: Rows, locks: ErasingLocks, *, repair: bool
) -> Iterator[Finding]:
    """Yields a notice for each erased run that lists still show; a repair takes it from them.

    A garbage collection that was killed while a run was erased may have left it in a segment.
    """
    erased = DocumentErasures(store.documents).load_readable().logs
    if not erased:
        return
    existing = set(store.logs.names("run/", strict=False))
    # Read after the logs: who erases a run takes it from the segments before its log goes.
    for run_id, place in sorted(rows.moved().items()):
        name = f"run/{run_id}"
        if name in erased and name not in existing:
            if repair:
                rows.drop({place}, locks)
            yield Finding(
                _NOTICE, name, None, "the run was erased, and the index still has its first line",
                "aivcs verify --repair removes it", "it was removed" if repair else None,
            )  # fmt: skip


def seal_all(client: Client, chunks: Chunks) -> None:
    """Joins all runs that have ended and are not joined yet. Damaged ones stay as they are.

    A run that is joined, and emptied, costs nothing but its keys in the listing of all.
    """
    done = {entry.key for entry in client.entries("runs")}
    for name, listed in chunks.listed_runs():
        # An interrupted emptying left chunks with bytes between the first and the last.
        if joined_key(name) in done and not any(size for _, size in listed[1:-1]):
            continue
        try:
            seal(client, chunks, name, listed)
        except StorageError as error:
            if error.is_store_away:
                raise
            continue  # verification tells what is wrong with it


def needed_blobs(backend: Backend) -> Callable[[ContentDigest], bool]:
    """Reads the whole store; returns what tells whether anything refers to a blob."""

    def pins() -> Iterator[str]:
        return (name[5:] for name in backend.documents.names("pins/"))

    repo: Any = SimpleNamespace(store=backend, blobs=backend.objects, pins=pins)
    with backend.hold():
        reachable = ReachableSet(repo)
        for _ in reachable.catch_up():
            pass
    return reachable.__contains__
