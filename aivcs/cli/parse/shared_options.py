"""What the declarations of all nouns share: parameters, settings, and the way to the verbs."""

import functools
import inspect
import os
import shutil
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import typer
from typer import Argument, Option
from typer.core import TyperCommand, TyperGroup

from aivcs.cli.session.context import Context
from aivcs.cli.verbs import invoke

Json = Annotated[bool, Option("--json", help="Print JSON: one object, or one a line for a list.")]
Run = Annotated[
    str,
    Argument(
        metavar="RUN",
        help="A run id, a unique prefix of it, @ for $AIVCS_RUN, or @last for your newest run.",
    ),
]
Name = Annotated[str, Argument(metavar="NAME", help="The agent's name.")]
Spec = Annotated[
    str,
    Argument(metavar="SPEC", help="A digest, or NAME@current, NAME@SEQ or NAME@LABEL."),
]
Repair = Annotated[
    bool,
    Option(
        "--repair",
        help="Repair what can be repaired without a doubt. What has to give way is kept in "
        "damaged/; a log whose chain is broken is left as it is.",
    ),
]
AllowMissing = Annotated[
    bool,
    Option("--allow-missing-spec", help="Accept a whole digest that is not in the store."),
]
GithubSummary = Annotated[
    bool,
    Option(
        "--github-summary",
        help="In GitHub Actions: also add it to the summary of the job, $GITHUB_STEP_SUMMARY.",
    ),
]
GithubAnnotations = Annotated[
    bool,
    Option(
        "--github-annotations",
        help="In GitHub Actions: annotate the job if the run failed or was cancelled.",
    ),
]
Actor = Annotated[
    str | None,
    Option(
        "--by",
        metavar="WHO",
        help="Who does this. Default: $AIVCS_ACTOR, the CI system's actor, git's user, user@host.",
    ),
]
SigningKey = Annotated[
    str | None,
    Option(
        "--signing-key",
        metavar="FILE",
        help="The SSH key, or its public half if ssh-agent has it. Default: signing.key of your "
        "configuration.",
    ),
]
Expect = Annotated[
    str | None,
    Option(
        "--expect",
        metavar="WHAT",
        help="Do it only if this is live now: a digest, @SEQ, or none. Else exit 15.",
    ),
]
Ignored = Annotated[
    list[str] | None,
    Option(
        "--ignore",
        metavar="KEY",
        help="A member of the calls' payloads that does not count, as the number of a step. "
        "Repeatable.",
    ),
]
Agents = Annotated[
    list[str] | None,
    Option("--agent", metavar="NAME", help="Only this agent's. Repeatable."),
]
Specs = Annotated[
    list[str] | None,
    Option("--spec", metavar="SPEC", help="Only those of this spec. Repeatable."),
]
Since = Annotated[
    str | None,
    Option("--since", metavar="TIME", help="Only since 30m, 12h, 2d, 1w ago, or a date."),
]
ExitCode = Annotated[
    bool,
    Option("--exit-code", help="Exit with 1 if there are differences."),
]

_EXAMPLES = 3
"""Examples that help shows of a command, at most; its page has all."""
_ROOMY = 60
"""Columns that boxes need to be read with ease; on less they break words."""


def _wants_boxes() -> bool:
    """Whether help is drawn: for a person; where output goes to a file it only costs time."""
    if not os.isatty(1) or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return shutil.get_terminal_size().columns >= _ROOMY


_SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "epilog": "The manual of a command, with examples: aivcs help COMMAND",
    "rich_markup_mode": "rich" if _wants_boxes() else None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

_context = Context()


class _Once:
    """Makes a command refuse an option that is given twice and takes one value.

    Typer takes the last value, and the first is lost without a word.
    """

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)  # type: ignore[misc]
        parse = parser.parse_args

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

        parser.parse_args = parse_once
        return parser

    def get_short_help_str(self, limit: int = 0) -> str:
        """Returns the first sentence of the help, whole: lists of commands wrap it."""
        del limit
        text: str = self.help or ""  # type: ignore[attr-defined]
        return text.partition("\n\n")[0].partition(". ")[0].rstrip(".") + "."

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes help, with examples below it, and where the page is."""
        super().format_help(ctx, formatter)  # type: ignore[misc]
        from tools.generate.examples import EXAMPLES

        examples = EXAMPLES.get(ctx.command_path, [])[:_EXAMPLES]
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


class _Command(_Once, TyperCommand):
    """A command."""


class _Group(_Once, TyperGroup):
    """A group of commands."""


class _Noun(typer.Typer):
    """An app whose commands take each option once."""

    def command(self, *arguments: Any, **settings: Any) -> Any:
        return super().command(*arguments, **{"cls": _Command, **settings})


def noun() -> typer.Typer:
    """Returns an empty group of commands."""
    return _Noun(cls=_Group, **_SETTINGS)


def context() -> Context:
    """Returns the context of the call that Typer is parsing."""
    return _context


def use(current: Context) -> None:
    """Sets the context of the call that Typer is about to parse: one call in one process."""
    global _context  # noqa: PLW0603 the declarations are made once, without a context
    _context = current


def calls(target: str) -> Callable[[Callable[..., None]], Callable[..., int]]:
    """Makes of a declaration a function that calls the verb `target` with the same parameters."""

    def wrap(declaration: Callable[..., None]) -> Callable[..., int]:
        lists = [
            name
            for name, parameter in inspect.signature(declaration).parameters.items()
            if any(get_origin(kind) is list for kind in get_args(get_args(parameter.annotation)[0]))
        ]

        @functools.wraps(declaration)
        def call(**parameters: Any) -> int:
            for name in lists:  # None where nothing was given; to a verb that is an empty list
                parameters[name] = [str(value) for value in parameters[name] or ()]
            return invoke(_context, target, parameters)

        # Typer would break lines of help where the source does, whatever the terminal's width.
        paragraphs = inspect.cleandoc(declaration.__doc__ or "").split("\n\n")
        call.__doc__ = "\n\n".join(text.replace("\n", " ") for text in paragraphs)
        call.target = target  # type: ignore[attr-defined]
        return call

    return wrap
