"""What became of the calls of one run in another."""

from collections import Counter

from hypothesis import given, strategies as st

from aivcs.model.run import RunEvent
from aivcs.trace.tool_calls import Call, calls_in, compare_calls

CALLS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=10).map(
    lambda calls: [Call(seq, tool, {"n": n}) for seq, (tool, n) in enumerate(calls, 1)]
)


def calls(words):
    """Calls from a text: `a1 b2` calls a with 1 and b with 2."""
    return [
        Call(seq, word[0], {"n": int(word[1:] or 0)}) for seq, word in enumerate(words.split(), 1)
    ]


def told(a, b):
    """Each step in short: what it is, and the seqs of both sides."""
    return [
        (step.kind, step.a.seq if step.a else None, step.b.seq if step.b else None)
        for step in compare_calls(calls(a), calls(b))
    ]


def tools(steps, kind):
    return Counter(step.tool for step in steps if step.kind == kind)


def test_what_came_and_went_is_told_where_it_is():
    assert told("a b c", "a c d") == [
        ("same", 1, 1), ("removed", 2, None), ("same", 3, 2), ("added", None, 3),
    ]  # fmt: skip


def test_a_call_at_another_place_has_moved():
    assert told("a b c d", "b c d a") == [
        ("same", 2, 1), ("same", 3, 2), ("same", 4, 3), ("reordered", 1, 4),
    ]  # fmt: skip


def test_of_several_that_may_have_moved_it_is_the_one_with_the_same_parameters():
    steps = compare_calls(calls("a1 a2 b c d"), calls("b c d a2 a1"))
    moved = [(step.a.seq, step.b.seq, step.changes) for step in steps if step.kind == "reordered"]  # type: ignore[union-attr]
    assert sorted(moved) == [(1, 5, []), (2, 4, [])]


def test_other_parameters_are_told_by_their_place():
    a = [Call(1, "search", {"query": {"text": "x", "limit": 5}, "page": 1})]
    b = [Call(3, "search", {"query": {"text": "y", "limit": 5}, "page": 1})]
    (step,) = compare_calls(a, b)
    assert step.kind == "param_changed"
    assert [(c.op, c.place, c.a, c.b) for c in step.changes] == [
        ("replace", ("query", "text"), "x", "y")
    ]


def test_a_call_with_the_same_parameters_is_preferred():
    assert told("a1", "a1 a2") == [("same", 1, 1), ("added", None, 2)]
    assert told("a1", "a2 a1") == [("added", None, 1), ("same", 1, 2)]
    assert told("a2 a1", "a1") == [("removed", 1, None), ("same", 2, 1)]


def test_calls_are_events_of_their_kind_and_what_is_ignored_does_not_count():
    events = [
        RunEvent("message_added", {"tool_name": "x"}, seq=1),
        RunEvent("tool_called", {"tool_name": "ls", "path": "/", "step": 3}, seq=2),
        RunEvent("tool_called", {"tool_name": 7}, seq=4),
        RunEvent("tool_called", [1], seq=9),
    ]
    assert calls_in(events, frozenset({"step"})) == [
        Call(2, "ls", {"path": "/"}), Call(4, "", {"tool_name": 7}), Call(9, "", [1]),
    ]  # fmt: skip


@given(CALLS)
def test_a_run_does_not_differ_from_itself(a):
    assert [(step.kind, step.a, step.b) for step in compare_calls(a, a)] == [
        ("same", call, call) for call in a
    ]


@given(CALLS, CALLS)
def test_every_call_is_told_of_once(a, b):
    steps = compare_calls(a, b)
    assert sorted(step.a.seq for step in steps if step.a) == [call.seq for call in a]
    assert [step.b.seq for step in steps if step.b] == [call.seq for call in b]
    assert all(step.a.tool == step.b.tool for step in steps if step.a and step.b)
    assert all(bool(step.changes) == (step.kind == "param_changed")
               for step in steps if step.kind in {"same", "param_changed"})  # fmt: skip


@given(CALLS, CALLS)
def test_swapping_the_runs_swaps_what_was_added_and_removed(a, b):
    there, back = compare_calls(a, b), compare_calls(b, a)
    assert tools(there, "added") == tools(back, "removed")
    assert tools(there, "removed") == tools(back, "added")
    counts = Counter(call.tool for call in a), Counter(call.tool for call in b)
    assert tools(there, "removed") == counts[0] - counts[1]
