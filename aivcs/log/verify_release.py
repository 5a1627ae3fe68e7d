"""Checks the lines of a release log against its rules. No I/O.

Besides the rules for every log (`aivcs.log.verify_run`):

- the entries have the seqs 1, 2, 3 … and the name of the log;
- `target_seq` and `parent_seq` are those that the rule of the stack gives;
- no blocked spec became live, and only a blocked spec was unblocked;
- a signature signs an earlier release by its hash; an approval may stand before any release;
- `release_seq`, `block_seq` and `path` point to the right entries.
"""

import marshal

from aivcs.codec.json import encode_trusted
from aivcs.errors import IntegrityError
from aivcs.log import release
from aivcs.log.block_index import mark_from, path_from, path_to
from aivcs.log.verify_run import absent, members, problems, require_form, wrong
from aivcs.model.release_entries import Approval, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from aivcs.log.verify_run import Problem
    from aivcs.model.digest import ContentDigest
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Block, Mark
    from aivcs.util.disk_map import DiskMap


def release_problems(
    lines: "Iterable[tuple[int, bytes]]",
    name: str,
    has_blob: "Callable[[str], bool]",
    new_map: "Callable[[], DiskMap]",
) -> "Iterator[Problem]":
    """Yields the problems in the lines of a release log.

    Args:
        lines: Number and bytes of the linked lines, from the first.
        name: The name that the log should belong to.
        has_blob: Tells whether a blob is in the store.
        new_map: Makes a map that can hold an entry for each line.
    """
    return problems(lines, _ReleaseCheck(name, has_blob, new_map).check)


class _ReleaseCheck:
    """The state of the checks of a release log after some of its lines."""

    def __init__(
        self, name: str, has_blob: "Callable[[str], bool]", new_map: "Callable[[], DiskMap]"
    ) -> None:
        self._name = name
        self._has_blob = has_blob
        self._seq = 0
        self._released = new_map()  # how often each spec is on the stack
        self._stack = _Stack(new_map())
        self._marks = _Marks(new_map)
        self._is_replaying = True

    def check(self, number: int, line: bytes) -> "Iterator[Problem]":
        # After any problem with an entry, the stack is unknown.
        is_replaying, self._is_replaying = self._is_replaying, False
        entry = members(number, line)
        release.is_mark(entry)  # refuses an entry of an unknown kind
        seq = release.seq_of(line)
        if type(seq) is not int or seq != self._seq + 1:
            yield wrong(number, f"its seq is {seq}, not {self._seq + 1}")
            is_replaying = False
        self._seq = seq
        if entry.get("name", self._name) != self._name:
            yield wrong(number, f"it belongs to {entry['name']!a}, the log to {self._name}")
        if release.is_mark(entry):
            require_form(entry, "created_at", *{"spec_digest"}.intersection(entry))
            mark = mark_from(entry)
            problem = self._marks.take_mark(entry, mark) if is_replaying else ""
        else:
            record = release.record_from(entry)
            key = _key(record.spec_digest)
            times: int | None = self._released.get(key)
            yield from self._check_form(number, entry, record, is_new=times is None)
            problem = ""
            if is_replaying:
                problem = self._step(record, key, times)
                problem = problem or self._marks.take_release(entry, record)
            if times is None:
                self._released.add(key)
        if problem:
            yield wrong(number, problem)
        self._is_replaying = is_replaying and not problem

    def _check_form(
        self, number: int, entry: "dict[str, Any]", record: "ReleaseRecord", *, is_new: bool
    ) -> "Iterator[Problem]":
        require_form(entry, "spec_digest", "created_at", *{"policy"}.intersection(entry))
        if any(
            run["hash"] != run["hash"].lower()
            for run in (*entry.get("evidence", ()), *entry.get("baseline", ()))
        ):
            raise IntegrityError.of("has evidence whose hash is not in lower case")
        if is_new and not self._has_blob(record.spec_digest):
            yield absent(number, record.spec_digest)
        if record.policy is not None and not self._has_blob(record.policy):
            yield absent(number, record.policy)

    def _step(self, record: "ReleaseRecord", key: bytes, times: "int | None") -> str:
        """Applies an entry to the stack; returns the problem with its seqs, or an empty string."""
        stack = self._stack
        if record.action == "rollback" and times is None:
            return f"it rolls back to {record.spec_digest}, which was never released before"
        if stack.spec == key:
            stack.set_top(key, record.seq)
        elif record.action == "rollback" and times:
            while stack.spec != key:
                self._released[stack.spec] = self._released.get(stack.spec) - 1
                stack.pop()
        else:
            stack.push(key, record.seq)
            self._released[key] = (times or 0) + 1
        target, parent = stack.seq, stack.seq_below
        says = (record.target_seq, record.parent_seq)
        if says != (target, parent) or bool in map(type, says) or float in map(type, says):
            return (
                f"target_seq and parent_seq are {encode_trusted(list(says))}, "
                f"but the entries before give {encode_trusted([target, parent])}"
            )
        return ""


class _Stack:
    """The elements of a release log's stack.

    Attributes:
        spec: The digest of the top, as bytes; empty if the stack is.
        seq: The target_seq of the top; 0 if there is none.
        seq_below: The target_seq of the element below the top, or None.
    """

    def __init__(self, elements: "DiskMap") -> None:
        """Begins empty; takes an empty map."""
        self._elements = elements  # spec, seq, and seq_below or 0, by the depth from 1
        self._depth = 0
        self._find_top()

    def push(self, spec: bytes, seq: int) -> None:
        self._depth += 1
        self.seq_below = self.seq or None
        self.set_top(spec, seq)

    def set_top(self, spec: bytes, seq: int) -> None:
        self.spec, self.seq = spec, seq
        below = self.seq_below or 0
        self._elements[self._depth] = spec + seq.to_bytes(8, "big") + below.to_bytes(8, "big")

    def pop(self) -> None:
        self._elements.pop(self._depth)
        self._depth -= 1
        self._find_top()

    def _find_top(self) -> None:
        packed: bytes = self._elements.get(self._depth) or b""
        self.spec = packed[:32]
        self.seq = int.from_bytes(packed[32:40], "big")
        self.seq_below = int.from_bytes(packed[40:], "big") or None


class _Marks:
    """The blocks, signatures and pointers in the lines so far, which must be valid and in order."""

    def __init__(self, new_map: "Callable[[], DiskMap]") -> None:
        """Begins before the first line."""
        self._hashes = new_map()  # of each release, by its seq
        self._release_seq: int | None = None
        self._block_seq: int | None = None
        self._marks = new_map()  # spec and path of each block and unblock, by its seq
        self._blocked = new_map()  # the seq of the mark that blocks a spec

    def take_release(self, entry: "dict[str, Any]", record: "ReleaseRecord") -> str:
        """Takes a release; returns a problem with its pointers or a block, or an empty string."""
        problem = self._misdirected(entry, "block_seq", self._block_seq)
        seq = self._blocked.get(_key(record.spec_digest))
        if not problem and seq is not None:
            problem = f"it makes {record.spec_digest} live, which @{seq} blocks"
        self._hashes[record.seq] = bytes.fromhex(entry["hash"])
        self._release_seq = record.seq
        return problem

    def take_mark(self, entry: "dict[str, Any]", mark: "Mark") -> str:
        """Takes a mark; returns its problem, or an empty string."""
        problem = self._misdirected(entry, "release_seq", self._release_seq) or self._misdirected(
            entry, "block_seq", self._block_seq
        )
        if isinstance(mark, Signature):
            return problem or self._check_signature(mark)
        if isinstance(mark, Approval):
            return problem  # whose it is takes keys
        return problem or self._take_block(mark, path_from(entry))

    def _misdirected(self, entry: "dict[str, Any]", key: str, wanted: "int | None") -> str:
        says = release.pointer(entry, key)
        if says == wanted:
            return ""
        shown = "is missing" if says is None else f"is {says}"
        should = "it should be absent" if wanted is None else f"it should be {wanted}"
        return f"{key} {shown}, but {should}"

    def _check_signature(self, mark: Signature) -> str:
        found: bytes | None = self._hashes.get(mark.signed_seq)
        if found is None:
            return f"it signs the entry @{mark.signed_seq}, which is not a release"
        if found.hex() != mark.signed_hash:
            return (
                f"it signs the hash {mark.signed_hash}, but entry @{mark.signed_seq} has the hash "
                f"{found.hex()}"
            )
        return ""

    def _take_block(self, mark: "Block", path: "dict[int, int]") -> str:
        wanted = path_to(mark.spec_digest, self._block_seq, self._find)
        if path != wanted:
            return (
                f"path is {encode_trusted([*path.items()])}, but the blocks before give "
                f"{encode_trusted([*wanted.items()])}"
            )
        if mark.is_block:
            self._blocked[_key(mark.spec_digest)] = mark.seq
        elif self._blocked.pop(_key(mark.spec_digest)) is None:
            return f"it unblocks {mark.spec_digest}, which was not blocked"
        self._marks[mark.seq] = marshal.dumps((str(mark.spec_digest), path))
        self._block_seq = mark.seq
        return ""

    def _find(self, seq: int) -> "tuple[_Marked, dict[int, int]]":
        digest, path = marshal.loads(self._marks.get(seq))  # noqa: S302 our own
        return _Marked(digest), path


class _Marked:
    """The part of a block that the block index needs."""

    __slots__ = ("spec_digest",)

    def __init__(self, spec_digest: str) -> None:
        self.spec_digest = spec_digest


def _key(digest: "ContentDigest") -> bytes:
    return bytes.fromhex(digest)
