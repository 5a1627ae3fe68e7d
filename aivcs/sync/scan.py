"""Holds back texts with the form of a secret, before they leave the store. No I/O."""

from __future__ import annotations

from aivcs.errors import ConflictError
from aivcs.formats.masking import Masker

_MASKER = Masker()


def refuse_secrets(text: str, name: str, place: str = "it") -> None:
    """Requires that a text to be copied has nothing with the fixed form of a secret.

    Args:
        text: The text.
        name: The run or the annotation that it is of, for the message.
        place: Where in it the text stands, for the message.

    Raises:
        ConflictError: It has; names the forms, and never the secret.
    """
    if _MASKER.mask_text(text) == text:
        return
    found = Masker()  # of its own: several threads look at once, and the counts are of all of them
    found.mask_text(text)
    forms = " and ".join(sorted(found.counts))
    raise ConflictError(
        f"{name} was held back: {place} has the form of a secret ({forms}). "
        "If it is not a secret, or is to be copied all the same: --no-scan"
    )
