"""The declarations of what makes the command at home in a shell: manual, completion, functions."""

from typing import Annotated

import typer
from typer import Argument

from aivcs.cli.parse.shared_options import calls


def declare(app: typer.Typer) -> None:
    """Adds the commands to the root."""

    @app.command("shell-init")
    @calls("shell.handlers:init")
    def shell_init(
        shell: Annotated[
            str | None,
            Argument(metavar="SHELL", help="bash or zsh; the text serves both."),
        ] = None,
    ) -> None:
        """Print shell functions that log events without a process for each.

        After eval "$(aivcs shell-init)", aivcs_log KIND PAYLOAD... hands an event of the run in
        $AIVCS_RUN to a background process. aivcs_flush returns 0 once everything handed over is
        durable, and fails naming the event if one was refused; the end of the script does the
        same. aivcs_finish OPTIONS... flushes and ends the run: put it into an EXIT trap.
        """

    @app.command("help")
    @calls("help.handlers:show")
    def help_(
        words: Annotated[
            list[str] | None,
            Argument(
                metavar="COMMAND...",
                help="Its words, such as run log; or aivcs, for what all commands have in common.",
            ),
        ] = None,
    ) -> None:
        """Show the manual of a command, or a list of all commands.

        On a terminal that is its man page; anywhere else, or without man, the same as plain text.
        """

    @app.command("completion")
    @calls("shell.handlers:completion")
    def completion(
        shell: Annotated[str, Argument(metavar="SHELL", help="bash, zsh or fish.")],
    ) -> None:
        """Print the completion of a shell: commands, options, and names of what is in the store.

        To load it at each start, write into ~/.bashrc or ~/.zshrc (there behind compinit):
        eval "$(aivcs completion bash)", or zsh. For fish, once:
        aivcs completion fish > ~/.config/fish/completions/aivcs.fish
        """

    @app.command("shell-session", hidden=True)
    @calls("shell.handlers:session")
    def shell_session(
        folder: Annotated[str, Argument(metavar="DIR", help="The private folder.")],
        first: Annotated[str, Argument(metavar="PID", help="The first shell of the script.")],
        shell: Annotated[str, Argument(metavar="SHELL_PID", help="The shell that calls.")],
        run: Annotated[str, Argument(metavar="RUN", help="A run to look for, or nothing.")],
    ) -> None:
        """Start the background process of a script; aivcs_log calls this."""

    @app.command("__complete", hidden=True, context_settings={"allow_interspersed_args": False})
    @calls("shell.complete_handlers:complete")
    def complete(
        kind: Annotated[str, Argument(metavar="KIND", help="The kind of thing that is wanted.")],
        words: Annotated[
            list[str] | None,
            Argument(metavar="WORD...", help="The words so far; the last one is being typed."),
        ] = None,
    ) -> None:
        """Print what may be typed, and what it is; the shells' completions call this."""
