"""Ignore patterns in the syntax of .gitignore (gitignore(5)). No I/O.

A pattern with a slash before its end is relative to the folder of its list; one without matches a
name at any depth. `*`, `?` and `[…]` match within a name, `**` matches any folders. The last match
decides; `!` includes a file again, unless a folder above it is ignored.

Matching takes time in proportion to pattern times path for any pattern, because the lists come with
repositories of unknown authors.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_ANY = "**"
_ITEM = re.compile(r"\[:([^]]*):\]|(\\.|[^\\])(?:-(?!\])(\\.|[^\\]))?", re.DOTALL)
"""A class between brackets; or a character, and the one that ends a range from it."""
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \t", "cntrl": "\0-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": " \t\n\r", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""The characters of the classes, as git knows them."""


class Pattern(NamedTuple):
    """A pattern: one line of a list.

    Attributes:
        names: The names of a path, each with wildcards; `**` matches any folders.
        is_for_folders: Whether the pattern matches folders only.
        takes_in: Whether the pattern includes its matches again.
    """

    names: tuple[str, ...]
    is_for_folders: bool
    takes_in: bool


class IgnoreList(NamedTuple):
    """The patterns of one file.

    Attributes:
        folder: The folder that the patterns are relative to, below the root; empty for the root.
        patterns: The patterns, in order.
        source: The name of the list in messages.
    """

    folder: str
    patterns: Sequence[Pattern]
    source: str


def parse_patterns(lines: Iterable[str]) -> list[Pattern]:
    """Returns the patterns of a list, without comments and empty lines."""
    return [pattern for line in lines if (pattern := _parse(line)) is not None]


def ignored_by(path: str, lists: Iterable[IgnoreList], *, is_folder: bool) -> str:
    """Returns the source of the list that ignores a path; empty if none does.

    Args:
        path: The path below the root; folders above it are not considered.
        lists: The lists, strongest last.
        is_folder: Whether the path is of a folder.
    """
    source = ""
    for found in lists:
        below = _below(path, found.folder)
        if below is None:
            continue
        names = tuple(below.split("/"))
        for pattern in found.patterns:
            if (is_folder or not pattern.is_for_folders) and matches(pattern.names, names):
                source = "" if pattern.takes_in else found.source
    return source


def matches(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Tells whether the names of a path match a pattern."""
    at = place = 0
    resume: tuple[int, int] | None = None
    while place < len(names):
        if at < len(pattern) and pattern[at] == _ANY:
            # The shortest first; it is made longer whenever what follows does not fit.
            resume = (at + 1, place)
            at += 1
            if at == len(pattern):
                return True
        elif at < len(pattern) and _name(pattern[at])(names[place]):
            at, place = at + 1, place + 1
        elif resume is not None:
            at, place = resume[0], resume[1] + 1
            resume = (at, place)
        else:
            return False
    return at == len(pattern)


def _parse(line: str) -> Pattern | None:
    text = line.rstrip("\r\n")
    stripped = text.rstrip(" ")
    # A backslash keeps the space behind it.
    if stripped != text and stripped.endswith("\\"):
        stripped += " "
    text = stripped
    if not text or text.startswith("#"):
        return None
    takes_in = text.startswith("!")
    text = text[takes_in:]
    is_for_folders = text.endswith("/")
    text = text.removesuffix("/")
    if not text:
        return None
    names = tuple(text.removeprefix("/").split("/"))
    if "/" not in text:
        names = (_ANY, *names)
    return Pattern(names, is_for_folders, takes_in)


@cache
def _name(pattern: str) -> Callable[[str], object]:
    """The function that matches names against a pattern without slashes."""
    parts, at = [""], 0  # between the asterisks
    while at < len(pattern):
        found: tuple[str, int] | None = re.escape(pattern[at]), at + 1
        if pattern[at] in "*?":
            found = "." * (pattern[at] == "?"), at + 1
            parts += [""] * (pattern[at] == "*")
        elif pattern[at] == "\\":
            found = (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else None
        elif pattern[at] == "[":
            found = _bracket(pattern, at + 1)
        if found is None:  # what is not closed matches nothing
            return re.compile("(?!)").match
        parts[-1] += found[0]
        at = found[1]
    first, *rest = parts
    # An atomic group keeps its first match: a later one never helps, and trying takes long.
    text = first + "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(text + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL).fullmatch


def _bracket(pattern: str, at: int) -> tuple[str, int] | None:
    """The regular expression of a bracket expression, and its end; None if it is not valid."""
    negated = pattern[at : at + 1] in {"!", "^"}
    at += negated
    body = ""
    while not body or pattern[at : at + 1] != "]":
        item = _ITEM.match(pattern, at)
        if item is None or (item[1] is not None and item[1] not in _CLASSES):
            return None
        body += re.escape(item[2][-1]) if item[1] is None else _CLASSES[item[1]]
        if item[3] and item[2][-1] <= item[3][-1]:
            body += f"-{re.escape(item[3][-1])}"
        at = item.end()
    return f"[{'^' * negated}{body}]", at + 1


def _below(path: str, folder: str) -> str | None:
    """A path relative to a folder; None if it is not below the folder."""
    if not folder:
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
