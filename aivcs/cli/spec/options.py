"""The commands of `aivcs spec`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import EXIT_CODE, JSON, SPEC

_PART = "A file, or a folder with all files in it."

COMMANDS = (
    command(
        "spec create",
        "spec.handlers:create",
        """Store the parts of an agent and the spec that names them, and print its digest.

        The same parts and the same commit give the same digest.
        """,
        {
            "prompts": Option("--prompts", help=f"What it is told. {_PART}", metavar="PART"),
            "tools": Option("--tools", help=f"What it can do. {_PART}", metavar="PART"),
            "config": Option("--config", help=f"How it is set up. {_PART}", metavar="PART"),
            "graph": Option(
                "--graph", help=f"How its steps hang together. {_PART}", metavar="PART"
            ),
            "git_sha": Option(
                "--git-sha",
                help=(
                    "The commit of the code. Default, without --partial: $GITHUB_SHA, "
                    "$CI_COMMIT_SHA, $GIT_COMMIT, or HEAD of the git repository around."
                ),
                metavar="SHA",
            ),
            "partial": Flag(
                "--partial", help="Accept that parts are missing: the spec has what is given."
            ),
            "as_json": JSON,
        },
    ),
    command(
        "spec show",
        "spec.handlers:show",
        """Show what a spec is made of: its parts, their files, sizes and digests.""",
        {
            "spec": SPEC,
            "as_json": JSON,
        },
    ),
    command(
        "spec checkout",
        "spec.handlers:checkout",
        """Write the parts of a spec to DIR/prompts, DIR/tools, DIR/config and DIR/graph.

        All of them are written or none.
        """,
        {
            "spec": SPEC,
            "folder": Argument("DIR", help="Where to; made if it is not there."),
            "force": Flag(
                "--force", help="Replace parts that are there and differ, with all in them."
            ),
        },
    ),
    command(
        "spec diff",
        "spec.handlers:diff",
        """Show what differs between two specs: their fields, and the text of each changed
        part.

        JSON is compared by its structure. Blobs that are no specs are compared as texts.
        """,
        {
            "before": Argument("A", help="A SPEC, the one before.", asks="spec"),
            "after": Argument("B", help="A SPEC, the one after.", asks="spec"),
            "exit_code": EXIT_CODE,
            "as_json": JSON,
        },
    ),
)
