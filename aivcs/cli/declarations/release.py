"""The declarations of `aivcs release`."""

from typing import Annotated

from typer import Argument, Option

from aivcs.cli.declarations.shared import (
    Actor,
    AllowMissing,
    ExitCode,
    Expect,
    GithubSummary,
    Ignored,
    Json,
    Name,
    Repair,
    Spec,
    calls,
    noun,
)

app = noun()


@app.command("promote")
@calls("release:promote")
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
    github_summary: GithubSummary = False,
) -> None:
    """Make a spec live, and print its digest."""


@app.command("rollback")
@calls("release:rollback")
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


@app.command("current")
@calls("release:current")
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
@calls("release:history")
def release_history(
    name: Name,
    limit: Annotated[int | None, Option("-n", metavar="N", help="At most N entries.")] = None,
    as_json: Json = False,
) -> None:
    """Print every release and rollback of a name, newest first."""


@app.command("diff")
@calls("release:diff")
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
@calls("release:list_")
def release_list(as_json: Json = False) -> None:
    """List the names that something was released under."""


@app.command("verify")
@calls("store:verify_releases")
def release_verify(repair: Repair = False, as_json: Json = False) -> None:
    """Read all releases and print what is damaged (exit 14), or nothing."""
