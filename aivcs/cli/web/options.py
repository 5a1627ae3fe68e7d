"""The commands that make pages for a browser: `report` and `web`."""

from aivcs.cli.parse.model import Flag, Option, command
from aivcs.cli.parse.shared_options import AGENTS, GITHUB_SUMMARY, MARKDOWN, OUTPUT, SINCE

COMMANDS = (
    command(
        "report",
        "web.handlers:report",
        """Write one HTML file about releases and runs, for people without a shell.

        It shows what is live, the history of each name with evidence, verdicts and signatures,
        the differences of the specs, figures of each agent, the runs, the timelines of chosen
        and of failed runs, and two runs side by side. The file needs no script and nothing
        else, and is the same for the same store and --now. Secrets of known forms are masked.
        """,
        {
            "output": OUTPUT,
            "agents": AGENTS.but(help="Only runs and releases of this agent. Repeatable."),
            "runs": Option(
                "--run",
                help="A run whose timeline is wanted. Repeatable. Default: the newest that failed.",
                metavar="RUN",
                many=True,
            ),
            "compared": Option(
                "--diff",
                help=(
                    "Two runs side by side. Default: a run of what is live, and one of what it "
                    "replaced."
                ),
                metavar="RUN..RUN",
            ),
            "since": SINCE.but(help="Only runs since 30m, 12h, 2d, 1w ago, or a date."),
            "limit": Option(
                "-n", "--limit", help="List at most N runs. Default: 1000.", metavar="N",
                kind="integer",
            ),
            "title": Option("--title", help="The title of the page.", metavar="TEXT"),
            "now": Option(
                "--now",
                help="The moment that the report names as its own. Default: now.",
                metavar="TIME",
            ),
            "no_redact": Flag("--no-redact", help="Do not mask secrets."),
            "markdown": MARKDOWN.but(
                help=(
                    "Print instead, as Markdown, what is live, the figures of each agent, and the "
                    "runs that failed last: fit for a pull request's comment."
                )
            ),
            "github_summary": GITHUB_SUMMARY.but(
                help="In GitHub Actions: also add this Markdown to the job's summary."
            ),
        },
    ),
    command(
        "web",
        "web.handlers:web",
        """Serve the pages of the report live, for a browser on this machine. Print the address.

        The address has a token, which the browser keeps as a cookie: other users of the
        machine, and web sites in the browser, cannot read the pages. Nothing can be changed
        by them. It ends with Ctrl-C.
        """,
        {
            "port": Option(
                "--port",
                help="The port on 127.0.0.1. Default: any that is free.",
                metavar="N",
                kind="integer",
            ),
            "socket": Option(
                "--socket",
                help=(
                    "A socket file for you alone, instead of a port: to be forwarded by ssh -L."
                ),
                metavar="FILE",
            ),
            "no_token": Flag(
                "--no-token", help="Let every user of this machine read the pages."
            ),
            "open_browser": Flag("--open", help="Open the address in a browser."),
            "no_redact": Flag("--no-redact", help="Do not mask secrets."),
        },
    ),
)  # fmt: skip
