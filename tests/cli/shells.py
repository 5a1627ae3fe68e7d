"""The real shells, as somebody who types sees them."""

import os
import pty
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from isolation import NO_SYSTEM

COMPLETIONS = Path(__file__).parents[2] / "completions"
PATIENCE = 10
"""Seconds that a shell may take to answer."""


class Terminal:
    """A shell that believes a person types; a pipe reports what it offers and what it runs."""

    def __init__(self, command, folder, setup, environment=()):
        master, slave = pty.openpty()
        self.reports, reports = os.pipe()
        self.master = master
        self.shell = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            pass_fds=[reports],
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(folder), **NO_SYSTEM,
                 "LC_ALL": "C.UTF-8", "REPORT": str(reports), **dict(environment)},
        )  # fmt: skip
        os.close(slave)
        os.close(reports)
        self.waiting = b""
        script = folder.parent / f"{folder.name}.{os.path.basename(command[0])}"
        script.write_text(setup)
        self.type(f" . '{script}'\r")
        assert self.report() == ["ready"], self.seen  # type: ignore[has-type]
        self.seen = b""

    def type(self, text):
        self.seen = b""
        os.write(self.master, text.encode())

    def report(self):
        """Returns the next report: strings, each ended by NUL, all by another NUL."""
        deadline = time.monotonic() + PATIENCE
        while b"\0\n" not in self.waiting:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master, self.reports], [], [], max(left, 0))
            assert ready, f"no answer; the screen says {self.seen!r}"
            if self.reports in ready:
                self.waiting += os.read(self.reports, 65536)
            if self.master in ready:
                self.seen += os.read(self.master, 65536)
        report, _, self.waiting = self.waiting.partition(b"\0\n")
        return report.decode().split("\0")[1:]

    def offered(self, line):
        """Returns what is offered behind a line."""
        self.type(line + "\t")
        offered = self.report()
        self.type("\x15")
        return offered

    def completed(self, line):
        """Returns the arguments that run when a line is completed and sent.

        Without the slash that some shells leave behind a folder.
        """
        self.type(line + "\t")
        self.report()
        self.type("\r")
        return [word.rstrip("/") for word in self.report()]

    def close(self):
        with suppress(ProcessLookupError):
            self.shell.kill()
        self.shell.wait()
        os.close(self.master)
        os.close(self.reports)


BASH = """
set +o history; PS1=''
bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set page-completions off'
report() {{ (($#)) && printf '\\0%s' "$@"; printf '\\0\\n'; }} >&"$REPORT"
aivcs() {{ report "$@"; }}
. '{completions}/aivcs.bash'
reporting() {{ _aivcs "$@"; report "${{COMPREPLY[@]}}"; }}
complete -F reporting aivcs
{more}
report ready
"""

ZSH = """
PS1='' RPS1='' HISTFILE=''; unset zle_bracketed_paste
unsetopt beep list_beep auto_menu auto_list
bindkey -e; bindkey '^I' complete-word
fpath=('{completions}' $fpath)
autoload -Uz compinit; compinit -D -u
report() {{ (($#)) && printf '\\0%s' "$@"; printf '\\0\\n'; }} >&"$REPORT"
aivcs() {{ report "$@"; }}
typeset -ga offered
compadd() {{
    [[ ${{@[1,(i)(-|--)]}} == *-[OAD]\\ * ]] || {{
        local -a hits
        builtin compadd -A hits "$@"
        offered+=("${{hits[@]}}")
    }}
    builtin compadd "$@"
}}
prepare() {{ offered=(); compprefuncs=(prepare); comppostfuncs=(finish) }}
finish() {{ report "${{(@u)offered}}"; compprefuncs=(prepare); comppostfuncs=(finish) }}
compprefuncs=(prepare)
report ready
"""

FISH = """
source '{completions}/aivcs.fish'
while read --line line
    complete --do-complete $line
    printf '\\0\\n'
end
"""


class Fish:
    """A fish that answers what it would offer behind a line."""

    def __init__(self, command, folder, environment=()):
        self.shell = subprocess.Popen(
            [command, "--no-config", "--command", FISH.format(completions=COMPLETIONS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **NO_SYSTEM,
                 **dict(environment)},
        )  # fmt: skip

    def offered(self, line):
        """Returns what is offered behind a line, with descriptions."""
        self.shell.stdin.write(line + "\n")  # type: ignore[union-attr]
        self.shell.stdin.flush()  # type: ignore[union-attr]
        lines = iter(self.shell.stdout.readline, "\0\n")  # type: ignore[union-attr]
        return dict((*line.rstrip("\n").split("\t"), "")[:2] for line in lines)

    def close(self):
        self.shell.communicate()
