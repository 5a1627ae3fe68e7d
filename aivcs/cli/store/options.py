"""The declarations of the commands about a whole store."""

from typing import Annotated, Literal

import typer
from typer import Argument, Option

from aivcs import __version__
from aivcs.cli.parse.shared_options import Json, Repair, SigningKey, calls, context, noun

app = noun()


def _show_version(wanted: bool) -> None:
    if wanted:
        context().write(f"aivcs {__version__}\n")
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
    context().configure(
        directory=directory,
        store=store,
        lock_timeout=lock_timeout,
        color=color,
        no_pager=no_pager,
    )


@app.command()
@calls("store.handlers:init")
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
@calls("store.handlers:status")
def status(as_json: Json = False) -> None:
    """Show a store at a glance: blobs, runs by status, releases."""


@app.command()
@calls("store.handlers:verify")
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
    head_signature: Annotated[
        str | None,
        Option(
            "--head-signature",
            metavar="FILE",
            help="Require of the one --head that an allowed signer signed it: what aivcs head "
            "--sign printed once.",
        ),
    ] = None,
    repair: Repair = False,
    as_json: Json = False,
) -> None:
    """Read all of the store and print what is damaged (exit 14), or nothing.

    Also printed, as notices that leave the exit code at 0, are what crashes left and what is
    missing: specs that runs and releases name, files of events, and whatever is named by a spec
    that is live, or by what that names. Missing blobs that are pinned are damage.
    """


@app.command()
@calls("store.handlers:gc")
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
@calls("store.handlers:head")
def head(
    sign: Annotated[
        bool, Option("--sign", help="Print below it a signature of it, by an SSH key.")
    ] = False,
    signing_key: SigningKey = None,
    as_json: Json = False,
) -> None:
    """Print a digest that stands for all logs as they are now.

    It is of a manifest that is stored and pinned. Kept elsewhere, it lets aivcs verify --head find
    out whether a log was cut short or written anew since.
    """
