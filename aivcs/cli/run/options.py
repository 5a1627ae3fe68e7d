"""The commands of `aivcs run`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import (
    AGENTS,
    ALLOW_MISSING,
    EXIT_CODE,
    GITHUB_ANNOTATIONS,
    GITHUB_SUMMARY,
    IGNORED,
    JSON,
    REPAIR,
    RUN,
    SINCE,
    SPECS,
)

AGENT = Option("--agent", help="Which agent runs.", metavar="NAME", required=True, asks="agent")
SPEC_OPTION = Option(
    "--spec", help="What runs: a digest, or NAME@current, NAME@SEQ or NAME@LABEL.", metavar="SPEC"
)
SPEC_FILE = Option(
    "--spec-file", help="Or a file, which is stored and is the spec.", metavar="FILE"
)
GIT_SHA = Option(
    "--git-sha",
    help=(
        "The commit of the code. Default: $GITHUB_SHA, $CI_COMMIT_SHA, $GIT_COMMIT,"
        " or HEAD of the git repository around."
    ),
    metavar="SHA",
)
TAGS = Option("--tag", help="A tag: KEY=TEXT or KEY:=JSON. Repeatable.", metavar="K=V", many=True)

COMMANDS = (
    command(
        "run start",
        "run.handlers:start",
        """Start a run, and print its id.

        In a job of GitHub Actions or GitLab CI, tags ci.* say which.
        """,
        {
            "agent": AGENT,
            "spec": SPEC_OPTION,
            "spec_file": SPEC_FILE,
            "git_sha": GIT_SHA,
            "tags": TAGS,
            "allow_missing_spec": ALLOW_MISSING,
            "owner_pid": Option(
                "--owner-pid",
                help=(
                    "The process that the run belongs to: the shell's $$. When it is gone, "
                    "aivcs run reap ends the run."
                ),
                metavar="PID",
                kind="integer",
            ),
            "github_env": Flag(
                "--github-env",
                help=(
                    "In GitHub Actions: set AIVCS_RUN and AIVCS_STORE for the steps that "
                    "follow, by $GITHUB_ENV."
                ),
            ),
            "dotenv": Option(
                "--dotenv",
                help=(
                    "Add the line AIVCS_RUN=ID to a file, as GitLab takes it (reports: dotenv),"
                    " and AIVCS_STORE=PATH if the store was named."
                ),
                metavar="FILE",
            ),
        },
    ),
    command(
        "run exec",
        "run.exec_handlers:exec_",
        """Execute a command as a run: record its start, its output and its end.

        The command gets AIVCS_RUN and AIVCS_STORE, so what it logs with @ is part of the
        run. Its output passes through; its exit code is that of aivcs: 128+N if signal N
        ended it, 127 if it was not found, 126 if it could not be executed, and 125 if aivcs
        itself failed. With --best-effort a store that fails changes neither.
        """,
        {
            "command": Argument(
                "COMMAND", help="What to execute, with its arguments.", many=True, takes="program"
            ),
            "agent": AGENT,
            "spec": SPEC_OPTION,
            "spec_file": SPEC_FILE,
            "git_sha": GIT_SHA,
            "tags": TAGS,
            "allow_missing_spec": ALLOW_MISSING,
            "capture": Option(
                "--capture",
                help=(
                    "What becomes of its output: an event for each line, a blob for each "
                    "stream, or nothing."
                ),
                choices=("lines", "blobs", "none"),
                default="lines",
            ),
            "no_redact": Flag(
                "--no-redact",
                help=(
                    "Record arguments and output as they are. By default the values of "
                    "variables named like secrets (*_TOKEN, *_SECRET, *_KEY, *PASSWORD*, *_DSN "
                    "and more), URLs with a password, and what exec.redact names are masked."
                ),
            ),
            "id_file": Option(
                "--id-file",
                help=(
                    "Write the id of the run to a file before the command is executed. "
                    "Afterwards @last names the run, too."
                ),
                metavar="FILE",
            ),
            "best_effort": Flag(
                "--best-effort",
                help=(
                    "Execute the command also if the store cannot be written, and say what is "
                    "not recorded."
                ),
            ),
            "github_annotations": GITHUB_ANNOTATIONS,
        },
        interspersed=False,
    ),
    command(
        "run log",
        "run.handlers:log",
        """Append an event to a run, or many.

        Options stand before RUN; after it nothing is an option.
        """,
        {
            "run": RUN.but(asks="running"),
            "kind": Argument("KIND", help="What happened, as in tool_called.", required=False),
            "payload": Argument(
                "PAYLOAD",
                help=(
                    "One JSON value; or words KEY=TEXT and KEY:=JSON that make an object; or - "
                    "for standard input; or nothing for {}."
                ),
                many=True,
                required=False,
            ),
            "stdin": Flag(
                "--stdin",
                help=(
                    'Read events from standard input, a line each: {"kind": …, "payload": …} '
                    "with optional seq and timestamp. Stored as they come; a bad line stops it."
                ),
            ),
            "atomic": Flag("--atomic", help="With --stdin: read and check all before storing any."),
            "print_seq": Flag(
                "--print-seq", help="Print the sequence number of each event stored."
            ),
            "seq": Option(
                "--seq",
                help="Use this number; the same event again is accepted.",
                metavar="N",
                kind="integer",
            ),
            "timestamp": Option(
                "--timestamp",
                help="When it happened (RFC 3339, cut to microseconds). Default: now.",
                metavar="TIME",
            ),
            "files": Option(
                "--file",
                help="Add a member: the text of a file. Repeatable.",
                metavar="KEY=PATH",
                many=True,
            ),
            "blobs": Option(
                "--blob",
                help='Store a file and add a member {"$blob": DIGEST}. Repeatable.',
                metavar="KEY=PATH",
                many=True,
            ),
        },
        interspersed=False,
    ),
    command(
        "run finish",
        "run.handlers:finish",
        """End a run; afterwards it never changes again.""",
        {
            "run": RUN.but(asks="running"),
            "status": Option(
                "--status",
                help="How it ended, whatever --exit-code records. Default: as that says.",
                choices=("completed", "failed", "cancelled"),
                any_case=True,
            ),
            "exit_code": Option(
                "--exit-code",
                help=(
                    "The exit code of what ran, recorded: 0 is completed, 130 and 143 "
                    "cancelled, others failed. In a trap: --exit-code $?"
                ),
                metavar="N",
                kind="integer",
            ),
            "if_running": Flag("--if-running", help="Do nothing if the run is over already."),
            "state": Option("--state", help="The blob of its final state.", metavar="DIGEST"),
            "state_file": Option(
                "--state-file", help="Or a file, which is stored and is the state.", metavar="FILE"
            ),
            "duration_ms": Option(
                "--duration-ms",
                help="How long it took. Default: the milliseconds since its start.",
                metavar="N",
                kind="integer",
            ),
            "github_annotations": GITHUB_ANNOTATIONS,
        },
    ),
    command(
        "run show",
        "run.handlers:show",
        """Show a run as it stands; on a terminal also what it did, step by step.

        Of a long run the first and the last steps are shown, and between them those that
        failed; aivcs run events prints every event.
        """,
        {
            "run": Argument(
                "RUN",
                help=(
                    "A run id, a unique prefix of it, @ for $AIVCS_RUN, or @last for your "
                    "newest run. Default: @ if it is set, else @last."
                ),
                required=False,
            ),
            "as_json": JSON,
            "github_summary": GITHUB_SUMMARY,
        },
    ),
    command(
        "run events",
        "run.handlers:events",
        """Print the events of a run, in order.

        With --follow they come in the order in which they were appended, which is another
        only where --seq was used.
        """,
        {
            "run": RUN,
            "kinds": Option(
                "--kind", help="Only events of this kind. Repeatable.", metavar="K", many=True
            ),
            "follow": Flag("--follow", "-f", help="Go on with new events until the run ends."),
            "as_json": JSON,
        },
    ),
    command(
        "run list",
        "run.handlers:list_",
        """List runs, newest first.

        An option that is given several times selects the runs that fit any of its values.
        """,
        {
            "agents": AGENTS,
            "specs": SPECS,
            "statuses": Option(
                "--status",
                help="Only those that are this. Repeatable.",
                choices=("running", "completed", "failed", "cancelled"),
                any_case=True,
                many=True,
            ),
            "tags": Option(
                "--tag",
                help=(
                    "Only those with this tag: with all of several, and of one KEY any. Repeatable."
                ),
                metavar="K=V",
                many=True,
            ),
            "since": SINCE,
            "limit": Option("-n", "--limit", help="At most N.", metavar="N", kind="integer"),
            "as_json": JSON,
        },
    ),
    command(
        "run stats",
        "run.handlers:stats",
        """Tell how the runs of each agent went: how many, how they ended, how long they took.

        Printed to a pipe: agent, runs, running, completed, failed, cancelled, success rate
        (completed among completed and failed, from 0 to 1), the 50th, 90th and 99th
        percentile of how long the runs took that are over (milliseconds, by nearest rank),
        and when the newest was started.
        """,
        {
            "agents": AGENTS,
            "specs": SPECS,
            "since": SINCE,
            "as_json": JSON,
        },
    ),
    command(
        "run diff",
        "run.handlers:diff",
        """Compare two runs: how they ended, and which tools they called differently.

        Calls (events of kind tool_called, with payload.tool_name) are aligned; shown are
        those that were added or removed, that moved, and that have other parameters.
        """,
        {
            "before": Argument("A", help="A RUN, the one before.", asks="run"),
            "after": Argument("B", help="A RUN, the one after.", asks="run"),
            "ignored": IGNORED,
            "exit_code": EXIT_CODE,
            "as_json": JSON,
        },
    ),
    command(
        "run reap",
        "run.handlers:reap",
        """End runs whose owner (--owner-pid) is gone as failed, and print their ids.

        A run whose owner is alive is never ended.
        """,
        {
            "runs": Argument(
                "RUN",
                help="Only these; a run that is named needs no proof.",
                many=True,
                required=False,
            ),
            "older_than": Option(
                "--older-than",
                help=(
                    "Also runs without a proof that were last heard of 30m, 12h, 2d, 1w ago, or"
                    " before a date."
                ),
                metavar="TIME",
            ),
            "dry_run": Flag("--dry-run", help="Only say which runs would be ended, and why."),
            "as_json": JSON,
        },
    ),
    command(
        "run verify",
        "store.handlers:verify_runs",
        """Read all runs and print what is damaged (exit 14), or nothing.""",
        {
            "repair": REPAIR,
            "as_json": JSON,
        },
    ),
)
