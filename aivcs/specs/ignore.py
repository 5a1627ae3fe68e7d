"""Patterns of files to leave out, as .gitignore has them (gitignore(5)). No I/O.

A pattern with a slash before its end is relative to the folder of its list, one without fits a name
at any depth. `*`, `?` and `[…]` stay within a name, `**` stands for any folders. The last pattern
that fits decides; `!` takes a file back in, unless a folder above it is left out.

Matching takes time in proportion to pattern times path, whatever a pattern looks like: the lists
come with repositories that anybody may have written.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_ANY = "**"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEGATED = re.compile(r"\[\^")


class Pattern(NamedTuple):
    """A line of a list.

    Attributes:
        names: The names of the path that it fits, each with wildcards, `**` for any folders.
        is_for_folders: Whether it fits folders only.
        takes_in: Whether what it fits is not left out.
    """

    names: tuple[str, ...]
    is_for_folders: bool
    takes_in: bool


class IgnoreList(NamedTuple):
    """The patterns of one file.

    Attributes:
        folder: The folder that they are relative to, below the root; empty for the root.
        patterns: The patterns, in their order.
        source: What the list is called, for people.
    """

    folder: str
    patterns: Sequence[Pattern]
    source: str


def parse_patterns(lines: Iterable[str]) -> list[Pattern]:
    """Returns the patterns of a list, without comments and empty lines."""
    return [pattern for line in lines if (pattern := _parse(line)) is not None]


def ignored_by(path: str, lists: Iterable[IgnoreList], *, is_folder: bool) -> str:
    """Returns the source of the list that leaves a path out; empty if none does.

    Args:
        path: The path below the root. Whether a folder above it is left out is not looked at.
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
    """Tells whether the names of a path are those of a pattern."""
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
    text = _NEGATED.sub("[!", pattern)
    text = _ESCAPED.sub(lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], text)
    return re.compile(translate(text)).match


def _below(path: str, folder: str) -> str | None:
    """A path as it is below a folder; None if it is not below it."""
    if not folder:
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
