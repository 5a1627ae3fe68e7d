"""The command `run search`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON
from aivcs.cli.run.filters import FILTERS

COMMANDS = (
    command(
        "run search",
        "run.search_handlers:search",
        """Search the events and annotations of runs, newest run first.

        An event must meet everything that is asked; an option given several times, any of
        its values. TEXT is looked for in the texts of payloads and in the names of their
        members. Exit code 1 if nothing is found. The columns in a pipe: run, seq (- for an
        annotation), kind, JSON pointer, passage.
        """,
        {
            "text": Argument("TEXT", help="A text that a payload holds.", required=False),
            "regex": Option(
                "--regex",
                help="Instead of TEXT: a regular expression, as Python has them.",
                metavar="RE",
            ),
            "ignore_case": Flag("-i", "--ignore-case", help="Ignore upper and lower case."),
            "kinds": Option(
                "--kind", help="Only events of this kind. Repeatable.", metavar="K", many=True
            ),
            "tools": Option(
                "--tool",
                help="Only calls and results of this tool. Repeatable.",
                metavar="TOOL",
                many=True,
            ),
            "failed": Flag("--failed", help="Only what failed."),
            "where": Option(
                "--where",
                help=(
                    "Only payloads for which this holds: a JSON pointer, one of = != < <= > >= ~ "
                    "(holds the text), and a value, as in '/score < 0.5'. Repeatable: all must "
                    "hold."
                ),
                metavar="CONDITION",
                many=True,
            ),
            "blobs": Flag(
                "--blobs",
                help=(
                    "Search the blobs, too, that payloads refer to by $blob. Their logs cannot be "
                    "ruled out by an index."
                ),
            ),
            **FILTERS,
            "limit": Option(
                "-n", "--limit", help="At most N matches.", metavar="N", kind="integer"
            ),
            "runs_only": Flag("-l", "--runs", help="Print only the ids of the runs."),
            "as_json": JSON,
        },
    ),
)
