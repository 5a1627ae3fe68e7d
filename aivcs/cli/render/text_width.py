"""Widths of text in cells of a terminal: wide characters take two, combining ones none.

The text must not contain control characters; `output.escape` escapes them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def width(text: str) -> int:
    """Returns how many cells a text fills."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, room: int) -> str:
    """Returns a text of at most `room` cells, its end replaced by "…" where it was longer."""
    if width(text) <= room:
        return text
    return _beginning(text, max(room - 1, 0)) + "…"[: max(room, 0)]


def pad(text: str, room: int) -> str:
    """Returns a text with spaces after it, so that it fills at least `room` cells."""
    return text + " " * (room - width(text))


def wrap(text: str, room: int) -> Iterator[str]:
    """Yields the lines of a text, broken at spaces, or within words that are too long.

    Args:
        text: The text; at least one line is made of it.
        room: The cells of a line; at least 2, so that every character fits.
    """
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= room:
            line = longer
            continue
        if line:
            yield line
        while width(word) > room:
            begun = _beginning(word, room) or word[0]
            yield begun
            word = word[len(begun) :]
        line = word
    yield line


def _beginning(text: str, room: int) -> str:
    """Returns as many characters of a text as fit."""
    if text.isascii():
        return text[:room]
    filled = 0
    for end, character in enumerate(text):
        filled += width(character)
        if filled > room:
            return text[:end]
    return text
