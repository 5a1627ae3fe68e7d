"""The command over a store on S3, which it knows by its URL alone."""

import json
import subprocess
import sys
from fnmatch import fnmatchcase

import obstore
import pytest
from servers.ports import claim_ports
from servers.proxy import Proxy
from servers.s3 import ACCESS_KEY, BUCKET, SECRET_KEY, fake

from aivcs.api import Repository
from aivcs.backends.s3.grants import policy
from aivcs.backends.s3.location import Location

pytest.importorskip("obstore", reason="the extra s3 is not installed")
server = fake


@pytest.fixture
def aivcs(server, command_over):
    command = command_over(server)
    assert command.ok("init").text == command.url
    return command


@pytest.fixture
def proxied(server, command_over):
    """The command behind a proxy that counts requests, and the proxy."""
    with Proxy(server) as proxy:
        command = command_over(server, proxy.url)
        command.ok("init")
        proxy.clear()
        yield command, proxy


def download(server, prefix, folder, parts=("format", "objects", "runs")):
    """Copies the closed part of a store into a folder, as `aws s3 sync` does."""
    client = server.client()
    for part in parts:
        for page in obstore.list(client, f"{prefix}/{part}" if part != "format" else prefix):
            for meta in page:
                name = meta["path"].removeprefix(f"{prefix}/")
                if part == "format" and name != "format":
                    continue
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(bytes(obstore.get(client, meta["path"]).bytes()))


def test_the_main_job(aivcs):
    spec = aivcs.put("You are careful.")
    run = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec).text
    aivcs.ok("run", "log", run, "step", "n:=1")
    aivcs.ok("run", "log", "--stdin", run, stdin='{"kind":"a","payload":{}}\n' * 3)
    done = aivcs.ok("run", "exec", "--agent", "bot", "--spec", spec, "--", "echo", "hello")
    assert done.text == "hello"
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    assert [event["seq"] for event in aivcs.events(run)] == [1, 2, 3, 4]
    assert len(aivcs.ok("run", "list").lines) == 2
    aivcs.ok("release", "promote", "team/bot", spec, "--label", "v1", "--evidence", run)
    other = aivcs.put("Be quick.")
    aivcs.ok("release", "promote", "team/bot", other, "--label", "v2")
    aivcs.ok("release", "rollback", "team/bot")
    assert aivcs.ok("release", "current", "team/bot").text == spec
    assert len(aivcs.ok("release", "history", "team/bot").lines) == 3
    aivcs.ok("verify")
    aivcs.ok("verify", "--head", aivcs.ok("head").text)
    assert "team/bot" in aivcs.ok("__complete", "release", "t").text
    assert run in aivcs.ok("__complete", "run", run[:4]).text
    aivcs.ok("config", "set", "core.lock_timeout", "5")
    assert "5" in aivcs.ok("config", "get", "core.lock_timeout").text
    assert "2 completed" in aivcs.ok("status").text
    assert aivcs.ok("run", "show", "@last", "--json").json["status"] == "COMPLETED"


def test_gc_takes_two_steps(aivcs, server):
    kept, gone = aivcs.put("kept"), aivcs.put("gone")
    aivcs.ok("blob", "pin", kept)
    wait_for_a_second()
    assert aivcs.ok("gc", "--grace", "0s").lines == [f"{gone}\t4"]
    assert aivcs.ok("blob", "ls").text == kept
    aivcs("blob", "has", gone, code=1)
    # Whoever referred to it in the same moment finds it in the trash.
    assert aivcs.ok("blob", "get", gone).text == "gone"
    aivcs.ok("blob", "unpin", kept)
    aivcs.ok("blob", "rm", kept)
    aivcs("blob", "get", kept, code=12)


def test_a_shell_session_logs(aivcs):
    run = aivcs.begin()
    done = aivcs.shell(
        'eval "$(aivcs shell-init)" && aivcs_log one n:=1 && aivcs_log two && aivcs_flush',
        env={"AIVCS_RUN": run},
    )
    assert done.code == 0, done
    assert [event["kind"] for event in aivcs.events(run)] == ["one", "two"]
    done = aivcs.shell('eval "$(aivcs shell-init)" && aivcs_log one', env={"AIVCS_RUN": "nothing"})
    assert done.code == 12, done


def test_the_closed_part_is_a_store_in_a_folder(aivcs, server, command_in, tmp_path):
    run = aivcs.begin()
    for number in range(4):
        aivcs.ok("run", "log", run, "step", f"n:={number}")
    aivcs.ok("run", "finish", run)
    chunks = [
        bytes(obstore.get(server.client(), meta["path"]).bytes())
        for page in obstore.list(server.client(), f"{aivcs.prefix}/open/run/{run}!")
        for meta in page
    ]
    aivcs.ok("gc")
    folder = tmp_path / "copy" / ".aivcs"
    download(server, aivcs.prefix, folder)
    copy = command_in(folder.parent, tmp_path / "home")
    assert (folder / "runs" / run[:2] / f"{run}.jsonl").read_bytes() == b"".join(chunks)
    assert "1 run" in copy.ok("verify").err.decode()
    assert copy.ok("run", "show", run).out == aivcs.ok("run", "show", run).out
    # What was joined is read from there: the chunks between the first and the last are empty.
    assert aivcs.ok("run", "events", run).out == copy.ok("run", "events", run).out
    aivcs.ok("verify")


@pytest.mark.parametrize(
    "delay", [0, *(pytest.param(ms / 1000, marks=pytest.mark.slow) for ms in (1, 20, 100))]
)
def test_requests_of_each_command(proxied, delay, monkeypatch):
    """They do not depend on the duration of a round trip."""
    aivcs, proxy = proxied

    def requests(*words, env=None):
        proxy.clear()
        proxy.delay = delay
        aivcs.ok(*words, env=env)
        proxy.delay = 0
        # Every opening reads the format and looks for a configuration, at the same time; commands
        # that append to a run ask whether it is a copy from another store, at no time of their own.
        further = ["/format", "documents%2Fconfig.toml", "documents%2Freplicas"]
        paths = [path for _, path in proxy.clear()]
        return sum(not any(part in path for part in further) for path in paths)

    spec = aivcs.put("You are careful.")
    start = ("run", "start", "--agent", "bot", "--spec", spec, "--allow-missing-spec")
    assert requests(*start) == 2
    run = aivcs.ok(*start).text
    log = ("run", "log", run, "step")
    assert requests(*log) == 1
    caches = {"XDG_CACHE_HOME": str(aivcs.home / "another")}
    assert requests(*log, env=caches) == 3
    assert requests(*log) <= 4  # the remembered end is stale now
    assert requests(*log) == 1
    assert requests("run", "finish", run) <= 3
    assert requests("release", "promote", "bot", spec, "--allow-missing-spec") <= 3
    assert requests("release", "promote", "bot", spec, "--allow-missing-spec") <= 3
    assert requests("release", "current", "bot") <= 2
    for name, value in aivcs.variables.items():
        monkeypatch.setenv(name, value)
    repo = Repository.open(aivcs.url)
    for _ in range(21):
        with repo.start_run(spec, agent_name="bot", allow_missing_spec=True):
            pass
    repo.store.close()
    assert requests("run", "list", "-n", "20", env=caches) == 22
    assert requests("run", "list", "-n", "20", env=caches) == 2


def test_an_append_loads_nothing_that_it_does_not_need(aivcs):
    """Each of these takes as long to load as the client library."""
    run = aivcs.begin()
    words = [sys.executable, "-X", "importtime", "-m", "aivcs", "run", "log", run, "step"]
    done = subprocess.run(words, env=aivcs.environment(), capture_output=True, check=True)
    loaded = {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}
    assert "obstore" in loaded
    assert not loaded & {"concurrent.futures", "tempfile", "logging", "traceback"}


def test_a_remembered_end_that_two_processes_wrote_at_once_is_not_believed(aivcs):
    run = aivcs.begin()
    texts = []
    for _ in range(2):
        aivcs.ok("run", "log", run, "step")
        (path,) = aivcs.home.rglob(f"tails/{run}")
        texts.append(path.read_bytes())
    assert len(texts[0]) == len(texts[1])
    for cut in (1, 20, 100):
        path.write_bytes(texts[0][:cut] + texts[1][cut:])
        aivcs.ok("run", "log", run, "step")
    assert [event["seq"] for event in aivcs.events(run)] == [1, 2, 3, 4, 5]
    aivcs.ok("verify")


def test_errors_say_the_way_out(aivcs, server, command_over):
    away = command_over(server, f"http://127.0.0.1:{claim_ports()}", aivcs.prefix)
    config = away.home / ".config" / "aivcs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[remote]\ntimeout = 0.2\n")
    done = away("status", code=75)
    assert "nothing was done" in done.err.decode()
    done = aivcs("--store", f"s3://{BUCKET}/nowhere", "status", code=10)
    assert f"aivcs init s3://{BUCKET}/nowhere" in done.complaint
    done = aivcs("--store", "s3://no-such-bucket/x", "init", code=16)
    assert "aws s3 mb s3://no-such-bucket" in done.complaint
    aivcs("--store", "s3://no-such-bucket/x", "status", code=16)
    aivcs("--store", "s3://KEY:SECRET@bucket/x", "status", code=2)
    aivcs("--store", "s3:///x", "status", code=2)
    aivcs("init", "--shared", code=2)


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:9000", "http://", "http://a b", "http://127.0.0.1:port", "ftp://x"]
)
def test_what_is_no_url_of_a_server_is_one_line(aivcs, endpoint):
    for words in (("status",), ("init",)):
        done = aivcs(*words, env={"AWS_ENDPOINT_URL": endpoint}, code=2)
        assert "AWS_ENDPOINT_URL has to be the URL of a server" in done.complaint
        assert endpoint in done.complaint
        assert len(done.err.splitlines()) == 1
    done = aivcs("status", env={"AWS_ENDPOINT_URL_S3": "ann:hunter2@x://y"}, code=2)
    assert "AWS_ENDPOINT_URL_S3" in done.complaint


def test_a_server_that_cannot_be_spoken_to_is_told_with_the_reason(aivcs, server, command_over):
    done = aivcs("status", env={"AWS_ENDPOINT_URL": f"https://127.0.0.1:{server.port}"}, code=16)
    assert "does not speak TLS" in done.complaint
    config = aivcs.home / ".config" / "aivcs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[remote]\ntimeout = 0.2\n")
    nowhere = f"http://127.0.0.1:{claim_ports()}"
    done = aivcs("status", env={"AWS_ENDPOINT_URL": nowhere}, code=75)
    assert "it refuses the connection" in done.err.decode()
    done = aivcs("status", env={"AWS_ENDPOINT_URL": "http://no-such-server.invalid"}, code=75)
    assert "no server of this name" in done.err.decode()


def test_half_of_the_credentials_is_told(aivcs):
    done = aivcs("status", env={"AWS_SECRET_ACCESS_KEY": ""}, code=16)
    assert "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not" in done.complaint


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "InvalidAccessKeyId", "does not know the access key"),
        (403, "SignatureDoesNotMatch", "does not belong to the access key"),
        (400, "ExpiredToken", "has expired"),
        (403, "RequestTimeTooSkewed", "clock"),
        (403, "AccessDenied", "store grants"),
    ],
)
def test_a_refusal_of_the_server_is_one_line(server, command_over, status, code, told):
    with Proxy(server) as proxy:
        body = f"<Error><Code>{code}</Code><Message>{SECRET_KEY}</Message></Error>"
        proxy.answer = (
            f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        command = command_over(server, proxy.url)
        for words in (("status",), ("init",)):
            done = command(*words, code=16)
            assert told in done.complaint
            assert SECRET_KEY not in done.err.decode()
            assert ACCESS_KEY not in done.err.decode()


def test_credentials_may_be_those_of_a_profile(aivcs):
    pytest.importorskip("botocore", reason="the extra aws is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del aivcs.variables[name]
    nowhere = f"http://127.0.0.1:{claim_ports()}"
    done = aivcs("status", env={"AWS_METADATA_ENDPOINT": nowhere}, code=16)
    assert "no credentials were found" in done.complaint
    done = aivcs("status", env={"AWS_PROFILE": "team"}, code=16)
    assert "team" in done.complaint
    folder = aivcs.home / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        f"[team]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    aivcs.ok("status", env={"AWS_PROFILE": "team"})
    (folder / "config").write_text(
        "[profile sso]\nsso_start_url = https://example.com/start\nsso_region = us-east-1\n"
        "sso_account_id = 123456789012\nsso_role_name = role\n"
    )
    done = aivcs("status", env={"AWS_PROFILE": "sso"}, code=16)  # nobody has logged in
    assert "Error loading SSO Token" in done.complaint
    assert "aws sso login" in done.complaint
    (folder / "config").unlink()
    done = aivcs("status", code=16)  # the files are there, and have no default profile
    assert "aws sso login" in done.complaint


def test_grants_are_a_policy_of_iam(aivcs):
    for role in ("reader", "recorder", "promoter", "eraser", "maintainer", "owner"):
        told = json.loads(aivcs.ok("store", "grants", "--role", role).out)
        assert told["Version"] == "2012-10-17"
        for statement in told["Statement"]:
            assert statement["Effect"] == "Allow"
            assert f"arn:aws:s3:::{BUCKET}" in str(statement["Resource"])
    text = aivcs.ok("store", "grants", "--role", "promoter", "--name", "team/*").text
    assert f"arn:aws:s3:::{BUCKET}/{aivcs.prefix}/open/release/team=*!/*" in text
    assert aivcs.ok("store", "check").text == ""
    aivcs.ok("store", "upgrade")


@pytest.mark.parametrize("role", ["eraser", "maintainer"])
def test_who_erases_may_hold_the_lock_of_it(role):
    location = Location("s3://bucket/prefix", {})
    statements = json.loads(policy(location, role))["Statement"]
    for action in ("s3:PutObject", "s3:DeleteObject"):
        allowed = [name for s in statements if action in s["Action"] for name in s["Resource"]]
        assert "arn:aws:s3:::bucket/prefix/erasing/*" in allowed


def test_a_recorder_may_write_the_documents_of_its_runs():
    """With the names that `S3Documents` gives: an annotation has one version."""
    location = Location("s3://bucket/prefix", {})
    statements = json.loads(policy(location, "recorder"))["Statement"]
    allowed = [name for s in statements if "s3:PutObject" in s["Action"] for name in s["Resource"]]

    def may(name, version):
        resource = f"arn:aws:s3:::bucket/prefix/documents/{name}!/{version:08d}"
        return any(fnmatchcase(resource, pattern) for pattern in allowed)

    assert may("notes/0b/run/digest", 1)
    assert not may("notes/0b/run/digest", 2)
    assert may("replicas/run", 1)
    assert may("replicas/run", 2)
    assert may("untrusted/run", 1)
    assert not may("untrusted/run", 2)  # which would take the mark away
    assert may("pins/digest", 1)
    assert not may("config.toml", 2)


def wait_for_a_second():
    """Waits until a time of whole seconds tells that something is over."""
    subprocess.run(["sleep", "2.1"], check=True)
