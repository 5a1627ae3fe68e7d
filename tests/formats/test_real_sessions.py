"""Real sessions, where they are at hand; each format against an independent reading of the same."""

import json
import os
from pathlib import Path

import pytest
from formats.reading import read
from formats.test_hostile import check

from aivcs.formats import registry
from aivcs.formats.errors import FormatError

SESSIONS = Path(
    os.environ.get(
        "AIVCS_TEST_SESSIONS",
        Path(__file__).resolve().parents[2].parent / "shared" / "data" / "agent-sessions",
    )
)
pytestmark = pytest.mark.skipif(not SESSIONS.is_dir(), reason=f"no sessions are in {SESSIONS}")
FORMATS = {
    "atif": "atif",
    "claude-code": "claude-code",
    "claude-code-stream-json": "claude-code",
    "codex-exec-json": "codex-exec",
    "codex-rollout": "codex",
    "gemini-cli": "gemini-cli",
    "inspect-ai": "inspect-ai",
    "mini-swe-agent": "mini-swe-agent",
    "mlflow": "mlflow",
    "opencode": "opencode",
    "otlp-json": "otlp",
    "openhands": "openhands",
    "swe-agent": "swe-agent",
}
"""The format of each folder."""
OTHERS = (
    ".meta.json", "schema_drift.json", "session_branch.jsonl", "session_simple.jsonl",
    "session_toolcall.jsonl", "telemetry-outfile-excerpt.jsonl",
    "v1-base_state.json",
)  # fmt: skip
"""Files of these folders that no program wrote as a session."""


def sources():
    return [
        (path, FORMATS[folder])
        for folder in FORMATS
        for path in sorted((SESSIONS / folder).rglob("*.*"))
        if path.suffix in {".json", ".jsonl", ".traj"} and not path.name.endswith(OTHERS)
    ]


def test_every_session_is_known_and_no_record_of_it_is_dropped():
    records = 0
    for path, form in sources():
        data = path.read_bytes()
        found = registry.detect(data)
        assert found.name == form, path
        told = read(data, hint=found.hint(str(path)))
        check(told)
        assert told.events, path
        if path.suffix == ".jsonl" and form != "otlp":
            lines = [n for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
            records += len(lines)
            assert {event.line for event in told.events} == set(lines), path
    assert records > 300


@pytest.mark.parametrize("every", [977, 29_999])
def test_a_session_that_grows_only_adds_events(every):
    for path, form in sources():
        data = path.read_bytes()
        if len(data) > 60_000 and every < 10_000:
            continue
        whole = read(data, form, final=False)
        for end in range(every, len(data), every):
            part = read(data[:end], form, final=False)
            assert part.events == whole.events[: len(part.events)], path


def test_what_is_not_a_session_of_these_formats_is_not_taken_for_one():
    for folder in ("aider", "copilot-cli", "cursor", "hooks", "openai-agents"):
        for path in (SESSIONS / folder).iterdir():
            if path.is_file():
                with pytest.raises(FormatError):
                    registry.detect(path.read_bytes())


@pytest.mark.parametrize(
    ("source", "conversion"),
    [
        ("claude-code/claude-code-log/representative_messages.jsonl", "claude"),
        ("codex-rollout/rollout-*.jsonl", "codex"),
        ("gemini-cli/session-*.jsonl", "gemini"),
        ("opencode/run-format-json.jsonl", "opencode"),
    ],
)
def test_calls_and_tokens_are_those_of_an_independent_reading(source, conversion):
    (path,) = SESSIONS.glob(source)
    told = read(path.read_bytes())
    oracle = json.loads((SESSIONS / "atif" / f"{conversion}.trajectory.json").read_text())
    calls = [call for step in oracle["steps"] for call in step.get("tool_calls", [])]
    assert [(name, arguments) for name, arguments, _ in told.calls()] == [
        (call["function_name"], call["arguments"]) for call in calls
    ]
    totals, figures = oracle["final_metrics"], told.outcome.figures
    assert figures["input_tokens"] == totals["total_prompt_tokens"]
    assert figures["output_tokens"] == totals["total_completion_tokens"]
    assert figures["cached_input_tokens"] == totals.get("total_cached_tokens", 0)
    assert told.outcome.session.id == oracle["session_id"]


def test_the_failed_command_of_each_real_run_failed():
    """Four readings of two runs; each program says `completed` or `success` somewhere."""
    for source in (
        "codex-rollout/rollout-*.jsonl", "codex-exec-json/completed.jsonl",
        "opencode/run-format-json.jsonl", "mini-swe-agent/done.traj.json",
        "gemini-cli/session-*.jsonl", "otlp-json/codex-*-logs.jsonl",
        "otlp-json/gemini-cli-*-traces.jsonl",
        "otlp-json/gemini-cli-*-logs.jsonl", "otlp-json/python-file-exporter-genai.jsonl",
        "atif/codex.trajectory.json", "atif/gemini.trajectory.json", "atif/mini.trajectory.json",
    ):  # fmt: skip
        (path,) = SESSIONS.glob(source)
        told = read(path.read_bytes())
        (failure,) = told.of("tool_failed")
        assert failure["exit_code"] == 1, path
        assert "No such file or directory" in failure["error"], path
        assert len(told.of("tool_called")) == (
            4 if "mini-swe" in source or "/mini" in source else 3
        ), path
