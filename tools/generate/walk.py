"""The one walk over the declarations: what commands there are, and what each takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import typer

from aivcs.cli.parse.app import app
from aivcs.config.keys import KEYS

_TAKES = {
    "FILE": "file",
    "FILE...": "file",
    "DIR": "folder",
    "PATH": "folder",  # of --store
    "PART": "file",  # or a folder, which is on the way
    "KEY=PATH": "assignment",
}
"""What a value is by its metavar, where a shell can complete it from the file system."""

_ASKS = {
    "RUN": "run",
    "SPEC": "spec",
    "DIGEST": "digest",
    "PREFIX": "digest",
    "NAME": "release",
    "TARGET": "target",
    "SEQ": "target",
    "WHAT": "expectation",
    "KIND": "event",
    "K": "event",
}
"""What a value is by its metavar, where the store knows some: a kind of `aivcs.commands.complete`.

A new command that calls its operands like this has them completed.
"""
_NARROWER = {
    ("run log", "run"): "running",
    ("run finish", "run"): "running",
    ("release promote", "name"): "agent",
    ("help", "words"): "command",
    ("release history", "label"): "target",
    ("release diff", "before"): "target",
    ("release diff", "after"): "target",
    ("blob unpin", "digests"): "pin",
}
"""The same of single parameters, where less makes sense, or more."""

_SUGGESTIONS = {
    ("completion", "shell"): ("bash", "zsh", "fish"),
    ("shell-init", "shell"): ("bash", "zsh"),
    **{(f"config {verb}", "key"): tuple(KEYS) for verb in ("get", "set", "unset")},
}
"""What single parameters may be that are no choices to Typer."""


@dataclass(frozen=True)
class Parameter:
    """An option or a positional of a command.

    Attributes:
        name: What the verb calls it.
        spellings: How it is written (`-n`); empty for a positional.
        kind: `flag`, `text`, `texts`, `integer`, `number`, or `choice`.
        choices: What a choice may be.
        any_case: Whether a choice may be written in upper case, too.
        metavar: What help calls its value.
        help: What it is.
        default: Its value when it is not given.
        required: Whether it must be given.
        many: Whether it takes any number of words, or may be given any number of times.
        takes: `file`, `folder`, or `assignment` (a file behind `KEY=`) if its value is one; else
            empty.
        suggestions: What its value may be, as far as that is known beforehand.
        asks: The kind of thing in the store that it names; empty if none.
    """

    name: str
    spellings: tuple[str, ...]
    kind: str
    choices: tuple[str, ...]
    metavar: str
    help: str
    default: Any
    required: bool
    many: bool
    takes: str = ""
    suggestions: tuple[str, ...] = ()
    any_case: bool = False
    asks: str = ""

    @property
    def summary(self) -> str:
        """The first sentence of the help, without its full stop."""
        return self.help.split(". ")[0].rstrip(".")


HELP = Parameter(
    name="help",
    spellings=("-h", "--help"),
    kind="flag",
    choices=(),
    metavar="",
    help="Print help.",
    default=False,
    required=False,
    many=False,
)
"""The option that every command has and no declaration names."""


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        path: Its words, as in ("run", "log"); empty for the root.
        target: The verb that runs it, "module:function".
        help: All of its help text.
        options: In the order of declaration.
        positionals: In order.
        interspersed: Whether options may stand behind positionals.
        children: For a group, what is below it.
        hidden: Whether only programs call it.
    """

    path: tuple[str, ...]
    target: str
    help: str
    options: tuple[Parameter, ...]
    positionals: tuple[Parameter, ...]
    interspersed: bool
    children: tuple[Command, ...] = field(default=())
    hidden: bool = False

    @property
    def summary(self) -> str:
        """The first sentence of the help, without its full stop."""
        return self.help.split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".")

    @property
    def name(self) -> str:
        """What one types: `aivcs run log`."""
        return " ".join(("aivcs", *self.path))


def walk(*, hidden: bool = False) -> Command:
    """Returns the root command with everything below it, if asked also what only programs call."""
    return _command(typer.main.get_command(app), (), hidden=hidden)


def leaves(command: Command) -> list[Command]:
    """Returns the commands below one that do something, in order."""
    if not command.children:
        return [command]
    return [leaf for child in command.children for leaf in leaves(child)]


def every(command: Command) -> list[Command]:
    """Returns a command and all below it, groups included, in order."""
    return [command, *(below for child in command.children for below in every(child))]


def _command(click_command: Any, path: tuple[str, ...], *, hidden: bool) -> Command:
    parameters = [_parameter(p, path) for p in click_command.params]
    return Command(
        path=path,
        target=getattr(click_command.callback, "target", ""),
        help=(click_command.help or "").strip(),
        options=tuple(p for p in parameters if p.spellings),
        positionals=tuple(p for p in parameters if not p.spellings),
        # A group's options stand before the word that chooses below it.
        interspersed=not getattr(click_command, "commands", {})
        and click_command.context_settings.get("allow_interspersed_args", True),
        children=tuple(
            _command(child, (*path, name), hidden=hidden)
            for name, child in getattr(click_command, "commands", {}).items()
            if hidden or not child.hidden
        ),
        hidden=click_command.hidden,
    )


def _parameter(parameter: Any, path: tuple[str, ...]) -> Parameter:
    is_option = parameter.param_type_name == "option"
    choices = tuple(getattr(parameter.type, "choices", ()) or ())
    is_many = parameter.nargs == -1 or bool(getattr(parameter, "multiple", False))
    if getattr(parameter, "is_flag", False):
        kind = "flag"
    elif choices:
        kind = "choice"
    elif is_many:
        kind = "texts"
    else:
        kind = {"IntParamType": "integer", "FloatParamType": "number"}.get(
            type(parameter.type).__name__, "text"
        )
    metavar = parameter.metavar or ("|".join(choices) if choices else parameter.name.upper())
    default = parameter.default
    if kind == "flag":
        default = bool(default)
    elif is_many:
        default = []
    elif callable(default):
        default = None
    return Parameter(
        name=parameter.name,
        spellings=tuple(parameter.opts) if is_option else (),
        kind=kind,
        choices=choices,
        metavar=metavar,
        help=parameter.help or "",
        default=default,
        required=bool(parameter.required),
        many=is_many,
        takes=_TAKES.get(metavar, ""),
        suggestions=choices or _SUGGESTIONS.get((" ".join(path), parameter.name), ()),
        any_case=bool(choices) and not parameter.type.case_sensitive,
        asks=_kind_of_thing(" ".join(path), parameter.name, metavar, parameter.help or ""),
    )


def _kind_of_thing(command: str, name: str, metavar: str, about: str) -> str:
    if metavar == "NAME" and name == "agent":
        return "agent"
    # Of two things of a kind, A and B, the help begins with the kind: "A RUN, the one before."
    kind = about.partition(",")[0].removeprefix("A ")
    return (
        _NARROWER.get((command, name))
        or _ASKS.get(metavar.removesuffix("..."))
        or _ASKS.get(kind, "")
    )
