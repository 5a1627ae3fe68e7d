"""The commands of `aivcs run` that erase."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import ACTOR, JSON, RUN, SIGNING_KEY

REASON = Option(
    "--reason",
    help="The reason, which is recorded for everybody to read.",
    metavar="TEXT",
    required=True,
)
SIGN = Flag("--sign", help="Sign the record with the configured SSH key.")

COMMANDS = (
    command(
        "run redact",
        "run.erasure_handlers:redact",
        """Erase the content of events, and leave a record of who did it and why.

        The payload is gone from every file of the store. What stays is the event's kind, seq,
        time, and the hash of its line: so all other lines, heads, evidence and signatures
        stay valid. verify tells what was erased on purpose. A push carries the erasure on.

        Without SEQ, every event with the text of --match, or a part at --pointer, is redacted;
        with --match, annotations of the run that have the text go, too.

        The hash that is kept confirms a guess of the whole event, and nobody can call back
        copies that were made elsewhere: replace a secret that was recorded, at once.

        Prints a line for each record: what was erased, and the digest of the record.
        """,
        {
            "run": RUN,
            "seqs": Argument(
                "SEQ", help="The seq of an event.", many=True, required=False, asks=""
            ),
            "match": Option(
                "--match",
                help="Only events with this text in their payload.",
                metavar="TEXT",
            ),
            "pointer": Option(
                "--pointer",
                help="Only events with this part in their payload: a JSON pointer, as in /output.",
                metavar="POINTER",
            ),
            "reason": REASON,
            "with_blobs": Flag(
                "--with-blobs",
                help="Erase also the blobs of the run that have the text of --match in them.",
            ),
            "keep_masked": Flag(
                "--keep-masked",
                help=(
                    "Keep each payload as an annotation, without the text of --match or the part "
                    "at --pointer."
                ),
            ),
            "force": Flag(
                "--force", help="Erase also a blob that a release which stands is made of."
            ),
            "by": ACTOR,
            "sign": SIGN,
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
)
