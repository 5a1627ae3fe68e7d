"""Hooks of programs record in the spool, so that a store that is away costs no session."""

import json
import time

import pytest
from formats import samples

pytestmark = pytest.mark.process
FOLDER = ".claude/projects/-srv"


@pytest.fixture
def spooled(remote):
    """The user wants runs to go to a spool first, and waits for no store."""
    remote.configure("[core]\nspool = true\n[remote]\ntimeout = 0.1\n")
    return remote


def write(remote, data, name=f"{samples.CLAUDE_ID}.jsonl"):
    path = remote.home / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def call(remote, path, event="Stop"):
    """Calls the hook as a program does; returns what is known once the capture is over."""
    told = {"session_id": samples.CLAUDE_ID, "transcript_path": path, "hook_event_name": event}
    before = state(remote)
    done = remote(
        "--store", remote.url, "hook", "run", "claude-code", stdin=json.dumps(told), cwd="/",
        command=[str(remote.script)],
    )  # fmt: skip
    assert (done.out, done.err) == ("", "")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        now = state(remote)
        if now != before and "pid" not in now:
            return now
        time.sleep(0.02)
    raise AssertionError("the capture did not end")


def state(remote):
    try:
        path = remote.home / ".local/state/aivcs/hooks/claude-code.json"
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}


def logs(folder):
    return {path.stem: path.read_bytes() for path in folder.glob(".aivcs/runs/*/*.jsonl")}


def logs_there(remote):
    remote("clone", remote.url, str(remote.folder / "copy"))
    return logs(remote.folder / "copy")


def waiting(remote):
    return {json.loads(line)["run_id"] for line in remote.at("spool", "list", "--json").lines}


def test_a_session_is_captured_while_the_store_is_away_and_arrives_later(spooled):
    spooled.go_away()
    lines = samples.CLAUDE.splitlines(keepends=True)
    now = call(spooled, write(spooled, b"".join(lines[:6])))
    assert (now["run"], now.get("error")) == (samples.CLAUDE_ID, None)
    path = write(spooled, samples.CLAUDE)
    child = f"{samples.CLAUDE_ID}/subagents/agent-a1.jsonl"
    write(spooled, samples.CLAUDE_SUBAGENT, child)
    now = call(spooled, path, "SessionEnd")
    assert (now["run"], now.get("error")) == (samples.CLAUDE_ID, None)
    assert now["store"] == spooled.url
    assert waiting(spooled) == {samples.CLAUDE_ID, f"{samples.CLAUDE_ID}.a1"}
    (status,) = [json.loads(line) for line in spooled.at("hook", "status", "--json").lines]
    assert (status["error"], status["behind"]) == (None, 0)
    assert "2 runs wait" in spooled.at("status", code=75).err
    spooled.come_back()
    spooled.at("spool", "push")
    assert waiting(spooled) == set()
    (place,) = {path.parents[3] for path in spooled.home.glob(
        ".local/state/aivcs/spool/*/*/.aivcs/runs/*/*.jsonl")}  # fmt: skip
    assert logs_there(spooled) == logs(place)
    # The same import into a store of this machine gives the same lines.
    spooled("init", "local")
    local = spooled.folder / "local"
    spooled("run", "import", "--seal", path, str(spooled.home / FOLDER / child), cwd=local)
    events = {name: log.splitlines()[:-1] for name, log in logs(local).items()}
    assert events == {name: log.splitlines()[:-1] for name, log in logs(place).items()}


def test_a_session_that_began_in_the_store_goes_on_there(remote):
    lines = samples.CLAUDE.splitlines(keepends=True)
    call(remote, write(remote, b"".join(lines[:6])))
    remote.configure("[core]\nspool = true\n[remote]\ntimeout = 0.1\n")
    call(remote, write(remote, samples.CLAUDE))
    assert waiting(remote) == set()
    (log,) = logs_there(remote).values()
    assert log.count(b'"tool_called"') == len(samples.STORY)
