"""The commands on two stores: `aivcs push`, `pull`, `clone`, and `aivcs remote`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON
from aivcs.cli.run.filters import FILTERS

REMOTE = Argument(
    "REMOTE",
    help=(
        "The other store: a remote's name, a path or a URL, or a bundle's file to pull from. "
        "Default: origin, or the only remote."
    ),
    required=False,
    asks="",
)
RUNS = Option("--run", help="Only these runs. Repeatable.", metavar="RUN", many=True, asks="run")
LIMIT = Option("-n", "--limit", help="At most N runs, the newest.", metavar="N", kind="integer")
EVERYTHING = Flag(
    "--all",
    help="Compare all runs, also those that are known to be equal on both sides.",
)
SELECTION = {
    "runs": RUNS,
    **{name: FILTERS[name] for name in ("agents", "specs", "statuses", "tags", "since")},
    "limit": LIMIT,
}
"""Options that select runs, as those of `aivcs run list`."""

TOP_LEVEL = (
    command(
        "push",
        "remote.handlers:push",
        """Copy runs, with the blobs they declare, to another store.

        What the other store has is compared by the heads of the logs. A run that it has in part
        is extended; one that has other lines there is left as it is on both sides (exit 15), and
        the others are copied. Releases are never pushed. Each changed run is a line: log, new or
        extended, number of lines.

        What was erased here on purpose is erased there, and what was erased there is not brought
        back.

        A run with a text that has the form of a secret is held back (exit 15).
        """,
        {
            "remote": REMOTE,
            **SELECTION,
            "everything": EVERYTHING,
            "no_scan": Flag("--no-scan", help="Do not look for secrets in the runs."),
            "timeout": Option(
                "--timeout",
                help="Give up after this time. What was copied until then is there.",
                metavar="SECONDS",
                kind="number",
            ),
            "or_bundle": Option(
                "--or-bundle",
                help=(
                    "If the other store is away, or the time is up, write the runs to this file "
                    "instead, for aivcs pull FILE."
                ),
                metavar="FILE",
            ),
            "dry_run": Flag("--dry-run", help="Only print which runs and blobs would be copied."),
            "as_json": JSON,
        },
    ),
    command(
        "pull",
        "remote.handlers:pull",
        """Copy runs, with the blobs they declare, and release logs from another store.

        Everything is verified before it has a name here. The releases of a remote are kept
        beside your own, to be read as REMOTE:NAME, unless release.home says that they are
        changed there.
        """,
        {
            "remote": REMOTE,
            **SELECTION,
            "everything": EVERYTHING,
            "releases_only": Flag("--releases-only", help="Pull release logs, and no runs."),
            "untrusted": Option(
                "--from-untrusted",
                help=(
                    "Take runs from a stranger's bundle, such as a fork's: they are marked with "
                    "this label, and do not count as evidence for a release."
                ),
                metavar="LABEL",
            ),
            "apply_erasures": Flag(
                "--apply-erasures",
                help=(
                    "Erase here, too, what was erased there on purpose. pull.apply_erasures of "
                    "your configuration names remotes for which this holds always."
                ),
            ),
            "dry_run": Flag("--dry-run", help="Only print which logs and blobs would be copied."),
            "as_json": JSON,
        },
    ),
    command(
        "clone",
        "remote.handlers:clone",
        """Make a store that has all of another: blobs, runs, releases and pins.

        The other store becomes the remote origin, and releases are changed there. A clone of a
        bundle is a store of its own. An interrupted clone goes on when it is repeated.
        """,
        {
            "source": Argument(
                "SOURCE", help="The store: a path, a URL, or a bundle's file.", takes="file"
            ),
            "folder": Argument("DIR", help="The folder for the new store, DIR/.aivcs; or a URL."),
            "as_json": JSON,
        },
    ),
)

COMMANDS = (
    command(
        "remote add",
        "remote.handlers:add",
        """Name another store, so that push and pull know it.""",
        {
            "name": Argument("NAME", help="Its name: origin is the default one.", asks=""),
            "url": Argument("URL", help="The path of its folder, or its URL.", takes="folder"),
        },
    ),
    command(
        "remote list",
        "remote.handlers:list_",
        """List the remotes with their paths or URLs.""",
        {"as_json": JSON},
    ),
    command(
        "remote rm",
        "remote.handlers:rm",
        """Forget a remote, and the copies of its release logs. Pulled runs stay.""",
        {"name": Argument("NAME", help="The remote.", asks="")},
    ),
)
