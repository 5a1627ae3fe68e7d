"""Makes the plain text of a command's page, for where there is no man."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from tools.generate.page import sections

if TYPE_CHECKING:
    from tools.generate.walk import Command

_WIDTH = 79
_INDENT = "    "


def text(command: Command) -> str:
    """Returns the page of a command."""
    about = f"{command.name} - {command.summary[0].lower()}{command.summary[1:]}"
    lines = _wrapped(about, 0)
    for section in sections(command):
        lines += ["", section.heading.upper()]
        parts = [_wrapped(paragraph, 1) for paragraph in section.paragraphs]
        parts += [_item(head, body) for head, body in section.items]
        for about, script in section.scripts:
            shown = textwrap.indent(script, _INDENT * 2).split("\n")
            parts.append(_wrapped(about, 1) + shown if about else _synopsis(script))
        for number, part in enumerate(parts):
            lines += [*([""] if number else []), *part]
    if command.path:
        lines += ["", "SEE ALSO", f"{_INDENT}aivcs help aivcs: what all commands have in common"]
    return "\n".join(lines) + "\n"


def _item(head: str, body: str) -> list[str]:
    lines = _wrapped(body, 2)
    if len(head) < len(_INDENT):
        return [f"{_INDENT}{head:<{len(_INDENT)}}{lines[0].lstrip()}", *lines[1:]]
    return [*_wrapped(head, 1), *lines]


def _wrapped(paragraph: str, level: int) -> list[str]:
    indent = _INDENT * level
    return textwrap.wrap(
        paragraph, _WIDTH, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _synopsis(line: str) -> list[str]:
    # An option and its value stay together.
    whole = re.sub(r"\[[^\]]*\]", lambda match: match[0].replace(" ", "\0"), line)
    lines = textwrap.wrap(
        whole, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT * 3,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\0", " ") for line in lines]
