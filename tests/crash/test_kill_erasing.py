"""A command that erases or annotates is killed before each of its system calls in turn.

After every kill, no chain is broken, what is erased has its record, and `verify --repair` leaves
either a store in which nothing was erased, or one in which all that has a record is gone. An
annotation is there, whole and shown, or it is not; and the same command can be given again.
"""

import json
import sqlite3
import subprocess
from contextlib import closing
from typing import Any

import pytest
from crash.harness import Tracer, copy_of, in_parallel, require_strace, steps

from aivcs.api import Repository

pytestmark = pytest.mark.usefixtures("strace")
SECRET = "sk-live-2f8c4e1d9b7a6053"


@pytest.fixture(scope="session")
def strace():
    require_strace()


@pytest.fixture
def lived_in(aivcs):
    """A store with a run that has a secret in two events and a blob, and a second run."""
    run = aivcs.begin("bot", b"a spec\n")
    (aivcs.folder / "file").write_text(SECRET)
    aivcs.ok("run", "log", "--blob", "file=file", run, "output")
    aivcs.ok("run", "log", run, "output", f"text={SECRET}")
    aivcs.ok("run", "log", run, "output", f"text=again {SECRET}")
    (aivcs.folder / "file").unlink()
    return aivcs, run


def holders(folder):
    """The files that have the secret in them, each as often as it does."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in paths for _ in range(path.read_bytes().count(SECRET.encode()))]


def is_indexed(store, run):
    """Whether the index of texts has the words of a run."""
    path = store / "texts.sqlite"
    if not path.exists():
        return False
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        query = "SELECT count(*) FROM documents WHERE run_id = ?"
        return database.execute(query, (run,)).fetchone() != (0,)


def redact(aivcs, run):
    return ("run", "redact", run, "--match", SECRET, "--with-blobs", "--reason", "r", "--by", "a")


def remove(aivcs, run):
    """Of an untrusted run whose text the index of texts has, too."""
    aivcs.ok("run", "finish", run)
    aivcs.ok("run", "annotate", run, "-m", SECRET)
    (aivcs.store / "untrusted").mkdir()
    (aivcs.store / "untrusted" / run).write_bytes(b"fork\n")
    store: Any = Repository.open(aivcs.store).store
    assert store.index_texts(seconds=None, progress=lambda _: None)
    assert is_indexed(aivcs.store, run)
    return ("run", "rm", run, "--reason", "r", "--by", "a")


def prune(aivcs, run):
    aivcs.ok("run", "finish", run)
    other = aivcs.begin("bot", b"a spec\n")
    aivcs.ok("run", "finish", other)
    return ("run", "prune", "--keep-last", "0", "--max", "9", "--by", "a")


def erase_blob(aivcs, run):
    (found,) = [path for path in holders(aivcs.store) if "objects" in str(path)]
    digest = found.parent.name + found.name
    aivcs.ok("blob", "pin", digest)
    return ("blob", "rm", digest, "--reason", "r", "--by", "a")


@pytest.mark.parametrize("command", [redact, remove, prune, erase_blob], ids=lambda f: f.__name__)
def test_killed_at_any_point_it_is_not_done_or_done_and_recorded(lived_in, command, tmp_path):
    aivcs, run = lived_in
    words = command(aivcs, run)
    before = len(holders(aivcs.store))
    calls, _ = Tracer(copy_of(aivcs, tmp_path / "count")).calls(*words)
    chosen = steps(calls)
    assert len(chosen) > 5
    seen = set()

    def check(numbered):
        number, call = numbered
        here = copy_of(aivcs, tmp_path / f"at-{number}")
        assert Tracer(here).kill(call, *words), f"{call} did not come"
        is_begun = (here.store / "erasures").exists() and any((here.store / "erasures").iterdir())
        told = here("verify")
        assert told.code == 0, told
        if not is_begun:
            assert len(holders(here.store)) == before
        mark = here.store / "untrusted" / run
        if command is remove:  # it is no evidence, not even half erased
            assert mark.exists() or not here.run_log(run).exists()
        here.ok("verify", "--repair")
        left = len(holders(here.store))
        recorded = [json.loads(path.read_bytes()) for path in (here.store / "erasures").glob("*")]
        assert (left < before) == bool(recorded), (call, left, recorded)
        if recorded and command is remove:
            assert not mark.exists()
            assert not is_indexed(here.store, run)
        assert "still here" not in here.ok("verify").text
        log = here.run_log(run)
        if log.exists():
            here.ok("run", "events", run)
        seen.add(bool(recorded))

    in_parallel(check, enumerate(chosen))
    assert seen == {False, True}


@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("earlier", [0, 1], ids=["the first", "a later one"])
def test_an_annotation_killed_at_any_point_is_whole_or_not_there(
    lived_in, earlier, is_signed, tmp_path
):
    aivcs, run = lived_in
    aivcs.ok("run", "finish", run)
    for _ in range(earlier):
        aivcs.ok("run", "annotate", run, "-m", "seen", "--by", "b")
    words = ["run", "annotate", run, "evaluation", "score:=0.9", "--by", "a"]
    if is_signed:
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        words += ["--signing-key", str(key)]
    log = aivcs.run_log(run).read_bytes()
    calls, _ = Tracer(copy_of(aivcs, tmp_path / "count")).calls(*words)
    chosen = steps(calls)
    assert len(chosen) > 5
    seen = set()

    def shown(here):
        notes = json.loads(here.ok("run", "show", run, "--json").text).get("annotations", [])
        assert len(list((here.store / "notes").glob(f"*/{run}/*"))) == len(notes)
        assert sum(note["by"] == "b" for note in notes) == earlier
        ours = [note for note in notes if note["by"] == "a"]
        assert all(note["payload"] == {"score": 0.9} for note in ours)
        assert all(("signature" in note) == is_signed for note in ours)
        return len(ours)

    def check(numbered):
        number, call = numbered
        here = copy_of(aivcs, tmp_path / f"at-{number}")
        assert Tracer(here).kill(call, *words), f"{call} did not come"
        here.ok("verify")
        is_there = shown(here)
        here.ok(*words)
        assert shown(here) == is_there + 1
        here.ok("verify", "--repair")
        told = here.ok("verify").text
        assert not told, told
        assert here.run_log(run).read_bytes() == log
        seen.add(is_there)

    in_parallel(check, enumerate(chosen))
    assert seen == {0, 1}
