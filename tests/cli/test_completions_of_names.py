"""A press of TAB in the real shells names what is in the store."""

import os
import shutil
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from cli.shells import BASH, COMPLETIONS, ZSH, Fish, Terminal

from aivcs.api import Repository
from aivcs.model.run import RunMetadata

MANY = 300
"""Runs of the store: more than are read without an index."""
SPECS = [b"one\n", b"two\n", b"three\n"]


def run_id(number):
    """An id that is no matter of chance: the number of the run, hashed."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def fill(aivcs, files, many):
    """Runs of the last hours, a minute between two; of the newest ten, every other is running."""
    spec = files.sha256(SPECS[0])
    now = datetime.now(UTC)
    for number in range(many):
        created = f"{now - timedelta(minutes=many - number):%Y-%m-%dT%H:%M:%S.000000Z}"
        agent = ["bot", "my agent", "team/é"][number % 3]
        entries = [{
            "type": "run", "format": 1, "run_id": run_id(number), "spec_digest": spec,
            "metadata": {"git_sha": None, "agent_name": agent, "tags": {}}, "created_at": created,
        }, {
            "type": "event", "seq": 1, "kind": "tool_called", "payload": {}, "timestamp": created,
        }]  # fmt: skip
        if number < many - 10 or number % 2:
            summary = {"total_events": 1, "final_state_digest": None, "duration_ms": 5,
                       "success": True}  # fmt: skip
            entries.append({"type": "end", "status": "COMPLETED", "summary": summary,
                            "completed_at": created})  # fmt: skip
        path = aivcs.run_log(run_id(number))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(files.seal(entries))


@pytest.fixture(scope="module", params=[MANY, pytest.param(100_000, marks=pytest.mark.slow)])
def many(request):
    return request.param


@pytest.fixture(scope="module")
def place(many, tmp_path_factory, new_store, files, command_in):
    """The command in a folder whose store has many runs, three blobs and two names."""
    folder = tmp_path_factory.mktemp("place") / "here"
    folder.mkdir()
    aivcs = command_in(folder, folder)
    shutil.copytree(new_store, aivcs.store)
    fill(aivcs, files, many)
    one, two, three = map(aivcs.put, SPECS)
    aivcs.ok("release", "promote", "bot", one, "--label", "v1")
    aivcs.ok("release", "promote", "bot", two, "--label", "rc:2")
    aivcs.ok("release", "promote", "team/x", three)
    aivcs.ok("run", "list", "-n", "1", timeout=600)  # makes the index
    return aivcs


def lists(many, files):
    """What is typed, and all that is offered, in order."""
    newest = [run_id(number) for number in reversed(range(many))]
    one, two, three = map(files.sha256, SPECS)
    return [
        ("aivcs run show ", newest[:50]),
        (f"aivcs run show {newest[0][:2]}", [r for r in newest if r[:2] == newest[0][:2]][:50]),
        ("aivcs run log ", newest[1:10:2]),
        ("aivcs run finish ", newest[1:10:2]),
        (f"aivcs run finish {newest[0][:8]}", newest[:1]),
        ("aivcs run events --kind x nothing", []),
        ("aivcs release current ", ["bot", "team/x"]),
        ("aivcs release history t", ["team/x"]),
        ("aivcs release promote b", ["bot"]),
        ("aivcs blob get ", sorted([one, two, three])),
        (f"aivcs blob has {one[:4]}", [one]),
        (f"aivcs run events {newest[0]} --kind ", ["tool_called"]),
        (f"aivcs run log {newest[1]} t", ["tool_called"]),
        ("aivcs release rollback bot --to ", ["@2", "@1", "rc:2", "v1"]),
        ("aivcs release rollback --to @", []),
        ("aivcs release promote bot x --expect ", ["@2", two]),
        ("aivcs release promote new x --expect ", ["none"]),
    ]


def single(many, files):
    """What is typed, and the arguments that come of it where one thing fits."""
    newest = run_id(many - 1)
    one = files.sha256(SPECS[0])
    return [
        (f"aivcs run show {newest[:8]}", ["run", "show", newest]),
        ("aivcs release promote new bot@cur", ["release", "promote", "new", "bot@current"]),
        ("aivcs release promote new bot@rc", ["release", "promote", "new", "bot@rc:2"]),
        ("aivcs release promote new bot@rc:", ["release", "promote", "new", "bot@rc:2"]),
        ("aivcs run list --spec=bot@cur", ["run", "list", "--spec=bot@current"]),
        ("aivcs run list --spec bot@v", ["run", "list", "--spec", "bot@v1"]),
        (f"aivcs run list --spec={one[:6]}", ["run", "list", f"--spec={one}"]),
        ("aivcs release rollback bot --to rc", ["release", "rollback", "bot", "--to", "rc:2"]),
        ("aivcs release rollback bot --to=@2", ["release", "rollback", "bot", "--to=@2"]),
        ("aivcs run list --agent my", ["run", "list", "--agent", "my agent"]),
        ("aivcs run list --agent 'my", ["run", "list", "--agent", "my agent"]),
        ("aivcs run list --agent=my", ["run", "list", "--agent=my agent"]),
        ("aivcs run list --agent my\\ a", ["run", "list", "--agent", "my agent"]),
        ("aivcs run list --agent team/é", ["run", "list", "--agent", "team/é"]),
    ]


@pytest.fixture(scope="module")
def elsewhere(place):
    """A folder outside of the store, from which -C leads to it."""
    folder = place.folder.parent / "else where"
    if not folder.exists():
        folder.mkdir()
        (folder / "there").symlink_to(place.folder)
    return folder


HOSTILE = ["a$(touch${IFS}ran)", "b`touch${IFS}ran`", "d\\e", 'f"', "h'i$(touch${IFS}ran)'", "j!"]
"""Labels that a shell would make something else of, or run; each begins with its own letter."""


@pytest.fixture(scope="module")
def hostile(place, new_store, command_in):
    """What is typed, with every quote, and the arguments that come of it."""
    folder = place.folder.parent / "hostile"
    if not folder.exists():
        folder.mkdir()
        aivcs = command_in(folder, folder)
        shutil.copytree(new_store, aivcs.store)
        spec = aivcs.put(SPECS[0])
        for label in HOSTILE:
            aivcs.ok("release", "promote", "bot", spec, "--label", label)
    before = ["-C", "../hostile", "run", "list", "--spec"]
    return [
        (f"aivcs {' '.join(before)} {quote}bot@{label[0]}", [*before, f"bot@{label}"])
        for quote in ("", "'", '"')
        for label in HOSTILE
    ]


def found(shell):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    return path


@pytest.fixture(scope="module")
def environment(programs, place):
    return {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(place.home)}


@pytest.fixture(scope="module")
def start_bash(place, environment):
    command = [found("bash"), "--norc", "--noprofile", "-i"]
    started = []

    def start(more=""):
        setup = BASH.format(completions=COMPLETIONS, more=more)
        started.append(Terminal(command, place.folder, setup, environment))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


@pytest.fixture(scope="module")
def bash(start_bash):
    return start_bash()


@pytest.fixture(scope="module")
def unbroken(start_bash):
    """A bash that breaks words at spaces only."""
    return start_bash("COMP_WORDBREAKS=$' \\t\\n\"\\''")


@pytest.fixture(scope="module")
def zsh(place, environment):
    setup = ZSH.format(completions=COMPLETIONS)
    terminal = Terminal([found("zsh"), "-f", "-i"], place.folder, setup, environment)
    yield terminal
    terminal.close()


@pytest.fixture(scope="module")
def fish(place, environment):
    fish = Fish(found("fish"), place.folder, environment)
    yield fish
    fish.close()


def same(offered, wanted, line):
    """Blobs put within one second have no order."""
    if "blob get" in line:
        return sorted(offered) == wanted
    return list(offered) == wanted


class TestBash:
    def test_what_fits_is_offered_likeliest_first(self, bash, many, files):
        for line, wanted in lists(many, files):
            assert same(bash.offered(line), wanted, line), line

    def test_what_alone_fits_is_completed(self, bash, many, files):
        for line, wanted in single(many, files):
            assert bash.completed(line) == wanted, line

    def test_names_are_data_within_every_quote(self, bash, hostile, place):
        for line, wanted in hostile:
            assert bash.completed(line) == wanted, line
        assert not (place.folder / "ran").exists()

    def test_it_is_where_words_are_broken_at_spaces_only(self, unbroken, many, files):
        for line, wanted in single(many, files):
            assert unbroken.completed(line) == wanted, line

    def test_the_store_of_the_line_is_asked(self, start_bash, elsewhere):
        bash = start_bash("cd '../else where'")
        assert bash.offered("aivcs release current ") == []
        assert bash.offered("aivcs -C there release current ") == ["bot", "team/x"]
        assert bash.offered("aivcs --store=there/.aivcs release current t") == ["team/x"]


class TestZsh:
    def test_what_fits_is_offered(self, zsh, many, files):
        for line, wanted in lists(many, files):
            assert sorted(zsh.offered(line)) == sorted(wanted), line

    def test_what_alone_fits_is_completed(self, zsh, many, files):
        for line, wanted in single(many, files):
            assert zsh.completed(line) == wanted, line

    def test_names_are_data_within_every_quote(self, zsh, hostile, place):
        for line, wanted in hostile:
            assert zsh.completed(line) == wanted, line
        assert not (place.folder / "ran").exists()

    def test_the_store_of_the_line_is_asked(self, zsh, elsewhere):
        assert zsh.offered("aivcs -C / release current ") == []
        assert zsh.offered("aivcs -C ../else\\ where/there release current t") == ["team/x"]


class TestFish:
    def test_what_fits_is_offered_likeliest_first(self, fish, many, files):
        for line, wanted in lists(many, files):
            assert same(fish.offered(line), wanted, line), line

    def test_what_alone_fits_is_offered(self, fish, many, files):
        for line, wanted in single(many, files):
            assert list(fish.offered(line)) == wanted[-1:], line

    def test_runs_are_described(self, fish, many):
        newest = run_id(many - 1)
        agent = ["bot", "my agent", "team/é"][(many - 1) % 3]
        about = fish.offered(f"aivcs run show {newest[:8]}")[newest]
        assert about.startswith(f"{agent} completed, ")
        assert about.endswith(" ago")

    def test_the_store_of_the_line_is_asked(self, fish, elsewhere):
        assert fish.offered("aivcs -C / release current ") == {}
        assert list(fish.offered("aivcs -C '../else where/there' release current t")) == ["team/x"]


class TestNamesThatAShellWouldObey:
    """Names are data of others, whoever logged to the store; they come as they are, or not."""

    NAMES = ("k$(touch hurt)", "l`touch hurt`", "n'; touch hurt; '", 'o"; touch hurt; "', r"q\$x")

    @pytest.mark.parametrize("quote", ["", '"', "'"])
    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_none_is_obeyed(self, aivcs, programs, shell, quote):
        # The command refuses such names; stores written by others may have them.
        repo = Repository.open(aivcs.store)
        spec = repo.blobs.put(b"a spec\n")
        for name in self.NAMES:
            repo.runs.create_run(spec, RunMetadata(name))
        options = ["--norc", "--noprofile"] if shell == "bash" else ["-f"]
        setup = (BASH if shell == "bash" else ZSH).format(completions=COMPLETIONS, more="")
        path = f"{programs}:{os.environ['PATH']}"
        terminal = Terminal([found(shell), *options, "-i"], aivcs.folder, setup, {"PATH": path})
        came = 0
        for name in self.NAMES:
            terminal.type(f"aivcs run list --agent {quote}{name[0]}\t")
            if terminal.report():
                terminal.type("\r")
                assert terminal.report() == ["run", "list", "--agent", name]
                came += 1
            terminal.type("\x15")
        terminal.close()
        assert not (aivcs.folder / "hurt").exists()
        assert came == 5
