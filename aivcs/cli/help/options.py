"""The command `help`."""

from aivcs.cli.parse.model import Argument, Flag, command

COMMANDS = (
    command(
        "help",
        "help.handlers:show",
        """Show the manual of a command, or the list of all commands.

        On a terminal with man, this is the man page; otherwise the same as plain text.
        """,
        {
            "words": Argument(
                "COMMAND",
                help=(
                    "The words of the command, such as run log; or aivcs, for what all commands "
                    "share."
                ),
                many=True,
                required=False,
                asks="command",
            ),
            "as_json": Flag(
                "--json",
                help="Print the command, its options and all commands below it as one JSON object.",
            ),
        },
    ),
)
