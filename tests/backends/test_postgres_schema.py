"""The schema of a store in PostgreSQL: its text belongs to its version, and steps lead to it."""

from hashlib import sha256
from pathlib import Path

import pytest

from aivcs.api import Repository
from aivcs.backends.postgres import schema
from aivcs.backends.postgres.backend import PostgresBackend
from aivcs.errors import BackendError, UnsupportedFormatError
from aivcs.model.run import RunEvent

FIRST = Path(__file__).with_name("postgres_schema_1.sql")
"""schema.sql as version 0.2.0 had it."""
DIGESTS = {
    1: "a578f60d0f23047fce814a82ed3f4f48c0d5e2c5e8e1b31c8027ff451852740d",
    2: "c4f62ba91b0b9d9a58c5b315b32c24b90db465e8d8d2267c14362ce557ae4df2",
}
"""The SHA-256 of schema.sql, by VERSION, as `install` executes it. Stores have been made with these
texts, and no edit of the file changes them: whoever edits it raises VERSION, writes the step that
leads there into STEPS, and adds a line here. Only a version that was never released may get another
digest."""


def test_the_text_of_the_schema_belongs_to_its_version():
    text = schema._sql()
    assert sha256(text.encode()).hexdigest() == DIGESTS[schema.VERSION]
    assert list(schema.STEPS) == list(range(1, schema.VERSION))


@pytest.fixture
def old(server, database, monkeypatch):
    """An opened store, while this version of aivcs needs one more step."""
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    repo = Repository.open(server.url(database))
    yield repo
    repo.store.close()
    server.sql("DROP TABLE IF EXISTS aivcs.more", database=database)
    server.sql(f"UPDATE aivcs.meta SET schema = {schema.VERSION - 1}", database=database)


def test_a_step_is_done_once_and_as_a_whole(old, server, database, monkeypatch):
    before = schema.VERSION - 1
    monkeypatch.setitem(schema.STEPS, before, "CREATE TABLE more (a int); SELECT 1/0")
    with pytest.raises(BackendError, match="division by zero"):
        list(old.store.upgrade())
    assert server.sql("SELECT to_regclass('aivcs.more')", database=database) == [(None,)]
    monkeypatch.setitem(schema.STEPS, before, "CREATE TABLE more (a int)")
    assert list(old.store.upgrade()) == [f"schema {before} -> {before + 1}"]
    assert list(old.store.upgrade()) == []
    assert old.blobs.get(old.blobs.put(b"a")) == b"a"


def test_members_of_the_owner_only_upgrade(old, server, database, monkeypatch):
    before = schema.VERSION - 1
    monkeypatch.setitem(schema.STEPS, before, "CREATE TABLE more (a int)")
    server.sql("CREATE ROLE passer LOGIN")
    try:
        server.sql(
            "GRANT USAGE ON SCHEMA aivcs TO passer; GRANT SELECT ON aivcs.meta, aivcs.documents "
            "TO passer",
            database=database,
        )
        passer = PostgresBackend.open(server.url(database, user="passer"))
        with pytest.raises(BackendError, match="permission denied"):
            list(passer.upgrade())
        passer.close()
        assert server.sql("SELECT schema FROM aivcs.meta", database=database) == [(before,)]
    finally:
        server.sql("DROP OWNED BY passer; DROP ROLE passer", database=database)


def described(server, database):
    """Tables, constraints, indexes, triggers and functions of a store, as the server has them."""
    return {
        what: set(server.sql(query, database=database))
        for what, query in {
            "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_schema = 'aivcs'",
            "functions": "SELECT p.oid::regprocedure::text, prosrc, prosecdef, proconfig::text, "
            "lanname::text, provolatile::text, proacl::text FROM pg_proc p JOIN pg_language l "
            "ON l.oid = prolang WHERE pronamespace = 'aivcs'::regnamespace",
            "indexes": "SELECT indexname::text, indexdef FROM pg_indexes "
            "WHERE schemaname = 'aivcs'",
            "triggers": "SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger "
            "WHERE NOT tgisinternal",
        }.items()
    }


@pytest.fixture
def of_version_1(server, monkeypatch):
    """The name of a database with a store that version 0.2.0 made, and its URL."""
    server.give_back(server.store())  # makes the user
    name = server.empty()
    with monkeypatch.context() as patch:
        text = FIRST.read_text()
        patch.setattr(schema, "VERSION", 1)
        patch.setattr(schema, "_sql", lambda: schema._with_compression(text))
        PostgresBackend.init(server.url(name)).close()
    yield name
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_store_of_version_1_becomes_what_init_makes_now(server, database, of_version_1):
    store = PostgresBackend.open(server.url(of_version_1))
    with pytest.raises(UnsupportedFormatError, match="aivcs store upgrade"):
        store.grants("eraser")
    server.sql(
        "CREATE ROLE old_eraser; "
        "INSERT INTO aivcs.rights (kind, role) VALUES ('eraser', 'old_eraser')",
        database=of_version_1,
    )
    server.sql(  # a run that claims the id of another was listed as that
        "INSERT INTO aivcs.logs (name) VALUES ('run/a'), ('run/b'); "
        "INSERT INTO aivcs.runs (log, run_id, agent, spec, created_at, first) "
        "SELECT id, 'a', 'bot', '', '', '' FROM aivcs.logs",
        database=of_version_1,
    )
    assert list(store.upgrade()) == ["schema 1 -> 2"]
    assert list(store.check()) == []
    store.close()
    rows = server.sql("SELECT name, listed FROM aivcs.logs ORDER BY 1", database=of_version_1)
    assert rows == [("run/a", True), ("run/b", False)]
    old, new = described(server, of_version_1), described(server, database)
    for rights in (old["functions"], new["functions"]):  # the rights are not those of init
        rights |= {row[:-1] for row in rights}
        rights -= {row for row in rights if len(row) == 7}
    assert old == new
    rights = server.sql(
        "SELECT has_function_privilege('old_eraser', "
        "'aivcs.redact(text, bigint, integer[], integer[], bytea[])', 'EXECUTE'), "
        "has_function_privilege('public', 'aivcs.require_change(aivcs.documents)', 'EXECUTE')",
        database=of_version_1,
    )
    server.sql("DROP OWNED BY old_eraser; DROP ROLE old_eraser", database=of_version_1)
    assert rights == [(True, False)]


def test_a_run_of_version_1_goes_on(server, of_version_1, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "VERSION", 1)
        before = Repository.open(server.url(of_version_1))
        run = before.start_run(before.blobs.put(b"spec"), agent_name="bot").run_id
        assert before.runs.append_event(run, RunEvent("a", {})) == 1
        before.runs.append_event(run, RunEvent("b", {}, seq=7))
        assert before.runs.append_event(run, RunEvent("c", {})) == 8
        before.store.close()
    old = PostgresBackend.open(server.url(of_version_1))
    assert list(old.upgrade()) == ["schema 1 -> 2"]
    old.close()
    repo = Repository.open(server.url(of_version_1))
    assert [repo.runs.append_event(run, RunEvent("d", {})) for _ in range(2)] == [9, 10]
    assert repo.runs.head(run).lines == 6
    assert not list(repo.store.inspect(frozenset({"runs"}), lambda *_: None))
    repo.store.close()
