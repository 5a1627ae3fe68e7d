"""The result of checking a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

TRUSTED, UNKNOWN, WRONG, UNCHECKED, PLANNED = "trusted", "unknown", "wrong", "unchecked", "planned"
"""The states of a signature: by an allowed signer; valid, by an unknown key; not valid for this
entry; not checked, for want of allowed signers; not made yet, and to be checked then."""


class SignatureCheck(NamedTuple):
    """The state of a signature.

    Attributes:
        state: `TRUSTED`, `UNKNOWN`, `WRONG`, `UNCHECKED` or `PLANNED`.
        detail: The signer, or why the signer is not known.
        fingerprint: The fingerprint of the key; empty if it is not known.
    """

    state: str
    detail: str
    fingerprint: str = ""


def different_signers(checks: Iterable[SignatureCheck]) -> list[SignatureCheck]:
    """Returns the signatures by allowed signers, one of each signer and of each key."""
    found: list[SignatureCheck] = []
    signers: set[str] = set()
    keys: set[str] = set()
    for signed in checks:
        if signed.state != TRUSTED or signed.detail in signers or signed.fingerprint in keys:
            continue
        signers.add(signed.detail)
        keys.add(signed.fingerprint)
        found.append(signed)
    return found
