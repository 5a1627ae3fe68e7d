"""Real sessions, where they are at hand, through the command."""

import json
import os
from pathlib import Path

import pytest
from conftest import snapshot
from formats.test_real_sessions import SESSIONS, sources

pytestmark = pytest.mark.skipif(not SESSIONS.is_dir(), reason=f"no sessions are in {SESSIONS}")


@pytest.mark.slow
def test_every_session_is_imported_and_a_second_time_nothing_changes(aivcs):
    records = 0
    for path, form in sources():
        done = aivcs.ok("run", "import", "--seal", "--json", str(path))
        told = done.json_lines
        assert told, path
        assert {one["format"] for one in told} == {form}
        assert all(one["status"] != "RUNNING" for one in told), path
        if path.suffix == ".jsonl" and form != "otlp":
            lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
            records += len(lines)
            assert sum(one["events"] for one in told) >= len(lines), path
    assert records > 300
    aivcs.ok("verify")
    before = snapshot(aivcs.store / "runs")
    files = [str(path) for path, _ in sources()]
    aivcs.ok("run", "import", "--seal", *files)
    assert snapshot(aivcs.store / "runs") == before


@pytest.mark.parametrize(
    ("source", "conversion"),
    [
        ("claude-code/claude-code-log/representative_messages.jsonl", "claude"),
        ("codex-rollout/rollout-*.jsonl", "codex"),
        ("gemini-cli/session-*.jsonl", "gemini"),
        ("opencode/run-format-json.jsonl", "opencode"),
        ("mini-swe-agent/done.traj.json", "mini"),
    ],
)
def test_a_run_agrees_with_an_independent_reading(aivcs, source, conversion):
    (path,) = SESSIONS.glob(source)
    (run,) = aivcs.ok("run", "import", str(path)).lines
    oracle = json.loads((SESSIONS / "atif" / f"{conversion}.trajectory.json").read_text())
    events = aivcs.events(run)
    calls = [e["payload"] for e in events if e["kind"] == "tool_called"]
    assert [(call["tool_name"], call["arguments"]) for call in calls] == [
        (call["function_name"], call["arguments"])
        for step in oracle["steps"]
        for call in step.get("tool_calls", [])
    ]
    if conversion == "mini":
        return  # it counts no tokens
    totals = oracle["final_metrics"]
    for ours, theirs in (
        ("input_tokens", "total_prompt_tokens"),
        ("output_tokens", "total_completion_tokens"),
        ("cached_input_tokens", "total_cached_tokens"),
    ):
        used = [e["payload"].get(ours, 0) for e in events if e["kind"] == "model_called"]
        assert sum(used) == totals.get(theirs, 0), ours


def test_sessions_that_hooks_told_of_are_where_they_say():
    told = [
        json.loads(line)
        for path in sorted((SESSIONS / "hooks").glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    from aivcs.commands.hook.programs import PROGRAMS
    from aivcs.commands.hook.run import parse_call

    for one in told:
        call = parse_call(json.dumps(one).encode())
        (program,) = [p for p in PROGRAMS if f"/{p.folder}/" in call.path]
        below = call.path.partition(f"/{program.folder}/")[2]
        assert below.startswith(program.sessions)
        assert program.is_session(os.path.basename(call.path))
        assert call.session
        assert Path(call.folder).is_absolute()
        assert call.is_over is (one["hook_event_name"] == "SessionEnd")
    assert {one["hook_event_name"] for one in told} >= {"Stop", "AfterAgent", "SessionEnd"}
