"""The declarations of `aivcs run`."""

from typing import Annotated, Literal

from typer import Argument, Option

from aivcs.cli.parse.shared_options import (
    AllowMissing,
    ExitCode,
    GithubAnnotations,
    GithubSummary,
    Ignored,
    Json,
    Repair,
    Run,
    calls,
    noun,
)

Status = Literal["completed", "failed", "cancelled"]
Capture = Literal["lines", "blobs", "none"]
AnyStatus = Literal["running", "completed", "failed", "cancelled"]
Agent = Annotated[str, Option("--agent", metavar="NAME", help="Which agent runs.")]
SpecOption = Annotated[
    str | None,
    Option(
        "--spec",
        metavar="SPEC",
        help="What runs: a digest, or NAME@current, NAME@SEQ or NAME@LABEL.",
    ),
]
SpecFile = Annotated[
    str | None,
    Option("--spec-file", metavar="FILE", help="Or a file, which is stored and is the spec."),
]
GitSha = Annotated[
    str | None,
    Option(
        "--git-sha",
        metavar="SHA",
        help="The commit of the code. Default: $GITHUB_SHA, $CI_COMMIT_SHA, $GIT_COMMIT, or "
        "HEAD of the git repository around.",
    ),
]
Tags = Annotated[
    list[str] | None,
    Option("--tag", metavar="K=V", help="A tag: KEY=TEXT or KEY:=JSON. Repeatable."),
]

app = noun()


@app.command("start")
@calls("run.handlers:start")
def run_start(
    agent: Agent,
    spec: SpecOption = None,
    spec_file: SpecFile = None,
    git_sha: GitSha = None,
    tags: Tags = None,
    allow_missing_spec: AllowMissing = False,
    owner_pid: Annotated[
        int | None,
        Option(
            "--owner-pid",
            metavar="PID",
            help="The process that the run belongs to: the shell's $$. When it is gone, "
            "aivcs run reap ends the run.",
        ),
    ] = None,
    github_env: Annotated[
        bool,
        Option(
            "--github-env",
            help="In GitHub Actions: set AIVCS_RUN for the steps that follow, by $GITHUB_ENV.",
        ),
    ] = False,
    dotenv: Annotated[
        str | None,
        Option(
            "--dotenv",
            metavar="FILE",
            help="Add the line AIVCS_RUN=ID to a file, as GitLab takes it (reports: dotenv).",
        ),
    ] = None,
) -> None:
    """Start a run, and print its id.

    In a job of GitHub Actions or GitLab CI, tags ci.* say which.
    """


@app.command("exec", context_settings={"allow_interspersed_args": False})
@calls("run.exec_handlers:exec_")
def run_exec(
    command: Annotated[
        list[str], Argument(metavar="COMMAND...", help="What to execute, with its arguments.")
    ],
    agent: Agent,
    spec: SpecOption = None,
    spec_file: SpecFile = None,
    git_sha: GitSha = None,
    tags: Tags = None,
    allow_missing_spec: AllowMissing = False,
    capture: Annotated[
        Capture,
        Option(
            "--capture",
            help="What becomes of its output: an event for each line, a blob for each stream, or "
            "nothing.",
        ),
    ] = "lines",
    no_redact: Annotated[
        bool,
        Option(
            "--no-redact",
            help="Record arguments and output as they are. By default the values of variables "
            "named *_TOKEN, *_SECRET, *_KEY or *PASSWORD*, and as exec.redact says, are masked.",
        ),
    ] = False,
    github_annotations: GithubAnnotations = False,
) -> None:
    """Execute a command as a run: record its start, its output and its end.

    The command gets AIVCS_RUN and AIVCS_STORE, so what it logs with @ is part of the run. Its
    output passes through; its exit code is that of aivcs: 128+N if signal N ended it, 127 if it was
    not found, 126 if it could not be executed, and 125 if aivcs itself failed.
    """


@app.command("log", context_settings={"allow_interspersed_args": False})
@calls("run.handlers:log")
def run_log(
    run: Run,
    kind: Annotated[
        str | None, Argument(metavar="KIND", help="What happened, as in tool_called.")
    ] = None,
    payload: Annotated[
        list[str] | None,
        Argument(
            metavar="PAYLOAD...",
            help="One JSON value; or words KEY=TEXT and KEY:=JSON that make an object; or - for "
            "standard input; or nothing for {}.",
        ),
    ] = None,
    stdin: Annotated[
        bool,
        Option(
            "--stdin",
            help='Read events from standard input, a line each: {"kind": …, "payload": …} with '
            "optional seq and timestamp. Stored as they come; a bad line stops it.",
        ),
    ] = False,
    atomic: Annotated[
        bool,
        Option("--atomic", help="With --stdin: read and check all before storing any."),
    ] = False,
    print_seq: Annotated[
        bool, Option("--print-seq", help="Print the sequence number of each event stored.")
    ] = False,
    seq: Annotated[
        int | None,
        Option("--seq", metavar="N", help="Use this number; the same event again is accepted."),
    ] = None,
    timestamp: Annotated[
        str | None,
        Option("--timestamp", metavar="TIME", help="When it happened (RFC 3339). Default: now."),
    ] = None,
    files: Annotated[
        list[str] | None,
        Option("--file", metavar="KEY=PATH", help="Add a member: the text of a file. Repeatable."),
    ] = None,
    blobs: Annotated[
        list[str] | None,
        Option(
            "--blob",
            metavar="KEY=PATH",
            help='Store a file and add a member {"$blob": DIGEST}. Repeatable.',
        ),
    ] = None,
) -> None:
    """Append an event to a run, or many.

    Options stand before RUN; after it nothing is an option.
    """


@app.command("finish")
@calls("run.handlers:finish")
def run_finish(
    run: Run,
    status: Annotated[
        Status | None,
        Option(
            "--status",
            case_sensitive=False,
            help="How it ended, whatever --exit-code records. Default: as that says.",
        ),
    ] = None,
    exit_code: Annotated[
        int | None,
        Option(
            "--exit-code",
            metavar="N",
            help="The exit code of what ran, recorded: 0 is completed, 130 and 143 cancelled, "
            "others failed. In a trap: --exit-code $?",
        ),
    ] = None,
    if_running: Annotated[
        bool, Option("--if-running", help="Do nothing if the run is over already.")
    ] = False,
    state: Annotated[
        str | None, Option("--state", metavar="DIGEST", help="The blob of its final state.")
    ] = None,
    state_file: Annotated[
        str | None,
        Option("--state-file", metavar="FILE", help="Or a file, which is stored and is the state."),
    ] = None,
    duration_ms: Annotated[
        int | None,
        Option(
            "--duration-ms",
            metavar="N",
            help="How long it took. Default: the milliseconds since its start.",
        ),
    ] = None,
    github_annotations: GithubAnnotations = False,
) -> None:
    """End a run; afterwards it never changes again."""


@app.command("show")
@calls("run.handlers:show")
def run_show(run: Run, as_json: Json = False, github_summary: GithubSummary = False) -> None:
    """Show a run as it stands; on a terminal also what it did, step by step.

    Of a long run the first and the last steps are shown, and between them those that failed;
    aivcs run events prints every event.
    """


@app.command("events")
@calls("run.handlers:events")
def run_events(
    run: Run,
    kind: Annotated[
        str | None, Option("--kind", metavar="K", help="Only events of this kind.")
    ] = None,
    follow: Annotated[
        bool, Option("--follow", "-f", help="Go on with new events until the run ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the events of a run, in order.

    With --follow they come in the order in which they were appended, which is another only where
    --seq was used.
    """


@app.command("list")
@calls("run.handlers:list_")
def run_list(
    agent: Annotated[
        str | None, Option("--agent", metavar="NAME", help="Only this agent's.")
    ] = None,
    spec: Annotated[
        str | None, Option("--spec", metavar="SPEC", help="Only those of this spec.")
    ] = None,
    status: Annotated[
        AnyStatus | None,
        Option("--status", case_sensitive=False, help="Only those that are this."),
    ] = None,
    tags: Annotated[
        list[str] | None,
        Option("--tag", metavar="K=V", help="Only those with this tag. Repeatable."),
    ] = None,
    since: Annotated[
        str | None,
        Option("--since", metavar="TIME", help="Only since 30m, 12h, 2d, 1w ago, or a date."),
    ] = None,
    limit: Annotated[int | None, Option("-n", metavar="N", help="At most N.")] = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""


@app.command("stats")
@calls("run.handlers:stats")
def run_stats(
    agent: Annotated[
        str | None, Option("--agent", metavar="NAME", help="Only this agent's.")
    ] = None,
    spec: Annotated[
        str | None, Option("--spec", metavar="SPEC", help="Only those of this spec.")
    ] = None,
    since: Annotated[
        str | None,
        Option("--since", metavar="TIME", help="Only since 30m, 12h, 2d, 1w ago, or a date."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell how the runs of each agent went: how many, how they ended, how long they took.

    Printed to a pipe: agent, runs, running, completed, failed, cancelled, success rate (completed
    among completed and failed, from 0 to 1), the 50th, 90th and 99th percentile of how long the
    runs took that are over (milliseconds, by nearest rank), and when the newest was started.
    """


@app.command("diff")
@calls("run.handlers:diff")
def run_diff(
    before: Annotated[str, Argument(metavar="A", help="A RUN, the one before.")],
    after: Annotated[str, Argument(metavar="B", help="A RUN, the one after.")],
    ignored: Ignored = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Compare two runs: how they ended, and which tools they called differently.

    Calls (events of kind tool_called, with payload.tool_name) are aligned; shown are those that
    were added or removed, that moved, and that have other parameters.
    """


@app.command("reap")
@calls("run.handlers:reap")
def run_reap(
    runs: Annotated[
        list[str] | None,
        Argument(metavar="RUN...", help="Only these; a run that is named needs no proof."),
    ] = None,
    older_than: Annotated[
        str | None,
        Option(
            "--older-than",
            metavar="TIME",
            help="Also runs without a proof that were last heard of 30m, 12h, 2d, 1w ago, or "
            "before a date.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Only say which runs would be ended, and why.")
    ] = False,
    as_json: Json = False,
) -> None:
    """End runs whose owner (--owner-pid) is gone as failed, and print their ids.

    A run whose owner is alive is never ended.
    """


@app.command("verify")
@calls("store.handlers:verify_runs")
def run_verify(repair: Repair = False, as_json: Json = False) -> None:
    """Read all runs and print what is damaged (exit 14), or nothing."""
