"""`aivcs release history` and `show`: the entries of a name, with their present states.

Each entry records the seq of the stack element that it put on top, and the seq of the element
below. Read newest first, only the seq of the next stack element has to be remembered, so memory
does not grow with the log.
"""

from aivcs import errors
from aivcs.errors import UsageError
from aivcs.model.record import parse_seq
from aivcs.model.release import ReleaseRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Any

    from aivcs.log.release_changes import ReleaseView
    from aivcs.model.digest import ContentDigest
    from aivcs.model.release_entries import Block, LogEntry, Mark, Signature
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository

CURRENT = "current"
"""The state of an entry whose release is live."""
SUPERSEDED = "superseded"
"""Below the live one on the stack: further rollbacks return to it."""
ROLLED_BACK = "rolled back"
"""Rolled back: a rollback without a target never returns to it."""


class HistoryEntry:
    """An entry and its present state.

    Attributes:
        record: The entry.
        state: `CURRENT`, `SUPERSEDED` or `ROLLED_BACK`.
        is_live: Whether it is the entry that says what is live.
        is_blocked: Whether its spec is blocked now.
    """

    __slots__ = ("is_blocked", "is_live", "record", "state")

    def __init__(
        self, record: ReleaseRecord, state: str, *, is_live: bool, is_blocked: bool
    ) -> None:
        """Takes the fields as they are."""
        self.record = record
        self.state = state
        self.is_live = is_live
        self.is_blocked = is_blocked

    @property
    def shown_state(self) -> str:
        """The state as printed: with `, blocked` if the spec is blocked."""
        if not self.is_blocked:
            return self.state
        return f"{self.state}, blocked" if self.state == CURRENT else "blocked"

    def to_json(self) -> "dict[str, Any]":
        """Returns the JSON form of the entry, with its state."""
        return {**self.record.to_json(), "state": self.state, "blocked": self.is_blocked}


class EntryDetails:
    """An entry of a release log with its signatures and blocks.

    Attributes:
        sealed: The entry or mark.
        told: Its state, if it is a release.
        signatures: The signatures of the entry, newest first.
        blocks: All blocks and unblocks of its spec, newest first.
    """

    __slots__ = ("blocks", "sealed", "signatures", "told")

    def __init__(
        self,
        sealed: "LogEntry",
        told: "HistoryEntry | None",
        signatures: "list[Signature]",
        blocks: "list[Block]",
    ) -> None:
        """Takes the fields as they are."""
        self.sealed = sealed
        self.told = told
        self.signatures = signatures
        self.blocks = blocks

    def to_json(self) -> "dict[str, Any]":
        """Returns the details as a JSON value."""
        if self.told is None:
            return {**self.sealed.value.to_json(), "hash": self.sealed.hash}
        return {
            **self.told.to_json(),
            "hash": self.sealed.hash,
            "signatures": [mark.to_json() for mark in self.signatures],
            "blocks": [mark.to_json() for mark in self.blocks],
        }


def states(records: "Iterable[ReleaseRecord]") -> "Iterator[tuple[ReleaseRecord, str]]":
    """Yields entries with their states, as they are read.

    An entry that another one replaced on top of the stack (the same spec, promoted again) has the
    state of its replacement, except that it is never current.

    Args:
        records: All entries of a name, newest first.
    """
    element: int | None = None
    state = CURRENT
    replaced: set[int] = set()
    newer: ReleaseRecord | None = None
    newer_state = ""
    for record in records:
        if newer is None:
            element = record.target_seq
        elif (
            # It did not push, so it replaced the top, which is the element of this entry.
            newer.target_seq == newer.seq
            and newer.spec_digest == record.spec_digest
            and newer_state != ROLLED_BACK
        ):
            replaced.add(record.target_seq)
        if record.target_seq == element:
            found = state
        else:
            found = SUPERSEDED if record.target_seq in replaced else ROLLED_BACK
        yield record, found
        newer, newer_state = record, found
        # Before the entry that put an element on the stack, no entry can belong to it.
        replaced.discard(record.seq)
        if record.seq == element:
            element, state = record.parent_seq, SUPERSEDED


def history(
    repo: "Repository",
    name: str,
    *,
    limit: "int | None" = None,
    since: "Timestamp | None" = None,
    until: "Timestamp | None" = None,
    labels: "Collection[str]" = (),
    mark: "Callable[[Mark], None] | None" = None,
) -> "Iterator[HistoryEntry]":
    """Yields entries of a name with their states, newest first, as they are read.

    Args:
        repo: The repository.
        name: The agent's name.
        limit: The maximum number; None is all.
        since: Entries created at or after this time.
        until: Entries created before this time; their states are those of now.
        labels: Entries with one of these labels; empty is all.
        mark: Called for each block, signature and approval, before the entry that it follows.

    Raises:
        ReleaseNotFoundError: The name has no release.
        UsageError: The limit is negative.
    """
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of entries, 0 or more")
    live = 0
    count = 0
    with repo.releases.view(name) as view:
        blocks = _Blocks(view)
        records = view.releases() if mark is None else _telling(view.entries(), mark)
        for record, state in states(records):
            live = live or record.seq
            if limit is not None and count >= limit:
                return
            if since is not None and record.created_at < since:
                continue
            if until is not None and record.created_at >= until:
                continue
            if labels and record.metadata.version_label not in labels:
                continue
            count += 1
            yield HistoryEntry(
                record,
                state,
                is_live=record.seq == live,
                is_blocked=blocks.has(record.spec_digest),
            )
    if not live:
        raise errors.ReleaseNotFoundError(name)


def _telling(
    log: "Iterable[LogEntry]", mark: "Callable[[Mark], None]"
) -> "Iterator[ReleaseRecord]":
    """Yields the releases of a log, and reports the marks between them."""
    for sealed in log:
        if isinstance(sealed.value, ReleaseRecord):
            yield sealed.value
        else:
            mark(sealed.value)


class _Blocks:
    """Answers whether specs are blocked, one after the other.

    A few are looked up singly, at a cost that does not grow with the number of blocks; for many,
    all blocks are read once.
    """

    _FEW = 50

    def __init__(self, view: "ReleaseView") -> None:
        self._view = view
        self._asked: dict[str, bool] = {}
        self._all: "set[ContentDigest] | None" = None

    def has(self, digest: "ContentDigest") -> bool:
        if self._all is not None:
            return digest in self._all
        if digest not in self._asked:
            if len(self._asked) == self._FEW:
                self._all = {mark.spec_digest for mark in self._view.blocks()}
                return digest in self._all
            self._asked[digest] = self._view.find_block(digest) is not None
        return self._asked[digest]


def show(repo: "Repository", name: str, target: "str | None" = None) -> EntryDetails:
    """Returns an entry of a release log with its signatures and blocks.

    Later entries decide the state of an entry and sign it, so the log is read from the end as far
    as the entry. Other entries are found by halving.

    Args:
        repo: The repository.
        name: The agent's name.
        target: @SEQ or SEQ, or a label, a digest or its prefix, which mean the newest promotion, so
            that it tells who promoted it and why; None or `current` is what is live.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: The log has no such entry.
    """
    live = repo.releases.current(name)
    if live is None:
        raise errors.ReleaseNotFoundError(name)
    wanted = live.seq if target is None or target == "current" else _wanted(repo, name, target)
    if isinstance(wanted, int):
        sealed = repo.releases.find(name, wanted)
        if sealed is None:
            raise _no_entry(name, wanted)
        if not isinstance(sealed.value, ReleaseRecord):
            return EntryDetails(sealed, None, [], [])
    newest_first = _SignedHistory(repo.releases.iter_log(name))
    found = next(
        ((record, state) for record, state in states(newest_first) if _fits(record, wanted)),
        None,
    )
    if found is None:
        raise _no_entry(name, wanted)
    record, state = found
    blocks = repo.releases.block_history(name, record.spec_digest)
    told = HistoryEntry(
        record,
        state,
        is_live=record.seq == live.seq,
        is_blocked=bool(blocks) and blocks[0].is_block,
    )
    signatures = [mark for mark in newest_first.signatures if mark.signed_seq == record.seq]
    return EntryDetails(newest_first.last, told, signatures, blocks)


def find_seq(repo: "Repository", name: str, target: str) -> int:
    """Returns the seq of the entry that a target names; a label or digest as in `show`.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: The name has no such release.
    """
    if target == "current":
        live = repo.releases.current(name)
        if live is None:
            raise errors.ReleaseNotFoundError(name)
        return live.seq
    wanted = _wanted(repo, name, target)
    if isinstance(wanted, int):
        return wanted
    for record in repo.releases.iter_history(name):
        if _fits(record, wanted):
            return record.seq
    if repo.releases.current(name) is None:
        raise errors.ReleaseNotFoundError(name)
    raise _no_entry(name, wanted)


def _fits(record: ReleaseRecord, wanted: "ContentDigest | int | str") -> bool:
    """Whether an entry is the wanted one: for a label or digest, its promotion."""
    if isinstance(wanted, int):
        return record.seq == wanted
    return record.action == "promote" and wanted in {
        record.spec_digest,
        record.metadata.version_label,
    }


class _SignedHistory:
    """Yields the entries of a log, newest first, and collects its signatures.

    Attributes:
        last: The last entry, as read from the log.
        signatures: Those that were met before it.
    """

    def __init__(self, log: "Iterable[LogEntry]") -> None:
        self._log = log
        self.signatures: list[Signature] = []

    def __iter__(self) -> "Iterator[ReleaseRecord]":
        from aivcs.model.release_entries import Signature

        for sealed in self._log:
            if isinstance(sealed.value, Signature):
                self.signatures.append(sealed.value)
            elif isinstance(sealed.value, ReleaseRecord):
                self.last = sealed
                yield sealed.value


def _wanted(repo: "Repository", name: str, target: str) -> "ContentDigest | int | str":
    """Returns the seq, digest or label that a target is."""
    seq = parse_seq(target)
    return repo.resolve_target(name, target) if seq is None else seq


def _no_entry(name: str, wanted: "ContentDigest | int | str") -> "errors.ReleaseNotFoundError":
    shown = f"@{wanted}" if isinstance(wanted, int) else wanted
    return errors.ReleaseNotFoundError(
        name,
        f"{name} has no entry {shown}; see: aivcs release history {name}",
        wanted,
    )
