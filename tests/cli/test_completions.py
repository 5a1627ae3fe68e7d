"""The completion files complete, in the real shells, what is typed."""

import shutil

import pytest
from cli.shells import BASH, COMPLETIONS, ZSH, Fish, Terminal

from aivcs.cli.parse.commands import ROOT as EVERYTHING, visible


def below(name):
    """The commands below one, which grow in number."""
    (command,) = (command for command in visible(EVERYTHING).every() if command.name == name)
    return " ".join(child.path[-1] for child in command.children)


WORDS = [
    ("aivcs ", below("aivcs")),
    ("aivcs rel", "release"),
    ("aivcs run ", below("aivcs run")),
    ("aivcs run f", "finish"),
    ("aivcs config un", "unset"),
    ("aivcs --st", "--store"),
    ("aivcs --color ", "auto always never"),
    ("aivcs --color a", "auto always"),
    ("aivcs --color=a", "auto always"),
    ("aivcs --no-pager --lock-timeout 5 bl", "blob"),
    ("aivcs -C 'a folder' --store=elsewhere bl", "blob"),
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
    ("aivcs config get core.", "core.durability core.lock_timeout core.spool"),
    ("aivcs config set core.durability no", ""),
    ("aivcs completion ", "bash zsh fish"),
    ("aivcs shell-init ", "bash zsh"),
    ("aivcs run exec --agent a --cap", "--capture"),
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
    ("aivcs run exec --agent a -- sha512s", "run exec --agent a -- sha512sum"),
    ("aivcs run exec --agent a sha512s", "run exec --agent a sha512sum"),
    ("aivcs run exec --agent a -- cat no", "run exec --agent a -- cat notes.txt"),
    ("aivcs run exec --agent=a -- cat -n my", "run exec --agent=a -- cat -n|my file.txt"),
    ("aivcs run exec --agent a cat no", "run exec --agent a cat notes.txt"),
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


def arguments(text):
    """The arguments of an entry of `PATHS`."""
    words, _, last = text.partition("|")
    return [*words.split(), *([last] if last else [])]


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
        assert fish.offered("aivcs r")["run"] == "Record what agents did, and read it back"
        assert fish.offered("aivcs blob get --ou")["--output"] == (
            "Write to this file, which is replaced when all of it is written"
        )
