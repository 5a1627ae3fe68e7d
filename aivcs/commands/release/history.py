"""`aivcs release history` and `show`: the entries of a name, and what has become of each.

What is live needs the stack, and the stack is in the log as a chain: each entry says which element
is on top after it, and what is below. Read newest first, the elements that are still on the stack
come up in the order of that chain, so the element that the next entries can belong to is all that
has to be remembered.
"""

from aivcs import errors
from aivcs.errors import UsageError
from aivcs.model import ReleaseRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from aivcs.marks import BlockMark, Sealed, SignatureMark
    from aivcs.model import ContentDigest, Timestamp
    from aivcs.repository import Repository

CURRENT = "current"
"""What it made live is live."""
SUPERSEDED = "superseded"
"""What it made live is below what is live: further rollbacks come back to it."""
ROLLED_BACK = "rolled back"
"""What it made live was rolled back: a rollback without a target never returns to it."""


class HistoryEntry:
    """An entry, and what has become of it.

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
        """The state in a word or two."""
        if not self.is_blocked:
            return self.state
        return f"{self.state}, blocked" if self.state == CURRENT else "blocked"

    def to_json(self) -> "dict[str, Any]":
        """Returns the entry's JSON form, and its state."""
        return {**self.record.to_json(), "state": self.state, "blocked": self.is_blocked}


class EntryDetails:
    """An entry or mark with everything that is said about it.

    Attributes:
        sealed: The entry or mark.
        told: What has become of it, if it is an entry.
        signatures: The signatures of the entry, newest first.
        blocks: What was ever said about its spec by blocks and unblocks, newest first.
    """

    __slots__ = ("blocks", "sealed", "signatures", "told")

    def __init__(
        self,
        sealed: "Sealed",
        told: "HistoryEntry | None",
        signatures: "list[SignatureMark]",
        blocks: "list[BlockMark]",
    ) -> None:
        """Takes the fields as they are."""
        self.sealed = sealed
        self.told = told
        self.signatures = signatures
        self.blocks = blocks

    def to_json(self) -> "dict[str, Any]":
        """Returns all of it as a JSON value."""
        if self.told is None:
            return {**self.sealed.what.to_json(), "hash": self.sealed.hash}
        return {
            **self.told.to_json(),
            "hash": self.sealed.hash,
            "signatures": [mark.to_json() for mark in self.signatures],
            "blocks": [mark.to_json() for mark in self.blocks],
        }


def states(records: "Iterable[ReleaseRecord]") -> "Iterator[tuple[ReleaseRecord, str]]":
    """Yields entries with their states, as they come.

    An entry that was replaced on top of the stack, as a release that was promoted a second time,
    has fared as what replaced it, except that it is no longer current.

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
    label: "str | None" = None,
) -> "Iterator[HistoryEntry]":
    """Yields entries of a name with their states, newest first, as they are read.

    Args:
        repo: Where.
        name: The agent's name.
        limit: At most so many.
        since: Only those made at this moment or later.
        label: Only those that bear this label.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name.
        UsageError: The limit is negative.
    """
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of entries, 0 or more")
    blocks = _Blocks(repo, name)
    live = 0
    count = 0
    for record, state in states(repo.releases.iter_history(name)):
        live = live or record.seq
        if limit is not None and count >= limit:
            return
        if since is not None and record.created_at < since:
            continue
        if label is not None and record.metadata.version_label != label:
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


class _Blocks:
    """What is blocked, asked for one spec after the other.

    A few are looked for each by itself, which costs the same however many blocks there are; for
    many it is cheaper to read all blocks once.
    """

    _FEW = 50

    def __init__(self, repo: "Repository", name: str) -> None:
        self._releases = repo.releases
        self._name = name
        self._asked: dict[str, bool] = {}
        self._all: "set[ContentDigest] | None" = None

    def has(self, digest: "ContentDigest") -> bool:
        if self._all is not None:
            return digest in self._all
        if digest not in self._asked:
            if len(self._asked) == self._FEW:
                self._all = {mark.spec_digest for mark in self._releases.blocks(self._name)}
                return digest in self._all
            self._asked[digest] = self._releases.find_block(self._name, digest) is not None
        return self._asked[digest]


def show(repo: "Repository", name: str, target: "str | None" = None) -> EntryDetails:
    """Returns an entry or mark with everything that is said about it.

    What has become of an entry, and who signed it, is said by what came after it: so the log is
    read as far as the entry, from the end. Anything else is found by halving.

    Args:
        repo: Where.
        name: The agent's name.
        target: @SEQ or SEQ, a label, or a digest or its prefix; None or `current` is what is live.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: There is no such entry or mark.
    """
    live = repo.releases.current(name)
    if live is None:
        raise errors.ReleaseNotFoundError(name)
    wanted = live.seq if target is None or target == "current" else _wanted(repo, name, target)
    if isinstance(wanted, int):
        sealed = repo.releases.find(name, wanted)
        if sealed is None:
            raise _no_entry(name, wanted)
        if not isinstance(sealed.what, ReleaseRecord):
            return EntryDetails(sealed, None, [], [])
    newest_first = _SignedHistory(repo.releases.iter_log(name))
    found = next(
        (
            (record, state)
            for record, state in states(newest_first)
            if wanted in {record.seq, record.spec_digest, record.metadata.version_label}
        ),
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


class _SignedHistory:
    """The entries of a log, newest first, while its signatures are collected.

    Attributes:
        last: The entry that came last, as it stands in the log.
        signatures: Those that were met before it.
    """

    def __init__(self, log: "Iterable[Sealed]") -> None:
        self._log = log
        self.signatures: list[SignatureMark] = []

    def __iter__(self) -> "Iterator[ReleaseRecord]":
        from aivcs.marks import SignatureMark

        for sealed in self._log:
            if isinstance(sealed.what, SignatureMark):
                self.signatures.append(sealed.what)
            elif isinstance(sealed.what, ReleaseRecord):
                self.last = sealed
                yield sealed.what


def _wanted(repo: "Repository", name: str, target: str) -> "ContentDigest | int | str":
    """The seq, digest or label that a target is."""
    if target.isascii() and target.isdecimal() and len(target) < 17:
        return int(target)
    return repo.resolve_target(name, target)


def _no_entry(name: str, wanted: "ContentDigest | int | str") -> "errors.ReleaseNotFoundError":
    shown = f"@{wanted}" if isinstance(wanted, int) else wanted
    return errors.ReleaseNotFoundError(
        name,
        f"{name} has no entry {shown}; aivcs release history {name} shows what there was",
        wanted,
    )
