"""The completion files complete, in the real shells, what is typed."""

import os
import pty
import select
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

COMPLETIONS = Path(__file__).parents[2] / "completions"
PATIENCE = 10
"""Seconds that a shell may take to answer."""

WORDS = [
    ("aivcs ", "init status verify gc head shell-init blob spec run release config"),
    ("aivcs r", "run release"),
    ("aivcs run ", "start exec log finish show events list stats diff reap verify"),
    ("aivcs run f", "finish"),
    ("aivcs config un", "unset"),
    ("aivcs --st", "--store"),
    ("aivcs --color ", "auto always never"),
    ("aivcs --color a", "auto always"),
    ("aivcs --color=a", "auto always"),
    ("aivcs --no-pager --lock-timeout 5 b", "blob"),
    ("aivcs -C 'a folder' --store=elsewhere b", "blob"),
    ("aivcs -C 'a folder' --store elsewhere blob g", "get"),
    ("aivcs -C blob run l", "log list"),
    ("aivcs blob put --s", "--sums --stdin-paths"),
    ("aivcs blob put some --st", "--stdin-paths"),
    ("aivcs blob put -- --s", ""),
    ("aivcs run list --a", "--agent"),
    ("aivcs run list --status ", "running completed failed cancelled"),
    ("aivcs run list --status=f", "failed"),
    ("aivcs run finish --status c", "completed cancelled"),
    ("aivcs run finish @ --status=c", "completed cancelled"),
    ("aivcs run finish @ --exit-code 1 --if", "--if-running"),
    ("aivcs run finish --exit-code ", ""),
    ("aivcs run log --f", "--file"),
    ("aivcs run log --file a=b --b", "--blob"),
    ("aivcs run log --print-seq --file 'a=b c' --at", "--atomic"),
    ("aivcs run log @ --f", ""),
    ("aivcs run log --seq 4 @ --f", ""),
    ("aivcs run log @ note no", ""),
    ("aivcs run log @ note text=no", ""),
    ("aivcs run log @ ", ""),
    ("aivcs run log --file no", ""),
    ("aivcs run start --agent no", ""),
    ("aivcs run start --agent=no", ""),
    ("aivcs run show no", ""),
    ("aivcs release promote no", ""),
    ("aivcs release rollback agent --r", "--reason"),
    ("aivcs config get core.", "core.durability core.lock_timeout"),
    ("aivcs config set core.durability no", ""),
    ("aivcs nonsense ", ""),
    ("aivcs blob nonsense --", ""),
]
"""What is typed, and what is offered."""

PATHS = [
    ("aivcs blob put no", "blob put notes.txt"),
    ("aivcs blob put some no", "blob put some notes.txt"),
    ("aivcs blob put my", "blob put|my file.txt"),
    ("aivcs blob put my\\ f", "blob put|my file.txt"),
    ("aivcs blob put a\\ folder/in", "blob put|a folder/inside.txt"),
    ("aivcs blob put -- no", "blob put -- notes.txt"),
    ("aivcs blob get 1234 -o no", "blob get 1234 -o notes.txt"),
    ("aivcs blob get 1234 --output no", "blob get 1234 --output notes.txt"),
    ("aivcs blob get 1234 --output=no", "blob get 1234 --output=notes.txt"),
    ("aivcs blob get 1234 --output=my", "blob get 1234|--output=my file.txt"),
    ("aivcs run start --spec-file no", "run start --spec-file notes.txt"),
    ("aivcs run finish @ --state-file=no", "run finish @ --state-file=notes.txt"),
    ("aivcs run log --file text=no", "run log --file text=notes.txt"),
    ("aivcs run log --file=text=no", "run log --file=text=notes.txt"),
    ("aivcs run log --blob text=my", "run log --blob|text=my file.txt"),
    ("aivcs run log --blob text=a\\ folder/in", "run log --blob|text=a folder/inside.txt"),
    ("aivcs blob put 'my f", "blob put|my file.txt"),
    ("aivcs run log --file text='my f", "run log --file|text=my file.txt"),
    ("aivcs run log --file 'text=my f", "run log --file|text=my file.txt"),
    ("aivcs init fo", "init folder"),
    ("aivcs -C a", "-C|a folder"),
    ("aivcs --store fo", "--store folder"),
    ("aivcs --store=fo", "--store=folder"),
]
"""What is typed, and the arguments that come of it, separated by spaces; by | before the last."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a few names: `fo` begins a folder and a file, so that folders tell."""
    folder = tmp_path_factory.mktemp("names")
    for name in ("notes.txt", "my file.txt", "fox.txt", "zebra"):
        (folder / name).write_text(name)
    for name in ("folder", "a folder"):
        (folder / name).mkdir()
    (folder / "a folder" / "inside.txt").write_text("inside")
    return folder


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
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(folder),
                 "LC_ALL": "C.UTF-8", "REPORT": str(reports), **dict(environment)},
        )  # fmt: skip
        os.close(slave)
        os.close(reports)
        self.waiting = b""
        script = folder.parent / f"{folder.name}.{os.path.basename(command[0])}"
        script.write_text(setup)
        self.type(f" . '{script}'\r")
        assert self.report() == ["ready"], self.seen
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


def arguments(text):
    """The arguments of an entry of `PATHS`."""
    words, _, last = text.partition("|")
    return [*words.split(), *([last] if last else [])]


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


@pytest.fixture(scope="module")
def start_bash(folder):
    found = shutil.which("bash")
    if found is None:
        pytest.skip("bash is not installed")
    started = []

    def start(more=""):
        setup = BASH.format(completions=COMPLETIONS, more=more)
        terminal = Terminal([found, "--norc", "--noprofile", "-i"], folder, setup)
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.close()


@pytest.fixture(scope="module")
def bash(start_bash):
    return start_bash()


@pytest.fixture(scope="module")
def unbroken(start_bash):
    """A bash that does not break words at = and :, as some people like it."""
    return start_bash("COMP_WORDBREAKS=${COMP_WORDBREAKS//[=:]/}")


@pytest.fixture(scope="module")
def old(start_bash):
    """A bash that lacks what version 4 brought."""
    return start_bash("enable -n compopt; complete -o default -F reporting aivcs")


class TestBash:
    @pytest.mark.parametrize(("line", "words"), WORDS)
    def test_words_are_offered(self, bash, line, words):
        assert bash.offered(line) == words.split()

    @pytest.mark.parametrize(("line", "wanted"), PATHS)
    def test_paths_are_completed(self, bash, line, wanted):
        assert bash.completed(line) == arguments(wanted)

    @pytest.mark.parametrize(("line", "wanted"), PATHS)
    def test_paths_are_completed_where_words_do_not_break_at_equals(self, unbroken, line, wanted):
        assert unbroken.completed(line) == arguments(wanted)

    @pytest.mark.parametrize(("line", "wanted"), [p for p in PATHS if p[0].startswith("aivcs b")])
    def test_paths_are_completed_by_a_bash_too_old_for_compopt(self, old, line, wanted):
        assert old.completed(line) == arguments(wanted)

    def test_a_choice_is_completed_in_place(self, bash, unbroken):
        for terminal in (bash, unbroken):
            for line in ("aivcs run list --status=ru", 'aivcs run list --status="ru'):
                assert terminal.completed(line)[-1] == "--status=running", line

    @pytest.mark.parametrize("line", ["aivcs run log @ note text=no", "aivcs run show no"])
    def test_no_file_is_inserted_where_text_is_wanted(self, bash, line):
        assert bash.completed(line)[-1] == line.split()[-1]

    def test_options_are_offered_where_nothing_else_is(self, bash):
        assert "--since" in bash.offered("aivcs run list ")

    def test_a_redirection_takes_a_file_and_is_no_operand(self, bash, folder):
        assert bash.completed("aivcs blob get 1234 >zeb") == ["blob", "get", "1234"]
        assert (folder / "zebra").read_bytes() == b"", "it went elsewhere"
        assert bash.completed("aivcs blob put - < no") == ["blob", "put", "-"]
        assert bash.offered("aivcs blob < notes.txt pu") == ["put"]

    def test_what_stands_behind_the_cursor_is_not_read(self, bash):
        bash.type("aivcs run list --status=fanny\x1b[D\x1b[D\x1b[D\x1b[D\t")
        assert bash.report() == ["failed"]
        bash.type("\x05\x15")


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


@pytest.fixture(scope="module")
def zsh(folder):
    found = shutil.which("zsh")
    if found is None:
        pytest.skip("zsh is not installed")
    terminal = Terminal([found, "-f", "-i"], folder, ZSH.format(completions=COMPLETIONS))
    yield terminal
    terminal.close()


class TestZsh:
    @pytest.mark.parametrize(("line", "words"), WORDS)
    def test_words_are_offered(self, zsh, line, words):
        assert sorted(zsh.offered(line)) == sorted(words.split())

    @pytest.mark.parametrize(("line", "wanted"), PATHS)
    def test_paths_are_completed(self, zsh, line, wanted):
        assert zsh.completed(line) == arguments(wanted)


FISH = """
source '{completions}/aivcs.fish'
while read --line line
    complete --do-complete $line
    printf '\\0\\n'
end
"""


class Fish:
    """A fish that answers what it would offer behind a line."""

    def __init__(self, command, folder):
        self.shell = subprocess.Popen(
            [command, "--no-config", "--command", FISH.format(completions=COMPLETIONS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        )

    def offered(self, line):
        """Returns what is offered behind a line, with descriptions."""
        self.shell.stdin.write(line + "\n")
        self.shell.stdin.flush()
        lines = iter(self.shell.stdout.readline, "\0\n")
        return dict((*line.rstrip("\n").split("\t"), "")[:2] for line in lines)

    def close(self):
        self.shell.communicate()


@pytest.fixture(scope="module")
def fish(folder):
    found = shutil.which("fish")
    if found is None:
        pytest.skip("fish is not installed")
    fish = Fish(found, folder)
    yield fish
    fish.close()


class TestFish:
    @pytest.mark.parametrize(("line", "words"), WORDS)
    def test_words_are_offered(self, fish, line, words):
        offered = (word.rpartition("=")[2] for word in fish.offered(line))
        assert sorted(offered) == sorted(words.split())

    @pytest.mark.parametrize(("line", "wanted"), PATHS)
    def test_paths_are_completed(self, fish, line, wanted):
        assert [word.rstrip("/") for word in fish.offered(line)] == [arguments(wanted)[-1]]

    def test_descriptions_are_given(self, fish):
        assert fish.offered("aivcs r")["run"] == "The ledger of executions: what an agent did"
        assert fish.offered("aivcs blob get --ou")["--output"] == (
            "Write to this file, whole or not at all"
        )
