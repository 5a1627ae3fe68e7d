"""The random id of a store, which identifies it wherever it is found."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError

if TYPE_CHECKING:
    from aivcs.store.driver import Documents

_NAME = "id"
"""Name of the document with the id: 32 hexadecimal digits and a newline. Old versions ignore it."""


def identify(documents: Documents) -> str:
    """Returns the id of a store; makes one for a store that has none, such as an old one.

    Raises:
        IntegrityError: The document does not hold an id.
        BackendError: The id cannot be read or made.
    """
    found = documents.read(_NAME)
    if found is None:
        documents.create(_NAME, urandom(16).hex().encode() + b"\n")
        found = documents.read(_NAME)  # if two processes make one at once, the first counts
    data = b"" if found is None else found[0]
    if len(data) != 33 or data[:32].strip(b"0123456789abcdef"):
        raise IntegrityError.of(f"the store's id is damaged: {data[:40]!r}", _NAME)
    return data[:32].decode()
