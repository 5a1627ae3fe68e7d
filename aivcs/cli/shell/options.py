"""Commands that make aivcs at home in a shell: help, completion, functions."""

from aivcs.cli.parse.model import Argument, command

COMMANDS = (
    command(
        "shell-init",
        "shell.handlers:init",
        """Print shell functions that log events without a process for each.

        After eval "$(aivcs shell-init)", aivcs_log KIND PAYLOAD... hands an event of the
        run in $AIVCS_RUN to a background process. aivcs_flush returns 0 once everything
        handed over is durable, and fails naming the event if one was refused; the end of
        the script does the same. aivcs_finish OPTIONS... flushes and ends the run: put it
        into an EXIT trap.
        """,
        {
            "shell": Argument(
                "SHELL",
                help="bash or zsh; the text serves both.",
                required=False,
                suggestions=("bash", "zsh"),
            ),
        },
    ),
    command(
        "help",
        "help.handlers:show",
        """Show the manual of a command, or a list of all commands.

        On a terminal that is its man page; anywhere else, or without man, the same as plain
        text.
        """,
        {
            "words": Argument(
                "COMMAND",
                help="Its words, such as run log; or aivcs, for what all commands have in common.",
                many=True,
                required=False,
                asks="command",
            ),
        },
    ),
    command(
        "completion",
        "shell.handlers:completion",
        """Print the completion of a shell: commands, options, and names of what is in the
        store.

        To load it at each start, write into ~/.bashrc or ~/.zshrc (there behind compinit):
        eval "$(aivcs completion bash)", or zsh. For fish, once: aivcs completion fish >
        ~/.config/fish/completions/aivcs.fish
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
        """Start the background process of a script; aivcs_log calls this.""",
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
        """Print what may be typed, and what it is; the shells' completions call this.""",
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
