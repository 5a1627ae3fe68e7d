"""The guarantees of every `aivcs.ReleaseRegistry`, as tests."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import pytest

from aivcs.errors import (
    ConflictError,
    IntegrityError,
    InvalidDigestError,
    InvalidNameError,
    NoPreviousReleaseError,
    ReleaseNotFoundError,
    UnsupportedFormatError,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.timestamp import Timestamp
from aivcs.testing.lines import LineFixtures, read
from aivcs.testing.linking import body_of, hash_of, link_line, relink
from aivcs.testing.race import race
from aivcs.testing.refusal import refuses
from aivcs.testing.release_entries import ReleaseEntryContract

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import ReleaseRegistry
    from aivcs.testing.lines import Edit, Rewrite

    OpenStore = Callable[[], ReleaseRegistry]

V1, V2, V3, V4 = (ContentDigest(sha256(b"v%d" % number).hexdigest()) for number in (1, 2, 3, 4))
SPECS = {V1: "v1", V2: "v2", V3: "v3", V4: "v4"}
META = ReleaseMetadata("ci")

BAD_NAMES = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a/.",
    "-a",
    ".a",
    "_a",
    "a b",
    "a\n",
    "a\0b",
    "a\\b",
    "a:b",
    "e\u0301",
    "x" * 201,
    "a.jsonl",
    "a.jsonl/b",
]
GOOD_NAMES = ["a", "7", "A", "bot", "Bot.v2_final-1", "team/bot", "team/bot/eu", "team", "x" * 200]

EDITS: dict[str, Edit] = {
    "a digest edited": lambda lines: [
        *lines[:1],
        lines[1].replace(V2[:8].encode(), V1[:8].encode()),
        *lines[2:],
    ],
    "a hash edited": lambda lines: [
        *lines[:1],
        lines[1].replace(hash_of(lines[1]).encode(), b"0" * 64),
        *lines[2:],
    ],
    "lines swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "a line deleted": lambda lines: [lines[0], *lines[2:]],
    "a line repeated": lambda lines: [lines[0], lines[0], *lines[1:]],
    "a line emptied": lambda lines: [lines[0], b"", *lines[2:]],
}
"""Edits of a log of four entries; each first goes wrong at line 2."""


def labelled(label: str) -> ReleaseMetadata:
    """Metadata with a label."""
    return ReleaseMetadata("ci", version_label=label)


def told(record: ReleaseRecord) -> tuple[int, str, str, int, int | None]:
    """An entry as seq, action, spec, target_seq and parent_seq."""
    return (
        record.seq,
        record.action,
        SPECS[record.spec_digest],
        record.target_seq,
        record.parent_seq,
    )


class ReleaseRegistryContract(LineFixtures, ReleaseEntryContract):
    """The guarantees of a `ReleaseRegistry`; subclass it and override `open_store`."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Override: a factory of registries which all reach the same releases, none at first."""
        raise NotImplementedError("override the fixture open_store")

    @pytest.fixture
    def registry(self, open_store: OpenStore) -> ReleaseRegistry:
        """A registry of the factory."""
        return open_store()

    @pytest.fixture
    def promote(self, open_store: OpenStore) -> Callable[..., list[ReleaseRecord]]:
        """Promotes some specs under the name bot, in a registry opened anew for each."""

        def promote(*specs: ContentDigest) -> list[ReleaseRecord]:
            return [open_store().promote("bot", spec, labelled(SPECS[spec])) for spec in specs]

        return promote

    # promote

    def test_a_first_release_is_entry_one_and_has_no_parent(self, open_store: OpenStore) -> None:
        metadata = ReleaseMetadata("alice", version_label="v1.2.0", notes="first\nGrüße 🦀 \u2028")
        record = open_store().promote("bot", V1, metadata)
        assert record == ReleaseRecord(
            seq=1,
            action="promote",
            name="bot",
            spec_digest=V1,
            metadata=metadata,
            target_seq=1,
            parent_seq=None,
            created_at=record.created_at,
        )
        assert type(record.spec_digest) is ContentDigest
        assert type(record.created_at) is Timestamp
        assert open_store().current("bot") == record
        assert open_store().history("bot") == [record]

    def test_a_release_is_made_now(self, registry: ReleaseRegistry) -> None:
        before = datetime.now(UTC)
        registry.promote("bot", V1, META)
        rolled = registry.rollback("bot", to=1)
        after = datetime.now(UTC)
        created = [record.created_at for record in reversed(registry.history("bot"))]
        assert created[1] == rolled.created_at
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at) for at in created)
        moments = [before, *map(datetime.fromisoformat, created), after]
        assert moments == sorted(moments)

    def test_a_release_needs_neither_label_nor_notes(self, registry: ReleaseRegistry) -> None:
        registry.promote("bot", V1, ReleaseMetadata("alice"))
        current = registry.current("bot")
        assert current is not None
        assert current.metadata.promoted_by == "alice"
        assert current.metadata.version_label is None
        assert current.metadata.notes is None

    def test_promotes_push(self, open_store: OpenStore, promote: Callable[..., object]) -> None:
        promote(V1, V2, V3)
        assert [told(record) for record in open_store().history("bot")] == [
            (3, "promote", "v3", 3, 2),
            (2, "promote", "v2", 2, 1),
            (1, "promote", "v1", 1, None),
        ]

    def test_promoting_what_is_live_is_recorded_and_replaces_the_top(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        assert told(promote(V1, V2, V2)[-1]) == (3, "promote", "v2", 3, 1)
        assert told(open_store().rollback("bot")) == (4, "rollback", "v1", 1, None)
        with pytest.raises(NoPreviousReleaseError):
            open_store().rollback("bot")

    def test_promoting_the_only_release_again_gives_nothing_to_return_to(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        assert told(promote(V1, V1)[-1]) == (2, "promote", "v1", 2, None)
        with pytest.raises(NoPreviousReleaseError):
            open_store().rollback("bot")
        assert len(open_store().history("bot")) == 2

    def test_what_was_promoted_twice_is_returned_to_as_promoted_last(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        open_store().promote("bot", V1, labelled("v1.0"))
        open_store().promote("bot", V1, labelled("v1.0.1"))
        assert told(promote(V2)[0]) == (3, "promote", "v2", 3, 2)
        record = open_store().rollback("bot")
        assert told(record) == (4, "rollback", "v1", 2, None)
        assert record.metadata.version_label == "v1.0.1"

    def test_a_spec_needs_a_digest(self, registry: ReleaseRegistry) -> None:
        for junk in ("", "abc", "g" * 64):
            with pytest.raises(InvalidDigestError):
                registry.promote("bot", cast("ContentDigest", junk), META)
        assert registry.current("bot") is None

    def test_a_spec_may_be_given_in_upper_case(self, registry: ReleaseRegistry) -> None:
        registry.promote("bot", cast("ContentDigest", V1.upper()), META)
        assert registry.history("bot")[0].spec_digest == V1

    # rollback

    def test_a_rollback_pops(self, open_store: OpenStore, promote: Callable[..., object]) -> None:
        promote(V1, V2, V3)
        assert told(open_store().rollback("bot")) == (4, "rollback", "v2", 2, 1)
        assert told(open_store().rollback("bot")) == (5, "rollback", "v1", 1, None)
        with pytest.raises(NoPreviousReleaseError) as caught:
            open_store().rollback("bot")
        assert caught.value.name == "bot"
        assert [told(record)[:3] for record in open_store().history("bot")] == [
            (5, "rollback", "v1"),
            (4, "rollback", "v2"),
            (3, "promote", "v3"),
            (2, "promote", "v2"),
            (1, "promote", "v1"),
        ]

    def test_a_rollback_never_returns_to_what_was_rolled_back(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        promote(V1, V2)
        assert told(open_store().rollback("bot")) == (3, "rollback", "v1", 1, None)
        assert told(promote(V3)[0]) == (4, "promote", "v3", 4, 1)
        assert told(open_store().rollback("bot")) == (5, "rollback", "v1", 1, None)
        with pytest.raises(NoPreviousReleaseError):
            open_store().rollback("bot")

    def test_a_spec_can_be_on_the_stack_more_than_once(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        assert told(promote(V1, V2, V1)[-1]) == (3, "promote", "v1", 3, 2)
        assert told(open_store().rollback("bot")) == (4, "rollback", "v2", 2, 1)
        assert told(open_store().rollback("bot")) == (5, "rollback", "v1", 1, None)

    def test_a_rolled_back_release_that_is_promoted_again_is_pushed(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        promote(V1, V2)
        open_store().rollback("bot")
        assert told(promote(V2)[0]) == (4, "promote", "v2", 4, 1)
        assert told(open_store().rollback("bot")) == (5, "rollback", "v1", 1, None)

    def test_a_long_way_back_is_one_step_at_a_time(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(*[V1, V2] * 20)
        for parent in range(39, 0, -1):
            record = open_store().rollback("bot")
            assert record.target_seq == parent
            assert SPECS[record.spec_digest] == ("v1" if parent % 2 else "v2")
        with pytest.raises(NoPreviousReleaseError):
            open_store().rollback("bot")

    def test_a_rollback_has_the_label_of_its_target_and_an_actor_and_reason_of_its_own(
        self, open_store: OpenStore
    ) -> None:
        first = open_store().promote(
            "bot", V1, ReleaseMetadata("alice", version_label="one", notes="for Carol")
        )
        open_store().promote("bot", V2, ReleaseMetadata("bob", version_label="two"))
        record = open_store().rollback("bot", metadata=ReleaseMetadata("dave", notes="it burns"))
        assert record.metadata == ReleaseMetadata("dave", version_label="one", notes="it burns")
        assert record.spec_digest == V1
        assert record.created_at > first.created_at
        assert open_store().current("bot") == record

    def test_a_rollback_without_metadata_names_nobody_else(self, registry: ReleaseRegistry) -> None:
        registry.promote("bot", V1, ReleaseMetadata("alice", notes="for Carol"))
        registry.promote("bot", V2, ReleaseMetadata("bob"))
        metadata = registry.rollback("bot").metadata
        assert metadata.promoted_by not in {"", "alice", "bob"}
        assert metadata.notes is None
        assert metadata.version_label is None

    # rollback to a target

    def test_a_rollback_to_a_seq_pops_down_to_it(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2, V3, V4)
        assert told(open_store().rollback("bot", to=2)) == (5, "rollback", "v2", 2, 1)
        assert told(open_store().rollback("bot")) == (6, "rollback", "v1", 1, None)

    def test_a_rollback_to_a_digest_pops_down_to_it(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2, V3)
        assert told(open_store().rollback("bot", to=V1)) == (4, "rollback", "v1", 1, None)
        with pytest.raises(NoPreviousReleaseError):
            open_store().rollback("bot")

    def test_a_rollback_to_a_label_pops_down_to_it(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2, V3)
        record = open_store().rollback("bot", to="v2", metadata=ReleaseMetadata("dave"))
        assert told(record) == (4, "rollback", "v2", 2, 1)
        assert record.metadata == ReleaseMetadata("dave", version_label="v2")

    def test_a_label_given_twice_means_the_newest(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        open_store().promote("bot", V1, labelled("stable"))
        open_store().promote("bot", V2, labelled("stable"))
        promote(V3)
        assert told(open_store().rollback("bot", to="stable")) == (4, "rollback", "v2", 2, 1)

    def test_a_target_on_the_stack_twice_means_the_topmost(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2, V1, V3)
        # Even by the seq of the lower one: a target is resolved to its digest first.
        assert told(open_store().rollback("bot", to=1)) == (5, "rollback", "v1", 3, 2)
        assert told(open_store().rollback("bot")) == (6, "rollback", "v2", 2, 1)
        assert told(open_store().rollback("bot")) == (7, "rollback", "v1", 1, None)

    def test_a_rollback_is_undone_by_rolling_back_to_what_it_left(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        open_store().rollback("bot")
        record = open_store().rollback("bot", to=2)
        assert told(record) == (4, "rollback", "v2", 4, 1)
        assert record.metadata.version_label == "v2"
        assert told(open_store().rollback("bot")) == (5, "rollback", "v1", 1, None)

    def test_a_rollback_to_what_is_live_replaces_the_top(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        record = open_store().rollback("bot", to=V2)
        assert told(record) == (3, "rollback", "v2", 3, 1)
        assert told(open_store().rollback("bot")) == (4, "rollback", "v1", 1, None)

    def test_what_a_rollback_pushed_is_on_the_stack_like_any_other(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        open_store().rollback("bot")
        open_store().rollback("bot", to="v2")
        promote(V3)
        assert told(open_store().rollback("bot")) == (6, "rollback", "v2", 4, 1)

    def test_the_seq_of_a_rollback_is_a_target_too(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        open_store().rollback("bot")
        promote(V3)
        assert told(open_store().rollback("bot", to=3)) == (5, "rollback", "v1", 1, None)

    def test_a_target_may_have_been_released_long_ago(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V3, *[V1, V2] * 20)
        assert told(open_store().rollback("bot", to="v3")) == (42, "rollback", "v3", 1, None)

    @pytest.mark.parametrize("to", [0, -1, 3, 1000, 2**60, "v9", "V1", V3], ids=str)
    def test_a_target_that_was_never_released_is_not_found(
        self, open_store: OpenStore, promote: Callable[..., object], to: int | str
    ) -> None:
        promote(V1, V2)
        open_store().promote("other", V3, labelled("v9"))
        with pytest.raises(ReleaseNotFoundError) as caught:
            open_store().rollback("bot", to=to)
        assert caught.value.name == "bot"
        assert open_store().head("bot").lines == 2

    # expect

    @pytest.mark.parametrize("expect", [V2, 2, str(V2), V2.upper()], ids=str)
    def test_a_change_is_made_if_what_is_expected_is_live(
        self, open_store: OpenStore, promote: Callable[..., object], expect: int | str
    ) -> None:
        promote(V1, V2)
        assert open_store().promote("bot", V3, META, expect=expect).seq == 3
        open_store().rollback("bot")
        assert open_store().rollback("bot", expect=V2).seq == 5

    @pytest.mark.parametrize("expect", [V1, 1, 3, 0, "none"], ids=str)
    def test_a_change_is_not_made_if_something_else_is_live(
        self, open_store: OpenStore, promote: Callable[..., object], expect: int | str
    ) -> None:
        promote(V1, V2)
        before = open_store().history("bot")
        with pytest.raises(ConflictError):
            open_store().promote("bot", V3, META, expect=expect)
        with pytest.raises(ConflictError):
            open_store().promote("bot", V2, META, expect=expect)
        with pytest.raises(ConflictError):
            open_store().rollback("bot", expect=expect)
        with pytest.raises(ConflictError):
            open_store().rollback("bot", to=1, expect=expect)
        assert open_store().history("bot") == before

    def test_a_first_release_can_expect_that_there_is_none(self, open_store: OpenStore) -> None:
        assert open_store().promote("bot", V1, META, expect="none").seq == 1
        with pytest.raises(ConflictError):
            open_store().promote("bot", V1, META, expect="none")
        assert len(open_store().history("bot")) == 1

    @pytest.mark.parametrize("expect", [V1, 1], ids=str)
    def test_a_first_release_that_expects_another_is_not_made(
        self, open_store: OpenStore, expect: int | str
    ) -> None:
        with pytest.raises(ConflictError):
            open_store().promote("bot", V2, META, expect=expect)
        assert open_store().current("bot") is None
        assert list(open_store().list_names()) == []

    def test_the_expected_seq_is_that_of_the_live_entry(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2, V3)
        open_store().rollback("bot")
        with pytest.raises(ConflictError):
            open_store().promote("bot", V3, META, expect=2)
        assert open_store().promote("bot", V3, META, expect=4).seq == 5

    def test_an_expectation_is_looked_at_before_the_stack(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1)
        with pytest.raises(ConflictError):
            open_store().rollback("bot", expect=V2)

    def test_an_expectation_that_is_no_digest_is_refused(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        for junk in ("", "abc", "v2", "None"):
            with pytest.raises(InvalidDigestError):
                open_store().promote("bot", V3, META, expect=junk)
            with pytest.raises(InvalidDigestError):
                open_store().rollback("bot", expect=junk)
        assert len(open_store().history("bot")) == 2

    # reading

    def test_nothing_is_live_under_an_unknown_name(self, registry: ReleaseRegistry) -> None:
        registry.promote("bot", V1, META)
        for name in ("other", "bo", "bott", "bot/x", "BOT"):
            assert registry.current(name) is None
            assert registry.history(name) == []
            assert list(registry.iter_history(name)) == []

    def test_what_was_never_released_cannot_be_rolled_back(self, open_store: OpenStore) -> None:
        for to in (None, 1, "v1", V1):
            with pytest.raises(ReleaseNotFoundError) as caught:
                open_store().rollback("bot", to=to)
            assert caught.value.name == "bot"
        with pytest.raises(ReleaseNotFoundError) as caught:
            open_store().head("bot")
        assert caught.value.name == "bot"
        assert list(open_store().list_names()) == []

    def test_current_is_the_newest_entry(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        for record in promote(V1, V2):
            assert record in open_store().history("bot")
        steps: list[Callable[[], ReleaseRecord]] = [
            lambda: promote(V3)[0],
            lambda: open_store().rollback("bot"),
            lambda: open_store().rollback("bot", to="v3"),
        ]
        for step in steps:
            record = step()
            assert open_store().current("bot") == record
            assert open_store().history("bot")[0] == record

    def test_history_only_grows(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        before: list[ReleaseRecord] = []
        steps: list[Callable[[], object]] = [
            lambda: promote(V1),
            lambda: promote(V2),
            lambda: open_store().rollback("bot"),
            lambda: promote(V1),
            lambda: open_store().rollback("bot", to=2),
        ]
        for step in steps:
            step()
            history = open_store().history("bot")
            assert history[1:] == before
            before = history
        assert [record.seq for record in before] == [5, 4, 3, 2, 1]

    def test_iter_history_yields_what_history_returns(
        self, open_store: OpenStore, promote: Callable[..., list[ReleaseRecord]]
    ) -> None:
        records = promote(*[V1, V2, V3] * 10)
        assert open_store().history("bot") == records[::-1]
        assert list(open_store().iter_history("bot")) == records[::-1]

    def test_reading_history_can_stop_early(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        history = open_store().iter_history("bot")
        assert next(history).seq == 2
        if hasattr(history, "close"):
            history.close()
        promote(V3)

    # names

    @pytest.mark.parametrize(
        "call",
        [
            lambda registry, name: registry.promote(name, V1, META),
            lambda registry, name: registry.rollback(name),
            lambda registry, name: registry.current(name),
            lambda registry, name: registry.history(name),
            lambda registry, name: list(registry.iter_history(name)),
            lambda registry, name: registry.head(name),
        ],
        ids=["promote", "rollback", "current", "history", "iter_history", "head"],
    )
    def test_a_name_that_breaks_the_rules_is_refused(
        self,
        registry: ReleaseRegistry,
        call: Callable[[ReleaseRegistry, str], object],
    ) -> None:
        for name in BAD_NAMES:
            refuses(InvalidNameError, ascii(name), call, registry, name)
        assert list(registry.list_names()) == []

    def test_names_are_independent(self, open_store: OpenStore) -> None:
        for number, name in enumerate(GOOD_NAMES):
            spec = [V1, V2, V3, V4][number % 4]
            assert told(open_store().promote(name, spec, META))[0] == 1
        for number, name in enumerate(GOOD_NAMES):
            (record,) = open_store().history(name)
            assert (record.name, record.spec_digest) == (name, [V1, V2, V3, V4][number % 4])
        open_store().promote("team", V1, META)
        open_store().rollback("team")
        assert len(open_store().history("team")) == 3
        assert len(open_store().history("team/bot")) == 1

    def test_names_are_listed_in_order(self, open_store: OpenStore) -> None:
        assert list(open_store().list_names()) == []
        names = ["b", "a/c", "a-b", "a", "a.b", "a/b/c", "a/b", "B", "a0", "a/b-c"]
        for name in names:
            open_store().promote(name, V1, META)
            open_store().promote(name, V2, META)
        assert list(open_store().list_names()) == [
            "B", "a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a/c", "a0", "b",
        ]  # fmt: skip

    # the head and the chain

    def test_the_head_moves_with_every_change_and_with_nothing_else(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        heads = []
        steps: list[Callable[[], object]] = [
            lambda: promote(V1),
            lambda: promote(V1),
            lambda: promote(V2),
            lambda: open_store().rollback("bot"),
        ]
        for step in steps:
            step()
            heads.append(open_store().head("bot"))
            open_store().history("bot")
            open_store().promote("other", V3, META)
            assert open_store().head("bot") == heads[-1]
        assert [head.lines for head in heads] == [1, 2, 3, 4]
        assert len({head.hash for head in heads}) == 4
        with pytest.raises(NoPreviousReleaseError):
            open_store().rollback("bot")
        assert open_store().head("bot") == heads[-1]

    def test_every_hash_is_that_of_the_hash_before_it_and_the_line(
        self, open_store: OpenStore, rewrite: Rewrite, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        open_store().rollback("bot", metadata=ReleaseMetadata("Grüße 🦀", notes="\u2028"))
        lines = read(rewrite, "bot")
        assert lines == relink(map(body_of, lines))
        assert open_store().head("bot").lines == len(lines) == 3
        assert open_store().head("bot").hash == hash_of(lines[-1])

    @pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
    def test_an_edited_history_is_noticed_and_the_line_is_named(
        self,
        open_store: OpenStore,
        rewrite: Rewrite,
        promote: Callable[..., object],
        edit: Edit,
    ) -> None:
        promote(V1, V2, V3, V4)
        rewrite("bot", edit)
        readings: list[Callable[[], object]] = [
            lambda: open_store().history("bot"),
            lambda: list(open_store().iter_history("bot")),
        ]
        for read_history in readings:
            with pytest.raises(IntegrityError) as caught:
                read_history()
            # Read from its end, a log shows the damage from behind: at line 2, or at what follows.
            assert re.search(r"line [234]$", caught.value.where)
            assert "bot" in caught.value.where

    def test_what_is_live_is_never_taken_from_a_damaged_entry(
        self, open_store: OpenStore, rewrite: Rewrite, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        rewrite("bot", lambda lines: [lines[0], lines[1].replace(V2.encode(), V3.encode())])
        damaged = read(rewrite, "bot")
        calls: list[Callable[[], object]] = [
            lambda: open_store().current("bot"),
            lambda: open_store().head("bot"),
            lambda: open_store().promote("bot", V4, META),
            lambda: open_store().rollback("bot"),
            lambda: open_store().rollback("bot", to=1),
        ]
        for call in calls:
            with pytest.raises(IntegrityError):
                call()
        assert read(rewrite, "bot") == damaged

    @pytest.mark.parametrize("to", [None, 1, "v1", V4], ids=str)
    def test_a_damaged_entry_is_never_made_live_again(
        self,
        open_store: OpenStore,
        rewrite: Rewrite,
        promote: Callable[..., object],
        to: int | str | None,
    ) -> None:
        promote(V1, V2)
        rewrite("bot", lambda lines: [lines[0].replace(V1.encode(), V4.encode()), lines[1]])
        with pytest.raises(IntegrityError):
            open_store().rollback("bot", to=to)
        assert len(read(rewrite, "bot")) == 2

    # what a newer version wrote

    def test_members_that_are_unknown_are_ignored(
        self, open_store: OpenStore, rewrite: Rewrite, promote: Callable[..., object]
    ) -> None:
        promote(V1, V2)
        before = open_store().history("bot")
        rewrite("bot", lambda lines: relink(body_of(line) + b',"new":[{}]' for line in lines))
        assert open_store().history("bot") == before
        assert told(open_store().rollback("bot")) == (3, "rollback", "v1", 1, None)

    @pytest.mark.parametrize(
        "entry",
        [{"type": "freeze", "seq": 2}, {"type": "release", "seq": 2, "action": "canary"}],
        ids=["type", "action"],
    )
    def test_an_entry_of_an_unknown_kind_is_refused(
        self,
        open_store: OpenStore,
        rewrite: Rewrite,
        promote: Callable[..., object],
        entry: dict[str, object],
    ) -> None:
        promote(V1)
        rewrite("bot", lambda lines: [*lines, link_line(entry, hash_of(lines[-1]))])
        calls: list[Callable[[], object]] = [
            lambda: open_store().current("bot"),
            lambda: open_store().history("bot"),
            lambda: open_store().promote("bot", V2, META),
            lambda: open_store().rollback("bot", to=1),
        ]
        for call in calls:
            with pytest.raises(UnsupportedFormatError):
                call()

    # many at once

    def test_racing_promotes_are_all_recorded(self, open_store: OpenStore) -> None:
        specs = [ContentDigest(sha256(b"%d" % number).hexdigest()) for number in range(32)]

        def promote(thread: int) -> list[ReleaseRecord]:
            registry = open_store()
            return [
                registry.promote("bot", spec, META) for spec in specs[thread * 4 : thread * 4 + 4]
            ]

        outcomes = race(8, promote)
        assert outcomes.raised == []
        history = open_store().history("bot")
        assert [record.seq for record in history] == list(range(32, 0, -1))
        assert {record.spec_digest for record in history} == set(specs)
        returned = [record for records in outcomes.returned for record in records]
        assert sorted(returned, key=lambda record: -record.seq) == history
        assert all(record.parent_seq == (record.seq - 1 or None) for record in history)

    def test_of_racing_first_promotes_that_expect_none_one_wins(
        self, open_store: OpenStore
    ) -> None:
        outcomes = race(8, lambda _: open_store().promote("bot", V1, META, expect="none"))
        assert len(outcomes.returned) == 1
        assert [type(error) for error in outcomes.raised] == [ConflictError] * 7
        assert open_store().history("bot") == outcomes.returned

    def test_of_racing_rollbacks_with_the_same_expectation_one_wins(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(*[V1, V2, V3] * 4)
        outcomes = race(8, lambda _: open_store().rollback("bot", expect=12))
        assert [told(record) for record in outcomes.returned] == [(13, "rollback", "v2", 11, 10)]
        assert [type(error) for error in outcomes.raised] == [ConflictError] * 7
        assert len(open_store().history("bot")) == 13

    def test_racing_rollbacks_pop_once_each(
        self, open_store: OpenStore, promote: Callable[..., object]
    ) -> None:
        promote(*[V1, V2, V3] * 4)
        outcomes = race(8, lambda _: open_store().rollback("bot"))
        assert outcomes.raised == []
        assert sorted(record.target_seq for record in outcomes.returned) == list(range(4, 12))
        current = open_store().current("bot")
        assert current is not None
        assert told(current) == (20, "rollback", "v1", 4, 3)

    def test_racing_first_promotes_of_different_names_do_not_meet(
        self, open_store: OpenStore
    ) -> None:
        outcomes = race(8, lambda n: open_store().promote(f"team/bot-{n}", V1, META, expect="none"))
        assert outcomes.raised == []
        assert [record.seq for record in outcomes.returned] == [1] * 8
        assert list(open_store().list_names()) == [f"team/bot-{number}" for number in range(8)]

    def test_a_reader_beside_writers_sees_one_state_after_another(
        self, open_store: OpenStore
    ) -> None:
        def act(thread: int) -> None:
            registry = open_store()
            for _ in range(10):
                if thread % 2:
                    registry.promote("bot", V1, META)
                else:
                    seqs = [record.seq for record in registry.history("bot")]
                    assert seqs == list(range(len(seqs), 0, -1))

        assert race(4, act).raised == []
        assert open_store().head("bot").lines == 20
