"""The command line in Typer, put together from the declarations of its nouns.

From one walk over it `aivcs.cli.generate` makes the dispatch table, the completion files and the
man pages; Typer itself answers `--help` and explains mistakes.
"""

import os
import sys
from collections.abc import Sequence

import typer

from aivcs.cli.context import Context, OutputError
from aivcs.cli.declarations import blob, config, release, run, shell, spec, store
from aivcs.cli.declarations.shared import use

_WIDEST_HELP = 100
"""Columns of help, at most: longer lines are hard to read."""

app = store.app
app.add_typer(blob.app, name="blob", help="Contents by their SHA-256: specs, prompts, configs.")
app.add_typer(spec.app, name="spec", help="What an agent is made of.")
app.add_typer(run.app, name="run", help="The ledger of executions: what an agent did.")
app.add_typer(release.app, name="release", help="What is live under each name, and its history.")
app.add_typer(config.app, name="config", help="Settings of a store, and yours.")
shell.declare(app)


def run_typer(context: Context, arguments: Sequence[str]) -> int:
    """Parses a command line with Typer, runs what it says, and returns the exit code."""
    use(context)
    context.json = "--json" in arguments
    if context.is_terminal() and os.get_terminal_size(1).columns > _WIDEST_HELP:
        os.environ.setdefault("TERMINAL_WIDTH", str(_WIDEST_HELP))  # how Typer is told
    if sys.stdout is None:
        # Closed. Typer would print its help nowhere and be content; writing to this fails.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    try:
        result = typer.main.get_command(app).main(
            list(arguments), prog_name="aivcs", standalone_mode=False
        )
    except typer.Abort:
        return 130
    except SystemExit as error:  # how Typer takes it that nobody reads its output any more
        raise BrokenPipeError from error
    except OSError as error:  # verbs let none out: this is help that could not be printed
        raise OutputError(error.strerror or str(error)) from error
    except Exception as error:
        code = _explain(context, error, arguments)
        if code is None:
            raise
        return code
    return int(result or 0)


def _explain(context: Context, error: Exception, arguments: Sequence[str]) -> int | None:
    """Prints what Typer has to say of a mistake; None if it is no error of Typer's."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    from aivcs.cli.exits import say

    context.flush(quiet=True)
    click_context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        context.tell(format_message())
        return 2
    message = format_message().rstrip(".")
    path, usage = _command_in(arguments), ""
    if click_context is not None:
        path = click_context.command_path
        usage = " ".join(click_context.get_usage().split()).replace("Usage:", "usage:", 1)
    misplaced = getattr(error, "option_name", "") in {
        "-C", "--store", "--lock-timeout", "--color", "--no-pager",
    }  # fmt: skip
    if misplaced and path != "aivcs":
        message += f"; it stands before the command: aivcs {error.option_name} … {path[6:]}"  # type: ignore[attr-defined]
    else:
        message += f" (see: {path} --help)"
    say(context, "UsageError", message[:1].lower() + message[1:], 2, usage=usage)
    return 2


def _command_in(arguments: Sequence[str]) -> str:
    """The command that a command line is about, by its words, where Typer does not say."""
    path, command = ["aivcs"], typer.main.get_command(app)
    for word in arguments:
        nested = getattr(command, "commands", {}).get(word)
        if nested is not None:
            path.append(word)
            command = nested
    return " ".join(path)
