"""`run exec --events`: what an agent's program prints becomes events as it comes."""

import json
import os
import time
from base64 import b64encode

import pytest
from conftest import snapshot
from formats import samples

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
STREAMS = {
    "claude-code": samples.CLAUDE_STREAM,
    "codex-exec": samples.CODEX_EXEC,
    "gemini-stream": samples.GEMINI_STREAM,
    "opencode": samples.OPENCODE,
}


def printing(aivcs, data, name="stream.jsonl"):
    (aivcs.folder / name).write_bytes(data)
    return ["cat", name]


def calls(events):
    return [
        (payload["tool_name"], kind == "tool_failed")
        for kind, payload in events
        if kind in {"tool_returned", "tool_failed"}
    ]


@pytest.mark.parametrize("form", STREAMS)
@pytest.mark.parametrize("named", [False, True])
def test_the_lines_of_each_program_are_events(execute, aivcs, form, named):
    data = STREAMS[form]
    options = ("--events", form if named else "auto")
    done = execute(*printing(aivcs, data), options=options, code=0)
    assert done.out == data
    events = execute.events
    assert [kind for kind, _ in events][0 :: len(events) - 1] == ["exec_started", "exec_finished"]
    assert len(calls(events)) == 3
    assert [failed for _, failed in calls(events)] == [False, True, False]
    (told,) = events[-1][1]["sessions"]
    assert told["format"] == form
    assert told["tool_failures"] == 1
    assert "output" not in [kind for kind, _ in events]
    assert execute.ending[0] == "COMPLETED"


def test_a_line_without_a_time_has_that_of_its_arrival(execute, aivcs):
    before = time.time()
    execute(*printing(aivcs, samples.CODEX_EXEC), options=("--events", "auto"), code=0)
    first, last = (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) for at in (before, time.time() + 1)
    )
    stamps = [event["timestamp"] for event in aivcs.events(execute.run)]
    assert len(stamps) > 2
    assert all(first <= stamp <= last for stamp in stamps)


def test_a_line_with_a_time_keeps_it(execute, aivcs):
    execute(*printing(aivcs, samples.GEMINI_STREAM), options=("--events", "auto"), code=0)
    (called, *_) = [e for e in aivcs.events(execute.run) if e["kind"] == "tool_called"]
    assert called["timestamp"].startswith("2026-11-01T")


def test_events_are_there_while_the_program_goes_on(execute, aivcs):
    fifo = aivcs.folder / "go"
    os.mkfifo(fifo)
    (aivcs.folder / "first").write_bytes(b"".join(samples.CODEX_EXEC.splitlines(True)[:5]))
    process = execute.start("sh", "-c", "cat first; cat go", options=("--events", "auto"))
    try:
        deadline = time.monotonic() + 30
        kinds = []
        while "tool_called" not in kinds and time.monotonic() < deadline:
            time.sleep(0.05)
            runs = aivcs.ok("run", "list", "-n", "1").lines
            kinds = [e["kind"] for e in aivcs.events(runs[0].split("\t")[0])] if runs else []
        assert "tool_called" in kinds
    finally:
        fifo.write_bytes(b"")
        assert process.wait() == 0


def test_what_is_no_event_is_output(execute, aivcs):
    noise = b"npm notice\n\n1.2.3\n"
    command = ["sh", "-c", "cat noise stream.jsonl; echo oops >&2"]
    (aivcs.folder / "noise").write_bytes(noise)
    printing(aivcs, samples.CODEX_EXEC)
    execute(*command, options=("--events", "auto"), code=0)
    output = [payload for kind, payload in execute.events if kind == "output"]
    told = "".join(f"{p['text']}\n" for p in output if p["stream"] == "stdout")
    assert told.encode() == noise
    assert [p["text"] for p in output if p["stream"] == "stderr"] == ["oops"]
    assert len(calls(execute.events)) == 3


@pytest.mark.parametrize(
    "data", [b"", b"1\n2\n", b"{}\n" * 500, b"no newline", b"{" * 300_000, b'{"kind":{"a":1}}\n']
)
def test_output_in_no_format_is_output(execute, aivcs, data):
    done = execute(*printing(aivcs, data), options=("--events", "auto"), code=0)
    assert done.out == data
    told = "".join(
        payload["text"] + ("\n" if payload.get("newline", True) else "")
        for kind, payload in execute.events
        if kind == "output"
    )
    assert told.encode() == data


def test_a_failure_is_a_failure_though_the_program_exits_with_0(execute, aivcs):
    data = samples.CODEX_EXEC + samples.lines({"type": "turn.failed", "error": {"message": "no"}})
    execute(*printing(aivcs, data), options=("--events", "auto"), code=0)
    assert execute.ending == ("FAILED", 0)
    execute("sh", "-c", "cat stream.jsonl; exit 7", options=("--events", "auto"), code=7)
    assert execute.ending == ("FAILED", 7)


def test_secrets_are_masked_by_their_form_and_by_their_variable(execute, aivcs):
    value = 'quoted "secret" value'
    data = samples.CODEX_EXEC.replace(b"README.md", TOKEN.encode()).replace(
        b"table.csv", json.dumps(value)[1:-1].encode()
    )
    execute(*printing(aivcs, data), options=("--events", "auto"), env={"MY_TOKEN": value}, code=0)
    for path, (_, content) in snapshot(aivcs.store).items():
        assert TOKEN.encode() not in (content or b""), path
        assert b'secret\\" value' not in (content or b""), path
    execute(*printing(aivcs, data), options=("--events", "auto", "--no-redact"), code=0)
    assert TOKEN in str(execute.events)


@pytest.mark.parametrize("capture", ["lines", "blobs"])
def test_a_secret_of_a_fixed_form_is_in_no_part_of_the_record(execute, aivcs, capture):
    half, rest = TOKEN[:9], TOKEN[9:]
    script = (
        f": {TOKEN}; cat stream.jsonl; printf 'x\\377{TOKEN}\\n{half}' >&2; sleep 0.3;"
        f" printf '{rest}\\n\\303\\244{TOKEN}' >&2; printf '\\377{TOKEN}\\n'"
    )
    data = samples.CODEX_EXEC.replace(b"README.md", TOKEN.encode())
    printing(aivcs, data)
    done = execute("sh", "-c", script, options=("--events", "auto", "--capture", capture), code=0)
    assert done.out == data + b"\xff" + TOKEN.encode() + b"\n"
    mask = b"***github-token***"
    assert execute.recorded("stderr") == b"x\xff%b\n%b\n\xc3\xa4%b" % (mask, mask, mask)
    assert execute.events[0][1]["argv"][2].startswith(f": {mask.decode()}; cat")
    log = aivcs.run_log(execute.run).read_bytes().replace(f"printf '{rest}".encode(), b"")
    assert TOKEN.encode() not in log
    assert b64encode(b"\xff" + TOKEN.encode()) not in log


def test_large_payloads_become_blobs(execute, aivcs):
    large = "0123456789" * 150_000
    data = samples.CODEX_EXEC.replace(b"README.md", large.encode())
    execute(*printing(aivcs, data), options=("--events", "auto"), code=0)
    (found,) = [payload for kind, payload in execute.events if "$blob" in str(payload)]
    digest = found["output"]["$blob"]
    assert aivcs.ok("blob", "get", digest).out.decode().startswith(large)
    aivcs.ok("verify")


def test_with_capture_none_only_events_are_recorded(execute, aivcs):
    command = ["sh", "-c", "cat stream.jsonl; echo oops >&2"]
    printing(aivcs, samples.CODEX_EXEC)
    execute(*command, options=("--events", "auto", "--capture", "none"), code=0)
    assert len(calls(execute.events)) == 3
    assert "output" not in [kind for kind, _ in execute.events]


def test_a_format_that_there_is_not_is_a_mistake(execute):
    done = execute("true", options=("--events", "emacs"), code=125)
    assert b"no format is called 'emacs'" in done.err
