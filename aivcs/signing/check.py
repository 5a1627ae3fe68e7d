"""The result of checking a signature."""

from __future__ import annotations

from typing import NamedTuple

TRUSTED, UNKNOWN, WRONG, UNCHECKED, PLANNED = "trusted", "unknown", "wrong", "unchecked", "planned"
"""The states of a signature: by an allowed signer; valid, by an unknown key; not valid for this
entry; not checked, for want of allowed signers; not made yet, and to be checked then."""


class SignatureCheck(NamedTuple):
    """The state of an entry's signature.

    Attributes:
        state: `TRUSTED`, `UNKNOWN`, `WRONG`, `UNCHECKED` or `PLANNED`.
        detail: The signer, or why the signer is not known.
    """

    state: str
    detail: str
