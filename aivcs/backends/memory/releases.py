"""Releases in memory, kept as the lines of their logs."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from aivcs.backends.memory.log import MemoryLog
from aivcs.errors import IntegrityError, ReleaseNotFoundError
from aivcs.log import chain, release
from aivcs.model import ContentDigest, check_release_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model import Head, ReleaseMetadata, ReleaseRecord


class MemoryReleaseRegistry:
    """An `aivcs.ReleaseRegistry` that keeps the log of each name as a list of lines.

    Attributes:
        logs: The logs by name. Tests damage lines through it; nothing else should touch it.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.logs: dict[str, MemoryLog] = {}
        self._lock = Lock()

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: ContentDigest | int | str | None = None,
    ) -> ReleaseRecord:
        """Makes a spec live, on top of what is; returns the new entry.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            InvalidDigestError: `spec_digest` is none.
            ConflictError: Something else than expected is live.
            SerializationError: The notes are no text.
            IntegrityError: The end of the log is damaged.
        """
        check_release_name(name)
        spec_digest = ContentDigest(spec_digest)
        with self._lock:
            log = self.logs.get(name) or MemoryLog(f"release {name}")
            top = next(_releases(log), None)
            release.require_expected(name, top, expect)
            record = release.promotion(name, top, _next_seq(log), spec_digest, metadata)
            self._append(log, record)
        return record

    def rollback(
        self,
        name: str,
        *,
        to: ContentDigest | int | str | None = None,
        metadata: ReleaseMetadata | None = None,
        expect: ContentDigest | int | str | None = None,
    ) -> ReleaseRecord:
        """Makes an earlier release live again; returns the new entry.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            ReleaseNotFoundError: Nothing was released under it, or never the target.
            NoPreviousReleaseError: There is nothing below the live release.
            ConflictError: Something else than expected is live.
            SerializationError: The notes are no text.
            IntegrityError: The log is damaged where it was read.
        """
        check_release_name(name)
        with self._lock:
            log = self._log(name)
            top = next(_releases(log), None)
            if top is None:
                raise ReleaseNotFoundError(name)
            release.require_expected(name, top, expect)
            seq = _next_seq(log)
            if to is None:
                record = release.pop(name, top, seq, lambda seq: _entry(log, seq), metadata)
            else:
                target = release.find_release(name, _releases(log), to)
                record = release.pop_to(top, seq, target, lambda seq: _entry(log, seq), metadata)
            self._append(log, record)
        return record

    def current(self, name: str) -> ReleaseRecord | None:
        """Returns the entry that says what is live, or None if nothing was released.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: The end of the log is damaged.
        """
        check_release_name(name)
        with self._lock:
            log = self.logs.get(name)
            return None if log is None else next(_releases(log), None)

    def history(self, name: str) -> list[ReleaseRecord]:
        """Returns all entries of a name, newest first; none for an unknown name.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: The log is damaged.
        """
        return list(self.iter_history(name))

    def iter_history(self, name: str) -> Iterator[ReleaseRecord]:
        """Yields all entries that a name has at this moment, newest first.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: The log is damaged; where it is reached.
        """
        check_release_name(name)
        with self._lock:
            log = self.logs.get(name)
            return iter(()) if log is None else _releases(log.copy())

    def list_names(self) -> Iterator[str]:
        """Yields the names there are at this moment, in order."""
        with self._lock:
            return iter(sorted(self.logs))

    def head(self, name: str) -> Head:
        """Returns the head of a name's log.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            ReleaseNotFoundError: Nothing was released under it.
            IntegrityError: The log is damaged.
        """
        check_release_name(name)
        with self._lock:
            log = self._log(name).copy()
        return log.head()

    def _log(self, name: str) -> MemoryLog:
        """The log of a name, under the lock."""
        log = self.logs.get(name)
        if log is None:
            raise ReleaseNotFoundError(name)
        return log

    def _append(self, log: MemoryLog, record: ReleaseRecord) -> None:
        """Seals an entry and puts it at the end of a log, which may be new."""
        previous = chain.hash_of(log.line(-1)) if log.lines else ""
        line, _ = release.line_of(record, previous or "")
        log.lines.append(line)
        self.logs[record.name] = log


def _releases(log: MemoryLog) -> Iterator[ReleaseRecord]:
    """Yields the releases of a log, newest first, each line checked."""
    for number in range(len(log.lines), 0, -1):
        line = log.line(number)
        with log.naming(number):
            record = release.record_of(line)
        if record is not None:
            yield record


def _entry(log: MemoryLog, seq: int) -> ReleaseRecord:
    """The release with a seq, which an entry of the log refers to."""
    line = log.line(seq) if 0 < seq <= len(log.lines) else None
    record = release.record_of(line) if line is not None else None
    if record is None or record.seq != seq:
        raise IntegrityError(
            None, None, log.name, f"{log.name} refers to an entry {seq} that is no release"
        )
    return record


def _next_seq(log: MemoryLog) -> int:
    return len(log.lines) + 1
