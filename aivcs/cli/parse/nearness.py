"""Finds the likely meaning of a misspelt word: only candidates near enough to be a slip."""

from __future__ import annotations

from difflib import SequenceMatcher, get_close_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CERTAIN_LIKENESS = 0.75
"""The likeness from which two words count as similar even if their first letters differ."""


def nearest(text: str, candidates: Iterable[str], *, likeness: float = 0.6) -> list[str]:
    """Returns the candidate most like a text, in a list; an empty list if none is near.

    People who slip mostly get the first letter right: with another one it takes more likeness.

    Args:
        text: The misspelt text.
        candidates: The valid texts.
        likeness: The minimum likeness, from 0 to 1.
    """
    return [
        near
        for near in get_close_matches(text, list(candidates), n=1, cutoff=likeness)
        if near.strip("-")[:1].lower() == text.strip("-")[:1].lower()
        or SequenceMatcher(None, text, near).ratio() >= _CERTAIN_LIKENESS
    ]
