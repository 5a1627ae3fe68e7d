"""The declaration of every command, option and help text, in Typer: what the user can say.

Nothing here does anything: each function is a signature with its help, and names the verb that runs
it. From one walk over these declarations `aivcs.cli.generate` makes the dispatch table, the
completion files and the man pages; Typer itself answers `--help` and explains mistakes.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args

import typer
from typer import Argument, Option

import aivcs
from aivcs.cli.context import Context, OutputError
from aivcs.cli.verbs import invoke

Status = Literal["completed", "failed", "cancelled"]
AnyStatus = Literal["running", "completed", "failed", "cancelled"]
Json = Annotated[bool, Option("--json", help="Print JSON: one object, or one a line for a list.")]
Run = Annotated[
    str, Argument(metavar="RUN", help="A run id, a unique prefix of it, or @ for $AIVCS_RUN.")
]
Name = Annotated[str, Argument(metavar="NAME", help="The agent's name.")]
Spec = Annotated[
    str,
    Argument(metavar="SPEC", help="A digest, or NAME@current, NAME@SEQ or NAME@LABEL."),
]
Repair = Annotated[
    bool,
    Option(
        "--repair",
        help="Repair what can be repaired without a doubt. What has to give way is kept in "
        "damaged/; a log whose chain is broken is left as it is.",
    ),
]
AllowMissing = Annotated[
    bool,
    Option("--allow-missing-spec", help="Accept a whole digest that is not in the store."),
]
Actor = Annotated[
    str | None,
    Option(
        "--by",
        metavar="WHO",
        help="Who does this. Default: $AIVCS_ACTOR, the CI system's actor, git's user, user@host.",
    ),
]
Expect = Annotated[
    str | None,
    Option(
        "--expect",
        metavar="WHAT",
        help="Do it only if this is live now: a digest, @SEQ, or none. Else exit 15.",
    ),
]

_SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    # Boxes and colour for a person; where output goes to a file they only cost time.
    "rich_markup_mode": "rich" if os.isatty(1) and os.environ.get("TERM") != "dumb" else None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(name="aivcs", **_SETTINGS)
blob_app = typer.Typer(**_SETTINGS)
run_app = typer.Typer(**_SETTINGS)
release_app = typer.Typer(**_SETTINGS)
config_app = typer.Typer(**_SETTINGS)
app.add_typer(blob_app, name="blob", help="Contents by their SHA-256: specs, prompts, configs.")
app.add_typer(run_app, name="run", help="The ledger of executions: what an agent did.")
app.add_typer(release_app, name="release", help="What is live under each name, and its history.")
app.add_typer(config_app, name="config", help="Settings of a store, and yours.")

_context = Context()
"""The context of the call that Typer is parsing; set by `run_typer`."""


def _calls(target: str) -> Callable[[Callable[..., None]], Callable[..., int]]:
    """Makes of a declaration a function that calls the verb `target` with the same parameters."""

    def wrap(declaration: Callable[..., None]) -> Callable[..., int]:
        lists = [
            name
            for name, parameter in inspect.signature(declaration).parameters.items()
            if get_args(parameter.annotation)[0] == list[str] | None
        ]

        @functools.wraps(declaration)
        def call(**parameters: Any) -> int:
            for name in lists:  # None where nothing was given; to a verb that is an empty list
                parameters[name] = parameters[name] or []
            return invoke(_context, target, parameters)

        call.target = target  # type: ignore[attr-defined]
        return call

    return wrap


def _show_version(wanted: bool) -> None:
    if wanted:
        _context.write(f"aivcs {aivcs.__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    directory: Annotated[
        str | None, Option("-C", metavar="DIR", help="Go to this folder first.")
    ] = None,
    store: Annotated[
        str | None,
        Option(
            "--store",
            metavar="PATH",
            help="The store: the folder that holds the file named format. Default: $AIVCS_STORE, "
            "else .aivcs here or in the nearest folder above.",
        ),
    ] = None,
    lock_timeout: Annotated[
        float | None,
        Option(
            "--lock-timeout",
            metavar="SECONDS",
            help="How long to wait for another process. Default: $AIVCS_LOCK_TIMEOUT, else 30.",
        ),
    ] = None,
    color: Annotated[
        Literal["auto", "always", "never"] | None,
        Option("--color", help="Use colour. Default: auto, which respects NO_COLOR."),
    ] = None,
    no_pager: Annotated[
        bool, Option("--no-pager", help="Never pass long output through a pager.")
    ] = False,
    version: Annotated[
        bool,
        Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Version control for AI agents.

    What an agent is (blobs), what it did (runs), and what is live (releases), in one folder.
    """
    del version
    _context.configure(
        directory=directory,
        store=store,
        lock_timeout=lock_timeout,
        color=color,
        no_pager=no_pager,
    )


@app.command()
@_calls("store:init")
def init(
    folder: Annotated[
        str,
        Argument(
            metavar="DIR",
            help="The folder that gets a store, DIR/.aivcs. Default: here, or where --store or "
            "$AIVCS_STORE says that it is.",
        ),
    ] = ".",
    shared: Annotated[bool, Option("--shared", help="Let the folder's group write.")] = False,
) -> None:
    """Make a store, and print its path. Running it again is harmless."""


@app.command()
@_calls("store:status")
def status(as_json: Json = False) -> None:
    """Show a store at a glance: blobs, runs by status, releases."""


@app.command()
@_calls("store:verify")
def verify(
    heads: Annotated[
        list[str] | None,
        Option(
            "--head",
            metavar="DIGEST",
            help="Require what aivcs head printed once: every log must still have the line it had, "
            "and may have grown. Repeatable.",
        ),
    ] = None,
    repair: Repair = False,
    as_json: Json = False,
) -> None:
    """Read all of the store and print what is damaged (exit 14), or nothing."""


@app.command()
@_calls("store:gc")
def gc(
    grace: Annotated[
        str | None,
        Option(
            "--grace",
            metavar="DURATION",
            help="Keep what was put since: 0s, 30m, 12h, 2d, 2w. Default: 2w.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print what would be deleted, and delete nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete old blobs that nothing refers to, and print their digests and sizes.

    What a run, a release, a pin or a blob that counts itself mentions is kept, and so is what was
    put a short while ago.
    """


@app.command()
@_calls("store:head")
def head(as_json: Json = False) -> None:
    """Print a digest that stands for all logs as they are now.

    It is of a manifest that is stored and pinned. Kept elsewhere, it lets aivcs verify --head find
    out whether a log was cut short or written anew since.
    """


@blob_app.command("put")
@_calls("blob:put")
def blob_put(
    files: Annotated[
        list[str] | None,
        Argument(metavar="FILE...", help="The files to store; - is standard input."),
    ] = None,
    sums: Annotated[
        bool, Option("--sums", help="Print lines for sha256sum -c: DIGEST, two spaces, FILE.")
    ] = False,
    stdin_paths: Annotated[
        bool, Option("--stdin-paths", help="Read the files' names from standard input.")
    ] = False,
    null: Annotated[
        bool, Option("-z", "--null", help="With --stdin-paths: names end in NUL, not newline.")
    ] = False,
) -> None:
    """Store files, and print the digest of each once it is durable."""


@blob_app.command("get")
@_calls("blob:get")
def blob_get(
    digest: Annotated[
        str, Argument(metavar="DIGEST", help="A digest, or a unique prefix of 4 or more.")
    ],
    output: Annotated[
        str | None,
        Option("-o", "--output", metavar="FILE", help="Write to this file, whole or not at all."),
    ] = None,
) -> None:
    """Print the bytes of a blob, verified."""


@blob_app.command("has")
@_calls("blob:has")
def blob_has(
    digests: Annotated[
        list[str], Argument(metavar="DIGEST...", help="Digests, or unique prefixes.")
    ],
    as_json: Json = False,
) -> None:
    """Exit 0 if all of some blobs are stored, 1 if not."""


@blob_app.command("rm")
@_calls("blob:rm")
def blob_rm(
    digests: Annotated[list[str], Argument(metavar="DIGEST...", help="Whole digests.")],
    force: Annotated[
        bool, Option("--force", help="Remove what is referred to, and ignore what is absent.")
    ] = False,
) -> None:
    """Remove blobs that nothing refers to."""


@blob_app.command("pin")
@_calls("blob:pin")
def blob_pin(
    digests: Annotated[
        list[str], Argument(metavar="DIGEST...", help="Digests, or unique prefixes.")
    ],
) -> None:
    """Keep blobs, though nothing may refer to them."""


@blob_app.command("unpin")
@_calls("blob:unpin")
def blob_unpin(
    digests: Annotated[
        list[str], Argument(metavar="DIGEST...", help="Digests, or unique prefixes.")
    ],
) -> None:
    """Take pins away; that a blob is not pinned is no error."""


@blob_app.command("ls")
@_calls("blob:ls")
def blob_ls(
    prefix: Annotated[
        str, Argument(metavar="PREFIX", help="Only digests that begin with this.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List digests, in order."""


@blob_app.command("verify")
@_calls("store:verify_blobs")
def blob_verify(repair: Repair = False, as_json: Json = False) -> None:
    """Read all blobs and print what is damaged (exit 14), or nothing."""


@run_app.command("start")
@_calls("run:start")
def run_start(
    agent: Annotated[str, Option("--agent", metavar="NAME", help="Which agent runs.")],
    spec: Annotated[
        str | None,
        Option(
            "--spec",
            metavar="SPEC",
            help="What runs: a digest, or NAME@current, NAME@SEQ or NAME@LABEL.",
        ),
    ] = None,
    spec_file: Annotated[
        str | None,
        Option("--spec-file", metavar="FILE", help="Or a file, which is stored and is the spec."),
    ] = None,
    git_sha: Annotated[
        str | None,
        Option(
            "--git-sha",
            metavar="SHA",
            help="The commit of the code. Default: $GITHUB_SHA, $CI_COMMIT_SHA, $GIT_COMMIT, or "
            "HEAD of the git repository around.",
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        Option("--tag", metavar="K=V", help="A tag: KEY=TEXT or KEY:=JSON. Repeatable."),
    ] = None,
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
) -> None:
    """Start a run, and print its id."""


@run_app.command("log", context_settings={"allow_interspersed_args": False})
@_calls("run:log")
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


@run_app.command("finish")
@_calls("run:finish")
def run_finish(
    run: Run,
    status: Annotated[
        Status | None, Option("--status", help="How it ended. Default: by --exit-code.")
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
        Option("--duration-ms", metavar="N", help="How long it took. Default: since its start."),
    ] = None,
) -> None:
    """End a run; afterwards it never changes again."""


@run_app.command("show")
@_calls("run:show")
def run_show(run: Run, as_json: Json = False) -> None:
    """Show a run as it stands."""


@run_app.command("events")
@_calls("run:events")
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
    """Print the events of a run, in order."""


@run_app.command("list")
@_calls("run:list_")
def run_list(
    agent: Annotated[
        str | None, Option("--agent", metavar="NAME", help="Only this agent's.")
    ] = None,
    spec: Annotated[
        str | None, Option("--spec", metavar="SPEC", help="Only those of this spec.")
    ] = None,
    status: Annotated[
        AnyStatus | None, Option("--status", help="Only those that are this.")
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


@run_app.command("reap")
@_calls("run:reap")
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


@run_app.command("verify")
@_calls("store:verify_runs")
def run_verify(repair: Repair = False, as_json: Json = False) -> None:
    """Read all runs and print what is damaged (exit 14), or nothing."""


@release_app.command("promote")
@_calls("release:promote")
def release_promote(
    name: Name,
    spec: Spec,
    label: Annotated[
        str | None, Option("--label", metavar="L", help="A name for this release, as in v1.2.")
    ] = None,
    notes: Annotated[str | None, Option("--notes", metavar="TEXT", help="Why.")] = None,
    by: Actor = None,
    expect: Expect = None,
    allow_missing_spec: AllowMissing = False,
) -> None:
    """Make a spec live, and print its digest."""


@release_app.command("rollback")
@_calls("release:rollback")
def release_rollback(
    name: Name,
    to: Annotated[
        str | None,
        Option(
            "--to",
            metavar="TARGET",
            help="Which release to return to: @SEQ, a label, or a digest. Default: the one before.",
        ),
    ] = None,
    reason: Annotated[str | None, Option("--reason", metavar="TEXT", help="Why.")] = None,
    by: Actor = None,
    expect: Expect = None,
) -> None:
    """Make an earlier release live again, and print its digest. Rolling back again goes further."""


@release_app.command("current")
@_calls("release:current")
def release_current(
    name: Name,
    default: Annotated[
        str | None,
        Option("--default", metavar="TEXT", help="Print this if nothing was ever released."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the digest that is live."""


@release_app.command("history")
@_calls("release:history")
def release_history(
    name: Name,
    limit: Annotated[int | None, Option("-n", metavar="N", help="At most N entries.")] = None,
    as_json: Json = False,
) -> None:
    """Print every release and rollback of a name, newest first."""


@release_app.command("list")
@_calls("release:list_")
def release_list(as_json: Json = False) -> None:
    """List the names that something was released under."""


@release_app.command("verify")
@_calls("store:verify_releases")
def release_verify(repair: Repair = False, as_json: Json = False) -> None:
    """Read all releases and print what is damaged (exit 14), or nothing."""


_Key = Annotated[str, Argument(metavar="KEY", help="A key, as in core.durability.")]
_User = Annotated[bool, Option("--user", help="In your own file, not the store's.")]


@config_app.command("get")
@_calls("store:config_get")
def config_get(key: _Key, as_json: Json = False) -> None:
    """Print the value that holds for a key."""


@config_app.command("set")
@_calls("store:config_set")
def config_set(
    key: _Key,
    value: Annotated[str, Argument(metavar="VALUE", help="Its new value.")],
    user: _User = False,
) -> None:
    """Set a key of the store."""


@config_app.command("unset")
@_calls("store:config_unset")
def config_unset(key: _Key, user: _User = False) -> None:
    """Remove a key of the store."""


@config_app.command("list")
@_calls("store:config_list")
def config_list(
    show_origin: Annotated[
        bool, Option("--show-origin", help="Say where each value comes from.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List every key with the value that holds."""


def run_typer(context: Context, arguments: Sequence[str]) -> int:
    """Parses a command line with Typer, runs what it says, and returns the exit code."""
    global _context  # noqa: PLW0603 the declarations are made once, and called in one process once
    _context = context
    context.json = "--json" in arguments
    if sys.stdout is None:
        # Closed. Typer would print its help nowhere and be content; writing to this fails.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    try:
        result = typer.main.get_command(app).main(
            list(arguments), prog_name="aivcs", standalone_mode=False
        )
    except typer.Abort:
        return 130
    except SystemExit as error:  # how Typer takes it that nobody reads its output any more
        raise BrokenPipeError from error
    except OSError as error:  # verbs let none out: this is help that could not be printed
        raise OutputError(error.strerror or str(error)) from error
    except Exception as error:
        code = _explain(context, error)
        if code is None:
            raise
        return code
    return int(result or 0)


def _explain(context: Context, error: Exception) -> int | None:
    """Prints what Typer has to say of a mistake; None if it is no error of Typer's."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    from aivcs.cli.exits import say

    context.flush(quiet=True)
    click_context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        context.tell(format_message())
        return 2
    message = format_message().rstrip(".")
    path, usage = "aivcs", ""
    if click_context is not None:
        path = click_context.command_path
        usage = " ".join(click_context.get_usage().split()).replace("Usage:", "usage:", 1)
    misplaced = getattr(error, "option_name", "") in {
        "-C", "--store", "--lock-timeout", "--color", "--no-pager",
    }  # fmt: skip
    if misplaced and path != "aivcs":
        message += f"; it stands before the command: aivcs {error.option_name} … {path[6:]}"  # type: ignore[attr-defined]
    else:
        message += f" (see: {path} --help)"
    say(context, "UsageError", message[:1].lower() + message[1:], 2, usage=usage)
    return 2
