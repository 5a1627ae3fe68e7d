"""Many processes on one name: one order, in which every answer is explained."""

import subprocess

import pytest
from crash.harness import judge


@pytest.fixture
def specs(aivcs):
    """Eight contents, stored."""
    return [aivcs.put(b"spec %d\n" % number) for number in range(8)]


def replay(history):
    """What was live after each entry, by the rule of the stack; checks what each entry says."""
    stack, live = [], []  # type: ignore[var-annotated]
    for entry in history:
        spec, seq = entry["spec_digest"], entry["seq"]
        if stack and stack[-1][1] == spec:
            assert entry["action"] == "promote"
            stack[-1] = (seq, spec)
        elif entry["action"] == "rollback":
            stack.pop()
            assert stack[-1][1] == spec, "a rollback must return to what was live before"
        else:
            stack.append((seq, spec))
        assert entry["target_seq"] == stack[-1][0]
        assert entry["parent_seq"] == (stack[-2][0] if len(stack) > 1 else None)
        live.append(spec)
    return live


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_20_promotes_and_rollbacks_at_once_are_all_recorded_in_one_order(aivcs, specs, rounds):
    for turn in range(rounds):
        name = f"team/bot-{turn}"
        aivcs.ok("release", "promote", name, specs[0], "--by", "before")
        processes = {}
        for number in range(20):
            who = f"p{number}"
            words = ["rollback", name] if number % 3 == 2 else ["promote", name, specs[number % 8]]
            processes[who] = aivcs.start(
                *("release", *words, "--by", who),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        answers = {}
        for who, process in processes.items():
            out, err = process.communicate(timeout=60)
            assert process.returncode in {0, 15}, err
            if process.returncode == 0:
                answers[who] = out.decode().strip()
        history = judge(aivcs.store).releases[name]
        assert [entry["seq"] for entry in history] == list(range(1, len(history) + 1))
        replay(history)
        recorded = {entry["metadata"]["promoted_by"]: entry["spec_digest"] for entry in history[1:]}
        assert len(recorded) == len(history) - 1
        assert recorded == answers
        assert sum(entry["action"] == "promote" for entry in history) == 15
        assert aivcs.ok("release", "current", name).text == history[-1]["spec_digest"]


def test_of_two_rollbacks_that_expect_the_same_one_wins(aivcs, specs):
    for spec in specs:
        aivcs.ok("release", "promote", "bot", spec)
    for top in range(7, 2, -1):
        processes = [
            aivcs.start(
                *("release", "rollback", "bot", "--expect", specs[top]),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for process in processes:
            process.communicate(timeout=60)
        assert sorted(process.returncode for process in processes) == [0, 15]
        assert aivcs.ok("release", "current", "bot").text == specs[top - 1]


def test_of_many_first_promotes_that_expect_nothing_one_wins(aivcs, specs):
    processes = [
        aivcs.start(
            *("release", "promote", "bot", spec, "--expect", "none"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for spec in specs
    ]
    codes = [process.wait(60) for process in processes]
    assert sorted(codes) == [0] + [15] * 7
    assert judge(aivcs.store).history("bot") == [(1, "promote", specs[codes.index(0)])]
