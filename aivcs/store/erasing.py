"""Carries out erasures, once their records are durable; each step may be repeated.

The record comes first, then the content goes: an erasure that was interrupted is *pending*, and
whoever calls `carry_out` next completes it. That of a blob is so by a document `erasing/<digest>`,
which comes before the record and goes after the content, so it is carried out once: a blob that was
put again later is left, whatever clocks say, because somebody wants it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from aivcs.errors import BackendError, ConflictError, IntegrityError
from aivcs.log import chain
from aivcs.log.annotation import folder_of, name_of
from aivcs.log.erasure import event_of
from aivcs.model.digest import ContentDigest
from aivcs.model.erasure import ErasedAnnotation, ErasedBlob, ErasedEvent, ErasedLogs
from aivcs.store.runs import REPLICAS, UNTRUSTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aivcs.log.erasure import Erasures
    from aivcs.model.erasure import Erasure, StoredErasure
    from aivcs.store.driver import Backend, Erasing


_BEGUN = "erasing/"
"""Prefix of the documents of blob erasures that are not carried out yet; the digest follows."""
_FEW = 64
"""Number of runs up to which each is looked up by name; for more, all names are listed."""


class Pending(NamedTuple):
    """Something that a record says was erased, and that is still there.

    Attributes:
        what: The log with an erased event, `run/<id>`; a whole log; `blob/<digest>`; or the
            document of an annotation.
        line: The number of the line in a log, or None.
        stored: The record.
    """

    what: str
    line: int | None
    stored: StoredErasure


def erasing(store: Backend) -> Erasing:
    """Returns the logs of a store from which content can be erased.

    To be called before anything is written, so that a store of another kind stays as it is.

    Raises:
        ConflictError: It cannot.
    """
    if not getattr(store.logs, "erases", False):
        from aivcs.codec.url import shown

        raise ConflictError(
            f"{shown(store.url)} is of a kind of store from which nothing can be erased yet; "
            "nothing was changed"
        )
    return cast("Erasing", store.logs)


def all_of(stored: StoredErasure) -> Iterator[Pending]:
    """Yields all that a record says, whether it is still there or not."""
    target = stored.value.target
    if isinstance(target, ErasedEvent):
        yield Pending(target.log, target.line, stored)
    elif isinstance(target, ErasedBlob):
        yield Pending(f"blob/{target.digest}", None, stored)
    elif isinstance(target, ErasedAnnotation):
        yield Pending(_document_of(stored), None, stored)
    else:
        for log in target.logs if isinstance(target, ErasedLogs) else (target,):
            yield Pending(log.log, None, stored)


def begin(store: Backend, erasure: Erasure) -> None:
    """Marks an erasure as not carried out yet, before its record is stored."""
    if isinstance(erasure.target, ErasedBlob):
        store.documents.create(f"{_BEGUN}{erasure.target.digest}", b"")


def pending(store: Backend, erasures: Erasures, *, are_new: bool = False) -> Iterator[Pending]:
    """Yields what is recorded as erased, and still to be erased.

    Args:
        store: The store.
        erasures: Its records.
        are_new: Whether the records are not in the store yet. Then every blob that is there counts,
            and the last line of a log, which cannot be redacted before another follows: the log is
            a copy that is behind.

    Raises:
        StorageError: A log or a document cannot be read.
    """
    for name in erasures.redacted_logs():
        for number, stored in _unredacted(store, name, erasures, with_last=are_new).items():
            yield Pending(name, number, stored)
    if erasures.logs:
        for name in _existing(store, erasures.logs):
            yield Pending(name, None, erasures.logs[name][0][1])
    begun = erasures.blobs if are_new else _begun(store)
    for digest in begun:
        if digest in erasures.blobs and (not are_new or is_there(store, ContentDigest(digest))):
            yield Pending(f"blob/{digest}", None, erasures.blobs[digest][-1])
    for stored in (records[0] for records in erasures.annotations.values()):
        if store.documents.read(_document_of(stored)) is not None:
            yield from all_of(stored)


def carry_out(store: Backend, found: Collection[Pending]) -> None:
    """Erases what is pending; it is gone durably on return.

    Raises:
        ConflictError: The store cannot erase, or a log changed meanwhile.
        LockTimeoutError: Others hold a log, or rely on blobs, for too long.
        StorageError: Something could not be erased; what is left stays pending.
    """
    if not found:
        return
    logs = erasing(store)
    lines: dict[str, set[int]] = {}
    whole, blobs = [], []
    for item in found:
        if item.line is not None:
            lines.setdefault(item.what, set()).add(item.line)
        elif item.what.startswith("run/"):
            whole.append(item.what)
        elif item.what.startswith("blob/"):
            blobs.append(ContentDigest(item.what.removeprefix("blob/")))
        else:
            store.documents.drop(item.what)
    for name, numbers in lines.items():
        stubs = {number: stub for number, _, stub in _events_of(store, name, numbers)}
        logs.redact(name, stubs)
    if whole:
        _remove_logs(store, whole)
    if blobs:
        with store.objects.removal():
            for digest in blobs:
                remove_blob(store, digest)


def remove_blob(store: Backend, digest: ContentDigest) -> None:
    """Removes a blob, its pin, and what is left of it elsewhere; call it inside `removal`."""
    logs = erasing(store)
    store.documents.drop(f"pins/{digest}")
    logs.forget_blob(digest)
    store.objects.delete(digest)
    store.documents.drop(f"{_BEGUN}{digest}")


def _remove_logs(store: Backend, names: list[str]) -> None:
    """Removes logs of runs, and then all documents beside them.

    A run without its mark, or without an annotation, could be evidence that it is not.
    """
    logs = erasing(store)
    logs.remove_many(names)
    runs = {name.removeprefix("run/") for name in names}
    for document in _notes_of(store, runs):
        store.documents.drop(document)
    for document in _marks_of(store, runs):
        try:
            store.documents.drop(document)
        except BackendError as error:
            if error.is_store_away:
                raise
            # On a server only its owner may: it stays pending, of an id that is not used again.


def _marks_of(store: Backend, runs: Collection[str]) -> list[str]:
    """Returns the names of the documents that mark some runs."""
    return [
        name
        for prefix in (REPLICAS, UNTRUSTED)
        for name in store.documents.names(prefix)
        if name.removeprefix(prefix) in runs
    ]


def _notes_of(store: Backend, runs: Collection[str]) -> list[str]:
    """Returns the names of the annotations of some runs."""
    if len(runs) <= _FEW:
        return [name for run in sorted(runs) for name in store.documents.names(folder_of(run))]
    return [name for name in store.documents.names("notes/") if name.split("/")[2] in runs]


def _existing(store: Backend, logs: Collection[str]) -> Iterator[str]:
    """Yields the logs of some that are there, or that left documents, in order."""
    if len(logs) <= _FEW:
        found = set()
        for name in logs:
            with store.logs.look(name) as view:
                if view is not None:
                    found.add(name)
    else:
        found = {name for name in store.logs.names("run/", strict=False) if name in logs}
    runs = {name.removeprefix("run/") for name in logs}
    found.update(f"run/{document.split('/')[2]}" for document in _notes_of(store, runs))
    found.update(f"run/{document.split('/')[1]}" for document in _marks_of(store, runs))
    yield from sorted(found)


def _unredacted(
    store: Backend, name: str, erasures: Erasures, *, with_last: bool
) -> dict[int, StoredErasure]:
    """Returns the records of a log's lines that still are events, by line."""
    wanted = erasures.lines_of(name)
    last = max(wanted, default=0)
    found: dict[int, StoredErasure] = {}
    before, number = "", 0
    for line, place in store.logs.read(name):
        number = place.lines
        if number > last:
            return found
        stored = wanted.get(number, [])
        if stored and not chain.is_redacted(line):
            with suppress(IntegrityError):
                target, _ = event_of(name, number, line, before)
                fitting = [one for one in stored if one.value.target == target]
                if fitting:
                    found[number] = fitting[0]
        before = place.hash
    if not with_last:
        found.pop(number, None)
    return found


def _begun(store: Backend) -> list[str]:
    """Returns the blobs whose erasure is not carried out yet."""
    return [name.removeprefix(_BEGUN) for name in store.documents.names(_BEGUN)]


def is_there(store: Backend, digest: ContentDigest) -> bool:
    """Tells whether a blob is in a store, also in quarantine, or pinned there."""
    return (
        store.objects.contains(digest)
        or store.documents.read(f"pins/{digest}") is not None
        or any(damaged_copies(store, digest))
    )


def damaged_copies(store: Backend, digest: ContentDigest) -> Iterator[BinaryIO]:
    """Yields what is in quarantine of a blob, each copy open until the next one."""
    if hasattr(store.logs, "damaged_copies"):
        yield from cast("Erasing", store.logs).damaged_copies(digest)


def _document_of(stored: StoredErasure) -> str:
    target = stored.value.target
    assert isinstance(target, ErasedAnnotation)
    return name_of(target.log.removeprefix("run/"), target.digest)


def event_targets(store: Backend, name: str, numbers: Collection[int]) -> list[ErasedEvent]:
    """Returns what the records of some events of a log say.

    Raises:
        IntegrityError: A line is not that of an event.
    """
    return [target for _, target, _ in _events_of(store, name, numbers)]


def _events_of(
    store: Backend, name: str, numbers: Collection[int]
) -> Iterator[tuple[int, ErasedEvent, bytes]]:
    """Yields the number of each line, what the record of its erasure says, and its stub."""
    before, left = "", len(numbers)
    for line, place in store.logs.read(name):
        if place.lines in numbers:
            yield place.lines, *event_of(name, place.lines, line, before)
            left -= 1
        if not left:
            return
        before = place.hash
