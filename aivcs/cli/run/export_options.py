"""The commands of `aivcs run` that give runs to other programs."""

from aivcs.cli.parse.model import Argument, Flag, Option, command
from aivcs.cli.parse.shared_options import JSON, OUTPUT, RUN

COMMANDS = (
    command(
        "run export",
        "run.export_handlers:export",
        """Print runs in a form that another program reads.

        jsonl is the log as it is stored. otlp is OpenTelemetry's traces as JSON, a line per
        batch: the same run gives the same ids, so exporting twice is the same trace. atif is
        the Agent Trajectory Interchange Format. markdown is for a person. trace is a
        RunTraceArtifact with its replay digest. sqlite is a file with the tables runs,
        events, tool_calls, annotations, releases, specs and blobs.
        """,
        {
            "runs": Argument(
                "RUN",
                help="The runs. Default: all, newest first.",
                many=True,
                required=False,
            ),
            "form": Option(
                "--format",
                help="The form. Default with --to: otlp.",
                choices=("jsonl", "otlp", "atif", "markdown", "trace", "sqlite"),
            ),
            "output": OUTPUT,
            "url": Option(
                "--to",
                help=(
                    "Post the traces to a server by OTLP over HTTP; /v1/traces is appended to a "
                    "URL without a path. Headers come from OTEL_EXPORTER_OTLP_HEADERS."
                ),
                metavar="URL",
            ),
            "protobuf": Flag(
                "--protobuf",
                help="With --to: post protobuf instead of JSON. Needs the extra aivcs-cli[otlp].",
            ),
        },
    ),
    command(
        "run digest",
        "run.export_handlers:digest",
        """Print a digest of a run.

        With --replay it is that of its events alone, the same for the same events in any
        store: the SHA-256 of the compact JSON array of {seq, kind, payload, timestamp}.
        Without it, it is the head of its log.
        """,
        {
            "run": RUN,
            "replay": Flag("--replay", help="Print the replay digest of its events."),
        },
    ),
    command(
        "run session",
        "run.export_handlers:session",
        """Put an imported session back where its program resumes it, and print the command.

        The program looks for it from the working directory. A session whose secrets were
        masked is put back masked, with a warning.
        """,
        {
            "run": RUN,
            "program": Option(
                "--to",
                help="The program. Default: the one that the session is of.",
                choices=("claude-code", "codex", "gemini"),
            ),
            "as_json": JSON,
        },
    ),
)
