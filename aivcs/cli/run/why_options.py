"""The command `run why`."""

from aivcs.cli.parse.model import Argument, command
from aivcs.cli.parse.shared_options import JSON

COMMANDS = (
    command(
        "run why",
        "run.why_handlers:why",
        """Show why a line is as it is: its commit, the run that made it, what the user asked.

        The commit is the one that git blame names, the run the one in its trailer Aivcs-Run
        (hook install git), and the message the user's last one before the event that wrote
        the line. Without such an event it is the first message: a guess, and marked as one
        (is_guess in JSON). Without LINE, the last commit of the file counts. The columns
        in a pipe: commit, run, seq of the message (- for none), seq of the event that wrote
        it (- for a guess), and the message.
        """,
        {
            "place": Argument("FILE[:LINE]", help="A file in a git repository, and a line of it."),
            "as_json": JSON,
        },
    ),
)
