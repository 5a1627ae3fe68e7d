"""Makes the completion files of bash, zsh and fish.

They are static and need nothing but their shell: no call of the command, no library of completion
functions. What they know is what the declarations say: commands, options, choices, and where a file
or a folder belongs. Where free text is wanted they offer nothing.
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
