"""Stores beside the store of a test: each with an id of its own, and the command in its folder."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from conftest import Aivcs

TRACES = Path(
    os.environ.get(
        "AIVCS_TEST_TRACES",
        Path(__file__).resolve().parents[2].parent / "shared" / "data" / "agent-traces",
    )
)


@pytest.fixture
def store(tmp_path):
    """Returns a function that makes a store in a folder of its own, for the same user."""

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        command = Aivcs(folder, home)
        command.ok("init")
        return command

    return make


@pytest.fixture
def here(store):
    """A store with the remote `origin`, which is `there`."""
    return store("here")


@pytest.fixture
def there(store, here):
    other = store("there")
    here.ok("remote", "add", "origin", str(other.store))
    return other


def record(aivcs, number=1, *, agent="bot", is_over=True):
    """Records a run with some events, one of which has a blob; returns its id."""
    run = aivcs.begin(agent, f"spec of {agent}\n".encode())
    (aivcs.folder / "file.txt").write_text(f"{run} reads this\n")
    events = "".join(f'{{"kind":"step","payload":{{"n":{n}}}}}\n' for n in range(number))
    aivcs.ok("run", "log", "--stdin", run, stdin=events)
    aivcs.ok("run", "log", "--blob", "file=file.txt", run, "tool_called", "tool_name=read")
    if is_over:
        aivcs.ok("run", "finish", run, "--exit-code", "0")
    return run


def logs(aivcs):
    """The bytes of each log of a run, by its file's name."""
    return {path.name: path.read_bytes() for path in aivcs.store.glob("runs/*/*.jsonl")}


def blobs(aivcs):
    """The digests of the blobs in a folder, each hashed anew."""
    found = set()
    for path in aivcs.store.glob("objects/*/*"):
        digest = path.parent.name + path.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        found.add(digest)
    return found


def content(aivcs):
    """All of a store that a copy may change: logs, blobs, documents; not what is remembered."""
    return {
        str(path.relative_to(aivcs.store)): path.read_bytes()
        for path in sorted(aivcs.store.rglob("*"))
        if path.is_file() and path.relative_to(aivcs.store).parts[0] not in {"remotes", "tmp"}
        and path.name not in {"index.sqlite", "texts.sqlite"}
    }  # fmt: skip


def edit_log(path, edit):
    """Replaces the entries of a log by `edit(entries)`, chained anew as an expert would."""
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    previous, lines = "", []
    for entry in edit(entries):
        entry.pop("hash", None)
        body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)[:-1]
        previous = hashlib.sha256((previous + body).encode()).hexdigest()
        lines.append(f'{body},"hash":"{previous}"}}\n')
    path.write_text("".join(lines))
