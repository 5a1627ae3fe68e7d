"""Maps errors to exit codes and messages: the only place that does."""

from __future__ import annotations

import os
from errno import EMFILE, ENFILE

from aivcs import errors
from aivcs.cli.session.context import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context


CODES: dict[type[Exception], int] = {
    errors.UsageError: 2,
    errors.InvalidDigestError: 2,
    errors.SerializationError: 2,
    errors.NoRepositoryError: 10,
    errors.LockTimeoutError: 11,
    errors.NotFoundError: 12,
    errors.RunNotFoundError: 12,
    errors.ReleaseNotFoundError: 12,
    errors.AmbiguousError: 13,
    errors.IntegrityError: 14,
    errors.ConflictError: 15,
    errors.InvalidRunStateError: 15,
    errors.NoPreviousReleaseError: 15,
    errors.BackendError: 16,
    errors.UnreachableError: 75,
    errors.UnsupportedFormatError: 16,
    OutputError: 16,
    errors.OutcomeUnknownError: 17,
}
"""The exit code of each error; a subclass has its nearest base's."""
_MIN_COLUMNS_TO_WRAP = 20
"""The terminal width, in cells, below which errors are not wrapped."""
INTERNAL = 70
"""The exit code of an internal error."""
MEANINGS = {
    0: "done",
    1: "the answer is no, and nothing else",
    2: "usage error or invalid input; nothing was changed",
    10: "no repository was found",
    11: "a lock was not obtained, or what was waited for did not come, in time",
    12: "not found",
    13: "ambiguous: a prefix fits several things",
    14: "integrity: stored data is damaged",
    15: "conflict: the run is over, the race was lost, the expectation not met, the change refused",
    16: "input/output or permission failure; nothing was changed, unless it is the answer that "
    "could not be printed, or written to a file",
    17: "the outcome is unknown: the system could not confirm that data is durable",
    70: "internal error",
    75: "the store cannot be reached, or it is throttling; nothing was done: try again",
    130: "interrupted",
    141: "the reader of a pipe went away",
}
"""The meaning of each exit code, for the manual."""


def exit_code(error: Exception) -> int:
    """Returns the exit code of an error."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return 16 if _is_descriptor_limit(error) else INTERNAL


def report(context: Context, error: Exception) -> int:
    """Prints an error on standard error and returns its exit code."""
    from aivcs.cli.hints import hint

    code = exit_code(error)
    kind = type(error).__name__
    if code == INTERNAL:
        message = _internal(context, error)
    elif isinstance(error, OutputError):
        message = f"cannot write to standard output: {error}"
    elif _is_descriptor_limit(error):
        kind = "BackendError"
        message = "cannot go on: too many files are open at once; raise the limit (ulimit -n)"
    else:
        message = str(error)
    print_error(context, kind, message, code, hint=hint(context, error))
    return code


def report_unread(context: Context, unread: Iterable[errors.StorageError]) -> int:
    """Prints what could not be read, after the output. Returns the exit code of both."""
    context.flush()
    code = 0
    for error in unread:
        # Damage outweighs a log that could not be read, which may be readable later.
        code = max(code, report(context, error), key=lambda code: (code == 14, code))
    return code


def print_error(
    context: Context, kind: str, message: str, code: int, *, usage: str = "", hint: str = ""
) -> None:
    """Prints an error: lines for a person, or one JSON object where JSON was asked for.

    Args:
        context: The call.
        kind: The name of the error.
        message: The fault and the way out.
        code: The exit code.
        usage: A line of usage to print as well.
        hint: A hint, in a line.
    """
    if "://" in f"{message}{usage}{hint}":
        from aivcs.codec.url import hide_passwords

        message, usage, hint = map(hide_passwords, (message, usage, hint))
    if context.json:
        import json

        fields: dict[str, object] = {"error": kind, "message": message}
        fields |= {"hint": hint} if hint else {}
        fields |= {"usage": usage.removeprefix("usage: ")} if usage else {}
        fields["exit_code"] = code
        context.warn(json.dumps(fields, ensure_ascii=False), is_error=True)
        return
    from aivcs.cli.render.output import escape

    for line in (f"aivcs: {escape(message)}", usage, f"hint: {escape(hint)}" if hint else ""):
        if line:
            context.warn(_wrapped(line), is_error=True)


def _wrapped(line: str) -> str:
    """Wraps a line between words, on a terminal."""
    try:
        room = os.get_terminal_size(2).columns if os.isatty(2) else 0
    except OSError:
        return line
    if room < _MIN_COLUMNS_TO_WRAP or len(line) <= room:
        return line
    from textwrap import wrap

    return "\n".join(
        wrap(line, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    )


def _is_descriptor_limit(error: Exception) -> bool:
    """Whether the process ran out of descriptors, wherever it needed one."""
    if isinstance(error, ImportError):  # which for a library has nothing but its text
        return str(error).endswith((os.strerror(EMFILE), os.strerror(ENFILE)))
    return isinstance(error, OSError) and error.errno in {EMFILE, ENFILE}


def _internal(context: Context, error: Exception) -> str:
    if context.environment.get("AIVCS_DEBUG"):
        import traceback

        context.warn("".join(traceback.format_exception(error)).rstrip(), is_error=True)
        hint = ""
    else:
        hint = "; AIVCS_DEBUG=1 shows where"
    return f"internal error: {type(error).__name__}: {error}{hint}"
