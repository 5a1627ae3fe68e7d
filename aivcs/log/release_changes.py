"""Changes of a release log: a view of the log as it is, plans of changes, and the lines they make.

    view = ReleaseView(name, log)               # head, live, blocks: from the last line
    change = plan_promotion(view, spec, …)      # pure: the entries, or the reason why not
    encode(view, change.entries)                # the lines to append after `change.if_head`

Every line of a release log says which one is the newest release before it (a release is itself) and
which the newest block or unblock. So the last line leads to what is live and to what is blocked,
however long the log is. A plan changes nothing and reads through its view alone.
"""

from aivcs import errors
from aivcs.errors import ConflictError, IntegrityError
from aivcs.log import chain, release
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.model.release import Evidence
    from aivcs.model.release_entries import Block, LogEntry, ReleaseState, Signature
    from aivcs.store.driver import LogView

    Entry = ReleaseRecord | Block | Signature
    """An entry that is to be appended, or was."""
    Expected = ContentDigest | int | str | None
    """The spec or the seq that must be live, "none" for nothing, or None for whatever is."""


SINGLE_LOOKUPS = 50
"""Elements of a stack looked up one by one, at most; deeper ones are met in one reading."""


class ReleaseView:
    """One state of a release log. It can be used as long as the log it reads is open.

    Attributes:
        name: The name.
        head: The head of the log, by its last line; `Head(0, "")` if there is no log.
        live: The release that is live, or None.
        block_seq: The newest block or unblock, or None.
    """

    __slots__ = ("_log", "block_seq", "head", "live", "name")

    def __init__(self, name: str, log: "LogView | None") -> None:
        """Reads the end of a log.

        Args:
            name: The name that the log must be of.
            log: The log, or None if there is none.

        Raises:
            IntegrityError: The log is damaged where it was read.
            UnsupportedFormatError: It ends in an entry of a later format.
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

            if mark_from(entry, name).mark != "signature":
                self.block_seq = entry["seq"]
            self.head = Head(entry["seq"], entry["hash"])
            self.live = self.release(entry["release_seq"])
        else:
            self.live = release.record_from(entry, name)
            self.head = Head(entry["seq"], entry["hash"])

    def state(self) -> "ReleaseState | None":
        """Returns what is live and the head, or None if there is no log."""
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
            IntegrityError: There is none.
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
        """Returns the blocks that stand, newest first."""
        if self.block_seq is None:
            return []
        from aivcs.log.block_index import newest_of_each

        standing = [b for b in newest_of_each(self.block_seq, self.block) if b.is_block]
        return sorted(standing, key=lambda block: -block.seq)

    def block(self, seq: int) -> "tuple[Block, dict[int, int]]":
        """Returns the block or unblock with a seq, and its path in the block index.

        Raises:
            IntegrityError: There is none, though another line names it.
        """
        from aivcs.log.block_index import block_of

        line = self.line(seq)
        if line is None:
            raise IntegrityError(None, None, "", f"has no block @{seq}, which it names")
        return block_of(line, self.name)

    def require_live(self) -> ReleaseRecord:
        """Returns the release that is live.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
        """
        if self.live is None:
            raise errors.ReleaseNotFoundError(self.name)
        return self.live

    def require_head(self, head: Head) -> None:
        """Refuses a change that was planned on another state of the log.

        Raises:
            ConflictError: The log has another head.
        """
        if head != self.head:
            raise ConflictError(
                f"{self.name}: the log has moved on, from line {head.lines} to line "
                f"{self.head.lines}; nothing was changed. Look at it again: "
                f"aivcs release history {self.name}"
            )


class ReleaseChange:
    """The entries that one change appends to a release log: all of them or none.

    Attributes:
        entries: The entries, in order.
        if_head: The head of the log that they follow.
        before: The release that was live there, or None.
        is_before_blocked: Whether that release is blocked, so that no rollback returns to it.
    """

    __slots__ = ("before", "entries", "if_head", "is_before_blocked")

    def __init__(self, view: ReleaseView, *entries: "Entry") -> None:
        """Takes the view that the change was planned on, and the entries that are to follow."""
        self.if_head = view.head
        self.before = view.live
        self.entries = entries
        # A release comes second only after a block of what was live.
        self.is_before_blocked = len(entries) > 1 or _is_blocked(view)

    @property
    def release(self) -> ReleaseRecord:
        """The release that the change makes live."""
        return next(entry for entry in self.entries if isinstance(entry, ReleaseRecord))

    def resting_on(
        self, *, policy: "ContentDigest | None" = None, forced: bool = False
    ) -> "ReleaseChange":
        """Returns the same change with the policy that judged the release.

        Args:
            policy: The blob that says by which rules it was judged.
            forced: Whether it is made against these rules.

        Raises:
            InvalidDigestError: The policy is not a digest.
            SerializationError: It is forced, and its notes do not say why.
        """
        record = self.release
        grounded = release.resting_on(record, record.evidence, policy, forced=forced)
        return self._with(*(grounded if e is record else e for e in self.entries))

    def signed(self, signature: "Signature") -> "ReleaseChange":
        """Returns the same change with a signature of its release, as the last entry."""
        return self._with(*self.entries, signature)

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
        metadata: Who promotes, why, and under which label.
        expect: What must be live, as for `ReleaseRegistry.promote`.
        evidence: Runs that speak for the spec, which are recorded.

    Raises:
        InvalidDigestError: The spec is not a digest.
        ConflictError: Something else than expected is live.
        BlockedError: The spec is blocked under the name.
    """
    digest = ContentDigest(spec_digest)
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
        metadata: Who rolls back, and why.
        expect: What must be live, as for `ReleaseRegistry.promote`.
        block: Whether to block the spec that was live, with actor and notes as its reason.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name, or never the target.
        NoPreviousReleaseError: There is nothing below the live release.
        ConflictError: Something else than expected is live, or what is to be blocked would be live
            again.
        BlockedError: What would be live is blocked under the name.
        SerializationError: It blocks without a reason.
    """
    live = view.require_live()
    release.require_expected(view.name, live, expect)
    # The block comes first: if a crash leaves only one of the two lines, who tries again must not
    # go one release too far.
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
            f"{view.name}: {live.spec_digest} cannot be blocked and returned to at once; "
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
    """Plans to block a spec; as `ReleaseRegistry.block`."""
    return ReleaseChange(view, _block_entry(view, "block", digest, by=by, reason=reason))


def plan_unblock(
    view: ReleaseView, digest: ContentDigest, *, by: str, reason: str
) -> "ReleaseChange":
    """Plans to take a block back; as `ReleaseRegistry.unblock`."""
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
    """Plans to record a signature of a release that was made; as `ReleaseRegistry.add_signature`.

    `encode` refuses a signature of another entry.
    """
    view.require_live()
    return ReleaseChange(view, signature_of(view.name, view.head.lines + 1, seq, hash, signature))


def signature_of(
    name: str,
    seq: int,
    signed_seq: int,
    hash: str,  # noqa: A002 the file format's word
    signature: str,
) -> "Signature":
    """Returns the entry of a signature that is made now.

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
        entries: What follows its last entry, as the plans give it.

    Raises:
        ConflictError: An entry does not follow, signs an entry with another hash, or makes live
            what is blocked.
        ReleaseNotFoundError: A signature is of an entry that is not a release.
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
            if entry.mark != "signature":
                block_seq = seq
        previous = lines[seq][1]
    return list(lines.values())


def entry_of(line: bytes, name: str) -> "LogEntry":
    """Returns the entry in a line of a name's log, with its hash.

    Raises:
        IntegrityError: It is not an entry of that log.
        UnsupportedFormatError: It is of a later format.
    """
    from aivcs.log.block_index import mark_from
    from aivcs.model.release_entries import LogEntry

    entry = chain.members(line)
    read = mark_from if release.is_mark(entry) else release.record_from
    return LogEntry(read(entry, name), entry["hash"])


def _line_of(
    view: ReleaseView,
    lines: "dict[int, tuple[bytes, str]]",
    entry: "Block | Signature",
    previous: str,
    live: "ReleaseRecord | None",
    block_seq: "int | None",
) -> "tuple[bytes, str]":
    """The line of a block or a signature after `lines`, which are not in the log yet."""
    from aivcs.log.block_index import block_of, line_of, path_to
    from aivcs.model.release_entries import Signature

    if live is None:
        raise errors.ReleaseNotFoundError(view.name)

    def line(seq: int) -> "bytes | None":
        return lines[seq][0][:-1] if seq in lines else view.line(seq)

    def block(seq: int) -> "tuple[Block, dict[int, int]]":
        return block_of(lines[seq][0][:-1], view.name) if seq in lines else view.block(seq)

    path: dict[int, int] = {}
    if isinstance(entry, Signature):
        _require_signable(view.name, entry, line(entry.signed_seq))
    else:
        path = path_to(entry.spec_digest, block_seq, block)
    return line_of(entry, previous, release_seq=live.seq, block_seq=block_seq, path=path)


def _require_signable(name: str, entry: "Signature", line: "bytes | None") -> None:
    if line is None or release.record_of(line, name) is None:
        raise errors.ReleaseNotFoundError(
            name, f"{name} has no release @{entry.signed_seq} to be signed"
        )
    if chain.hash_of(line) != entry.signed_hash:
        raise ConflictError(
            f"{name}: the entry @{entry.signed_seq} has the hash {chain.hash_of(line)}, not "
            f"{entry.signed_hash}; nothing was changed"
        )


def _is_blocked(view: ReleaseView) -> bool:
    """Whether what is live is blocked; what cannot be read is taken for not blocked.

    It is only told: whoever tries the rollback is refused.
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
    """The newest release that a seq, a digest or a label names; only a seq says where it is."""
    if not isinstance(wanted, int):
        return release.find_release(view.name, view.releases(), wanted)
    line = view.line(wanted)
    record = release.record_of(line, view.name) if line else None
    return release.find_release(view.name, () if record is None else (record,), wanted)


def _descent(view: ReleaseView) -> "Callable[[int], ReleaseRecord]":
    """Returns a lookup of the stack's elements from the top down, cheap for a deep stack too.

    A lookup by seq costs the same wherever the element is. So a few are looked up, and all deeper
    ones are met in one reading of the log, which bounds what a stack can cost.
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
