"""What is known of a signature."""

from __future__ import annotations

from typing import NamedTuple

TRUSTED, UNKNOWN, WRONG, UNCHECKED, PLANNED = "trusted", "unknown", "wrong", "unchecked", "planned"
"""The states of a signature: by an allowed signer; valid, by somebody unknown; not of this entry;
not checked, because nobody could; not made yet, and to be checked then."""


class SignatureCheck(NamedTuple):
    """What is known of an entry's signature.

    Attributes:
        state: `TRUSTED`, `UNKNOWN`, `WRONG`, `UNCHECKED` or `PLANNED`.
        detail: The signer, or why the signer is not known.
    """

    state: str
    detail: str
