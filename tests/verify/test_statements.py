"""A verification reads every annotation and every erasure, and blames none for a store away."""

import pytest

from aivcs.errors import IntegrityError, StorageError
from aivcs.store import annotations, erasures

NAME = {annotations: f"notes/ab/ab{'0' * 6}/{'0' * 64}", erasures: f"erasures/{'0' * 64}"}


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


@pytest.mark.parametrize("kind", NAME, ids=lambda kind: kind.__name__)
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
