"""The rule of the stack, on lines alone, against a plain list."""

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from aivcs.errors import (
    ConflictError,
    IntegrityError,
    NoPreviousReleaseError,
    ReleaseNotFoundError,
    StorageError,
    UnsupportedFormatError,
)
from aivcs.log import chain, release
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata

SPECS = [ContentDigest(sha256(b"%d" % number).hexdigest()) for number in range(4)]
promotes = st.tuples(st.just("promote"), st.sampled_from(SPECS))
rollbacks = st.tuples(st.just("rollback"), st.none() | st.sampled_from(SPECS) | st.integers(1, 9))
steps = st.lists(promotes | rollbacks, max_size=25)


class Log:
    """The entries of a log, as lines; it counts how many are read to take a step."""

    def __init__(self):
        self.lines = []
        self.looked_at = 0

    def entry(self, seq):
        self.looked_at += 1
        return release.record_of(self.lines[seq - 1][:-1])

    @property
    def top(self):
        return self.entry(len(self.lines)) if self.lines else None

    def step(self, action, what):
        seq = len(self.lines) + 1
        metadata = ReleaseMetadata("ci")
        if action == "promote":
            record = release.promotion("bot", self.top, seq, what, metadata)
        elif what is None:
            record = release.pop("bot", self.top, seq, self.entry, metadata)
        else:
            newest_first = (self.entry(number) for number in range(seq - 1, 0, -1))
            target = release.find_release("bot", newest_first, what)
            record = release.pop_to(self.top, seq, target, self.entry, metadata)
        previous = chain.hash_of(self.lines[-1][:-1]) if self.lines else ""
        self.lines.append(release.line_of(record, previous)[0])  # type: ignore[arg-type]
        return record


def take(stack, history, action, what):
    """The same step on a list of specs, newest last; says what it refuses."""
    if action == "rollback":
        if not history:
            return ReleaseNotFoundError
        if what is None:
            if len(stack) == 1:
                return NoPreviousReleaseError
            stack.pop()
            return None
        if isinstance(what, int):
            what = history[what - 1] if what <= len(history) else None
        if what not in history:
            return ReleaseNotFoundError
        if what in stack:
            while stack[-1] != what:
                stack.pop()
            return None
    if not stack or stack[-1] != what:
        stack.append(what)
    return None


def outcome(call, *args):
    try:
        return call(*args)
    except StorageError as error:
        return type(error)


@given(steps)
def test_every_step_leaves_live_what_a_list_would_have_on_top(steps):
    log, stack, history = Log(), [], []  # type: ignore[var-annotated]
    for action, what in steps:
        refused = take(stack, history, action, what)
        said = outcome(log.step, action, what)
        assert (said if refused else None) is refused
        if refused is None:
            history.append(stack[-1])
            assert said.spec_digest == stack[-1]
            assert said.action == action
            assert said.seq == len(history)


@given(steps)
def test_the_last_entry_leads_to_the_whole_stack(steps):
    log, stack, history = Log(), [], []  # type: ignore[var-annotated]
    for action, what in steps:
        if take(stack, history, action, what) is None:
            log.step(action, what)
            history.append(stack[-1])
        if not history:
            continue
        walked, entry = [log.top.spec_digest], log.top
        while entry.parent_seq is not None:
            assert entry.parent_seq < entry.target_seq <= entry.seq
            entry = log.entry(entry.parent_seq)
            assert entry.target_seq == entry.seq
            walked.append(entry.spec_digest)
        assert walked == stack[::-1]
        assert all(one != other for one, other in pairwise(walked))


@given(steps)
def test_a_rollback_without_a_target_changes_what_is_live_or_fails(steps):
    log = Log()
    for action, what in steps:
        outcome(log.step, action, what)
        if log.lines:
            live = log.top.spec_digest
            rolled = outcome(log.step, "rollback", None)
            assert rolled is NoPreviousReleaseError or rolled.spec_digest != live


def test_a_step_needs_two_entries_however_long_the_history_is():
    log = Log()
    for number in range(300):
        log.step("promote", SPECS[number % 2])
    for action, what in (("promote", SPECS[2]), ("rollback", None), ("rollback", None)):
        log.looked_at = 0
        log.step(action, what)
        assert log.looked_at <= 2


@given(
    st.sampled_from(SPECS),
    st.none() | st.just("v1.2.0"),
    st.none() | st.text(),
    st.sampled_from(["ci", "Grüße 🦀"]),
)
def test_an_entry_comes_back_from_its_line(spec, label, notes, actor):
    metadata = ReleaseMetadata(actor, version_label=label, notes=notes)
    record = release.promotion("team/bot", None, 1, spec, metadata)
    line, link = release.line_of(record, "")
    assert release.record_of(line[:-1]) == record
    assert line.count(b"\n") == 1
    assert chain.is_linked(line[:-1], "")
    assert chain.hash_of(line[:-1]) == link
    assert release.seq_of(line[:-1]) == 1


def test_the_format_stands_in_the_first_line_only():
    first = release.promotion("bot", None, 1, SPECS[0], ReleaseMetadata("ci"))
    second = release.promotion("bot", first, 2, SPECS[1], ReleaseMetadata("ci"))
    assert release.line_of(first, "")[0].startswith(b'{"type":"release","format":1,"seq":1,')
    assert release.line_of(second, "0" * 64)[0].startswith(b'{"type":"release","seq":2,')


def test_a_line_has_its_members_in_the_order_of_the_format():
    record = release.promotion("bot", None, 1, SPECS[0], ReleaseMetadata("ci"))
    line, link = release.line_of(record, "")
    assert line.decode() == (
        '{"type":"release","format":1,"seq":1,"action":"promote","name":"bot",'
        f'"spec_digest":"{SPECS[0]}",'
        '"metadata":{"version_label":null,"promoted_by":"ci","notes":null},'
        f'"target_seq":1,"parent_seq":null,"created_at":"{record.created_at}","hash":"{link}"}}\n'
    )


def test_a_mark_is_no_release():
    assert release.record_of(b'{"type":"mark","seq":2,"mark":"block"}') is None
    assert release.seq_of(b'{"type":"mark","seq":2}') == 2


@pytest.mark.parametrize("line", [b'{"type":"run"}', b'{"type":"release","action":"x"}'])
def test_an_entry_of_an_unknown_kind_needs_a_newer_version(line):
    with pytest.raises(UnsupportedFormatError):
        release.record_of(line)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        (b'"spec_digest":"', b'"spec_digest":"x'),
        (b'"metadata":{', b'"metadata":{"promoted_by":"","x":{'),
        (b'"metadata"', b'"meta"'),
        (b'"created_at":"', b'"created_at":"x'),
        (b'"seq"', b'"number"'),
    ],
)
def test_an_entry_without_its_members_is_an_integrity_error(member, value):
    record = release.promotion("bot", None, 1, SPECS[0], ReleaseMetadata("ci"))
    line = release.line_of(record, "")[0][:-1].replace(member, value, 1)
    with pytest.raises(IntegrityError):
        release.record_of(line)


@pytest.mark.parametrize("seq", [b"", b',"seq":null', b',"seq":"1"'])
def test_an_entry_without_a_seq_is_an_integrity_error(seq):
    with pytest.raises(IntegrityError):
        release.seq_of(b'{"type":"mark"%s}' % seq)


@pytest.mark.parametrize(
    ("expect", "met"),
    [
        (None, True),
        (2, True),
        (SPECS[1], True),
        (str(SPECS[1]).upper(), True),
        (1, False),
        ("none", False),
        (SPECS[0], False),
    ],
)
def test_an_expectation_is_met_by_what_is_live(expect, met):
    first = release.promotion("bot", None, 1, SPECS[0], ReleaseMetadata("ci"))
    top = release.promotion("bot", first, 2, SPECS[1], ReleaseMetadata("ci"))
    said = outcome(release.require_expected, "bot", top, expect)
    assert said is (None if met else ConflictError)


@pytest.mark.parametrize(("expect", "met"), [(None, True), ("none", True), (1, False), (0, False)])
def test_where_nothing_is_live_nothing_else_is_expected(expect, met):
    said = outcome(release.require_expected, "bot", None, expect)
    assert said is (None if met else ConflictError)
