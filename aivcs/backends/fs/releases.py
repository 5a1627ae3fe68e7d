"""Releases in files: one chained log per name, `releases/<name>.jsonl`; a "/" in it is a folder."""

from aivcs import errors
from aivcs.backends.fs import files
from aivcs.backends.fs.logfile import LockedLog, LogReader, first_line
from aivcs.errors import BackendError, InvalidNameError
from aivcs.log import release as rules
from aivcs.log.desk import Desk, sealed
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata, ReleaseRecord, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from aivcs.backends.fs.folder import Folder
    from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
    from aivcs.model.release import Evidence

    T = TypeVar("T")


class FileReleaseRegistry:
    """The `ReleaseRegistry` contract on a folder."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

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
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            return None
        with log:
            line = log.find_numbered(seq, rules.seq_of)
            return None if line is None else sealed(line, name)

    def history(self, name: str) -> "list[ReleaseRecord]":
        """As `ReleaseRegistry.history`."""
        return list(self.iter_history(name))

    def iter_history(self, name: str) -> "Iterator[ReleaseRecord]":
        """As `ReleaseRegistry.iter_history`; reads from the end, and only as far as is asked."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            return
        with log:
            yield from _releases(name, log)

    def iter_log(self, name: str) -> "Iterator[Sealed]":
        """As `ReleaseRegistry.iter_log`; reads from the end, and only as far as is asked."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            return
        with log:
            for line in log.backwards():
                yield sealed(line, name)

    def list_names(self) -> "Iterator[str]":
        """As `ReleaseRegistry.list_names`."""
        for name in sorted(self._find_names("")):
            # Without a first line it is a name that a crash kept from its first release.
            try:
                there = first_line(self._folder, f"releases/{name}.jsonl") is not None
            except BackendError:
                there = True  # who asks for it will be told
            if there:
                yield name

    def _find_names(self, below: str) -> "Iterator[str]":
        """Yields what the names of the files below a folder say, whatever is in them."""
        from os import scandir

        self._folder.require_parents(f"releases/{below}")
        with files.doing("list", self._folder.path(f"releases/{below}").rstrip("/")):
            try:
                with scandir(self._folder.path(f"releases/{below}")) as found:
                    entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
            except FileNotFoundError:
                return
        for entry, is_folder in entries:
            if is_folder and not entry.endswith(".jsonl"):
                yield from self._find_names(f"{below}{entry}/")
            elif entry.endswith(".jsonl"):  # a folder, too: who asks for the log will be told
                try:
                    check_release_name(below + entry[:-6])
                except InvalidNameError:
                    continue  # a stray file; verify reports it
                yield below + entry[:-6]

    def head(self, name: str) -> Head:
        """As `ReleaseRegistry.head`; reads and checks the whole log."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            raise errors.ReleaseNotFoundError(name)
        with log:
            lines = sum(1 for _ in log.forwards())
            return Head(lines, log.tail.head)

    def _look(self, name: str, question: "Callable[[Desk], T]") -> "T":
        """Answers a question about a log as it stands, from beside its writers."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            return question(Desk.empty(name))
        with log:
            return question(_desk(name, log))

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

        file = _name(name)
        ready = self._look(name, decide) if sign is not None or dry_run else None
        if ready is not None and dry_run:
            return ready[1]
        if ready is not None and sign is not None:
            ready[0].sign(sign)
            seen = ready[0].start
        log = LockedLog.lock(self._folder, file)
        if log is None:
            decide(Desk.empty(name))  # what is refused must not create a log
            log = LockedLog.create(self._folder, file)
        with log:
            now = _desk(name, log)
            now.require_head(seen)
            desk, outcome = ready or decide(now)
            log.append(desk.lines)
            return outcome


def _name(name: str) -> str:
    check_release_name(name)
    return f"releases/{name}.jsonl"


def _desk(name: str, log: "LockedLog | LogReader") -> Desk:
    """The desk of an open log."""
    return Desk(
        name,
        log.tail.last,
        lambda seq: log.find_numbered(seq, rules.seq_of),
        lambda: _releases(name, log),
    )


def _releases(name: str, log: "LockedLog | LogReader") -> "Iterator[ReleaseRecord]":
    for line in log.backwards():
        record = rules.record_of(line, name)
        if record is not None:
            yield record
