"""The declarations of `aivcs spec`."""

from typing import Annotated

from typer import Argument, Option

from aivcs.cli.parse.shared_options import ExitCode, Json, Spec, calls, noun

_FILES = "A file, or a folder with all files in it; repeatable"

Root = Annotated[
    str | None,
    Option(
        "--root",
        metavar="DIR",
        help="The folder below which files keep their paths. Default: the nearest one above with "
        ".git or .aivcs, else the working directory.",
    ),
]
Excludes = Annotated[
    list[str] | None,
    Option(
        "--exclude",
        metavar="PATTERN",
        help="Leave out what a pattern of .gitignore fits. Repeatable; .aivcsignore has such "
        "patterns, too.",
    ),
]

app = noun()


@app.command("create")
@calls("spec.handlers:create")
def spec_create(
    paths: Annotated[
        list[str] | None,
        Argument(
            metavar="PATH...",
            help="Files, or folders with all files in them; which part each file is, is told from "
            "its path.",
        ),
    ] = None,
    auto: Annotated[
        bool,
        Option(
            "--auto",
            help="Take what lies where agents look (AGENTS.md, CLAUDE.md, .claude/, .mcp.json …), "
            "and say what was taken and what was left out.",
        ),
    ] = False,
    prompts: Annotated[
        list[str] | None,
        Option("--prompts", metavar="PATH", help=f"What it is told. {_FILES}."),
    ] = None,
    tools: Annotated[
        list[str] | None,
        Option("--tools", metavar="PATH", help=f"What it can do. {_FILES}."),
    ] = None,
    config: Annotated[
        list[str] | None,
        Option("--config", metavar="PATH", help=f"How it is set up. {_FILES}."),
    ] = None,
    graph: Annotated[
        list[str] | None,
        Option("--graph", metavar="PATH", help=f"How its steps hang together. {_FILES}."),
    ] = None,
    git_sha: Annotated[
        str | None,
        Option(
            "--git-sha",
            metavar="SHA",
            help="Also the commit of the code. HEAD is $GITHUB_SHA, $CI_COMMIT_SHA, $GIT_COMMIT, "
            "or that of the git repository around.",
        ),
    ] = None,
    root: Root = None,
    excludes: Excludes = None,
    complete: Annotated[
        bool, Option("--complete", help="Refuse a spec without all four parts (exit 2).")
    ] = False,
    partial: Annotated[
        bool, Option("--partial", help="Accept that parts are missing; it is accepted anyway.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Store the files of an agent and the spec that names them, and print its digest.

    The same files give the same digest. Files keep their paths, so that aivcs spec checkout puts
    them back where they were. What git ignores is left out of folders, and *.local.* and .env of
    everything.
    """


@app.command("list")
@calls("spec.handlers:list_")
def spec_list(
    limit: Annotated[int | None, Option("-n", metavar="N", help="At most N.")] = None,
    as_json: Json = False,
) -> None:
    """List the specs that aivcs spec create made, newest first.

    Printed to a pipe: digest, when it was stored last, parts, commit, and the releases of it.
    """


@app.command("show")
@calls("spec.handlers:show")
def spec_show(spec: Spec, as_json: Json = False) -> None:
    """Show what a spec is made of: its parts, their files, sizes and digests."""


@app.command("checkout")
@calls("spec.handlers:checkout")
def spec_checkout(
    spec: Spec,
    folder: Annotated[str, Argument(metavar="DIR", help="Where to; made if it is not there.")],
    force: Annotated[
        bool,
        Option(
            "--force",
            help="Replace files that are there and differ; of a spec made by aivcs 0.1 parts, with "
            "all in them.",
        ),
    ] = False,
) -> None:
    """Write the files of a spec below DIR, where they were below the root.

    All of them are written or none; other files in DIR are left alone. A spec made by aivcs 0.1 is
    written to DIR/prompts, DIR/tools, DIR/config and DIR/graph.
    """


@app.command("diff")
@calls("spec.handlers:diff")
def spec_diff(
    before: Annotated[str, Argument(metavar="A", help="A SPEC, the one before.")],
    after: Annotated[
        str | None, Argument(metavar="B", help="A SPEC, the one after; or --auto.")
    ] = None,
    auto: Annotated[
        bool,
        Option(
            "--auto",
            help="Compare A with what lies here: where its files were, and where agents look. "
            "Nothing is stored.",
        ),
    ] = False,
    root: Root = None,
    excludes: Excludes = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Show what differs between two specs: their fields, and the text of each changed file.

    JSON is compared by its structure. Blobs that are no specs are compared as texts. With --auto
    the commit is not compared: is what lies here what is live?
    """
