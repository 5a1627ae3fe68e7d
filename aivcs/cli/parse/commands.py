"""All commands as one tree: the root with the global options, the groups, the commands."""

from aivcs.cli.blob import options as blob
from aivcs.cli.config import options as config
from aivcs.cli.parse.model import Command, Flag, Option, command, group
from aivcs.cli.release import options as release
from aivcs.cli.run import options as run
from aivcs.cli.shell import options as shell
from aivcs.cli.spec import options as spec
from aivcs.cli.store import options as store

_GLOBAL = command(
    "",
    "",
    """Version control for AI agents.

    What an agent is (blobs), what it did (runs), and what is live (releases), in one folder.
    """,
    {
        "directory": Option("-C", metavar="DIR", help="Go to this folder first."),
        "store": Option(
            "--store",
            metavar="PATH",
            help="The store: the folder that holds the file named format. Default: $AIVCS_STORE, "
            "else .aivcs here or in the nearest folder above.",
        ),
        "lock_timeout": Option(
            "--lock-timeout",
            metavar="SECONDS",
            kind="number",
            help="How long to wait for another process. Default: $AIVCS_LOCK_TIMEOUT, else 30.",
        ),
        "color": Option(
            "--color",
            choices=("auto", "always", "never"),
            help="Use colour. Default: auto, which respects NO_COLOR. With always, output is "
            "written for a person in a pipe, too.",
        ),
        "table": Flag(
            "--table", help="Write for a person, as on a terminal, into a pipe or a file, too."
        ),
        "no_pager": Flag("--no-pager", help="Never pass long output through a pager."),
        "quiet": Flag("-q", "--quiet", help="Print nothing on standard error but errors."),
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
        *shell.COMMANDS,
        group("blob", "Contents by their SHA-256: specs, prompts, configs.", blob.COMMANDS),
        group("spec", "What an agent is made of.", spec.COMMANDS),
        group("run", "The ledger of executions: what an agent did.", run.COMMANDS),
        group("release", "What is live under each name, and its history.", release.COMMANDS),
        group("config", "Settings of a store, and yours.", config.COMMANDS),
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
