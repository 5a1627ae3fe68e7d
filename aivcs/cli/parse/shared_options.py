"""Parameters that several commands share."""

from aivcs.cli.parse.model import Argument, Flag, Option

JSON = Flag("--json", help="Print JSON: one object, or one object per line for a list.")
RUN = Argument(
    "RUN",
    help=("A run id or a unique prefix of one, @ for $AIVCS_RUN, or @last for your newest run."),
)
NAME = Argument("NAME", help="The agent's name.")
SPEC = Argument("SPEC", help="A digest, or NAME@current, NAME@SEQ or NAME@LABEL.")
REPAIR = Flag(
    "--repair",
    help=(
        "Repair damage that has only one possible repair. Replaced bytes are kept in damaged/; "
        "a log with a broken chain is left unchanged."
    ),
)
ALLOW_MISSING = Flag("--allow-missing-spec", help="Accept a whole digest that is not in the store.")
GITHUB_SUMMARY = Flag(
    "--github-summary",
    help=("In GitHub Actions: also add the result to the job's summary, $GITHUB_STEP_SUMMARY."),
)
MARKDOWN = Flag(
    "--markdown",
    help=(
        "Print Markdown, fit for a pull request's comment: recorded text stands in code, and "
        "secrets of known forms are masked."
    ),
)
GITHUB_ANNOTATIONS = Flag(
    "--github-annotations",
    help="In GitHub Actions: annotate the job if the run failed or was cancelled.",
)
ACTOR = Option(
    "--by",
    help=(
        "The person or system that does this. Default: $AIVCS_ACTOR, the CI system's actor, git's "
        "user, user@host."
    ),
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
    help="Do it only if this is live now: a digest, @SEQ, or none. Otherwise exit 15.",
    metavar="WHAT",
)
IGNORED = Option(
    "--ignore",
    help=("Ignore a member of the calls' payloads, such as a step number. Repeatable."),
    metavar="KEY",
    many=True,
)
AGENTS = Option(
    "--agent", help="Only runs of this agent. Repeatable.", metavar="NAME", many=True, asks="agent"
)
SPECS = Option("--spec", help="Only runs of this spec. Repeatable.", metavar="SPEC", many=True)
SINCE = Option("--since", help="Only since 30m, 12h, 2d, 1w ago, or a date.", metavar="TIME")
UNTIL = Option("--until", help="Only before 30m, 12h, 2d, 1w ago, or a date.", metavar="TIME")
USES = Option(
    "--uses",
    help=(
        "Only specs that use this file: its digest or a prefix of it, or its path in the spec. "
        "Repeatable."
    ),
    metavar="PATH|DIGEST",
    many=True,
)
EXIT_CODE = Flag("--exit-code", help="Exit with 1 if there are differences.")
OUTPUT = Option(
    "-o",
    "--output",
    help="Write to this file, which is replaced when all of it is written.",
    metavar="FILE",
)
