"""The schema of a store in PostgreSQL: its text belongs to its version, and steps lead to it."""

from hashlib import sha256

import pytest

from aivcs.backends.postgres import schema
from aivcs.backends.postgres.backend import PostgresBackend
from aivcs.errors import BackendError
from aivcs.repository import Repository

DIGESTS = {1: "791e37758b8dec1ca25e9f22948f7279aab4e04f6a0cfa3c50c1e84cb9f27dcc"}
"""The SHA-256 of schema.sql, by VERSION. Stores have been made with these texts, and a store is not
changed by an edit of the file: whoever edits it raises VERSION, writes the step that leads there
into STEPS, and adds a line here. Only a version that was never released may get another digest."""


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
