"""The block index of a release log: is a spec blocked? An append-only binary trie, O(log n).

The newest block or unblock of a digest decides whether it is blocked. Each of these entries is a
node of a binary trie over the 256 bits of the digests. Its `path` maps a number of bits to the seq
of the newest entry whose digest agrees with its own in exactly that many leading bits. The log only
grows, so a node never changes: a new entry brings the whole path to its own place, and the newest
entry is the root. A lookup follows one pointer for each further bit that agrees, so n blocked
digests take about log2(n) reads.
"""

from aivcs.codec.json import encode_trusted
from aivcs.errors import (
    IntegrityError,
    InvalidDigestError,
    InvalidNameError,
    SerializationError,
)
from aivcs.log import chain
from aivcs.log.release import is_mark
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_SEQ
from aivcs.model.release_entries import Approval, Block, Signature
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from aivcs.model.release_entries import Mark

    class Node(Protocol):
        """An entry of the index."""

        @property
        def spec_digest(self) -> str: ...

    Path = dict[int, int]
    FindBlock = Callable[[int], tuple[Block, Path]]
    """Returns the block or unblock with a seq, and its path."""

_BITS = 256
"""Bits of a digest."""


def line_of(
    mark: "Mark",
    previous: str,
    *,
    release_seq: "int | None",
    block_seq: "int | None",
    path: "Path",
) -> "tuple[bytes, str]":
    """Returns the line of a mark after a line with the hash `previous`, and its hash.

    Args:
        mark: The block, signature or approval.
        previous: The hash of the line before.
        release_seq: The newest release before it, or None: an approval may be the first line.
        block_seq: The newest block or unblock before it, or None.
        path: The path of a block or unblock; empty for any other.
    """
    fields = {"type": "mark", "seq": mark.seq, **mark.to_json()}
    if mark.seq == 1:
        fields = {"type": "mark", "format": chain.FORMAT, **fields}
    if release_seq is not None:
        fields["release_seq"] = release_seq
    if block_seq is not None:
        fields["block_seq"] = block_seq
    if path:
        fields["path"] = [[bits, path[bits]] for bits in sorted(path)]
    return chain.link(encode_trusted(fields)[:-1], previous)


def mark_from(entry: "dict[str, Any]", name: "str | None" = None) -> "Mark":
    """Returns the block, signature or approval that the members of a line make.

    Raises:
        IntegrityError: They make neither, or one of another name.
    """
    try:
        chain.require_name(entry["name"], name)
        seq = chain.integer(entry, "seq", 1, MAX_SEQ)
        created_at = Timestamp.stored(entry["created_at"])
        if entry["mark"] == "approval":
            if "release_seq" in entry:
                chain.integer(entry, "release_seq", 1, seq - 1)
            approval = Approval(
                seq=seq,
                name=entry["name"],
                spec_digest=ContentDigest(entry["spec_digest"]),
                by=entry["by"],
                notes=entry["notes"],
                store=entry["store"],
                signature=entry["signature"],
                created_at=created_at,
            )
            _require_fingerprint(entry, approval)
            return approval
        chain.integer(entry, "release_seq", 1, seq - 1)
        if entry["mark"] == "signature":
            mark = Signature(
                seq=seq,
                name=entry["name"],
                signed_seq=chain.integer(entry, "signed_seq", 1, seq - 1),
                signed_hash=entry["signed_hash"],
                signature=entry["signature"],
                created_at=created_at,
            )
            _require_fingerprint(entry, mark)
            return mark
        return Block(
            seq=seq,
            mark=entry["mark"],
            name=entry["name"],
            spec_digest=ContentDigest(entry["spec_digest"]),
            by=entry["by"],
            reason=entry["reason"],
            created_at=created_at,
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        SerializationError,
        InvalidDigestError,
        InvalidNameError,
    ) as error:
        raise IntegrityError.of(f"is not a mark: {error or type(error).__name__}") from error


def _require_fingerprint(entry: "dict[str, Any]", mark: "Signature | Approval") -> None:
    if entry["fingerprint"] != mark.fingerprint:
        raise ValueError(f"the key that signed has the fingerprint {mark.fingerprint}")


def block_of(line: bytes, name: str) -> "tuple[Block, Path]":
    """Returns the block or unblock in a line, and its path.

    Raises:
        IntegrityError: The line holds another entry.
        UnsupportedFormatError: The line is of a later format.
    """
    entry = chain.members(line)
    mark = mark_from(entry, name) if is_mark(entry) else None
    if not isinstance(mark, Block):
        raise IntegrityError.of("is not a block, but another line refers to it as one")
    return mark, path_from(entry)


def path_from(entry: "dict[str, Any]") -> "Path":
    """Returns the path in the members of a block's line.

    Raises:
        IntegrityError: It is not a path.
    """
    path: Path = {}
    highest = -1
    try:
        for bits, seq in entry.get("path", ()):
            if type(bits) is not int or not highest < bits < _BITS:
                raise ValueError(f"{bits!r} follows {highest}")
            path[bits] = chain.integer({"seq": seq}, "seq", 1, entry["seq"] - 1)
            highest = bits
    except (TypeError, ValueError) as error:
        raise IntegrityError.of(f"has an invalid path: {error}") from error
    return path


def newest_about(digest: str, root: "int | None", find: "FindBlock") -> "Block | None":
    """Returns the newest block or unblock of a digest, or None if there is none.

    Args:
        digest: The digest.
        root: The newest block or unblock of the log, or None.
        find: Finds blocks by seq.
    """
    while root is not None:
        mark, path = find(root)
        agreeing = _agreeing(mark.spec_digest, digest)
        if agreeing == _BITS:
            return mark
        root = path.get(agreeing)
    return None


def newest_of_each(root: "int | None", find: "FindBlock") -> "Iterator[Block]":
    """Yields the newest block or unblock of each digest that has one, in no order."""
    waiting = [] if root is None else [(root, -1)]
    while waiting:
        seq, above = waiting.pop()
        mark, path = find(seq)
        yield mark
        # For digests that agree in fewer bits, a node above has the newer pointer.
        waiting += [(seq, bits) for bits, seq in path.items() if bits > above]


def path_to(digest: str, root: "int | None", find: "Callable[[int], tuple[Node, Path]]") -> "Path":
    """Returns the path of a new block of a digest, after the newest block `root`."""
    path: Path = {}
    above = -1
    while root is not None:
        mark, others = find(root)
        agreeing = _agreeing(mark.spec_digest, digest)
        path.update({bits: seq for bits, seq in others.items() if above < bits < agreeing})
        if agreeing == _BITS:
            break
        path[agreeing] = root
        above, root = agreeing, others.get(agreeing)
    return path


def _agreeing(one: str, other: str) -> int:
    """Returns the number of leading bits in which two digests agree."""
    return _BITS - (int(one, 16) ^ int(other, 16)).bit_length()
