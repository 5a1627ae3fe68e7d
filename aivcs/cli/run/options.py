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
    MARKDOWN,
    REPAIR,
    RUN,
    SINCE,
    SPECS,
)
from aivcs.cli.run.filters import FILTERS

AGENT = Option("--agent", help="The agent that runs.", metavar="NAME", required=True, asks="agent")
SPEC_OPTION = Option(
    "--spec",
    help="The agent's spec: a digest, or NAME@current, NAME@SEQ or NAME@LABEL.",
    metavar="SPEC",
)
SPEC_FILE = Option(
    "--spec-file", help="A file to store and use as the spec, instead of --spec.", metavar="FILE"
)
GIT_SHA = Option(
    "--git-sha",
    help=(
        "The commit of the code. Default: $GITHUB_SHA, $CI_COMMIT_SHA, $GIT_COMMIT,"
        " or HEAD of the surrounding git repository. HEAD means the same, and fails without a"
        " commit."
    ),
    metavar="SHA",
)
TAGS = Option("--tag", help="A tag: KEY=TEXT or KEY:=JSON. Repeatable.", metavar="K=V", many=True)

PARENT = Option(
    "--parent",
    help="The run that it belongs to. Default: the run of the run exec around it, if any.",
    metavar="RUN",
)
FROM = Option(
    "--from",
    help=(
        "The run that it goes on from, RUN or RUN@SEQ; recorded with the hash of its last line, "
        "or of that event's."
    ),
    metavar="RUN",
)

FIGURES = Flag(
    "--figures",
    help=(
        "Also print tokens, cost and score, as far as events and annotations tell them; it reads "
        "all events. In a pipe five more columns (of run show: lines): tokens read, tokens "
        "written, US dollars, the word estimated or -, and the score."
    ),
)

COMMANDS = (
    command(
        "run start",
        "run.handlers:start",
        """Start a run and print its id.

        In GitHub Actions and GitLab CI, the run gets tags ci.* that identify the job.
        """,
        {
            "agent": AGENT,
            "spec": SPEC_OPTION,
            "spec_file": SPEC_FILE,
            "git_sha": GIT_SHA,
            "tags": TAGS,
            "allow_missing_spec": ALLOW_MISSING,
            "parent": PARENT,
            "origin": FROM,
            "owner_pid": Option(
                "--owner-pid",
                help=(
                    "The process that owns the run, such as the shell ($$). After its death, "
                    "aivcs run reap ends the run."
                ),
                metavar="PID",
                kind="integer",
            ),
            "key": Option(
                "--key",
                help=(
                    "A name of this run: started again with it, the agent's same run is returned."
                ),
                metavar="K",
                asks="",
            ),
            "at": Option(
                "--at",
                help=(
                    "Start it in this remote store, so that several machines can log to it. The "
                    "spec is pushed first."
                ),
                metavar="REMOTE",
                asks="",
            ),
            "github_env": Flag(
                "--github-env",
                help=(
                    "In GitHub Actions: set AIVCS_RUN and AIVCS_STORE for the following steps, "
                    "by $GITHUB_ENV."
                ),
            ),
            "dotenv": Option(
                "--dotenv",
                help=(
                    "Append AIVCS_RUN=ID and AIVCS_STORE=PATH to a file, for GitLab's "
                    "artifacts:reports:dotenv."
                ),
                metavar="FILE",
            ),
        },
    ),
    command(
        "run exec",
        "run.exec_handlers:exec_",
        """Execute a command as a run: record its start, its output and its end.

        The command gets AIVCS_RUN and AIVCS_STORE, so events that it logs with @ go to
        this run. Its output passes through. Its exit code is the exit code of aivcs: 128+N
        after signal N, 127 if it was not found, 126 if it could not be executed, and 125 if
        aivcs itself failed. With --best-effort, a failing store changes neither.
        """,
        {
            "command": Argument(
                "COMMAND",
                help="The command to execute, with its arguments.",
                many=True,
                takes="program",
            ),
            "agent": AGENT,
            "spec": SPEC_OPTION,
            "spec_file": SPEC_FILE,
            "git_sha": GIT_SHA,
            "tags": TAGS,
            "allow_missing_spec": ALLOW_MISSING,
            "parent": PARENT,
            "origin": FROM,
            "capture": Option(
                "--capture",
                help=(
                    "How to record its output: an event per line, a blob per stream, or not at all."
                ),
                choices=("lines", "blobs", "none"),
                default="lines",
            ),
            "events": Option(
                "--events",
                help=(
                    "The format of what the command prints, as of run import --from; auto "
                    "recognises it. Each line of JSON then becomes events as it comes: messages, "
                    "tool calls, tokens."
                ),
                metavar="FORMAT",
            ),
            "max_cost": Option(
                "--max-cost",
                help=(
                    "End the command when the model calls in the run cost more US dollars, as its "
                    "events tell or as estimated from the configured prices. Exit code 124."
                ),
                metavar="USD",
                kind="number",
            ),
            "max_tokens": Option(
                "--max-tokens",
                help="End the command when its model calls used more tokens, read and written.",
                metavar="N",
                kind="integer",
            ),
            "max_time": Option(
                "--max-time",
                help="End the command when it takes longer: 30s, 10m, 2h, 1d.",
                metavar="TIME",
            ),
            "max_repeats": Option(
                "--max-repeats",
                help=(
                    "End the command when it makes one tool call with one result N times in a row."
                ),
                metavar="N",
                kind="integer",
            ),
            "no_redact": Flag(
                "--no-redact",
                help=(
                    "Record arguments and output unmasked. By default, these are masked: values of "
                    "variables named like secrets (*_TOKEN, *_SECRET, *_KEY, *PASSWORD*, *_DSN "
                    "and more), URLs with a password, and variables that exec.redact names."
                ),
            ),
            "id_file": Option(
                "--id-file",
                help=(
                    "Write the run's id to a file before the command is executed. Afterwards @last "
                    "names the run, too."
                ),
                metavar="FILE",
            ),
            "best_effort": Flag(
                "--best-effort",
                help=(
                    "Execute the command even if the store cannot be written, and print what is "
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
        """Append an event, or a stream of events, to a run.

        Options come before RUN; after it nothing is an option.
        """,
        {
            "run": RUN.but(asks="running"),
            "kind": Argument(
                "KIND", help="The kind of the event, such as tool_called.", required=False
            ),
            "payload": Argument(
                "PAYLOAD",
                help=(
                    "One JSON value; or words KEY=TEXT and KEY:=JSON, which make an object; or - "
                    "for standard input; or nothing for {}."
                ),
                many=True,
                required=False,
            ),
            "stdin": Flag(
                "--stdin",
                help=(
                    'Read events from standard input, one per line: {"kind": …, "payload": …} '
                    "with optional seq and timestamp. They are stored as they come; a bad line "
                    "stops."
                ),
            ),
            "atomic": Flag("--atomic", help="With --stdin: check all events before storing any."),
            "print_seq": Flag(
                "--print-seq", help="Print the sequence number of each stored event."
            ),
            "seq": Option(
                "--seq",
                help="Use this sequence number. Storing the same event again is harmless.",
                metavar="N",
                kind="integer",
            ),
            "timestamp": Option(
                "--timestamp",
                help="The time of the event (RFC 3339, cut to microseconds). Default: now.",
                metavar="TIME",
            ),
            "files": Option(
                "--file",
                help="Add a member with the text of a file. Repeatable.",
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
        """End a run. Afterwards it never changes again.""",
        {
            "run": RUN.but(asks="running"),
            "status": Option(
                "--status",
                help="How it ended. Default: derived from --exit-code.",
                choices=("completed", "failed", "cancelled"),
                any_case=True,
            ),
            "exit_code": Option(
                "--exit-code",
                help=(
                    "The exit code of the process: 0 is completed, 130 and 143 are cancelled, "
                    "others failed. It is recorded. In a trap: --exit-code $?"
                ),
                metavar="N",
                kind="integer",
            ),
            "if_running": Flag("--if-running", help="Do nothing if the run is already over."),
            "state": Option("--state", help="The blob with its final state.", metavar="DIGEST"),
            "state_file": Option(
                "--state-file",
                help="A file to store and use as the final state, instead of --state.",
                metavar="FILE",
            ),
            "duration_ms": Option(
                "--duration-ms",
                help="Its duration in milliseconds. Default: the time since its start.",
                metavar="N",
                kind="integer",
            ),
            "here": Flag(
                "--here",
                help=(
                    "End a copy of a run that goes on elsewhere, if nothing was heard of it for "
                    "run.lost_after."
                ),
            ),
            "github_annotations": GITHUB_ANNOTATIONS,
        },
    ),
    command(
        "run import",
        "run.import_handlers:import_",
        """Make runs of sessions that other programs recorded, and print their ids.

        Claude Code, Codex, Gemini CLI, OpenCode, OpenHands, SWE-agent, mini-swe-agent, the
        OpenAI Agents SDK and inspect_ai; OTLP/JSON, ATIF, MLflow, traces and logs of runs. The
        format is recognised by the content. A run gets the id, the
        times and the status of its session. A second import of the same source changes
        nothing; one that has grown extends the run. Secrets are masked, and their number
        is printed. A session goes on until the source, or --seal, says that it is over.
        """,
        {
            "files": Argument(
                "FILE",
                help="Files with sessions; - for standard input.",
                many=True,
                required=False,
            ),
            "source_format": Option(
                "--from",
                help="The format, if it is not recognised; with --all, the program.",
                metavar="FORMAT",
            ),
            "all_": Flag(
                "--all",
                help="Import every session of Claude Code, Codex and Gemini CLI that is yours.",
            ),
            "agent": Option(
                "--agent",
                help="The agent that ran. Default: as the source says, else the program.",
                metavar="NAME",
                asks="agent",
            ),
            "spec": Option(
                "--spec",
                help=(
                    "The agent's spec: a digest, or NAME@current, NAME@SEQ or NAME@LABEL. Default: "
                    "a partial spec of what the source says."
                ),
                metavar="SPEC",
            ),
            "seal": Flag("--seal", help="End the runs: the sessions are over."),
            "no_redact": Flag(
                "--no-redact",
                help=(
                    "Store secrets as they are. By default, tokens and keys of known forms, "
                    "passwords in URLs, values of variables named like secrets, and what "
                    "import.redact describes are masked."
                ),
            ),
            "as_json": JSON,
        },
    ),
    command(
        "run show",
        "run.reading_handlers:show",
        """Show the record of a run; on a terminal also its steps.

        A long run is shown by its first and last steps and the failed ones between; aivcs
        run events prints every event.
        """,
        {
            "run": Argument(
                "RUN",
                help=(
                    "A run id or a unique prefix of one, @ for $AIVCS_RUN, or @last for your "
                    "newest run. Default: @ if $AIVCS_RUN is set, else @last."
                ),
                required=False,
            ),
            "figures": FIGURES,
            "as_json": JSON,
            "github_summary": GITHUB_SUMMARY,
        },
    ),
    command(
        "run events",
        "run.reading_handlers:events",
        """Print the events of a run, in order of their sequence numbers.

        With --follow they are printed in the order in which they were appended; the two
        orders differ only where --seq was used.
        """,
        {
            "run": RUN,
            "kinds": Option(
                "--kind", help="Only events of this kind. Repeatable.", metavar="K", many=True
            ),
            "follow": Flag("--follow", "-f", help="Continue with new events until the run ends."),
            "as_json": JSON,
        },
    ),
    command(
        "run list",
        "run.reading_handlers:list_",
        """List runs, newest first.

        An option given several times selects runs that match any of its values.
        """,
        {
            **FILTERS,
            "limit": Option("-n", "--limit", help="At most N runs.", metavar="N", kind="integer"),
            "figures": FIGURES,
            "as_json": JSON,
        },
    ),
    command(
        "run stats",
        "run.reading_handlers:stats",
        """Show figures of each agent's runs: numbers, success rate, durations.

        The columns in a pipe: agent, runs, running, completed, failed, cancelled, success
        rate (completed among completed and failed, from 0 to 1), the 50th, 90th and 99th
        percentile of the durations of finished runs (milliseconds, by nearest rank), and
        when the newest run was started.
        """,
        {
            "agents": AGENTS,
            "specs": SPECS,
            "since": SINCE,
            "figures": FIGURES,
            "as_json": JSON,
        },
    ),
    command(
        "run diff",
        "run.reading_handlers:diff",
        """Compare two runs: how they ended, and which tool calls differ.

        The calls (events of kind tool_called, with payload.tool_name) are aligned. Printed
        are calls that were added, removed or moved, or that have other parameters.
        """,
        {
            "before": Argument("A", help="The earlier RUN.", asks="run"),
            "after": Argument("B", help="The later RUN.", asks="run"),
            "ignored": IGNORED,
            "exit_code": EXIT_CODE,
            "as_json": JSON,
            "markdown": MARKDOWN,
            "github_summary": GITHUB_SUMMARY,
        },
    ),
    command(
        "run reap",
        "run.handlers:reap",
        """End runs whose owner process has died, as failed, and print their ids.

        aivcs run start --owner-pid records the owner. A run whose owner is alive is never
        ended.
        """,
        {
            "runs": Argument(
                "RUN",
                help="Only these runs; they need no proof of an owner's death.",
                many=True,
                required=False,
            ),
            "older_than": Option(
                "--older-than",
                help=(
                    "Also runs without a proof whose last event is older: 30m, 12h, 2d, 1w, or a "
                    "date."
                ),
                metavar="TIME",
            ),
            "dry_run": Flag("--dry-run", help="Only print which runs would be ended, and why."),
            "as_json": JSON,
        },
    ),
    command(
        "run verify",
        "store.handlers:verify_runs",
        """Check all runs and print the damage found (exit 14), or nothing.""",
        {
            "repair": REPAIR,
            "as_json": JSON,
        },
    ),
)
