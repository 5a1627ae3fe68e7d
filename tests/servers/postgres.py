"""A real PostgreSQL server for tests: one for each process of the tests, on loopback.

It starts when first used, from Debian's package or from AIVCS_TEST_POSTGRES (a folder with initdb),
and ends with the process. Every store is a database of its own, copied from a template.
"""

import atexit
import glob
import os
import shutil
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest
from servers.ports import claim_ports

KEEPER = "keeper"
"""The user that owns the stores; no superuser."""


def find_programs():
    """The folder with initdb and pg_ctl of the newest server on this machine, or None."""
    named = os.environ.get("AIVCS_TEST_POSTGRES")
    folders = [named] if named else glob.glob("/usr/lib/postgresql/*/bin")
    found = [folder for folder in folders if os.path.exists(f"{folder}/initdb")]
    return max(found, key=lambda folder: float(Path(folder).parent.name), default=None)


class Server:
    """A server of one's own."""

    def __init__(self, programs, *options, clock=None):
        self.programs = programs
        self._clock = clock
        self.port = claim_ports()
        self.folder = Path(tempfile.mkdtemp(prefix="aivcs-pg-", dir="/tmp"))
        self._options = options
        self._names = count(1)
        self._template = None
        self._emptied = []
        if os.getuid() == 0:  # initdb refuses root
            shutil.chown(self.folder, "postgres", "postgres")
        self._run(
            "initdb", "-D", self.data, "-U", "super", "-A", "trust", "--no-sync", "-E", "UTF8",
            "--locale=C",
        )  # fmt: skip
        self.start()

    @property
    def data(self):
        return str(self.folder / "data")

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        for option in ("fsync=off", "max_connections=200", *self._options):
            options += f" -c {option}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self.data, "-w", "-l", log, "-o", options, "start")

    def stop(self, how="immediate"):
        self._run("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")

    def restart(self, how="immediate"):
        self.stop(how)
        self.start()

    def end(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, statement, *values, database="postgres", user="super"):
        """Executes a statement in a connection of its own; returns the rows."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def psql(self, script, *, database, user="super"):
        """Lets psql execute a script; returns what it did."""
        return subprocess.run(
            ["psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
             "-U", user, database],
            input=script, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def url(self, database, *, user=KEEPER, schema="aivcs"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}?schema={schema}"

    def empty(self):
        """Makes a database without a store, which the keeper owns; returns its name."""
        name = f"db{next(self._names)}"
        self.sql(f"CREATE DATABASE {name} OWNER {KEEPER} TEMPLATE template0")
        return name

    def store(self):
        """Makes a database with an empty store; returns its name."""
        from aivcs.api import Repository

        if self._emptied:
            return self._emptied.pop()
        if self._template is None:
            self.sql(f"CREATE ROLE {KEEPER} LOGIN")
            self._template = self.empty()
            Repository.init(self.url(self._template)).store.close()
        name = f"db{next(self._names)}"
        self.sql(f"CREATE DATABASE {name} OWNER {KEEPER} TEMPLATE {self._template}")
        return name

    def give_back(self, name):
        """Empties a store for the next test, unless its schema was changed; that one is dropped."""
        ((count,),) = self.sql(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'aivcs.chunks'::regclass",
            database=name,
        )
        if self._constraints is None:
            self._constraints = count
        if count == self._constraints:
            tables = "logs, chunks, runs, parts, blobs, documents, rights"
            self.sql(
                "SET session_replication_role = replica; SET search_path = aivcs; "
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid(); "
                f"TRUNCATE {tables} RESTART IDENTITY",
                database=name,
            )
            self._emptied.append(name)
        else:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    _constraints = None

    def _run(self, program, *words):
        command = [f"{self.programs}/{program}", *words]
        if self._clock is not None:
            library, offset = self._clock
            command = ["env", f"LD_PRELOAD={library}", f"FAKETIME={offset}",
                       "FAKETIME_DONT_RESET=1", *command]  # fmt: skip
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        # A server that inherits a pipe would keep it open, and the caller waiting: see the log.
        assert done.returncode == 0, command


class Standby(Server):
    """A copy of a server that follows it, and can take over."""

    def __init__(self, primary):
        self.programs = primary.programs
        self._clock = None
        self.port = claim_ports()
        self.folder = Path(tempfile.mkdtemp(prefix="aivcs-pg-", dir="/tmp"))
        self._options = ()
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run(
            "pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
            "-h", "127.0.0.1", "-p", str(primary.port), "-U", "super",
        )  # fmt: skip
        self.start()

    def cut_off(self):
        """Stops following; what the primary writes from now on does not come here."""
        self.sql("ALTER SYSTEM SET primary_conninfo = ''")
        self.sql("SELECT pg_reload_conf()")
        while self.sql("SELECT pid FROM pg_stat_wal_receiver"):
            time.sleep(0.02)

    def promote(self):
        self._run("pg_ctl", "-D", self.data, "-w", "promote")


_servers: list["Server"] = []
"""The server of this process, once it was needed."""


def need_programs():
    """The folder of the server's programs; skips the test where it or the library is missing."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
    programs = find_programs()
    if programs is None:
        if os.environ.get("AIVCS_REQUIRE_ALL") == "1":
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    return programs


def need_other_clock():
    """The library by which a process has another time; skips the test where it is missing."""
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    named = os.environ.get("AIVCS_TEST_FAKETIME", found[0] if found else None)
    if named is None:
        pytest.skip("libfaketime is not installed")
    return named


def start_server():
    """The server of this process; skips the test where there is none."""
    programs = need_programs()
    if not _servers:
        _servers.append(Server(programs))
        atexit.register(_servers[0].end)
    return _servers[0]


@pytest.fixture
def server():
    """The server of this process."""
    return start_server()


@pytest.fixture
def own_server():
    """A server for this test alone, which it may kill."""
    made = Server(need_programs())
    yield made
    made.end()


@pytest.fixture
def database(server):
    """The name of a database with an empty store."""
    name = server.store()
    yield name
    server.give_back(name)
