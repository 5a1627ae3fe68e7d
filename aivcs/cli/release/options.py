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
    MARKDOWN,
    NAME,
    REPAIR,
    SIGNING_KEY,
    SINCE,
    SPEC,
    UNTIL,
    USES,
)

DRY_RUN = Flag(
    "--dry-run",
    help=(
        "Change nothing. Print what would be live and exit 0, or exit 15 if it would be refused."
    ),
)
FORCE = Flag(
    "--force",
    help=(
        "Override the policies; this is recorded. Needs a reason, in --notes or --reason. "
        "It does not override a block: use aivcs release unblock."
    ),
)
TARGET = Argument(
    "TARGET",
    help=("A spec: a digest; or the @SEQ, label or digest prefix of a release; or current."),
)
OPTIONAL_TARGET = Argument(
    "TARGET",
    help=("A spec: a digest; or the @SEQ, label or digest prefix of a release; or current."),
    required=False,
)
TO = Option(
    "--to", help="The same as TARGET. NAME@TARGET in one word also works.", metavar="TARGET"
)
REASON = Option(
    "--reason", "--notes", help="The reason, which is recorded.", metavar="TEXT", required=True
)
SIGN = Flag("--sign", help="Sign the release with an SSH key.")
SIGNING_KEYS = Option(
    "--signing-key",
    help=(
        "The SSH key, or its public half if ssh-agent has it. Repeatable: each key signs. "
        "Default: signing.key of your configuration."
    ),
    metavar="FILE",
    many=True,
)
REQUIRE_SIGNATURE = Flag(
    "--require-signature",
    help=(
        "Require the signature of a signer in signing.allowed_signers of your own configuration, "
        "whatever the policies say."
    ),
)
NO_VERIFY = Flag(
    "--no-verify", help="Deploy what is live without checking policies and signatures."
)
SEQ = Argument(
    "TARGET",
    help=("A release: @SEQ, a label or a digest. Default: the live one."),
    required=False,
)

COMMANDS = (
    command(
        "release promote",
        "release.handlers:promote",
        """Make a spec live under a name, and print its digest.

        A spec that is blocked under the name is refused. SPEC may also be the label of an
        earlier release of NAME.
        """,
        {
            "name": NAME.but(asks="agent"),
            "spec": SPEC,
            "label": Option("--label", help="A label for this release, such as v1.2.", metavar="L"),
            "notes": Option("--notes", "--reason", help="The reason.", metavar="TEXT"),
            "by": ACTOR,
            "expect": EXPECT,
            "allow_missing_spec": ALLOW_MISSING,
            "evidence": Option(
                "--evidence",
                help=(
                    "A finished run as evidence for the release: its id and the last hash of its "
                    "log are recorded. Repeatable."
                ),
                metavar="RUN",
                many=True,
            ),
            "evidence_where": Option(
                "--evidence-where",
                help=(
                    "Further evidence: the finished runs of this spec with this tag, as those of "
                    "other jobs with ci.pipeline=ID. Repeatable: all keys must match."
                ),
                metavar="K=V",
                many=True,
            ),
            "force": FORCE,
            "dry_run": DRY_RUN,
            "sign": SIGN,
            "signing_keys": SIGNING_KEYS,
            "move_label": Flag(
                "--move-label", help="Use the label even if a release of another spec has it."
            ),
            "if_changed": Flag(
                "--if-changed",
                help="Record nothing if the spec is already live, with the given label if any.",
            ),
            "as_json": JSON,
            "github_summary": GITHUB_SUMMARY,
            "markdown": MARKDOWN.but(
                help="With --dry-run: print the verdicts as Markdown, for a pull request's comment."
            ),
        },
    ),
    command(
        "release rollback",
        "release.handlers:rollback",
        """Make an earlier release live again, and print its digest.

        Rolling back again goes further back. A blocked release is not skipped: the rollback
        is refused, and --to names another release.
        """,
        {
            "name": NAME,
            "target": Argument(
                "TARGET",
                help=(
                    "The release to return to: @SEQ, a label or a digest. Default: the previous "
                    "one."
                ),
                required=False,
            ),
            "to": TO,
            "reason": Option("--reason", "--notes", help="The reason.", metavar="TEXT"),
            "by": ACTOR,
            "expect": EXPECT,
            "block": Flag(
                "--block",
                help="Also block the release that was live, so it cannot become live again. Needs "
                "--reason.",
            ),
            "allow_missing_spec": ALLOW_MISSING,
            "force": FORCE,
            "dry_run": DRY_RUN,
            "sign": SIGN,
            "signing_keys": SIGNING_KEYS,
            "as_json": JSON,
        },
    ),
    command(
        "release block",
        "release.handlers:block",
        """Block a spec under a name, so that it cannot become live there. Print its digest.

        A live release stays live, with a warning.
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
        """End the block of a spec, and print its digest. Exit 15 if it is not blocked.""",
        {
            "name": NAME,
            "reason": REASON,
            "target": OPTIONAL_TARGET,
            "to": TO,
            "by": ACTOR,
        },
    ),
    command(
        "release approve",
        "release.audit_handlers:approve",
        """Approve a spec for a name: record a signed statement that it may be released there.

        Print the digest of the spec. Policies with require_approvals count approvals; they
        count only if they are signed. The name need not have a release yet.
        """,
        {
            "name": NAME.but(asks="agent"),
            "spec": SPEC,
            "notes": Option("--notes", "--reason", help="A remark.", metavar="TEXT"),
            "by": ACTOR,
            "sign": Flag("--sign", help="Sign the approval with the configured SSH key."),
            "signing_key": SIGNING_KEY,
            "as_json": JSON,
        },
    ),
    command(
        "release current",
        "release.handlers:current",
        """Print the digest of the live release of a name.""",
        {
            "name": NAME,
            "default": Option(
                "--default", help="Print this text if the name has no release.", metavar="TEXT"
            ),
            "at_home": Flag(
                "--at-home",
                help="Ask the store at which the releases are changed, as release.home says.",
            ),
            "at": Option(
                "--at",
                help="Print what was live at a time: 30m, 12h, 2d, 1w ago, or a date.",
                metavar="TIME",
            ),
            "as_json": JSON,
        },
    ),
    command(
        "release history",
        "release.handlers:history",
        """Print every release and rollback of a name with its present state, newest first.

        The columns: number, action, digest, label, time, who, why, state, number of evidence
        runs. The state is current; superseded, if further rollbacks can return to it; rolled
        back; or blocked. After a rollback, both entries of the live release are current; a
        terminal shows the earlier one as live again, and blocks and signatures between the
        entries.
        """,
        {
            "name": NAME,
            "limit": Option(
                "-n", "--limit", help="At most N entries.", metavar="N", kind="integer"
            ),
            "since": SINCE,
            "until": UNTIL,
            "labels": Option(
                "--label",
                help="Only entries with this label. Repeatable.",
                metavar="L",
                many=True,
                asks="target",
            ),
            "no_marks": Flag("--no-marks", help="On a terminal, omit blocks and signatures."),
            "interactive": Flag(
                "-i", "--interactive", help="Open the history in the terminal browser."
            ),
            "as_json": JSON,
        },
    ),
    command(
        "release show",
        "release.reading_handlers:show",
        """Print all details of a release: evidence, blocks, signatures, policy.""",
        {
            "name": NAME,
            "target": Argument(
                "TARGET",
                help=(
                    "An entry: @SEQ; or a label, a digest or its prefix, for the newest promotion. "
                    "Default: the live release."
                ),
                required=False,
            ),
            "to": TO,
            "as_json": JSON,
        },
    ),
    command(
        "release diff",
        "release.reading_handlers:diff",
        """Compare two releases: their specs, and a run of each.

        The specs are compared as by aivcs spec diff, the runs as by aivcs run diff. The runs
        are the evidence of the releases, else the newest completed runs of the specs.
        """,
        {
            "name": NAME,
            "before": Argument(
                "A",
                help=(
                    "The earlier release: @SEQ, a label, a digest or current. Default: the one "
                    "that "
                    "the live release replaced."
                ),
                required=False,
                asks="target",
            ),
            "after": Argument(
                "B", help="The later release. Default: the live one.", required=False, asks="target"
            ),
            "ignored": IGNORED,
            "exit_code": EXIT_CODE,
            "as_json": JSON,
            "markdown": MARKDOWN,
            "github_summary": GITHUB_SUMMARY,
        },
    ),
    command(
        "release list",
        "release.reading_handlers:list_",
        """List the live release of each name.

        The columns: name, digest, label, state, since when, who. The state is current, or
        current, blocked.
        """,
        {
            "uses": USES,
            "as_json": JSON,
        },
    ),
    command(
        "release verify",
        "release.audit_handlers:verify",
        """Check all releases and print the damage found (exit 14), or nothing.

        With a NAME, check its releases again, offline, and print every check: the hash chain
        and the order of releases, blocks, the logs of the evidence runs, each rule of the
        policy that was applied, signatures. A wrong result is "failed", and the exit code 14;
        a check that cannot be made is "not proven", which is not a failure.
        """,
        {
            "name": Argument(
                "NAME",
                help="Check everything recorded about the releases of this name.",
                required=False,
            ),
            "seq": Argument(
                "TARGET",
                help="Only this release: @SEQ, a label or a digest.",
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
        """Sign a release with an SSH key, and record the signature.""",
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
        """Print the origin of a release as JSON: an in-toto statement with SLSA provenance.""",
        {
            "name": NAME,
            "seq": SEQ,
            "to": TO,
            "builder": Option(
                "--builder",
                help="The trusted builder of the release, such as the URI of a CI workflow.",
                metavar="URI",
            ),
            "as_json": JSON,
        },
    ),
    command(
        "release wait",
        "release.deploy_handlers:wait",
        """Wait until a release is live, and print its digest.

        Without TARGET, until anything is live. It exits with 1 once waiting is in vain: @SEQ
        was replaced, a label or digest was live and replaced during the wait, or its spec is
        blocked; and with 11 after --timeout. A label or digest that was replaced before the
        call is waited for, since it may be live again.
        """,
        {
            "name": NAME,
            "target": Argument(
                "TARGET",
                help="@SEQ, a label, or a digest or its prefix; it need not exist yet.",
                required=False,
            ),
            "to": TO,
            "change": Flag("--change", help="Wait until something else is live than now."),
            "timeout": Option(
                "--timeout",
                help="How long to wait. Default: for ever.",
                metavar="SECONDS",
                kind="number",
            ),
            "as_json": JSON,
        },
    ),
    command(
        "release watch",
        "release.deploy_handlers:watch",
        """Execute a command whenever another release is live, or print the release.

        Options come before NAME; after it stands the command, also after the word --exec. No
        shell reads it. It gets AIVCS_RELEASE_NAME, _SPEC, _SEQ, _LABEL, _ACTION and _HASH. It
        is executed for what is live at the start, then for what is live whenever the last
        command has ended; if it fails, again, until it succeeds or another release is live.

        A release must follow the rules of its log, the policy of this system's configuration
        (not of the store's), and have valid signatures where the policy demands one; otherwise
        nothing is executed, and the reason is printed. A log that does not extend what was seen
        of it ends the watch with exit code 14.
        """,
        {
            "name": NAME,
            "command": Argument(
                "COMMAND",
                help="The command to execute, with its arguments. Default: print the release.",
                many=True,
                required=False,
                takes="program",
            ),
            "each": Flag(
                "--each",
                help=(
                    "Handle every release in order, at least once, also those that were replaced "
                    "meanwhile."
                ),
            ),
            "once": Flag(
                "--once",
                help=(
                    "Handle the releases that wait, and end: with 15 if one may not be "
                    "deployed, or the exit code of a command that failed."
                ),
            ),
            "state": Option(
                "--state",
                help=(
                    "Remember in this folder what was seen and handled, so that a restart goes on "
                    "there. Default: a restart begins with what is live."
                ),
                metavar="DIR",
            ),
            "signed": REQUIRE_SIGNATURE,
            "no_verify": NO_VERIFY,
            "as_json": Flag(
                "--json",
                help=(
                    "Print each release as a CloudEvent; a command gets it on standard input "
                    "instead."
                ),
            ),
        },
        interspersed=False,
    ),
    command(
        "release checkout",
        "release.deploy_handlers:checkout",
        """Put the files of the live release into a folder, and switch to them in one step.

        DIR/current is then a link to DIR/releases/DIGEST, which is complete. The release is
        checked as by aivcs release watch; if it may not be deployed, nothing changes (exit 15).
        """,
        {
            "name": NAME,
            "folder": Argument("DIR", help="The folder; made if it does not exist."),
            "keep": Option(
                "--keep",
                help="How many versions stay in DIR, this one included. Default: 3.",
                metavar="N",
                kind="integer",
            ),
            "signed": REQUIRE_SIGNATURE,
            "no_verify": NO_VERIFY,
            "as_json": JSON,
        },
    ),
)
