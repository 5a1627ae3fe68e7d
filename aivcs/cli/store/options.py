"""The commands on a whole store: `init`, `status`, `verify`, `gc`, `head`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON, REPAIR, SIGNING_KEY
from aivcs.store.roles import ROLES

COMMANDS = (
    command(
        "init",
        "store.handlers:init",
        """Create a store and print its path. Running it again is harmless.

        Later files in the store get the same permissions. With --link, write a file .aivcs
        that names a store elsewhere, print its path, and trust that store.
        """,
        {
            "folder": Argument(
                "DIR",
                help=(
                    "The folder for the store, DIR/.aivcs, or the URL of the store. Default: the "
                    "current folder, or the place that --store or $AIVCS_STORE names."
                ),
                required=False,
                default=".",
            ),
            "link": Option(
                "--link",
                help="Make DIR/.aivcs a file that names the store with this URL or path.",
                metavar="URL",
            ),
            "shared": Flag("--shared", help="Let the folder's group read and write."),
            "private": Flag(
                "--private", help="Let nobody else read or write. Default: as the umask says."
            ),
        },
    ),
    command(
        "trust",
        "store.sharing_handlers:trust",
        """Trust a store that files may name, and print its id.

        A file .aivcs, or the configuration of a store, can name a store elsewhere. That store
        is used only if your configuration, or the system's, trusts its URL. If another store
        answers at that URL later, it is refused (exit 15).
        """,
        {
            "store": Argument("URL", help="The URL of the store, or its folder.", required=False),
            "store_id": Option(
                "--id",
                help="The id that the store must have. Default: the id that it answers with.",
                metavar="ID",
            ),
            "show": Flag("--list", help="Print the trusted stores, with id and origin."),
            "remove": Flag("--remove", help="Trust the store no longer."),
            "as_json": JSON,
        },
    ),
    command(
        "status",
        "store.handlers:status",
        """Show an overview of the store: blobs, runs by status, live releases.""",
        {
            "openmetrics": Flag(
                "--openmetrics",
                help=(
                    "Print the figures in the text format of OpenMetrics, which Prometheus reads."
                ),
            ),
            "as_json": JSON,
        },
    ),
    command(
        "verify",
        "store.handlers:verify",
        """Check the whole store and print the damage found (exit 14), or nothing.

        Without --head, the store is compared with the newest heads manifest pinned in it by
        aivcs head. This finds logs that were deleted or truncated since. Lines newer than
        every head can be lost unseen.

        Leftovers of crashes and missing blobs are printed as notices, and leave the exit
        code at 0: specs of runs and releases, files of events, and the parts of live specs.
        A missing blob that is pinned is damage.
        """,
        {
            "heads": Option(
                "--head",
                help=(
                    "Compare the store with a digest that aivcs head printed earlier: every log "
                    "must "
                    "still have the lines it had then. Repeatable."
                ),
                metavar="DIGEST",
                many=True,
            ),
            "head_signature": Option(
                "--head-signature",
                help=(
                    "Require a signature of the --head by an allowed signer: a file with the "
                    "output "
                    "of aivcs head --sign."
                ),
                metavar="FILE",
            ),
            "repair": REPAIR,
            "as_json": JSON,
        },
    ),
    command(
        "gc",
        "store.handlers:gc",
        """Delete old blobs that nothing refers to, and print their digests and sizes.

        A blob is kept if its digest is mentioned by a run, a release, a pin or another kept
        blob. A mention is any 64 hexadecimal digits between other characters, in JSON or in
        any other text. Recently stored blobs are kept, too.

        With --prune, the runs that retention.* of the store's configuration lets go are erased
        first, as by run prune.
        """,
        {
            "prune": Flag("--prune", help="First erase the runs that retention.* lets go."),
            "grace": Option(
                "--grace",
                help="Keep blobs stored within this time: 0s, 30m, 12h, 2d, 2w. Default: 2w.",
                metavar="DURATION",
            ),
            "dry_run": Flag(
                "--dry-run", help="Print the blobs that would be deleted, and delete nothing."
            ),
            "as_json": JSON,
        },
    ),
    command(
        "head",
        "store.handlers:head",
        """Print one digest that proves the present state of all logs.

        The digest names a manifest with the last hash of every log, stored and pinned as a
        blob. Keep the digest elsewhere: aivcs verify --head then finds any log that was
        truncated or rewritten later. Of a store that one may only read, the digest is
        printed all the same, with a warning that the manifest is not stored.
        """,
        {
            "as_manifest": Flag(
                "--manifest",
                help="Print the manifest instead, and store nothing; the digest is its SHA-256.",
            ),
            "sign": Flag(
                "--sign", help="Also print a signature of the digest, made with an SSH key."
            ),
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
)
"""The commands on the store that stand alone."""

STORE_COMMANDS = (
    command(
        "store grants",
        "store.sharing_handlers:grants",
        """Print what gives a role its rights: SQL, or a policy, for the store's server.

        Nothing is changed: the administrator of the server reads it, and runs it there.
        """,
        {
            "role": Option("--role", help="The role.", choices=tuple(ROLES), required=True),
            "names": Option(
                "--name",
                help="Only releases whose names fit this pattern, as in 'team/*'; for promoter.",
                metavar="PATTERN",
            ),
        },
    ),
    command(
        "store check",
        "store.sharing_handlers:check",
        """Check the setup of a store's server, and print each fault (exit 1), or nothing.

        The content is checked by aivcs verify.
        """,
        {},
    ),
    command(
        "store upgrade",
        "store.sharing_handlers:upgrade",
        """Bring a store on a server to the schema of this version, and print each step.

        A step is done whole or not at all. Nothing else ever changes the schema.
        """,
        {},
    ),
)
"""The commands of `aivcs store`."""
