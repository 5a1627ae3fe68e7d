"""`aivcs web`: the pages live, for their reader alone."""

import http.client
import json
import re
import signal
import socket
import subprocess
import urllib.parse

import pytest
from servers.ports import claim_ports
from web.conftest import ALLOWED, Page, make_agent
from web.stores import MARKUP, SECRETS

from aivcs import Repository
from aivcs.web.guard import Rules, is_our_host


class Served:
    """A page that is served.

    Attributes:
        url: The address that was printed.
        host: Its host and port.
        token: The token in it.
    """

    def __init__(self, process, port):
        self.process, self.port = process, port
        self.url = process.stdout.readline().decode().strip()
        parts = urllib.parse.urlsplit(self.url)
        self.host = parts.netloc
        self.token = urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        self.cookie = f"aivcs={self.token}"

    def ask(self, path="/", method="GET", **headers):
        """Sends a request; a header that is None is left out."""
        given = {"Host": self.host, "Cookie": self.cookie}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer


@pytest.fixture
def serve():
    """Serves the store of a command; ends the server with the test."""
    started = []

    def start(command, *arguments):
        port = claim_ports()
        process = command.start(
            "web", "--port", str(port), *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        return Served(process, port)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def served(aivcs, agent, serve):
    return serve(aivcs)


@pytest.fixture(scope="module")
def shared(command_in, tmp_path_factory):
    """A page that several tests ask, none of which changes the store."""
    folder = tmp_path_factory.mktemp("shared")
    command = command_in(folder, folder)
    command.ok("init")
    make_agent(command)
    port = claim_ports()
    process = command.start(
        "web", "--port", str(port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    yield Served(process, port)
    process.kill()
    process.communicate()


def read(answer):
    assert answer.status == 200, answer.body
    return Page(answer.body)


class TestPages:
    @pytest.fixture(autouse=True)
    def allow_refresh(self):
        assert "http-equiv" in ALLOWED["meta"]

    def test_lead_from_what_is_live_to_its_history_and_its_runs(self, served, agent):
        found = read(served.ask("/"))
        assert found.has("Releases", "reviewer", "v2", "ada", "current")
        assert found.has("Agents", "reviewer", "67 %")
        assert "/release/reviewer" in found.links
        found = read(served.ask("/release/reviewer"))
        assert found.has("@2", "promote", "v2", "ada", "reason 2")
        assert found.has("What changed from v1 (@1) to v2 (@2)", "- Version 1.", "+ Version 2.")
        assert f"/run/{agent[1]}" in found.links
        found = read(served.ask(f"/run/{agent[2]}"))
        assert found.has("✗ failed", "make", "No such file: x.c")
        assert f"run-{agent[2]}:e1" in found.ids

    def test_compare_two_runs(self, served, agent):
        found = read(served.ask(f"/run/{agent[0]}..{agent[1]}"))
        assert found.has("Two runs", agent[0], agent[1], "other parameters", "arguments.n")

    def test_lead_from_a_release_to_its_spec_and_the_text_of_its_files(self, hostile, serve):
        served = serve(hostile)
        history = read(served.ask("/release/evil/name"))
        (spec, *_) = [link for link in history.links if link.startswith("/spec/")]
        found = read(served.ask(spec))
        assert found.has("prompts", "prompts/<b>x&y.md", "644")
        blobs = [link for link in found.links if link.startswith("/blob/")]
        pages = [served.ask(link) for link in blobs]
        texts = ["".join(read(page).text) for page in pages]
        assert any('{"<k>": "1<script>"}' in text for text in texts)
        assert any("It is binary" in text for text in texts)
        for page, link in zip(pages, blobs, strict=True):
            assert page.getheader("Content-Type") == "text/html; charset=utf-8"
            assert page.getheader("X-Content-Type-Options") == "nosniff"
            raw = served.ask(f"{link}.json").body.decode()
            assert not any(secret in raw + page.body.decode() for secret in SECRETS)

    def test_lead_to_what_is_asked_next(self, served, agent):
        found = read(served.ask("/"))
        assert "/runs?agent=reviewer" in found.links
        failed = read(served.ask(f"/run/{agent[2]}"))
        assert failed.has("1 step failed", "make", "No such file: x.c")
        step = next(link for link in failed.links if link.startswith("#run-"))
        assert step[1:] in failed.ids
        pair = next(link for link in failed.links if ".." in link)
        assert {f"/run/{agent[1]}", f"/run/{agent[2]}"} <= set(read(served.ask(pair)).links)

    def test_failing_step_is_three_links_away_among_many(self, aivcs, serve):
        run = aivcs.begin("coder")
        talk = [{"kind": "message_added", "payload": {"role": "assistant", "content": f"{n}"}}
                for n in range(600)]  # fmt: skip
        talk[300:300] = [
            {"kind": "tool_called", "payload": {"tool_name": "bash", "command": "pytest -q"}},
            {"kind": "tool_returned", "payload": {"tool_name": "bash", "exit_code": 1,
             "observation": "FAILURES\n>  assert f(345)\nE  assert 344 == 345\n" + "x" * 900}},
        ]  # fmt: skip
        lines = "".join(f"{json.dumps(event)}\n" for event in talk)
        aivcs.ok("run", "log", "--stdin", run, stdin=lines.encode())
        aivcs.ok("run", "finish", run, "--exit-code", "1")
        served = serve(aivcs)
        assert "/runs?agent=coder&status=failed" in read(served.ask("/")).links
        assert f"/run/{run}" in read(served.ask("/runs?agent=coder&status=failed")).links
        found = read(served.ask(f"/run/{run}"))
        assert found.has("1 step failed", "#301", "bash", "pytest -q", "exit code 1")
        assert f"#run-{run}:e301" in found.links
        assert found.has("exit code 1", "E  assert 344 == 345".replace("  ", " "))
        assert f"/run/{run}/301" in found.links
        whole = read(served.ask(f"/run/{run}/301"))
        assert whole.has("301:", "tool_called", "pytest -q", "302:", "tool_returned")
        assert whole.has("exit_code", "1", "observation", "E  assert 344 == 345", "x" * 900)
        data = json.loads(served.ask(f"/run/{run}/301.json").body)
        assert [event["seq"] for event in data] == [301, 302]
        assert served.ask(f"/run/{run}/603").status == 404

    def test_filter_runs(self, served, agent):
        assert read(served.ask("/runs")).has(agent[0])
        answer = served.ask("/runs?status=failed&agent=reviewer")
        assert b'aria-current="true">failed<' in answer.body
        found = read(answer)
        assert found.has(agent[2])
        assert not found.has(agent[0])

    def test_lead_from_the_newest_run_to_the_oldest(self, aivcs, served, agent):
        from aivcs.model.run import RunMetadata

        repo = Repository.open(aivcs.store)
        current = repo.releases.current("reviewer")
        assert current is not None
        spec = current.spec_digest
        for number in range(205):
            repo.runs.create_run(spec, RunMetadata("many", tags={"n": number}))
        seen: list[str] = []
        path: str | None = "/runs?agent=many"
        pages = 0
        while path:
            found = read(served.ask(path))
            seen += [link[5:] for link in found.links if link.startswith("/run/")]
            assert any(link == "/runs?agent=many" for link in found.links)
            path = next((link for link in found.links if "before=" in link), None)
            pages += 1
            if pages == 1:  # what comes meanwhile moves no run to another page
                repo.runs.create_run(spec, RunMetadata("many"))
        assert pages == 3
        assert seen == [run.run_id for run in repo.runs.iter_runs(agent_name="many")][1:]

    def test_are_json_beside(self, aivcs, served, agent):
        for path in ("/index.json", "/runs.json", f"/run/{agent[0]}..{agent[1]}.json"):
            answer = served.ask(path)
            assert answer.status == 200
            assert answer.getheader("Content-Type") == "application/json"
            json.loads(answer.body)
        record = json.loads(served.ask(f"/run/{agent[0]}.json").body)
        assert record["run_id"] == agent[0]
        assert record["cost_usd"] == 0.25
        history = json.loads(served.ask("/release/reviewer.json").body)
        assert [entry["seq"] for entry in history] == [2, 1]
        assert history[0]["checks"]

    def test_follow_what_happens(self, aivcs, served):
        run = aivcs.begin("reviewer")
        assert f"/run/{run}?follow=1" in read(served.ask(f"/run/{run}")).links
        assert b'http-equiv="refresh"' not in served.ask(f"/run/{run}").body
        assert b'http-equiv="refresh"' in served.ask(f"/run/{run}?follow=1").body
        aivcs.ok("run", "log", run, "note", "text=hello")
        assert read(served.ask(f"/run/{run}")).has("hello")
        aivcs.ok("run", "finish", run)
        assert b'http-equiv="refresh"' not in served.ask(f"/run/{run}?follow=1").body

    @pytest.mark.parametrize(
        "path",
        ["/nothing", "/run/00000000", "/release/nobody", "/run/", "/release/", "/run/a/b",
         "/../../etc/passwd", "/release/..%2f..%2fetc", "/run/..%2f..%2fetc%2fpasswd",
         "/release/%00", "/.aivcs/format", "/blob/", "/spec/x", "/blob/..%2fformat",
         "/blob/" + "0" * 64, "/run/%0d%0aX:%20y"],
    )  # fmt: skip
    def test_that_do_not_exist_are_404(self, shared, path):
        answer = shared.ask(path)
        assert answer.status in {404, 400}
        Page(answer.body)
        assert b"/.aivcs" not in answer.body
        assert answer.getheader("X") is None

    @pytest.mark.parametrize(
        "path",
        ["/runs?before=x", "/runs?before=2026-01-01T00:00:00Z~..", "/runs?before=~%00",
         "/runs?status=odd"],
    )  # fmt: skip
    def test_explain_a_mistake(self, shared, path):
        answer = shared.ask(path)
        assert answer.status == 400
        Page(answer.body)

    def test_of_strangers_hold_no_markup_and_no_secret(self, hostile, serve):
        served = serve(hostile)
        runs = [line.split("\t")[0] for line in hostile.ok("run", "list").lines]
        paths = [
            "/",
            "/runs",
            "/release/evil/name",
            f"/run/{runs[0]}",
            *(f"/run/{runs[0]}/{seq}" for seq in range(1, 12)),
            f"/run/{runs[0]}..{runs[1]}",
        ]
        whole = ""
        for path in paths:
            found = read(served.ask(path))
            whole += "".join(found.text)
            raw = served.ask(f"{path if path != '/' else '/index'}.json").body.decode()
            assert not any(secret in raw for secret in SECRETS)
        assert MARKUP in whole
        assert not any(secret in whole for secret in SECRETS)


class TestSafety:
    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "127.0.0.1",
         "localhost.evil.example:{port}", "evil.localhost:{port}", "", None, "[::1]",
         "localhost:{port}@evil.example", "127.0.0.2:{port}", "localhost:{port}:80"],
    )  # fmt: skip
    def test_another_host_is_refused(self, shared, host):
        answer = shared.ask(Host=host and host.format(port=shared.port))
        assert answer.status in {403, 400}
        assert b"reviewer" not in answer.body

    @pytest.mark.parametrize("host", ["localhost:{}", "127.0.0.1:{}", "[::1]:{}", "LOCALHOST:{}"])
    def test_the_names_of_loopback_are_allowed(self, shared, host):
        assert shared.ask(Host=host.format(shared.port)).status == 200

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"])
    def test_nothing_but_reading_is_allowed(self, shared, method):
        answer = shared.ask(method=method)
        assert answer.status in {405, 501}
        assert answer.getheader("Access-Control-Allow-Origin") is None

    def test_the_token_is_exchanged_for_a_cookie(self, shared):
        assert shared.ask(Cookie=None).status == 403
        assert shared.ask(Cookie="aivcs=wrong").status == 403
        assert shared.ask("/?token=wrong", Cookie=None).status == 403
        answer = shared.ask(f"/runs?token={shared.token}", Cookie=None)
        assert answer.status == 303
        assert answer.getheader("Location") == "/runs"
        cookie = answer.getheader("Set-Cookie")
        assert re.fullmatch(r"aivcs=[\w-]{43}; HttpOnly; SameSite=Strict; Path=/", cookie)
        assert shared.ask("/runs", Cookie=f"a=b; {cookie.partition(';')[0]}").status == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
            {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate",
             "Sec_Fetch_Dest": "iframe"},
        ],
    )  # fmt: skip
    def test_other_sites_get_nothing(self, shared, headers):
        answer = shared.ask(**headers)
        assert answer.status == 403
        assert b"reviewer" not in answer.body

    def test_every_answer_forbids_what_pages_do_not_need(self, shared):
        for answer in (shared.ask(), shared.ask("/nothing"), shared.ask(Host="evil.example")):
            policy = answer.getheader("Content-Security-Policy")
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.getheader("X-Content-Type-Options") == "nosniff"
            assert answer.getheader("Referrer-Policy") == "no-referrer"
            assert answer.getheader("Cache-Control") == "no-store"
            assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
            assert answer.getheader("Access-Control-Allow-Origin") is None

    def test_requests_are_bounded(self, shared):
        for head in (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
                     b"\x00\x01\xff\r\n\r\n"):  # fmt: skip
            with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
                connection.sendall(head)
                answer = connection.recv(100)
            assert re.match(rb"HTTP/1\.[01] 4\d\d", answer), answer
        assert shared.ask().status == 200

    def test_many_idle_connections_leave_others_alone(self, shared):
        idle = [socket.create_connection(("127.0.0.1", shared.port)) for _ in range(8)]
        assert shared.ask().status == 200
        for connection in idle:
            connection.close()

    def test_it_listens_on_loopback_alone(self, shared):
        listening = subprocess.run(
            ["cat", "/proc/net/tcp", "/proc/net/tcp6"], capture_output=True, text=True, check=False
        ).stdout.split("\n")
        mine = [line.split()[1] for line in listening if f":{shared.port:04X} " in line.upper()
                and " 0A " in line]  # fmt: skip
        assert mine == [f"0100007F:{shared.port:04X}"]

    def test_head_has_no_body(self, shared):
        answer = shared.ask(method="HEAD")
        assert answer.status == 200
        assert answer.body == b""
        assert int(answer.getheader("Content-Length")) > 1000


class TestTheServer:
    def test_prints_an_address_under_a_random_name(self, served):
        assert re.fullmatch(rf"http://[0-9a-f]{{16}}\.localhost:{served.port}/\?token=[\w-]{{43}}",
                            served.url)  # fmt: skip

    def test_without_a_token_anybody_here_may_read(self, aivcs, agent, serve):
        served = serve(aivcs, "--no-token")
        assert "token" not in served.url
        assert served.ask(Cookie=None).status == 200
        assert served.ask(Cookie=None, Host="evil.example").status == 403

    def test_serves_on_a_socket_file_for_its_owner(self, aivcs, agent):
        path = aivcs.folder / "s"
        process = aivcs.start(
            "web", "--socket", "s", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        url = process.stdout.readline().decode().strip()
        try:
            assert path.stat().st_mode & 0o777 == 0o600
            token = url.partition("token=")[2]
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(
                    b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n"
                    b"Cookie: aivcs=" + token.encode() + b"\r\n\r\n"
                )
                data = b""
                while piece := connection.recv(65536):
                    data += piece
            assert data.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))
            assert b"reviewer" in data
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        assert not path.exists()

    def test_ends_with_ctrl_c(self, served):
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(30) == -signal.SIGINT
        assert served.process.stderr.read() == b""

    def test_changes_nothing_in_the_store(self, aivcs, served, agent, files):
        served.ask("/runs")  # makes the index
        before = files.snapshot(aivcs.store)
        for path in ("/", "/runs", "/release/reviewer", f"/run/{agent[0]}", "/nothing"):
            served.ask(path)
        assert files.snapshot(aivcs.store) == before

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--socket", ""], "unset"),
            (["--socket", "s", "--port", "1"], "without a port"),
            (["--port", "70000"], "65535"),
            (["--socket", "no/such/folder"], "cannot serve"),
        ],
    )
    def test_explains_a_mistake(self, aivcs, words, says):
        done = aivcs("web", *words)
        assert done.code in {2, 16}
        assert says in done.complaint


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("localhost:1", True), ("x.localhost:1", True), ("y.localhost:1", False), ("[::1]:1", True),
     ("localhost:٣", False), ("localhost:", False), ("localhost:+1", False), ("::1:1", False),
     ("localhost.:1", False)],
)  # fmt: skip
def test_hosts(host, is_ours):
    assert is_our_host(Rules(1, "x", ""), host) is is_ours
