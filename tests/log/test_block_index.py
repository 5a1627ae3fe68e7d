"""Finding out what is blocked, against a plain dictionary."""

from hashlib import sha256

from hypothesis import given, strategies as st

from aivcs.log import block_index
from aivcs.model.digest import ContentDigest
from aivcs.model.release_entries import Block
from aivcs.model.timestamp import Timestamp

NOW = Timestamp("2026-01-31T12:00:00Z")

# Some agree in all bits but the last, some in many, some in none.
digests = st.sampled_from(
    [f"{number:064x}" for number in (0, 1, 2, 3, 8, 2**128, 2**255, 2**256 - 1)]
    + [sha256(b"%d" % number).hexdigest() for number in range(8)]
)


class Log:
    """Marks by seq, as the lines of a log would keep them; it counts how many are read."""

    def __init__(self):
        self.marks = {}
        self.root = None
        self.read = 0

    def find(self, seq):
        self.read += 1
        return self.marks[seq]

    def add(self, digest, kind="block"):
        seq = len(self.marks) + 1
        mark = Block(
            seq=seq, mark=kind, name="bot", spec_digest=ContentDigest(digest), by="a", reason="r",
            created_at=NOW,
        )  # fmt: skip
        self.marks[seq] = mark, block_index.path_to(digest, self.root, self.find)
        self.root = seq


@given(st.lists(st.tuples(digests, st.sampled_from(["block", "unblock"]))), digests)
def test_the_newest_mark_about_each_digest_is_found(steps, other):
    log, newest = Log(), {}
    for digest, kind in steps:
        log.add(digest, kind)
        newest[digest] = log.root
    found = {mark.spec_digest: mark.seq for mark in block_index.newest_of_each(log.root, log.find)}
    assert found == newest
    for digest in {*newest, other}:
        mark = block_index.newest_about(digest, log.root, log.find)
        assert (mark.seq if mark else None) == newest.get(digest)


def test_few_marks_are_read_however_many_there_are():
    log = Log()
    many = [sha256(b"%d" % number).hexdigest() for number in range(4096)]
    for digest in many:
        log.add(digest)
    log.read = 0
    for digest in many[::16]:
        block_index.newest_about(digest, log.root, log.find)
        block_index.newest_about(sha256(digest.encode()).hexdigest(), log.root, log.find)
    # 4096 is the twelfth power of two; each step agrees in one bit more, and mostly in more.
    assert log.read / 512 < 14
    for _ in range(2000):
        log.add(many[0], "block")
        log.add(many[0], "unblock")
    log.read = 0
    assert block_index.newest_about(many[0], log.root, log.find).mark == "unblock"  # type: ignore[union-attr]
    assert log.read == 1
    assert max(len(path) for _, path in log.marks.values()) < 64
