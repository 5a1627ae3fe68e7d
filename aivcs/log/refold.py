"""The marks of a release log folded again, line by line: what each must point to, and may say.

It holds about 32 bytes for each line, and the marks that block or unblock.
"""

from aivcs.log import release
from aivcs.log.jsontext import encode_trusted
from aivcs.log.marks import path_from, path_to
from aivcs.marks import SignatureMark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.marks import BlockMark
    from aivcs.model import ReleaseRecord

_NO_RELEASE = bytes(32)


class Marks:
    """What the lines of a log so far say beside the stack; all must be right, and fed in order."""

    def __init__(self) -> None:
        """Begins before the first line."""
        self._hashes = bytearray()  # of each line in turn, if it is a release
        self._release_seq: int | None = None
        self._block_seq: int | None = None
        self._marks: dict[int, tuple[BlockMark, dict[int, int]]] = {}
        self._blocked: dict[str, int] = {}

    def take_release(self, entry: "dict[str, Any]", record: "ReleaseRecord") -> str:
        """Takes a release; returns what is wrong with it as far as marks go, or nothing."""
        problem = self._misdirected(entry, "block_seq", self._block_seq)
        if not problem and record.spec_digest in self._blocked:
            problem = (
                f"it makes {record.spec_digest} live, which the mark "
                f"@{self._blocked[record.spec_digest]} blocks"
            )
        self._hashes += bytes.fromhex(entry["hash"])
        self._release_seq = record.seq
        return problem

    def take_mark(self, entry: "dict[str, Any]", mark: "BlockMark | SignatureMark") -> str:
        """Takes a mark; returns what is wrong with it, or nothing."""
        problem = self._misdirected(entry, "release_seq", self._release_seq) or self._misdirected(
            entry, "block_seq", self._block_seq
        )
        self._hashes += _NO_RELEASE
        if isinstance(mark, SignatureMark):
            return problem or self._check_signature(mark)
        return problem or self._take_block(mark, path_from(entry))

    def _misdirected(self, entry: "dict[str, Any]", key: str, wanted: "int | None") -> str:
        says = release.pointer(entry, key)
        if says == wanted:
            return ""
        shown = "is missing" if says is None else f"is {says}"
        should = "it should not be there" if wanted is None else f"it should be {wanted}"
        return f"{key} {shown}, but {should}"

    def _check_signature(self, mark: SignatureMark) -> str:
        at = 32 * (mark.signed_seq - 1)
        found = bytes(self._hashes[at : at + 32])
        if found == _NO_RELEASE:
            return f"it signs the entry @{mark.signed_seq}, which is no release"
        if found.hex() != mark.signed_hash:
            return (
                f"it signs the hash {mark.signed_hash}, but the entry @{mark.signed_seq} has the "
                f"hash {found.hex()}"
            )
        return ""

    def _take_block(self, mark: "BlockMark", path: "dict[int, int]") -> str:
        wanted = path_to(mark.spec_digest, self._block_seq, self._marks.__getitem__)
        if path != wanted:
            return (
                f"path is {encode_trusted([*path.items()])}, but the marks before give "
                f"{encode_trusted([*wanted.items()])}"
            )
        if mark.is_block:
            self._blocked[mark.spec_digest] = mark.seq
        elif self._blocked.pop(mark.spec_digest, None) is None:
            return f"it unblocks {mark.spec_digest}, which was not blocked"
        self._marks[mark.seq] = mark, path
        self._block_seq = mark.seq
        return ""
