"""The command is killed before each of its system calls in turn.

After every kill, all that was acknowledged is there, what was not is there as a whole or not at
all, and the same command, called again, does its work. By default that is tried before each call
that changes or syncs something; the slow test does it before every call from the first look at the
store on, opening and closing files included.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from typing import Any

import pytest
from crash.harness import (
    COMMAND,
    Tracer,
    artifact,
    copy_of,
    in_parallel,
    judge,
    read_store,
    require_strace,
    steps,
)

pytestmark = pytest.mark.usefixtures("strace")
LARGE = bytes(range(256)) * 12_001
STREAM = b"".join(
    json.dumps({"kind": "k", "payload": {"n": n, "pad": "x" * 50_000}}).encode() + b"\n"
    for n in range(50)
)
"""Three batches, of 1 MiB at most."""
points: dict[Any, Any] = {}
"""By command, how many kills there were."""


@pytest.fixture(scope="session")
def strace():
    require_strace()


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    if points:
        width = max(map(len, points))
        rows = [f"{name:<{width}}  {found}" for name, found in points.items()]
        total = sum(int(found.split()[0]) for found in points.values())
        artifact("kill-points.txt", "\n".join([*rows, f"{'in all':<{width}}  {total}"]))


class Scenario:
    """A command on a store that has something in it, and what may be seen when it was cut short.

    `prepare` may add to the store and returns the arguments. `undone`, `done` and `partly` say what
    is seen after a kill, `twice` what is right after the same command was called again.
    """

    stdin = b""
    again = 0
    """The exit code of the same command once it has been done."""

    def prepare(self, aivcs, facts):
        raise NotImplementedError

    def undone(self, before, now, facts):
        """Nothing has happened, as far as anybody can see."""
        return now == before

    def done(self, before, now, facts):
        """All of it has happened."""
        raise NotImplementedError

    def partly(self, before, now, facts):
        """What else is right if it is cut short: some batches of several."""
        return False

    def twice(self, before, now, facts):
        """It was done, without an answer, and then done again."""
        return self.done(before, now, facts)


class Puts(Scenario):
    def __init__(self, content, *, there=None):
        self.content = content
        self.there = there

    def prepare(self, aivcs, facts):
        (aivcs.folder / "file").write_bytes(self.content)
        if self.there is not None:
            aivcs.put(self.content)
        return "blob", "put", "file"

    def done(self, before, now, facts):
        return (now.blobs - before.blobs, before.blobs - now.blobs) == (
            {facts["sha256"](self.content)} - before.blobs,
            set(),
        ) and (now.runs, now.releases) == (before.runs, before.releases)


class PutsMany(Scenario):
    """Stores some files together: one that is there, two that are not, one of them twice."""

    contents = (b"new", b"spec one\n", LARGE, b"new")

    def prepare(self, aivcs, facts):
        for number, content in enumerate(self.contents):
            (aivcs.folder / f"file-{number}").write_bytes(content)
        return "blob", "put", *(f"file-{number}" for number in range(len(self.contents)))

    def done(self, before, now, facts):
        wanted = {facts["sha256"](content) for content in self.contents}
        return now.blobs == before.blobs | wanted and now.runs == before.runs

    def partly(self, before, now, facts):
        wanted = {facts["sha256"](content) for content in self.contents}
        return before.blobs <= now.blobs <= before.blobs | wanted and now.runs == before.runs


class Starts(Scenario):
    def prepare(self, aivcs, facts):
        return "run", "start", "--agent", "bot", "--spec", facts["spec"]

    def done(self, before, now, facts, count=(1,)):
        new = now.runs.keys() - before.runs.keys()
        return (
            len(new) in count
            and all(not now.events(run) and not now.ended(run) for run in new)
            and all(now.runs[run] == before.runs[run] for run in before.runs)
        )

    def twice(self, before, now, facts):
        return self.done(before, now, facts, count=(1, 2))


class StartsWithFile(Starts):
    """As Starts, but the spec is stored on the way."""

    def prepare(self, aivcs, facts):
        (aivcs.folder / "spec").write_bytes(b"a new spec\n")
        return "run", "start", "--agent", "bot", "--spec-file", "spec"

    def undone(self, before, now, facts):
        return now.runs == before.runs and len(now.blobs - before.blobs) <= 1


class Logs(Scenario):
    events = (("k", {"a": "1"}),)

    def prepare(self, aivcs, facts):
        return "run", "log", facts["run"], "k", "a=1"

    def added(self, before, now, facts):
        run = facts["run"]
        old, new = before.events(run), now.events(run)
        assert new[: len(old)] == old
        assert [seq for seq, _, _ in new] == list(range(1, len(new) + 1))
        assert {**now.runs, run: None} == {**before.runs, run: None}
        return tuple((kind, payload) for _, kind, payload in new[len(old) :])

    def done(self, before, now, facts):
        return self.added(before, now, facts) == self.events

    def twice(self, before, now, facts):
        return self.added(before, now, facts) in (self.events, self.events * 2)


class LogsStream(Logs):
    stdin = STREAM
    events = tuple(  # type: ignore[assignment]
        (event["kind"], event["payload"]) for event in map(json.loads, STREAM.splitlines())
    )

    def __init__(self, *options):
        self.options = options

    def prepare(self, aivcs, facts):
        return "run", "log", "--stdin", *self.options, facts["run"]

    def partly(self, before, now, facts):
        # Whole lines of it, in order: even --atomic is only as atomic as writing to a file is.
        added = self.added(before, now, facts)
        return added == self.events[: len(added)]

    def twice(self, before, now, facts):
        added = self.added(before, now, facts)
        first = len(added) - len(self.events)
        return added == self.events[:first] + self.events


class LogsOntoTorn(Logs):
    """The log has a torn end, which has to be mended first."""

    torn = b'{"type":"event","seq":3,"kind":"k","payl'

    def prepare(self, aivcs, facts):
        with aivcs.run_log(facts["run"]).open("ab") as file:
            file.write(self.torn)
        return super().prepare(aivcs, facts)


class LogsOntoUnended(Logs):
    """The last line of the log lacks its newline, behind which there are NULs."""

    def prepare(self, aivcs, facts):
        with aivcs.run_log(facts["run"]).open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\0" * 100)
        return super().prepare(aivcs, facts)


class Finishes(Scenario):
    again = 15

    def prepare(self, aivcs, facts):
        return "run", "finish", facts["run"], "--exit-code", "3"

    def done(self, before, now, facts):
        *lines, end = now.runs[facts["run"]]
        return (
            lines == before.runs[facts["run"]]
            and (end["type"], end["status"]) == ("end", "FAILED")
            and end["summary"]["total_events"] == len(before.events(facts["run"]))
        )


class Releases(Scenario):
    def __init__(self, action, name, content):
        self.action = action
        self.name = name
        self.content = content

    def prepare(self, aivcs, facts):
        facts["live"] = facts["sha256"](self.content)
        if self.action == "rollback":
            return "release", "rollback", self.name, "--expect", facts["sha256"](b"spec two\n")
        if self.name == "live/bot":
            return "release", "promote", self.name, facts["live"], "--expect", "@2"
        return "release", "promote", self.name, facts["live"], "--expect", "none"

    again = 15

    def done(self, before, now, facts):
        old, new = before.history(self.name), now.history(self.name)
        return (
            new == [*old, (len(old) + 1, self.action, facts["live"])]
            and {**now.releases, self.name: 0} == {**before.releases, self.name: 0}
            and now.runs == before.runs
        )


class Configures(Scenario):
    def __init__(self, *arguments, result):
        self.arguments = arguments
        self.result = result

    def prepare(self, aivcs, facts):
        if self.result is None:
            aivcs.ok("config", "set", "core.lock_timeout", "7")
        return "config", *self.arguments

    def done(self, before, now, facts):
        return now.config == self.result and now.runs == before.runs


class Removes(Scenario):
    again = 12

    def prepare(self, aivcs, facts):
        facts["gone"] = aivcs.put(b"to be removed")
        return "blob", "rm", facts["gone"]

    def done(self, before, now, facts):
        return before.blobs - now.blobs == {facts["gone"]} and not now.blobs - before.blobs


class Collects(Scenario):
    """Deletes three blobs, one of which names another."""

    def prepare(self, aivcs, facts):
        facts["part"] = aivcs.put(b"an old part")
        facts["whole"] = aivcs.put(json.dumps([facts["part"]]).encode())
        facts["gone"] = {facts["part"], facts["whole"], aivcs.put(b"old")}
        for digest in facts["gone"]:
            os.utime(aivcs.object(digest), (0, 0))
        return ("gc",)

    def done(self, before, now, facts):
        return (
            before.blobs - now.blobs == facts["gone"]
            and now.blobs <= before.blobs
            and (now.runs, now.releases) == (before.runs, before.releases)
        )

    def partly(self, before, now, facts):
        gone = before.blobs - now.blobs
        whole_has_its_part = facts["part"] not in gone or facts["whole"] in gone
        return gone <= facts["gone"] and whole_has_its_part and now.runs == before.runs


class TakesHeads(Scenario):
    """Stores a manifest and pins it."""

    def prepare(self, aivcs, facts):
        return ("head",)

    def done(self, before, now, facts):
        return (
            len(now.blobs - before.blobs) == 1
            and before.blobs <= now.blobs
            and (now.runs, now.releases) == (before.runs, before.releases)
        )


SCENARIOS = {
    "blob put (new)": Puts(b"new"),
    "blob put (there already)": Puts(b"old", there=True),
    "blob put (large)": Puts(LARGE),
    "blob put (large, there already)": Puts(LARGE, there=True),
    "blob put (many)": PutsMany(),
    "blob rm": Removes(),
    "gc": Collects(),
    "head": TakesHeads(),
    "run start": Starts(),
    "run start --spec-file": StartsWithFile(),
    "run log": Logs(),
    "run log (mends a torn end)": LogsOntoTorn(),
    "run log (mends a missing newline)": LogsOntoUnended(),
    "run log --stdin (three batches)": LogsStream(),
    "run log --stdin --atomic": LogsStream("--atomic"),
    "run finish": Finishes(),
    "release promote (first)": Releases("promote", "new/bot", b"spec one\n"),
    "release promote (next)": Releases("promote", "live/bot", b"spec three\n"),
    "release rollback": Releases("rollback", "live/bot", b"spec one\n"),
    "config set": Configures(
        "set", "core.lock_timeout", "5", result=b"[core]\nlock_timeout = 5.0\n"
    ),
    "config unset": Configures("unset", "core.lock_timeout", result=None),
}


@pytest.fixture
def lived_in(outside, files, tmp_path, template):
    """A store with blobs, runs and releases, and what they are."""
    if not template:
        outside.ok("init")
        template.update(live_in(outside, files), folder=tmp_path / "template")
        shutil.copytree(outside.folder, template["folder"])
    else:
        shutil.copytree(template["folder"], outside.folder, dirs_exist_ok=True)
    return outside, {name: template[name] for name in ("sha256", "spec", "run")}


@pytest.fixture(scope="module")
def template():
    return {}


def live_in(aivcs, files):
    facts = {"sha256": files.sha256, "spec": aivcs.put(b"spec one\n")}
    two, _ = aivcs.put(b"spec two\n"), aivcs.put(b"spec three\n")
    facts["run"] = aivcs.ok("run", "start", "--agent", "bot", "--spec", facts["spec"]).text
    aivcs.ok("run", "log", "--stdin", facts["run"], stdin=b'{"kind":"a"}\n{"kind":"b"}\n')
    aivcs.ok("release", "promote", "live/bot", facts["spec"])
    aivcs.ok("release", "promote", "live/bot", two)
    return facts


def hit(name, scenario, aivcs, facts, tmp_path, select):
    """Kills the command before each selected call, in a copy of the store each time."""
    arguments = scenario.prepare(aivcs, facts)
    before = judge(aivcs.store)
    trial = copy_of(aivcs, tmp_path / "trial")
    calls, _ = Tracer(trial).calls(*arguments, stdin=scenario.stdin)
    assert scenario.done(before, judge(trial.store), facts), "the command does not do its work"
    chosen = select(calls)
    assert chosen
    missed = []

    def check(numbered):
        number, call = numbered
        here = copy_of(aivcs, tmp_path / f"at-{number}")
        if not Tracer(here).kill(call, *arguments, stdin=scenario.stdin):
            # Into how many batches a stream falls depends on how fast it is read.
            assert scenario.stdin, f"{call} did not come"
            missed.append(call)
        now = judge(here.store)
        is_done = scenario.done(before, now, facts)
        assert (
            is_done or scenario.undone(before, now, facts) or scenario.partly(before, now, facts)
        ), f"killed before {call}: {now}"
        done = here(*arguments, stdin=scenario.stdin)
        assert done.code in ({0, scenario.again} if is_done else {0}), f"after {call}: {done}"
        now = judge(here.store)
        assert scenario.twice(before, now, facts), f"again, after {call}: {now}"

    in_parallel(check, enumerate(chosen))
    assert len(missed) < len(chosen) / 2
    chosen = [call for call in chosen if call not in missed]
    points[name] = f"{len(chosen):>3} {' '.join(shortly(chosen))}"


def shortly(calls):
    """How many of each call, in the order of their first."""
    counts: dict[Any, Any] = {}
    for call in calls:
        counts[call.name] = counts.get(call.name, 0) + 1
    return [name if count == 1 else f"{name}x{count}" for name, count in counts.items()]


SLOW = {
    "blob put (large, there already)",
    "run start",
    "run log (mends a missing newline)",
    "run log --stdin --atomic",
}
"""What takes the same steps as another command, or takes long."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SCENARIOS],
)
def test_killed_before_any_change_a_command_is_done_or_not_begun(name, lived_in, tmp_path):
    hit(name, SCENARIOS[name], *lived_in, tmp_path, steps)  # type: ignore[call-arg]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_before_any_call_a_command_is_done_or_not_begun(name, lived_in, tmp_path):
    hit(f"{name}, every call", SCENARIOS[name], *lived_in, tmp_path, list)  # type: ignore[call-arg]


def test_killed_at_any_point_init_leaves_no_store_or_a_usable_one(outside, tmp_path):
    calls, _ = Tracer(copy_of(outside, tmp_path / "count", store=False)).calls("init", "a/b")
    chosen = steps(calls)

    def check(numbered):
        number, call = numbered
        here = copy_of(outside, tmp_path / f"at-{number}", store=False)
        assert Tracer(here).kill(call, "init", "a/b"), f"{call} did not come"
        store = here.folder / "a/b/.aivcs"
        if (store / "format").exists():
            here.ok("--store", str(store), "blob", "put", "-", stdin=b"x")
        here.ok("init", "a/b")
        assert (store / "format").read_bytes() == b"1\n"
        judge(store)

    in_parallel(check, enumerate(chosen))
    points["init"] = f"{len(chosen):>3} {' '.join(shortly(chosen))}"


def test_a_write_that_stopped_half_way_is_kept_aside_and_mended_once_by_eight_writers(
    lived_in, tmp_path
):
    aivcs, facts = lived_in
    run = facts["run"]
    log = aivcs.run_log(run)
    before = log.read_bytes()
    # The file may grow by 1000 bytes: of the longer line these are written, without an error; the
    # rest is refused, and the process dies before it can cut the log back.
    resource_limit = len(before) + 1000
    done = subprocess.run(
        [
            *("strace", "-qq", "-o", os.devnull, "-e", "trace=ftruncate"),
            *("-e", "inject=ftruncate:signal=SIGKILL:when=1"),
            *COMMAND,
            *("run", "log", run, "large", f"pad={'x' * 5000}"),
        ],
        cwd=aivcs.folder,
        env=aivcs.environment(),
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (resource_limit, resource_limit)
        ),
        capture_output=True,
        check=False,
    )
    assert done.returncode in {-9, 137}, done
    torn = log.read_bytes()[len(before) :]
    assert len(torn) == 1000
    assert aivcs.ok("verify").err.endswith(b"no damage found, 1 notice\n")
    assert [event["seq"] for event in aivcs.events(run)] == [1, 2]

    writers = [aivcs.start("run", "log", run, "k", f"n={n}") for n in range(8)]
    assert [writer.wait(60) for writer in writers] == [0] * 8
    kept = list((aivcs.store / "damaged").iterdir())
    assert [file.read_bytes() for file in kept] == [torn]
    assert log.read_bytes().startswith(before)
    events = judge(aivcs.store).events(run)
    assert [seq for seq, _, _ in events] == list(range(1, 11))
    assert {payload["n"] for _, kind, payload in events if kind == "k"} == set("01234567")


def test_killed_while_it_writes_a_large_line_the_log_is_whole_after_the_next_append(lived_in):
    aivcs, facts = lived_in
    run = facts["run"]
    aivcs.ok("config", "set", "limits.event_bytes", str(64 << 20))
    (aivcs.folder / "text").write_bytes(b"x" * (48 << 20))
    log = aivcs.run_log(run)
    before = log.read_bytes()
    acknowledged = 2
    for _ in range(3):
        size = log.stat().st_size
        process = aivcs.start("run", "log", "--file", "text=text", run, "large")
        while log.stat().st_size == size and process.poll() is None:
            time.sleep(0.0001)
        process.kill()
        acknowledged += process.wait() == 0
        assert log.read_bytes().startswith(before)
        assert aivcs("verify").code == 0
        aivcs.ok("run", "log", run, "small")
        acknowledged += 1
        found = read_store(aivcs.store).events(run)
        assert len(found) >= acknowledged
        assert found[-1][1] == "small"
        acknowledged = len(found)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_stopped_at_a_random_time_a_stream_has_stored_what_it_acknowledged(lived_in, stop):
    aivcs, facts = lived_in
    run = facts["run"]
    acknowledged = 2
    for pause in (0.15, 0.3, 0.5):
        process = aivcs.start(
            *("run", "log", "--stdin", "--print-seq", run),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.set_blocking(process.stdin.fileno(), False)
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            try:
                process.stdin.write(b'{"kind":"k"}\n')
                process.stdin.flush()
            except BlockingIOError:
                pass
            time.sleep(0.002)
        process.send_signal(stop)
        out, err = process.communicate()
        if err.startswith(b"Fatal Python error: init_import_site"):
            continue  # on a busy machine it had not come as far as any code of ours
        assert b"Traceback" not in err
        assert process.returncode in {-stop, 128 + stop}, (process.returncode, err)
        acknowledged = max([acknowledged, *map(int, out.split(b"\n")[:-1])])
        assert len(judge(aivcs.store).events(run)) >= acknowledged


def test_init_syncs_every_folder_it_makes_before_it_makes_the_store(outside):
    calls, _ = Tracer(outside).calls("init", "a/b")
    named = next(
        at for at, call in enumerate(calls) if call.name == "rename" and "format" in call.text
    )
    synced = {
        call.text.partition("<")[2].partition(">")[0]
        for call in calls[:named]
        if call.name == "fsync"
    }
    project = str(outside.folder)
    made = [f"{project}/a/b/.aivcs", f"{project}/a/b", f"{project}/a", project]
    assert set(made) <= synced
