"""The command over a store in PostgreSQL, which it knows by its URL alone."""

import json
import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from servers.fault_proxy import FaultProxy

from aivcs.api import Repository
from aivcs.backends.postgres.address import Address
from aivcs.backends.postgres.client import secured
from aivcs.backends.postgres.rights import regex_of
from aivcs.errors import UsageError

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipeline.sh"


@pytest.fixture
def aivcs(server, outside):
    """The command with a store of its own, which it has made itself."""
    server.give_back(server.store())  # makes the user
    outside.database = server.empty()
    outside.url = server.url(outside.database)
    plain = outside.environment
    outside.environment = lambda **changes: plain(**{"AIVCS_STORE": outside.url, **changes})
    assert outside.ok("init").text == outside.url
    yield outside
    server.sql(f"DROP DATABASE {outside.database} WITH (FORCE)")


@pytest.fixture
def configured(aivcs):
    """The command, which gives up a server after half a second."""
    folder = aivcs.home / ".config" / "aivcs"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[remote]\ntimeout = 0.5\n")
    return aivcs


def chain_of(text):
    """The entries of a log; each hash computed by the words of the format."""
    previous, entries = "", []
    for line in text.splitlines():
        body, _, rest = line.rpartition(',"hash":"')
        previous = sha256((previous + body).encode()).hexdigest()
        assert rest == f'{previous}"}}'
        entries.append(json.loads(line))
    return entries


@pytest.mark.process
def test_the_example_pipeline(aivcs):
    script = EXAMPLE.read_text().split("set -euo pipefail", 1)[1]
    done = aivcs.shell(f"set -euo pipefail{script}", str(aivcs.folder))
    assert done.code == 0, done
    assert b"no damage found" in done.err
    assert len(aivcs.ok("release", "history", "reviewer").lines) == 3
    assert len(aivcs.ok("run", "list").lines) == 2


def test_the_lines_that_psql_prints_are_a_chain(aivcs, server):
    run = aivcs.begin()
    aivcs.ok("run", "log", run, "step", "text=Grüße")
    aivcs.ok("run", "log", "--stdin", run, stdin='{"kind":"a","payload":{"n":[1,null]}}\n' * 3)
    aivcs.ok("run", "log", "--seq", "9", run, "late")
    aivcs.ok("run", "finish", run)
    query = f"SELECT line FROM aivcs.lines WHERE log = 'run/{run}' ORDER BY number"
    entries = chain_of(server.psql(query, database=aivcs.database).stdout)
    assert [entry.get("seq") for entry in entries] == [None, 1, 2, 3, 4, 9, None]
    query = f"SELECT kind, payload FROM aivcs.events WHERE run_id = '{run}' ORDER BY seq"
    told = server.psql(query, database=aivcs.database).stdout.splitlines()
    assert told[0] == 'step|{"text":"Grüße"}'
    assert told[-1] == "late|{}"


def test_lists_and_tags(aivcs):
    spec = aivcs.put("a spec")
    for name in ("one", "two"):
        run = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec, "--tag", f"v={name}").text
    aivcs.ok("run", "finish", run, "--status", "failed")
    assert aivcs.ok("run", "list", "--tag", "v=two").text.split("\t")[0] == run
    assert len(aivcs.ok("run", "list", "--status", "running").lines) == 1
    assert len(aivcs.ok("run", "list", "--agent", "bot", "-n", "1").lines) == 1
    assert aivcs.ok("run", "list", "--agent", "other").lines == []
    assert "1 running, 1 failed" in aivcs.ok("status").text


def test_the_scheme_of_a_url_has_any_case(aivcs):
    run = aivcs.begin()
    _, _, rest = aivcs.url.partition("://")
    for scheme in ("POSTGRESQL", "PostgreSQL"):
        assert aivcs.ok("--store", f"{scheme}://{rest}", "run", "list").text.startswith(run)


def test_gc_pins_and_blobs_of_several_parts(aivcs):
    large = os.urandom(3 << 20)
    kept, gone = aivcs.put(large), aivcs.put("gone")
    assert aivcs.ok("blob", "get", kept).out == large
    aivcs.ok("blob", "pin", kept)
    aivcs.ok("gc", "--grace", "0s")
    assert aivcs.ok("blob", "ls").lines == [kept]
    aivcs("blob", "has", gone, code=1)
    assert "over the limit" in aivcs("blob", "put", "-", stdin=b"x" * (65 << 20), code=2).complaint


def test_a_changed_projection_is_damage(aivcs, server):
    run = aivcs.begin()
    assert "no damage" in aivcs.ok("verify").err.decode()
    server.sql("UPDATE aivcs.runs SET status = 'COMPLETED'", database=aivcs.database)
    assert f"run/{run}" in aivcs("verify", code=14).text


def test_what_is_redacted_is_gone_and_everything_else_proves_itself(aivcs, server):
    secret = "s3cr3t-value-of-nobody"
    run = aivcs.begin()
    aivcs.ok("run", "log", run, "say", f"text={secret}")
    aivcs.ok("run", "log", run, "say", "text=fine")
    head = aivcs.ok("head").text
    aivcs.ok("run", "redact", run, "1", "--reason", "a key was shown")
    aivcs.ok("run", "log", run, "say", "text=more")
    assert "no damage" in aivcs.ok("verify", "--head", head).err.decode()
    events = aivcs.events(run)
    assert events[0]["payload"] is None
    assert events[1]["payload"] == {"text": "fine"}
    query = "SELECT convert_from(data, 'UTF8') FROM aivcs.chunks"
    assert secret not in server.psql(query, database=aivcs.database).stdout
    query = f"SELECT seq, payload FROM aivcs.events WHERE run_id = '{run}' ORDER BY seq"
    assert server.psql(query, database=aivcs.database).stdout.splitlines()[0].startswith("2|")


def test_administration(aivcs, server):
    sql = aivcs.ok("store", "grants", "--role", "promoter", "--name", "prod/*").text
    assert "CREATE ROLE" in sql
    said = aivcs("store", "check").lines
    assert sum("fsync" in line for line in said) == 1
    assert len(set(said)) == len(said)
    server.sql("UPDATE aivcs.meta SET schema = 9", database=aivcs.database)
    assert "newer aivcs" in aivcs("status", code=16).complaint
    server.sql("UPDATE aivcs.meta SET schema = 0", database=aivcs.database)
    assert "aivcs store upgrade" in aivcs("run", "list", code=16).complaint
    assert "schema 0" in aivcs("store", "check").text
    assert "nothing leads from schema 0" in aivcs("store", "upgrade", code=16).complaint


class TestRefusals:
    """One line, with the way out, and the exit code."""

    def said(self, aivcs, url, code, *words):
        done = aivcs("--store", url, *(words or ("status",)), code=code)
        assert "hunter2" not in done.err.decode() + done.out.decode()
        assert done.out == b""
        return done.complaint

    def test_a_server_that_is_not_there(self, configured):
        done = configured("--store", "postgresql://ann:hunter2@127.0.0.1:19/x", "status", code=75)
        first, last = done.err.decode().splitlines()
        assert "warning: cannot reach" in first
        assert re.search(r" \(\d+ attempts in 0\.5 s\); nothing was done\. Try again", last)
        assert "hunter2" not in first + last

    def test_a_database_or_user_or_schema_that_is_not_there(self, aivcs, server):
        url = server.url("nowhere").replace("keeper@", "keeper:hunter2@")
        assert "createdb" in self.said(aivcs, url, 16)
        url = server.url(aivcs.database, user="nobody:hunter2")
        assert "CREATE ROLE" in self.said(aivcs, url, 16)
        said = self.said(aivcs, server.url(aivcs.database, schema="none"), 10)
        assert "(schema none); this database has stores in the schemas aivcs; " in said
        assert "aivcs init" in said

    def test_a_wrong_password(self, aivcs, server):
        hba = Path(server.data, "pg_hba.conf")
        before = hba.read_text()
        server.sql("CREATE ROLE ann LOGIN PASSWORD 'right'")
        try:
            hba.write_text(f"host all ann 127.0.0.1/32 scram-sha-256\n{before}")
            server.sql("SELECT pg_reload_conf()")
            url = server.url(aivcs.database, user="ann:hunter2")
            assert "password authentication failed" in self.said(aivcs, url, 16)
            assert "PGPASSWORD" in self.said(aivcs, server.url(aivcs.database, user="ann"), 16)
            assert "no rights" in self.said(aivcs, server.url(aivcs.database, user="ann:right"), 16)
        finally:
            hba.write_text(before)
            server.sql("SELECT pg_reload_conf()")
            server.sql("DROP ROLE ann")

    def test_no_right_to_make_a_schema(self, aivcs, server):
        server.sql("CREATE ROLE ann LOGIN")
        try:
            url = server.url(aivcs.database, user="ann", schema="mine")
            assert "CREATE SCHEMA" in self.said(aivcs, url, 16, "init")
        finally:
            server.sql("DROP ROLE ann")

    def test_a_url_that_is_none(self, aivcs):
        for query in ("?schema=", f"?schema={'x' * 41}"):
            self.said(aivcs, f"postgresql://ann:hunter2@127.0.0.1/x{query}", 2)
        self.said(aivcs, "postgresql://ann:hunter2@127.0.0.1/x?colour=blue", 16)
        for port in ("1:2", "99999"):
            said = self.said(aivcs, f"postgresql://ann:hunter2@127.0.0.1:{port}/x", 16)
            assert "check the port" in said
        assert "postgresql:// or" in self.said(aivcs, "postgres://ann:hunter2@127.0.0.1/x", 2)


@pytest.mark.process
def test_a_command_goes_on_when_the_server_goes_away(own_server, outside):
    own_server.give_back(own_server.store())
    url = own_server.url(own_server.store())
    environment = {"AIVCS_STORE": url}
    spec = outside.ok("blob", "put", "-", stdin="spec", env=environment).text
    script = "echo one; sleep 1; echo two; sleep 2; echo three; exit 4"
    running = outside.start(
        "run", "exec", "--agent", "bot", "--spec", spec, "--", "bash", "-c", script,
        env=environment, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout.readline() == b"one\n"
    own_server.restart()
    assert running.stdout.read() == b"two\nthree\n"
    assert running.wait() == 4
    running.stdout.close()
    run = outside.ok("run", "list", env=environment).text.split("\t")
    assert run[2] == "FAILED"
    events = outside.ok("run", "events", run[0], "--json", env=environment).json_lines
    assert [e["payload"]["text"] for e in events if e["kind"] == "output"] == [
        "one",
        "two",
        "three",
    ]


TRIPS = {
    "blob put SMALL": 2,
    "blob put LARGE": 7,
    "blob get SPEC": 2,
    "blob has SPEC": 2,
    "run start --agent bot --spec SPEC": 5,
    "run log RUN step": 2,
    "run log --seq 7 RUN step": 4,
    "run log --stdin RUN": 3,
    "run log --blob file=SMALL RUN step": 5,
    "run finish RUN": 4,
    "run show RUN": 4,
    "run events RUN": 3,
    "run list -n 20": 2,
    "release promote bot OTHER": 5,
    "release rollback bot": 7,
    "release current bot": 2,
    "release history bot": 3,
    "release list": 3,
}
"""How often each command waits for the server, whatever it has to do: once to open the store, then
once for each thing that the next one depends on: a hold, a blob, the end of a log, an append."""


def trips_of(aivcs, server, words, delay):
    """How often a command waits for a server that is so many seconds away."""
    names = {"RUN": aivcs.begin(), "SPEC": aivcs.put("a spec\n"), "OTHER": aivcs.put("another\n")}
    for digest in (names["SPEC"], names["OTHER"], names["SPEC"]):
        aivcs.ok("release", "promote", "bot", digest)
    for name, size in (("SMALL", 5), ("LARGE", 3 << 20)):
        names[name] = f"{name}.txt"
        (aivcs.folder / names[name]).write_bytes(os.urandom(size))
    command = [
        re.sub("RUN|SPEC|OTHER|SMALL|LARGE", lambda found: names[found[0]], word)
        for word in words.split()
    ]
    proxy = FaultProxy(server.port)
    proxy.delay = delay
    url = aivcs.url.replace(f":{server.port}/", f":{proxy.port}/")
    try:
        aivcs.ok(*command, env={"AIVCS_STORE": url}, stdin=b'{"kind":"a"}\n' * 100)
    finally:
        proxy.close()
    return proxy.asked


@pytest.mark.parametrize("words", TRIPS)
def test_round_trips_of_a_command(aivcs, server, words):
    assert trips_of(aivcs, server, words, 0.001) == TRIPS[words]


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.02, 0.1])
@pytest.mark.parametrize("words", TRIPS)
def test_a_server_far_away_is_not_asked_more_often(aivcs, server, words, delay):
    assert trips_of(aivcs, server, words, delay) == TRIPS[words]


def test_the_trips_for_a_list_do_not_grow_with_the_runs(aivcs, server):
    few = trips_of(aivcs, server, "run list", 0)
    repo = Repository.open(aivcs.url)
    for _ in range(60):
        repo.start_run(repo.blobs.put(b"spec"), agent_name="bot")
    repo.store.close()
    assert trips_of(aivcs, server, "run list", 0) == few == 2


class TestAddress:
    def test_the_password_is_used_and_not_shown(self):
        address = Address("postgresql://ann:hunter2%2F@db.example.com/x?schema=team")
        assert address.url == "postgresql://ann@db.example.com/x?schema=team"
        assert "password=hunter2/" in address.conninfo.replace("%2F", "/")
        assert "hunter2" in Address(address.url).conninfo  # it opens the same store again

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "", "%2Frun%2Fpostgresql"])
    def test_on_this_machine_tls_is_as_libpq_has_it(self, host):
        address = Address(f"postgresql://{host}/x?sslmode=disable")
        near = host.strip("[]").replace("%2F", "/")
        assert address.secured({}, near, "verify-full") == address.conninfo

    def test_elsewhere_it_is_verified(self):
        address = Address("postgresql://db.example.com/x")
        assert "sslmode=verify-full" in address.secured({}, "db.example.com", "verify-full")
        told = address.secured({"PGSSLROOTCERT": "ca.pem"}, "127.0.0.1,db.example.com", "verify-ca")
        assert "sslmode=verify-ca" in told

    def test_an_address_in_the_environment_is_where_libpq_connects(self, monkeypatch):
        monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
        address = Address("postgresql://localhost/x")
        assert "sslmode=verify-full" in secured(address, "verify-full")

    @pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
    def test_a_url_cannot_ask_for_less(self, mode):
        address = Address(f"postgresql://db.example.com/x?sslmode={mode}")
        with pytest.raises(UsageError, match=r"remote\.tls"):
            address.secured({}, "db.example.com", "verify-full")
        assert f"sslmode={mode}" in address.secured(
            {"PGSSLROOTCERT": "ca.pem"}, "db.example.com", "disable"
        )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*", "^.*$"), ("prod/*", "^prod[/].*$"), ("a?.b-c_d", "^a.[.]b[-]c[_]d$")],
)
def test_patterns_of_names_in_the_words_of_the_server(pattern, expected):
    assert regex_of(pattern) == expected
