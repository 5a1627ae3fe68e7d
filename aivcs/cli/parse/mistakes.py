"""Finds the first mistake in a command line, and words it so that the next try is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.cli.exit_codes import print_error
from aivcs.cli.parse.commands import ROOT, visible
from aivcs.cli.parse.model import HELP
from aivcs.cli.parse.nearness import nearest
from aivcs.config.keys import parse_number, parse_value, shown
from aivcs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.cli.parse.model import Command, Parameter
    from aivcs.cli.session.context import Context

_MAX_SUGGESTIONS = 3


class Mistake(NamedTuple):
    """A mistake in a command line.

    Attributes:
        command: The command in whose words it was made.
        message: The mistake and the way out.
    """

    command: Command
    message: str


def explain(context: Context, arguments: Sequence[str], reported: str = "") -> int:
    """Prints the first mistake in a command line, and returns the exit code.

    Args:
        context: The call.
        arguments: The command line.
        reported: The message for a mistake that is not found here.

    Returns:
        2 after a message; 0 if no mistake was found and nothing is reported.
    """
    command, message = find_mistake(arguments)
    if not message and not reported:
        return 0
    context.flush(quiet=True)
    context.json = any(word.partition("=")[0] == "--json" for word in arguments)
    if message == _NO_COMMAND:
        context.warn(_overview(command))
    else:
        text = message or reported.rstrip(".")
        print_error(context, "UsageError", text, 2, usage=f"usage: {usage(command)}")
    return 2


def usage(command: Command) -> str:
    """Returns the usage line of a command: required options, then arguments in order."""
    words = [command.name]
    words += [f"{p.spellings[0]} {p.metavar}" for p in command.options if p.required]
    if any(not p.required for p in command.options):
        words.append("[OPTIONS]")
    if command.children:
        words.append("COMMAND [ARGUMENT...]")
    for positional in command.positionals:
        shown = positional.metavar + ("..." if positional.many else "")
        words.append(shown if positional.required else f"[{shown}]")
    return " ".join(words)


_NO_COMMAND = "no command"


def _overview(command: Command) -> str:
    """The commands of a group; of the root, everything there is."""
    if not command.path:
        from aivcs.cli.help._pages import PAGES

        return PAGES[""].rstrip()
    below = [c for c in command.children if not c.hidden]
    width = max(len(c.path[-1]) for c in below)
    rows = [f"  {c.path[-1]:<{width}}  {c.summary}" for c in below]
    return "\n".join([f"usage: {usage(command)}", "", *rows, "", f"Help: {command.name} --help"])


def is_option(word: str, spellings: Iterable[str]) -> bool:
    """Tells whether a word spells a long option: of a command, of the root, or for help."""
    general = (s for p in (*ROOT.options, HELP) for s in p.spellings)
    return word[:2] == "--" != word and word.partition("=")[0] in {*spellings, *general}


def find_mistake(arguments: Sequence[str]) -> Mistake:
    """Returns the first mistake in a command line; an empty message if none is found."""
    return _Reader(arguments).read(ROOT)


_Given = dict[str, tuple[str, "Parameter", str]]
"""The options given: spelling, option and last value by the option's name."""


class _MistakeError(Exception):
    """Carries the message of the first mistake."""


class _Reader:
    """Reads a command line word by word, as the parser does."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._at = 0
        self._command = ROOT

    def read(self, root: Command) -> Mistake:
        self._command = root
        try:
            while self._command.children:
                self._choose(visible(root))
            self._read_command()
        except _MistakeError as mistake:
            return Mistake(self._command, str(mistake))
        return Mistake(self._command, "")

    def _choose(self, root: Command) -> None:
        """Reads the options of a group and the word that names a command below it."""
        command = self._command
        given: _Given = {}
        self._read_options(given)
        self._check_values(given)
        if self._at < len(self._arguments) and self._arguments[self._at] == "--":
            self._at += 1
        if self._at >= len(self._arguments):
            raise _MistakeError(_NO_COMMAND)
        word = self._arguments[self._at]
        self._at += 1
        chosen = next((c for c in command.children if c.path[-1] == word), None)
        if chosen is None:
            raise _MistakeError(
                f"no such command {word!a}{_about_command(word, command, root)}"
                f" (see: {command.name} --help)"
            )
        self._command = chosen

    def _read_command(self) -> None:
        """Reads the options and arguments of a command that has a handler."""
        command, words = self._command, self._arguments
        given: _Given = {}
        operands: list[str] = []
        while self._at < len(words):
            self._read_options(given)
            if self._at >= len(words):
                break
            if words[self._at] == "--":
                operands += words[self._at + 1 :]
                break
            if not command.interspersed:
                operands += words[self._at :]
                break
            operands.append(words[self._at])
            self._at += 1
        self._check_values(given)
        self._check_operands(operands)
        for option in command.options:
            if option.required and option.name not in given:
                self._fail(f"missing option {option.spellings[0]} {option.metavar}")

    def _read_options(self, given: _Given) -> None:
        words = self._arguments
        while self._at < len(words):
            word = words[self._at]
            if word[:1] != "-" or word in {"-", "--"}:
                return
            self._at += 1
            if word[:2] == "--":
                name, mark, value = word.partition("=")
                self._read_option(name, value if mark else None, given)
            else:
                self._read_cluster(word, given)

    def _read_cluster(self, word: str, given: _Given) -> None:
        """Reads short options in one word: several flags, and at most one value, the last."""
        for at in range(1, len(word)):
            name = f"-{word[at]}"
            option = self._find(name)
            if option is None and at == 1:
                self._fail_unknown(word)
            if option is None or option.kind == "flag":
                self._read_option(name, None, given)
                continue
            self._read_option(name, word[at + 1 :] or None, given)
            return

    def _find(self, spelling: str) -> Parameter | None:
        options = (*self._command.options, HELP)
        return next((p for p in options if spelling in p.spellings), None)

    def _read_option(self, name: str, value: str | None, given: _Given) -> None:
        option = self._find(name)
        if option is None:
            self._fail_unknown(name)
            return
        if option.kind == "flag":
            if value is not None:
                self._fail(f"option {name} takes no value")
            given[option.name] = (name, option, "")
            return
        if value is None:
            if self._at >= len(self._arguments):
                self._fail(f"option {name} requires an argument, {option.metavar}")
            value = self._arguments[self._at]
            self._at += 1
            if is_option(value, [s for p in self._command.options for s in p.spellings]):
                long = name if name[:2] == "--" else option.spellings[-1]
                meant = f"{long}{'=' * (long[:2] == '--')}{value}"
                raise _MistakeError(
                    f"option {name} requires an argument, {option.metavar}, and {value} is an "
                    f"option; is a variable unset? (write {meant} if it is meant)"
                )
        if option.name in given and not option.many:
            self._fail(f"{option.spellings[-1]} is given twice, and takes one value")
        given[option.name] = (name, option, value)

    def _check_values(self, given: _Given) -> None:
        for name, option, value in given.values():
            self._check_value(name, option, value)

    def _check_value(self, name: str, option: Parameter, value: str) -> None:
        if option.choices:
            if (value.lower() if option.any_case else value) not in option.choices:
                near = nearest(value.lower(), option.choices)
                self._fail(
                    f"{name} {value!a} is not one of {', '.join(option.choices)}"
                    f"{_did_you_mean(near)}"
                )
            return
        kind = {"integer": int, "number": float}.get(option.kind)
        if kind is None:
            return
        try:
            parse_number(kind, value)
        except ValueError as error:
            self._fail(f"{name} {shown(value)} is not {error}")

    def _check_operands(self, operands: list[str]) -> None:
        command = self._command
        left = len(operands)
        for positional in command.positionals:
            if left == 0 and positional.required:
                self._fail(f"missing argument {positional.metavar}")
            left = 0 if positional.many else max(left - 1, 0)
        if left:
            word = operands[-left]
            self._fail(f"unexpected argument {word!a}{_about_extra(operands, left, command)}")

    def _fail(self, message: str) -> None:
        raise _MistakeError(f"{message} (see: {self._command.name} --help)")

    def _fail_unknown(self, word: str) -> None:
        command, arguments = self._command, self._arguments
        if word[1:2].isdecimal() and word in arguments and command.positionals:
            raise _MistakeError(_about_number(word, command, arguments))
        word = word if word[:2] == "--" else word[:2]
        about = _about_option(word, command, arguments)
        raise _MistakeError(f"no such option: {word}{about or f' (see: {command.name} --help)'}")


def _about_extra(operands: list[str], left: int, command: Command) -> str:
    """Explains an extra word that names a release of the NAME before it."""
    before = operands[:-left]
    if before and command.positionals and command.positionals[-1].asks == "spec":
        return _did_you_mean([f"{before[-1]}@{operands[-left]}"])
    return ""


def _about_number(number: str, command: Command, arguments: Sequence[str]) -> str:
    """Explains a word such as -5, which is hardly meant as an option."""
    after = f"{command.name} … -- {number}"
    before = arguments[: arguments.index(number)]
    key = next((word for word in reversed(before) if "." in word), None)
    if command.path == ("config", "set") and key is not None:
        try:
            parse_value(key, number)
        except UsageError as error:
            return (
                f"{error} (a word that begins with - is an option, unless it follows --: {after})"
            )
    meant = command.positionals[-1].metavar
    return f"no such option: {number}; if it is the {meant}, write -- first: {after}"


def _about_option(option: str, command: Command, arguments: Sequence[str]) -> str:
    if command.path and option in {s for p in ROOT.options for s in p.spellings}:
        rest = " ".join(command.path)
        return f"; it comes before the command: aivcs {option} … {rest}"
    commands = visible(ROOT).leaves()
    meant = next((c for c in commands if _ends_in(arguments, c)), command)
    if meant is not command and option in {s for p in meant.options for s in p.spellings}:
        return f"; it comes after the command: {meant.name} {option}"
    own = [s for p in command.options for s in p.spellings]
    if option == "--to" and any(p.asks == "spec" for p in command.parameters):
        return "; a SPEC that was released is written in one word: NAME@LABEL or NAME@SEQ"
    near = nearest(option, own)
    return f"{_did_you_mean(near)} (see: {command.name} --help)" if near else ""


def _about_command(word: str, command: Command, root: Command) -> str:
    here = [child.path[-1] for child in command.children if not child.hidden]
    elsewhere = [c.name for c in root.leaves() if len(c.path) > 1 and c.path[-1] == word]
    # The very word, of another noun, is nearer than a similar one.
    near = [] if elsewhere else [f"{command.name} {n}" for n in nearest(word, here)]
    if f"--{word}" in {s for p in command.options for s in p.spellings}:
        near = [f"{command.name} --{word}"]
    if not near and not elsewhere:
        last = {c.path[-1] for c in root.leaves()}
        close = nearest(word, last)
        elsewhere = [c.name for c in root.leaves() if c.path[-1] in close]
    return _did_you_mean((near + elsewhere)[:_MAX_SUGGESTIONS])


def _did_you_mean(names: Iterable[str]) -> str:
    shown = " or ".join(names)
    return f"; did you mean {shown}?" if shown else ""


def _ends_in(arguments: Sequence[str], command: Command) -> bool:
    """Whether a command's words occur among the arguments, in order."""
    rest = iter(arguments)
    return bool(command.path) and all(word in rest for word in command.path)
