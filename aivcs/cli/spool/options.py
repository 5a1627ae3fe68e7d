"""The commands of `aivcs spool`."""

from aivcs.cli.parse.model import Argument, Flag, command
from aivcs.cli.parse.shared_options import JSON

COMMANDS = (
    command(
        "spool push",
        "spool.handlers:push",
        """Copy the runs that wait on this machine to their store.

        With core.spool, runs go to a spool first, and from there to the store every five seconds
        and at the end; this does it now. With --store or AIVCS_STORE only the spool of that
        store is pushed, else all of yours. If a store is away, the runs wait on (exit 75). A run
        with a text that has the form of a secret is held back (exit 15).
        """,
        {
            "no_scan": Flag("--no-scan", help="Do not look for secrets in the runs."),
            "as_json": JSON,
        },
    ),
    command(
        "spool list",
        "spool.handlers:list_",
        """List the runs of which something waits on this machine, and why.

        Each is a line: the run, its store, when the first line that the store lacks was recorded
        on this machine, the number of these lines, and why the last push left them here.
        """,
        {"as_json": JSON},
    ),
)

HIDDEN = (
    command(
        "spool-push",
        "spool.handlers:push_later",
        """Push a spool once, detached, when it is time. Commands that record runs call this.""",
        {"folder": Argument("DIR", help="The folder of the spool.")},
        hidden=True,
    ),
)
