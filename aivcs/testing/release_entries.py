"""The guarantees of every `aivcs.ReleaseRegistry` for blocks, evidence and signatures, as tests.

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
from aivcs.log.release_changes import (
    encode,
    plan_approval,
    plan_promotion,
    plan_rollback,
    signature_of,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import Evidence, ReleaseMetadata, ReleaseRecord
from aivcs.model.release_entries import Approval, Block, LogEntry, ReleaseState, Signature
from aivcs.model.timestamp import Timestamp
from aivcs.testing.lines import read
from aivcs.testing.linking import body_of, hash_of, link_line, relink
from aivcs.testing.race import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.log.release_changes import ReleaseChange, ReleaseView
    from aivcs.store.contracts import ReleaseRegistry
    from aivcs.testing.lines import Rewrite

    OpenStore = Callable[[], ReleaseRegistry]

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
"""The fingerprint of its key, as `ssh-keygen -l` writes it."""


def approve(
    registry: ReleaseRegistry, name: str, digest: ContentDigest, **changed: str
) -> Approval:
    """Appends an approval of a spec."""
    fields = {"by": "ada", "store": "a store", "signature": SIGNATURE, **changed}

    def plan(view: ReleaseView) -> ReleaseChange:
        return plan_approval(view, digest, notes=None, created_at=Timestamp.now(), **fields)

    made = registry.change(name, plan).entries[0]
    assert isinstance(made, Approval)
    return made


def lines_of(rewrite: Rewrite, name: str = "bot") -> list[dict[str, Any]]:
    """The lines of a log as they are, parsed by json."""
    return [json.loads(line) for line in read(rewrite, name)]


def plan(
    registry: ReleaseRegistry,
    name: str,
    make: Callable[..., ReleaseChange],
    *args: Any,
    **terms: Any,
) -> ReleaseChange:
    """The change that a plan makes of a view of a log; appends nothing."""
    with registry.view(name) as view:
        return make(view, *args, **terms)


def append(registry: ReleaseRegistry, name: str, change: ReleaseChange) -> ReleaseRecord:
    """Appends a change that was planned on a view before."""
    head = registry.append(name, change.entries, if_head=change.if_head)
    assert head.lines == change.if_head.lines + len(change.entries)
    return change.release


def sign(registry: ReleaseRegistry, name: str, change: ReleaseChange, text: str) -> ReleaseChange:
    """A change with a signature of its release, whose hash is known before it is appended."""
    with registry.view(name) as view:
        link = encode(view, change.entries)[-1][1]
    release = change.release
    return change.signed(signature_of(name, release.seq + 1, release.seq, link, text))


class ReleaseEntryContract:
    """The guarantees about blocks, signatures and evidence, and about changes that are planned."""

    @pytest.fixture
    def bot(self, open_store: OpenStore) -> OpenStore:
        """The factory, with V1, V2 and V3 released as bot, V3 live."""
        for number, spec in enumerate((V1, V2, V3), 1):
            open_store().promote("bot", spec, ReleaseMetadata("ci", version_label=f"v{number}"))
        return open_store

    # blocks

    def test_what_is_blocked_cannot_become_live(self, bot: OpenStore) -> None:
        mark = bot().block("bot", V2, **WHY)
        assert mark == Block(
            seq=4, mark="block", name="bot", spec_digest=V2, created_at=mark.created_at, **WHY
        )
        before = bot().head("bot")
        allowed = plan(bot(), "bot", plan_promotion, V4, CI)
        forbidden = with_spec(allowed, V2)
        calls: list[Callable[[], object]] = [
            lambda: bot().promote("bot", V2, CI),
            lambda: bot().rollback("bot"),
            lambda: bot().rollback("bot", to=V2),
            lambda: bot().rollback("bot", to=2),
            lambda: bot().rollback("bot", to="v2"),
            lambda: plan(bot(), "bot", plan_promotion, V2, CI),
            lambda: plan(bot(), "bot", plan_rollback),
            lambda: bot().change("bot", lambda view: plan_promotion(view, V2, CI)),
            lambda: bot().append("bot", forbidden.entries, if_head=before),
        ]
        for call in calls:
            with pytest.raises(BlockedError) as caught:
                call()
            error = caught.value
            assert (error.name, error.spec_digest, error.by) == ("bot", V2, "alice")
            assert (error.reason, error.created_at) == ("leaks\nkeys", mark.created_at)
            assert f"aivcs release unblock bot {V2.short}" in str(error)
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
        why = ReleaseMetadata("dave", notes="loops")
        change = plan(bot(), "bot", plan_rollback, metadata=why, block=True)
        record = append(bot(), "bot", change)
        assert (record.seq, record.spec_digest) == (5, V2)
        (mark,) = bot().blocks("bot")
        assert (mark.seq, mark.spec_digest, mark.by, mark.reason) == (4, V3, "dave", "loops")
        assert [line["type"] for line in lines_of(rewrite)[3:]] == ["mark", "release"]

    def test_a_rollback_that_blocks_and_is_refused_blocks_nothing(self, bot: OpenStore) -> None:
        why = ReleaseMetadata("dave", notes="loops")
        with pytest.raises(SerializationError):
            plan(bot(), "bot", plan_rollback, block=True, metadata=ReleaseMetadata("dave"))
        with pytest.raises(ConflictError):
            plan(bot(), "bot", plan_rollback, block=True, metadata=why, to=V3)
        bot().rollback("bot", to=1)
        with pytest.raises(NoPreviousReleaseError):
            bot().change("bot", lambda view: plan_rollback(view, metadata=why, block=True))
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
        log = [sealed.value for sealed in bot().iter_log("bot")]
        blocked = min(mark.seq for mark in log if isinstance(mark, Block))
        assert all(entry.seq < blocked for entry in log if isinstance(entry, ReleaseRecord))

    # what a release rests on

    def test_evidence_policy_and_force_are_recorded(self, bot: OpenStore, rewrite: Rewrite) -> None:
        other = Evidence("run-2", Head(1, V1))
        why = ReleaseMetadata("ci", notes="hotfix")
        change = plan(bot(), "bot", plan_promotion, V4, why, evidence=iter([RUN, other]))
        record = append(bot(), "bot", change.resting_on(policy=V2, forced=True))
        assert (record.evidence, record.policy, record.forced) == ((RUN, other), V2, True)
        assert bot().current("bot") == record
        assert bot().history("bot")[0] == record
        line = lines_of(rewrite)[-1]
        assert list(line)[-5:] == ["created_at", "evidence", "policy", "forced", "hash"]
        assert line["evidence"][0] == {
            "run_id": RUN.run_id, "lines": 7, "hash": sha256(b"run").hexdigest(),
        }  # fmt: skip
        back = plan(bot(), "bot", plan_rollback, metadata=why).resting_on(policy=V1, forced=True)
        rolled = append(bot(), "bot", back)
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
            for change in (
                plan(bot(), "bot", plan_promotion, V4, metadata),
                plan(bot(), "bot", plan_rollback, metadata=metadata),
                plan(bot(), "new", plan_promotion, V4, metadata),
            ):
                with pytest.raises(SerializationError):
                    change.resting_on(forced=True)

    def test_a_policy_is_named_by_a_digest(self, bot: OpenStore) -> None:
        for change in (
            plan(bot(), "bot", plan_rollback),
            plan(bot(), "new", plan_promotion, V4, CI),
        ):
            with pytest.raises(InvalidDigestError):
                change.resting_on(policy="abc")  # type: ignore[arg-type]

    # one state, and what is planned on it

    def test_the_state_is_what_is_live_and_the_head(self, bot: OpenStore) -> None:
        assert bot().state("unknown") is None
        bot().block("bot", V4, **WHY)
        live = bot().current("bot")
        assert live is not None
        assert bot().state("bot") == ReleaseState(bot().head("bot"), live)

    def test_a_view_is_one_state_of_a_log(self, bot: OpenStore) -> None:
        block = bot().block("bot", V4, **WHY)
        with bot().view("bot") as view:
            history, log, head = bot().history("bot"), list(bot().iter_log("bot")), view.head
            bot().unblock("bot", V4, **WHY)
            bot().promote("bot", V4, CI)
            assert (view.name, view.head, view.live) == ("bot", head, history[0])
            assert view.find_block(V4) == block
            assert (view.blocks(), view.block_history(V4)) == ([block], [block])
            assert list(view.releases()) == history
            assert list(view.entries()) == log
            assert [view.find(seq) for seq in range(6)] == [None, *log[::-1], None]
            assert view.state() == ReleaseState(head, history[0])
        assert bot().head("bot").lines == 6

    def test_a_view_of_nothing_is_empty(self, bot: OpenStore) -> None:
        with bot().view("new") as view:
            assert (view.head, view.live, view.state()) == (Head(0, ""), None, None)
            assert (list(view.releases()), list(view.entries()), view.blocks()) == ([], [], [])
            assert (view.find(1), view.find_block(V1), view.block_history(V1)) == (None, None, [])
        assert list(bot().list_names()) == ["bot"]

    def test_what_goes_wrong_in_a_view_passes_through(self, bot: OpenStore) -> None:
        def look() -> None:
            with bot().view("bot"):
                raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            look()

    def test_a_change_is_made_if_the_log_has_the_head_it_was_planned_on(
        self, bot: OpenStore
    ) -> None:
        change = plan(bot(), "bot", plan_promotion, V4, CI)
        live = bot().current("bot")
        assert (change.before, change.if_head) == (live, bot().head("bot"))
        assert append(bot(), "bot", change) == bot().current("bot")
        assert append(bot(), "bot", plan(bot(), "bot", plan_rollback)).spec_digest == V3
        assert append(bot(), "new", plan(bot(), "new", plan_promotion, V1, CI)).seq == 1
        assert bot().append("bot", (), if_head=bot().head("bot")) == bot().head("bot")

    def test_a_change_is_not_made_if_the_log_has_moved_on(self, bot: OpenStore) -> None:
        changes = [plan(bot(), "bot", plan_promotion, V1, CI), plan(bot(), "bot", plan_rollback)]
        first = plan(bot(), "new", plan_promotion, V1, CI)
        bot().block("bot", V4, **WHY)  # nothing else is live, and yet it may matter
        bot().promote("new", V2, CI)
        for change in changes:
            with pytest.raises(ConflictError):
                append(bot(), "bot", change)
        with pytest.raises(ConflictError):
            append(bot(), "new", first)
        assert (bot().head("bot").lines, bot().head("new").lines) == (4, 1)

    def test_a_change_follows_the_head_it_names(self, bot: OpenStore) -> None:
        change = plan(bot(), "bot", plan_promotion, V4, CI)
        seen = bot().head("bot")
        for head in (Head(0, ""), Head(3, V1), Head(4, seen.hash), Head(2, seen.hash)):
            with pytest.raises(ConflictError):
                bot().append("bot", change.entries, if_head=head)
        with pytest.raises(ConflictError):
            bot().append("new", change.entries, if_head=seen)
        for entries in (change.entries * 2, plan(bot(), "new", plan_promotion, V4, CI).entries):
            with pytest.raises(ConflictError):
                bot().append("bot", entries, if_head=seen)
        assert bot().head("bot") == seen
        assert list(bot().list_names()) == ["bot"]

    def test_of_racing_changes_planned_on_the_same_head_one_is_made(self, bot: OpenStore) -> None:
        change = plan(bot(), "bot", plan_promotion, V4, CI)
        outcomes = race(6, lambda _: append(bot(), "bot", change))
        assert len(outcomes.returned) == 1
        assert [type(error) for error in outcomes.raised] == [ConflictError] * 5

    def test_racing_changes_planned_in_one_step_are_all_made(self, bot: OpenStore) -> None:
        def change(_: int) -> ReleaseChange:
            return bot().change("bot", lambda view: plan_promotion(view, V4, CI, evidence=[RUN]))

        outcomes = race(6, change)
        assert outcomes.raised == []
        made = sorted(change.release.seq for change in outcomes.returned)
        assert made == list(range(4, 10))
        assert all(c.release.seq == c.if_head.lines + 1 for c in outcomes.returned)

    def test_what_a_plan_raises_leaves_the_log_untouched(self, bot: OpenStore) -> None:
        def refuse(view: ReleaseView) -> ReleaseChange:
            raise LookupError(view.name)

        for name in ("bot", "new"):
            with pytest.raises(LookupError, match=name):
                bot().change(name, refuse)
        assert bot().head("bot").lines == 3
        assert list(bot().list_names()) == ["bot"]

    def test_a_plan_says_what_would_be_and_changes_nothing(self, bot: OpenStore) -> None:
        before = bot().head("bot")
        tried = plan(bot(), "bot", plan_promotion, V4, CI).release
        assert (tried.seq, tried.parent_seq, tried.spec_digest) == (4, 3, V4)
        tried = plan(bot(), "bot", plan_rollback).release
        assert (tried.seq, tried.spec_digest) == (4, V2)
        assert plan(bot(), "new", plan_promotion, V1, CI).release.seq == 1
        with pytest.raises(ReleaseNotFoundError):
            plan(bot(), "new", plan_rollback)
        for make, args in ((plan_promotion, (V4, CI)), (plan_rollback, ())):
            with pytest.raises(ConflictError):
                plan(bot(), "bot", make, *args, expect=1)
        assert bot().head("bot") == before
        assert list(bot().list_names()) == ["bot"]

    # signatures

    def test_a_release_is_signed_as_it_is_made(self, bot: OpenStore) -> None:
        change = sign(bot(), "bot", plan(bot(), "bot", plan_promotion, V4, CI), SIGNATURE)
        assert bot().head("bot").lines == 3
        record = append(bot(), "bot", change)
        mark, entry, *_ = bot().iter_log("bot")
        assert isinstance(mark.value, Signature)
        assert entry == LogEntry(record, mark.value.signed_hash)
        assert mark.value == Signature(
            seq=5, name="bot", signed_seq=4, signed_hash=entry.hash, signature=SIGNATURE,
            created_at=mark.value.created_at,
        )  # fmt: skip
        assert mark.value.fingerprint == FINGERPRINT
        assert bot().current("bot") == record

    def test_a_first_release_and_a_rollback_that_blocks_are_signed(self, bot: OpenStore) -> None:
        first = sign(bot(), "new", plan(bot(), "new", plan_promotion, V1, CI), SIGNATURE)
        assert append(bot(), "new", first).seq == 1
        why = ReleaseMetadata("ci", notes="loops")
        change = plan(bot(), "bot", plan_rollback, metadata=why, block=True)
        record = append(bot(), "bot", sign(bot(), "bot", change, SIGNATURE))
        mark, entry, block, *_ = (sealed.value for sealed in bot().iter_log("bot"))
        assert isinstance(mark, Signature)
        assert isinstance(block, Block)
        assert entry == record
        assert (block.seq, record.seq, mark.seq, mark.signed_seq) == (4, 5, 6, 5)

    def test_what_came_between_signing_and_the_lock_undoes_both(self, bot: OpenStore) -> None:
        change = sign(bot(), "bot", plan(bot(), "bot", plan_promotion, V4, CI), SIGNATURE)
        bot().promote("bot", V1, CI)
        with pytest.raises(ConflictError):
            append(bot(), "bot", change)
        assert bot().head("bot").lines == 4

    def test_what_is_not_a_signature_of_the_entry_is_not_appended(self, bot: OpenStore) -> None:
        change = plan(bot(), "bot", plan_promotion, V4, CI)
        for text in ("", SIGNATURE.replace("U1NI", "AAAA")):
            with pytest.raises(SerializationError):
                sign(bot(), "bot", change, text)
        other = change.signed(signature_of("bot", 5, 4, V1, SIGNATURE))
        with pytest.raises(ConflictError):
            append(bot(), "bot", other)
        first = plan(bot(), "new", plan_promotion, V4, CI)
        nothing = signature_of("new", 1, 1, V1, SIGNATURE)
        for entries in ((*first.entries, nothing), (nothing,)):
            with pytest.raises((ConflictError, ReleaseNotFoundError)):
                bot().append("new", entries, if_head=first.if_head)
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
            assert found.value == mark

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

    # approvals

    def test_an_approval_is_an_entry_and_no_release(self, bot: OpenStore) -> None:
        before = bot().current("bot")
        made = approve(bot(), "bot", V4)
        assert (made.seq, made.spec_digest, made.fingerprint) == (4, V4, FINGERPRINT)
        found = bot().find("bot", 4)
        assert found is not None
        assert found.value == made
        assert bot().current("bot") == before
        assert len(bot().history("bot")) == 3
        block = bot().block("bot", V4, **WHY)
        assert bot().find_block("bot", V4) == block
        assert approve(bot(), "bot", V4).seq == 6
        assert bot().find_block("bot", V4) == block
        assert bot().rollback("bot").spec_digest == V2

    def test_approvals_may_come_before_the_first_release(self, bot: OpenStore) -> None:
        for seq in (1, 2):
            assert approve(bot(), "new", V1).seq == seq
        assert bot().current("new") is None
        assert bot().state("new") is None
        assert bot().history("new") == []
        with pytest.raises(ReleaseNotFoundError):
            bot().rollback("new")
        with pytest.raises(ReleaseNotFoundError):
            bot().block("new", V1, **WHY)
        record = bot().promote("new", V1, CI, expect="none")
        assert (record.seq, record.target_seq, record.parent_seq) == (3, 3, None)
        assert bot().promote("new", V2, CI).parent_seq == 3
        assert bot().rollback("new").spec_digest == V1
        assert [entry.value.seq for entry in bot().iter_log("new")] == [5, 4, 3, 2, 1]

    def test_what_is_no_approval_is_not_appended(self, bot: OpenStore) -> None:
        with pytest.raises(SerializationError):
            approve(bot(), "bot", V4, signature="x")
        with pytest.raises(InvalidNameError):
            approve(bot(), "bot", V4, by="")
        assert bot().head("bot").lines == 3

    # reading all

    def test_the_log_gives_entries_and_marks_with_their_hashes(
        self, bot: OpenStore, rewrite: Rewrite
    ) -> None:
        block = bot().block("bot", V4, **WHY)
        bot().promote("bot", V1, CI)
        log = list(bot().iter_log("bot"))
        assert [sealed.value.seq for sealed in log] == [5, 4, 3, 2, 1]
        assert [sealed.hash for sealed in log[::-1]] == [line["hash"] for line in lines_of(rewrite)]
        assert log[1].value == block
        assert [s.value for s in log if isinstance(s.value, ReleaseRecord)] == bot().history("bot")
        assert [bot().find("bot", sealed.value.seq) for sealed in log] == log
        for seq in (0, -1, 6, 2**60):
            assert bot().find("bot", seq) is None
        assert list(bot().iter_log("unknown")) == []
        assert bot().find("unknown", 1) is None

    def test_every_line_leads_to_the_newest_release_and_block(
        self, bot: OpenStore, rewrite: Rewrite
    ) -> None:
        bot().block("bot", V4, **WHY)
        change = plan(bot(), "bot", plan_promotion, V1, CI)
        append(bot(), "bot", sign(bot(), "bot", change, SIGNATURE))
        bot().unblock("bot", V4, **WHY)
        lines = lines_of(rewrite)[3:]
        assert [line.get("release_seq") for line in lines] == [3, None, 5, 5]
        assert [line.get("block_seq") for line in lines] == [None, 4, 4, 4]

    def test_what_a_line_points_to_must_be_that(self, bot: OpenStore, rewrite: Rewrite) -> None:
        bot().block("bot", V4, **WHY)
        bot().promote("bot", V1, CI)
        rewrite("bot", lambda lines: relink(
            body_of(line).replace(b'"block_seq":4', b'"block_seq":2') for line in lines
        ))  # fmt: skip
        with pytest.raises(IntegrityError):
            bot().promote("bot", V4, CI)
        assert bot().head("bot").lines == 5

    def test_a_mark_of_an_unknown_kind_is_refused(self, bot: OpenStore, rewrite: Rewrite) -> None:
        mark = {"type": "mark", "seq": 4, "mark": "freeze", "release_seq": 3}
        rewrite("bot", lambda lines: [*lines, link_line(mark, hash_of(lines[-1]))])
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


def with_spec(change: ReleaseChange, spec: ContentDigest) -> ReleaseChange:
    """A change that was planned for another spec: what no plan would make."""
    release = change.release
    fields = {name: getattr(release, name) for name in ReleaseRecord.__slots__}
    changed = change.resting_on()
    changed.entries = (ReleaseRecord(**{**fields, "spec_digest": spec}),)
    return changed
