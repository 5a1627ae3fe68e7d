"""The commands of `aivcs spec`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import EXIT_CODE, JSON, SPEC

_FILES = "A file, or a folder with all files in it; repeatable"
ROOT = Option(
    "--root",
    help=(
        "The folder below which files keep their paths. Default: the nearest one "
        "above with .git or .aivcs, else the working directory."
    ),
    metavar="DIR",
)
EXCLUDES = Option(
    "--exclude",
    help=(
        "Leave out what a pattern of .gitignore fits. Repeatable; .aivcsignore has "
        "such patterns, too."
    ),
    metavar="PATTERN",
    many=True,
)

COMMANDS = (
    command(
        "spec create",
        "spec.handlers:create",
        """Store the files of an agent and the spec that names them, and print its digest.

        The same files give the same digest. Files keep their paths, so that aivcs spec
        checkout puts them back where they were. What git ignores is left out of folders,
        and *.local.* and .env of everything.
        """,
        {
            "paths": Argument(
                "PATH",
                help=(
                    "Files, or folders with all files in them; which part each file is, is told"
                    " from its path."
                ),
                many=True,
                required=False,
            ),
            "auto": Flag(
                "--auto",
                help=(
                    "Take what lies where agents look (AGENTS.md, CLAUDE.md, .claude/, "
                    ".mcp.json …), and say what was taken and what was left out."
                ),
            ),
            "prompts": Option(
                "--prompts", help=f"What it is told. {_FILES}.", metavar="PATH", many=True
            ),
            "tools": Option(
                "--tools", help=f"What it can do. {_FILES}.", metavar="PATH", many=True
            ),
            "config": Option(
                "--config", help=f"How it is set up. {_FILES}.", metavar="PATH", many=True
            ),
            "graph": Option(
                "--graph", help=f"How its steps hang together. {_FILES}.", metavar="PATH", many=True
            ),
            "git_sha": Option(
                "--git-sha",
                help=(
                    "Also the commit of the code. HEAD is $GITHUB_SHA, $CI_COMMIT_SHA, "
                    "$GIT_COMMIT, or that of the git repository around."
                ),
                metavar="SHA",
            ),
            "root": ROOT,
            "excludes": EXCLUDES,
            "complete": Flag("--complete", help="Refuse a spec without all four parts (exit 2)."),
            "partial": Flag(
                "--partial", help="Accept that parts are missing; it is accepted anyway."
            ),
            "as_json": JSON,
        },
    ),
    command(
        "spec list",
        "spec.handlers:list_",
        """List the specs that aivcs spec create made, newest first.

        Printed to a pipe: digest, when it was stored last, parts, commit, and the releases
        of it.
        """,
        {
            "limit": Option("-n", help="At most N.", metavar="N", kind="integer"),
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
        """Write the files of a spec below DIR, where they were below the root.

        All of them are written or none; other files in DIR are left alone. A spec made by
        aivcs 0.1 is written to DIR/prompts, DIR/tools, DIR/config and DIR/graph.
        """,
        {
            "spec": SPEC,
            "folder": Argument("DIR", help="Where to; made if it is not there."),
            "force": Flag(
                "--force",
                help=(
                    "Replace files that are there and differ; of a spec made by aivcs 0.1 "
                    "parts, with all in them."
                ),
            ),
        },
    ),
    command(
        "spec diff",
        "spec.handlers:diff",
        """Show what differs between two specs: their fields, and the text of each changed
        file.

        JSON is compared by its structure. Blobs that are no specs are compared as texts.
        With --auto the commit is not compared: is what lies here what is live?
        """,
        {
            "before": Argument("A", help="A SPEC, the one before.", asks="spec"),
            "after": Argument(
                "B", help="A SPEC, the one after; or --auto.", required=False, asks="spec"
            ),
            "auto": Flag(
                "--auto",
                help=(
                    "Compare A with what lies here: where its files were, and where agents "
                    "look. Nothing is stored."
                ),
            ),
            "root": ROOT,
            "excludes": EXCLUDES,
            "exit_code": EXIT_CODE,
            "as_json": JSON,
        },
    ),
)
