"""The release desk: the log of a name as it stands, and what each change appends to it.

A desk is made from the last line of a log. Every line says which one is the newest release before
it (a release itself is) and which the newest block or unblock, so the last one leads to what is
live and to what is blocked, however long the log is and whatever stands at its end. A change does
not touch the log: it adds lines to the batch that is to be appended, or refuses.
"""

from aivcs import errors
from aivcs.errors import ConflictError, IntegrityError, SerializationError
from aivcs.log import chain, release
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
    from aivcs.model.release import Evidence


_FEW = 50
"""Elements of a stack that are looked for each by itself, at most."""


class Desk:
    """What one change, or the several of one batch, are decided by.

    Attributes:
        name: The name.
        start: The head of the log, of no line if there is none.
        head: The head that it has with the batch.
        live: The newest release, or None.
        lines: The batch: sealed lines, to be appended all or none.
    """

    __slots__ = (
        "_block_seq", "_find", "_newest_first", "head", "lines", "live", "name", "start",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        last: bytes,
        find: "Callable[[int], bytes | None]",
        newest_first: "Callable[[], Iterator[ReleaseRecord]]",
    ) -> None:
        """Reads where a log stands.

        Args:
            name: The name that the log must be of.
            last: Its last line, empty if it has none.
            find: Returns the line with a seq, checked, or None.
            newest_first: Yields its releases, newest first.

        Raises:
            IntegrityError: The log is damaged where it was read.
            UnsupportedFormatError: It ends in an entry of a later format.
        """
        self.name = name
        self.start = self.head = Head(0, "")
        self.live: ReleaseRecord | None = None
        self.lines: list[bytes] = []
        self._block_seq: int | None = None
        self._find = find
        self._newest_first = newest_first
        if not last:
            return
        entry = chain.members(last)
        self._block_seq = release.pointer(entry, "block_seq")
        if not release.is_mark(entry):
            self.live = release.record_from(entry, name)
        else:
            from aivcs.log.marks import mark_from

            if mark_from(entry, name).mark != "signature":
                self._block_seq = entry["seq"]
            self.live = self._release(entry["release_seq"])
        self.start = self.head = Head(entry["seq"], chain.hash_of(last) or "")

    @classmethod
    def empty(cls, name: str) -> "Desk":
        """Returns the desk of a name that nothing was released under."""
        return cls(name, b"", lambda _: None, lambda: iter(()))

    # questions

    def standing(self) -> "Standing | None":
        """Returns how the log stands, or None if there is none."""
        from aivcs.marks import Standing

        return None if self.live is None else Standing(self.start, self.live)

    def find_block(self, digest: str) -> "BlockMark | None":
        """Returns the mark that blocks a digest now, or None if it is not blocked."""
        if self._block_seq is None:
            return None
        from aivcs.log.marks import newest_about

        mark = newest_about(digest, self._block_seq, self._block)
        return mark if mark is not None and mark.is_block else None

    def block_history(self, digest: str) -> "list[BlockMark]":
        """Returns every block and unblock of a digest, newest first."""
        from aivcs.log.marks import newest_about

        marks: list[BlockMark] = []
        root = self._block_seq
        while root is not None:
            mark = newest_about(digest, root, self._block)
            if mark is None:
                break
            marks.append(mark)
            # What was newest when it was made leads to those before it.
            root = release.pointer(chain.members(self._find(mark.seq) or b""), "block_seq")
        return marks

    def blocks(self) -> "list[BlockMark]":
        """Returns the marks that block something now, newest first."""
        if self._block_seq is None:
            return []
        from aivcs.log.marks import newest_of_each

        marks = [mark for mark in newest_of_each(self._block_seq, self._block) if mark.is_block]
        return sorted(marks, key=lambda mark: -mark.seq)

    # changes

    def require_head(self, seen: "Head | None") -> None:
        """Refuses to go on if the log has another head than was seen, if any was.

        Raises:
            ConflictError: It has.
        """
        if seen is not None and seen != self.start:
            raise ConflictError(
                f"{self.name}: the log has moved on, from line {seen.lines} to line "
                f"{self.start.lines}; nothing was changed. Look at it again: "
                f"aivcs release history {self.name}"
            )

    def promote(
        self,
        digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: "ContentDigest | int | str | None" = None,
        evidence: "tuple[Evidence, ...]" = (),
        policy: "ContentDigest | None" = None,
        forced: bool = False,
    ) -> ReleaseRecord:
        """Makes a spec live; as `ReleaseRegistry.promote`."""
        release.require_expected(self.name, self.live, expect)
        self._require_good(digest)
        seq = self.head.lines + 1
        record = release.promotion(self.name, self.live, seq, digest, metadata)
        return self._add(_grounded(record, evidence, policy, forced=forced))

    def rollback(
        self,
        to: "ContentDigest | int | str | None" = None,
        metadata: "ReleaseMetadata | None" = None,
        *,
        expect: "ContentDigest | int | str | None" = None,
        block: bool = False,
        policy: "ContentDigest | None" = None,
        forced: bool = False,
    ) -> ReleaseRecord:
        """Makes an earlier release live again; as `ReleaseRegistry.rollback`."""
        live = self._require_live()
        release.require_expected(self.name, live, expect)
        # The mark comes first: if a crash leaves only one of the two lines, who tries again
        # must not go one release too far.
        seq = self.head.lines + (2 if block else 1)
        if to is None:
            record = release.pop(self.name, live, seq, self._release, metadata)
            instead = (
                f"To return to another release: aivcs release rollback {self.name} --to @SEQ. "
            )
        else:
            record = release.pop_to(live, seq, self._target(to), self._descent(), metadata)
            instead = ""
        self._require_good(record.spec_digest, instead)
        if block:
            if record.spec_digest == live.spec_digest:
                raise ConflictError(
                    f"{self.name}: {live.spec_digest} cannot be blocked and returned to at once; "
                    "nothing was changed"
                )
            reason = (metadata.notes if metadata else None) or ""
            by = record.metadata.promoted_by
            self._add_block(
                self._new_block("block", live.spec_digest, by, reason, record.created_at)
            )
        return self._add(_grounded(record, (), policy, forced=forced))

    def block(self, digest: ContentDigest, *, by: str, reason: str) -> "BlockMark":
        """Marks a spec as bad; as `ReleaseRegistry.block`."""
        return self._add_block(self._new_block("block", digest, by, reason))

    def unblock(self, digest: ContentDigest, *, by: str, reason: str) -> "BlockMark":
        """Takes a block back; as `ReleaseRegistry.unblock`."""
        mark = self._new_block("unblock", digest, by, reason)
        if self.find_block(digest) is None:
            raise ConflictError(f"{self.name}: {digest} is not blocked; nothing was changed")
        return self._add_block(mark)

    def add_signature(self, seq: int, hash: str, signature: str) -> "SignatureMark":  # noqa: A002
        """Adds a signature of an entry; as `ReleaseRegistry.add_signature`."""
        from aivcs.log.marks import line_of
        from aivcs.marks import SignatureMark

        live = self._require_live()
        line = self.lines[-1][:-1] if self.lines and seq == live.seq else self._find(seq)
        if line is None or release.record_of(line, self.name) is None:
            raise errors.ReleaseNotFoundError(
                self.name, f"{self.name} has no release @{seq} to be signed"
            )
        if chain.hash_of(line) != hash:
            raise ConflictError(
                f"{self.name}: the entry @{seq} has the hash {chain.hash_of(line)}, not {hash}; "
                "nothing was changed"
            )
        mark = SignatureMark(
            seq=self.head.lines + 1,
            name=self.name,
            signed_seq=seq,
            signed_hash=hash,
            signature=signature,
            created_at=Timestamp.now(),
        )
        self._append(
            line_of(mark, self.head.hash, release_seq=live.seq, block_seq=self._block_seq, path={})
        )
        return mark

    def sign(self, sign: "Callable[[str], str]") -> None:
        """Adds a signature of the release that the batch ends in.

        Args:
            sign: Returns the signature of a hash.
        """
        self.add_signature(self._require_live().seq, self.head.hash, sign(self.head.hash))

    def _require_live(self) -> ReleaseRecord:
        if self.live is None:
            raise errors.ReleaseNotFoundError(self.name)
        return self.live

    def _require_good(self, digest: str, instead: str = "") -> None:
        mark = self.find_block(digest)
        if mark is not None:
            raise errors.BlockedError(
                self.name,
                digest,
                by=mark.by,
                created_at=mark.created_at,
                reason=mark.reason,
                instead=instead,
            )

    def _add(self, record: ReleaseRecord) -> ReleaseRecord:
        self._append(release.line_of(record, self.head.hash, self._block_seq))
        self.live = record
        return record

    def _new_block(
        self,
        kind: str,
        digest: ContentDigest,
        by: str,
        reason: str,
        created_at: "Timestamp | None" = None,
    ) -> "BlockMark":
        from aivcs.marks import BlockMark

        self._require_live()
        return BlockMark(
            seq=self.head.lines + 1,
            mark=kind,
            name=self.name,
            spec_digest=digest,
            by=by,
            reason=reason,
            created_at=created_at or Timestamp.now(),
        )

    def _add_block(self, mark: "BlockMark") -> "BlockMark":
        from aivcs.log.marks import line_of, path_to

        self._append(
            line_of(
                mark,
                self.head.hash,
                release_seq=self._require_live().seq,
                block_seq=self._block_seq,
                path=path_to(mark.spec_digest, self._block_seq, self._block),
            )
        )
        self._block_seq = mark.seq
        return mark

    def _append(self, sealed: "tuple[bytes, str]") -> None:
        line, link = sealed
        self.lines.append(line)
        self.head = Head(self.head.lines + 1, link)

    # lines that others point to

    def _target(self, wanted: "ContentDigest | int | str") -> ReleaseRecord:
        """The newest release that a seq, a digest or a label names; only a seq says where it is."""
        releases = self._newest_first()
        if isinstance(wanted, int):
            line = self._find(wanted)
            record = release.record_of(line, self.name) if line else None
            releases = iter(()) if record is None else iter((record,))
        return release.find_release(self.name, releases, wanted)

    def _descent(self) -> "Callable[[int], ReleaseRecord]":
        """What finds elements of the stack from the top down: `_release`, for a deep one.

        Looking for each by itself costs the same wherever it is; so it is done for a few, and
        all that are deeper are met in one reading of the log, which bounds what a stack can cost.
        """
        looked = 0
        releases = self._newest_first()

        def find(seq: int) -> ReleaseRecord:
            nonlocal looked
            looked += 1
            if looked > _FEW:
                for record in releases:
                    if record.seq == seq:
                        return record
                    if record.seq < seq:
                        break
            return self._release(seq)

        return find

    def _release(self, seq: int) -> ReleaseRecord:
        line = self._find(seq)
        record = release.record_of(line, self.name) if line else None
        if record is None or record.seq != seq:
            raise IntegrityError(None, None, "", f"has no release @{seq}, which it names")
        return record

    def _block(self, seq: int) -> "tuple[BlockMark, dict[int, int]]":
        from aivcs.log.marks import block_of

        line = self._find(seq)
        if line is None:
            raise IntegrityError(None, None, "", f"has no block @{seq}, which it names")
        return block_of(line, self.name)


def sealed(line: bytes, name: str) -> "Sealed":
    """Returns what a line of a name's log holds, with its hash.

    Raises:
        IntegrityError: It is no entry of that log.
        UnsupportedFormatError: It is of a later format.
    """
    from aivcs.log.marks import mark_from
    from aivcs.marks import Sealed

    entry = chain.members(line)
    read = mark_from if release.is_mark(entry) else release.record_from
    return Sealed(read(entry, name), entry["hash"])


def _grounded(
    record: ReleaseRecord,
    evidence: "tuple[Evidence, ...]",
    policy: "ContentDigest | None",
    *,
    forced: bool,
) -> ReleaseRecord:
    """The same entry, with what it rests on.

    Raises:
        InvalidDigestError: The policy is no digest.
        SerializationError: It is forced, and nothing says why.
    """
    if forced and not (record.metadata.notes or "").strip():
        raise SerializationError("what is forced needs a reason, which is recorded with it")
    if not evidence and policy is None and not forced:
        return record
    return ReleaseRecord(
        seq=record.seq,
        action=record.action,
        name=record.name,
        spec_digest=record.spec_digest,
        metadata=record.metadata,
        target_seq=record.target_seq,
        parent_seq=record.parent_seq,
        created_at=record.created_at,
        evidence=evidence,
        policy=None if policy is None else ContentDigest(policy),
        forced=forced,
    )
