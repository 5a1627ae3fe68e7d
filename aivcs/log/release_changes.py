"""Changes of a release log: views of the log, plans of changes, and their encoding as lines.

    view = ReleaseView(name, log)               # head, live, blocks: from the last line
    change = plan_promotion(view, spec, …)      # pure: the entries, or the error
    encode(view, change.entries)                # the lines to append after `change.if_head`

Every line of a release log names the newest release (a release is its own) and the newest block or
unblock before it. So the last line leads to the live release and to all blocks, however long the
log is. A plan changes nothing and reads only through its view.
"""

from aivcs import errors
from aivcs.errors import ConflictError, IntegrityError
from aivcs.log import chain, release
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head, shown
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.model.release import Evidence
    from aivcs.model.release_entries import (
        Block,
        LogEntry,
        Mark,
        ReleaseState,
        Signature,
    )
    from aivcs.store.driver import LogView

    Entry = ReleaseRecord | Mark
    """An entry of a release log, appended or to be appended."""
    Expected = ContentDigest | int | str | None
    """The spec or the seq that must be live, "none" for no release, or None for any."""


_BLOCKS = ("block", "unblock")
"""The marks that the block index holds."""
SINGLE_LOOKUPS = 50
"""Elements of a stack looked up one by one, at most; deeper ones are found by reading the log."""


class ReleaseView:
    """One state of a release log, usable as long as the log it reads is open.

    Attributes:
        name: The agent's name.
        head: The head of the log, from its last line; `Head(0, "")` if there is no log.
        live: The live release, or None.
        block_seq: The seq of the newest block or unblock, or None.
    """

    __slots__ = ("_log", "block_seq", "head", "live", "name")

    def __init__(self, name: str, log: "LogView | None") -> None:
        """Reads the end of a log.

        Args:
            name: The name that the log must belong to.
            log: The log, or None if there is none.

        Raises:
            IntegrityError: The part that was read is damaged.
            UnsupportedFormatError: The last entry is of a later format.
        """
        self.name = name
        self.head = Head(0, "")
        self.live: ReleaseRecord | None = None
        self.block_seq: int | None = None
        self._log = log
        if log is None:
            return
        entry = chain.members(log.last)
        self.block_seq = release.pointer(entry, "block_seq")
        if release.is_mark(entry):
            from aivcs.log.block_index import mark_from

            if mark_from(entry, name).mark in _BLOCKS:
                self.block_seq = entry["seq"]
            self.head = Head(entry["seq"], entry["hash"])
            seq = release.pointer(entry, "release_seq")
            self.live = None if seq is None else self.release(seq)  # approvals may come first
        else:
            self.live = release.record_from(entry, name)
            self.head = Head(entry["seq"], entry["hash"])

    def state(self) -> "ReleaseState | None":
        """Returns the live release and the head, or None if there is no log."""
        from aivcs.model.release_entries import ReleaseState

        return None if self.live is None else ReleaseState(self.head, self.live)

    def line(self, seq: int) -> "bytes | None":
        """Returns the line with a seq, checked, or None if there is none."""
        if self._log is None or not 0 < seq <= self.head.lines:
            return None
        return self._log.line(seq, release.seq_of)

    def find(self, seq: int) -> "LogEntry | None":
        """Returns the entry with a seq, or None if there is none."""
        line = self.line(seq)
        return None if line is None else entry_of(line, self.name)

    def release(self, seq: int) -> ReleaseRecord:
        """Returns the release with a seq that another line names.

        Raises:
            IntegrityError: The log has no such release.
        """
        line = self.line(seq)
        record = release.record_of(line, self.name) if line else None
        if record is None or record.seq != seq:
            raise IntegrityError(None, None, "", f"has no release @{seq}, which it names")
        return record

    def releases(self) -> "Iterator[ReleaseRecord]":
        """Yields the releases, newest first; reads only as far as is asked."""
        for line in self._log.back() if self._log is not None else ():
            record = release.record_of(line, self.name)
            if record is not None:
                yield record

    def entries(self) -> "Iterator[LogEntry]":
        """Yields all entries, newest first; reads only as far as is asked."""
        for line in self._log.back() if self._log is not None else ():
            yield entry_of(line, self.name)

    def find_block(self, digest: str) -> "Block | None":
        """Returns the block of a digest, or None if it is not blocked."""
        if self.block_seq is None:
            return None
        from aivcs.log.block_index import newest_about

        block = newest_about(digest, self.block_seq, self.block)
        return block if block is not None and block.is_block else None

    def block_history(self, digest: str) -> "list[Block]":
        """Returns every block and unblock of a digest, newest first."""
        from aivcs.log.block_index import newest_about

        found: list[Block] = []
        root = self.block_seq
        while root is not None:
            block = newest_about(digest, root, self.block)
            if block is None:
                break
            found.append(block)
            # The root before this one leads to the earlier blocks of the digest.
            root = release.pointer(chain.members(self.line(block.seq) or b""), "block_seq")
        return found

    def blocks(self) -> "list[Block]":
        """Returns the blocks in force, newest first."""
        if self.block_seq is None:
            return []
        from aivcs.log.block_index import newest_of_each

        standing = [b for b in newest_of_each(self.block_seq, self.block) if b.is_block]
        return sorted(standing, key=lambda block: -block.seq)

    def block(self, seq: int) -> "tuple[Block, dict[int, int]]":
        """Returns the block or unblock with a seq, and its path in the block index.

        Raises:
            IntegrityError: The log has no such block, though another line names it.
        """
        from aivcs.log.block_index import block_of

        line = self.line(seq)
        if line is None:
            raise IntegrityError(None, None, "", f"has no block @{seq}, which it names")
        return block_of(line, self.name)

    def require_live(self) -> ReleaseRecord:
        """Returns the live release.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
        """
        if self.live is None:
            raise errors.ReleaseNotFoundError(self.name)
        return self.live

    def require_head(self, head: Head) -> None:
        """Requires that the log still has the head on which a change was planned.

        Raises:
            ConflictError: The log has another head.
        """
        if head != self.head:
            raise ConflictError(
                f"{self.name}: the log has grown from line {head.lines} to line "
                f"{self.head.lines}; nothing was changed. "
                f"See: aivcs release history {self.name}"
            )


class ReleaseChange:
    """The entries that one change appends to a release log: all of them or none.

    Attributes:
        entries: The entries, in order.
        if_head: The head of the log that the entries follow.
        before: The release that is live at that head, or None.
        is_before_blocked: Whether that release is blocked, so that no rollback returns to it.
    """

    __slots__ = ("before", "entries", "if_head", "is_before_blocked")

    def __init__(self, view: ReleaseView, *entries: "Entry") -> None:
        """Takes the view on which the change was planned, and the entries to append."""
        self.if_head = view.head
        self.before = view.live
        self.entries = entries
        # Two entries are a block of the live spec, and a release after it.
        self.is_before_blocked = len(entries) > 1 or _is_blocked(view)

    @property
    def release(self) -> ReleaseRecord:
        """The release that the change makes live."""
        return next(entry for entry in self.entries if isinstance(entry, ReleaseRecord))

    def resting_on(
        self,
        *,
        policy: "ContentDigest | None" = None,
        forced: bool = False,
        baseline: "tuple[Evidence, ...]" = (),
    ) -> "ReleaseChange":
        """Returns the same change with the policy that judged the release.

        Args:
            policy: The blob with the policy.
            forced: Whether the release breaks this policy.
            baseline: The evidence of the live release with which it was compared.

        Raises:
            InvalidDigestError: The policy is not a digest.
            SerializationError: The release is forced, and its notes give no reason.
        """
        record = self.release
        grounded = release.resting_on(
            record, record.evidence, policy, forced=forced, baseline=baseline
        )
        return self._with(*(grounded if e is record else e for e in self.entries))

    def signed(self, *signatures: "Signature") -> "ReleaseChange":
        """Returns the same change with signatures of its release, as the last entries."""
        return self._with(*self.entries, *signatures)

    def _with(self, *entries: "Entry") -> "ReleaseChange":
        changed = ReleaseChange.__new__(ReleaseChange)
        changed.if_head, changed.before, changed.entries = self.if_head, self.before, entries
        changed.is_before_blocked = self.is_before_blocked
        return changed


def plan_promotion(
    view: ReleaseView,
    spec_digest: ContentDigest,
    metadata: ReleaseMetadata,
    *,
    expect: "Expected" = None,
    evidence: "Iterable[Evidence]" = (),
) -> ReleaseChange:
    """Plans to make a spec live, on top of the stack.

    Args:
        view: The log.
        spec_digest: The spec.
        metadata: Label, actor and notes.
        expect: The release that must be live, as for `ReleaseRegistry.promote`.
        evidence: The runs to record as evidence.

    Raises:
        InvalidDigestError: The spec is not a digest.
        InvalidNameError: The label begins with `-`.
        ConflictError: The expected release is not live.
        BlockedError: The spec is blocked under the name.
    """
    digest = ContentDigest(spec_digest)
    if (label := metadata.version_label or "").startswith("-"):  # logs of earlier versions have it
        raise errors.InvalidNameError(f"label {shown(label)} reads as an option; choose another")
    release.require_expected(view.name, view.live, expect)
    _require_not_blocked(view, digest)
    record = release.promotion(view.name, view.live, view.head.lines + 1, digest, metadata)
    runs = tuple(evidence)
    return ReleaseChange(view, release.resting_on(record, runs, None) if runs else record)


def plan_rollback(
    view: ReleaseView,
    to: "ContentDigest | int | str | None" = None,
    metadata: "ReleaseMetadata | None" = None,
    *,
    expect: "Expected" = None,
    block: bool = False,
) -> ReleaseChange:
    """Plans to make an earlier release live again.

    Args:
        view: The log.
        to: A digest, a seq or a label, as for `ReleaseRegistry.rollback`; None pops once.
        metadata: Actor and notes.
        expect: The release that must be live, as for `ReleaseRegistry.promote`.
        block: Whether to block the spec that was live, with the notes as the reason.

    Raises:
        ReleaseNotFoundError: The name has no releases, or not the target.
        NoPreviousReleaseError: No release is below the live one.
        ConflictError: The expected release is not live, or the spec to be blocked would be live
            again.
        BlockedError: The spec that would become live is blocked under the name.
        SerializationError: `block` is given without notes.
    """
    live = view.require_live()
    release.require_expected(view.name, live, expect)
    # The block comes first: if a crash leaves only one of the two lines, a retry must not roll back
    # one release too far.
    seq = view.head.lines + (2 if block else 1)
    if to is None:
        record = release.pop(view.name, live, seq, view.release, metadata)
        instead = f"To return to another release: aivcs release rollback {view.name} --to @SEQ. "
    else:
        record = release.pop_to(live, seq, _target(view, to), _descent(view), metadata)
        instead = ""
    _require_not_blocked(view, record.spec_digest, instead)
    if not block:
        return ReleaseChange(view, record)
    if record.spec_digest == live.spec_digest:
        raise ConflictError(
            f"{view.name}: {live.spec_digest.short} cannot be both blocked and live; "
            "nothing was changed"
        )
    left = _block_entry(
        view,
        "block",
        live.spec_digest,
        by=record.metadata.promoted_by,
        reason=(metadata.notes if metadata else None) or "",
        created_at=record.created_at,
    )
    return ReleaseChange(view, left, record)


def plan_block(
    view: ReleaseView, digest: ContentDigest, *, by: str, reason: str
) -> "ReleaseChange":
    """Plans to block a spec under a name.

    Raises:
        ReleaseNotFoundError: The name has no releases.
        SerializationError: Actor or reason is empty or not valid text.
    """
    return ReleaseChange(view, _block_entry(view, "block", digest, by=by, reason=reason))


def plan_unblock(
    view: ReleaseView, digest: ContentDigest, *, by: str, reason: str
) -> "ReleaseChange":
    """Plans to lift the block of a spec.

    Raises:
        ReleaseNotFoundError: The name has no releases.
        ConflictError: The spec is not blocked.
        SerializationError: Actor or reason is empty or not valid text.
    """
    entry = _block_entry(view, "unblock", digest, by=by, reason=reason)
    if view.find_block(entry.spec_digest) is None:
        raise ConflictError(f"{view.name}: {digest} is not blocked; nothing was changed")
    return ReleaseChange(view, entry)


def plan_signature(
    view: ReleaseView,
    seq: int,
    hash: str,  # noqa: A002 the file format's word
    signature: str,
) -> ReleaseChange:
    """Plans to record a signature of an existing release; `encode` checks the signed entry.

    Raises:
        ReleaseNotFoundError: The name has no releases.
        SerializationError: The text is not an SSH signature.
    """
    view.require_live()
    return ReleaseChange(view, signature_of(view.name, view.head.lines + 1, seq, hash, signature))


def plan_approval(
    view: ReleaseView,
    digest: ContentDigest,
    *,
    by: str,
    notes: "str | None",
    store: str,
    created_at: Timestamp,
    signature: str,
) -> ReleaseChange:
    """Plans to record an approval of a spec, also before the first release.

    Raises:
        InvalidNameError: The actor is empty.
        SerializationError: The text is not an SSH signature.
    """
    from aivcs.model.release_entries import Approval

    approval = Approval(
        seq=view.head.lines + 1,
        name=view.name,
        spec_digest=ContentDigest(digest),
        by=by,
        notes=notes,
        store=store,
        signature=signature,
        created_at=created_at,
    )
    return ReleaseChange(view, approval)


def signature_of(
    name: str,
    seq: int,
    signed_seq: int,
    hash: str,  # noqa: A002 the file format's word
    signature: str,
) -> "Signature":
    """Returns the entry of a signature, with the present time.

    Raises:
        SerializationError: The text is not an SSH signature.
    """
    from aivcs.model.release_entries import Signature

    return Signature(
        seq=seq,
        name=name,
        signed_seq=signed_seq,
        signed_hash=hash,
        signature=signature,
        created_at=Timestamp.now(),
    )


def encode(view: ReleaseView, entries: "Iterable[Entry]") -> "list[tuple[bytes, str]]":
    """Returns the line of each entry to be appended to a log, and its hash.

    The same entries on the same state of the log give the same bytes.

    Args:
        view: The log.
        entries: The entries of a plan, which follow the last entry of the log.

    Raises:
        ConflictError: An entry does not follow the one before, or signs an entry with another hash.
        BlockedError: A release's spec is blocked; it is a `ConflictError`.
        ReleaseNotFoundError: The signed entry is not a release.
    """
    lines: dict[int, tuple[bytes, str]] = {}
    seq, previous = view.head.lines, view.head.hash
    live, block_seq = view.live, view.block_seq
    for entry in entries:
        seq += 1
        if entry.seq != seq or entry.name != view.name:
            raise ConflictError(
                f"{view.name}: @{entry.seq} of {entry.name} does not follow @{seq - 1}; "
                "nothing was changed"
            )
        if isinstance(entry, ReleaseRecord):
            _require_not_blocked(view, entry.spec_digest)
            lines[seq] = release.line_of(entry, previous, block_seq)
            live = entry
        else:
            lines[seq] = _line_of(view, lines, entry, previous, live, block_seq)
            if entry.mark in _BLOCKS:
                block_seq = seq
        previous = lines[seq][1]
    return list(lines.values())


def entry_of(line: bytes, name: str) -> "LogEntry":
    """Returns the entry in a line of a name's log, with its hash.

    Raises:
        IntegrityError: The line is not an entry of that log.
        UnsupportedFormatError: The line is of a later format.
    """
    from aivcs.log.block_index import mark_from
    from aivcs.model.release_entries import LogEntry

    entry = chain.members(line)
    read = mark_from if release.is_mark(entry) else release.record_from
    return LogEntry(read(entry, name), entry["hash"])


def _line_of(
    view: ReleaseView,
    lines: "dict[int, tuple[bytes, str]]",
    entry: "Mark",
    previous: str,
    live: "ReleaseRecord | None",
    block_seq: "int | None",
) -> "tuple[bytes, str]":
    """The line of a mark after `lines`, which are not in the log yet."""
    from aivcs.log.block_index import block_of, line_of, path_to
    from aivcs.model.release_entries import Approval, Signature

    if live is None and not isinstance(entry, Approval):
        raise errors.ReleaseNotFoundError(view.name)

    def line(seq: int) -> "bytes | None":
        return lines[seq][0][:-1] if seq in lines else view.line(seq)

    def block(seq: int) -> "tuple[Block, dict[int, int]]":
        return block_of(lines[seq][0][:-1], view.name) if seq in lines else view.block(seq)

    path: dict[int, int] = {}
    if isinstance(entry, Signature):
        _require_signable(view.name, entry, line(entry.signed_seq))
    elif not isinstance(entry, Approval):
        path = path_to(entry.spec_digest, block_seq, block)
    release_seq = None if live is None else live.seq
    return line_of(entry, previous, release_seq=release_seq, block_seq=block_seq, path=path)


def _require_signable(name: str, entry: "Signature", line: "bytes | None") -> None:
    if line is None or release.record_of(line, name) is None:
        raise errors.ReleaseNotFoundError(
            name, f"{name} has no release @{entry.signed_seq} to sign"
        )
    if chain.hash_of(line) != entry.signed_hash:
        raise ConflictError(
            f"{name}: entry @{entry.signed_seq} has the hash {chain.hash_of(line)}, not "
            f"{entry.signed_hash}; nothing was changed"
        )


def _is_blocked(view: ReleaseView) -> bool:
    """Whether the live spec is blocked; False if that cannot be read.

    Only for information: a rollback to a blocked release is refused anyway.
    """
    try:
        return view.live is not None and view.find_block(view.live.spec_digest) is not None
    except errors.StorageError:
        return False


def _require_not_blocked(view: ReleaseView, digest: str, instead: str = "") -> None:
    block = view.find_block(digest)
    if block is not None:
        raise errors.BlockedError(
            view.name,
            digest,
            by=block.by,
            created_at=block.created_at,
            reason=block.reason,
            instead=instead,
        )


def _block_entry(
    view: ReleaseView,
    kind: str,
    digest: ContentDigest,
    *,
    by: str,
    reason: str,
    created_at: "Timestamp | None" = None,
) -> "Block":
    from aivcs.model.release_entries import Block

    digest = ContentDigest(digest)
    view.require_live()
    return Block(
        seq=view.head.lines + 1,
        mark=kind,
        name=view.name,
        spec_digest=digest,
        by=by,
        reason=reason,
        created_at=created_at or Timestamp.now(),
    )


def _target(view: ReleaseView, wanted: "ContentDigest | int | str") -> ReleaseRecord:
    """The newest release with a seq, a digest or a label; only a seq is found without a search."""
    if not isinstance(wanted, int):
        return release.find_release(view.name, view.releases(), wanted)
    line = view.line(wanted)
    record = release.record_of(line, view.name) if line else None
    return release.find_release(view.name, () if record is None else (record,), wanted)


def _descent(view: ReleaseView) -> "Callable[[int], ReleaseRecord]":
    """Returns a lookup of the stack's elements from the top down, for stacks of any depth.

    Each lookup by seq costs about the same. So the first `SINGLE_LOOKUPS` elements are looked up,
    and all deeper ones are found in one pass over the log, which bounds the total cost.
    """
    looked_up = 0
    releases = view.releases()

    def find(seq: int) -> ReleaseRecord:
        nonlocal looked_up
        looked_up += 1
        if looked_up > SINGLE_LOOKUPS:
            for record in releases:
                if record.seq == seq:
                    return record
                if record.seq < seq:
                    break
        return view.release(seq)

    return find
