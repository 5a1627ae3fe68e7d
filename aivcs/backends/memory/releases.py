"""Releases in memory, kept as the lines of their logs."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from aivcs.backends.memory.log import MemoryLog
from aivcs.errors import ReleaseNotFoundError
from aivcs.log import release
from aivcs.log.desk import Desk, sealed
from aivcs.model.digest import ContentDigest
from aivcs.model.release import check_release_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
    from aivcs.model.record import Head
    from aivcs.model.release import Evidence, ReleaseMetadata, ReleaseRecord

T = TypeVar("T")


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
        evidence: Iterable[Evidence] = (),
        policy: ContentDigest | None = None,
        forced: bool = False,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """Makes a spec live, on top of what is; returns the new entry.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            InvalidDigestError: `spec_digest` or `policy` is none.
            ConflictError: Something else than expected is live, or was seen; or it is blocked.
            SerializationError: It is forced without a reason, or `sign` gives no signature.
            IntegrityError: The end of the log is damaged.
        """
        digest, runs = ContentDigest(spec_digest), tuple(evidence)

        def promote(desk: Desk) -> ReleaseRecord:
            return desk.promote(
                digest, metadata, expect=expect, evidence=runs, policy=policy, forced=forced
            )

        return self._change(name, promote, seen=seen, sign=sign, dry_run=dry_run)

    def rollback(
        self,
        name: str,
        *,
        to: ContentDigest | int | str | None = None,
        metadata: ReleaseMetadata | None = None,
        expect: ContentDigest | int | str | None = None,
        block: bool = False,
        policy: ContentDigest | None = None,
        forced: bool = False,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """Makes an earlier release live again; returns the new entry.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            ReleaseNotFoundError: Nothing was released under it, or never the target.
            NoPreviousReleaseError: There is nothing below the live release.
            ConflictError: Something else than expected is live, or was seen; or it is blocked.
            SerializationError: It is forced or blocks without a reason, or `sign` gives no
                signature.
            IntegrityError: The log is damaged where it was read.
        """

        def roll_back(desk: Desk) -> ReleaseRecord:
            return desk.rollback(
                to, metadata, expect=expect, block=block, policy=policy, forced=forced
            )

        return self._change(name, roll_back, seen=seen, sign=sign, dry_run=dry_run)

    def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        """Marks a spec as bad; returns the mark.

        Raises:
            InvalidNameError: Name, actor or reason break the rules.
            ReleaseNotFoundError: Nothing was released under the name.
        """
        bad = ContentDigest(digest)
        return self._change(name, lambda desk: desk.block(bad, by=by, reason=reason))

    def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        """Takes a block back; returns the mark.

        Raises:
            InvalidNameError: Name, actor or reason break the rules.
            ReleaseNotFoundError: Nothing was released under the name.
            ConflictError: The spec is not blocked.
        """
        good = ContentDigest(digest)
        return self._change(name, lambda desk: desk.unblock(good, by=by, reason=reason))

    def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> SignatureMark:
        """Records a signature of an entry; returns the mark.

        Raises:
            ReleaseNotFoundError: There is no such entry.
            ConflictError: It has another hash.
            SerializationError: It is no SSH signature.
        """
        return self._change(name, lambda desk: desk.add_signature(seq, hash, signature))

    def find_block(self, name: str, digest: ContentDigest) -> BlockMark | None:
        """Returns the mark that blocks a spec now, or None."""
        wanted = ContentDigest(digest)
        return self._look(name, lambda desk: desk.find_block(wanted))

    def block_history(self, name: str, digest: ContentDigest) -> list[BlockMark]:
        """Returns every block and unblock of a spec, newest first."""
        wanted = ContentDigest(digest)
        return self._look(name, lambda desk: desk.block_history(wanted))

    def blocks(self, name: str) -> list[BlockMark]:
        """Returns the marks that block something now, newest first."""
        return self._look(name, Desk.blocks)

    def current(self, name: str) -> ReleaseRecord | None:
        """Returns the entry that says what is live, or None if nothing was released.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: The end of the log is damaged.
        """
        return self._look(name, lambda desk: desk.live)

    def standing(self, name: str) -> Standing | None:
        """Returns how the log of a name stands, or None if there is none."""
        return self._look(name, Desk.standing)

    def find(self, name: str, seq: int) -> Sealed | None:
        """Returns the entry or mark with a seq, or None."""
        check_release_name(name)
        with self._lock:
            log = self.logs.get(name) or _new(name)
            line = _line(log, seq)
            with log.naming():
                return None if line is None else sealed(line, name)

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
            return iter(()) if log is None else _releases(log.copy(), name)

    def iter_log(self, name: str) -> Iterator[Sealed]:
        """Yields all entries and marks that a name has at this moment, newest first.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: The log is damaged; where it is reached.
        """
        check_release_name(name)
        with self._lock:
            log = self.logs.get(name)
            return iter(()) if log is None else _sealed(log.copy(), name)

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

    def _look(self, name: str, question: Callable[[Desk], T]) -> T:
        """Answers a question about a log as it stands."""
        check_release_name(name)
        with self._lock:
            log = self.logs.get(name) or _new(name)
            with log.naming():
                return question(_desk(name, log))

    def _change(
        self,
        name: str,
        change: Callable[[Desk], T],
        *,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> T:
        """Makes a change under the lock, or one that was signed before if nothing came between."""

        def decide(desk: Desk) -> tuple[Desk, T]:
            desk.require_head(seen)
            return desk, change(desk)

        ready = self._look(name, decide) if sign is not None or dry_run else None
        if ready is not None and dry_run:
            return ready[1]
        if ready is not None and sign is not None:
            ready[0].sign(sign)
            seen = ready[0].start
        check_release_name(name)
        with self._lock:
            log = self.logs.get(name) or _new(name)
            with log.naming():
                now = _desk(name, log)
                now.require_head(seen)
                desk, outcome = ready or decide(now)
            log.lines += desk.lines
            self.logs[name] = log
        return outcome


def _new(name: str) -> MemoryLog:
    return MemoryLog(f"release {name}")


def _desk(name: str, log: MemoryLog) -> Desk:
    return Desk(
        name,
        log.line(-1) if log.lines else b"",
        lambda seq: _line(log, seq),
        lambda: _releases(log, name),
    )


def _line(log: MemoryLog, seq: int) -> bytes | None:
    """The line with a seq, which is its number."""
    return log.line(seq) if 0 < seq <= len(log.lines) else None


def _lines(log: MemoryLog) -> Iterator[tuple[int, bytes]]:
    """Yields number and bytes of the lines of a log, newest first, each checked."""
    for number in range(len(log.lines), 0, -1):
        yield number, log.line(number)


def _releases(log: MemoryLog, name: str) -> Iterator[ReleaseRecord]:
    """Yields the releases of a log, newest first, each line checked."""
    for number, line in _lines(log):
        with log.naming(number):
            record = release.record_of(line, name)
        if record is not None:
            yield record


def _sealed(log: MemoryLog, name: str) -> Iterator[Sealed]:
    """Yields all that is in a log, newest first, each line checked."""
    for number, line in _lines(log):
        with log.naming(number):
            entry = sealed(line, name)
        yield entry
