"""The declarations of commands as JSON, for programs and agents that look for a command."""

from __future__ import annotations

from aivcs.cli.help.examples import EXAMPLES
from aivcs.cli.parse.commands import ROOT, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.parse.model import Command, Parameter


def as_json(words: list[str]) -> dict[str, Any] | None:
    """Returns a command with its options, arguments and subcommands; None if there is none."""
    command = visible(ROOT)
    for word in words:
        found = next((child for child in command.children if child.path[-1] == word), None)
        if found is None:
            return None
        command = found
    return _command(command)


def _command(command: Command) -> dict[str, Any]:
    examples = [{"about": e.about, "script": e.script} for e in EXAMPLES.get(command.name, ())]
    members: dict[str, Any] = {
        "name": command.name,
        "summary": command.summary,
        "help": "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n")),
        "arguments": [_parameter(p) for p in command.positionals],
        "options": [_parameter(p) for p in command.options],
        "options_first": not command.interspersed,
        "examples": examples,
    }
    if command.children:
        members["commands"] = [_command(child) for child in command.children]
    return members


def _parameter(parameter: Parameter) -> dict[str, Any]:
    members: dict[str, Any] = {
        "spellings": list(parameter.spellings),
        "metavar": parameter.metavar,
        "kind": parameter.kind,
        "help": parameter.help,
        "required": parameter.required,
        "many": parameter.many,
        "default": parameter.default,
        "choices": list(parameter.choices),
    }
    if not parameter.spellings:
        del members["spellings"]
    return members
