"""The commands of `aivcs blob`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON, REPAIR

COMMANDS = (
    command(
        "blob put",
        "blob.handlers:put",
        """Store files, and print the digest of each once it is durable.""",
        {
            "files": Argument(
                "FILE", help="The files to store; - is standard input.", many=True, required=False
            ),
            "sums": Flag("--sums", help="Print lines for sha256sum -c: DIGEST, two spaces, FILE."),
            "stdin_paths": Flag("--stdin-paths", help="Read the files' names from standard input."),
            "null": Flag("-z", "--null", help="With --stdin-paths: names end in NUL, not newline."),
        },
    ),
    command(
        "blob get",
        "blob.handlers:get",
        """Print the bytes of a blob, verified.""",
        {
            "digest": Argument("DIGEST", help="A digest, or a unique prefix of 4 or more."),
            "output": Option(
                "-o", "--output", help="Write to this file, whole or not at all.", metavar="FILE"
            ),
        },
    ),
    command(
        "blob has",
        "blob.handlers:has",
        """Exit 0 if all of some blobs are stored, 1 if not.""",
        {
            "digests": Argument("DIGEST", help="Digests, or unique prefixes.", many=True),
            "as_json": JSON,
        },
    ),
    command(
        "blob rm",
        "blob.handlers:rm",
        """Remove blobs that nothing refers to.""",
        {
            "digests": Argument("DIGEST", help="Whole digests.", many=True),
            "force": Flag(
                "--force",
                help="Remove what is referred to or pinned, with its pin; ignore what is absent.",
            ),
        },
    ),
    command(
        "blob pin",
        "blob.handlers:pin",
        """Keep blobs, though nothing may refer to them.""",
        {
            "digests": Argument(
                "SPEC", help="Digests, unique prefixes, or NAME@current and the like.", many=True
            ),
        },
    ),
    command(
        "blob unpin",
        "blob.handlers:unpin",
        """Take pins away; that a blob is not pinned is no error.""",
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
        """List digests, in order.

        With -l, printed to a pipe: digest, bytes, when it was stored last, kind (spec,
        tree, folder, policy, json, text, binary or damaged), and the release, run, event,
        blob or pin that names it.
        """,
        {
            "prefix": Argument(
                "PREFIX", help="Only digests that begin with this.", required=False, default=""
            ),
            "long": Flag(
                "-l", "--long", help="Also their sizes, ages and kinds, and what names each first."
            ),
            "as_json": JSON,
        },
    ),
    command(
        "blob verify",
        "store.handlers:verify_blobs",
        """Read all blobs and print what is damaged (exit 14), or nothing.""",
        {
            "repair": REPAIR,
            "as_json": JSON,
        },
    ),
)
