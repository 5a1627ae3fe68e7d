"""The real command as a process, in an environment that the machine around cannot reach."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import BESIDE, COMMAND
from hypothesis import HealthCheck, settings
from isolation import NO_SYSTEM, reset_environment, reset_signals
from warm import Warm

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("aivcs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("aivcs")

QUICK = (
    "cli/test_blob.py", "cli/test_help.py", "cli/test_mistakes.py", "cli/test_spec.py", "codec/",
    "compare/", "config/", "contract/test_memory.py", "exec/test_exec.py", "exec/test_lines.py",
    "log/", "policy/test_policy.py", "policy/test_promotion.py", "policy/test_proof.py",
    "policy/test_rules.py", "policy/test_signing.py", "spec/", "test_aio.py",
    "test_release_states.py", "test_repository.py", "trace/",
)  # fmt: skip
"""The part that is executed with every Python: something of each layer, in a minute."""
PROCESS = (
    "benchmarks/", "cli/test_environment.py", "cli/test_output.py",
    "concurrency/", "deploy/", "docs/", "exec/", "faults/", "hostile/", "reap/", "shell/",
    "test_growth.py", "test_isolation.py", "test_resident_memory.py", "test_startup.py",
)  # fmt: skip
"""Where the process itself is tested: how it starts, what it inherits, how it ends, what it takes.
All else calls the command through `warm`, which is the same from `aivcs.cli.main.run` on."""
SECONDS = 60
"""How long a command may take before a test calls it stuck."""


def pytest_configure(config):
    reset_signals()
    reset_environment()


def pytest_collection_modifyitems(items):
    for item in items:
        path = os.path.relpath(item.path, Path(__file__).parent)
        if path.startswith(QUICK):
            item.add_marker("quick")
        if path.startswith(PROCESS):
            item.add_marker("process")


def pytest_runtest_setup(item):
    Aivcs.is_warm = item.get_closest_marker("process") is None


def pytest_unconfigure():
    if Aivcs.server is not None:
        Aivcs.server.close()


def pytest_terminal_summary(terminalreporter):
    """Says at the end which tests were skipped, by the reason."""
    reasons: dict[Any, Any] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        _, _, reason = report.longrepr
        test = report.nodeid.partition("[")[0]
        of_reason = reasons.setdefault(reason.removeprefix("Skipped: "), Counter())
        of_reason[test] += 1
    if reasons:
        terminalreporter.section("skipped tests, and why")
    for reason, tests in sorted(reasons.items()):
        terminalreporter.line(f"{reason}: {tests.total()} skipped")
        for test, times in sorted(tests.items()):
            terminalreporter.line(f"    {test}" + (f" ({times} times)" if times > 1 else ""))


def pytest_xdist_auto_num_workers(config):
    """Two workers a processor, since tests mostly wait; none for tests that are picked by name."""
    picked = config.option.keyword or any("::" in argument for argument in config.args)
    return 0 if picked else 2 * len(os.sched_getaffinity(0))


class Done:
    """What a command did: its exit code and the bytes it wrote."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def text(self):
        """Standard output without its last newline."""
        return self.out.decode().removesuffix("\n")

    @property
    def lines(self):
        """The lines of standard output, which must end with a newline."""
        assert not self.out or self.out.endswith(b"\n")
        return self.out.decode().split("\n")[:-1]

    @property
    def json(self):
        """Standard output as one JSON value on one line."""
        (line,) = self.lines
        return json.loads(line)

    @property
    def json_lines(self):
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.lines]

    @property
    def complaint(self):
        """The one line on standard error; a line of usage may follow it."""
        lines = self.err.decode().split("\n")
        assert lines.pop() == "", self.err
        assert lines, "nothing on standard error"
        assert all(line.startswith(("usage: ", "hint: ")) for line in lines[1:]), self.err
        assert lines[0].startswith("aivcs: "), self.err
        return lines[0].removeprefix("aivcs: ")

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out[-2000:]!r}\nstderr: {self.err[-2000:]!r}"


class Aivcs:
    """Calls the command; by default in a folder that has a store.

    Attributes:
        is_warm: Whether a call may be served by a process that has loaded the command; `start` and
            `shell` always start real ones, and so do calls in a test marked `process`.
        server: What serves such calls, one for each worker.
    """

    is_warm = False
    server: Warm | None = None

    def __init__(self, folder, home):
        self.folder = folder
        self.home = home
        self.store = folder / ".aivcs"

    def environment(self, **changes):
        """What every command gets: no configuration, no CI system, a plain locale."""
        values = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "USER": "tester",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            **NO_SYSTEM,
            **changes,
        }
        return {name: value for name, value in values.items() if value is not None}

    def __call__(self, *arguments, stdin=b"", cwd=None, code=None, env=None, **options):
        """Runs a command; checks its exit code if one is given."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        if stdin is not None:
            options["input"] = stdin
        result = self._run(
            arguments,
            cwd=cwd or self.folder,
            env=self.environment(**(env or {})),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            timeout=options.pop("timeout", SECONDS),
            **options,
        )
        assert b"Traceback" not in result.err, result
        assert result.code != 70, result
        if code is not None:
            assert result.code == code, result
        return result

    def _run(self, arguments, *, env, stdout, stderr, **options):
        if self.is_warm:
            if Aivcs.server is None:
                Aivcs.server = Warm(COMMAND, Aivcs(Path("/"), Path("/")).environment())
            rest = options.keys() - {"cwd", "timeout"}
            if Aivcs.server.serves(env, stdout, stderr, rest):
                server = Aivcs.server
                return Done(*server(arguments, env=env, stdout=stdout, stderr=stderr, **options))
        done = subprocess.run(
            [*COMMAND, *arguments], env=env, stdout=stdout, stderr=stderr, check=False, **options
        )
        return Done(done.returncode, done.stdout or b"", done.stderr or b"")

    def ok(self, *arguments, **options):
        """Runs a command that must succeed."""
        return self(*arguments, code=0, **options)

    def start(self, *arguments, **options):
        """Starts a command without waiting for it."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=options.pop("cwd", self.folder),
            env=self.environment(**options.pop("env", {})),
            **options,
        )

    def shell(self, script, *arguments, env=None, **options):
        """Runs a script in bash, where "$aivcs" is the command; $1 … are the arguments."""
        done = subprocess.run(
            ["bash", "-c", f'aivcs() {{ {" ".join(COMMAND)} "$@"; }}\n{script}', "-", *arguments],
            cwd=options.pop("cwd", self.folder),
            env=self.environment(**(env or {})),
            capture_output=True,
            timeout=SECONDS,
            check=False,
            **options,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        assert b"Traceback" not in result.err, result
        assert b"internal error" not in result.err, result
        return result

    def put(self, content):
        """Stores a content and returns its digest."""
        digest = self.ok("blob", "put", "-", stdin=content).text
        assert digest == sha256(content)
        return digest

    def begin(self, agent="bot", content=b"a spec\n", *arguments):
        """Starts a run and returns its id."""
        return self.ok(
            "run", "start", "--agent", agent, "--spec", self.put(content), *arguments
        ).text

    def events(self, run):
        """The events of a run, as JSON."""
        return self.ok("run", "events", run, "--json").json_lines

    def record(self, run):
        """The record of a run, as JSON."""
        return self.ok("run", "show", run, "--json").json

    def run_log(self, run):
        """The file of a run."""
        return self.store / "runs" / run[:2] / f"{run}.jsonl"

    def release_log(self, name):
        """The file of a release name."""
        return self.store / "releases" / f"{name}.jsonl"

    def object(self, digest):
        """The file of a blob."""
        return self.store / "objects" / digest[:2] / digest[2:]


def sha256(data):
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data).hexdigest()


def seal(entries):
    """The bytes of a log with these entries, chained as the file format says."""
    previous, lines = "", []
    for entry in entries:
        body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)[:-1]
        previous = sha256(previous.encode() + body.encode())
        lines.append(f'{body},"hash":"{previous}"}}\n')
    return "".join(lines).encode()


def read_chain(path):
    """The entries of a log, each line's hash computed anew and compared."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    previous, entries = "", []
    for line in data[:-1].split(b"\n"):
        body, mark, rest = line.rpartition(b',"hash":"')
        assert mark, line
        link = sha256(previous.encode() + body)
        assert rest == link.encode() + b'"}', line
        entries.append(json.loads(line))
        previous = link
    return entries


def snapshot(folder):
    """Everything below a folder: each path's mode and, of a file, its bytes."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        mode = path.lstat().st_mode
        found[str(path)] = (mode, path.read_bytes() if path.is_file() else None)
    return found


@pytest.fixture
def outside(tmp_path):
    """The command in a folder without a store."""
    folder, home = tmp_path / "project", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    return Aivcs(folder, home)


@pytest.fixture(scope="session")
def command_in():
    """Returns the command in a folder and with a home that a test shares with others."""
    return Aivcs


@pytest.fixture(scope="session")
def programs():
    """The folder of the command, for shells that look for it."""
    if len(COMMAND) > 1:
        pytest.skip("the command is not installed")
    return str(BESIDE.parent)


@pytest.fixture(scope="session")
def new_store(tmp_path_factory):
    """A store as `init` makes it, to be copied: cheaper than a process for every test."""
    folder = tmp_path_factory.mktemp("new")
    command = Aivcs(folder, folder)
    command.ok("init")
    return command.store


@pytest.fixture
def aivcs(outside, new_store):
    """The command in a folder with a new store."""
    shutil.copytree(new_store, outside.store)
    return outside


@pytest.fixture
def unchanged(aivcs):
    """A block after which the store must be byte for byte as before."""
    return Unchanged(aivcs.store)


class Unchanged:
    def __init__(self, store):
        self._store = store

    def __enter__(self):
        self._before = snapshot(self._store)

    def __exit__(self, kind, error, trace):
        if kind is None:
            assert snapshot(self._store) == self._before


class Files:
    """What of the file format tests compute for themselves."""

    sha256 = staticmethod(sha256)
    seal = staticmethod(seal)
    read_chain = staticmethod(read_chain)
    snapshot = staticmethod(snapshot)


@pytest.fixture(scope="session")
def files():
    return Files


@pytest.fixture(scope="session")
def latin1(tmp_path_factory):
    """The environment of a locale whose characters are not UTF-8."""
    if shutil.which("localedef") is None:
        pytest.skip("there is no localedef to make a Latin-1 locale with")
    folder = tmp_path_factory.mktemp("locales")
    name = "de_DE.ISO-8859-1"
    subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(folder / name)],
        capture_output=True,
        check=False,
    )
    environment = {"LOCPATH": str(folder), "LC_ALL": name}
    asked = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.stdout.strip() != "iso8859-1":
        pytest.skip("a Latin-1 locale cannot be made here")
    return environment
