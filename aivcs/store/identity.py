"""The random id of a store, by which one knows it again wherever it is found."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError

if TYPE_CHECKING:
    from aivcs.store.driver import Documents

_NAME = "id"
"""The document: 32 hexadecimal digits and a newline. Older versions ignore it."""


def identify(documents: Documents) -> str:
    """Returns the id of a store, which is made if it has none: one of an older version, say.

    Raises:
        IntegrityError: What is there is no id.
        BackendError: It cannot be read or made.
    """
    found = documents.read(_NAME)
    if found is None:
        documents.create(_NAME, urandom(16).hex().encode() + b"\n")
        found = documents.read(_NAME)  # of two who make one at once, the first one's counts
    data = b"" if found is None else found[0]
    if len(data) != 33 or data[:32].strip(b"0123456789abcdef"):
        raise IntegrityError.of(f"the store's id is damaged: {data[:40]!r}", _NAME)
    return data[:32].decode()
