"""`aivcs run diff`: how two runs behaved differently."""

import json
import os
import pty
import re
import subprocess

import pytest
from command import read_terminal


@pytest.fixture
def begin(aivcs):
    """Makes a run of calls, each a tool with its parameters, and ends it."""

    def make(*calls, finish=("--exit-code", "0")):
        run = aivcs.begin()
        lines = [{"kind": "started", "payload": {}}]
        lines += [
            {"kind": "tool_called", "payload": {"tool_name": tool, **parameters}}
            for tool, parameters in calls
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        aivcs.ok("run", "log", "--stdin", run, stdin=text)
        if finish:
            aivcs.ok("run", "finish", *finish, run)
        return run

    return make


@pytest.fixture
def pair(begin):
    """Two runs that differ in every way in which calls can."""
    a = begin(
        ("plan", {}), ("search", {"query": {"text": "x"}, "step": 1}), ("read", {"path": "a"}),
        ("edit", {"path": "a"}), ("test", {}),
    )  # fmt: skip
    b = begin(
        ("search", {"query": {"text": "y"}, "step": 2}), ("read", {"path": "a"}), ("test", {}),
        ("plan", {}), ("submit", {"final": True}), finish=("--exit-code", "3"),
    )  # fmt: skip
    return a, b


def on_terminal(aivcs, columns, *arguments):
    """What a person sees, without colours."""
    master, slave = pty.openpty()
    process = aivcs.start(
        *arguments,
        stdout=slave,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={"TERM": "xterm", "COLUMNS": str(columns)},
    )
    os.close(slave)
    data = read_terminal(master)
    assert process.wait(timeout=60) == 0
    return re.sub(r"\x1b\[\d*m", "", data.decode()).replace("\r\n", "\n").splitlines()


def test_json_tells_every_difference(aivcs, pair):
    found = aivcs.ok("run", "diff", *pair, "--json", "--ignore", "step").json
    assert (found["events_a"], found["events_b"], found["tool_call_changes"]) == (6, 6, 4)
    assert [step["tool_name"] for step in found["removed"]] == ["edit"]
    assert found["added"] == [
        {"tool_name": "submit", "b": {"seq": 6, "parameters": {"final": True}}}
    ]
    (moved,) = found["reordered"]
    assert (moved["tool_name"], moved["a"]["seq"], moved["b"]["seq"]) == ("plan", 2, 5)
    (changed,) = found["param_changed"]
    assert changed["changes"] == [{"op": "replace", "path": "query.text", "a": "x", "b": "y"}]
    assert (found["a"]["status"], found["b"]["status"]) == ("COMPLETED", "FAILED")
    assert found["a"]["kinds"] == {"started": 1, "tool_called": 5}
    assert found["equal"] is False


def test_piped_it_is_facts_and_calls_in_fields(aivcs, pair):
    a, b = pair
    rows = [
        line.split("\t") for line in aivcs.ok("run", "diff", a[:8], b, "--ignore", "step").lines
    ]
    assert rows[0] == ["run", a, b]
    assert ["status", "COMPLETED", "FAILED"] in rows
    assert ["exit_code", "0", "3"] in rows
    assert ["events.tool_called", "5", "5"] in rows
    assert rows[-4:] == [
        ["param_changed", "3", "2", "search", "query.text", '"x"', '"y"'],
        ["removed", "5", "-", "edit", "-", '{"path":"a"}', "-"],
        ["reordered", "2", "5", "plan", "-", "-", "-"],
        ["added", "-", "6", "submit", "-", "-", '{"final":true}'],
    ]


def test_a_person_sees_both_side_by_side(aivcs, pair):
    for columns in (60, 100):
        lines = on_terminal(aivcs, columns, "run", "diff", *pair, "--ignore", "step")
        assert max(map(len, lines)) <= columns
        (read,) = [line for line in lines if " read " in line]
        assert read.count("read") == 2
        (removed,) = [line for line in lines if " edit " in line]
        assert removed.rstrip().endswith("<")
        assert "calls: 2 alike 1 with other parameters (~)" in " ".join(lines).replace(",", "")


def test_many_calls_alike_are_counted_not_shown(aivcs, begin):
    runs = [begin(*[("search", {"n": n}) for n in range(40)], (last, {})) for last in ("a", "b")]
    lines = on_terminal(aivcs, 80, "run", "diff", *runs)
    assert "  … 36 calls alike …" in lines
    assert sum("search" in line for line in lines) == 4


def test_the_exit_code_tells_only_if_asked(aivcs, begin, pair):
    same = [begin(("ls", {"n": 1.0})), begin(("ls", {"n": 1}))]
    aivcs("run", "diff", *pair, code=0)
    aivcs("run", "diff", "--exit-code", *pair, code=1)
    aivcs("run", "diff", "--exit-code", *same, code=0)
    ended_otherwise = begin(("ls", {"n": 1}), finish=("--status", "cancelled"))
    aivcs("run", "diff", "--exit-code", same[0], ended_otherwise, code=1)


def test_the_run_that_goes_on_can_be_compared(aivcs, begin):
    done, running = begin(("ls", {})), begin(("ls", {}), finish=None)
    rows = aivcs.ok("run", "diff", done, "@", env={"AIVCS_RUN": running}).lines
    assert "status\tCOMPLETED\tRUNNING" in rows


def test_what_data_holds_is_escaped(aivcs, begin):
    runs = [begin(("\x1b[2J", {"a\n\tb": text})) for text in ("\u202e", "x")]
    (row,) = [line for line in aivcs.ok("run", "diff", *runs).lines if "changed" in line]
    assert row == 'param_changed\t2\t2\t\\x1b[2J\t["a\\\\n\\\\tb"]\t"\\u202e"\t"x"'.replace(
        "\\\\n\\\\t", "\\n\\t"
    )


@pytest.mark.parametrize("words", [("", "@"), ("@", ""), ("abcd1234", "@"), ("@", "x y")])
def test_what_names_no_run_is_refused(aivcs, begin, words):
    run = begin(("ls", {}))
    assert aivcs("run", "diff", *words, env={"AIVCS_RUN": run}).code in {2, 12}
    aivcs("run", "diff", run, run, "--ignore", "", code=2)
