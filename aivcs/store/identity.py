"""The random id of a store, which identifies it wherever it is found."""

from os import urandom

from aivcs.errors import IntegrityError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.store.driver import Documents
    from aivcs.store.finding import Finding

_NAME = "id"
"""Name of the document with the id: 32 hexadecimal digits and a newline. Old versions ignore it."""
_PROBLEM = "is damaged: it does not hold the 32 hexadecimal digits by which a store is known"
_REMEDY = "restore it from a backup; else remove it, and trust the new id: aivcs trust STORE"


def is_store_id(value: object) -> bool:
    """Tells whether a value is the id of a store: 32 hexadecimal digits in lower case."""
    return isinstance(value, str) and len(value) == 32 and not value.strip("0123456789abcdef")


def stored_id(documents: "Documents") -> str | None:
    """Returns the id of a store; None if it has none.

    Raises:
        IntegrityError: The document does not hold an id.
        BackendError: The id cannot be read.
    """
    found = documents.read(_NAME)
    return None if found is None else _parsed(documents, found[0])


def inspect(documents: "Documents") -> "Iterator[Finding]":
    """Yields a finding if the id of a store is damaged or cannot be read."""
    from aivcs.log.verify_run import DAMAGE
    from aivcs.store.finding import Finding
    from aivcs.store.statements import problem_of

    try:
        stored_id(documents)
    except IntegrityError:
        yield Finding(DAMAGE, _NAME, None, f"it {_PROBLEM}", _REMEDY)
    except StorageError as error:
        yield problem_of(_NAME, error, _REMEDY)


def identify(documents: "Documents") -> str:
    """Returns the id of a store; makes one for a store that has none, such as an old one.

    Raises:
        IntegrityError: The document does not hold an id.
        BackendError: The id cannot be read or made.
    """
    found = documents.read(_NAME)
    if found is None:
        documents.create(_NAME, urandom(16).hex().encode() + b"\n")
        found = documents.read(_NAME)  # if two processes make one at once, the first counts
    return _parsed(documents, b"" if found is None else found[0])


def _parsed(documents: "Documents", data: bytes) -> str:
    if len(data) != 33 or data[:32].strip(b"0123456789abcdef"):
        where = getattr(documents, "where", "the document {}".format)(_NAME)
        raise IntegrityError.of(f"{where} {_PROBLEM}; {_REMEDY}", where)
    return data[:32].decode()
