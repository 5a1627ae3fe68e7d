"""The rule that makes steps of events: what is joined to what, and how long it took."""

import tracemalloc

import pytest
from hypothesis import given, strategies as st

from aivcs.model.run import RunEvent
from aivcs.model.timestamp import Timestamp
from aivcs.trace.timeline import steps


def told(*events, window=512):
    """The steps of some events: (seconds since twelve o'clock, kind, payload)."""
    made = [
        RunEvent(
            kind, payload, seq=number,
            timestamp=Timestamp(f"2026-01-31T12:{at // 60:02}:{at % 60:02}Z"),
        )
        for number, (at, kind, payload) in enumerate(events, 1)
    ]  # fmt: skip
    return list(steps(made, window=window))


def seconds(step):
    return None if step.took is None else step.took / 1_000_000


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ("tool_called", "tool_returned"), ("tool_call", "tool_result"), ("ToolCall", "ToolResult"),
        ("tool.started", "tool.completed"), ("TOOL-USE", "TOOL-ERROR"),
        ("function_call", "function_call_output"), ("agent/tool/start", "agent/tool/end"),
    ],
)  # fmt: skip
def test_a_call_and_its_result_are_one_step_however_they_are_spelled(begun, ended):
    (step,) = told(
        (0, begun, {"tool_name": "search", "arguments": {"q": "x"}}),
        (4, ended, {"tool_name": "search", "result": "found"}),
    )
    assert (step.what, step.name, step.text, step.result) == ("call", "search", "q=x", "found")
    assert seconds(step) == 4


def test_calls_of_one_tool_are_answered_in_their_order_and_those_with_ids_by_them():
    one, two, three = told(
        (0, "tool_called", {"tool": "t", "input": "one"}),
        (1, "tool_called", {"tool": "t", "input": "two", "tool_call_id": "b"}),
        (2, "tool_called", {"tool": "t", "input": "three"}),
        (3, "tool_returned", {"tool": "t", "output": "1"}),
        (4, "tool_returned", {"tool": "t", "output": "3"}),
        (5, "tool_returned", {"tool_call_id": "b", "output": "2"}),
    )
    assert [(s.text, s.result) for s in (one, two, three)] == [
        ("one", "1"), ("two", "2"), ("three", "3"),
    ]  # fmt: skip


def test_a_result_is_never_given_to_a_call_with_another_id():
    call, result = told(
        (0, "tool_called", {"tool": "t", "call_id": "a"}),
        (1, "tool_returned", {"tool": "t", "call_id": "b", "output": "x"}),
    )
    assert (call.is_open, call.took) == (True, None)
    assert (result.what, result.result) == ("result", "x")


def test_an_event_that_has_both_is_a_whole_call():
    (step,) = told(
        (0, "execute_tool", {
            "gen_ai.tool.name": "clock", "gen_ai.tool.args": '{"zone": "UTC"}',
            "gen_ai.output": "noon", "duration_ms": 2.5,
        }),
    )  # fmt: skip
    assert (step.text, step.result, step.took, step.is_open) == ("zone=UTC", "noon", 2500, False)


def test_a_message_took_the_time_since_what_came_before_it():
    _, message = told(
        (0, "started", {}), (7, "message_added", {"role": "assistant", "content": "a\n\tb"})
    )
    assert (message.name, message.text, message.size, seconds(message)) == (
        "assistant",
        "a b",
        4,
        7,
    )


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        ("model_error", {}, "model_error"), ("build-FAILED", {"target": "x"}, "target=x"),
        ("UnhandledException", "gone", "gone"), ("step", {"error": {"message": "no"}}, "no"),
        ("step", {"error": "no\nway"}, "no way"), ("step", {"is_error": True}, "is_error=true"),
        ("step", {"exit_code": 3}, "exit code 3"), ("step", {"exit_code": 0}, None),
        ("step", {"exit_code": 1, "stderr": "bad"}, "exit code 1: bad"),
        ("step", {"status": "failed"}, "status=failed"), ("step", {"status": "ok"}, None),
        ("step", {"error": None}, None), ("step", {"error": ""}, None), ("step", [1], None),
        ("step", {"exit_code": True}, None),
    ],
)  # fmt: skip
def test_trouble_is_seen_by_what_an_event_says(kind, payload, error):
    (step,) = told((0, kind, payload))
    assert step.error == error


def test_a_call_that_waits_too_long_lets_the_others_pass():
    events = [(0, "tool_called", {"tool": "slow"}), *[(1, "note", {}) for _ in range(9)]]
    found = told(*events, (2, "tool_returned", {"tool": "slow", "output": "late"}), window=5)
    assert [step.seq for step in found] == list(range(1, 12))
    assert (found[0].is_open, found[-1].what, found[-1].result) == (True, "result", "late")


def test_memory_does_not_grow_with_the_run():
    def events(number):
        for seq in range(1, number + 1):
            kind = "tool_called" if seq % 2 else "note"  # no call is ever answered
            yield RunEvent(
                kind, {"tool": "t", "x": "y" * 5000}, seq=seq,
                timestamp=Timestamp("2026-01-31T12:00:00Z"),
            )  # fmt: skip

    def most(number):
        tracemalloc.start()
        for _ in steps(events(number), window=100):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(4000) < 1.5 * most(400)


PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["tool_name", "tool", "name", "call_id", "role", "content", "error", "exit_code",
             "status", "output", "arguments", "duration_ms", "x"]
        ), inner, max_size=5,
    ), max_leaves=8,
)  # fmt: skip
KINDS = st.sampled_from(["tool_called", "tool_returned", "tool_failed", "message", "note", "Tool"])


@given(st.lists(st.tuples(st.integers(0, 3599), KINDS, PAYLOADS), max_size=30), st.integers(0, 10))
def test_whatever_the_events_each_is_in_one_step_and_steps_keep_their_order(events, window):
    found = told(*events, window=window)
    assert [step.seq for step in found] == sorted({step.seq for step in found})
    joined = sum(step.what == "call" and not step.is_open for step in found)
    assert len(found) <= len(events) <= len(found) + joined
    for step in found:
        assert step.took is None or step.took >= 0
        assert all(len(text or "") <= 700 for text in (step.text, step.result, step.error))
