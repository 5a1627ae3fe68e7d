"""The random id of a store, which identifies it wherever it is found."""

from os import urandom

from aivcs.errors import IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.store.driver import Documents

_NAME = "id"
"""Name of the document with the id: 32 hexadecimal digits and a newline. Old versions ignore it."""


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
    return None if found is None else _parsed(found[0])


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
    return _parsed(b"" if found is None else found[0])


def _parsed(data: bytes) -> str:
    if len(data) != 33 or data[:32].strip(b"0123456789abcdef"):
        raise IntegrityError.of(f"the store's id is damaged: {data[:40]!r}", _NAME)
    return data[:32].decode()
