"""The command line in Typer, built from the declarations.

Typer parses what the dispatch table does not know, and draws help on a terminal.
"""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from aivcs import __version__
from aivcs.cli.parse.commands import ROOT
from aivcs.cli.parse.dispatch import invoke
from aivcs.cli.parse.mistakes import explain, is_option
from aivcs.cli.session.context import OutputError
from aivcs.config.keys import parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aivcs.cli.parse.model import Command, Parameter
    from aivcs.cli.session.context import Context

    Invoke = Callable[[Context, str, dict[str, Any]], int]

_MAX_COLUMNS = 100
"""Columns of help, at most: longer lines are hard to read."""
_MIN_COLUMNS = 60
"""Columns that boxes need; in fewer they break words."""
_MAX_EXAMPLES = 3
"""Examples that help shows of a command; its page has all."""
_TYPES: dict[str, type] = {"flag": bool, "integer": int, "number": float}
_PARSERS = {kind: partial(parse_number, _TYPES[kind]) for kind in ("integer", "number")}


class _Strict:
    """Makes a command refuse what Typer would take, and lose something without a word.

    That is an option given twice that takes one value, and a value that is an option.
    """

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)  # type: ignore[misc]
        parse, process = parser.parse_args, parser._process_opts

        def process_value(word: str, state: Any) -> None:
            rest = list(state.rargs)
            process(word, state)
            if len(state.rargs) < len(rest) and is_option(rest[0], parser._long_opt):
                ctx.fail(f"{rest[0]} is an option, and no value of {word}")

        def parse_once(args: list[str]) -> Any:
            options, words, order = parse(args)
            seen = set()
            for parameter in order:
                if parameter.param_type_name != "option" or parameter.multiple:
                    continue
                if parameter in seen and not parameter.is_flag:
                    ctx.fail(f"{parameter.opts[-1]} is given twice, and takes one value")
                seen.add(parameter)
            return options, words, order

        parser.parse_args, parser._process_opts = parse_once, process_value
        return parser

    def get_short_help_str(self, limit: int = 0) -> str:
        """Returns the whole first sentence of the help. Lists of commands wrap it."""
        del limit
        text: str = self.help or ""  # type: ignore[attr-defined]
        return text.partition("\n\n")[0].partition(". ")[0].rstrip(".") + "."

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help, examples below it, and how to see the whole page."""
        super().format_help(ctx, formatter)  # type: ignore[misc]
        from aivcs.cli.help.examples import EXAMPLES

        examples = EXAMPLES.get(ctx.command_path, [])[:_MAX_EXAMPLES]
        if not examples:
            return
        formatter.write("\nExamples:\n")
        for example in examples:
            script = "".join(f"    {line}\n" for line in example.script.splitlines())
            formatter.write(f"  {example.about}:\n{script}")
        if not getattr(self, "commands", None):
            words = ctx.command_path.removeprefix("aivcs ")
            page = ctx.command_path.replace(" ", "-")
            formatter.write(f"\nThe manual: aivcs help {words}, or man {page}\n")


class _Command(_Strict, TyperCommand):
    """A command."""


class _Group(_Strict, TyperGroup):
    """A group of commands."""


def build(context: Context, call: Invoke = invoke) -> typer.Typer:
    """Returns the command line as a Typer app.

    Args:
        context: The call that it is to parse.
        call: Runs the handler that a command line names.
    """
    app = _group()
    app.callback()(_root(context))
    _add(app, ROOT, context, call)
    return app


def run(context: Context, arguments: Sequence[str]) -> int:
    """Parses a command line, runs what it says, and returns the exit code."""
    context.json = "--json" in arguments
    if context.is_terminal() and os.get_terminal_size(1).columns > _MAX_COLUMNS:
        os.environ.setdefault("TERMINAL_WIDTH", str(_MAX_COLUMNS))  # how Typer is told
    # Where it is closed, Typer would print its help nowhere and be content; writing to this fails.
    sys.stdout = context.text_output()
    try:
        result = typer.main.get_command(build(context)).main(
            list(arguments), prog_name="aivcs", standalone_mode=False
        )
    except typer.Abort as error:  # how Typer takes a Ctrl-C
        raise KeyboardInterrupt from error
    except SystemExit as error:  # Typer exits like this on a closed pipe
        raise BrokenPipeError from error
    except OSError as error:  # handlers let none out: this is help that could not be printed
        raise OutputError(error.strerror or str(error)) from error
    except Exception as error:
        if not hasattr(error, "format_message"):  # no error of Typer's
            raise
        return explain(context, arguments, error.format_message())
    return int(result or 0)


def _add(app: typer.Typer, parent: Command, context: Context, call: Invoke) -> None:
    for command in parent.children:
        word = command.path[-1]
        if command.children:
            below = _group()
            _add(below, command, context, call)
            app.add_typer(below, name=word, help=command.help)
        else:
            app.command(
                word,
                cls=_Command,
                hidden=command.hidden,
                context_settings={"allow_interspersed_args": command.interspersed},
            )(_function(command, context, call))


def _function(command: Command, context: Context, call: Invoke) -> Callable[..., int]:
    """Returns a function with the signature and the help that Typer expects of a command."""
    lists = [p.name for p in command.parameters if p.many]

    def run_it(**parameters: Any) -> int:
        for name in lists:  # None where nothing was given; to a handler that is an empty list
            parameters[name] = [str(value) for value in parameters[name] or ()]
        return call(context, command.calls, parameters)

    run_it.__doc__ = command.help
    _sign(run_it, command.parameters)
    return run_it


def _root(context: Context) -> Callable[..., None]:
    def show_version(wanted: bool) -> None:
        if wanted:
            context.write(f"aivcs {__version__}\n")
            raise typer.Exit

    def configure(**options: Any) -> None:
        del options["version"]
        context.configure(**options)

    configure.__doc__ = ROOT.help
    _sign(configure, ROOT.parameters, version={"callback": show_version, "is_eager": True})
    return configure


def _sign(
    function: Callable[..., Any], parameters: Sequence[Parameter], **extra: dict[str, Any]
) -> None:
    """Gives a function the signature that Typer reads parameters from."""
    signed = [
        inspect.Parameter(
            p.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if p.required else p.default or _nothing(p),
            annotation=_annotation(p, extra.get(p.name, {})),
        )
        for p in parameters
    ]
    function.__signature__ = inspect.Signature(signed)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in signed}


def _nothing(parameter: Parameter) -> Any:
    return parameter.default if isinstance(parameter.default, (bool, str)) else None


def _annotation(parameter: Parameter, extra: dict[str, Any]) -> Any:
    value: Any = _TYPES.get(parameter.kind, str)
    if parameter.choices:
        choices = list(parameter.choices)
        # Typer makes no list of a Literal.
        value = StrEnum(parameter.name, choices) if parameter.many else Literal[tuple(choices)]
    if parameter.many:
        value = list[value]
    if not parameter.required and not isinstance(parameter.default, (bool, str)):
        value = value | None
    if not parameter.spellings:
        shown = f"{parameter.metavar}..." if parameter.many else parameter.metavar
        return Annotated[value, typer.Argument(metavar=shown, help=parameter.help)]
    return Annotated[
        value,
        typer.Option(
            *parameter.spellings,
            metavar=None if parameter.choices or parameter.kind == "flag" else parameter.metavar,
            help=parameter.help,
            case_sensitive=not parameter.any_case,
            parser=_PARSERS.get(parameter.kind),
            **extra,
        ),
    ]


def _wants_boxes() -> bool:
    """Whether help is drawn in boxes: only on a terminal, because it is slow."""
    if not os.isatty(1) or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return shutil.get_terminal_size().columns >= _MIN_COLUMNS


def _group() -> typer.Typer:
    return typer.Typer(
        cls=_Group,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog="The manual of a command, with examples: aivcs help COMMAND",
        rich_markup_mode="rich" if _wants_boxes() else None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
