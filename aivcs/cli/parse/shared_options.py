"""Parameters that several commands share."""

from aivcs.cli.parse.model import Argument, Flag, Option

JSON = Flag("--json", help="Print JSON: one object, or one a line for a list.")
RUN = Argument(
    "RUN", help=("A run id, a unique prefix of it, @ for $AIVCS_RUN, or @last for your newest run.")
)
NAME = Argument("NAME", help="The agent's name.")
SPEC = Argument("SPEC", help="A digest, or NAME@current, NAME@SEQ or NAME@LABEL.")
REPAIR = Flag(
    "--repair",
    help=(
        "Repair what can be repaired without a doubt. What has to give way is kept "
        "in damaged/; a log whose chain is broken is left as it is."
    ),
)
ALLOW_MISSING = Flag("--allow-missing-spec", help="Accept a whole digest that is not in the store.")
GITHUB_SUMMARY = Flag(
    "--github-summary",
    help=("In GitHub Actions: also add it to the summary of the job, $GITHUB_STEP_SUMMARY."),
)
GITHUB_ANNOTATIONS = Flag(
    "--github-annotations",
    help="In GitHub Actions: annotate the job if the run failed or was cancelled.",
)
ACTOR = Option(
    "--by",
    help=("Who does this. Default: $AIVCS_ACTOR, the CI system's actor, git's user, user@host."),
    metavar="WHO",
)
SIGNING_KEY = Option(
    "--signing-key",
    help=(
        "The SSH key, or its public half if ssh-agent has it. Default: signing.key "
        "of your configuration."
    ),
    metavar="FILE",
)
EXPECT = Option(
    "--expect",
    help="Do it only if this is live now: a digest, @SEQ, or none. Else exit 15.",
    metavar="WHAT",
)
IGNORED = Option(
    "--ignore",
    help=(
        "A member of the calls' payloads that does not count, as the number of a step. Repeatable."
    ),
    metavar="KEY",
    many=True,
)
AGENTS = Option(
    "--agent", help="Only this agent's. Repeatable.", metavar="NAME", many=True, asks="agent"
)
SPECS = Option("--spec", help="Only those of this spec. Repeatable.", metavar="SPEC", many=True)
SINCE = Option("--since", help="Only since 30m, 12h, 2d, 1w ago, or a date.", metavar="TIME")
EXIT_CODE = Flag("--exit-code", help="Exit with 1 if there are differences.")
_EXAMPLES = 3
_ROOMY = 60
