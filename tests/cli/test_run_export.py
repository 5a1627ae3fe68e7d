"""`aivcs run export` and `run digest`: what other programs get, through the real command."""

import json
import os
import re
import sqlite3
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

PORTS = range(28_500, 28_600)


class Collector:
    """A server that keeps what is posted to it, and answers as it is told."""

    def __init__(self):
        self.requests: list[Any] = []
        self.answers: list[Any] = []  # (status, headers, body), the last one again and again
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.requests.append((self.path, headers, body))
                answers = collector.answers or [(200, {}, b"{}")]
                status, headers, said = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST  # noqa: N815 what the standard library calls

            def log_message(self, *_):
                pass

        for port in PORTS:
            try:
                self.server = HTTPServer(("127.0.0.1", port), Handler)
                break
            except OSError:
                continue
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.close()


@pytest.fixture
def run(aivcs):
    """A run with a call that fails, a model, a score."""
    run = aivcs.begin()
    events = [
        ("message", {"role": "user", "content": "Read it."}),
        ("tool_called", {"tool_name": "bash", "tool_call_id": "c1", "arguments": {"command": "x"}}),
        (
            "tool_failed",
            {"tool_name": "bash", "tool_call_id": "c1", "output": "no", "exit_code": 1},
        ),
        ("model_called", {"model": "m", "input_tokens": 10, "output_tokens": 3}),
        ("evaluation", {"name": "q", "score": 0.5}),
    ]
    lines = "".join(json.dumps({"kind": k, "payload": p}) + "\n" for k, p in events)
    aivcs.ok("run", "log", "--stdin", run, stdin=lines)
    aivcs.ok("run", "finish", run, "--exit-code", "1")
    return run


def spans(text):
    program = "[.resourceSpans[].scopeSpans[].spans[].name]"
    done = subprocess.run(["jq", "-c", program], input=text, capture_output=True, check=True)
    return [name for line in done.stdout.splitlines() for name in json.loads(line)]


class TestTexts:
    def test_jsonl_is_the_log_as_it_is_stored(self, aivcs, run):
        assert aivcs.ok("run", "export", run, "--format", "jsonl").out == (
            aivcs.run_log(run).read_bytes()
        )

    def test_otlp_is_the_same_twice(self, aivcs, run):
        once = aivcs.ok("run", "export", run[:8], "--format", "otlp").out
        assert once == aivcs.ok("run", "export", run, run[:8], "--format", "otlp").out
        assert spans(once) == ["execute_tool bash", "chat m", "evaluation q", "invoke_agent bot"]

    def test_atif_trace_and_markdown_are_of_one_run_each(self, aivcs, run):
        for form, pointer, expected in (
            ("atif", ".session_id", run),
            ("trace", ".run_id", run),
        ):
            out = aivcs.ok("run", "export", run, "--format", form).out
            done = subprocess.run(["jq", "-r", pointer], input=out, capture_output=True, check=True)
            assert done.stdout.decode().strip() == expected
        page = aivcs.ok("run", "export", run, "--format", "markdown").text
        assert f"| run | `{run}` |" in page

    def test_without_a_run_it_is_all_newest_first(self, aivcs, run):
        other = aivcs.begin("other")
        told = aivcs.ok("run", "export", "--format", "trace").json_lines
        assert [trace["run_id"] for trace in told] == [other, run]
        assert told[0]["status"] == "Running"

    def test_a_run_that_is_unknown_is_found_before_anything_is_printed(self, aivcs, run):
        done = aivcs("run", "export", run, "0" * 8, "--format", "jsonl", code=12)
        assert done.out == b""

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ((), "name the form"),
            (("--format", "sqlite"), "-o FILE"),
            (("--format", "jsonl", "--to", "http://x"), "--to takes --format otlp"),
            (("--to", "http://x", "-o", "f"), "--to takes --format otlp"),
            (("--format", "jsonl", "-o", ""), "is empty"),
            (("--to", ""), "is empty"),
            (("--to", "ftp://x"), "must begin with http"),
            (("--to", "http://"), "must begin with http"),
            (("--to", "http://u:p@x"), "OTEL_EXPORTER_OTLP_HEADERS"),
            (("--to", "http://x:y"), "not valid"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, aivcs, run, unchanged, arguments, says):
        with unchanged:
            assert says in aivcs("run", "export", run, *arguments, code=2).complaint

    def test_damage_is_told_and_ends_it(self, aivcs, run):
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"score":0.5', b'"score":0.9'))
        assert aivcs("run", "export", run, "--format", "otlp").code == 14


class TestFiles:
    def test_a_file_is_replaced_and_keeps_its_mode(self, aivcs, run):
        path = aivcs.folder / "out.jsonl"
        path.write_text("old")
        path.chmod(0o640)
        assert aivcs.ok("run", "export", run, "--format", "jsonl", "-o", "out.jsonl").out == b""
        assert path.read_bytes() == aivcs.run_log(run).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o640

    def test_a_failure_leaves_the_old_file_and_nothing_beside_it(self, aivcs, run):
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"score":0.5', b'"score":0.9'))
        for form in ("atif", "sqlite"):
            (aivcs.folder / "out").write_text("old")
            assert aivcs("run", "export", run, "--format", form, "-o", "out").code == 14
            assert (aivcs.folder / "out").read_text() == "old"
            assert sorted(os.listdir(aivcs.folder)) == [".aivcs", "out"]

    @pytest.mark.parametrize("form", ["jsonl", "sqlite"])
    def test_where_no_file_can_be_is_said(self, aivcs, run, form):
        done = aivcs("run", "export", run, "--format", form, "-o", "no/such/file", code=16)
        assert "cannot write 'no/such/file': No such file or directory" in done.complaint
        done = aivcs("run", "export", run, "--format", form, "-o", ".", code=2)
        assert "is a folder" in done.complaint


class TestSqlite:
    def test_has_the_tables_and_what_is_in_them(self, aivcs, run):
        spec = aivcs.put(b'{"prompts":null}')
        second = aivcs.ok("run", "start", "--agent", "two", "--spec", spec, "--tag", "k=v").text
        aivcs.ok("release", "promote", "bot", spec, "--label", "v1", "--by", "me")
        aivcs.ok("release", "promote", "bot", aivcs.put(b"a spec\n"), "--by", "me")
        aivcs.ok("run", "export", "--format", "sqlite", "-o", "all.db")
        ask = sqlite3.connect(aivcs.folder / "all.db").execute
        names = [n for (n,) in ask("SELECT name FROM sqlite_master WHERE type='table' ORDER BY 1")]
        assert names == [
            "annotations", "blobs", "events", "releases", "runs", "specs", "tool_calls",
        ]  # fmt: skip
        columns = "run_id, agent_name, status, exit_code"
        assert ask(f"SELECT {columns} FROM runs ORDER BY 2").fetchall() == [
            (run, "bot", "FAILED", 1), (second, "two", "RUNNING", None),
        ]  # fmt: skip
        assert ask("SELECT tags ->> 'k' FROM runs WHERE agent_name = 'two'").fetchone() == ("v",)
        assert ask("SELECT count(*), sum(input_tokens) FROM events").fetchone() == (5, 10)
        assert ask(
            "SELECT payload ->> 'score' FROM events WHERE kind = 'evaluation'"
        ).fetchone() == (0.5,)
        assert ask(
            "SELECT seq, tool_name, arguments ->> 'command', result_seq, output, failed, exit_code"
            " FROM tool_calls"
        ).fetchall() == [(2, "bash", "x", 3, "no", 1, 1)]
        assert ask("SELECT version_label, is_live FROM releases ORDER BY seq").fetchall() == [
            ("v1", 0), (None, 1),
        ]  # fmt: skip
        assert ask("SELECT manifest, runs FROM specs WHERE digest = ?", (spec,)).fetchone() == (
            '{"prompts":null}', 1,
        )  # fmt: skip
        stored = set(aivcs.ok("blob", "ls").lines)
        assert {digest for (digest,) in ask("SELECT digest FROM blobs")} == stored
        head = aivcs.run_log(run).read_bytes().splitlines()[-1]
        assert ask("SELECT head FROM runs WHERE run_id = ?", (run,)).fetchone() == (
            json.loads(head)["hash"],
        )

    def test_the_questions_of_the_page_are_answered(self, aivcs, run):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"a spec\n"), "--label", "v1")
        aivcs.ok("run", "export", "--format", "sqlite", "-o", "all.db")
        page = (Path(__file__).parents[2] / "docs" / "exporting.md").read_text()
        block = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)[0]
        ask = sqlite3.connect(aivcs.folder / "all.db").execute
        answers = [ask(question).fetchall() for question in block.split(";\n") if question.strip()]
        assert answers[0] == [("v1", "bash", 1, 1.0)]
        assert answers[1][0][1:] == (10, 3, None)
        assert answers[2][0][:3] == (run, 2, "bash")
        assert answers[3] == []
        assert answers[4][0][1:] == ("q", 0.5, 1)

    def test_what_is_no_file_is_not_replaced(self, aivcs, run):
        os.mkfifo(aivcs.folder / "pipe")  # as a device, such as /dev/null, for root
        for words in (["run", "export", "--format", "sqlite", "-o"], ["bundle", "create"]):
            assert "name a file" in aivcs(*words, "pipe", code=2).complaint
            assert (aivcs.folder / "pipe").is_fifo()

    def test_only_the_named_runs_are_in_it(self, aivcs, run):
        aivcs.begin("other")
        aivcs.ok("run", "export", run, "--format", "sqlite", "-o", "one.db")
        ask = sqlite3.connect(aivcs.folder / "one.db").execute
        assert ask("SELECT run_id FROM runs").fetchall() == [(run,)]


class TestPosting:
    def test_posts_json_to_the_path_of_traces(self, aivcs, run, collector):
        assert aivcs.ok("run", "export", run, "--to", collector.url).out == b""
        ((path, headers, body),) = collector.requests
        assert (path, headers["content-type"]) == ("/v1/traces", "application/json")
        assert body == aivcs.ok("run", "export", run, "--format", "otlp").out

    def test_posts_protobuf_if_asked(self, aivcs, run, collector):
        service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        aivcs.ok("run", "export", run, "--to", collector.url, "--protobuf")
        ((path, headers, body),) = collector.requests
        assert (path, headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        request = service.ExportTraceServiceRequest.FromString(body)
        found = [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
        told = json.loads(aivcs.ok("run", "export", run, "--format", "otlp").lines[0])
        spans = [s for r in told["resourceSpans"] for c in r["scopeSpans"] for s in c["spans"]]
        assert [(s.name, s.trace_id.hex(), s.span_id.hex()) for s in found] == [
            (s["name"], s["traceId"], s["spanId"]) for s in spans
        ]
        collector.answers = [(415, {}, b"")]
        done = aivcs("run", "export", run, "--to", collector.url, "--protobuf", code=16)
        assert "leave --protobuf out" in done.complaint

    def test_headers_come_from_the_environment_and_a_path_is_kept(self, aivcs, run, collector):
        env = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc, x-experiment=7"}
        aivcs.ok("run", "export", run, "--to", f"{collector.url}/api/otel", env=env)
        ((path, headers, _),) = collector.requests
        assert (path, headers["authorization"], headers["x-experiment"]) == (
            "/api/otel", "Basic abc", "7",
        )  # fmt: skip

    def test_tries_again_where_the_server_asks_for_it(self, aivcs, run, collector):
        collector.answers = [(503, {}, b""), (200, {}, b"{}")]
        aivcs.ok("run", "export", run, "--to", collector.url)
        assert len(collector.requests) == 2

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            ((415, {}, b""), "does not take OTLP as JSON (415)"),
            ((400, {}, b"bad\x1b span"), r"answered 400 Bad Request: bad\x1b span"),
            ((307, {"Location": "http://elsewhere/"}, b""), "redirects to http://elsewhere/ (307)"),
            ((302, {"Location": "/x"}, b""), "redirects to /x (302)"),
            ((200, {}, b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}'),
             "refused 2 spans: too old"),
        ],
    )  # fmt: skip
    def test_a_refusal_is_one_line(self, aivcs, run, collector, answer, says):
        collector.answers = [answer]
        assert says in aivcs("run", "export", run, "--to", collector.url, code=16).complaint
        assert len(collector.requests) == 1

    def test_nobody_who_listens_is_one_line(self, aivcs, run, collector):
        collector.close()
        done = aivcs("run", "export", run, "--to", collector.url, code=16)
        assert f"cannot post to {collector.url}/v1/traces: Connection refused" in done.complaint


class TestDigest:
    def test_the_replay_digest_is_that_of_the_events_alone(self, aivcs):
        events = [
            ("graph_started", '{"graph_name":"golden_graph","entry_point":"start"}'),
            ("node_entered", '{"node_id":"node_0","iteration":1}'),
            ("node_exited", '{"node_id":"node_0","next_node":null,"duration_ms":42}'),
            ("graph_completed", '{"iterations":1,"duration_ms":100}'),
        ]
        run = aivcs.begin()
        for kind, payload in events:
            aivcs.ok("run", "log", "--timestamp", "2024-06-01T12:00:00Z", run, kind, payload)
        assert aivcs.ok("run", "digest", run, "--replay").text == (
            "f5557fd15de85c61ff7507c0b97c671f8ba7471324794df16ceb54b906b0c3f8"
        )

    def test_otherwise_it_is_the_head_of_the_log(self, aivcs, run):
        last = aivcs.run_log(run).read_bytes().splitlines()[-1]
        assert aivcs.ok("run", "digest", run).text == json.loads(last)["hash"]
