"""What is said of a command: the sections of its page, before any form of it is made.

Plain text (`aivcs help`) and the reference are written from this; the man pages have marks of
their own for options and operands, but take what they list from here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aivcs.cli.exit_codes import MEANINGS
from aivcs.cli.help.examples import EXAMPLES
from aivcs.cli.parse.model import HELP
from tools.generate.manual import CODES, DESCRIPTION, ENVIRONMENT, FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.cli.parse.model import Command, Parameter


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        heading: In small letters.
        paragraphs: What is said.
        items: What is listed below, each with what it is.
        scripts: Examples, each with what it is for.
    """

    heading: str
    paragraphs: Sequence[str] = ()
    items: Sequence[tuple[str, str]] = ()
    scripts: Sequence[tuple[str, str]] = ()


def sections(command: Command) -> list[Section]:
    """Returns the sections of a command's page, in the order in which they are read."""
    found = [
        Section("synopsis", scripts=[("", synopsis(command))]),
        Section(
            "description",
            paragraphs=[" ".join(part.split()) for part in command.help.split("\n\n")],
            items=[(_operand(p), p.help) for p in command.positionals]
            + [(child.name, f"{child.summary}.") for child in command.children],
        ),
    ]
    if not command.path:
        for heading, text in DESCRIPTION.items():
            paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
            found.append(Section(heading.lower(), paragraphs=paragraphs))
    found.append(Section("options", items=[(_option(p), p.help) for p in (*command.options, HELP)]))
    environment = [(", ".join(names), text) for names, text in variables(command)]
    found += [Section("environment", items=environment)] if environment else []
    found += [
        Section("files", items=files(command)),
        Section("exit status", items=[(str(code), text) for code, text in codes(command)]),
        Section("examples", scripts=[(f"{e.about}:", e.script) for e in EXAMPLES[command.name]]),
    ]
    return found


def synopsis(command: Command) -> str:
    """Returns the line that shows how a command is called."""
    words = [command.name]
    for option in command.options:
        shown = option.spellings[0] + ("" if option.kind == "flag" else f" {option.metavar}")
        words.append(shown if option.required else f"[{shown}]")
    if command.children:
        words.append("COMMAND [ARGUMENT...]")
    words += [_operand(p) if p.required else f"[{_operand(p)}]" for p in command.positionals]
    return " ".join(words)


def variables(command: Command) -> list[tuple[tuple[str, ...], str]]:
    """Returns the variables that a command's own help names; for the root, all there are."""
    if not command.path:
        return ENVIRONMENT
    said = " ".join(p.help for p in (*command.options, *command.positionals))
    named = set(re.findall(r"\$([A-Z_]+)", said))
    return [entry for entry in ENVIRONMENT if named.intersection(entry[0])]


def files(command: Command) -> list[tuple[str, str]]:
    """Returns the files that a command reads and writes."""
    return FILES if command.path[:1] in {(), ("config",)} else FILES[:1]


def codes(command: Command) -> list[tuple[int, str]]:
    """Returns the exit codes of a command in order; for the root, all there are."""
    if not command.path:
        return [(code, f"{text}.") for code, text in MEANINGS.items()]
    return sorted(
        {0: "It was done.", 2: "It was called wrongly.", **CODES.get(command.name, {})}.items()
    )


def _operand(positional: Parameter) -> str:
    return f"{positional.metavar}{'...' if positional.many else ''}"


def _option(option: Parameter) -> str:
    value = "" if option.kind == "flag" else f" {option.metavar}"
    return ", ".join(option.spellings) + value
