"""The command under strace, and a reader of stores that shares no code with what it judges.

`Tracer` runs the real command and counts what it asks of the system; it makes the Nth call of a
kind fail, or the process die just before it. `read_store` reads a store with nothing but hashlib
and json, as the format's description says; `judge` compares that with what the command's own
reading says.
"""

import compileall
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import aivcs

COMMAND = [sys.executable, "-m", "aivcs"]
"""Not a script that starts an interpreter: its system calls would be counted too."""
# fmt: off
CHANGING = [
    "write", "pwrite64", "copy_file_range", "fsync", "fdatasync", "syncfs", "rename", "renameat",
    "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "ftruncate", "flock",
    "utimensat", "chmod", "fchmod", "fchmodat",
]
# fmt: on
"""Calls that change a store, or that are waited for. strace is told that some may not exist."""
ALL = [*CHANGING, "openat", "close"]
SECONDS = 60
_OURS = re.compile(r"\.aivcs(?=[/\">])")
_LIBRARY = re.compile(r"\.pyc?[\">]|/lib/python|/aivcs/aivcs|site-packages|__pycache__")
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")


def require(condition, reason):
    """Skips a test whose means are missing; where all of them must be there, it fails."""
    if not condition:
        if os.environ.get("AIVCS_REQUIRE_ALL") == "1":
            pytest.fail(f"AIVCS_REQUIRE_ALL is set, but {reason}")
        pytest.skip(reason)


def require_strace():
    compile_once()
    require(shutil.which("strace"), "there is no strace")
    tried = subprocess.run(
        ["strace", "-qq", "-e", "trace=write", "true"],
        capture_output=True,
        check=False,
    )
    require(tried.returncode == 0, f"strace may not trace here: {tried.stderr[:200]!r}")


@functools.cache
def compile_once():
    """Compiles the package, or its modules would be opened and read until somebody had done so.

    Then the Nth call would be another one in the next run.
    """
    compileall.compile_dir(Path(aivcs.__file__).parent, quiet=1)


class Call:
    """One system call of a command: its name, which of that name it is, and what it was about."""

    def __init__(self, name, number, text):
        self.name = name
        self.number = number
        self.text = text

    def __repr__(self):
        return f"{self.name} #{self.number}: {self.text[:160]}"


class Tracer:
    """Runs the command of an `aivcs` fixture under strace."""

    def __init__(self, aivcs):
        self.aivcs = aivcs

    def _run(self, options, arguments, stdin, **more):
        return subprocess.run(
            ["strace", "-qq", *options, *COMMAND, *arguments],
            cwd=more.pop("cwd", self.aivcs.folder),
            env=self.aivcs.environment(PYTHONDONTWRITEBYTECODE="1", **more.pop("env", {})),
            input=stdin,
            stdout=more.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
            **more,
        )

    def calls(self, *arguments, stdin=b"", names=ALL, code=0, inject=(), **more):
        """The calls from the first one that names the store on; with `inject`, what then happens.

        Returns the calls, and what the command did.
        """
        out = self.aivcs.home / f"trace-{os.urandom(4).hex()}"
        try:
            done = self._run(
                ["-y", "-s", "4096", "-o", str(out), "-e", _set("trace", names), *inject],
                arguments,
                stdin,
                **more,
            )
            lines = out.read_text(errors="replace").splitlines()
        finally:
            out.unlink(missing_ok=True)
        if code is not None:
            assert done.returncode == code, done
        return _parse(lines), done

    def kill(self, call, *arguments, stdin=b"", **more):
        """Runs the command until just before a call; tells whether it came so far."""
        done = self._run(
            [
                *("-o", os.devnull, "-e", _set("trace", [call.name])),
                *("-e", f"inject={call.name}:signal=SIGKILL:when={call.number}"),
            ],
            arguments,
            stdin,
            **more,
        )
        assert done.returncode in {0, -9, 137}, done
        return done.returncode != 0

    def fail(self, inject, *arguments, stdin=b"", trace=ALL, **more):
        """Runs the command with a failing call, and returns what it did and the calls it made.

        Args:
            inject: As strace's own: `write:error=ENOSPC:when=3`.
            arguments: The command.
            stdin: Its input.
            trace: The calls to report.
            more: As for subprocess.run.
        """
        return self.calls(
            *arguments,
            stdin=stdin,
            names=trace,
            code=None,
            inject=["-e", f"inject={inject}"],
            **more,
        )


def _set(word, names):
    return f"{word}={','.join('?' + name for name in names)}"


def _parse(lines):
    counts, calls, begun = {}, [], False  # type: ignore[var-annotated]
    for line in lines:
        found = _CALL.match(line)
        if not found:
            continue
        name, text = found.groups()
        counts[name] = counts.get(name, 0) + 1
        begun = begun or (bool(_OURS.search(text)) and not _LIBRARY.search(text))
        if begun:
            calls.append(Call(name, counts[name], text))
    return calls


def steps(calls):
    """Of the calls of a command, those that change something or that are waited for."""
    return [
        call
        for call in calls
        if call.name in CHANGING or (call.name == "openat" and "O_CREAT" in call.text)
    ]


def in_parallel(function, items, workers=3):
    """Calls a function for each item, a few at a time; the first error is raised."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def copy_of(aivcs, folder, *, store=True):
    """The same command in a folder of its own, with a copy of the store."""
    other = type(aivcs)(folder / "project", folder / "home")
    other.home.mkdir(parents=True)
    if store:
        shutil.copytree(aivcs.folder, other.folder, symlinks=True)
    else:
        other.folder.mkdir()
    return other


class Store:
    """What a store shows: blobs, runs, releases and configuration.

    Attributes:
        blobs: The digests of the objects, all of which hash to their names.
        runs: By run id, the parsed lines of its log.
        releases: By name, the parsed lines of its log.
        config: The bytes of config.toml, or None.
    """

    def __init__(self, blobs, runs, releases, config):
        self.blobs = blobs
        self.runs = runs
        self.releases = releases
        self.config = config

    def events(self, run):
        return [
            (entry["seq"], entry["kind"], entry["payload"])
            for entry in self.runs[run]
            if entry["type"] == "event"
        ]

    def ended(self, run):
        return self.runs[run][-1]["type"] == "end"

    def history(self, name):
        return [
            (entry["seq"], entry["action"], entry["spec_digest"])
            for entry in self.releases.get(name, [])
        ]

    def named(self):
        """All digests that runs and releases refer to."""
        logs = [*self.runs.values(), *self.releases.values()]
        return {entry["spec_digest"] for log in logs for entry in log if "spec_digest" in entry}

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __hash__(self):
        return id(self)

    def __repr__(self):
        return json.dumps({**vars(self), "blobs": sorted(self.blobs)}, default=repr)[:3000]


def read_store(path):
    """Reads a store as its format is described; fails on anything that a crash may not leave."""
    blobs = set()
    for file in sorted((path / "objects").glob("*/*")):
        digest = file.parent.name + file.name
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, file
        blobs.add(digest)
    runs = {file.stem: entries(file) for file in sorted((path / "runs").glob("*/*.jsonl"))}
    releases = {
        str(file.relative_to(path / "releases"))[: -len(".jsonl")]: entries(file)
        for file in sorted((path / "releases").rglob("*.jsonl"))
    }
    config = path / "config.toml"
    return Store(
        blobs,
        {run: lines for run, lines in runs.items() if lines},
        {name: lines for name, lines in releases.items() if lines},
        config.read_bytes() if config.exists() else None,
    )


def entries(file):
    """The entries of a log up to what may be torn, each hash computed anew and compared."""
    *lines, rest = file.read_bytes().split(b"\n")
    rest = rest.rstrip(b"\0")  # a whole line may lack its newline, and file systems leave NULs
    found, previous = [], b""  # type: ignore[var-annotated]
    for line in [*lines, rest]:
        body, mark, tail = line.rpartition(b',"hash":"')
        link = hashlib.sha256(previous + body).hexdigest().encode()
        if not mark or tail != link + b'"}':
            assert line is rest, f"{file}: line {len(found) + 1} is not right"
            break
        found.append(json.loads(line))
        previous = link
    seqs = [entry["seq"] for entry in found if entry["type"] == "event"]
    assert len(seqs) == len(set(seqs)), file
    assert all(entry["type"] != "end" for entry in found[:-1]), file
    return found


def judge(path):
    """Reads a store in both ways; they must agree, and find no damage. Returns what it shows."""
    from folder_store import FolderStore

    seen = read_store(path)
    assert seen.named() <= seen.blobs, "something refers to a blob that is not there"
    backend = FolderStore.open(str(path))
    findings = list(backend.verify(frozenset(("blobs", "runs", "releases"))))
    assert not [found for found in findings if found.severity == "damage"], findings
    assert set(backend.blobs.list_digests()) == seen.blobs
    for digest in seen.blobs:
        backend.blobs.get(digest)
    assert {record.run_id for record in backend.runs.list_runs()} == set(seen.runs)
    for run in seen.runs:
        told = [(event.seq, event.kind, event.payload) for event in backend.runs.get_events(run)]
        assert told == sorted(seen.events(run), key=lambda event: event[0])
        assert backend.runs.get_run(run).status.is_terminal == seen.ended(run)
    assert set(backend.releases.list_names()) == set(seen.releases)
    for name in seen.releases:
        told = [
            (record.seq, record.action, record.spec_digest)
            for record in backend.releases.history(name)
        ]
        assert told[::-1] == seen.history(name)
    return seen


def artifact(name, text):
    """Prints a table, and keeps it where AIVCS_ARTIFACTS says."""
    print(f"\n{text}")
    folder = os.environ.get("AIVCS_ARTIFACTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_text(text + "\n")
