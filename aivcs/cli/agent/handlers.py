"""Handlers of the commands for agents."""

from __future__ import annotations

import os

from aivcs.errors import BackendError, ConflictError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.cli.session.context import Context

SKILL = "SKILL.md"
_MAX_REQUEST = 8 << 20
"""Bytes of a request, at most."""


def skill(context: Context, folder: str | None, force: bool) -> None:
    """Prints the skill, or the path it was written to."""
    with open(os.path.join(os.path.dirname(__file__), SKILL), encoding="utf-8") as file:
        text = file.read()
    if folder is None:
        if force:
            raise UsageError("--force goes with --install")
        context.write(text)
        return
    if not folder:
        raise UsageError("the DIR of --install is empty; is a variable unset?")
    path = os.path.join(folder, "aivcs", SKILL)
    from aivcs.commands.output_file import write_file
    from aivcs.util.writing import require_outside_stores

    require_outside_stores(path)
    try:
        if os.path.lexists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                found = file.read()
            if found != text and not force:
                raise ConflictError(f"{path} has another content; --force replaces it")
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise BackendError(f"cannot write {path!a}: {error.strerror}") from error
    write_file(path, [text])
    context.write(f"{path}\n")


def mcp(context: Context, write: bool) -> None:
    """Answers requests of the Model Context Protocol until standard input ends."""
    from io import BufferedReader, RawIOBase
    from typing import cast

    from aivcs import __version__
    from aivcs.cli.agent.protocol import Server
    from aivcs.cli.agent.tools import tools

    server = Server(tools(context, write=write), __version__)
    source = BufferedReader(cast("RawIOBase", context.stdin()))
    while line := _line(source.readline):
        if len(line) > _MAX_REQUEST:
            raise UsageError(f"a request is longer than {_MAX_REQUEST >> 20} MiB")
        if not line.strip():
            continue
        answer = server.answer(line)
        if answer is not None:
            context.write(answer)
            context.flush()


def _line(readline: Callable[[int], bytes]) -> bytes:
    try:
        return readline(_MAX_REQUEST + 1)
    except OSError as error:
        raise BackendError(f"cannot read standard input: {error.strerror}") from error
