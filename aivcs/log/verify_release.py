"""What every line of a release log must be: its rules, as checks. No I/O.

Beside what goes for the lines of any log (`aivcs.log.verify`):

- all entries have the seqs 1, 2, 3 … and the name of the log;
- `target_seq` and `parent_seq` are what the rule of the stack gives for the entries before;
- nothing became live that was blocked, and nothing was unblocked that was not;
- what a signature signs is an entry before it, with that hash;
- `release_seq`, `block_seq` and `path` point to what they should.
"""

from aivcs.errors import IntegrityError
from aivcs.log import release
from aivcs.log.jsontext import encode_trusted
from aivcs.log.marks import mark_from, path_from, path_to
from aivcs.log.verify import absent, members, problems, require_form, wrong
from aivcs.marks import SignatureMark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from aivcs.log.verify import Problem
    from aivcs.marks import BlockMark
    from aivcs.model import ReleaseRecord

_NO_RELEASE = bytes(32)


def release_problems(
    lines: "Iterable[tuple[int, bytes]]", name: str, has_blob: "Callable[[str], bool]"
) -> "Iterator[Problem]":
    """Yields what is wrong with the lines of a release log.

    Args:
        lines: Number and bytes of its right lines, from the first.
        name: The name that the log should be of.
        has_blob: Tells whether a blob is in the store.
    """
    return problems(lines, _ReleaseCheck(name, has_blob).check)


class _ReleaseCheck:
    """The rules of a release log, and where they stand after some lines."""

    def __init__(self, name: str, has_blob: "Callable[[str], bool]") -> None:
        self._name = name
        self._has_blob = has_blob
        self._seq = 0
        self._stack: list[tuple[int, str]] = []  # target_seq and spec of each element
        self._released: set[str] = set()
        self._marks = _Marks()
        self._is_replaying = True

    def check(self, number: int, line: bytes) -> "Iterator[Problem]":
        # Whatever is wrong with one entry, the stack behind it cannot be known.
        is_replaying, self._is_replaying = self._is_replaying, False
        entry = members(number, line)
        release.is_mark(entry)  # what is of neither kind cannot be judged further
        seq = release.seq_of(line)
        if type(seq) is not int or seq != self._seq + 1:
            yield wrong(number, f"its seq is {seq}, not {self._seq + 1}")
            is_replaying = False
        self._seq = seq
        if entry.get("name", self._name) != self._name:
            yield wrong(number, f"it is of {entry['name']!a}, the log of {self._name}")
        if release.is_mark(entry):
            require_form(entry, "created_at", *{"spec_digest"}.intersection(entry))
            mark = mark_from(entry)
            problem = self._marks.take_mark(entry, mark) if is_replaying else ""
        else:
            record = release.record_from(entry)
            yield from self._check_form(number, entry, record)
            problem = ""
            if is_replaying:
                problem = self._step(record) or self._marks.take_release(entry, record)
            self._released.add(record.spec_digest)
        if problem:
            yield wrong(number, problem)
        self._is_replaying = is_replaying and not problem

    def _check_form(
        self, number: int, entry: "dict[str, Any]", record: "ReleaseRecord"
    ) -> "Iterator[Problem]":
        require_form(entry, "spec_digest", "created_at", *{"policy"}.intersection(entry))
        if any(run["hash"] != run["hash"].lower() for run in entry.get("evidence", ())):
            raise IntegrityError(None, None, "", "has evidence whose hash is not in its form")
        if record.spec_digest not in self._released and not self._has_blob(record.spec_digest):
            yield absent(number, record.spec_digest)
        if record.policy is not None and not self._has_blob(record.policy):
            yield absent(number, record.policy)

    def _step(self, record: "ReleaseRecord") -> str:
        """Applies an entry to the stack; returns what it says wrongly about the outcome."""
        stack, digest = self._stack, record.spec_digest
        if record.action == "rollback" and digest not in self._released:
            return f"it rolls back to {digest}, which was never released before"
        if stack and stack[-1][1] == digest:
            stack[-1] = (record.seq, digest)
        elif record.action == "rollback" and any(element[1] == digest for element in stack):
            while stack[-1][1] != digest:
                stack.pop()
        else:
            stack.append((record.seq, digest))
        target = stack[-1][0]
        parent = stack[-2][0] if len(stack) > 1 else None
        says = (record.target_seq, record.parent_seq)
        if says != (target, parent) or bool in map(type, says) or float in map(type, says):
            return (
                f"target_seq and parent_seq are {encode_trusted(list(says))}, "
                f"but the entries before give {encode_trusted([target, parent])}"
            )
        return ""


class _Marks:
    """What the lines of a log so far say beside the stack; all must be right, and fed in order.

    It holds about 32 bytes for each line, and the marks that block or unblock.
    """

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
