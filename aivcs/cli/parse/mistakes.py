"""What Typer finds wrong with a command line, said so that the next try is right."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from aivcs.cli.exit_codes import say
from aivcs.config.keys import parse_value
from aivcs.errors import UsageError
from tools.generate.walk import every, leaves, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.cli.session.context import Context
    from tools.generate.walk import Command

_OF_TYPES = {"valid int": "whole number", "valid float": "number"}
_SHOWN = 3
"""Suggestions made, at most."""


def explain(context: Context, error: Exception, arguments: Sequence[str]) -> int | None:
    """Prints what Typer has to say of a mistake; None if it is no error of Typer's."""
    if not hasattr(error, "format_message"):
        return None
    context.flush(quiet=True)
    if type(error).__name__ == "NoArgsIsHelpError":
        context.tell(error.format_message())
        return 2
    root = walk()
    click_context = getattr(error, "ctx", None)
    name = _name_in(arguments, root) if click_context is None else click_context.command_path
    # What only programs call stands in no list, and makes its own mistakes.
    command = next((c for c in every(root) if c.name == name), root)
    message = _message(error, command, root, arguments)
    say(context, "UsageError", message, 2, usage=f"usage: {usage(command)}")
    return 2


def usage(command: Command) -> str:
    """Returns how a command is called, in a line: what must be given, and in which order."""
    words = [command.name]
    words += [f"{p.spellings[0]} {p.metavar}" for p in command.options if p.required]
    if any(not p.required for p in command.options):
        words.append("[OPTIONS]")
    if command.children:
        words.append("COMMAND [ARGUMENT...]")
    for positional in command.positionals:
        shown = positional.metavar.removesuffix("...") + ("..." if positional.many else "")
        words.append(shown if positional.required else f"[{shown}]")
    return " ".join(words)


def _message(error: Any, command: Command, root: Command, arguments: Sequence[str]) -> str:
    text: str = error.format_message().rstrip(".")
    text = text[:1].lower() + text[1:]
    for name, meant in _OF_TYPES.items():
        text = text.replace(f"not a {name}", f"no {meant}")
    see = f" (see: {command.name} --help)"
    option = getattr(error, "option_name", "")
    if type(error).__name__ == "NoSuchOption":
        number = next((word for word in arguments if word.startswith(option)), "")
        if option[1:2].isdecimal() and number and command.positionals:
            return _about_number(number, command, arguments)
        return f"no such option: {option}{_about_option(option, command, root, arguments) or see}"
    if text.startswith("no such command"):
        word = text.split("'")[1]
        return f"no such command {word!a}{_about_command(word, command, root)}{see}"
    if text.startswith("got unexpected extra"):
        word = text.rpartition("(")[2].rstrip(")")
        targets = (p.spellings[0] for p in command.options if p.asks == "target")
        return text + _did_you_mean(f"{option} {word}" for option in targets) + see
    wrong, mark, choices = text.partition(" is not one of ")
    if mark:
        near = get_close_matches(wrong.split("'")[-2].lower(), choices.split("'")[1::2], n=1)
        return text + _did_you_mean(near) + see
    return text + see


def _about_number(number: str, command: Command, arguments: Sequence[str]) -> str:
    """What looks like an option, but is hardly meant as one; Typer names its first digit only."""
    behind = f"{command.name} … -- {number}"
    before = arguments[: arguments.index(number)]
    key = next((word for word in reversed(before) if "." in word), None)
    if command.path == ("config", "set") and key is not None:
        try:
            parse_value(key, number)
        except UsageError as error:
            return (
                f"{error} (what begins with - is taken for an option, unless behind --: {behind})"
            )
    meant = command.positionals[-1].metavar.removesuffix("...")
    return f"no such option: {number}; if it is the {meant}, write -- first: {behind}"


def _about_option(
    option: str, command: Command, root: Command, arguments: Sequence[str]
) -> str | None:
    own = [s for p in command.options for s in p.spellings]
    if command.path and option in {s for p in root.options for s in p.spellings}:
        rest = " ".join(command.path)
        return f"; it stands before the command: aivcs {option} … {rest}"
    meant = next((c for c in leaves(root) if _ends_in(arguments, c)), command)
    if meant is not command and option in {s for p in meant.options for s in p.spellings}:
        return f"; it stands behind the command: {meant.name} {option}"
    near = get_close_matches(option, own, n=1)
    return f"{_did_you_mean(near)} (see: {command.name} --help)" if near else None


def _about_command(word: str, command: Command, root: Command) -> str:
    here = [child.path[-1] for child in command.children]
    elsewhere = [c.name for c in leaves(root) if len(c.path) > 1 and c.path[-1] == word]
    near = [f"{command.name} {n}" for n in get_close_matches(word, here, n=1)]
    if f"--{word}" in {s for p in command.options for s in p.spellings}:
        near = [f"{command.name} --{word}"]
    if not near and not elsewhere:
        last = {c.path[-1] for c in leaves(root)}
        close = get_close_matches(word, last, n=1, cutoff=0.7)
        elsewhere = [c.name for c in leaves(root) if c.path[-1] in close]
    return _did_you_mean((near + elsewhere)[:_SHOWN])


def _did_you_mean(names: Iterable[str]) -> str:
    shown = " or ".join(names)
    return f"; did you mean {shown}?" if shown else ""


def _ends_in(arguments: Sequence[str], command: Command) -> bool:
    """Whether a command's words stand somewhere among the arguments, in order."""
    rest = iter(arguments)
    return bool(command.path) and all(word in rest for word in command.path)


def _name_in(arguments: Sequence[str], root: Command) -> str:
    """The command that a command line is about, by its words, where Typer does not say."""
    command = root
    for word in arguments:
        command = next((c for c in command.children if c.path[-1] == word), command)
    return command.name
