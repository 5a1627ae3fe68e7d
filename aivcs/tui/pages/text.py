"""Values and texts as lines of a screen, made one after the other as they are reached."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aivcs.codec.json import encode_trusted
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.tui.row import DIM, MARK, PLAIN, Row, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.tui.pages.page import Page

    OpenBlob = Callable[[ContentDigest], Page]

_INDENT = 2
_MIN_CELLS = 16
"""Cells that are left to a text, however deep it stands."""


def value_rows(value: Any, cells: int, open_blob: OpenBlob) -> Iterator[Row]:
    """Yields a JSON value as lines: a member each, and texts of several lines as they are.

    Args:
        value: The value.
        cells: The width of the screen.
        open_blob: Makes the page of a blob that the value refers to.
    """
    waiting: list[tuple[int, str, Any]] = [(0, "", value)]
    while waiting:
        depth, name, value = waiting.pop()
        begin = " " * min(depth * _INDENT, max(cells - _MIN_CELLS, 0))
        room = max(cells - len(begin), _MIN_CELLS)
        digest = _blob_of(value)
        if digest is not None:
            yield Row(
                [(begin, PLAIN), (f"{name}: " if name else "", DIM), (f"blob {digest}", PLAIN),
                 ("  ▸", MARK)],
                partial(open_blob, digest),
            )  # fmt: skip
        elif isinstance(value, (dict, list)) and value:
            if name:
                yield Row([(begin, PLAIN), (f"{name}:", DIM)])
            inner = (
                value.items()
                if isinstance(value, dict)
                else ((f"[{n}]", v) for n, v in enumerate(value))
            )
            waiting += reversed([(depth + bool(name), key, member) for key, member in inner])
        else:
            text = value if isinstance(value, str) else encode_trusted(value)
            yield from _member_rows(name, text, begin, room)


def text_rows(text: str, cells: int) -> Iterator[Row]:
    """Yields a text of any number of lines, broken where they are too long."""
    begin = 0
    while begin <= len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        for part in wrapped(text[begin:end].removesuffix("\r").expandtabs(4), cells):
            yield Row([(part, PLAIN)])
        begin = end + 1
        if begin == len(text):
            return


def _member_rows(name: str, text: str, begin: str, room: int) -> Iterator[Row]:
    """Yields a text behind the name of its member, or below it if it is long."""
    if not name:
        yield from text_rows(text, room)
    elif "\n" not in text and len(name) + 2 + len(text) <= room:
        yield Row([(begin, PLAIN), (f"{name}: ", DIM), (text, PLAIN)])
    else:
        yield Row([(begin, PLAIN), (f"{name}:", DIM)])
        for row in text_rows(text, max(room - _INDENT, 1)):
            yield Row([(begin + " " * _INDENT, PLAIN), *row.spans])


def _blob_of(value: Any) -> ContentDigest | None:
    """Returns the digest of a declared reference to a blob; None for any other value."""
    if isinstance(value, dict) and len(value) == 1:
        digest = value.get("$blob")
        if isinstance(digest, str) and len(digest) == 64 and is_hex(digest):
            return ContentDigest(digest)
    return None
