"""`aivcs shell-init` and its background process, and `aivcs completion`."""

from __future__ import annotations

import os
import shlex
import signal

from aivcs.cli.session.own_command import own_command
from aivcs.errors import OutcomeUnknownError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.commands.run.shell_session import Refusal, ShellSession
    from aivcs.model.run import RunId
    from aivcs.store.contracts import RunLedger
    from aivcs.store.settings import Settings

_MAX_ANSWER_BYTES = 4000
"""The maximum size of an answer, in bytes: it is one atomic write to a pipe."""

_COMPLETION_FILES = {"bash": "aivcs.bash", "zsh": "_aivcs", "fish": "aivcs.fish"}


def init(context: Context, shell: str | None) -> None:
    """Prints the shell functions; the text is the same for both shells."""
    if shell is not None and shell not in {"bash", "zsh"}:
        raise UsageError(f"there are functions for bash and zsh, not for {shell[:60]!a}")
    path = os.path.join(os.path.dirname(__file__), "session.sh")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    command = shlex.join([*own_command(), *context.given()])
    context.write(text.replace("_aivcs_command=(aivcs)", f"_aivcs_command=({command})"))


def completion(context: Context, shell: str) -> None:
    """Prints the completion file of a shell."""
    if shell not in _COMPLETION_FILES:
        raise UsageError(f"there are completions for bash, zsh and fish, not for {shell[:60]!a}")
    here = os.path.dirname(__file__)
    checkout = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    for folder in (here, checkout):  # installed from a wheel, or as a checkout
        path = os.path.join(folder, "completions", _COMPLETION_FILES[shell])
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                context.write(file.read())
            return
    raise UsageError(
        f"this installation came without the completion of {shell}; install aivcs again"
    )


def session(context: Context, folder: str, first: str, shell: str, run: str) -> int:
    """Starts the background process, and returns when it reads its pipe. Prints nothing.

    The process that forks opens no store: a client library may have threads and connections, which
    a fork leaves broken.
    """
    from aivcs.cli.shell import supervisor as background

    if not (first.isdecimal() and shell.isdecimal()):
        raise UsageError("aivcs_log calls aivcs shell-session; see: aivcs shell-init --help")
    # Where the script's parent ignores it, the system keeps no exit code to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if run:  # said at once, rather than with the first flush
        code = _check_run(context, run)
        if code:
            return code

    def serve() -> ShellSession:
        from aivcs.commands.run.shell_session import ShellSession

        def find_run(run: str, store: str, there: str) -> tuple[RunLedger, RunId, Settings]:
            return _find_run(context, run, store, there)

        def answer(shell: str, asked: str, refused: list[Refusal], count: int) -> None:
            background.answer(folder, shell, _answer(asked, refused, count))

        made = ShellSession(
            first,
            find_run=find_run,
            fetch=lambda name: background.fetch(folder, name),
            answer=answer,
        )
        made.shells.add(shell)
        return made

    background.start(folder, int(first), serve)
    return 0


def _check_run(context: Context, run: str) -> int:
    """Looks for a run in a process of its own, which reports an error; returns the exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        context.recorder(run).resolve_run(run)
        code = 0
    except Exception as error:  # noqa: BLE001 nothing of the parent's code may run after the fork
        from aivcs.cli.exit_codes import report

        code = report(context, error)
    finally:
        os._exit(code)


def _find_run(
    context: Context, run: str, store: str, there: str
) -> tuple[RunLedger, RunId, Settings]:
    """Returns the run that `aivcs run log` would use there."""
    context.environment = {**os.environ, "AIVCS_STORE": store}
    try:
        context.enter(there)
        repo = context.recorder(run)
        return repo.runs, repo.resolve_run(run), repo.store.settings
    finally:
        os.chdir("/")


def _answer(asked: str, refused: list[Refusal], count: int) -> bytes:
    from aivcs.cli.exit_codes import exit_code
    from aivcs.cli.render.output import escape

    code = exit_code(refused[0].error) if refused else 0
    lines = [
        f"aivcs: event {number} ({escape(kind)}) "
        f"{'may be missing' if isinstance(error, OutcomeUnknownError) else 'was refused'}: "
        f"{escape(str(error))}"
        for number, kind, error in refused
    ]
    while True:
        more = count - len(lines)
        last = [f"aivcs: and {more} more refused"] if more else []
        text = f"{asked} {code} " + "\n".join(lines + last)
        data = text.encode("utf-8", "backslashreplace")
        if len(data) < _MAX_ANSWER_BYTES or not lines:
            return data[:_MAX_ANSWER_BYTES] + b"\0"
        lines.pop()
