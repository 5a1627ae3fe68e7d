"""The newest Codex and Gemini CLI, as npm has them today, against a scripted model.

    pytest -m drift tests/importing/test_drift.py

Their formats change without notice; this is how that is noticed. `AIVCS_TEST_PROGRAMS` names a
folder where they are installed already.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from formats.samples import CODES, PROMPT, SAYS, STORY
from importing.scripted_model import serve

pytestmark = [pytest.mark.drift, pytest.mark.process]
INSTALLED = os.environ.get("AIVCS_TEST_PROGRAMS")
PACKAGES = {"codex": "@openai/codex", "gemini": "@google/gemini-cli"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the programs."""
    if INSTALLED:
        return Path(INSTALLED)
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
    done = subprocess.run([*words, *PACKAGES.values()], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("npm cannot install the programs")
    return folder / "node_modules" / ".bin"


@pytest.fixture
def model():
    server = serve()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def prepare(aivcs, program, model):
    """Configures a program for the model, in the home of the test."""
    home = aivcs.home
    env = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "TMPDIR": str(home)}
    if program == "codex":
        (home / ".codex").mkdir()
        (home / ".codex/config.toml").write_text(
            'model = "mock-1"\nmodel_provider = "mock"\n[model_providers.mock]\nname = "mock"\n'
            f'base_url = "{model}/v1"\nwire_api = "responses"\n'
        )
        return env, [
            "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-hook-trust",
            "--dangerously-bypass-approvals-and-sandbox", PROMPT,
        ]  # fmt: skip
    (home / ".gemini").mkdir()
    auth = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    (home / ".gemini/settings.json").write_text(json.dumps(auth))
    env |= {"GOOGLE_GEMINI_BASE_URL": model, "GEMINI_API_KEY": "x",
            "GEMINI_CLI_TRUST_WORKSPACE": "true"}  # fmt: skip
    return env, ["--yolo", "--output-format", "stream-json", "-p", PROMPT]


def story(events):
    """The commands that were called, and how each went."""
    calls = [e["payload"] for e in events if e["kind"] == "tool_called"]
    results = {
        e["payload"].get("tool_call_id"): e
        for e in events
        if e["kind"] in {"tool_returned", "tool_failed"}
    }
    found = []
    for call in calls:
        command = next(c for c in STORY if c.replace("'", "") in str(call["arguments"]).replace(
            "'", "").replace("\\", "").replace('"', ""))  # fmt: skip
        result = results[call["tool_call_id"]]
        code = result["payload"].get("exit_code") or 0
        found.append((command, code, result["kind"] == "tool_failed"))
    return found


@pytest.mark.parametrize("program", PACKAGES)
def test_what_a_program_does_is_recorded_by_its_hook_and_by_its_output(
    aivcs, installed, model, program
):
    env, words = prepare(aivcs, program, model)
    aivcs.ok("hook", "install", program)
    spec = aivcs.put(b"a spec")
    live = aivcs.ok(
        "run", "exec", "--agent", "live", "--spec", spec, "--events", "auto", "--",
        str(installed / program), *words, env=env, timeout=180,
    )  # fmt: skip
    assert live.out
    wanted = [(command, code, code != 0) for command, code in zip(STORY, CODES, strict=True)]
    deadline = time.monotonic() + 60
    records: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        records = aivcs.ok("run", "list", "--json").json_lines
        ended = [record["status"] != "RUNNING" for record in records]
        if len(records) == 2 and all(ended):
            break
        time.sleep(0.2)
    assert [record["status"] for record in records] == ["COMPLETED"] * 2
    for record in records:
        events = aivcs.events(record["run_id"])
        if record["metadata"]["agent_name"] == "live" and program == "gemini":
            # What it prints says nothing of exit codes; its session file does.
            assert [command for command, _, _ in story(events)] == STORY
        else:
            assert story(events) == wanted
        said = [e["payload"]["content"] for e in events if e["kind"] == "message"]
        assert all(any(text in str(one) for one in said) for text in SAYS)
        unreadable = [e["kind"] for e in events if e["kind"].endswith(".unreadable")]
        assert not unreadable
    (status,) = [
        one for one in aivcs.ok("hook", "status", "--json").json_lines if one["program"] == program
    ]
    assert status["error"] is None
    assert status["captured_at"]
    # The import of what is there finds nothing new, and knows each kind of record.
    told = aivcs.ok("run", "import", "--all", "--seal")
    assert b"unchanged" in told.err
    assert b"not known" not in told.err
