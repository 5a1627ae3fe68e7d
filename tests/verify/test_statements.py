"""A verification reads the id, annotations and erasures, and blames none for a store away."""

import pytest

from aivcs.backends.memory import MemoryBackend
from aivcs.commands.store.verify import verify
from aivcs.errors import IntegrityError, StorageError
from aivcs.repository import Repository
from aivcs.store import annotations, erasures, identity
from aivcs.store.finding import PARTS

NAME = {annotations: f"notes/ab/ab{'0' * 6}/{'0' * 64}", erasures: f"erasures/{'0' * 64}"}
NAME[identity] = "id"


class Documents:
    """One document, which cannot be read."""

    def __init__(self, name, error):
        self._name, self._error = name, error

    def names(self, prefix):
        return iter([self._name])

    def read(self, name):
        raise self._error


class AwayError(StorageError):
    is_store_away = True


def inspect(kind, error):
    documents = Documents(NAME[kind], error)
    rest = [lambda run_id: True] if kind is annotations else []
    return list(kind.inspect(documents, *rest))


@pytest.mark.parametrize("kind", NAME, ids=lambda kind: kind.__name__)
def test_a_store_that_is_away_is_no_damage(kind):
    with pytest.raises(AwayError):
        inspect(kind, AwayError("nobody answers"))


@pytest.mark.parametrize("kind", [annotations, erasures], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (StorageError("bad sector"), "it cannot be read: bad sector"),
        (IntegrityError.of("it is torn", "x"), "it is torn"),
    ],
)
def test_one_that_cannot_be_read_is_damage(kind, error, problem):
    (found,) = inspect(kind, error)
    assert found.where == NAME[kind]
    assert found.problem == problem


@pytest.mark.parametrize("content", [b"", b"0" * 31 + b"\n", b"X" * 32 + b"\n", b"\xff\0"])
def test_a_damaged_id_is_found_and_every_refusal_names_the_file(aivcs, content):
    path = aivcs.store / "id"
    path.write_bytes(content)
    (found,) = aivcs("verify", "--json", code=14).json_lines
    assert (found["severity"], found["where"]) == ("damage", "id")
    for words in ("clone SELF copy", "init --link SELF linked", "trust SELF"):
        complaint = aivcs(*words.replace("SELF", str(aivcs.store)).split(), code=14).complaint
        assert str(path) in complaint, complaint
        assert "backup" in complaint, complaint
        assert "b'" not in complaint, complaint
    path.unlink()
    aivcs.ok("trust", aivcs.store)
    assert aivcs.ok("verify").out == b""


def test_a_damaged_id_of_a_store_of_another_kind_is_found():
    store = Repository(MemoryBackend())
    store.store.documents.write("id", b"spoiled")
    (found,) = verify(store, frozenset(PARTS), lambda *_: None)
    assert (found.severity, found.where) == ("damage", "id")
