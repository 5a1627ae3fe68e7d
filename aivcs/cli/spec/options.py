"""The commands of `aivcs spec`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import (
    EXIT_CODE,
    GITHUB_SUMMARY,
    JSON,
    MARKDOWN,
    SPEC,
)

_FILES = "A file, or a folder with all its files; repeatable"
ROOT = Option(
    "--root",
    help=(
        "The folder that the stored paths are relative to. Default: the nearest parent folder "
        "with .git or .aivcs, else the working directory."
    ),
    metavar="DIR",
)
EXCLUDES = Option(
    "--exclude",
    help=(
        "Leave out files that match this pattern, as in .gitignore. Repeatable. A file "
        ".aivcsignore has such patterns, too."
    ),
    metavar="PATTERN",
    many=True,
)

COMMANDS = (
    command(
        "spec create",
        "spec.handlers:create",
        """Store an agent's files and a spec that names them, and print the spec's digest.

        The same files give the same digest. Files keep their paths, so that aivcs spec
        checkout restores them. Files that git ignores are left out of folders; *.local.* and
        .env are always left out.
        """,
        {
            "paths": Argument(
                "PATH",
                help=(
                    "Files, or folders with all their files. The path of a file decides its part: "
                    "prompts, tools, config or graph."
                ),
                many=True,
                required=False,
            ),
            "auto": Flag(
                "--auto",
                help=(
                    "Take the files that agents read (AGENTS.md, CLAUDE.md, .claude/, .mcp.json "
                    "…), "
                    "and print which were taken and which were left out."
                ),
            ),
            "prompts": Option(
                "--prompts", help=f"The agent's prompts. {_FILES}.", metavar="PATH", many=True
            ),
            "tools": Option(
                "--tools", help=f"The agent's tools. {_FILES}.", metavar="PATH", many=True
            ),
            "config": Option(
                "--config", help=f"The agent's configuration. {_FILES}.", metavar="PATH", many=True
            ),
            "graph": Option(
                "--graph",
                help=f"The graph of the agent's steps. {_FILES}.",
                metavar="PATH",
                many=True,
            ),
            "git_sha": Option(
                "--git-sha",
                help=(
                    "Add the commit of the code to the spec. HEAD means $GITHUB_SHA, "
                    "$CI_COMMIT_SHA, "
                    "$GIT_COMMIT, or HEAD of the surrounding git repository."
                ),
                metavar="SHA",
            ),
            "root": ROOT,
            "excludes": EXCLUDES,
            "complete": Flag("--complete", help="Refuse a spec without all four parts (exit 2)."),
            "partial": Flag("--partial", help="Accept missing parts; this is the default."),
            "as_json": JSON,
        },
    ),
    command(
        "spec list",
        "spec.handlers:list_",
        """List the specs made by aivcs spec create, newest first.

        The columns in a pipe: digest, when it was last stored, parts, commit, releases.
        """,
        {
            "limit": Option("-n", "--limit", help="At most N specs.", metavar="N", kind="integer"),
            "as_json": JSON,
        },
    ),
    command(
        "spec show",
        "spec.handlers:show",
        """Show the parts of a spec with their files, sizes and digests.""",
        {
            "spec": SPEC,
            "as_json": JSON,
        },
    ),
    command(
        "spec checkout",
        "spec.handlers:checkout",
        """Write the files of a spec into a folder, at their original relative paths.

        Either all files are written or none; other files in DIR are left alone. A spec made
        by aivcs 0.1 is written to DIR/prompts, DIR/tools, DIR/config and DIR/graph.
        """,
        {
            "spec": SPEC,
            "folder": Argument("DIR", help="The target folder; created if it is missing."),
            "force": Flag(
                "--force",
                help=(
                    "Replace existing files that differ. For a spec made by aivcs 0.1, replace "
                    "whole parts with everything in them."
                ),
            ),
        },
    ),
    command(
        "spec diff",
        "spec.handlers:diff",
        """Show the differences of two specs: their fields, and the text of each changed file.

        JSON is compared by its structure. Blobs that are not specs are compared as text.
        With --auto, a spec is compared with the files here, but for the commit: use it to
        check whether the files here are the live ones.
        """,
        {
            "before": Argument("A", help="The earlier SPEC.", asks="spec"),
            "after": Argument(
                "B", help="The later SPEC; or use --auto.", required=False, asks="spec"
            ),
            "auto": Flag(
                "--auto",
                help=(
                    "Compare A with the files here: at the paths of its files, and where agents "
                    "look. Nothing is stored."
                ),
            ),
            "root": ROOT,
            "excludes": EXCLUDES,
            "exit_code": EXIT_CODE,
            "as_json": JSON,
            "markdown": MARKDOWN,
            "github_summary": GITHUB_SUMMARY,
        },
    ),
)
