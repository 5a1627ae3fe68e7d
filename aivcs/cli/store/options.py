"""The commands on a whole store: `init`, `status`, `verify`, `gc`, `head`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON, REPAIR, SIGNING_KEY

COMMANDS = (
    command(
        "init",
        "store.handlers:init",
        """Create a store and print its path. Running it again is harmless.

        Later files in the store get the same permissions.
        """,
        {
            "folder": Argument(
                "DIR",
                help=(
                    "The folder for the store, DIR/.aivcs. Default: the current folder, or the "
                    "place that --store or $AIVCS_STORE names."
                ),
                required=False,
                default=".",
            ),
            "shared": Flag("--shared", help="Let the folder's group read and write."),
            "private": Flag(
                "--private", help="Let nobody else read or write. Default: as the umask says."
            ),
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
        """,
        {
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
        truncated or rewritten later.
        """,
        {
            "sign": Flag(
                "--sign", help="Also print a signature of the digest, made with an SSH key."
            ),
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
)
