"""Hooks of programs record in the spool, so that a store that is away costs no session."""

import json
import re
import shlex
import shutil
import subprocess

import pytest
from formats import samples
from importing.hook_calls import call_of, captured, state, write_session

from aivcs.model.timestamp import Timestamp

pytestmark = pytest.mark.process


@pytest.fixture
def spooled(remote):
    """The user wants runs to go to a spool first, and waits for no store."""
    remote.configure("[core]\nspool = true\n[remote]\ntimeout = 0.1\n")
    return remote


def write(remote, *written):
    return write_session(remote.home, *written)


def call(remote, path, event="Stop"):
    """Calls the hook as a program does; returns what is known once the capture is over."""
    before = state(remote.home)
    done = remote(
        "--store", remote.url, "hook", "run", "claude-code", stdin=call_of(path, event), cwd="/",
        command=[str(remote.script)],
    )  # fmt: skip
    assert (done.out, done.err) == ("", "")
    return captured(remote.home, before)


def logs(folder):
    return {path.stem: path.read_bytes() for path in folder.glob(".aivcs/runs/*/*.jsonl")}


def logs_there(remote):
    remote("clone", remote.url, str(remote.folder / "copy"))
    return logs(remote.folder / "copy")


def waiting(remote):
    found = [json.loads(line) for line in remote.at("spool", "list", "--json").lines]
    return {one["run_id"]: one for one in found}


def test_a_session_is_captured_while_the_store_is_away_and_arrives_later(spooled):
    spooled.go_away()
    lines = samples.CLAUDE.splitlines(keepends=True)
    now = call(spooled, write(spooled, b"".join(lines[:6])))
    assert (now["run"], now.get("error")) == (samples.CLAUDE_ID, None)
    path = write(spooled, samples.CLAUDE)
    child = f"{samples.CLAUDE_ID}/subagents/agent-a1.jsonl"
    child = write(spooled, samples.CLAUDE_SUBAGENT, child)
    now = call(spooled, path, "SessionEnd")
    assert (now["run"], now.get("error")) == (samples.CLAUDE_ID, None)
    assert now["store"] == spooled.url
    assert set(waiting(spooled)) == {samples.CLAUDE_ID, f"{samples.CLAUDE_ID}.a1"}
    (status,) = [json.loads(line) for line in spooled.at("hook", "status", "--json").lines]
    assert (status["error"], status["behind"]) == (None, 0)
    assert "2 runs wait" in spooled.at("status", code=75).err
    spooled.come_back()
    spooled.at("spool", "push")
    assert waiting(spooled) == {}
    (place,) = {path.parents[3] for path in spooled.home.glob(
        ".local/state/aivcs/spool/*/*/.aivcs/runs/*/*.jsonl")}  # fmt: skip
    assert logs_there(spooled) == logs(place)
    # The same import into a store of this machine gives the same lines.
    spooled("init", "local")
    local = spooled.folder / "local"
    spooled("run", "import", "--seal", path, child, cwd=local)
    events = {name: log.splitlines()[:-1] for name, log in logs(local).items()}
    assert events == {name: log.splitlines()[:-1] for name, log in logs(place).items()}


def test_a_session_that_began_in_the_store_goes_on_there(remote):
    lines = samples.CLAUDE.splitlines(keepends=True)
    call(remote, write(remote, b"".join(lines[:6])))
    remote.configure("[core]\nspool = true\n[remote]\ntimeout = 0.1\n")
    call(remote, write(remote, samples.CLAUDE))
    assert waiting(remote) == {}
    (log,) = logs_there(remote).values()
    assert log.count(b'"tool_called"') == len(samples.STORY)


def test_a_session_waits_since_its_capture_and_not_since_its_start(spooled):
    spooled.go_away()
    before = str(Timestamp.now())
    call(spooled, write(spooled))
    captured_by = str(Timestamp.now())
    since = waiting(spooled)[samples.CLAUDE_ID]["since"]
    assert before <= since <= captured_by
    spooled.at("spool", "push", code=75)
    assert waiting(spooled)[samples.CLAUDE_ID]["since"] == since


@pytest.mark.parametrize("is_away", [True, False])
def test_a_session_that_was_erased_does_not_come_back(spooled, is_away):
    if is_away:
        spooled.go_away()
    path = write(spooled)
    call(spooled, path, "SessionEnd")
    spooled.at("run", "rm", samples.CLAUDE_ID, "--reason", "leaked")
    assert call(spooled, path).get("error") is None
    assert waiting(spooled) == {}


def captured_to_its_end(spooled):
    """A session whose run has ended, arrived, and left the spool; returns its log in the store."""
    lines = samples.CLAUDE.splitlines(keepends=True)
    call(spooled, write(spooled, b"".join(lines[:6])), "SessionEnd")
    spooled.at("spool", "push")
    (day,) = spooled.home.glob(".local/state/aivcs/spool/*/20*")
    shutil.rmtree(day)  # as the push does once the day is over
    (ended,) = logs_there(spooled).values()
    return ended


def require_rest(remote, ended):
    """Requires that the store has a run beside that which ended, with the rest of the session."""
    first, rest = sorted(logs_there(remote).values(), key=lambda log: log != ended)
    assert first == ended
    events = [line for log in (first, rest) for line in log.splitlines() if b'"kind":' in line]
    assert [json.loads(line)["seq"] for line in events] == list(range(1, len(events) + 1))
    assert sum(b'"tool_called"' in line for line in events) == len(samples.STORY)


def test_a_session_goes_on_in_another_run_after_its_end(spooled):
    ended = captured_to_its_end(spooled)
    call(spooled, write(spooled))
    assert waiting(spooled) == {}
    require_rest(spooled, ended)


def test_a_session_that_went_on_after_its_end_while_the_store_was_away(spooled):
    ended = captured_to_its_end(spooled)
    spooled.go_away()
    call(spooled, write(spooled))
    since = waiting(spooled)[samples.CLAUDE_ID]["since"]
    spooled.come_back()
    done = spooled.at("spool", "push", code=15)
    assert waiting(spooled)[samples.CLAUDE_ID]["since"] == since
    assert "or its session went on after the run had ended" in done.err
    assert list(logs_there(spooled).values()) == [ended]
    _, keep, let_go = re.split(": aivcs (?=--store)|; to let it go then: ", done.err.strip())
    spooled(*shlex.split(keep))
    require_rest(spooled, ended)
    subprocess.run(shlex.split(let_go), check=True)
    assert "nothing waits" in spooled.at("spool", "push").err
    assert waiting(spooled) == {}
