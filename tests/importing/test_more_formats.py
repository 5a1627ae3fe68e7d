"""Formats whose events are those of the source itself, and those without a proof of a failure."""

import json

import pytest
from conftest import sha256
from formats import samples
from formats.reading import read
from formats.samples import CODES, GOLDEN, OUTPUTS, PROMPT, SAYS, STORY

from aivcs.formats.errors import FormatError


def write(aivcs, data, name="source.json"):
    path = aivcs.folder / name
    path.write_bytes(data)
    return str(path)


def test_a_trace_of_upstream_keeps_its_replay_digest(aivcs):
    (run,) = aivcs.ok("run", "import", write(aivcs, samples.TRACE_FILE)).lines
    assert run == samples.RUN_ID
    record = aivcs.record(run)
    assert record["spec_digest"] == samples.SPEC
    assert (record["status"], record["metadata"]["agent_name"]) == ("COMPLETED", "graph-bot")
    assert record["created_at"] == "2024-06-01T11:59:59.000000Z"
    assert record["completed_at"] == "2024-06-01T12:00:01.250000Z"
    assert record["summary"]["duration_ms"] == 2250
    assert aivcs.ok("run", "digest", run, "--replay").text == samples.GOLDEN_DIGEST
    exported = aivcs.ok("run", "export", run, "--format", "trace").json
    assert exported == samples.TRACE_ARTIFACT


@pytest.mark.parametrize(
    "edit",
    [(b"golden_graph", b"silver_graph"), (b'"seq": 3', b'"seq": 4'),
     (b"node_exited", b"node_Exited"), (b"12:00:00Z", b"12:00:00.5Z"), (b"f5557fd1", b"a5557fd1")],
)  # fmt: skip
def test_a_trace_that_was_edited_is_refused(aivcs, edit):
    data = samples.TRACE_FILE.replace(*edit)
    assert data != samples.TRACE_FILE
    done = aivcs("run", "import", write(aivcs, data), code=2)
    assert "replay digest" in done.complaint
    assert all(record["status"] == "RUNNING"
               for record in aivcs.ok("run", "list", "--json").json_lines)  # fmt: skip


def test_the_log_of_another_store_is_a_run_here(aivcs, tmp_path):
    aivcs.ok("run", "import", write(aivcs, samples.RUN_LOG))
    record = aivcs.record(samples.RUN_ID)
    assert (record["status"], record["summary"]["duration_ms"]) == ("FAILED", 77)
    assert record["completed_at"] == "2024-06-01T12:00:01.250000Z"
    assert record["metadata"]["git_sha"] == "c0ffee"
    assert record["metadata"]["tags"]["task"] == "golden"
    events = [(event["kind"], event["payload"]) for event in aivcs.events(samples.RUN_ID)]
    assert events == GOLDEN
    exported = aivcs.ok("run", "export", samples.RUN_ID, "--format", "jsonl").out
    other = tmp_path / "other"
    aivcs.ok("init", str(other))
    store = ["--store", str(other / ".aivcs")]
    aivcs.ok(*store, "run", "import", write(aivcs, exported, "exported.jsonl"))
    *there, last = aivcs.ok(*store, "run", "events", samples.RUN_ID, "--json").json_lines
    assert there == aivcs.events(samples.RUN_ID)
    # Remarks on the run follow its log: here, that of where it came from.
    assert (last["kind"], last["payload"]["kind"]) == ("run-log.annotation", "import.source")


@pytest.mark.parametrize("line", [0, 2, 5])
def test_a_log_that_was_edited_is_refused_at_the_line(aivcs, line):
    lines = samples.RUN_LOG.splitlines(keepends=True)
    lines[line] = lines[line].replace(b"2024-06-01", b"2024-06-02")
    done = aivcs("run", "import", write(aivcs, b"".join(lines)), code=2)
    assert f"line {line + 1}: its hash" in done.complaint
    del lines[1]
    aivcs("run", "import", write(aivcs, b"".join(lines)), code=2)


def test_steps_of_swe_agent_are_calls_with_their_outputs():
    told = read(samples.SWE)
    assert [(name, arguments["command"]) for name, arguments, _ in told.calls()] == [
        ("ls", STORY[0]), ("cat", STORY[1]), ("printf", STORY[2]),
    ]  # fmt: skip
    assert [payload["output"] for payload in told.of("tool_returned")] == OUTPUTS
    assert [payload["duration_ms"] for payload in told.of("tool_returned")] == [250] * 3
    assert [payload["content"] for payload in told.of("message")] == SAYS
    assert told.outcome.status == "completed"
    assert told.outcome.figures == {
        "tool_calls": 3, "input_tokens": 4200, "output_tokens": 160, "model_calls": 4,
        "cost_usd": 0.5,
    }  # fmt: skip
    assert len(told.of("swe-agent.history")) == len(samples.SWE_MESSAGES)
    failed = read(samples.SWE.replace(b'"submitted"', b'"submitted (exit_cost)"'))
    assert failed.outcome.status == "failed"


def test_a_history_of_swe_agent_without_steps_is_read():
    told = read(samples.SWE_HISTORY)
    assert told.calls() == [("bash", {"command": "ls"}, (None, False))]
    assert [payload["role"] for payload in told.of("message")] == ["system", "user", "assistant"]


@pytest.mark.parametrize("sample", ["openhands", "openhands-old"])
def test_openhands_tells_failures_by_exit_codes(sample):
    told = read(samples.ALL[sample][1])
    assert [arguments for _, arguments, _ in told.calls()] == [{"command": c} for c in STORY]
    assert [outcome for _, _, outcome in told.calls()] == [(code, code != 0) for code in CODES]
    messages = [(payload["role"], payload["content"]) for payload in told.of("message")]
    assert messages == [("user", PROMPT), *(("assistant", said) for said in SAYS)]


def test_openhands_times_without_a_zone_are_taken_as_utc():
    assert read(samples.OPENHANDS).events[0].timestamp == "2026-11-01T10:00:01.250000Z"
    assert read(samples.OPENHANDS).outcome.unknown == {"openhands.BrandNewEvent": 1}


def test_spans_of_the_openai_agents_sdk_are_calls_and_messages():
    told = read(samples.OPENAI_AGENTS)
    assert [(name, arguments) for name, arguments, _ in told.calls()] == [
        ("shell", {"command": command}) for command in STORY
    ]
    (failed,) = told.of("tool_failed")
    assert "No such file" in failed["error"]
    assert [(m["role"], m["content"]) for m in told.of("message")] == [
        ("user", PROMPT), *(("assistant", said) for said in SAYS),
    ]  # fmt: skip
    assert told.outcome.figures["input_tokens"] == 900 + 1000 + 1100
    assert (told.outcome.status, told.outcome.session.agent) == ("completed", "table-agent")
    assert told.outcome.session.id == "trace_5e55"


def test_a_chain_is_that_of_the_file_format():
    """The sample is what sha256sum gives, not what the reader does."""
    first, second = samples.RUN_LOG.splitlines()[:2]
    body, _, rest = second.rpartition(b',"hash":"')
    assert rest[:-2].decode() == sha256(json.loads(first)["hash"].encode() + body)
    with pytest.raises(FormatError):
        read(second + b"\n", "run-log")
