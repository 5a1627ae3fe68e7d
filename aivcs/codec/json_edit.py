"""Changes one place of a JSON text and keeps every other byte of it. No I/O.

For files that belong to somebody else: their order, indentation and spelling stay.
"""

from __future__ import annotations

import re
from json import JSONDecoder, dumps
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable

_DECODER = JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_INDENT = re.compile(r"\n([ \t]*)[^ \t\r\n]")


class Item(NamedTuple):
    """A member of an object, or an element of an array, in a text.

    Attributes:
        key: The name of the member, or the index of the element.
        start: Where it begins: the name of a member, the value of an element.
        value_start: Where its value begins.
        end: Where its value ends.
    """

    key: str | int
    start: int
    value_start: int
    end: int


class Span(NamedTuple):
    """An object or an array in a text.

    Attributes:
        start: The place of its opening bracket.
        end: The place after its closing bracket.
        items: Its members or elements.
    """

    start: int
    end: int
    items: list[Item]


def root_of(text: str) -> Span:
    """Returns the root of a JSON text, which is an object or an array.

    Raises:
        SerializationError: The text is not JSON, or its root is another value.
    """
    start = _skip(text, 0)
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"it is not JSON: {error}") from error
    if text[_skip(text, end) :]:
        raise SerializationError("something follows the JSON value")
    return span_at(text, start)


def span_at(text: str, start: int) -> Span:
    """Returns the object or array that begins at a place of a valid JSON text.

    Raises:
        SerializationError: Another value begins there.
    """
    if text[start : start + 1] not in {"{", "["}:
        raise SerializationError("a value that should be an object or an array is not")
    is_object = text[start] == "{"
    items: list[Item] = []
    at = _skip(text, start + 1)
    while text[at] not in "}]":
        begin, key = at, len(items)
        name: str | int = key
        if is_object:
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)  # the colon
        _, end = _DECODER.raw_decode(text, at)
        items.append(Item(name, begin, at, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return Span(start, at + 1, items)


def find(span: Span, key: str | int) -> Item | None:
    """Returns the member of a name, or the element of an index; None if there is none."""
    return next((item for item in span.items if item.key == key), None)


def append(text: str, span: Span, value: Any, key: str | None = None) -> str:
    """Returns the text with one more member or element at the end of an object or array.

    Args:
        text: The text.
        span: The object or array.
        value: The value.
        key: The name of a member; None for an element.
    """
    outer = _indent_at(text, span.start)
    inner = _indent_at(text, span.items[0].start) if span.items else ""
    unit = _unit(text)
    if len(inner) <= len(outer) or not inner.startswith(outer):
        inner = outer + unit
    body = dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"\n{inner}")
    member = body if key is None else f"{dumps(key, ensure_ascii=False)}: {body}"
    if span.items:
        last = span.items[-1].end
        return f"{text[:last]},\n{inner}{member}{text[last:]}"
    return f"{text[: span.start + 1]}\n{inner}{member}\n{outer}{text[span.end - 1 :]}"


def remove(text: str, span: Span, item: Item) -> str:
    """Returns the text without a member or element, and without the comma that belongs to it."""
    place = span.items.index(item)
    if len(span.items) == 1:
        return text[: span.start + 1] + text[span.end - 1 :]
    if place:
        return text[: span.items[place - 1].end] + text[item.end :]
    return text[: item.start] + text[span.items[1].start :]


def replace(text: str, item: Item, value: Any) -> str:
    """Returns the text with another value of a member or element."""
    return text[: item.value_start] + dumps(value, ensure_ascii=False) + text[item.end :]


def edit(text: str, change: Callable[[str], str]) -> str:
    """Returns a text after a change; the result is checked to be JSON still.

    Raises:
        SerializationError: The text, or the result, is not JSON.
    """
    root_of(text)
    changed = change(text)
    root_of(changed)
    return changed


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _indent_at(text: str, place: int) -> str:
    """The white space at the beginning of the line of a place."""
    begin = text.rfind("\n", 0, place) + 1
    line = text[begin:place]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """The white space of one level, as the text has it."""
    found = _INDENT.search(text)
    return found[1] if found and found[1] else "  "
