"""The marks in a release log: their lines, and finding out what is blocked without reading all.

A block or an unblock is about one digest; the newest mark about a digest decides. To find it, the
marks form a trie over the bits of their digests. A log only grows, so a new mark changes no node;
it brings a whole new way to its place: its `path` says, for each number of bits in which another
digest agrees with its own before they differ, which mark of that kind is the newest. So the newest
mark of all is the root, one step goes from a mark to one that agrees with what is looked for in
more bits, and about as many steps are needed as the number of blocked digests has binary digits.
"""

from aivcs.codec.json import encode_trusted
from aivcs.errors import IntegrityError, InvalidDigestError, SerializationError
from aivcs.log import chain
from aivcs.log.release import is_mark
from aivcs.marks import BlockMark, SignatureMark
from aivcs.model import MAX_SEQ, ContentDigest, Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    class Node(Protocol):
        """What has a place among the marks."""

        @property
        def spec_digest(self) -> str: ...

    Path = dict[int, int]
    FindBlock = Callable[[int], tuple[BlockMark, Path]]
    """Returns the block or unblock with a seq, and its path."""

_BITS = 256
"""Bits of a digest."""


def line_of(
    mark: "BlockMark | SignatureMark",
    previous: str,
    *,
    release_seq: int,
    block_seq: "int | None",
    path: "Path",
) -> "tuple[bytes, str]":
    """Returns the line of a mark behind a line with the hash `previous`, and its own hash.

    Args:
        mark: The mark.
        previous: The hash of the line before.
        release_seq: The newest release before it.
        block_seq: The newest mark before it that blocks or unblocks, or None.
        path: The path of a mark that does so itself; else empty.
    """
    fields = {"type": "mark", "seq": mark.seq, **mark.to_json(), "release_seq": release_seq}
    if block_seq is not None:
        fields["block_seq"] = block_seq
    if path:
        fields["path"] = [[bits, path[bits]] for bits in sorted(path)]
    return chain.seal(encode_trusted(fields)[:-1], previous)


def mark_from(entry: "dict[str, Any]", name: "str | None" = None) -> "BlockMark | SignatureMark":
    """Returns the mark whose line has some members.

    Raises:
        IntegrityError: They do not make a mark, or one of another name.
    """
    try:
        chain.require_name(entry["name"], name)
        seq = chain.integer(entry, "seq", 1, MAX_SEQ)
        created_at = Timestamp.stored(entry["created_at"])
        chain.integer(entry, "release_seq", 1, seq - 1)
        if entry["mark"] == "signature":
            mark = SignatureMark(
                seq=seq,
                name=entry["name"],
                signed_seq=chain.integer(entry, "signed_seq", 1, seq - 1),
                signed_hash=entry["signed_hash"],
                signature=entry["signature"],
                created_at=created_at,
            )
            if entry["fingerprint"] != mark.fingerprint:
                raise ValueError(f"the key that signed has the fingerprint {mark.fingerprint}")
            return mark
        return BlockMark(
            seq=seq,
            mark=entry["mark"],
            name=entry["name"],
            spec_digest=ContentDigest(entry["spec_digest"]),
            by=entry["by"],
            reason=entry["reason"],
            created_at=created_at,
        )
    except (KeyError, TypeError, ValueError, SerializationError, InvalidDigestError) as error:
        raise IntegrityError(
            None, None, "", f"is no mark: {error or type(error).__name__}"
        ) from error


def block_of(line: bytes, name: str) -> "tuple[BlockMark, Path]":
    """Returns the block or unblock that a line holds, and its path.

    Raises:
        IntegrityError: It holds none.
        UnsupportedFormatError: It is of a later format.
    """
    entry = chain.members(line)
    mark = mark_from(entry, name) if is_mark(entry) else None
    if not isinstance(mark, BlockMark):
        raise IntegrityError(None, None, "", "is no block, though another line says so")
    return mark, path_from(entry)


def path_from(entry: "dict[str, Any]") -> "Path":
    """Returns the path of a mark's members.

    Raises:
        IntegrityError: It is none.
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
        raise IntegrityError(None, None, "", f"has no path in its path: {error}") from error
    return path


def newest_about(digest: str, root: "int | None", find: "FindBlock") -> "BlockMark | None":
    """Returns the newest mark about a digest, or None if it was never marked.

    Args:
        digest: The digest.
        root: The newest mark of all, or None.
        find: Finds marks.
    """
    while root is not None:
        mark, path = find(root)
        agreeing = _agreeing(mark.spec_digest, digest)
        if agreeing == _BITS:
            return mark
        root = path.get(agreeing)
    return None


def newest_of_each(root: "int | None", find: "FindBlock") -> "Iterator[BlockMark]":
    """Yields the newest mark about each digest that was ever marked, in no order."""
    waiting = [] if root is None else [(root, -1)]
    while waiting:
        seq, above = waiting.pop()
        mark, path = find(seq)
        yield mark
        # Of what agrees in fewer bits, those above know what is newest.
        waiting += [(seq, bits) for bits, seq in path.items() if bits > above]


def path_to(digest: str, root: "int | None", find: "Callable[[int], tuple[Node, Path]]") -> "Path":
    """Returns the path of a new mark about a digest behind the newest one so far."""
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
    """In how many bits two digests agree before they differ."""
    return _BITS - (int(one, 16) ^ int(other, 16)).bit_length()
