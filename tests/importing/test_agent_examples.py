"""The examples that record agents' programs do what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from formats import samples

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.process


@pytest.fixture
def bash(aivcs, tmp_path):
    """Runs a script where `aivcs` and the given programs are installed; each prints a text."""
    programs = tmp_path / "programs"
    programs.mkdir()

    def add(name, text):
        path = programs / name
        path.write_text(text)
        path.chmod(0o755)

    add("aivcs", f'#!/bin/sh\nexec "{sys.executable}" -P -m aivcs "$@"\n')

    def run(script, *arguments, env=None, **printed):
        for name, data in printed.items():
            (tmp_path / name).write_bytes(data)
            add(name, f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\ncat {tmp_path / name}\n')
        path = f"{programs}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", *script, *arguments], cwd=aivcs.folder, capture_output=True, check=False,
            env=aivcs.environment(PATH=path, **(env or {})), timeout=60,
        )  # fmt: skip

    return run


def test_three_programs_are_recorded(aivcs, bash, tmp_path):
    printed = {
        "claude": samples.CLAUDE_STREAM,
        "codex": samples.CODEX_EXEC,
        "gemini": samples.GEMINI_STREAM,
    }
    done = bash([str(EXAMPLES / "agents.sh")], samples.PROMPT, **printed)
    assert done.returncode == 0, done
    assert done.stdout.startswith(b"".join(printed.values()))
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"-p {samples.PROMPT} --output-format stream-json --verbose",
        f"exec --json {samples.PROMPT}",
        f"-p {samples.PROMPT} --output-format stream-json",
    ]
    rows = [line.split("\t") for line in aivcs.ok("run", "list").lines]
    assert [(row[1], row[2]) for row in rows] == [
        ("gemini-cli", "COMPLETED"), ("codex", "COMPLETED"), ("claude-code", "COMPLETED"),
    ]  # fmt: skip
    for row in rows:
        kinds = [event["kind"] for event in aivcs.events(row[0])]
        assert kinds.count("tool_called") == 3
        assert kinds.count("tool_failed") == 1


def test_the_execution_file_of_a_workflow_is_imported(aivcs, bash, tmp_path):
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((EXAMPLES / "claude-code-action.yml").read_text())
    steps = workflow["jobs"]["claude"]["steps"]
    (step,) = [step for step in steps if step.get("name") == "Keep the session"]
    assert step["if"] == "always()"
    assert "${{" not in step["run"], "data in a script would be a part of it"
    (aivcs.folder / "ci").mkdir()
    (aivcs.folder / "ci/store.sh").write_text('echo store.sh "$@"\n')
    file = tmp_path / "claude-execution-output.json"
    file.write_bytes(samples.CLAUDE_EXECUTION)
    summary = tmp_path / "summary"
    summary.write_text("")
    env = {"EXECUTION_FILE": str(file), "GITHUB_STEP_SUMMARY": str(summary)}
    done = bash(["-e", "-o", "pipefail", "-c", step["run"]], env=env)
    assert done.returncode == 0, done
    assert done.stdout.decode().splitlines()[-1] == f"store.sh save Run {samples.CLAUDE_ID}"
    record = aivcs.record(samples.CLAUDE_ID)
    assert (record["status"], record["metadata"]["agent_name"]) == ("COMPLETED", "claude")
    assert samples.CLAUDE_ID in summary.read_text().replace("\\", "")
