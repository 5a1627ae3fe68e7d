"""Handlers of `aivcs hook`, but for `hook run`."""

from __future__ import annotations

import os
import sys
from shlex import quote

from aivcs.cli.render.output import escape, json_line
from aivcs.commands.hook.programs import PROGRAMS, Program, find_program, session_files
from aivcs.errors import UsageError
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.cli.session.context import Context
    from aivcs.commands.hook.install import Change
    from aivcs.commands.hook.status import Status


def install(context: Context, programs: list[str], user: bool, project: bool) -> None:
    """Prints the settings that were changed, and the lines that were added."""
    from aivcs.commands.hook.install import install

    if "git" in programs:
        _hook_git(context, user=user, undo=False)
        programs = [name for name in programs if name != "git"]
        if not programs:
            return
    chosen = _chosen(programs, user=user, project=project)
    store = context.repository().path  # there must be one, or nothing would ever be captured
    for program in chosen:
        path = _settings(context, program, project=project)
        command = _command(program, None if project else store)
        _show(context, program, install(program, path, command), "already installed")
        if program.name == "codex":
            context.warn("Codex asks once whether to trust the hook: answer yes")
        home = program.home(context.environment, context.home())
        number = sum(1 for _ in session_files(program, home)) if home else 0
        if number:
            context.warn(
                f"{program.title} has {count(number, 'session')} here; "
                f"import them: aivcs run import --all --from {program.name}"
            )


def uninstall(context: Context, programs: list[str], user: bool, project: bool) -> None:
    """Prints the settings that were changed, and the lines that were removed."""
    from aivcs.commands.hook.install import uninstall

    if "git" in programs:
        _hook_git(context, user=user, undo=True)
        programs = [name for name in programs if name != "git"]
    for program in _chosen(programs, user=user, project=project):
        path = _settings(context, program, project=project)
        _show(context, program, uninstall(program, path), "not installed")


def _hook_git(context: Context, *, user: bool, undo: bool) -> None:
    """Prints the hook of git that was installed or removed."""
    from aivcs.commands.hook.git import install, uninstall

    if user:
        raise UsageError("git's hooks belong to a repository; leave --user out")
    folder = context.working_directory()
    done = uninstall(folder) if undo else install(folder)
    if not done.is_changed:
        context.warn(f"git: {'not' if undo else 'already'} installed ({done.path})")
        return
    context.write(f"{done.path}\n")
    if done.kept is not None:
        context.warn(f"git: the hook that was there is called first; it is {done.kept} now")


def status(context: Context, as_json: bool) -> None:
    """Prints a row for each program."""
    found = list(statuses(context))
    if as_json:
        for one in found:
            context.write(json_line(one._asdict() | {"installed": one.is_installed}))
        return
    if not context.for_person():
        for one in found:
            cells = [
                one.program, "yes" if one.is_installed else "no", one.sessions,
                one.captured_at or "-", one.behind, one.lag_s, one.error or "-",
            ]  # fmt: skip
            context.write("\t".join(escape(str(cell)) for cell in cells) + "\n")
        return
    for one in found:
        for line in _lines(one):
            context.write(f"{line}\n")
    if not found:
        context.write("no sessions of Claude Code, Codex or Gemini CLI are here\n")


def statuses(context: Context) -> Iterator[Status]:
    """Yields the state of each program that is here."""
    from aivcs.commands.hook.state import state_folder
    from aivcs.commands.hook.status import status
    from aivcs.model.timestamp import Timestamp

    homes = {one.name: one.home(context.environment, context.home()) for one in PROGRAMS}
    folder = state_folder(context.environment, context.home())

    def settings(program: Program) -> list[str]:
        own = os.path.join(homes[program.name], program.settings)
        try:
            shared = _settings(context, program, project=True)
        except UsageError:
            return [own]  # the working directory is gone, and its project
        return [own] if own == shared else [own, shared]

    yield from status(homes, settings, folder, Timestamp.now())


def warning(one: Status) -> str | None:
    """Returns a line about a program whose sessions are not captured; None if all is well."""
    if not one.is_installed:
        return None
    if one.error:
        return f"{one.title}: the last capture failed: {escape(one.error)}"
    if one.behind:
        sessions = f"{one.behind:,} session{'s are' if one.behind > 1 else ' is'}"
        return f"{one.title}: {sessions} newer than the last capture"
    return None


def _lines(one: Status) -> Iterator[str]:
    """Yields the lines about a program for a person."""
    where = ", ".join(one.hooks) or "not installed"
    yield f"{one.title}"
    yield f"  hook          {escape(where)}"
    yield f"  sessions      {one.sessions:,}"
    yield f"  last capture  {one.captured_at or 'never'}"
    if one.run:
        yield f"  run           {escape(one.run)}"
    if one.store:
        yield f"  store         {escape(one.store)}"
    if one.behind:
        late = f", the newest by {one.lag_s:,} s" if one.lag_s else ""
        yield f"  not captured  {one.behind:,}{late}: aivcs run import --all --from {one.program}"
    if one.error:
        yield f"  last error    {escape(one.error)} ({one.error_at or 'now'})"


def _chosen(programs: list[str], *, user: bool, project: bool) -> list[Program]:
    if user and project:
        raise UsageError("--user and --project exclude each other")
    return [find_program(name) for name in programs]


def _settings(context: Context, program: Program, *, project: bool) -> str:
    """The file that holds the hooks of a program."""
    if project:
        return os.path.join(context.working_directory(), program.folder, program.settings)
    home = program.home(context.environment, context.home())
    if not home:
        raise UsageError("you have no home folder, so no settings; try --project")
    return os.path.join(home, program.settings)


def _command(program: Program, store: str | None) -> str:
    """The shell command of a hook.

    One in a user's settings names this aivcs and the store by their paths. One in a project's is
    for everybody: it does nothing where there is no aivcs.
    """
    if store is None:
        call = f"aivcs hook run {program.name}"
        return f"if command -v aivcs >/dev/null 2>&1; then {call}; fi"
    beside = os.path.join(os.path.dirname(sys.executable), "aivcs")
    words = [beside] if os.access(beside, os.X_OK) else [sys.executable, "-m", "aivcs"]
    return " ".join(map(quote, [*words, "--store", store, "hook", "run", program.name]))


def _show(context: Context, program: Program, change: Change, nothing: str) -> None:
    if not change.lines:
        context.warn(f"{program.title}: {nothing} ({change.path})")
        return
    context.write(f"{change.path}\n")
    for line in change.lines:
        context.write(f"{escape(line)}\n")
