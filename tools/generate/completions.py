"""Makes the completion files of bash, zsh and fish.

Commands, options, choices, files and folders come from the declarations and are written into the
files. Names in a store (runs, digests, labels) are asked of `aivcs __complete`
(`aivcs.cli.shell.complete_handlers`). Where free text is wanted they offer nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.generate import bash, fish, zsh

if TYPE_CHECKING:
    from aivcs.cli.parse.model import Command


def files(root: Command) -> dict[str, str]:
    """Returns the completion files by their paths below the project."""
    return {
        "completions/aivcs.bash": bash.script(root),
        "completions/_aivcs": zsh.script(root),
        "completions/aivcs.fish": fish.script(root),
    }
