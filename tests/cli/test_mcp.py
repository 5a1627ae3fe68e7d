"""`aivcs mcp`: what clients of both kinds of the Model Context Protocol get."""

import json
import os
import re
import subprocess

import pytest

from aivcs.cli.agent.protocol import LABEL

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
READING = {
    "runs_list", "run_show", "run_events", "runs_search", "run_diff", "release_list",
    "release_history", "release_current",
}  # fmt: skip
WRITING = {"run_start", "run_log", "run_finish", "run_annotate"}


@pytest.fixture
def ask(aivcs):
    """Sends requests to a new server and returns the answers by id."""

    def send(*requests, words=(), env=None):
        lines = b""
        for number, request in enumerate(requests, 1):
            if not isinstance(request, bytes):
                whole = {"jsonrpc": "2.0", "id": number, **request}
                request = json.dumps(whole).encode() + b"\n"
            lines += request
        done = aivcs.ok("mcp", *words, stdin=lines, env=env)
        return done.json_lines

    return send


@pytest.fixture
def call(ask):
    """Calls a tool; returns its result, and whether it is an error."""

    def call(tool, words=(), env=None, **arguments):
        params = {"name": tool, "arguments": arguments}
        (answer,) = ask({"method": "tools/call", "params": params}, words=words, env=env)
        (part,) = answer["result"]["content"]
        if answer["result"]["isError"]:
            return part["text"], True
        label, _, text = part["text"].partition("\n\n")
        assert label == LABEL
        return json.loads(text), False

    return call


@pytest.fixture
def run(aivcs):
    run = aivcs.begin("bot")
    aivcs.ok("run", "log", run, "tool_called", "tool_name=bash", "command=x")
    aivcs.ok("run", "log", run, "tool_failed", "tool_name=bash", "error=No such file")
    aivcs.ok("run", "finish", run, "--exit-code", "1")
    return run


class TestVersions:
    def test_a_client_with_a_handshake(self, ask):
        begun, listed, pong = ask(
            {"method": "initialize", "params": {"protocolVersion": "2025-06-18"}},
            b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
            {"method": "tools/list"},
            {"method": "ping"},
        )
        assert begun["result"]["protocolVersion"] == "2025-06-18"
        assert begun["result"]["serverInfo"]["name"] == "aivcs"
        assert {tool["name"] for tool in listed["result"]["tools"]} == READING
        assert "resultType" not in listed["result"]
        assert pong["result"] == {}

    def test_a_version_that_is_unknown_gets_the_newest_with_a_handshake(self, ask):
        (begun,) = ask({"method": "initialize", "params": {"protocolVersion": "1999-01-01"}})
        assert begun["result"]["protocolVersion"] == "2025-11-25"

    def test_a_client_without_a_handshake(self, ask):
        told, listed, called, ping = ask(
            {"method": "server/discover", "params": {"_meta": META}},
            {"method": "tools/list", "params": {"_meta": META}},
            {"method": "tools/call", "params": {"_meta": META, "name": "runs_list"}},
            {"method": "ping", "params": {"_meta": META}},
        )
        assert told["result"]["supportedVersions"] == ["2026-07-28"]
        for answer in (told, listed, called):
            assert answer["result"]["resultType"] == "complete"
            info = answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]
            assert info["name"] == "aivcs"
        assert (listed["result"]["ttlMs"], listed["result"]["cacheScope"]) == (0, "private")
        assert ping["error"]["code"] == -32601

    def test_a_version_without_handshake_that_is_unknown_is_refused(self, ask):
        meta = {**META, "io.modelcontextprotocol/protocolVersion": "2030-01-01"}
        (answer,) = ask({"method": "tools/list", "params": {"_meta": meta}})
        assert answer["error"]["code"] == -32022
        assert answer["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2030-01-01"}

    @pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
    def test_the_official_client_understands_it(self, aivcs, run, mode):
        pytest.importorskip("mcp", reason="the package mcp is not installed")
        import anyio
        from command import COMMAND
        from mcp import Client, StdioServerParameters
        from mcp.client.stdio import stdio_client

        server = StdioServerParameters(
            command=COMMAND[0], args=[*COMMAND[1:], "mcp"], env=aivcs.environment(),
            cwd=str(aivcs.folder),
        )  # fmt: skip

        async def talk():
            async with Client(stdio_client(server), mode=mode) as client:
                tools = await client.list_tools()
                called = await client.call_tool("run_show", {"run": run})
                return {tool.name for tool in tools.tools}, called

        names, called = anyio.run(talk)
        assert names == READING
        assert not called.is_error
        assert run in called.content[0].text


class TestTools:
    def test_each_says_what_the_command_says(self, aivcs, call, run):
        other = aivcs.begin("bot")
        aivcs.ok("release", "promote", "bot", aivcs.put(b"a spec\n"), "--label", "v1")
        for name, arguments, words in (
            ("runs_list", {}, ("run", "list")),
            ("runs_list", {"status": "failed", "limit": 5}, ("run", "list", "--status", "failed")),
            ("run_events", {"run": run}, ("run", "events", run)),
            ("run_events", {"run": run, "failed": True},
             ("run", "events", run, "--kind", "tool_failed")),
            ("run_events", {"run": run, "after": 1, "kinds": ["tool_failed"]},
             ("run", "events", run, "--kind", "tool_failed")),
            ("runs_search", {"text": "No such", "tools": ["bash"]}, ("run", "search", "No such")),
            ("release_list", {}, ("release", "list")),
            ("release_history", {"name": "bot"}, ("release", "history", "bot")),
        ):  # fmt: skip
            expected = aivcs.ok(*words, "--json").json_lines
            assert call(name, **arguments) == (expected, False), name
        for name, arguments, words in (
            ("run_show", {"run": run[:8]}, ("run", "show", run)),
            ("run_diff", {"a": run, "b": other}, ("run", "diff", run, other)),
            ("release_current", {"name": "bot"}, ("release", "current", "bot")),
            ("release_current", {"name": "bot", "at": "0s"}, ("release", "current", "bot")),
        ):
            assert call(name, **arguments) == (aivcs.ok(*words, "--json").json, False), name

    def test_errors_are_results_that_a_model_can_read(self, call, run):
        for name, arguments, says in (
            ("run_show", {"run": "0" * 8}, "no run"),
            ("run_show", {}, "the argument run is missing"),
            ("run_show", {"run": 1}, "must be of type string"),
            ("run_show", {"run": run, "x": 1}, "there is no argument 'x'"),
            ("runs_list", {"status": "odd"}, "must be one of running"),
            ("runs_list", {"limit": 1000}, "limit must be from 0 to 500"),
            ("runs_list", {"tags": [1]}, "list of texts"),
            ("runs_search", {}, "say what to search for"),
            ("release_current", {"name": "bot"}, "bot"),
        ):
            text, is_error = call(name, **arguments)
            assert is_error
            assert says in text

    def test_without_a_store_a_call_says_so(self, outside):
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        request["params"] = {"name": "runs_list"}
        (answer,) = outside.ok("mcp", stdin=json.dumps(request) + "\n").json_lines
        assert answer["result"]["isError"] is True
        assert "aivcs init" in answer["result"]["content"][0]["text"]

    def test_a_long_result_is_cut_and_says_so(self, aivcs, ask):
        run = aivcs.begin()
        for _ in range(3):
            aivcs.ok("run", "log", "--stdin", run, stdin=json.dumps(
                {"kind": "k", "payload": "x" * 100_000}) + "\n")  # fmt: skip
        params = {"name": "run_events", "arguments": {"run": run}}
        (answer,) = ask({"method": "tools/call", "params": params})
        text = answer["result"]["content"][0]["text"]
        assert len(text) < 201_000
        assert "ask for less" in text

    def test_what_is_no_request_is_answered_and_the_next_one_served(self, ask):
        answers = ask(
            b"no json\n", b"[]\n", b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', b"\n",
            b'{"jsonrpc":"2.0","id":7,"result":{}}\n', b"\xff\n",
            {"method": "no/such"}, {"method": "tools/call", "params": {"name": "x"}},
            {"method": "tools/call", "params": []}, {"method": "ping"},
        )  # fmt: skip
        codes = [answer.get("error", {}).get("code") for answer in answers]
        assert codes == [-32700, -32600, -32600, -32700, -32601, -32602, -32602, None]

    def test_a_list_of_messages_is_answered_by_a_list(self, ask):
        # https://modelcontextprotocol.io/specification/2025-03-26/basic#batching
        ping = {"jsonrpc": "2.0", "method": "ping"}
        sent = [ping | {"id": 1}, ping, 5, ping | {"id": "b"}]
        (answers, alone) = ask(
            json.dumps(sent).encode() + b"\n", json.dumps([ping]).encode() + b"\n", ping
        )
        assert [each["id"] for each in answers] == [1, None, "b"]
        assert answers[1]["error"]["code"] == -32600
        assert "result" in alone

    def test_nothing_is_written_by_reading(self, aivcs, ask, run, unchanged):
        requests = [
            {"method": "tools/call", "params": {"name": name, "arguments": {"run": run}}}
            for name in (*READING, *WRITING)
        ]
        with unchanged:
            answers = ask(*requests)
        assert [a["error"]["code"] for a in answers if "error" in a] == [-32602] * len(WRITING)


class TestWriting:
    def test_a_run_from_its_start_to_a_remark(self, aivcs, call):
        spec = aivcs.put(b"spec")
        words = ("--write",)
        run, _ = call("run_start", words, agent="bot", spec=spec, tags=["a=b"])
        env = {"AIVCS_RUN": run}
        assert call("run_log", words, env, kind="note", payload={"x": 1}) == (1, False)
        record, _ = call("run_finish", words, env, exit_code=0)
        assert record["status"] == "COMPLETED"
        told, is_error = call("run_log", words, env, kind="note")
        assert is_error
        assert "COMPLETED" in told
        call("run_annotate", words, env, text="good", tags={"seen": True})
        assert aivcs.record(run)["tags"] == {"a": "b", "seen": True}

    def test_tools_that_write_say_so(self, ask):
        (answer,) = ask({"method": "tools/list"}, words=("--write",))
        hints = {
            tool["name"]: tool["annotations"]["readOnlyHint"] for tool in answer["result"]["tools"]
        }
        assert hints == {**dict.fromkeys(READING, True), **dict.fromkeys(WRITING, False)}


def test_without_standard_input_it_says_so(aivcs):
    process = aivcs.start("mcp", stderr=subprocess.PIPE, preexec_fn=lambda: os.close(0))
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 16
    assert said == b"aivcs: cannot read standard input: Bad file descriptor\n"


def test_an_answer_comes_before_the_next_request(aivcs):
    """A client waits for each answer: none may be held back."""
    process = aivcs.start("mcp", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for number in range(3):
        request = {"jsonrpc": "2.0", "id": number, "method": "ping"}
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == number
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_search_that_would_never_end_is_ended():
    from aivcs.cli.session.deadline import deadline
    from aivcs.errors import UsageError

    too_long = pytest.raises(UsageError, match=r"the search took longer than 0\.2 s")
    with too_long, deadline(0.2, "the search", error=UsageError):
        re.match(r"(a+)+$", "a" * 64 + "b")
    with deadline(0.2, "the search"):
        pass
