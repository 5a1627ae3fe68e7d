"""Texts in a form that hides nothing, and that a terminal does not obey. No I/O."""

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that are parts of words and emoji, and harmless."""
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
)
"""Printable characters that show nothing, in which a text can be hidden: those with the property
Default_Ignorable_Code_Point of Unicode, without the selectors of emoji, U+FE0E and U+FE0F."""


def visible(text: str, keep: str = "") -> str:
    r"""Returns a text with every character spelled out that would be obeyed or not be seen.

    Control characters, line separators, the invisible marks that reorder text and the letters and
    marks that show nothing become `\n`, `\x1b`, `\u202e`; letters, signs and spaces of every script
    stay.

    Args:
        text: The text.
        keep: Characters to leave as they are.
    """
    if text.isprintable() and (text.isascii() or _BLANK.isdisjoint(text)):
        return text
    return "".join(c if c in keep or _is_shown(c) else ascii(c)[1:-1] for c in text)


def _is_shown(character: str) -> bool:
    if character.isprintable():
        return character not in _BLANK
    if character in _JOINERS:
        return True
    from unicodedata import category

    return category(character) == "Zs"
