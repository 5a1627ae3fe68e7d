"""What every `aivcs.ReleaseRegistry` guarantees beside the stack: blocks, evidence, signatures.

A part of `ReleaseRegistryContract`, which has the fixtures.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from aivcs.errors import (
    BlockedError,
    ConflictError,
    IntegrityError,
    InvalidDigestError,
    InvalidNameError,
    NoPreviousReleaseError,
    ReleaseNotFoundError,
    SerializationError,
    UnsupportedFormatError,
)
from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
from aivcs.model import ContentDigest, Evidence, Head, ReleaseMetadata, ReleaseRecord
from aivcs.testing.race import race
from aivcs.testing.sealing import body_of, hash_of, reseal, seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import ReleaseRegistry

    OpenStore = Callable[[], ReleaseRegistry]
    Rewrite = Callable[[str, Callable[[list[bytes]], list[bytes]]], None]

V1, V2, V3, V4 = (ContentDigest(sha256(b"v%d" % number).hexdigest()) for number in (1, 2, 3, 4))
CI = ReleaseMetadata("ci")
RUN = Evidence("dcd10a49-0d5a-48e7-95c6-1f8dbc8d0775", Head(7, sha256(b"run").hexdigest()))
WHY = {"by": "alice", "reason": "leaks\nkeys"}

SIGNATURE = """\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgGWfJjELfzl7zoDHi19N991cU9y
T/fi9F8Dyhy9Ov28YAAAAQYWl2Y3MtcmVsZWFzZUB2MQAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAEBJdh/Agczg8NWygOr1L05ToNynx+GJM3N43V1ZW7vqp+nAxx
uaqbFOLVA7VX4WI4zIMZ1DSft3vwqEpNVSMNwE
-----END SSH SIGNATURE-----
"""
"""Made by `ssh-keygen -Y sign -n aivcs-release@v1`, of nothing in particular."""
FINGERPRINT = "SHA256:cgGwdP1DrxW8v1y8Imaxidg0k3SnTkhUT2GvxTQ+5kA"
"""What `ssh-keygen -l` says of its key."""


def lines_of(rewrite: Rewrite, name: str = "bot") -> list[dict[str, Any]]:
    """The lines of a log as they are, parsed by json."""
    seen: list[bytes] = []

    def look(lines: list[bytes]) -> list[bytes]:
        seen.extend(lines)
        return lines

    rewrite(name, look)
    return [json.loads(line) for line in seen]


class DeskContract:
    """The guarantees about marks, and about what a release rests on."""

    @pytest.fixture
    def bot(self, open_store: OpenStore) -> OpenStore:
        """The factory, with V1, V2 and V3 released as bot, V3 live."""
        for number, spec in enumerate((V1, V2, V3), 1):
            open_store().promote("bot", spec, ReleaseMetadata("ci", version_label=f"v{number}"))
        return open_store

    # blocks

    def test_what_is_blocked_cannot_become_live(self, bot: OpenStore) -> None:
        mark = bot().block("bot", V2, **WHY)
        assert mark == BlockMark(
            seq=4, mark="block", name="bot", spec_digest=V2, created_at=mark.created_at, **WHY
        )
        before = bot().head("bot")
        calls: list[Callable[[], object]] = [
            lambda: bot().promote("bot", V2, CI),
            lambda: bot().rollback("bot"),
            lambda: bot().rollback("bot", to=V2),
            lambda: bot().rollback("bot", to=2),
            lambda: bot().rollback("bot", to="v2"),
            lambda: bot().promote("bot", V2, ReleaseMetadata("ci", notes="!"), forced=True),
            lambda: bot().rollback("bot", metadata=ReleaseMetadata("ci", notes="!"), forced=True),
            lambda: bot().promote("bot", V2, CI, dry_run=True),
        ]
        for call in calls:
            with pytest.raises(BlockedError) as caught:
                call()
            error = caught.value
            assert (error.name, error.spec_digest, error.by) == ("bot", V2, "alice")
            assert (error.reason, error.created_at) == ("leaks\nkeys", mark.created_at)
            assert f"aivcs release unblock bot {V2}" in str(error)
        assert bot().head("bot") == before
        assert bot().rollback("bot", to=1).spec_digest == V1

    def test_a_refused_rollback_names_the_way_past_the_block(self, bot: OpenStore) -> None:
        bot().block("bot", V2, **WHY)
        with pytest.raises(BlockedError, match="aivcs release rollback bot --to"):
            bot().rollback("bot")

    def test_a_block_changes_nothing_about_what_is_live(self, bot: OpenStore) -> None:
        current, history = bot().current("bot"), bot().history("bot")
        bot().block("bot", V3, **WHY)
        assert bot().current("bot") == current
        assert bot().history("bot") == history
        assert bot().head("bot").lines == 4
        with pytest.raises(BlockedError):
            bot().promote("bot", V3, CI)
        assert bot().rollback("bot").spec_digest == V2

    def test_a_block_is_taken_back(self, bot: OpenStore) -> None:
        bot().block("bot", V2, **WHY)
        mark = bot().unblock("bot", V2, by="bob", reason="it was the network")
        assert (mark.seq, mark.mark, mark.by) == (5, "unblock", "bob")
        assert bot().find_block("bot", V2) is None
        assert bot().blocks("bot") == []
        assert bot().rollback("bot").spec_digest == V2

    def test_blocking_again_is_recorded_and_the_newest_reason_stands(self, bot: OpenStore) -> None:
        bot().block("bot", V2, **WHY)
        again = bot().block("bot", V2, by="carol", reason="and loops")
        assert bot().find_block("bot", V2) == again
        assert bot().blocks("bot") == [again]
        bot().unblock("bot", V2, **WHY)
        assert bot().blocks("bot") == []

    def test_what_was_said_about_a_spec_is_told_newest_first(self, bot: OpenStore) -> None:
        specs = [ContentDigest(sha256(b"%d" % number).hexdigest()) for number in range(8)]
        said = []
        for number in range(30):
            spec = specs[number * number % 7]
            is_blocked = bot().find_block("bot", spec) is not None
            change = bot().unblock if is_blocked and number % 3 else bot().block
            said.append(change("bot", spec, **WHY))
            if number % 5 == 0:
                bot().promote("bot", V1, CI)
        for spec in specs:
            about = [mark for mark in said if mark.spec_digest == spec]
            assert bot().block_history("bot", spec) == about[::-1]
        assert bot().block_history("unknown", V1) == []

    def test_what_is_not_blocked_cannot_be_unblocked(self, bot: OpenStore) -> None:
        bot().block("bot", V1, **WHY)
        bot().unblock("bot", V1, **WHY)
        for spec in (V1, V2, V4):
            with pytest.raises(ConflictError):
                bot().unblock("bot", spec, **WHY)
        assert bot().head("bot").lines == 5

    def test_what_was_never_released_can_be_blocked(self, bot: OpenStore) -> None:
        bot().block("bot", V4, **WHY)
        with pytest.raises(BlockedError):
            bot().promote("bot", V4, CI)

    def test_blocks_are_of_one_name(self, bot: OpenStore) -> None:
        bot().block("bot", V4, **WHY)
        assert bot().promote("other", V4, CI).seq == 1
        assert bot().blocks("other") == []
        assert bot().find_block("other", V4) is None
        assert bot().blocks("unknown") == []

    def test_blocks_are_listed_newest_first(self, bot: OpenStore) -> None:
        specs = [ContentDigest(sha256(b"%d" % number).hexdigest()) for number in range(40)]
        for spec in specs:
            bot().block("bot", spec, **WHY)
        for spec in specs[::3]:
            bot().unblock("bot", spec, **WHY)
        standing = [spec for number, spec in enumerate(specs) if number % 3]
        assert [mark.spec_digest for mark in bot().blocks("bot")] == standing[::-1]
        for spec in specs:
            found = bot().find_block("bot", spec)
            assert (found is not None) is (spec in standing)

    @pytest.mark.parametrize("call", ["block", "unblock"])
    def test_a_block_needs_a_name_an_actor_and_a_reason(self, bot: OpenStore, call: str) -> None:
        bot().block("bot", V2, **WHY)
        for by, reason in (("", "x"), ("a\nb", "x"), ("a", ""), ("a", " \n"), ("a", "\ud800")):
            with pytest.raises(SerializationError):
                getattr(bot(), call)("bot", V2, by=by, reason=reason)
        with pytest.raises(InvalidDigestError):
            getattr(bot(), call)("bot", "abc", **WHY)
        with pytest.raises(ReleaseNotFoundError):
            getattr(bot(), call)("unknown", V2, **WHY)
        with pytest.raises(InvalidNameError):
            getattr(bot(), call)("../x", V2, **WHY)
        assert list(bot().list_names()) == ["bot"]
        assert bot().head("bot").lines == 4

    def test_a_rollback_can_block_what_it_leaves(self, bot: OpenStore, rewrite: Rewrite) -> None:
        record = bot().rollback("bot", block=True, metadata=ReleaseMetadata("dave", notes="loops"))
        assert (record.seq, record.spec_digest) == (5, V2)
        (mark,) = bot().blocks("bot")
        assert (mark.seq, mark.spec_digest, mark.by, mark.reason) == (4, V3, "dave", "loops")
        assert [line["type"] for line in lines_of(rewrite)[3:]] == ["mark", "release"]

    def test_a_rollback_that_blocks_and_is_refused_blocks_nothing(self, bot: OpenStore) -> None:
        why = ReleaseMetadata("dave", notes="loops")
        with pytest.raises(SerializationError):
            bot().rollback("bot", block=True, metadata=ReleaseMetadata("dave"))
        with pytest.raises(ConflictError):
            bot().rollback("bot", block=True, metadata=why, to=V3)
        bot().rollback("bot", to=1)
        with pytest.raises(NoPreviousReleaseError):
            bot().rollback("bot", block=True, metadata=why)
        assert bot().blocks("bot") == []
        assert bot().head("bot").lines == 4

    def test_marks_at_the_end_are_no_part_of_history(self, bot: OpenStore) -> None:
        for _ in range(3):
            bot().block("bot", V4, **WHY)
            bot().unblock("bot", V4, **WHY)
        current = bot().current("bot")
        assert current is not None
        assert current.seq == 3
        assert [record.seq for record in bot().history("bot")] == [3, 2, 1]
        record = bot().promote("bot", V4, CI, expect=3)
        assert (record.seq, record.parent_seq) == (10, 3)
        with pytest.raises(ReleaseNotFoundError):
            bot().rollback("bot", to=5)

    def test_of_racing_blocks_and_promotes_no_blocked_spec_goes_live(self, bot: OpenStore) -> None:
        def act(thread: int) -> object:
            if thread % 2:
                return bot().block("bot", V4, **WHY).seq
            return bot().promote("bot", V4, CI).seq

        outcomes = race(8, act)
        assert all(isinstance(error, BlockedError) for error in outcomes.raised)
        log = [sealed.what for sealed in bot().iter_log("bot")]
        blocked = min(mark.seq for mark in log if isinstance(mark, BlockMark))
        assert all(entry.seq < blocked for entry in log if isinstance(entry, ReleaseRecord))

    # what a release rests on

    def test_evidence_policy_and_force_are_recorded(self, bot: OpenStore, rewrite: Rewrite) -> None:
        other = Evidence("run-2", Head(1, V1))
        why = ReleaseMetadata("ci", notes="hotfix")
        record = bot().promote("bot", V4, why, evidence=[RUN, other], policy=V2, forced=True)
        assert (record.evidence, record.policy, record.forced) == ((RUN, other), V2, True)
        assert bot().current("bot") == record
        assert bot().history("bot")[0] == record
        line = lines_of(rewrite)[-1]
        assert list(line)[-5:] == ["created_at", "evidence", "policy", "forced", "hash"]
        assert line["evidence"][0] == {
            "run_id": RUN.run_id, "lines": 7, "hash": sha256(b"run").hexdigest(),
        }  # fmt: skip
        rolled = bot().rollback("bot", metadata=why, policy=V1, forced=True)
        assert (rolled.evidence, rolled.policy, rolled.forced) == ((), V1, True)

    def test_what_rests_on_nothing_says_nothing(self, bot: OpenStore, rewrite: Rewrite) -> None:
        record = bot().current("bot")
        assert record is not None
        assert (record.evidence, record.policy, record.forced) == ((), None, False)
        assert list(lines_of(rewrite)[-1])[-2:] == ["created_at", "hash"]
        assert list(record.to_json())[-1] == "created_at"

    def test_what_is_forced_needs_a_reason(self, bot: OpenStore) -> None:
        for notes in (None, "", " "):
            metadata = ReleaseMetadata("ci", notes=notes)
            with pytest.raises(SerializationError):
                bot().promote("bot", V4, metadata, forced=True)
            with pytest.raises(SerializationError):
                bot().rollback("bot", metadata=metadata, forced=True)
            with pytest.raises(SerializationError):
                bot().promote("new", V4, metadata, forced=True)
        assert list(bot().list_names()) == ["bot"]

    def test_a_policy_is_named_by_a_digest(self, bot: OpenStore) -> None:
        with pytest.raises(InvalidDigestError):
            bot().rollback("bot", policy="abc")  # type: ignore[arg-type]
        with pytest.raises(InvalidDigestError):
            bot().promote("new", V4, CI, policy="abc")  # type: ignore[arg-type]
        assert list(bot().list_names()) == ["bot"]

    # what was seen

    def test_standing_is_what_is_live_and_the_head(self, bot: OpenStore) -> None:
        assert bot().standing("unknown") is None
        bot().block("bot", V4, **WHY)
        live = bot().current("bot")
        assert live is not None
        assert bot().standing("bot") == Standing(bot().head("bot"), live)

    def test_a_change_is_made_if_the_log_has_the_head_that_was_seen(self, bot: OpenStore) -> None:
        assert bot().promote("bot", V4, CI, seen=bot().head("bot")).seq == 4
        assert bot().rollback("bot", seen=bot().head("bot")).seq == 5
        assert bot().promote("new", V1, CI, seen=Head(0, "")).seq == 1

    def test_a_change_is_not_made_if_the_log_has_moved_on(self, bot: OpenStore) -> None:
        seen = bot().head("bot")
        bot().block("bot", V4, **WHY)  # nothing else is live, and yet it may matter
        for head in (seen, Head(0, ""), Head(4, V1), Head(5, bot().head("bot").hash)):
            with pytest.raises(ConflictError):
                bot().promote("bot", V1, CI, seen=head)
            with pytest.raises(ConflictError):
                bot().rollback("bot", seen=head)
            with pytest.raises(ConflictError):
                bot().rollback("bot", seen=head, dry_run=True)
        with pytest.raises(ConflictError):
            bot().promote("new", V1, CI, seen=seen)
        assert bot().head("bot").lines == 4
        assert list(bot().list_names()) == ["bot"]

    def test_of_racing_changes_that_saw_the_same_one_is_made(self, bot: OpenStore) -> None:
        seen = bot().head("bot")
        outcomes = race(6, lambda _: bot().promote("bot", V4, CI, seen=seen))
        assert len(outcomes.returned) == 1
        assert [type(error) for error in outcomes.raised] == [ConflictError] * 5

    def test_a_dry_run_says_what_would_be_and_changes_nothing(self, bot: OpenStore) -> None:
        before = bot().head("bot")
        tried = bot().promote("bot", V4, CI, dry_run=True)
        assert (tried.seq, tried.parent_seq, tried.spec_digest) == (4, 3, V4)
        tried = bot().rollback("bot", dry_run=True)
        assert (tried.seq, tried.spec_digest) == (4, V2)
        assert bot().promote("new", V1, CI, dry_run=True).seq == 1
        why = ReleaseMetadata("ci", notes="hotfix")
        tried = bot().promote(
            "bot", V4, why, evidence=iter([RUN]), policy=V2, forced=True,
            sign=lambda _: pytest.fail("nothing is to be signed"), dry_run=True,
        )  # fmt: skip
        assert (tried.evidence, tried.policy, tried.forced) == ((RUN,), V2, True)
        with pytest.raises(ReleaseNotFoundError):
            bot().rollback("new", dry_run=True)
        with pytest.raises(ConflictError):
            bot().promote("bot", V4, CI, expect=1, dry_run=True)
        assert bot().head("bot") == before
        assert list(bot().list_names()) == ["bot"]

    # signatures

    def test_a_release_is_signed_as_it_is_made(self, bot: OpenStore) -> None:
        signed: list[str] = []

        def sign(link: str) -> str:
            assert bot().head("bot").lines == 3  # no lock is held, and nothing is there yet
            signed.append(link)
            return SIGNATURE

        record = bot().promote("bot", V4, CI, sign=sign)
        mark, entry, *_ = bot().iter_log("bot")
        assert entry == Sealed(record, signed[0])
        assert isinstance(mark.what, SignatureMark)
        assert mark.what == SignatureMark(
            seq=5, name="bot", signed_seq=4, signed_hash=signed[0], signature=SIGNATURE,
            created_at=mark.what.created_at,
        )  # fmt: skip
        assert mark.what.fingerprint == FINGERPRINT
        assert len(signed) == 1
        assert bot().current("bot") == record

    def test_a_first_release_and_a_rollback_that_blocks_are_signed(self, bot: OpenStore) -> None:
        assert bot().promote("new", V1, CI, sign=lambda _: SIGNATURE).seq == 1
        why = ReleaseMetadata("ci", notes="loops")
        record = bot().rollback("bot", metadata=why, block=True, sign=lambda _: SIGNATURE)
        mark, entry, block, *_ = (sealed.what for sealed in bot().iter_log("bot"))
        assert isinstance(mark, SignatureMark)
        assert isinstance(block, BlockMark)
        assert entry == record
        assert (block.seq, record.seq, mark.seq, mark.signed_seq) == (4, 5, 6, 5)

    def test_what_came_between_signing_and_the_lock_undoes_both(self, bot: OpenStore) -> None:
        def sign(_: str) -> str:
            bot().promote("bot", V1, CI)
            return SIGNATURE

        with pytest.raises(ConflictError):
            bot().promote("bot", V4, CI, sign=sign)
        assert bot().head("bot").lines == 4

    def test_what_cannot_be_signed_is_not_made(self, bot: OpenStore) -> None:
        def refuse(_: str) -> str:
            raise SerializationError("the key is locked")

        for sign in (refuse, lambda _: "", lambda _: SIGNATURE.replace("U1NI", "AAAA")):
            with pytest.raises(SerializationError):
                bot().promote("bot", V4, CI, sign=sign)
            with pytest.raises(SerializationError):
                bot().promote("new", V4, CI, sign=sign)
        assert bot().head("bot").lines == 3
        assert list(bot().list_names()) == ["bot"]

    def test_an_entry_can_be_signed_later_and_by_several(self, bot: OpenStore) -> None:
        entry = bot().find("bot", 2)
        assert entry is not None
        for seq in (4, 5):
            mark = bot().add_signature("bot", 2, entry.hash, SIGNATURE)
            assert (mark.seq, mark.signed_seq, mark.signed_hash) == (seq, 2, entry.hash)
            found = bot().find("bot", seq)
            assert found is not None
            assert found.what == mark

    def test_only_an_entry_that_is_there_can_be_signed(self, bot: OpenStore) -> None:
        bot().block("bot", V4, **WHY)
        links = [sealed.hash for sealed in bot().iter_log("bot")][::-1]
        for seq in (0, 4, 5):
            with pytest.raises(ReleaseNotFoundError):
                bot().add_signature("bot", seq, links[3], SIGNATURE)
        with pytest.raises(ConflictError):
            bot().add_signature("bot", 2, links[2], SIGNATURE)
        with pytest.raises(ReleaseNotFoundError):
            bot().add_signature("unknown", 1, links[0], SIGNATURE)
        assert bot().head("bot").lines == 4

    # reading all

    def test_the_log_gives_entries_and_marks_with_their_hashes(
        self, bot: OpenStore, rewrite: Rewrite
    ) -> None:
        block = bot().block("bot", V4, **WHY)
        bot().promote("bot", V1, CI)
        log = list(bot().iter_log("bot"))
        assert [sealed.what.seq for sealed in log] == [5, 4, 3, 2, 1]
        assert [sealed.hash for sealed in log[::-1]] == [line["hash"] for line in lines_of(rewrite)]
        assert log[1].what == block
        assert [s.what for s in log if isinstance(s.what, ReleaseRecord)] == bot().history("bot")
        assert [bot().find("bot", sealed.what.seq) for sealed in log] == log
        for seq in (0, -1, 6, 2**60):
            assert bot().find("bot", seq) is None
        assert list(bot().iter_log("unknown")) == []
        assert bot().find("unknown", 1) is None

    def test_every_line_leads_to_the_newest_release_and_block(
        self, bot: OpenStore, rewrite: Rewrite
    ) -> None:
        bot().block("bot", V4, **WHY)
        bot().promote("bot", V1, CI, sign=lambda _: SIGNATURE)
        bot().unblock("bot", V4, **WHY)
        lines = lines_of(rewrite)[3:]
        assert [line.get("release_seq") for line in lines] == [3, None, 5, 5]
        assert [line.get("block_seq") for line in lines] == [None, 4, 4, 4]

    def test_what_a_line_points_to_must_be_that(self, bot: OpenStore, rewrite: Rewrite) -> None:
        bot().block("bot", V4, **WHY)
        bot().promote("bot", V1, CI)
        rewrite("bot", lambda lines: reseal(
            body_of(line).replace(b'"block_seq":4', b'"block_seq":2') for line in lines
        ))  # fmt: skip
        with pytest.raises(IntegrityError):
            bot().promote("bot", V4, CI)
        assert bot().head("bot").lines == 5

    def test_a_mark_of_an_unknown_kind_is_refused(self, bot: OpenStore, rewrite: Rewrite) -> None:
        mark = {"type": "mark", "seq": 4, "mark": "freeze", "release_seq": 3}
        rewrite("bot", lambda lines: [*lines, seal(mark, hash_of(lines[-1]))])
        calls: list[Callable[[], object]] = [
            lambda: bot().current("bot"),
            lambda: bot().history("bot"),
            lambda: list(bot().iter_log("bot")),
            lambda: bot().promote("bot", V4, CI),
            lambda: bot().rollback("bot"),
            lambda: bot().block("bot", V4, **WHY),
        ]
        for call in calls:
            with pytest.raises(UnsupportedFormatError):
                call()
        assert len(lines_of(rewrite)) == 4

    def test_a_rollback_has_the_label_of_the_release_that_was_named(self, bot: OpenStore) -> None:
        bot().promote("bot", V1, ReleaseMetadata("ci", version_label="again"))
        bot().promote("bot", V2, ReleaseMetadata("ci", version_label="v2.1"))
        for to, label in (("v1", "v1"), (1, "v1"), (4, "again"), ("v2", "v2"), (V3, "v3")):
            record = bot().rollback("bot", to=to)
            assert record.metadata.version_label == label
