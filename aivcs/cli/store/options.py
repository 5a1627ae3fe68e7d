"""Commands about a whole store."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON, REPAIR, SIGNING_KEY

COMMANDS = (
    command(
        "init",
        "store.handlers:init",
        """Make a store, and print its path. Running it again is harmless.

        Who may read and write it is kept for all that is made in it later.
        """,
        {
            "folder": Argument(
                "DIR",
                help=(
                    "The folder that gets a store, DIR/.aivcs. Default: here, or where --store "
                    "or $AIVCS_STORE says that it is."
                ),
                required=False,
                default=".",
            ),
            "shared": Flag("--shared", help="Let the folder's group write."),
            "private": Flag(
                "--private", help="Let nobody else read or write. Default: as the umask says."
            ),
        },
    ),
    command(
        "status",
        "store.handlers:status",
        """Show a store at a glance: blobs, runs by status, releases.""",
        {
            "as_json": JSON,
        },
    ),
    command(
        "verify",
        "store.handlers:verify",
        """Read all of the store and print what is damaged (exit 14), or nothing.

        Without --head it is compared with the newest manifest that aivcs head has pinned in
        it: so a log that was deleted or cut since is found. What nobody took a head of can
        vanish unseen.

        Also printed, as notices that leave the exit code at 0, are what crashes left and
        what is missing: specs that runs and releases name, files of events, and whatever is
        named by a spec that is live, or by what that names. Missing blobs that are pinned
        are damage.
        """,
        {
            "heads": Option(
                "--head",
                help=(
                    "Require what aivcs head printed once: every log must still have the line "
                    "it had, and may have grown. Repeatable."
                ),
                metavar="DIGEST",
                many=True,
            ),
            "head_signature": Option(
                "--head-signature",
                help=(
                    "Require of the one --head that an allowed signer signed it: what aivcs "
                    "head --sign printed once."
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

        A blob is kept if a run, a release, a pin or a blob that is kept itself mentions its
        digest: any 64 hexadecimal digits between other characters, in JSON or in any other
        text. What was put a short while ago is kept, too.
        """,
        {
            "grace": Option(
                "--grace",
                help="Keep what was put since: 0s, 30m, 12h, 2d, 2w. Default: 2w.",
                metavar="DURATION",
            ),
            "dry_run": Flag("--dry-run", help="Print what would be deleted, and delete nothing."),
            "as_json": JSON,
        },
    ),
    command(
        "head",
        "store.handlers:head",
        """Print a digest that stands for all logs as they are now.

        It is of a manifest that is stored and pinned. Kept elsewhere, it lets aivcs verify
        --head find out whether a log was cut short or written anew since.
        """,
        {
            "sign": Flag("--sign", help="Print below it a signature of it, by an SSH key."),
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
)
