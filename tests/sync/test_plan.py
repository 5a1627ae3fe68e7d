"""The plan of a copy, against a model that compares whole logs."""

from hypothesis import given, strategies as st

from aivcs.model.record import Head
from aivcs.sync.plan import (
    BEHIND,
    DIVERGED,
    EXTENDED,
    NEW,
    SAME,
    Candidate,
    candidates,
    compare,
    merged,
)

LINES = st.lists(st.sampled_from("ab"), max_size=5)


def chained(lines):
    """The hash of each line, as of all lines up to it."""
    return ["".join(lines[: n + 1]) for n in range(len(lines))]


def head(lines):
    return Head(len(lines), chained(lines)[-1]) if lines else None


def model(source, target):
    if not target:
        return NEW
    if source == target:
        return SAME
    if source[: len(target)] == target:
        return EXTENDED
    return BEHIND if target[: len(source)] == source else DIVERGED


@given(LINES.filter(bool), LINES)
def test_two_logs_are_compared_by_their_heads(source, target):
    one = head(source)
    assert one is not None
    found = compare(
        one,
        head(target),
        lambda number: chained(source)[number - 1],
        lambda number: chained(target)[number - 1],
    )
    assert found == model(source, target)


@given(LINES.filter(bool))
def test_equal_logs_and_new_ones_are_told_without_a_line(lines):
    def refuse(number):
        raise AssertionError(number)

    one = head(lines)
    assert one is not None
    assert compare(one, one, refuse, refuse) == SAME
    assert compare(one, None, refuse, refuse) == NEW


IDS = st.sets(st.text("abAB-9", min_size=1, max_size=3))


@given(IDS, IDS, IDS)
def test_a_run_is_looked_at_unless_it_is_settled_and_there(source, target, settled):
    found = list(candidates(sorted(source), sorted(target), sorted(settled)))
    assert found == [
        Candidate(run, run in target) for run in sorted(source) if run not in target & settled
    ]


HEADS = st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(1, 9))


@given(HEADS, HEADS)
def test_the_later_of_two_lists_of_heads_has_precedence(before, found):
    def items(heads):
        return [(name, Head(lines, "")) for name, lines in sorted(heads.items())]

    assert list(merged(items(before), items(found))) == items({**before, **found})
