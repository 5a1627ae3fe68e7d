"""A backend of somebody's own passes every contract, and the command line works on it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from backends import sqlite_driver

from aivcs.api import Repository
from aivcs.store.settings import Settings
from aivcs.testing import (
    AnnotationStoreContract,
    BackendContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)

sqlite_driver.register()


@pytest.fixture
def path(tmp_path):
    Repository.init(f"sqlite://{tmp_path}/store.db")
    return tmp_path / "store.db"


@pytest.fixture
def open_repo(path):
    return lambda: Repository.open(f"sqlite://{path}", Settings(lock_timeout=10))


def rewrite_of(path, kind):
    """The suite's `rewrite` for the logs of a kind."""

    def rewrite(name, edit):
        log = f"{kind}/{name}"
        with sqlite3.connect(path) as database:
            rows = database.execute("SELECT line FROM lines WHERE log = ? ORDER BY number", (log,))
            lines = edit([bytes(line)[:-1] for (line,) in rows])
            database.execute("DELETE FROM lines WHERE log = ?", (log,))
            database.executemany(
                "INSERT INTO lines VALUES (?, ?, ?)",
                [(log, number, line + b"\n") for number, line in enumerate(lines, 1)],
            )
        database.close()

    return rewrite


class TestBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, open_repo):
        return lambda: open_repo().store


class TestAnnotations(AnnotationStoreContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().annotations

    @pytest.fixture
    def corrupt(self, path):
        def corrupt(name, edit):
            with sqlite3.connect(path) as database:
                ((data,),) = database.execute("SELECT data FROM documents WHERE name = ?", (name,))
                changed = (edit(bytes(data)), name)
                database.execute("UPDATE documents SET data = ? WHERE name = ?", changed)
            database.close()

        return corrupt


class TestBlobs(CasStoreContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().blobs

    @pytest.fixture
    def corrupt(self, path):
        def corrupt(digest, edit):
            with sqlite3.connect(path) as database:
                ((content,),) = database.execute(
                    "SELECT content FROM blobs WHERE digest = ?", (digest,)
                )
                database.execute(
                    "UPDATE blobs SET content = ? WHERE digest = ?", (edit(content), digest)
                )
            database.close()

        return corrupt


class TestRuns(RunLedgerContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().runs

    @pytest.fixture
    def rewrite(self, path):
        return rewrite_of(path, "run")


class TestReleases(ReleaseRegistryContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().releases

    @pytest.fixture
    def rewrite(self, path):
        return rewrite_of(path, "release")


class TestCommandLine:
    """The main job on a store that the command line knows by its URL alone."""

    @pytest.fixture
    def aivcs(self, tmp_path, outside):
        script = tmp_path / "aivcs"
        script.write_text(
            f"#!{sys.executable}\n"
            "import sys\n"
            f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
            "from backends import sqlite_driver\n"
            "sqlite_driver.register()\n"
            "from aivcs.cli.main import run\n"
            "run()\n"
        )
        script.chmod(0o755)
        environment = {**outside.environment(), "AIVCS_STORE": f"sqlite://{tmp_path}/s.db"}

        def aivcs(*words, code=0, text=None):
            done = subprocess.run(
                [script, *words], env=environment, cwd=tmp_path, input=text,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == code, (words, done.stdout, done.stderr)
            return done.stdout.strip()

        aivcs("init")
        return aivcs

    def test_the_main_job(self, aivcs, tmp_path):
        spec = aivcs("blob", "put", "-", text="You are careful.")
        run = aivcs("run", "start", "--agent", "bot", "--spec", spec)
        aivcs("run", "log", run, "step", "n:=1")
        aivcs("run", "log", "--stdin", run, text='{"kind":"a","payload":{}}\n' * 3)
        aivcs("run", "exec", "--agent", "bot", "--spec", spec, "--", "echo", "hello")
        aivcs("run", "finish", run, "--exit-code", "0")
        assert len(aivcs("run", "events", run).splitlines()) >= 4
        assert len(aivcs("run", "list").splitlines()) == 2
        aivcs("release", "promote", "bot", spec, "--label", "v1", "--evidence", run)
        other = aivcs("blob", "put", "-", text="Be quick.")
        aivcs("release", "promote", "bot", other, "--label", "v2")
        aivcs("release", "rollback", "bot")
        assert aivcs("release", "current", "bot") == spec
        assert len(aivcs("release", "history", "bot").splitlines()) == 3
        aivcs("verify")
        head = aivcs("head")
        aivcs("verify", "--head", head)
        assert "bot" in aivcs("__complete", "release", "b")
        assert run in aivcs("__complete", "run", run[:4])
        assert spec in aivcs("__complete", "digest", spec[:4])
        aivcs("config", "set", "core.lock_timeout", "5")
        assert "5" in aivcs("config", "get", "core.lock_timeout")
        assert "2 completed" in aivcs("status")

    def test_gc_and_pins(self, aivcs):
        kept, gone = (aivcs("blob", "put", "-", text=text) for text in ("kept", "gone"))
        aivcs("blob", "pin", kept)
        aivcs("gc", "--grace", "0s")
        assert aivcs("blob", "ls") == kept
        aivcs("blob", "has", gone, code=1)
        aivcs("blob", "unpin", kept)
        aivcs("blob", "rm", kept)
        assert aivcs("blob", "ls") == ""

    def test_a_store_that_is_not_there_is_said(self, aivcs, tmp_path):
        aivcs("--store", f"sqlite://{tmp_path}/none.db", "status", code=10)
        aivcs("--store", "ftp://bucket/x", "status", code=2)
