"""The command `browse`."""

from aivcs.cli.parse.model import Argument, command

COMMANDS = (
    command(
        "browse",
        "browse.handlers:browse",
        """Look at releases and runs in the terminal: what is live and why, differences, timelines.

        Keys as in less: j k, space b, g G, / n N, q; Enter opens a line, ? shows all keys. It
        changes nothing, and shows the command that would roll back. It needs the extra named tui.
        """,
        {
            "what": Argument(
                "NAME|RUN",
                help=(
                    "What to begin with: a name, NAME@SEQ or NAME@LABEL, or a run. Default: what "
                    "is live."
                ),
                required=False,
            ),
        },
    ),
)
