"""What a run is written as: read back by the readers of the same form, and by other people's."""

import json
from itertools import count
from typing import Any

import pytest
from formats.reading import read
from formats.test_real_sessions import SESSIONS, sources

from aivcs.formats.write import atif, markdown, otlp, trace
from aivcs.formats.write.run import Run
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp

BEGIN = Timestamp("2026-01-31T12:00:00Z")
TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


def run_of(events, *, status=RunStatus.COMPLETED, agent="bot", tags=None):
    """A run with events given as (kind, payload) or RunEvent, a second apart."""
    numbers = count(1)
    made = [
        event
        if isinstance(event, RunEvent)
        else RunEvent(event[0], event[1], seq=n, timestamp=f"2026-01-31T12:00:{n % 60:02}Z")
        for n, event in zip(numbers, events, strict=False)
    ]
    summary = RunSummary(
        success=status is RunStatus.COMPLETED, total_events=len(made), duration_ms=1000
    )
    record = RunRecord(
        run_id=RunId("a-run"),
        spec_digest=ContentDigest.from_bytes(b"spec"),
        metadata=RunMetadata(agent, tags=tags),
        status=status,
        summary=None if status is RunStatus.RUNNING else summary,
        created_at=BEGIN,
        completed_at=None if status is RunStatus.RUNNING else Timestamp("2026-01-31T13:00:00Z"),
    )
    return Run(record, Head(1, 64 * "0"), iter(made))


def imported(told):
    """The run that an import would make of one session of a source."""
    events = [
        RunEvent(
            e.kind, e.payload, seq=e.seq, timestamp=e.timestamp or f"2026-01-31T12:00:00.{n:06}Z"
        )
        for n, e in enumerate(told)
    ]
    return run_of(events)


def texts(pieces):
    return "".join(pieces)


def otlp_of(run):
    return texts(otlp.write(run, version="0"))


def atif_of(run):
    return texts(atif.write(run, version="0"))


def spans_in(text):
    return [
        span
        for line in text.splitlines()
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


def attributes(span):
    return {pair["key"]: next(iter(pair["value"].values())) for pair in span.get("attributes", ())}


def sessions():
    """All sessions of all samples."""
    found = []
    if SESSIONS.is_dir():
        for path, form in sources():
            told = read(path.read_bytes(), form)
            found += [
                pytest.param(
                    [e for e in told.events if e.session == session.id],
                    id=f"{path.parent.name}/{path.name}/{session.id[:8]}",
                )
                for session in told.sessions
            ]
    return found


def calls(events):
    """Which tools were called with what, in which order, and which calls failed."""
    waiting: dict[Any, Any] = {}
    found = []
    for e in events:
        call_id = e.payload.get("tool_call_id")
        if e.kind == "tool_called":
            found.append([e.payload["tool_name"], e.payload["arguments"], None])
            waiting.setdefault(call_id, []).append(found[-1])
        elif e.kind in {"tool_returned", "tool_failed"} and waiting.get(call_id):
            waiting[call_id].pop(0)[2] = e.kind
    return found


def tokens(events):
    return {
        name: sum(e.payload.get(name) or 0 for e in events if e.kind == "model_called")
        for name in TOKENS
    }


@pytest.mark.skipif(not SESSIONS.is_dir(), reason=f"no sessions are in {SESSIONS}")
class TestRealSessions:
    @pytest.mark.parametrize("events", sessions())
    @pytest.mark.parametrize(("form", "write"), [("otlp", otlp_of), ("atif", atif_of)])
    def test_read_back_have_the_same_calls_failures_and_tokens(self, events, form, write):
        told = read(write(imported(events)).encode(), form)
        assert [s.id for s in told.sessions] == ["a-run"]
        expected = calls(events)
        if form == "atif":  # whose arguments are objects
            for call in expected:
                call[1] = call[1] if isinstance(call[1], dict) else {"value": call[1]}
        assert calls(told.events) == expected
        assert tokens(told.events) == tokens(events)

    def test_are_valid_trajectories(self):
        models = pytest.importorskip("atif", reason="the models of ATIF are not installed")
        for parameter in sessions():
            (events,) = parameter.values
            models.Trajectory.model_validate_json(atif_of(imported(events)))


def a_call(number, tool="bash", **arguments):
    members = {"tool_name": tool, "tool_call_id": f"c{number}", "arguments": arguments}
    return "tool_called", members


def a_result(number, output="", *, tool="bash", kind="tool_returned", **more):
    return kind, {"tool_name": tool, "tool_call_id": f"c{number}", "output": output, **more}


PARALLEL = [
    ("message", {"role": "user", "content": "Do both."}),
    ("thinking", {"content": "Both at once."}),
    ("message", {"role": "assistant", "content": "I do."}),
    a_call(1, command="cat missing"), a_call(2, tool="read", path="a"),
    ("model_called", {"model": "m", "input_tokens": 10, "cached_input_tokens": 4,
                      "output_tokens": 3, "cost_usd": 0.5}),
    a_result(2, "text of a", tool="read"),
    a_result(1, "No such file", kind="tool_failed", exit_code=1, error="No such file"),
    a_call(3, command="sleep"),
    ("evaluation", {"name": "quality", "score": 0.25, "label": "poor"}),
    ("custom.thing", {"a": [1, 2.5]}),
]  # fmt: skip
"""Two calls at once that end in the other order, one that never ends, and what else there is."""


class TestOtlp:
    def test_ids_are_those_of_run_and_seq_so_twice_is_the_same(self, files):
        text = otlp_of(run_of(PARALLEL))
        assert text == otlp_of(run_of(PARALLEL))
        spans = spans_in(text)
        assert {span["traceId"] for span in spans} == {files.sha256("a-run")[:32]}
        root = files.sha256("a-run/")[:16]
        of_calls = [span for span in spans if span["name"].startswith("execute_tool")]
        assert [s["spanId"] for s in of_calls] == [files.sha256(f"a-run/{n}")[:16] for n in (4, 5)]
        assert {span.get("parentSpanId") for span in spans} == {None, root}
        assert len({span["spanId"] for span in spans}) == len(spans)

    def test_the_root_says_what_ran_and_how_it_ended(self):
        (line,) = otlp_of(run_of(PARALLEL, status=RunStatus.FAILED)).splitlines()
        root = spans_in(line)[-1]
        assert root["name"] == "invoke_agent bot"
        assert root["status"] == {"code": 2, "message": "failed"}
        assert (root["startTimeUnixNano"], root["endTimeUnixNano"]) == (
            "1769860800000000000", "1769864400000000000",
        )  # fmt: skip
        said = attributes(root)
        assert said["gen_ai.conversation.id"] == said["aivcs.run.id"] == "a-run"
        assert said["aivcs.run.status"] == "FAILED"
        assert json.loads(said["gen_ai.input.messages"])[0]["parts"][0]["content"] == "Do both."

    def test_a_running_run_ends_with_its_last_event(self):
        root = spans_in(otlp_of(run_of(PARALLEL, status=RunStatus.RUNNING)))[-1]
        assert root["endTimeUnixNano"] == "1769860811000000000"
        assert root["status"] == {}

    def test_a_failure_has_its_message_its_type_and_its_exit_code(self):
        failed, read_ = spans_in(otlp_of(run_of(PARALLEL)))[:2]
        assert failed["status"] == {"code": 2, "message": "No such file"}
        assert attributes(failed)["error.type"] == "error"
        assert attributes(failed)["process.exit.code"] == "1"
        assert attributes(failed)["gen_ai.tool.call.result"] == "No such file"
        assert (read_["status"], "error.type" in attributes(read_)) == ({}, False)

    def test_read_back_it_tells_the_same(self):
        told = read(otlp_of(run_of(PARALLEL)).encode())
        assert calls(told.events) == [
            ["bash", {"command": "cat missing"}, "tool_failed"],
            ["read", {"path": "a"}, "tool_returned"],
            ["bash", {"command": "sleep"}, None],
        ]
        (failure,) = told.of("tool_failed")
        assert (failure["exit_code"], failure["error"]) == (1, "No such file")
        assert tokens(told.events)["input_tokens"] == 10
        (score,) = told.of("evaluation")
        assert (score["name"], score["score"], score["label"]) == ("quality", 0.25, "poor")
        assert [m["content"] for m in told.of("message")][:2] == ["Do both.", "I do."]

    def test_a_clock_that_went_back_leaves_the_order_of_calls(self):
        events = []
        for n in range(5):
            (kind, call), (ended, result) = a_call(n, x=n), a_result(n)
            at = f"2026-01-31T12:00:{30 - 5 * n:02}Z"
            events += [
                RunEvent(kind, call, seq=2 * n + 1, timestamp=at),
                RunEvent(ended, result, seq=2 * n + 2, timestamp=at),
            ]
        told = read(otlp_of(run_of(events)).encode())
        assert [arguments["x"] for _, arguments, _ in calls(told.events)] == [0, 1, 2, 3, 4]

    def test_a_line_is_no_longer_than_a_server_takes(self):
        events = [("note", {"text": "x" * 10_000}) for _ in range(500)]
        lines = otlp_of(run_of(events)).splitlines()
        assert len(lines) > 4
        assert max(map(len, lines)) < otlp.MAX_CHARS + 20_000
        assert len([span for line in lines for span in spans_in(line)]) == 501

    def test_integers_of_64_bits_are_texts_and_greater_ones_are_no_integers(self):
        run = run_of([], tags={"n": 2**62, "big": 2**70, "yes": True, "half": 0.5})
        values = {pair["key"]: pair["value"] for pair in spans_in(otlp_of(run))[-1]["attributes"]}
        assert values["aivcs.tag.n"] == {"intValue": str(2**62)}
        assert values["aivcs.tag.big"] == {"stringValue": str(2**70)}
        assert values["aivcs.tag.yes"] == {"boolValue": True}
        assert values["aivcs.tag.half"] == {"doubleValue": 0.5}


class TestAtif:
    def test_a_step_is_what_one_call_of_a_model_brought(self):
        trajectory = json.loads(atif_of(run_of(PARALLEL)))
        assert [s["step_id"] for s in trajectory["steps"]] == [1, 2, 3, 4, 5]
        user, first, second, *others = trajectory["steps"]
        assert (user["source"], user["message"]) == ("user", "Do both.")
        assert (first["message"], first["reasoning_content"]) == ("I do.", "Both at once.")
        assert [c["tool_call_id"] for c in first["tool_calls"]] == ["c1", "c2"]
        assert first["metrics"] == {
            "prompt_tokens": 10, "completion_tokens": 3, "cached_tokens": 4, "cost_usd": 0.5,
        }  # fmt: skip
        failed = first["observation"]["results"][1]
        assert failed["source_call_id"] == "c1"
        assert failed["extra"] == {"is_error": True, "exit_code": 1, "error": "No such file"}
        assert [c["tool_call_id"] for c in second["tool_calls"]] == ["c3"]
        assert [o["extra"]["kind"] for o in others] == ["evaluation", "custom.thing"]
        assert trajectory["final_metrics"] == {
            "total_prompt_tokens": 10, "total_completion_tokens": 3, "total_cached_tokens": 4,
            "total_cost_usd": 0.5, "total_steps": 5,
        }  # fmt: skip

    def test_is_valid_whatever_the_events_are(self):
        models = pytest.importorskip("atif", reason="the models of ATIF are not installed")
        strange = [
            ("tool_called", {"tool_name": "t"}), ("tool_called", {"tool_name": "t", "args": "x"}),
            ("tool_returned", {"tool_name": "t", "result": {"a": 1}}), ("note", None),
            ("tool_returned", {"tool_name": "never called", "output": [1]}), ("note", [1]),
            ("message", {"role": "tool", "content": [{"type": "image"}]}), ("note", "x"),
            ("model_called", {}), ("thinking", {}), ("tool_called", "no object"),
        ]  # fmt: skip
        for events in (strange, PARALLEL, [], strange[::-1]):
            models.Trajectory.model_validate_json(atif_of(run_of(events)))

    def test_read_back_it_tells_the_same(self):
        told = read(atif_of(run_of(PARALLEL)).encode())
        assert calls(told.events) == [
            ["bash", {"command": "cat missing"}, "tool_failed"],
            ["read", {"path": "a"}, "tool_returned"],
            ["bash", {"command": "sleep"}, None],
        ]
        assert told.outcome.figures["input_tokens"] == 10
        assert told.outcome.figures["cost_usd"] == 0.5

    def test_a_call_that_never_ends_does_not_hold_back_a_long_run(self):
        events = [a_call(0)]
        for n in range(1, 2000):
            events += [a_call(n), a_result(n)]
        pieces, run = [], run_of(events)
        reading = atif.write(run, version="0")
        for _ in range(3):
            pieces.append(next(reading))
        assert next(run.events).seq < 2000
        pieces += reading
        assert len(json.loads(texts(pieces))["steps"]) >= 1000


GOLDEN = [
    RunEvent(kind, payload, seq=n, timestamp="2024-06-01T12:00:00Z")
    for n, (kind, payload) in enumerate(
        [
            ("graph_started", {"graph_name": "golden_graph", "entry_point": "start"}),
            ("node_entered", {"node_id": "node_0", "iteration": 1}),
            ("node_exited", {"node_id": "node_0", "next_node": None, "duration_ms": 42}),
            ("graph_completed", {"iterations": 1, "duration_ms": 100}),
        ],
        1,
    )
]
"""The events of upstream's golden test, and the digest that it has for them."""
GOLDEN_DIGEST = "f5557fd15de85c61ff7507c0b97c671f8ba7471324794df16ceb54b906b0c3f8"


class TestTrace:
    def test_the_digest_is_that_of_upstream(self):
        assert trace.replay_digest(GOLDEN) == GOLDEN_DIGEST

    def test_an_artifact_has_upstreams_members(self, files):
        artifact = json.loads(texts(trace.write(run_of(GOLDEN))))
        assert list(artifact) == [
            "run_id", "spec_digest", "agent_name", "status", "created_at", "completed_at", "events",
            "replay_digest", "event_count",
        ]  # fmt: skip
        assert (artifact["status"], artifact["event_count"]) == ("Completed", 4)
        assert artifact["replay_digest"] == GOLDEN_DIGEST
        assert artifact["created_at"] == "2026-01-31T12:00:00Z"
        empty = json.loads(texts(trace.write(run_of([], status=RunStatus.RUNNING))))
        assert empty["replay_digest"] == files.sha256("[]")
        assert (empty["events"], empty["event_count"], empty["completed_at"]) == ([], 0, None)

    @pytest.mark.parametrize(
        ("fraction", "text"),
        [("", ""), (".1", ".100"), (".12", ".120"), (".123456", ".123456"), (".000001", ".000001")],
    )
    def test_times_have_as_many_digits_as_they_need(self, fraction, text):
        moment = Timestamp(f"2024-06-01T12:00:00{fraction}Z")
        assert trace.time_text(moment) == f"2024-06-01T12:00:00{text}Z"

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (1.0, "1.0"), (0.1, "0.1"), (-0.0, "-0.0"), (1e15, "1000000000000000.0"),
            (1e16, "1e16"),
            (1.5e300, "1.5e300"), (0.00001, "0.00001"), (1.25e-5, "0.0000125"), (-1e-5, "-0.00001"),
            (1e-6, "1e-6"), (5e-324, "5e-324"),
        ],
    )  # fmt: skip
    def test_doubles_are_written_as_ryu_does(self, number, text, files):
        event = RunEvent("k", {"n": [number]}, seq=1, timestamp="2024-06-01T12:00:00Z")
        before = '[{"seq":1,"kind":"k","payload":{"n":['
        after = ']},"timestamp":"2024-06-01T12:00:00Z"}]'
        assert trace.replay_digest([event]) == files.sha256(before + text + after)


class TestMarkdown:
    def test_shows_calls_results_and_failures(self):
        page = texts(markdown.write(run_of(PARALLEL, status=RunStatus.FAILED)))
        assert "| status | `failed` |" in page
        assert "### ✗ `bash`" in page
        assert "```text\ncommand: cat missing\n```" in page
        assert "**Failed with exit code 1:** `No such file`" in page
        assert "No result." in page
        assert "tool calls: 3, failed: 1, model calls: 1, input tokens: 10" in page

    def test_nothing_of_a_run_is_markup(self):
        bait = "````\n# heading\n![x](http://evil)<img src=x>@someone `a`"
        events = [
            ("message", {"role": "user `#", "content": bait}),
            ("tool_called", {"tool_name": "a`b|c\n# d", "arguments": {"x": bait}}),
            ("tool_failed", {"tool_name": "a`b|c\n# d", "error": bait, "output": bait}),
            ("note", {"x": bait}),
        ]
        page = texts(markdown.write(run_of(events, agent="a`b", tags={"x": bait})))
        outside, fence = [], None
        for line in page.splitlines():
            ticks = line[: len(line) - len(line.lstrip("`"))]
            if fence is None and len(ticks) >= 3 and line == f"{ticks}text":
                fence = ticks
            elif fence is None:
                outside.append(line)
            elif line == fence:
                fence = None
        assert fence is None
        assert not [line for line in outside if line.startswith("# heading")]
        for line in outside:
            rest = line
            while "`" in rest:  # take away what stands in code
                before, _, after = rest.partition("`")
                ticks = 1 + len(after) - len(after.lstrip("`"))
                parts = after[ticks - 1 :].split("`" * ticks)
                rest = before + "`".join(parts[1:]) if len(parts) > 1 else before
            assert "evil" not in rest, line
            assert "@someone" not in rest, line

    def test_nothing_of_a_run_is_obeyed_by_a_terminal(self):
        bait = "\x1b]0;x\x07 \x9b31m \u202e \u2066 a\r\nb\tc é 👩\u200d🔬\U000e0101 ❤\ufe0f"
        events = [
            ("message", {"role": bait, "content": bait}),
            ("tool_called", {"tool_name": bait, "arguments": {"x": bait}}),
            ("tool_failed", {"tool_name": bait, "error": bait, "output": bait}),
        ]
        page = texts(markdown.write(run_of(events, tags={"x": bait})))
        said = "\\x1b]0;x\\x07 \\x9b31m \\u202e \\u2066 a\nb\tc é 👩\u200d🔬\\U000e0101 ❤\ufe0f"
        assert f"```text\n{said}\n```" in page
        assert not set(page) & set("\x1b\x07\x9b\u202e\u2066\r")

    def test_a_long_text_is_cut_and_its_length_told(self):
        page = texts(markdown.write(run_of([("message", {"role": "user", "content": "x" * 9000})])))
        assert "(9000 characters in all)" in page
        assert len(page) < 5000
