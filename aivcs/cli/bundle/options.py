"""The commands of `aivcs bundle`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON, SIGNING_KEY
from aivcs.cli.remote.options import SELECTION

FILE = Argument("FILE", help="The bundle.")

COMMANDS = (
    command(
        "bundle create",
        "bundle.handlers:create",
        """Write a store, or a part of it, into one file: a plain tar that proves itself.

        The tar has a folder .aivcs like any store, with the heads of its logs in heads.json.
        Without a selection it has everything; with one, the runs and releases that are named,
        the evidence of these, and the blobs that all of them declare. The digest of the heads is
        printed: kept elsewhere, it proves the file.
        """,
        {
            "file": FILE,
            **SELECTION,
            "releases": Option(
                "--release",
                help="This release name, with its evidence. Repeatable.",
                metavar="NAME",
                many=True,
            ),
            "sign": Flag("--sign", help="Sign the heads with an SSH key."),
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
    command(
        "bundle verify",
        "bundle.handlers:verify",
        """Check a bundle and print the damage found (exit 14), or nothing.

        Each blob must have its digest, each log its chain and its rules, and all logs together
        must be those that heads.json names.
        """,
        {
            "file": FILE,
            "head": Option(
                "--head",
                help="Require this digest of the heads, as bundle create printed it.",
                metavar="DIGEST",
                asks="",
            ),
            "signed": Flag(
                "--signed", help="Require a signature of the heads by an allowed signer."
            ),
            "as_json": JSON,
        },
    ),
)
