"""`run exec --max-…`: a command that costs too much, or goes in circles, is ended."""

import json
import signal
import threading
import time
from typing import Any

import pytest
from formats import samples

from aivcs.cli.exec.budget import Budget
from aivcs.errors import UnreachableError
from aivcs.model.run import RunEvent, RunId
from aivcs.store.place import Place
from aivcs.trace.budget import Limits, Meter
from aivcs.trace.usage import Price

SPEND = "while :; do aivcs run log @ model_called cost_usd:=0.3 input_tokens:=100; sleep 0.05; done"


def exceeded(execute, done, limit):
    """The recorded limit, after a look at everything else that says so."""
    assert done.code == 124
    assert execute.ending == ("FAILED", 124)
    events = execute.events
    assert [kind for kind, _ in events[-2:]] == ["budget_exceeded", "exec_finished"]
    told, finished = events[-2][1], events[-1][1]
    assert (told["limit"], finished["limit"]) == (limit, limit)
    option = f"(--{limit.replace('_', '-')})"
    assert f"aivcs: the command was ended: {told['text']} {option}" in done.err.decode()
    return told


@pytest.mark.parametrize(
    ("option", "allowed", "limit", "found"),
    [("--max-cost", "1", "max_cost", 1.2), ("--max-tokens", "250", "max_tokens", 300)],
)
def test_events_that_children_log_count(execute, option, allowed, limit, found):
    done = execute("sh", "-c", SPEND, options=(option, allowed), code=None)
    told = exceeded(execute, done, limit)
    assert told["allowed"] == float(allowed)
    assert told["found"] == pytest.approx(found)


def test_events_of_the_output_count_as_they_come(execute, aivcs):
    (aivcs.folder / "out").write_bytes(samples.CODEX_EXEC)
    options = ("--events", "codex-exec", "--max-tokens", "1")
    done = execute("sh", "-c", "cat out; sleep 60", options=options, code=None)
    exceeded(execute, done, "max_tokens")


def test_what_claude_code_cost_is_added_up_over_its_sessions(execute, aivcs):
    turns = [
        {"type": "result", "subtype": "success", "session_id": session, "total_cost_usd": cost,
         "is_error": False, "num_turns": 1, "result": "ok"}
        for session, cost in (("s1", 0.5), ("s1", 0.75), ("s2", 0.5))
    ]  # fmt: skip
    for n, session in enumerate(("s1", "s2")):
        begin: dict[str, object] = {
            "type": "system", "subtype": "init", "session_id": session, "model": "m", "tools": [],
            "cwd": "/",
        }  # fmt: skip
        turns.insert(3 * n, begin)
    (aivcs.folder / "out").write_text("".join(f"{json.dumps(turn)}\n" for turn in turns))
    options = ("--events", "auto", "--max-cost", "1")
    done = execute("sh", "-c", "cat out; sleep 60", options=options, code=None)
    assert exceeded(execute, done, "max_cost")["found"] == 1.25


def test_one_small_total_does_not_switch_the_budget_off(execute):
    script = f"aivcs run log @ note total_cost_usd:=0.0001; {SPEND}"
    done = execute("sh", "-c", script, options=("--max-cost", "1"), code=None)
    assert exceeded(execute, done, "max_cost")["found"] == pytest.approx(1.2)


def test_a_cost_that_nothing_tells_is_said_once(execute, aivcs):
    script = """for n in 1 2; do aivcs run log @ model_called model=m input_tokens:=9; done
    sleep 1"""
    done = execute("sh", "-c", script, options=("--max-cost", "1"))
    assert done.err.decode().count("--max-cost could not work: 2 calls") == 1
    for what in ("input", "output"):
        aivcs.ok("config", "set", f"prices.m.{what}", "1")
    assert b"could not work" not in execute("sh", "-c", script, options=("--max-cost", "1")).err


DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for n in range(3):
        os.close(n)
    open("pid", "w").write(str(os.getpid()))
    time.sleep(60)
os.wait()
time.sleep(60)
"""
CHAIN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + 40
while time.time() < end:
    if os.fork():
        os._exit(0)
    time.sleep(0.02)
    open("new", "w").write(str(os.getpid()))
    os.rename("new", "pid")
"""


@pytest.mark.parametrize(
    ("program", "script"),
    [
        (DAEMON, "exec python3 program"),
        ("", "(setsid sleep 61 >/dev/null 2>&1 </dev/null & echo $! >pid); sleep 60"),
        (CHAIN, "python3 program >/dev/null 2>&1 </dev/null & sleep 60"),
    ],
    ids=["daemon", "child of a subshell that is gone", "chain of forks"],
)
def test_what_lost_its_parent_is_ended_as_well(execute, aivcs, program, script):
    (aivcs.folder / "program").write_text(program)
    done = execute("sh", "-c", script, options=("--max-time", "2s"), code=None)
    exceeded(execute, done, "max_time")
    pid = int((aivcs.folder / "pid").read_text())
    assert not alive(pid)
    time.sleep(0.5)
    assert int((aivcs.folder / "pid").read_text()) == pid


@pytest.mark.parametrize("option", ["--max-cost", "--max-time"])
def test_half_a_price_keeps_no_command_from_its_end(execute, aivcs, option):
    aivcs.ok("config", "set", "prices.m.input", "1")
    value = {"--max-cost": "1", "--max-time": "1h"}[option]
    assert execute("true", options=(option, value)).code == 0
    assert execute.ending == ("COMPLETED", 0)


def test_time_counts_without_events(execute):
    done = execute("sleep", "60", options=("--max-time", "1s", "--capture", "none"), code=None)
    assert exceeded(execute, done, "max_time")["allowed"] == 1


def test_a_call_that_comes_again_with_the_same_result_is_a_circle(execute):
    script = """
    for n in 1 2 3 4 5 6 7 8 9; do
      aivcs run log @ tool_called tool_name=ls path=/ n:=$((n > 4 ? 4 : n)) tool_call_id=$n
      aivcs run log @ model_called input_tokens:=1
      aivcs run log @ tool_returned tool_name=ls tool_call_id=$n output=same
    done; sleep 60"""
    done = execute("sh", "-c", script, options=("--max-repeats", "3"), code=None)
    told = exceeded(execute, done, "max_repeats")
    assert "called ls 3 times in a row" in told["text"]
    returned = [event for event in execute.events if event[0] == "tool_returned"]
    assert 6 <= len(returned) <= 9


def test_who_does_not_hear_sigterm_is_killed_with_all_descendants(execute, aivcs):
    script = 'trap "" TERM; (sleep 61 & echo $! >child; wait) & while :; do sleep 1; done'
    done = execute("bash", "-c", script, options=("--max-time", "1s"), code=None)
    exceeded(execute, done, "max_time")
    child = int((aivcs.folder / "child").read_text())
    until = time.monotonic() + 10
    while alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(child)
    assert execute.events[-1][1]["signal"] in {"SIGKILL", "SIGTERM"}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def test_what_stays_within_its_budget_is_left_alone(execute):
    options = ("--max-cost", "1", "--max-tokens", "1000", "--max-time", "1h", "--max-repeats", "2")
    done = execute("sh", "-c", "aivcs run log @ model_called cost_usd:=1; exit 3", options=options)
    assert done.code == 3
    assert execute.ending == ("FAILED", 3)
    assert "budget_exceeded" not in [kind for kind, _ in execute.events]


def test_an_interrupt_is_still_an_interrupt(execute):
    process = execute.start("sleep", "60", options=("--max-time", "1h"))
    while not execute.aivcs.ok("run", "list").text:
        time.sleep(0.05)
    until = time.monotonic() + 10
    while len(execute.events) < 1 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert execute.ending[0] == "CANCELLED"


@pytest.mark.parametrize(
    "options",
    [("--max-repeats", "1"), ("--max-cost", "nan"), ("--max-cost", "-1"), ("--max-time", "soon")],
)
def test_a_limit_that_is_none_executes_nothing(execute, aivcs, options):
    done = execute("touch", "made", options=options, code=None)
    assert done.code in {2, 125}
    assert not (aivcs.folder / "made").exists()


def event(seq, kind, **payload):
    return RunEvent(kind, payload, seq=seq, timestamp="2026-01-01T00:00:00Z")


def test_other_results_and_other_calls_break_a_row():
    meter = Meter(Limits(repeats=3))
    told = []
    for seq, (path, output) in enumerate(
        [("/", "a"), ("/", "a"), ("/", "b"), ("/", "a"), ("/x", "a"), ("/", "a"), ("/", "a"),
         ("/", "a")]
    ):  # fmt: skip
        call = event(2 * seq, "tool_called", tool_name="ls", path=path, call_id=str(seq))
        result = event(
            2 * seq + 1, "tool_returned", tool_name="ls", output=output, call_id=str(seq)
        )
        told += [meter.add(call), meter.add(result)]
    assert [found is not None for found in told].index(True) == len(told) - 1


def test_calls_without_results_count_when_the_next_one_comes():
    meter = Meter(Limits(repeats=2))
    calls = [event(n, "tool_called", tool_name="ls", path="/") for n in range(3)]
    assert [meter.add(call) is not None for call in calls] == [False, False, True]


def test_a_price_makes_a_cost_of_tokens():
    meter = Meter(Limits(cost=1), {"m-*": Price(1000, 1000, 1000)})
    found = meter.add(event(1, "model_called", model="m-1", input_tokens=900, output_tokens=200))
    assert found is not None
    assert found.text == "it cost $1.10 (estimated), and $1.00 is allowed"


class Away:
    """A repository whose store is away at the second and third look at a log."""

    opened: "Away"

    def __init__(self, events):
        type(self).opened = self
        self.path = "away://server"
        self.store = self.logs = self
        self.settings = None
        self.poll_seconds = (0.001, 0.001)
        self.looks = 0
        self._events = events

    @classmethod
    def open(cls, *_):
        return cls.opened

    def close(self):
        pass

    def read(self, _, place):
        self.looks += 1
        if self.looks in {2, 3}:
            raise UnreachableError(self.path, "connection refused")
        lines = self._events[: 1 if self.looks == 1 else None]
        return [(line, Place(n, "")) for n, line in enumerate(lines, 1)][place.lines :]


def watched(limits, store):
    """The watch of a store until a limit is exceeded, and the warnings."""
    told, ended = list[str](), threading.Event()
    budget = Budget(limits, {}, store, RunId("run"), told.append)
    budget.listen(ended.set)
    assert ended.wait(30)
    budget.close()
    return budget, told


def test_an_outage_of_the_store_ends_no_watch():
    lines = [
        f'{{"type":"event","seq":{n},"kind":"model_called","payload":{{"input_tokens":100}},'
        f'"timestamp":"2026-01-01T00:00:00.000000Z","hash":"{"0" * 64}"}}'.encode()
        for n in (1, 2)
    ]
    budget, told = watched(Limits(tokens=150), Away(lines))
    assert (budget.exceeded.limit, budget.exceeded.found) == ("max_tokens", 200)
    assert budget.failure is None
    (warning,) = told
    assert "not all limits are watched now" in warning


def test_time_is_watched_while_the_store_does_not_answer():
    store: Any = Away([])
    answer = threading.Event()
    store.read = lambda *_: answer.wait(60) and ()
    budget, _ = watched(Limits(tokens=1, time=0.1), store)
    answer.set()
    assert budget.exceeded.limit == "max_time"
