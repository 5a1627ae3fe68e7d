"""The commands of `aivcs blob`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import ACTOR, JSON, OUTPUT, REPAIR, SIGNING_KEY

COMMANDS = (
    command(
        "blob put",
        "blob.handlers:put",
        """Store files, and print the digest of each when it is safely on disk.""",
        {
            "files": Argument(
                "FILE", help="The files to store; - for standard input.", many=True, required=False
            ),
            "sums": Flag("--sums", help="Print lines for sha256sum -c: DIGEST, two spaces, FILE."),
            "stdin_paths": Flag(
                "--stdin-paths", help="Read file names from standard input, one per line."
            ),
            "null": Flag("-z", "--null", help="With --stdin-paths: names end in NUL, not newline."),
        },
    ),
    command(
        "blob get",
        "blob.handlers:get",
        """Print the content of a blob, after verifying it.""",
        {
            "digest": Argument("DIGEST", help="A digest, or a unique prefix of 4 or more."),
            "output": OUTPUT,
        },
    ),
    command(
        "blob has",
        "blob.handlers:has",
        """Test whether blobs are stored: exit 0 if all are, 1 if not.""",
        {
            "digests": Argument("DIGEST", help="Digests, or unique prefixes.", many=True),
            "as_json": JSON,
        },
    ),
    command(
        "blob rm",
        "blob.handlers:rm",
        """Remove blobs that nothing refers to, or erase blobs for good.

        With --reason, blobs are erased also if runs refer to them, a record says who did it
        and why, and no push or pull brings them back. Then it prints the digest of each record.
        """,
        {
            "digests": Argument("DIGEST", help="Whole digests.", many=True),
            "reason": Option(
                "--reason", help="Erase them, and record this reason.", metavar="TEXT"
            ),
            "by": ACTOR,
            "sign": Flag("--sign", help="Sign the records with the configured SSH key."),
            "signing_key": SIGNING_KEY,
            "force": Flag(
                "--force",
                help=(
                    "Also remove blobs that are referred to or pinned, and their pins; ignore "
                    "missing ones. With --reason: also blobs that a release which stands is made "
                    "of."
                ),
            ),
        },
    ),
    command(
        "blob pin",
        "blob.handlers:pin",
        """Protect blobs from aivcs gc until they are unpinned.""",
        {
            "digests": Argument(
                "SPEC", help="Digests, unique prefixes, or NAME@current and the like.", many=True
            ),
        },
    ),
    command(
        "blob unpin",
        "blob.handlers:unpin",
        """Remove pins, so that aivcs gc may delete the blobs. Missing pins are ignored.""",
        {
            "digests": Argument(
                "SPEC",
                help="Digests, unique prefixes, or NAME@current and the like.",
                many=True,
                asks="pin",
            ),
        },
    ),
    command(
        "blob ls",
        "blob.handlers:ls",
        """List the digests of all blobs, in order.

        The columns of -l in a pipe: digest, bytes, when it was last stored, kind (spec,
        tree, folder, policy, json, text, binary or damaged), and the first release, run,
        event, blob or pin that names it.
        """,
        {
            "prefix": Argument(
                "PREFIX", help="Only digests with this prefix.", required=False, default=""
            ),
            "long": Flag(
                "-l", "--long", help="Also print sizes, ages, kinds, and what refers to each blob."
            ),
            "as_json": JSON,
        },
    ),
    command(
        "blob verify",
        "store.handlers:verify_blobs",
        """Check all blobs and print the damage found (exit 14), or nothing.""",
        {
            "repair": REPAIR,
            "as_json": JSON,
        },
    ),
)
