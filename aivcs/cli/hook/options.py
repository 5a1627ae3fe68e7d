"""The commands of `aivcs hook`."""

from aivcs.cli.parse.model import Argument, Flag, command
from aivcs.cli.parse.shared_options import JSON

_PROGRAMS = Argument(
    "PROGRAM", help="claude-code, codex, gemini or git. Several may be given.", many=True
)
_USER = Flag("--user", help="In your own settings of the program. The default.")
_PROJECT = Flag("--project", help="In the settings of the project in the working directory.")

COMMANDS = (
    command(
        "hook install",
        "hook.handlers:install",
        """Let programs call aivcs when a turn or a session ends, so that sessions become runs.

        Prints the settings that were changed, and the lines added; all else in them stays as
        it is. With --user, the hook names the store that is used now; with --project, it uses
        the store of the project, and does nothing where aivcs is missing. Sessions of before
        are imported by aivcs run import --all. With git, commits made inside a run get the
        trailer Aivcs-Run: a hook of the repository writes it, and calls the one that was there.
        """,
        {"programs": _PROGRAMS, "user": _USER, "project": _PROJECT},
    ),
    command(
        "hook uninstall",
        "hook.handlers:uninstall",
        """Remove what hook install added; all else in the settings stays as it is.""",
        {"programs": _PROGRAMS, "user": _USER, "project": _PROJECT},
    ),
    command(
        "hook status",
        "hook.handlers:status",
        """Show for each program when a session was captured last, and what is missing.

        The columns in a pipe: program, whether a hook is installed, the number of its
        sessions, when one was captured last, how many have changed since, by how many seconds
        the newest of them is later, and the last error.
        """,
        {"as_json": JSON},
    ),
    command(
        "hook run",
        "hook.run_handler:run_",
        """Import the session that a program tells of on standard input; for its hooks.

        Always exits with 0, prints nothing, and returns at once: the import goes on in the
        background. hook status shows how it went.
        """,
        {"program": Argument("PROGRAM", help="The program that calls.")},
    ),
)
