"""The full parser: Typer, for what the dispatch table does not know, which is help and mistakes."""

import os
import sys
from collections.abc import Sequence

import typer

from aivcs.cli.parse.app import app
from aivcs.cli.parse.shared_options import use
from aivcs.cli.session.context import Context, OutputError

_WIDEST_HELP = 100
"""Columns of help, at most: longer lines are hard to read."""


def run(context: Context, arguments: Sequence[str]) -> int:
    """Parses a command line, runs what it says, and returns the exit code."""
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
    except typer.Abort as error:  # how Typer takes a Ctrl-C
        raise KeyboardInterrupt from error
    except SystemExit as error:  # how Typer takes it that nobody reads its output any more
        raise BrokenPipeError from error
    except OSError as error:  # verbs let none out: this is help that could not be printed
        raise OutputError(error.strerror or str(error)) from error
    except Exception as error:
        from aivcs.cli.parse.mistakes import explain

        code = explain(context, error, arguments)
        if code is None:
            raise
        return code
    return int(result or 0)
