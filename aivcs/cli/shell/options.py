"""The commands for work in a shell: `shell-init`, `completion`."""

from aivcs.cli.parse.model import Argument, command

COMMANDS = (
    command(
        "shell-init",
        "shell.handlers:init",
        """Print shell functions that log events without starting a process for each.

        After eval "$(aivcs shell-init)", aivcs_log KIND PAYLOAD... passes an event of the
        run in $AIVCS_RUN to a background process. aivcs_flush returns 0 when all of these
        events are safely on disk; if one was refused, it fails and names the event. The end
        of the script flushes, too. aivcs_finish OPTIONS... flushes and ends the run: call it
        in an EXIT trap.
        """,
        {
            "shell": Argument(
                "SHELL",
                help="bash or zsh; both get the same functions.",
                required=False,
                suggestions=("bash", "zsh"),
            ),
        },
    ),
    command(
        "completion",
        "shell.handlers:completion",
        """Print a shell's completion of commands, options, and names in the store.

        To load it at each start, add to ~/.bashrc: eval "$(aivcs completion bash)". For zsh,
        add to ~/.zshrc after compinit: eval "$(aivcs completion zsh)". For fish, run once:
        aivcs completion fish > ~/.config/fish/completions/aivcs.fish
        """,
        {
            "shell": Argument(
                "SHELL", help="bash, zsh or fish.", suggestions=("bash", "zsh", "fish")
            ),
        },
    ),
    command(
        "shell-session",
        "shell.handlers:session",
        """Start the background process of a script. aivcs_log calls this.""",
        {
            "folder": Argument("DIR", help="The private folder."),
            "first": Argument("PID", help="The first shell of the script."),
            "shell": Argument("SHELL_PID", help="The shell that calls."),
            "run": Argument("RUN", help="A run to look for, or nothing."),
        },
        hidden=True,
    ),
    command(
        "__complete",
        "shell.complete_handlers:complete",
        """Print the candidates for a word. The completions of the shells call this.""",
        {
            "kind": Argument("KIND", help="The kind of thing that is wanted."),
            "words": Argument(
                "WORD",
                help="The words so far; the last one is being typed.",
                many=True,
                required=False,
            ),
        },
        interspersed=False,
        hidden=True,
    ),
)
