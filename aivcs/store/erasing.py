"""Carries out erasures, once their records are durable; each step may be repeated.

The record comes first, then the content goes: an erasure that was interrupted is *pending*, and
whoever calls `carry_out` next completes it. A blob that was put again after it was erased, and an
annotation that was, are left: somebody wants them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import ConflictError, IntegrityError
from aivcs.log import chain
from aivcs.log.annotation import folder_of, name_of
from aivcs.log.erasure import event_of
from aivcs.model.digest import ContentDigest
from aivcs.model.erasure import ErasedAnnotation, ErasedBlob, ErasedEvent
from aivcs.model.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aivcs.log.erasure import Erasures
    from aivcs.model.erasure import StoredErasure
    from aivcs.store.driver import Backend


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


def require_erasing(store: Backend) -> None:
    """Requires that content can be erased from a store, before anything is written.

    Raises:
        ConflictError: It cannot.
    """
    if not getattr(store.logs, "erases", False):
        from aivcs.codec.url import shown

        raise ConflictError(
            f"{shown(store.url)} is of a kind of store from which nothing can be erased yet; "
            "nothing was changed"
        )


def pending(
    store: Backend, erasures: Erasures, *, only: Collection[str] | None = None
) -> Iterator[Pending]:
    """Yields what is recorded as erased, and still there.

    Args:
        store: The store.
        erasures: Its records.
        only: Only records with these digests; None is all.

    Raises:
        StorageError: A log or a document cannot be read.
    """
    for name in erasures.redacted_logs():
        for number, stored in _unredacted(store, name, erasures, only).items():
            yield Pending(name, number, stored)
    logs = {
        name: stored
        for name, (_, stored) in erasures.logs.items()
        if only is None or stored.digest in only
    }
    if logs:
        for name in _existing(store, logs):
            yield Pending(name, None, logs[name])
    for stored in erasures.blobs.values():
        target = stored.value.target
        assert isinstance(target, ErasedBlob)
        # Who asks for certain records has just made them: no clock of a store is asked then.
        if stored.digest in only if only is not None else _is_older(store, stored):
            yield Pending(f"blob/{target.digest}", None, stored)
    for stored in erasures.annotations.values():
        if only is None or stored.digest in only:
            document = _document_of(stored)
            if store.documents.read(document) is not None:
                yield Pending(document, None, stored)


def carry_out(store: Backend, found: Collection[Pending]) -> None:
    """Erases what is pending; it is gone durably on return.

    Raises:
        ConflictError: The store cannot erase, or a log changed meanwhile.
        LockTimeoutError: Others hold a log, or rely on blobs, for too long.
        StorageError: Something could not be erased; what is left stays pending.
    """
    if not found:
        return
    require_erasing(store)
    logs: Any = store.logs
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
        logs.redact(name, _stubs(store, name, numbers))
    if whole:
        _remove_logs(store, whole)
    if blobs:
        with store.objects.removal():
            for digest in blobs:
                remove_blob(store, digest)


def remove_blob(store: Backend, digest: ContentDigest) -> None:
    """Removes a blob, its pin, and what is left of it elsewhere; call it inside `removal`."""
    logs: Any = store.logs
    store.documents.drop(f"pins/{digest}")
    logs.forget_blob(digest)
    store.objects.delete(digest)


def _remove_logs(store: Backend, names: list[str]) -> None:
    """Removes logs of runs, after all documents beside them."""
    logs: Any = store.logs
    runs = {name.removeprefix("run/") for name in names}
    for prefix in ("replicas/", "untrusted/"):
        for document in list(store.documents.names(prefix)):
            if document.removeprefix(prefix) in runs:
                store.documents.drop(document)
    if any(True for _ in store.documents.names("notes/")):
        for run_id in sorted(runs):
            for document in list(store.documents.names(folder_of(run_id))):
                store.documents.drop(document)
    logs.remove_many(names)


def _existing(store: Backend, logs: Collection[str]) -> Iterator[str]:
    """Yields the logs of some that are there, or that left annotations, in order."""
    wanted = set(logs)
    if len(wanted) <= 64:  # a few: look for each
        for name in sorted(wanted):
            with store.logs.look(name) as view:
                is_there = view is not None
            run_id = name.removeprefix("run/")
            if is_there or any(True for _ in store.documents.names(folder_of(run_id))):
                yield name
        return
    found = {name for name in store.logs.names("run/", strict=False) if name in wanted}
    for document in store.documents.names("notes/"):
        name = f"run/{document.split('/')[2]}"
        if name in wanted:
            found.add(name)
    yield from sorted(found)


def _unredacted(
    store: Backend, name: str, erasures: Erasures, only: Collection[str] | None
) -> dict[int, StoredErasure]:
    """Returns the records of a log's lines that still are events, by line."""
    wanted = {
        number: [one for one in stored if only is None or one.digest in only]
        for number, stored in erasures.lines_of(name).items()
    }
    last = max((number for number, stored in wanted.items() if stored), default=0)
    found: dict[int, StoredErasure] = {}
    before, number = "", 0
    for line, place in store.logs.read(name) if last else ():
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
    found.pop(number, None)  # the last line of a log stays until another follows
    return found


def _stubs(store: Backend, name: str, numbers: Collection[int]) -> dict[int, bytes]:
    stubs = {}
    before = ""
    for line, place in store.logs.read(name):
        if place.lines in numbers:
            _, stubs[place.lines] = event_of(name, place.lines, line, before)
            if len(stubs) == len(numbers):
                break
        before = place.hash
    return stubs


def _is_older(store: Backend, stored: StoredErasure) -> bool:
    """Tells whether an erased blob is there, and was not put again since."""
    target = stored.value.target
    assert isinstance(target, ErasedBlob)
    if not store.objects.contains(target.digest):
        return store.documents.read(f"pins/{target.digest}") is not None
    decided = Timestamp(stored.value.created_at).microseconds() / 1_000_000
    return any(
        digest == target.digest and put <= decided for digest, _, put in store.objects.stored()
    )


def _document_of(stored: StoredErasure) -> str:
    target = stored.value.target
    assert isinstance(target, ErasedAnnotation)
    return name_of(target.log.removeprefix("run/"), target.digest)


def event_targets(store: Backend, name: str, numbers: Collection[int]) -> list[ErasedEvent]:
    """Returns what the records of some events of a log say.

    Raises:
        IntegrityError: A line is not that of an event.
    """
    targets, before = [], ""
    for line, place in store.logs.read(name):
        if place.lines in numbers:
            targets.append(event_of(name, place.lines, line, before)[0])
            if len(targets) == len(numbers):
                break
        before = place.hash
    return targets
