"""`aivcs help`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from aivcs.cli.render import output as render
from aivcs.cli.session import shipped
from aivcs.errors import UsageError

if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from tools.generate.walk import Command


def show(context: Context, words: list[str]) -> int | None:
    """Prints the manual of a command, through man where a person reads and there is one."""
    if not words:
        from aivcs.cli.parse import typer_parser as parser

        return parser.run(context, ["--help"])
    from tools.generate.walk import walk

    command = _find(walk(), words[1:] if words[0] == "aivcs" else words)
    if context.is_terminal() and context.pager and _shown_by_man(context, command):
        return None
    if sys.flags.optimize > 1:
        raise UsageError(
            "the texts of help are left out by PYTHONOPTIMIZE=2 (python -OO); unset it"
        )
    from tools.generate.text import text

    with render.output(context) as out:
        out.write(text(command))
    return None


def _find(command: Command, words: list[str]) -> Command:
    for number, word in enumerate(words):
        below = {child.path[-1]: child for child in command.children}
        if word not in below:
            from difflib import get_close_matches

            near = get_close_matches(word, below, n=1)
            name = " ".join([command.name, word[:60]])
            there = f"the commands there are {', '.join(below)}" if below else "it has none below"
            hint = " ".join(["aivcs help", *words[:number], *near])
            raise UsageError(f"no command {name!a}; {f'did you mean {hint}?' if near else there}")
        command = below[word]
    return command


def _shown_by_man(context: Context, command: Command) -> bool:
    """Shows the page with man, and tells whether that could be done."""
    if shutil.which("man") is None or context.environment.get("TERM", "dumb") == "dumb":
        return False
    name = f"{command.name.replace(' ', '-')}.1"
    path = shipped.find(f"man/{name}", f"man/man1/{name}")
    if path is None:
        return False
    import subprocess

    context.flush()
    return subprocess.run(["man", "-l", path], check=False).returncode == 0
