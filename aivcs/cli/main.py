"""The entry point of the command: from arguments to an exit code.

A command line that the generated table covers runs at once. Help that does not go to a terminal is
printed from generated text, and mistakes are explained from the declarations. Typer is loaded for
the rest: help on a terminal, and spellings that the table does not know.
"""

import os
import sys

from aivcs import __version__
from aivcs.cli.parse.dispatch import invoke, parse
from aivcs.cli.session.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def run() -> "NoReturn":
    """Runs the command of this process, and ends the process."""
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        from aivcs.cli.session.interrupt import end_by_interrupt

        end_by_interrupt()
        code = 130  # should it be blocked
    # Nothing is left to be done, so the interpreter need not take itself apart first.
    os._exit(code)


def main(arguments: "Sequence[str]") -> int:
    """Runs a command and returns its exit code. All of its output is flushed.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it.
    """
    _occupy_standard_descriptors()
    if "hook" in arguments:
        from aivcs.cli.hook.run_handler import is_hook

        if is_hook(list(arguments)):
            return _run_hook(arguments)
    context = Context()
    context.arguments = arguments
    try:
        try:
            code = _dispatch(context, arguments)
            context.flush()
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 no traceback ever reaches a user
            context.flush(quiet=True)
            code = _report(context, error)
    except BrokenPipeError:
        code = 141  # as a shell reports a process that SIGPIPE ended
    return code


def _run_hook(arguments: "Sequence[str]") -> int:
    """Runs a hook, whose caller must not be told anything, not even of a mistake in the call."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        context = Context()
        context.arguments = arguments
        _dispatch(context, arguments)
    except BaseException:  # noqa: BLE001 as above
        pass
    return 0


def _report(context: Context, error: Exception) -> int:
    try:
        from aivcs.cli.exit_codes import report

        return report(context, error)
    except (OSError, ImportError) as failure:
        # The failed code holds all descriptors, and the error keeps it alive: the module with the
        # better message cannot be loaded.
        reason = getattr(failure, "strerror", None) or "a part of aivcs cannot be loaded"
        if context.json:
            context.warn(
                f'{{"error": "BackendError", "message": "cannot go on: {reason}", '
                '"exit_code": 16}',
                is_error=True,
            )
        else:
            context.warn(f"aivcs: cannot go on: {reason}", is_error=True)
        return 16


def _dispatch(context: Context, arguments: "Sequence[str]") -> int:
    if list(arguments) in (["--version"], ["-V"]):
        # As scripts ask for it; no parser is needed for that.
        context.write(f"aivcs {__version__}\n")
        return 0
    call = parse(arguments)
    if call is None:
        return _dispatch_rest(context, arguments)
    target, options, parameters = call
    context.json = bool(parameters.get("as_json"))
    context.configure(**options)
    return invoke(context, target, parameters)


def _dispatch_rest(context: Context, arguments: "Sequence[str]") -> int:
    """Answers what the table does not cover: help, mistakes and rare spellings."""
    words = list(arguments)
    if words[-1:] in (["--help"], ["-h"]) and not os.isatty(1):
        from aivcs.cli.help._pages import PAGES

        page = PAGES.get(" ".join(words[:-1]))
        if page is not None:
            context.write(page)
            return 0
    if not {"--help", "-h", "--version", "-V"}.intersection(words):
        from aivcs.cli.parse.mistakes import explain

        code = explain(context, words)
        if code:
            return code
    from aivcs.cli.parse import typer_app

    return typer_app.run(context, words)


def _occupy_standard_descriptors() -> None:
    """Opens 0, 1 and 2 if they are closed, so no file of the store gets their numbers.

    Each is opened in the opposite mode, so that using it fails as using a closed one would.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if descriptor == 0 else os.O_RDONLY)
