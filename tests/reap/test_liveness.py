"""Who is an orphan: the rules, case by case, without any process."""

import pytest

from aivcs.model.run import RunOwner
from aivcs.model.timestamp import Timestamp
from aivcs.trace.liveness import (
    ALIVE,
    GONE,
    LEAVE,
    REAP,
    UNKNOWN,
    Place,
    Process,
    Verdict,
    judge_owner,
    judge_run,
)
from aivcs.trace.process_identity import parse_stat

HERE = {"host": "h", "machine_id": "m", "boot_id": "b", "pid_namespace": "pid:[1]"}
OLD, CUT, NEW = (Timestamp(f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3))


def owner(**changes):
    return RunOwner(**(HERE | {"pid": 7, "start_time": 100} | changes))


def place(**changes):
    return Place(**(HERE | changes))


SAME = Process(100)
CASES = {
    "it is there": (owner(), place(), SAME, ALIVE),
    "its number is free": (owner(), place(), None, GONE),
    "its number was given again": (owner(), place(), Process(102), GONE),
    "its number was given to an earlier one": (owner(), place(), Process(98), GONE),
    "it has ended and nobody waited for it": (owner(), place(), Process(100, is_over=True), GONE),
    "a tick was rounded another way": (owner(), place(), Process(101), ALIVE),
    "another with its number has ended": (owner(), place(), Process(9, is_over=True), GONE),
    "somebody hides when it started": (owner(), place(), Process(None), UNKNOWN),
    "it never said when it started": (owner(start_time=None), place(), SAME, UNKNOWN),
    "it never said when it started, and is gone": (owner(start_time=None), place(), None, GONE),
    "the machine was started anew": (owner(), place(boot_id="c"), SAME, GONE),
    "started anew, elsewhere counted": (
        owner(),
        place(boot_id="c", pid_namespace="pid:[2]"),
        None,
        GONE,
    ),
    "another machine of that name": (owner(), place(boot_id="c", machine_id="n"), None, UNKNOWN),
    "a machine without an id": (owner(), place(boot_id="c", machine_id=None), None, UNKNOWN),
    "an owner without a machine's id": (
        owner(machine_id=None),
        place(boot_id="c", machine_id=None),
        None,
        UNKNOWN,
    ),
    "another host": (owner(), place(host="i"), None, UNKNOWN),
    "another host, started anew": (owner(), place(host="i", boot_id="c"), None, UNKNOWN),
    "another container": (owner(), place(pid_namespace="pid:[2]"), None, UNKNOWN),
    "another container with that number": (owner(), place(pid_namespace="pid:[2]"), SAME, UNKNOWN),
    "nobody says in which container this is": (owner(), place(pid_namespace=None), None, UNKNOWN),
    "nobody said in which container it was": (
        owner(pid_namespace=None),
        place(pid_namespace=None),
        None,
        UNKNOWN,
    ),
    "nobody says which start this is": (owner(), place(boot_id=None), None, UNKNOWN),
    "nobody said which start it was": (owner(boot_id=None), place(boot_id=None), None, UNKNOWN),
    "on this start no machine's id is needed": (
        owner(machine_id=None),
        place(machine_id=None),
        None,
        GONE,
    ),
}


@pytest.mark.parametrize(("who", "here", "process", "what"), CASES.values(), ids=CASES)
def test_an_owner_is_judged_by_what_can_be_proven(who, here, process, what):
    verdict = judge_owner(who, here, process)
    assert verdict.what == what
    assert "process 7 on h" in verdict.reason


RUNS = {
    # owner, named, older_than, last sign -> what is done
    "gone": (GONE, False, None, None, REAP),
    "gone, and named": (GONE, True, None, None, REAP),
    "gone, and heard of since": (GONE, False, CUT, NEW, REAP),
    "alive": (ALIVE, False, None, None, LEAVE),
    "alive, and named": (ALIVE, True, None, None, LEAVE),
    "alive, and old": (ALIVE, False, CUT, OLD, LEAVE),
    "alive, and named, and old": (ALIVE, True, CUT, OLD, LEAVE),
    "unknown": (UNKNOWN, False, None, None, LEAVE),
    "unknown, but named": (UNKNOWN, True, None, None, REAP),
    "unknown, but old": (UNKNOWN, False, CUT, OLD, REAP),
    "unknown, and heard of since": (UNKNOWN, False, CUT, NEW, LEAVE),
    "unknown, heard of just then": (UNKNOWN, False, CUT, CUT, LEAVE),
    "unknown, named, and heard of since": (UNKNOWN, True, CUT, NEW, LEAVE),
    "unknown, named, and old": (UNKNOWN, True, CUT, OLD, REAP),
    "no owner": (None, False, None, None, LEAVE),
    "no owner, but named": (None, True, None, None, REAP),
    "no owner, but old": (None, False, CUT, OLD, REAP),
    "no owner, and heard of since": (None, False, CUT, NEW, LEAVE),
}


@pytest.mark.parametrize(
    ("what", "is_named", "older_than", "sign", "done"), RUNS.values(), ids=RUNS
)
def test_a_run_is_ended_on_proof_or_by_a_persons_word(what, is_named, older_than, sign, done):
    verdict = judge_run(
        None if what is None else Verdict(what, "why"),
        is_named=is_named,
        last_sign=sign,
        older_than=older_than,
    )
    assert verdict.what == done
    assert ("why" if what else "no owner") in verdict.reason


STAT = (
    "{pid} ({name}) {state} 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 {threads} 0 {start} 3133440 3"
)


@pytest.mark.parametrize("name", ["sleep", "a b", "x) S 1 2", "((", "", "tmux: server"])
def test_a_name_cannot_pass_for_another_field(name):
    text = STAT.format(pid=7, name=name, state="S", threads=3, start=4711)
    assert parse_stat(text) == (4711, False)


@pytest.mark.parametrize(
    ("state", "threads", "is_over"),
    [("Z", 1, True), ("X", 0, True), ("Z", 2, False), ("R", 1, False), ("T", 1, False)],
)
def test_a_process_is_over_when_its_last_thread_is(state, threads, is_over):
    text = STAT.format(pid=7, name="x", state=state, threads=threads, start=1)
    assert parse_stat(text) == (1, is_over)
