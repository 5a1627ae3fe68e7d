"""The declarations of `aivcs spec`."""

from typing import Annotated

from typer import Argument, Option

from aivcs.cli.parse.shared_options import ExitCode, Json, Spec, calls, noun

_PART = "A file, or a folder with all files in it."

app = noun()


@app.command("create")
@calls("spec.handlers:create")
def spec_create(
    prompts: Annotated[
        str | None, Option("--prompts", metavar="PART", help=f"What it is told. {_PART}")
    ] = None,
    tools: Annotated[
        str | None, Option("--tools", metavar="PART", help=f"What it can do. {_PART}")
    ] = None,
    config: Annotated[
        str | None, Option("--config", metavar="PART", help=f"How it is set up. {_PART}")
    ] = None,
    graph: Annotated[
        str | None, Option("--graph", metavar="PART", help=f"How its steps hang together. {_PART}")
    ] = None,
    git_sha: Annotated[
        str | None,
        Option(
            "--git-sha",
            metavar="SHA",
            help="The commit of the code. Default, without --partial: $GITHUB_SHA, "
            "$CI_COMMIT_SHA, $GIT_COMMIT, or HEAD of the git repository around.",
        ),
    ] = None,
    partial: Annotated[
        bool, Option("--partial", help="Accept that parts are missing: the spec has what is given.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Store the parts of an agent and the spec that names them, and print its digest.

    The same parts and the same commit give the same digest.
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
        Option("--force", help="Replace parts that are there and differ, with all in them."),
    ] = False,
) -> None:
    """Write the parts of a spec to DIR/prompts, DIR/tools, DIR/config and DIR/graph.

    All of them are written or none.
    """


@app.command("diff")
@calls("spec.handlers:diff")
def spec_diff(
    before: Annotated[str, Argument(metavar="A", help="A SPEC, the one before.")],
    after: Annotated[str, Argument(metavar="B", help="A SPEC, the one after.")],
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Show what differs between two specs: their fields, and the text of each changed part.

    JSON is compared by its structure. Blobs that are no specs are compared as texts.
    """
