"""The declarations of `aivcs release`."""

from typing import Annotated

from typer import Argument, Option

from aivcs.cli.parse.shared_options import (
    Actor,
    AllowMissing,
    ExitCode,
    Expect,
    GithubSummary,
    Ignored,
    Json,
    Name,
    Repair,
    SigningKey,
    Spec,
    calls,
    noun,
)

app = noun()

DryRun = Annotated[
    bool,
    Option(
        "--dry-run",
        help="Change nothing: print what would be live, and exit 0; or 15 if it would be refused.",
    ),
]
Force = Annotated[
    bool,
    Option(
        "--force",
        help="Go against the policies, which is recorded. Needs a reason, in --notes or --reason. "
        "It does not override a block: that takes release unblock.",
    ),
]
Target = Annotated[
    str,
    Argument(
        metavar="TARGET",
        help="A spec: its digest, or the @SEQ or label of a release, a prefix of its digest, or "
        "current.",
    ),
]
Reason = Annotated[str, Option("--reason", metavar="TEXT", help="Why. It is recorded.")]
Sign = Annotated[bool, Option("--sign", help="Sign it with an SSH key.")]
Seq = Annotated[
    str | None, Argument(metavar="SEQ", help="An entry, as in @3. Default: the live one.")
]


@app.command("promote")
@calls("release.handlers:promote")
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
    evidence: Annotated[
        list[str] | None,
        Option(
            "--evidence",
            metavar="RUN",
            help="A run that speaks for it, and is over: its id and the head of its log are "
            "recorded. May be given several times.",
        ),
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    sign: Sign = False,
    signing_key: SigningKey = None,
    as_json: Json = False,
    github_summary: GithubSummary = False,
) -> None:
    """Make a spec live, and print its digest. What is blocked under the name is refused."""


@app.command("rollback")
@calls("release.handlers:rollback")
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
    block: Annotated[
        bool,
        Option(
            "--block",
            help="Block what was live, so that it cannot become live again. Needs --reason.",
        ),
    ] = False,
    force: Force = False,
    dry_run: DryRun = False,
    sign: Sign = False,
    signing_key: SigningKey = None,
    as_json: Json = False,
) -> None:
    """Make an earlier release live again, and print its digest. Rolling back again goes further.

    A blocked release is not passed over: the rollback is refused, and --to names another.
    """


@app.command("block")
@calls("release.handlers:block")
def release_block(name: Name, target: Target, reason: Reason, by: Actor = None) -> None:
    """Mark a spec as bad under a name: it cannot become live there. Print its digest.

    What is live stays live; there is a warning.
    """


@app.command("unblock")
@calls("release.handlers:unblock")
def release_unblock(name: Name, target: Target, reason: Reason, by: Actor = None) -> None:
    """Take a block back, and print the digest. Exit 15 if it is not blocked."""


@app.command("current")
@calls("release.handlers:current")
def release_current(
    name: Name,
    default: Annotated[
        str | None,
        Option("--default", metavar="TEXT", help="Print this if nothing was ever released."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the digest that is live."""


@app.command("history")
@calls("release.handlers:history")
def release_history(
    name: Name,
    limit: Annotated[int | None, Option("-n", metavar="N", help="At most N entries.")] = None,
    since: Annotated[
        str | None,
        Option("--since", metavar="TIME", help="Only since 30m, 12h, 2d, 1w ago, or a date."),
    ] = None,
    label: Annotated[
        str | None, Option("--label", metavar="L", help="Only entries with this label.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print every release and rollback of a name, newest first, and what has become of it.

    The columns: number, action, digest, label, time, who, why, state, number of runs that are its
    evidence. The state is current; superseded, if it is still below what is live; rolled back;
    or blocked. A release that was returned to is current in both entries; on a terminal the earlier
    one is live again.
    """


@app.command("show")
@calls("release.handlers:show")
def release_show(
    name: Name,
    target: Annotated[
        str | None,
        Argument(
            metavar="SEQ",
            help="An entry: its number, a label, or a digest or its prefix, which mean the newest. "
            "Default: what is live.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print everything that is said about a release: evidence, blocks, signatures, policy."""


@app.command("diff")
@calls("release.handlers:diff")
def release_diff(
    name: Name,
    before: Annotated[
        str | None,
        Argument(
            metavar="A",
            help="The release before: @SEQ, a label, a digest or current. "
            "Default: what the live one replaced.",
        ),
    ] = None,
    after: Annotated[
        str | None, Argument(metavar="B", help="The release after. Default: what is live.")
    ] = None,
    ignored: Ignored = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Compare two releases: their specs, as spec diff does, and a run of each, as run diff does.

    The runs are the newest completed ones of these specs.
    """


@app.command("list")
@calls("release.handlers:list_")
def release_list(as_json: Json = False) -> None:
    """List the names that something was released under; on a terminal also what is live.

    There and with --json also whether that is blocked.
    """


@app.command("verify")
@calls("release.audit_handlers:verify")
def release_verify(
    name: Annotated[
        str | None,
        Argument(metavar="NAME", help="Check all that was recorded about the releases of a name."),
    ] = None,
    seq: Annotated[str | None, Argument(metavar="SEQ", help="Only this entry, as in @3.")] = None,
    repair: Repair = False,
    as_json: Json = False,
) -> None:
    """Read all releases and print what is damaged (exit 14), or nothing.

    Of a NAME, check everything again, offline, and print what was looked at: chain and stack,
    blocks, the logs of the runs given as evidence, the verdict of each rule of the policy that was
    applied, signatures. What is wrong is failed, and the exit code 14; what cannot be shown is
    not proven, which is no failure.
    """


@app.command("sign")
@calls("release.audit_handlers:sign")
def release_sign(
    name: Name, seq: Seq = None, signing_key: SigningKey = None, as_json: Json = False
) -> None:
    """Sign a release with an SSH key, and record the signature. Default: the one that is live."""


@app.command("provenance")
@calls("release.audit_handlers:provenance")
def release_provenance(
    name: Name,
    seq: Seq = None,
    builder: Annotated[
        str | None,
        Option(
            "--builder",
            metavar="URI",
            help="Who is trusted to have made the release, as in the URI of a CI workflow.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a release was made of: an in-toto statement with SLSA provenance, as JSON."""
