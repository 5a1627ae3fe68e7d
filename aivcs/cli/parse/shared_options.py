"""What the declarations of all nouns share: parameters, settings, and the way to the verbs."""

import functools
import inspect
import os
import shutil
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer
from typer import Argument, Option

from aivcs.cli.session.context import Context
from aivcs.cli.verbs import invoke

Json = Annotated[bool, Option("--json", help="Print JSON: one object, or one a line for a list.")]
Run = Annotated[
    str, Argument(metavar="RUN", help="A run id, a unique prefix of it, or @ for $AIVCS_RUN.")
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
ExitCode = Annotated[
    bool,
    Option("--exit-code", help="Exit with 1 if there are differences."),
]

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


def noun() -> typer.Typer:
    """Returns an empty group of commands."""
    return typer.Typer(**_SETTINGS)


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
            if get_args(parameter.annotation)[0] == list[str] | None
        ]

        @functools.wraps(declaration)
        def call(**parameters: Any) -> int:
            for name in lists:  # None where nothing was given; to a verb that is an empty list
                parameters[name] = parameters[name] or []
            return invoke(_context, target, parameters)

        # Typer would break lines of help where the source does, whatever the terminal's width.
        paragraphs = inspect.cleandoc(declaration.__doc__ or "").split("\n\n")
        call.__doc__ = "\n\n".join(text.replace("\n", " ") for text in paragraphs)
        call.target = target  # type: ignore[attr-defined]
        return call

    return wrap
