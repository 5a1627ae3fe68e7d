"""A store in PostgreSQL passes every contract, on a real server."""

import pytest

from aivcs.api import Repository
from aivcs.store.settings import Settings
from aivcs.testing import (
    AnnotationStoreContract,
    BackendContract,
    CasStoreContract,
    ReleaseRegistryContract,
    RunLedgerContract,
)


@pytest.fixture
def open_repo(server, database):
    opened = []

    def open_repo():
        repo = Repository.open(server.url(database), Settings(lock_timeout=10))
        opened.append(repo)
        return repo

    yield open_repo
    for repo in opened:
        repo.store.close()


@pytest.fixture
def rewrite_of(server, database):
    """Makes the suite's `rewrite` for the logs of a kind: what only a superuser can do."""

    def of(kind):
        def rewrite(name, edit):
            log = f"{kind}/{name}"
            rows = server.sql(
                "SELECT data FROM aivcs.chunks c JOIN aivcs.logs l ON l.id = log "
                "WHERE l.name = %s ORDER BY after",
                log,
                database=database,
            )
            lines = edit(b"".join(data for (data,) in rows).split(b"\n")[:-1])
            replace(server, database, log, [line + b"\n" for line in lines])

        return rewrite

    return of


def replace(server, database, log, lines):
    """Replaces a log by lines, two in a chunk, past all that guards it."""
    import psycopg

    with psycopg.connect(server.url(database, user="super").partition("?")[0]) as connection:
        run = connection.execute
        run("SET session_replication_role = replica; SET search_path = aivcs")
        checks = run(
            "SELECT conname FROM pg_constraint "
            "WHERE conrelid = 'chunks'::regclass AND contype = 'c'"
        )
        for (check,) in checks.fetchall():
            run(f"ALTER TABLE chunks DROP CONSTRAINT {check}")
        ((number, is_run),) = run(
            "SELECT id, name LIKE 'run/%%' FROM logs WHERE name = %s", (log,)
        ).fetchall()
        run("DELETE FROM chunks WHERE log = %s", (number,))
        run("DELETE FROM runs WHERE log = %s", (number,))
        # Nobody who forges a log leaves its row in `runs` as it was.
        run("UPDATE logs SET listed = NOT %s WHERE id = %s", (is_run, number))
        head = None
        for after in range(0, len(lines), 2):
            chunk = lines[after : after + 2]
            new = chunk[-1][-67:-3].decode() or "0" * 64
            is_open = not chunk[-1].startswith(b'{"type":"end"')
            run(
                "INSERT INTO chunks (log, after, last, prev, head, open, mark, nonce, data) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, ''::bytea, %s)",
                (number, after, after + len(chunk), head, new, is_open, len(chunk[-1]),
                 b"".join(chunk)),
            )  # fmt: skip
            head = new


class TestBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, open_repo):
        return lambda: open_repo().store


class TestAnnotations(AnnotationStoreContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().annotations

    @pytest.fixture
    def corrupt(self, server, database):
        def corrupt(name, edit):
            statement = "SELECT data FROM aivcs.documents WHERE name = %s"
            ((data,),) = server.sql(statement, name, database=database)
            statement = "UPDATE aivcs.documents SET data = %s WHERE name = %s"
            server.sql(statement, edit(data), name, database=database)

        return corrupt


@pytest.mark.slow
class TestBlobs(CasStoreContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().blobs

    @pytest.fixture
    def corrupt(self, server, database):
        def corrupt(digest, edit):
            ((upload,),) = server.sql(
                "SELECT upload FROM aivcs.blobs WHERE digest = %s", digest, database=database
            )
            parts = server.sql(
                "SELECT data FROM aivcs.parts WHERE upload = %s ORDER BY number",
                upload,
                database=database,
            )
            content = edit(b"".join(part for (part,) in parts))
            server.sql(
                "SET session_replication_role = replica; "
                f"DELETE FROM aivcs.parts WHERE upload = {upload}",
                database=database,
            )
            for number in range(max(1, -(-len(content) // (1 << 20)))):
                server.sql(
                    "INSERT INTO aivcs.parts (upload, number, data) VALUES (%s, %s, %s)",
                    upload,
                    number,
                    content[number << 20 : (number + 1) << 20],
                    database=database,
                )

        return corrupt


@pytest.mark.slow
class TestRuns(RunLedgerContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().runs

    @pytest.fixture
    def rewrite(self, rewrite_of):
        return rewrite_of("run")


@pytest.mark.slow
class TestReleases(ReleaseRegistryContract):
    @pytest.fixture
    def open_store(self, open_repo):
        return lambda: open_repo().releases

    @pytest.fixture
    def rewrite(self, rewrite_of):
        return rewrite_of("release")
