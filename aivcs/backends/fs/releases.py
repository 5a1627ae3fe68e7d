"""Releases in files: one chained log per name, `releases/<name>.jsonl`; a "/" in it is a folder."""

from contextlib import contextmanager

from aivcs import errors
from aivcs.errors import StorageError
from aivcs.log import chain, release as rules
from aivcs.log.desk import Desk, sealed
from aivcs.model import (
    ContentDigest,
    Head,
    ReleaseMetadata,
    ReleaseRecord,
    check_release_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
    from aivcs.model import Evidence
    from aivcs.store.driver import LogDriver, LogView

    T = TypeVar("T")


class FileReleaseRegistry:
    """The `ReleaseRegistry` contract on a folder."""

    __slots__ = ("_logs",)

    def __init__(self, logs: "LogDriver") -> None:
        """Takes the store's logs."""
        self._logs = logs

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: "ContentDigest | int | str | None" = None,
        evidence: "Iterable[Evidence]" = (),
        policy: "ContentDigest | None" = None,
        forced: bool = False,
        seen: "Head | None" = None,
        sign: "Callable[[str], str] | None" = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """As `ReleaseRegistry.promote`; reads the end of the log."""
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
        to: "ContentDigest | int | str | None" = None,
        metadata: "ReleaseMetadata | None" = None,
        expect: "ContentDigest | int | str | None" = None,
        block: bool = False,
        policy: "ContentDigest | None" = None,
        forced: bool = False,
        seen: "Head | None" = None,
        sign: "Callable[[str], str] | None" = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """As `ReleaseRegistry.rollback`; finds a seq by halving, however long the log is.

        A label or digest is looked for from the end, and where the stack is deep the log is read as
        far as the target's element: once, at most.
        """

        def roll_back(desk: Desk) -> ReleaseRecord:
            return desk.rollback(
                to, metadata, expect=expect, block=block, policy=policy, forced=forced
            )

        return self._change(name, roll_back, seen=seen, sign=sign, dry_run=dry_run)

    def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> "BlockMark":
        """As `ReleaseRegistry.block`."""
        bad = ContentDigest(digest)
        return self._change(name, lambda desk: desk.block(bad, by=by, reason=reason))

    def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> "BlockMark":
        """As `ReleaseRegistry.unblock`."""
        good = ContentDigest(digest)
        return self._change(name, lambda desk: desk.unblock(good, by=by, reason=reason))

    def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> "SignatureMark":
        """As `ReleaseRegistry.add_signature`."""
        return self._change(name, lambda desk: desk.add_signature(seq, hash, signature))

    def find_block(self, name: str, digest: ContentDigest) -> "BlockMark | None":
        """As `ReleaseRegistry.find_block`; reads the end of the log, and a few marks."""
        wanted = ContentDigest(digest)
        return self._look(name, lambda desk: desk.find_block(wanted))

    def block_history(self, name: str, digest: ContentDigest) -> "list[BlockMark]":
        """As `ReleaseRegistry.block_history`; reads a few marks for each that it returns."""
        wanted = ContentDigest(digest)
        return self._look(name, lambda desk: desk.block_history(wanted))

    def blocks(self, name: str) -> "list[BlockMark]":
        """As `ReleaseRegistry.blocks`; reads the newest mark about each digest ever marked."""
        return self._look(name, Desk.blocks)

    def current(self, name: str) -> "ReleaseRecord | None":
        """As `ReleaseRegistry.current`; reads the end of the log."""
        return self._look(name, lambda desk: desk.live)

    def standing(self, name: str) -> "Standing | None":
        """As `ReleaseRegistry.standing`; reads the end of the log."""
        return self._look(name, Desk.standing)

    def find(self, name: str, seq: int) -> "Sealed | None":
        """As `ReleaseRegistry.find`; halves the log."""
        with self._view(name) as view:
            line = None if view is None else view.line(seq, rules.seq_of)
            return None if line is None else sealed(line, name)

    def history(self, name: str) -> "list[ReleaseRecord]":
        """As `ReleaseRegistry.history`."""
        return list(self.iter_history(name))

    def iter_history(self, name: str) -> "Iterator[ReleaseRecord]":
        """As `ReleaseRegistry.iter_history`; reads from the end, and only as far as is asked."""
        with self._view(name) as view:
            if view is not None:
                yield from _releases(name, view)

    def iter_log(self, name: str) -> "Iterator[Sealed]":
        """As `ReleaseRegistry.iter_log`; reads from the end, and only as far as is asked."""
        with self._view(name) as view:
            if view is not None:
                for line in view.back():
                    yield sealed(line, name)

    def list_names(self) -> "Iterator[str]":
        """As `ReleaseRegistry.list_names`."""
        for name in self._logs.names("release/", strict=False):
            # Without a first line it is a name that a crash kept from its first release.
            try:
                with self._logs.look(name) as view:
                    there = view is not None
            except StorageError:
                there = True  # who asks for it will be told
            if there:
                yield name[8:]

    def head(self, name: str) -> Head:
        """As `ReleaseRegistry.head`; reads and checks the whole log."""
        last = None
        for _, place in self._logs.read(_name(name)):
            last = place
        if last is None:
            raise errors.ReleaseNotFoundError(name)
        return Head(last.lines, last.hash)

    def _look(self, name: str, question: "Callable[[Desk], T]") -> "T":
        """Answers a question about a log as it stands, from beside its writers."""
        with self._view(name) as view:
            return question(_desk(name, view))

    @contextmanager
    def _view(self, name: str) -> "Iterator[LogView | None]":
        log = _name(name)
        with chain.naming(self._logs.where(log)), self._logs.look(log) as view:
            yield view

    def _change(
        self,
        name: str,
        change: "Callable[[Desk], T]",
        *,
        seen: "Head | None" = None,
        sign: "Callable[[str], str] | None" = None,
        dry_run: bool = False,
    ) -> "T":
        """Makes a change under the lock, or one that was signed before if nothing came between."""

        def decide(desk: Desk) -> "tuple[Desk, T]":
            desk.require_head(seen)
            return desk, change(desk)

        ready = self._look(name, decide) if sign is not None or dry_run else None
        if ready is not None and dry_run:
            return ready[1]
        if ready is not None and sign is not None:
            ready[0].sign(sign)
            seen = ready[0].start
        made: tuple[Desk, T] | None = None

        def update(view: "LogView | None") -> "Iterable[bytes]":
            nonlocal made
            now = _desk(name, view)
            now.require_head(seen)
            made = ready or decide(now)
            return made[0].lines

        log = _name(name)
        with chain.naming(self._logs.where(log)):
            self._logs.update(log, update)
        assert made is not None
        return made[1]


def _name(name: str) -> str:
    check_release_name(name)
    return f"release/{name}"


def _desk(name: str, view: "LogView | None") -> Desk:
    """The desk of an open log."""
    if view is None:
        return Desk.empty(name)
    return Desk(
        name,
        view.last,
        lambda seq: view.line(seq, rules.seq_of),
        lambda: _releases(name, view),
    )


def _releases(name: str, view: "LogView") -> "Iterator[ReleaseRecord]":
    for line in view.back():
        record = rules.record_of(line, name)
        if record is not None:
            yield record
