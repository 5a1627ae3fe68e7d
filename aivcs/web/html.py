"""Markup that nothing recorded can get into: the only place that writes HTML.

Every text that is not `Markup` is escaped when it becomes part of one, and only functions here make
`Markup`. Characters that would be obeyed or not be seen are spelled out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_EMPTY = frozenset({"meta", "br", "link"})
"""Elements without an end tag."""


class Markup(str):
    """HTML that was made here."""

    __slots__ = ()


DOCTYPE = Markup("<!DOCTYPE html>\n")
NEWLINE = Markup("\n")


def text(value: str) -> Markup:
    """Returns a text as markup that shows it."""
    return value if type(value) is Markup else Markup(visible(value).translate(_ENTITIES))


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Returns parts as one markup, with something between them."""
    return Markup(text(between).join(map(text, parts)))


def tag(name: str, /, *children: str, **attributes: str | int | None) -> Markup:
    """Returns an element.

    Args:
        name: Its name.
        children: Its content; what is not `Markup` is escaped.
        attributes: Its attributes; `_` stands for `-`, and a last one is dropped, as of `class_`.
            Those that are None are left out.
    """
    return Markup(f"{begin(name, **attributes)}{join(children)}{end(name)}")


def begin(name: str, /, **attributes: str | int | None) -> Markup:
    """Returns the start tag of an element, whose content follows."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>")


def end(name: str) -> Markup:
    """Returns the end tag of an element."""
    return Markup("" if name in _EMPTY else f"</{name}>")


def raw_style(css: str) -> Markup:
    """Returns a style sheet of our own."""
    return Markup(f"<style>{css}</style>")
