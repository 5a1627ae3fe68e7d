"""The detached part of `aivcs hook run`: imports a session, and keeps what came of it."""

from __future__ import annotations

import os

from aivcs.cli.run.import_handlers import masker_of
from aivcs.cli.session.git_identity import actor
from aivcs.codec.url import shown
from aivcs.commands.hook.programs import find_program
from aivcs.commands.hook.run import capture, one_at_a_time, parse_call
from aivcs.commands.hook.state import state_folder, write_state
from aivcs.errors import UsageError
from aivcs.model.timestamp import Timestamp
from aivcs.short_names import MIN_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.commands.hook.programs import Program
    from aivcs.repository import Repository


def capture_quietly(context: Context, name: str, data: bytes) -> None:
    """Imports the session that a program told of; whatever fails is kept for `hook status`."""
    folder = state_folder(context.environment, context.home())
    known = name if name.replace("-", "").isalnum() else "unknown"
    try:
        write_state(folder, known, called_at=str(Timestamp.now()), pid=os.getpid())
        _capture(context, find_program(name), folder, data)
    except BaseException as error:  # noqa: BLE001 nobody else would ever hear of it
        message = str(error) or type(error).__name__
        if not isinstance(error, UsageError):
            message = f"{type(error).__name__}: {message}"
        write_state(folder, known, error=message[:2000], error_at=str(Timestamp.now()), pid=None)


def _capture(context: Context, program: Program, folder: str, data: bytes) -> None:
    call = parse_call(data)
    home = program.home(context.environment, context.home())
    with one_at_a_time(folder, program.name):
        began = str(Timestamp.now())
        repo = _repository(context, call.folder, call.session)
        masker = masker_of(context, context.config_layers(repo))
        done = capture(repo, program, home, call, masker, actor(context))
        write_state(
            folder, program.name, captured_at=began, session=call.session or None,
            run=done[0].run_id if done else None,
            new_events=sum(one.new_events for one in done), store=shown(context.name_of(repo)),
            error=None, error_at=None, pid=None,
        )  # fmt: skip


def _repository(context: Context, folder: str, session: str) -> Repository:
    """The store that the hook names, else that of the folder in which the program works.

    With a spool it is that, unless an earlier import of the session is in the store alone.
    """
    if not context.named_store():
        if not folder.startswith("/"):
            raise UsageError("the hook names no store, and the program no folder")
        context.enter(folder)
    repo = context.recorder()
    if context.spool is None or not session.isprintable() or len(session) < MIN_PREFIX:
        return repo
    from aivcs.cli.session.spooling import repository_with

    return repository_with(context, session) or repo
