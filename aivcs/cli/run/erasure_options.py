"""The commands of `aivcs run` that erase."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import ACTOR, AGENTS, JSON, RUN, SIGNING_KEY
from aivcs.cli.run.filters import FILTERS

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
    command(
        "run rm",
        "run.erasure_handlers:rm",
        """Erase whole runs with their annotations, and leave a record of who did it and why.

        verify --head then says that a run was erased on purpose. Its id is not used again:
        neither push, pull nor import brings it back. A run that goes on is refused, and one
        that is evidence of a release which stands.

        The original of an imported session goes with its run. Other blobs that a run names
        stay, for other runs may name them, too; --with-blobs erases them.

        Prints a line for each run: its log, and the digest of the record. Without --json, one
        for each erased blob follows.
        """,
        {
            "runs": RUN.but(many=True, kind="texts", default=[]),
            "reason": REASON,
            "with_blobs": Flag(
                "--with-blobs", help="Erase also all blobs that the runs name, but for their specs."
            ),
            "force": Flag(
                "--force",
                help=(
                    "Erase also a run that is evidence of a release which stands, and a blob that "
                    "one is made of."
                ),
            ),
            "by": ACTOR,
            "sign": SIGN,
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
    command(
        "run prune",
        "run.erasure_handlers:prune",
        """Erase old runs that have ended, and leave records of which, by whom and why.

        The age of a run is the time since it arrived in this store. Runs that are evidence of
        a release which stands are kept, and without --max, at most one run in five is erased.
        The blobs that the runs name, with the originals of imports, are left to aivcs gc.

        Prints the ids of the runs.
        """,
        {
            "older_than": Option(
                "--older-than",
                help="Only runs that arrived longer ago than this: 12h, 90d, 26w.",
                metavar="DURATION",
            ),
            "keep_last": Option(
                "--keep-last",
                help="Keep this many of the newest runs of each agent.",
                metavar="N",
                kind="integer",
            ),
            "agents": AGENTS,
            "statuses": FILTERS["statuses"],
            "tags": FILTERS["tags"],
            "most": Option(
                "--max",
                help="Erase nothing if it would be more runs. Default: a fifth of all.",
                metavar="N",
                kind="integer",
            ),
            "reason": REASON.but(
                required=False,
                help="The reason, which is recorded for everybody to read. Default: the rules.",
            ),
            "force": Flag(
                "--force", help="Erase also runs that are evidence of a release which stands."
            ),
            "dry_run": Flag(
                "--dry-run", help="Print which runs would be erased, and how many bytes."
            ),
            "by": ACTOR,
            "sign": SIGN,
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
)
