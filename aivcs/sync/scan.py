"""Holds back what has the form of a secret, before it leaves the store. No I/O."""

from __future__ import annotations

from aivcs.errors import ConflictError
from aivcs.formats.masking import Masker


class SecretError(ConflictError):
    """A line to be copied has a secret in it."""


_MASKER = Masker()


def find_secrets(line: str) -> None:
    """Requires that a line has nothing with the fixed form of a secret.

    Raises:
        SecretError: It has; names the forms, and never the secret.
    """
    if _MASKER.mask_text(line) != line:
        names = " and ".join(sorted(_MASKER.counts))
        _MASKER.counts.clear()
        raise SecretError(names)
