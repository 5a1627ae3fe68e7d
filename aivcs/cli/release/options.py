"""The commands of `aivcs release`."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import (
    ACTOR,
    ALLOW_MISSING,
    EXIT_CODE,
    EXPECT,
    GITHUB_SUMMARY,
    IGNORED,
    JSON,
    NAME,
    REPAIR,
    SIGNING_KEY,
    SINCE,
    SPEC,
)

DRY_RUN = Flag(
    "--dry-run",
    help=("Change nothing: print what would be live, and exit 0; or 15 if it would be refused."),
)
FORCE = Flag(
    "--force",
    help=(
        "Go against the policies, which is recorded. Needs a reason, in --notes or "
        "--reason. It does not override a block: that takes release unblock."
    ),
)
TARGET = Argument(
    "TARGET",
    help=(
        "A spec: its digest, or the @SEQ or label of a release, a prefix of its digest, or current."
    ),
)
OPTIONAL_TARGET = Argument(
    "TARGET",
    help=(
        "A spec: its digest, or the @SEQ or label of a release, a prefix of its digest, or current."
    ),
    required=False,
)
TO = Option("--to", help="The same as TARGET. Or write NAME@TARGET in one word.", metavar="TARGET")
REASON = Option("--reason", "--notes", help="Why. It is recorded.", metavar="TEXT", required=True)
SIGN = Flag("--sign", help="Sign it with an SSH key.")
SEQ = Argument(
    "TARGET",
    help=("An entry, as in @3, or the label or digest of a release. Default: the live one."),
    required=False,
)

COMMANDS = (
    command(
        "release promote",
        "release.handlers:promote",
        """Make a spec live, and print its digest. What is blocked under the name is refused.

        SPEC may be the label of an earlier release of NAME, too.
        """,
        {
            "name": NAME.but(asks="agent"),
            "spec": SPEC,
            "label": Option("--label", help="A name for this release, as in v1.2.", metavar="L"),
            "notes": Option("--notes", "--reason", help="Why.", metavar="TEXT"),
            "by": ACTOR,
            "expect": EXPECT,
            "allow_missing_spec": ALLOW_MISSING,
            "evidence": Option(
                "--evidence",
                help=(
                    "A run that speaks for it, and is over: its id and the head of its log are "
                    "recorded. May be given several times."
                ),
                metavar="RUN",
                many=True,
            ),
            "force": FORCE,
            "dry_run": DRY_RUN,
            "sign": SIGN,
            "signing_key": SIGNING_KEY,
            "move_label": Flag(
                "--move-label", help="Give it the label though a release of another spec bears it."
            ),
            "if_changed": Flag(
                "--if-changed",
                help="Record nothing if it is live already, with this label if one is given.",
            ),
            "as_json": JSON,
            "github_summary": GITHUB_SUMMARY,
        },
    ),
    command(
        "release rollback",
        "release.handlers:rollback",
        """Make an earlier release live again, and print its digest. Rolling back again goes
        further.

        A blocked release is not passed over: the rollback is refused, and --to names
        another.
        """,
        {
            "name": NAME,
            "target": Argument(
                "TARGET",
                help=(
                    "Which release to return to: @SEQ, a label, or a digest. Default: the one "
                    "before."
                ),
                required=False,
            ),
            "to": TO,
            "reason": Option("--reason", "--notes", help="Why.", metavar="TEXT"),
            "by": ACTOR,
            "expect": EXPECT,
            "block": Flag(
                "--block",
                help="Block what was live, so that it cannot become live again. Needs --reason.",
            ),
            "allow_missing_spec": ALLOW_MISSING,
            "force": FORCE,
            "dry_run": DRY_RUN,
            "sign": SIGN,
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
    command(
        "release block",
        "release.handlers:block",
        """Mark a spec as bad under a name: it cannot become live there. Print its digest.

        What is live stays live; there is a warning.
        """,
        {
            "name": NAME,
            "reason": REASON,
            "target": OPTIONAL_TARGET,
            "to": TO,
            "by": ACTOR,
        },
    ),
    command(
        "release unblock",
        "release.handlers:unblock",
        """Take a block back, and print the digest. Exit 15 if it is not blocked.""",
        {
            "name": NAME,
            "reason": REASON,
            "target": OPTIONAL_TARGET,
            "to": TO,
            "by": ACTOR,
        },
    ),
    command(
        "release current",
        "release.handlers:current",
        """Print the digest that is live.""",
        {
            "name": NAME,
            "default": Option(
                "--default", help="Print this if nothing was ever released.", metavar="TEXT"
            ),
            "as_json": JSON,
        },
    ),
    command(
        "release history",
        "release.handlers:history",
        """Print every release and rollback of a name, newest first, and what has become of it.

        The columns: number, action, digest, label, time, who, why, state, number of runs
        that are its evidence. The state is current; superseded, if it is still below what
        is live; rolled back; or blocked. A release that was returned to is current in both
        entries; on a terminal the earlier one is live again, and blocks and signatures are
        shown between the entries.
        """,
        {
            "name": NAME,
            "limit": Option(
                "-n", "--limit", help="At most N entries.", metavar="N", kind="integer"
            ),
            "since": SINCE,
            "labels": Option(
                "--label",
                help="Only entries with this label. Repeatable.",
                metavar="L",
                many=True,
                asks="target",
            ),
            "no_marks": Flag("--no-marks", help="On a terminal, leave out blocks and signatures."),
            "as_json": JSON,
        },
    ),
    command(
        "release show",
        "release.handlers:show",
        """Print everything that is said about a release: evidence, blocks, signatures, policy.""",
        {
            "name": NAME,
            "target": Argument(
                "TARGET",
                help=(
                    "An entry: its number, a label, or a digest or its prefix, which mean the "
                    "newest promotion. Default: what is live."
                ),
                required=False,
            ),
            "to": TO,
            "as_json": JSON,
        },
    ),
    command(
        "release diff",
        "release.handlers:diff",
        """Compare two releases: their specs, as spec diff does, and a run of each, as run diff
        does.

        The runs are the newest completed ones of these specs.
        """,
        {
            "name": NAME,
            "before": Argument(
                "A",
                help=(
                    "The release before: @SEQ, a label, a digest or current. Default: what the "
                    "live one replaced."
                ),
                required=False,
                asks="target",
            ),
            "after": Argument(
                "B", help="The release after. Default: what is live.", required=False, asks="target"
            ),
            "ignored": IGNORED,
            "exit_code": EXIT_CODE,
            "as_json": JSON,
        },
    ),
    command(
        "release list",
        "release.handlers:list_",
        """List what is live under each name.

        The columns: name, digest, label, state, since when, who. The state is current, or
        current, blocked.
        """,
        {
            "as_json": JSON,
        },
    ),
    command(
        "release verify",
        "release.audit_handlers:verify",
        """Read all releases and print what is damaged (exit 14), or nothing.

        Of a NAME, check everything again, offline, and print what was looked at: chain and
        stack, blocks, the logs of the runs given as evidence, the verdict of each rule of
        the policy that was applied, signatures. What is wrong is failed, and the exit code
        14; what cannot be shown is not proven, which is no failure.
        """,
        {
            "name": Argument(
                "NAME",
                help="Check all that was recorded about the releases of a name.",
                required=False,
            ),
            "seq": Argument(
                "TARGET",
                help="Only this entry: as in @3, or by its label or digest.",
                required=False,
            ),
            "to": TO,
            "repair": REPAIR,
            "as_json": JSON,
        },
    ),
    command(
        "release sign",
        "release.audit_handlers:sign",
        """Sign a release with an SSH key, and record the signature. Default: the one that is
        live.
        """,
        {
            "name": NAME,
            "seq": SEQ,
            "to": TO,
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
    command(
        "release provenance",
        "release.audit_handlers:provenance",
        """Print what a release was made of: an in-toto statement with SLSA provenance, as
        JSON.
        """,
        {
            "name": NAME,
            "seq": SEQ,
            "to": TO,
            "builder": Option(
                "--builder",
                help="Who is trusted to have made the release, as in the URI of a CI workflow.",
                metavar="URI",
            ),
            "as_json": JSON,
        },
    ),
)
