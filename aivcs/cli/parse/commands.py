"""All commands as one tree: the root with the global options, the groups, the commands."""

from aivcs.cli.agent import options as agent
from aivcs.cli.blob import options as blob
from aivcs.cli.browse import options as browse
from aivcs.cli.bundle import options as bundle
from aivcs.cli.config import options as config
from aivcs.cli.help import options as help_
from aivcs.cli.hook import options as hook
from aivcs.cli.parse.model import Command, Flag, Option, command, group
from aivcs.cli.release import options as release
from aivcs.cli.remote import options as remote
from aivcs.cli.run import (
    annotation_options as run_annotation,
    erasure_options as run_erasure,
    export_options as run_export,
    lineage_options as run_lineage,
    options as run,
    search_options as run_search,
    why_options as run_why,
)
from aivcs.cli.shell import options as shell
from aivcs.cli.spec import options as spec
from aivcs.cli.spool import options as spool
from aivcs.cli.store import options as store
from aivcs.cli.web import options as web

_GLOBAL = command(
    "",
    "",
    """Version control for AI agents.

    Keeps in one folder what an agent is made of (blobs), what it did (runs), and which version is
    live (releases).
    """,
    {
        "directory": Option("-C", metavar="DIR", help="Run as if started in this folder."),
        "store": Option(
            "--store",
            metavar="PATH",
            help="The store: the folder with the file named format, or a URL. Default: "
            "$AIVCS_STORE, else .aivcs here or in the nearest parent folder.",
        ),
        "lock_timeout": Option(
            "--lock-timeout",
            metavar="SECONDS",
            kind="number",
            help="How long to wait for a lock that another process holds. Default: "
            "$AIVCS_LOCK_TIMEOUT, else 30.",
        ),
        "color": Option(
            "--color",
            choices=("auto", "always", "never"),
            help="Use colour. Default: auto, which respects NO_COLOR. With always, output in a "
            "pipe is formatted as on a terminal, too.",
        ),
        "table": Flag("--table", help="Print tables as on a terminal, also into a pipe or a file."),
        "no_pager": Flag("--no-pager", help="Never pass long output through a pager."),
        "quiet": Flag("-q", "--quiet", help="Print only errors on standard error."),
        "version": Flag("-V", "--version", help="Print the version."),
    },
)

ROOT = Command(
    (),
    "",
    _GLOBAL.help,
    _GLOBAL.parameters,
    interspersed=False,
    children=(
        *store.COMMANDS,
        *remote.TOP_LEVEL,
        *browse.COMMANDS,
        *web.COMMANDS,
        *shell.COMMANDS,
        *help_.COMMANDS,
        *agent.COMMANDS,
        *spool.HIDDEN,
        group(
            "blob",
            "Store and read contents by their SHA-256: prompts, configs, specs.",
            blob.COMMANDS,
        ),
        group("spec", "Describe what an agent is made of, and compare versions.", spec.COMMANDS),
        group(
            "run",
            "Record what agents did, and read it back.",
            (
                *run.COMMANDS,
                *run_search.COMMANDS,
                *run_annotation.COMMANDS,
                *run_erasure.COMMANDS,
                *run_export.COMMANDS,
                *run_lineage.COMMANDS,
                *run_why.COMMANDS,
            ),
        ),
        group(
            "release",
            "Decide which version of an agent is live, and see its history.",
            release.COMMANDS,
        ),
        group("store", "Administer a store that is on a server.", store.STORE_COMMANDS),
        group("hook", "Capture the sessions of agents' programs as they happen.", hook.COMMANDS),
        group("remote", "Name other stores, for push and pull.", remote.COMMANDS),
        group("bundle", "Put a store, or a part of it, into one file.", bundle.COMMANDS),
        group("spool", "See and push the runs that wait for a store on a server.", spool.COMMANDS),
        group("config", "Read and change settings, of a store or your own.", config.COMMANDS),
    ),
)
"""The root command."""


def visible(command: Command) -> Command:
    """Returns a command without the hidden commands below it."""
    return Command(
        command.path,
        command.calls,
        command.help,
        command.parameters,
        interspersed=command.interspersed,
        hidden=command.hidden,
        children=tuple(visible(child) for child in command.children if not child.hidden),
    )
