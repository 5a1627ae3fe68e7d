"""The commands of `aivcs run` that say where runs come from."""

from aivcs.cli.parse.model import Argument, Flag, command
from aivcs.cli.parse.shared_options import JSON, OUTPUT, RUN

COMMANDS = (
    command(
        "run tree",
        "run.lineage_handlers:tree",
        """Show a run and the runs that come from it.

        A run comes from another by run start --parent or --from, inside run exec by itself,
        or as a subagent of an imported session. The columns in a pipe: depth, run, agent,
        status, start, and the run it comes from, with @SEQ if it goes on from an event.
        """,
        {
            "run": RUN,
            "from_root": Flag("--root", help="Begin with the run that all of them come from."),
            "as_json": JSON,
        },
    ),
    command(
        "run state",
        "run.lineage_handlers:state",
        """Keep what a run needs to go on after a crash, or get it back.

        put stores FILE (- is standard input) as the state of a running run and prints its
        digest. get prints the last state: of RUN@SEQ, the last one at or before that event.
        A run without a state has that of the run it was started from.
        """,
        {
            "action": Argument("put|get", help="What to do.", suggestions=("put", "get")),
            "run": RUN.but(help=f"{RUN.help} With get also RUN@SEQ."),
            "file": Argument("FILE", help="The file to store, or -.", required=False),
            "output": OUTPUT.but(
                help="With get: write to this file, which is replaced when all of it is written."
            ),
        },
    ),
)
