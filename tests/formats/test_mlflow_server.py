"""What `run export --to` posts is taken by a real MLflow server, and read back from it.

`AIVCS_TEST_MLFLOW` names the Python of an environment with MLflow, which is large: the test skips
without it.
"""

import json
import os
import subprocess
import time
import urllib.request

import pytest

PYTHON = os.environ.get("AIVCS_TEST_MLFLOW", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="AIVCS_TEST_MLFLOW names no Python with MLflow"),
]
PORT = 28_650
READ_BACK = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
(trace,) = mlflow.search_traces(locations=["0"], return_type="list")
print(json.dumps({
    "id": trace.info.trace_id,
    "state": str(trace.info.state),
    "spans": [
        {"name": s.name, "status": s.status.status_code.name, "message": s.status.description,
         "attributes": s.attributes}
        for s in trace.data.spans
    ],
}, default=str))
"""


@pytest.fixture
def server(tmp_path):
    """The URL of an MLflow server that knows nothing yet."""
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [PYTHON, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(PORT),
         "--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db",
         "--default-artifact-root", str(tmp_path / "artifacts")],
        cwd=tmp_path, stdout=log, stderr=log, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    url = f"http://127.0.0.1:{PORT}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def test_a_run_is_a_trace_with_its_spans_failures_and_tokens(aivcs, server):
    run = aivcs.begin()
    events = [
        ("message", {"role": "user", "content": "Read it."}),
        ("message", {"role": "assistant", "content": "I do."}),
        ("model_called", {"model": "m", "input_tokens": 10, "output_tokens": 3}),
        ("tool_called", {"tool_name": "bash", "tool_call_id": "c1", "arguments": {"command": "x"}}),
        (
            "tool_failed",
            {"tool_name": "bash", "tool_call_id": "c1", "output": "no", "exit_code": 1},
        ),
    ]
    lines = "".join(json.dumps({"kind": k, "payload": p}) + "\n" for k, p in events)
    aivcs.ok("run", "log", "--stdin", run, stdin=lines)
    aivcs.ok("run", "finish", run, "--exit-code", "1")
    env = {"OTEL_EXPORTER_OTLP_HEADERS": "x-mlflow-experiment-id=0"}
    for _ in range(2):  # twice is the same trace
        aivcs.ok("run", "export", run, "--to", server, env=env)
    done = subprocess.run(
        [PYTHON, "-c", READ_BACK, server], capture_output=True, text=True, check=True, timeout=600
    )
    trace = json.loads(done.stdout.splitlines()[-1])
    assert trace["state"].endswith("ERROR")
    spans = {span["name"]: span for span in trace["spans"]}
    assert set(spans) == {"invoke_agent bot", "chat m", "execute_tool bash"}
    assert len(trace["spans"]) == 3
    assert spans["execute_tool bash"]["status"] == "ERROR"
    assert "exit code 1" in spans["execute_tool bash"]["message"]
    assert str(spans["chat m"]["attributes"]["gen_ai.usage.input_tokens"]) == "10"
