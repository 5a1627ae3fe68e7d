"""The line of an erasure's record, the document that holds it, and what a set of them says. No I/O.

A record is a statement (`aivcs.log.statement`) in a document `erasures/<SHA-256 of the line>`.
Copying records between stores is union. The digests in a record refer to nothing: what they name
is gone.
"""

from __future__ import annotations

from bisect import insort

from aivcs.errors import IntegrityError
from aivcs.log.redaction import redacted_line
from aivcs.log.statement import read_statement
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.erasure import (
    ErasedAnnotation,
    ErasedBlob,
    ErasedEvent,
    ErasedLog,
    ErasedLogs,
    Erasure,
    StoredErasure,
    target_from,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FOLDER = "erasures/"
"""Prefix of the documents of all erasure records."""


def read_erasure(name: str, data: bytes) -> Erasure:
    """Returns the erasure in a document.

    Args:
        name: The name of the document.
        data: Its bytes.

    Raises:
        IntegrityError: They are not what the name says, or no erasure.
        UnsupportedFormatError: A later version wrote it.
    """
    return read_statement(name, digest_in(name), data, Erasure, _made)


def _made(fields: Any) -> Erasure:
    return Erasure(
        target_from(fields),
        by=fields["by"],
        reason=fields["reason"],
        created_at=fields["created_at"],
        signature=fields.get("signature"),
    )


def name_of(digest: str) -> str:
    """Returns the name of the document of a record."""
    return f"{FOLDER}{digest}"


def digest_in(name: str) -> ContentDigest:
    """Returns the digest in the name of a document.

    Raises:
        IntegrityError: It is not the name of a record.
    """
    digest = name.removeprefix(FOLDER)
    if name.startswith(FOLDER) and len(digest) == 64 and is_hex(digest):
        return ContentDigest(digest)
    raise IntegrityError.of(f"{name[:200]!a} is not the name of an erasure (erasures/DIGEST)", name)


def event_of(log: str, number: int, line: bytes, before: str) -> tuple[ErasedEvent, bytes]:
    """Returns what the record of an event's erasure says, and the redacted line.

    Args:
        log: The log.
        number: The number of the line.
        line: The line, without its newline; it may be redacted already.
        before: The hash of the line before.

    Raises:
        IntegrityError: The line is not that of an event.
    """
    from aivcs.log.chain import hash_of
    from aivcs.log.run import read_event

    stub = redacted_line(line)
    event = read_event(stub)
    assert event is not None
    assert event.seq is not None
    digest = ContentDigest.from_bytes(stub)
    return ErasedEvent(log, number, event.seq, before, hash_of(line) or "", digest), stub


def said(erasure: Erasure) -> str:
    """Returns who erased something, when and why, as the end of a sentence."""
    return f"erased on purpose by {erasure.by} at {erasure.created_at}: {erasure.reason}"


class Erasures:
    """The erasures that the records of a store describe, by log, blob and annotation.

    Attributes:
        blobs: The records for each erased blob, the earliest first.
        annotations: The records for each erased annotation, the earliest first.
        logs: For each erased log, what its records say of it, and the records, the earliest first.
        names: The names of the documents, in order.
    """

    __slots__ = ("_events", "annotations", "blobs", "logs", "names")

    def __init__(self) -> None:
        """Begins empty."""
        self.blobs: dict[str, list[StoredErasure]] = {}
        self.annotations: dict[str, list[StoredErasure]] = {}
        self.logs: dict[str, list[tuple[ErasedLog, StoredErasure]]] = {}
        self._events: dict[str, dict[int, list[StoredErasure]]] = {}
        self.names: dict[str, None] = {}

    def add(self, stored: StoredErasure) -> None:
        """Adds a record; several may be of the same, and not all need be signed, or true."""
        target = stored.value.target
        self.names[name_of(stored.digest)] = None
        if isinstance(target, ErasedEvent):
            lines = self._events.setdefault(target.log, {})
            insort(lines.setdefault(target.line, []), stored, key=_age)
        elif isinstance(target, ErasedBlob):
            insort(self.blobs.setdefault(target.digest, []), stored, key=_age)
        elif isinstance(target, ErasedAnnotation):
            insort(self.annotations.setdefault(target.digest, []), stored, key=_age)
        else:
            for log in target.logs if isinstance(target, ErasedLogs) else (target,):
                found = self.logs.setdefault(log.log, [])
                insort(found, (log, stored), key=lambda item: _age(item[1]))

    def __bool__(self) -> bool:
        """Whether there is any record."""
        return bool(self.names)

    def lines_of(self, log: str) -> dict[int, list[StoredErasure]]:
        """Returns the records for events of a log, the earliest first, by line number."""
        return self._events.get(log, {})

    def redacted_logs(self) -> Iterator[str]:
        """Yields the logs with erased events, in order."""
        yield from sorted(self._events)


def _age(stored: StoredErasure) -> tuple[str, str]:
    return stored.value.created_at, stored.digest
