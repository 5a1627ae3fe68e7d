"""The commands of `aivcs run` that add remarks to runs."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import ACTOR, RUN, SIGNING_KEY

COMMANDS = (
    command(
        "run annotate",
        "run.annotation_handlers:annotate",
        """Add a remark to a run, also to one that has ended, and print its digest.

        Annotations are records beside the run's log, which they do not change. They are shown
        with the run; their tags merge into the run's tags. Nothing removes or edits one.
        """,
        {
            "run": RUN,
            "kind": Argument(
                "KIND",
                help="The kind of the annotation, such as evaluation. Default: note.",
                required=False,
            ),
            "payload": Argument(
                "PAYLOAD",
                help="One JSON value; or words KEY=TEXT and KEY:=JSON, which make an object.",
                many=True,
                required=False,
            ),
            "text": Option("-m", "--message", help="A remark in words.", metavar="TEXT"),
            "tags": Option(
                "--tag",
                help="A tag for the run: KEY=TEXT or KEY:=JSON. Repeatable.",
                metavar="K=V",
                many=True,
            ),
            "by": ACTOR,
            "sign": Flag("--sign", help="Sign it with the configured SSH key."),
            "signing_key": SIGNING_KEY,
        },
    ),
)
