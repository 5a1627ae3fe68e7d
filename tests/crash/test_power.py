"""The power fails: what was not synced is gone, and what was acknowledged is not.

The store is on a file system in an image that is mounted through a loop device. What the kernel
still holds in memory is not in the image, so a copy of it is what a disk would hold if the power
failed at that moment; the copy is mounted, with the file system's own recovery, and read. ext2,
which has no journal, shows a missing sync of a folder that journals hide. The cache of a real disk
is not imitated: what the file system has sent counts as written.
"""

import filecmp
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from crash.harness import COMMAND, Tracer, judge, require, require_strace

from aivcs import Repository
from aivcs.store.settings import Settings

FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], "64M", "noatime,commit=300"),
    "ext2": (["mkfs.ext2", "-q", "-F"], "64M", "noatime"),
    "xfs": (["mkfs.xfs", "-q", "-f"], "320M", "noatime"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], "256M", "noatime,commit=300"),
}
"""By name: what makes it, the size of its image, how it is mounted (without periodic commits)."""
BESIDE = {"xfs": ",nouuid"}
"""How a copy is mounted while the original is, which has the same id. ext4 and ext2 do not mind,
and btrfs gives it another one by itself, where the kernel can (from 6.7 on: `temp_fsid`)."""


class Disk:
    """A file system in an image, mounted; its power can be cut."""

    def __init__(self, kind, folder):
        make, size, self.options = FILE_SYSTEMS[kind]
        self.kind = kind
        self.folder = folder
        self.image = folder / "image"
        self.root = folder / "disk"
        self.root.mkdir()
        self._mounted = []
        run("truncate", "-s", size, self.image)
        run(*make, self.image)
        self.mount(self.image, self.root, self.options)

    def mount(self, image, root, options):
        done = subprocess.run(
            ["mount", "-t", self.kind, "-o", f"loop,{options}", str(image), str(root)],
            capture_output=True,
            check=False,
        )
        require(done.returncode == 0, f"{self.kind} cannot be mounted: {done.stderr!r}")
        self._mounted.append(root)

    def copy(self, name):
        """What is on the disk now, and would be after a power cut.

        The kernel may write while it is copied, by itself, and then the copy is of no one moment.
        If the image is as the copy afterwards, both were so at the moment between.
        """
        copy = self.folder / name
        for _ in range(100):
            run("cp", "--sparse=always", self.image, copy)
            if filecmp.cmp(self.image, copy, shallow=False):
                return copy
        raise AssertionError("the kernel does not come to rest")

    def after_power_cut(self, copy, look):
        """Mounts a copy, recovered as at a start, and calls `look` with its root."""
        if self.kind == "ext2":
            checked = subprocess.run(["e2fsck", "-fy", str(copy)], capture_output=True, check=False)
            assert checked.returncode in {0, 1}, checked
        root = copy.with_name(copy.name + "-disk")
        root.mkdir()
        self.mount(copy, root, self.options + BESIDE.get(self.kind, ""))
        try:
            look(root)
        finally:
            self.unmount(root)
            copy.unlink()

    def unmount(self, root):
        run("umount", root)
        self._mounted.remove(root)

    def close(self):
        for root in reversed(self._mounted):
            subprocess.run(["umount", "-l", str(root)], check=False)


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False)
    assert done.returncode == 0, done


def on_each(*kinds):
    """File systems as parameters; all but ext4 are slow."""
    return [
        kind if kind == "ext4" else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds
    ]


@pytest.fixture(params=on_each(*FILE_SYSTEMS))
def disk(request, tmp_path):
    require(os.geteuid() == 0, "mounting needs root")
    require(Path("/dev/loop-control").exists(), "there are no loop devices")
    require(shutil.which(f"mkfs.{request.param}"), f"there is no mkfs.{request.param}")
    found = Disk(request.param, tmp_path)
    try:
        if found.kind == "btrfs":
            feature = Path("/sys/fs/btrfs/features/temp_fsid")
            require(feature.exists(), "this kernel's btrfs mounts no copy beside its original")
        yield found
    finally:
        found.close()


@pytest.fixture
def on_disk(disk, outside):
    """The command in a folder on the disk, which is there for good."""
    folder = disk.root / "project"
    folder.mkdir()
    run("sync", "-f", folder)
    return type(outside)(folder, outside.home)


def test_what_was_acknowledged_is_there_after_a_power_cut(disk, on_disk):
    aivcs = on_disk
    steps = iter(range(100))

    def survives(where=".", *, goes_on=False):
        """Cuts the power now; what is found then is what was there."""
        copy = disk.copy(f"copy-{next(steps)}")
        before = judge(aivcs.folder / where / ".aivcs")

        def look(root):
            other = type(aivcs)(root / "project" / where, aivcs.home)
            assert judge(other.store) == before
            if goes_on:
                other.ok("blob", "put", "-", stdin=b"after")
                other.ok("release", "promote", "a/team/bot", spec)
                other.ok("verify")

        disk.after_power_cut(copy, look)

    aivcs.ok("init", "a/b/c")
    survives("a/b/c")
    aivcs.ok("init")
    survives()
    spec = aivcs.put(b"spec one\n")
    survives()
    aivcs.put(bytes(range(256)) * 5000)
    survives()
    for number in range(40):
        (aivcs.home / f"many-{number}").write_bytes(bytes([number]) * (number % 3 * 5000 + 1))
    listed = "\n".join(str(aivcs.home / f"many-{number}") for number in range(40))
    many = aivcs.ok("blob", "put", "--stdin-paths", stdin=listed).lines
    assert len(set(many)) == 40
    survives()
    run_id = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec).text
    survives()
    aivcs.ok("run", "log", run_id, "k", "a=1")
    survives()
    aivcs.ok("run", "log", "--stdin", run_id, stdin=b'{"kind":"k"}\n' * 3000)
    survives()
    aivcs.ok("run", "finish", run_id)
    survives()
    aivcs.ok("release", "promote", "a/team/bot", spec)
    survives()
    aivcs.ok("release", "promote", "a/team/bot", aivcs.put(b"spec two\n"))
    survives()
    aivcs.ok("release", "rollback", "a/team/bot")
    survives()
    aivcs.ok("config", "set", "core.lock_timeout", "5")
    survives()
    aivcs.ok("config", "unset", "core.lock_timeout")
    survives()
    aivcs.ok("blob", "rm", aivcs.put(b"gone"))
    survives(goes_on=True)


def test_what_a_killed_process_left_unsynced_is_synced_by_who_acknowledges_it(disk, on_disk):
    require_strace()
    aivcs = on_disk
    aivcs.ok("init")
    spec = aivcs.put(b"spec one\n")
    run("sync", "-f", aivcs.folder)
    tracer = Tracer(aivcs)

    # The object has its name, and its folder is not synced yet: as good as nothing.
    calls, _ = tracer.calls("blob", "put", "-", stdin=b"traced")
    first = next(call for call in calls if call.name == "fsync")
    assert tracer.kill(first, "blob", "put", "-", stdin=b"killed")
    aivcs.put(b"killed")
    # The log of a name is there, its folders are not synced yet.
    calls, _ = tracer.calls("release", "promote", "traced/bot", spec)
    first = next(call for call in calls if call.name == "fsync")
    assert tracer.kill(first, "release", "promote", "killed/bot", spec)
    aivcs.ok("release", "promote", "killed/bot", spec)
    before = judge(aivcs.store)

    def look(root):
        assert judge(root / "project/.aivcs") == before

    disk.after_power_cut(disk.copy("copy"), look)


def test_many_blobs_have_no_name_before_their_content_is_durable(disk, on_disk, files):
    """The power fails before each sync and each renaming; what has a name is whole."""
    require_strace()
    aivcs = on_disk
    aivcs.ok("init")
    contents = [b"one", b"two" * 3000, bytes(range(256)) * 8000]
    # On the same disk, so that the kernel copies the long one, and shares it where it can.
    paths = [str(aivcs.folder / f"file-{number}") for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        Path(path).write_bytes(content)
    run("sync", "-f", aivcs.folder)
    trial = type(aivcs)(aivcs.folder.parent / "trial", aivcs.home)
    trial.folder.mkdir()
    trial.ok("init")
    calls, _ = Tracer(trial).calls("blob", "put", *paths, names=["fsync", "fdatasync", "rename"])
    assert {call.name for call in calls} == {"fsync", "fdatasync", "rename"}
    killed = 0
    for number, call in enumerate(calls):
        # What was stored before a kill need not be stored again, so it takes fewer calls each time.
        killed += Tracer(aivcs).kill(call, "blob", "put", *paths)
        disk.after_power_cut(
            disk.copy(f"copy-{number}"), lambda root: judge(root / "project/.aivcs")
        )
    assert killed > len(calls) / 2
    assert aivcs.ok("blob", "put", *paths).lines == [files.sha256(content) for content in contents]
    before = judge(aivcs.store)

    def look(root):
        assert judge(root / "project/.aivcs") == before

    disk.after_power_cut(disk.copy("copy"), look)


SO_MANY = 300
"""Files that are synced by syncing the whole file system."""
on_those_synced_as_a_whole = pytest.mark.parametrize(
    "disk", on_each(*(kind for kind in FILE_SYSTEMS if kind != "ext2")), indirect=True
)


def put_many_on_a_whole_file_system(aivcs, listed, *inject):
    """Puts files, and returns the calls that make them durable, and what the command did.

    Where others have much to write at that moment, files are synced each by itself, all or the
    first ones; tried again then.
    """
    names = ["syncfs", "fdatasync", "fsync", "rename"]
    for _ in range(50):
        calls, done = Tracer(aivcs).calls(
            "blob", "put", "--stdin-paths", stdin=listed, names=names, inject=inject, code=None
        )
        if any(map(_is_sync_of_all, calls)) and "fdatasync" not in [call.name for call in calls]:
            return calls, done
        shutil.rmtree(aivcs.store / "objects")
        os.sync()
    raise AssertionError(f"the file system is not synced as a whole: {calls}, {done}")


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _is_sync_of_all(call):
    """Whether it syncs a file system; of no descriptor at all it only asks whether it could."""
    return call.name == "syncfs" and not call.text.startswith("-1)")


@on_those_synced_as_a_whole
def test_so_many_blobs_have_no_name_before_the_whole_file_system_is_durable(disk, on_disk):
    """The power fails before each sync and some renamings; what has a name is whole."""
    require_strace()
    aivcs = on_disk
    aivcs.ok("init")
    for number in range(SO_MANY):
        (aivcs.home / f"file-{number}").write_bytes(bytes([number % 256]) * (number * 7 + 1))
    listed = "".join(f"{aivcs.home}/file-{number}\n" for number in range(SO_MANY)).encode()
    run("sync", "-f", aivcs.folder)
    trial = type(aivcs)(aivcs.folder.parent / "trial", aivcs.home)
    trial.folder.mkdir()
    trial.ok("init")
    calls, done = put_many_on_a_whole_file_system(trial, listed)
    assert done.returncode == 0, done
    syncs = [call for call in calls if _is_sync_of_all(call)]
    renames = [call for call in calls if call.name == "rename"]
    names = [call.name for call in calls]
    # All contents, all names; and nothing else, or it would not be worth it.
    assert names[-1] == names[names.index("rename") - 1] == "syncfs"
    assert (len(syncs), names.count("fsync"), names.count("fdatasync")) == (2, 0, 0), calls
    killed = 0
    for number, call in enumerate([syncs[0], renames[0], renames[100], renames[-1], syncs[1]]):
        os.sync()  # so that nobody else has much to write
        killed += Tracer(aivcs).kill(call, "blob", "put", "--stdin-paths", stdin=listed)
        for folder in (aivcs.store / "objects").glob("*"):
            sync_folder(folder)  # so the names are kept, and would tell if they came too early
        disk.after_power_cut(
            disk.copy(f"copy-{number}"), lambda root: judge(root / "project/.aivcs")
        )
    assert killed
    told = aivcs.ok("blob", "put", "--stdin-paths", stdin=listed).lines
    before = judge(aivcs.store)
    assert before.blobs == set(told)
    assert len(told) == SO_MANY

    def look(root):
        assert judge(root / "project/.aivcs") == before

    disk.after_power_cut(disk.copy("copy"), look)


@on_those_synced_as_a_whole
@pytest.mark.parametrize("failing", [2, 3])
def test_so_many_are_not_told_of_when_the_whole_file_system_could_not_be_synced(
    failing, disk, on_disk
):
    """The second call is for the contents (the first asks for nothing), the third for the names."""
    require_strace()
    aivcs = on_disk
    aivcs.ok("init")
    for number in range(SO_MANY):
        (aivcs.home / f"file-{number}").write_bytes(b"%d" % number)
    listed = "".join(f"{aivcs.home}/file-{number}\n" for number in range(SO_MANY)).encode()
    inject = ["-e", f"inject=syncfs:error=EIO:when={failing}"]
    calls, done = put_many_on_a_whole_file_system(aivcs, listed, *inject)
    assert done.returncode == 17, done
    assert done.stdout == b""
    assert done.stderr.startswith(b"aivcs: the system could not confirm that "), done
    assert done.stderr.endswith(b"; 0 before it are stored\n"), done
    assert done.stderr.count(b"\n") == 1
    assert "INJECTED" in calls[-1].text, "something was done after a sync had failed"
    stored = judge(aivcs.store).blobs
    assert len(stored) == (0 if failing == 2 else SO_MANY)
    assert not list((aivcs.store / "tmp").iterdir())


def record_runs(folder, count):
    """Records runs in a new store, and returns its path."""
    repo = Repository.init(folder, settings=Settings(durability="none"))
    spec = repo.blobs.put(b"spec")
    for number in range(count):
        with repo.start_run(spec, agent_name="bot") as active:
            active.log("step", n=number)
    repo.store.close()
    return str(repo.path)


@on_those_synced_as_a_whole
@pytest.mark.parametrize("count", [12, 140])  # each synced by itself, and all with the file system
def test_runs_that_are_pulled_together_are_there_once_pull_has_ended(
    count, disk, on_disk, tmp_path
):
    require_strace()
    aivcs = on_disk
    aivcs.ok("init")
    source = record_runs(tmp_path / "source", count)
    run("sync", "-f", aivcs.folder)
    trial = type(aivcs)(aivcs.folder.parent / "trial", aivcs.home)
    trial.folder.mkdir()
    trial.ok("init")
    os.sync()
    calls, _ = Tracer(trial).calls("pull", source, names=["syncfs", "fdatasync", "fsync"])
    chosen = [call for call in calls if not call.text.startswith("-1)")]
    chosen = [chosen[0], *random.Random(count).sample(chosen, min(4, len(chosen))), chosen[-1]]
    for number, call in enumerate(chosen):
        os.sync()
        Tracer(aivcs).kill(call, "pull", source)
        disk.after_power_cut(
            disk.copy(f"copy-{number}"), lambda root: judge(root / "project/.aivcs")
        )
    aivcs.ok("pull", source)
    before = judge(aivcs.store)
    assert len(before.runs) == count

    def look(root):
        assert judge(root / "project/.aivcs") == before

    disk.after_power_cut(disk.copy("copy"), look)


@pytest.mark.parametrize("disk", on_each("ext4"), indirect=True)
@pytest.mark.parametrize("count", [12, 140])
def test_no_run_is_there_whose_lines_could_not_be_synced(count, disk, on_disk, tmp_path):
    require_strace()
    aivcs = on_disk
    aivcs.ok("init")
    source = record_runs(tmp_path / "source", count)
    trial = type(aivcs)(aivcs.folder.parent / "trial", aivcs.home)
    trial.folder.mkdir()
    for _ in range(50):  # until others have little to write, so that both take the same way
        shutil.rmtree(trial.store, ignore_errors=True)
        trial.ok("init")
        os.sync()
        calls, _ = Tracer(trial).calls("pull", source, names=["syncfs", "fdatasync"])
        if (count < 128) != any(map(_is_sync_of_all, calls)):
            break
    of_runs = [call for call in calls if _is_sync_of_all(call) or "/runs/" in call.text]
    failing = of_runs[-1]
    done = Tracer(aivcs).fail(f"{failing.name}:error=EIO:when={failing.number}", "pull", source)[1]
    assert done.returncode == 17, done
    assert done.stderr.count(b"\n") == 1
    assert not judge(aivcs.store).runs
    aivcs.ok("pull", source)
    assert len(judge(aivcs.store).runs) == count


def test_a_store_whose_init_was_killed_at_its_last_step_keeps_what_is_put_into_it(disk, on_disk):
    require_strace()
    aivcs = on_disk
    tracer = Tracer(aivcs)
    calls, _ = tracer.calls("init", "first/one")
    named = next(
        at
        for at, call in enumerate(calls)
        if call.name == "rename" and '.aivcs/format"' in call.text
    )
    following = next(call for call in calls[named:] if call.name == "fsync")
    assert tracer.kill(following, "init", "other/one")
    store = aivcs.folder / "other/one/.aivcs"
    aivcs.ok("--store", str(store), "blob", "put", "-", stdin=b"content")

    def look(root):
        assert judge(root / "project/other/one/.aivcs").blobs == judge(store).blobs

    disk.after_power_cut(disk.copy("copy"), look)


def test_what_was_stored_without_waiting_is_synced_by_who_promises_more(disk, on_disk, files):
    aivcs = on_disk
    aivcs.ok("init")
    aivcs.ok("config", "set", "core.durability", "none")
    run("sync", "-f", aivcs.folder)
    aivcs.put(b"content")
    aivcs.ok("config", "set", "core.durability", "full")
    aivcs.put(b"content")

    def look(root):
        assert judge(root / "project/.aivcs").blobs == {files.sha256(b"content")}

    disk.after_power_cut(disk.copy("copy"), look)


def test_raising_the_durability_makes_durable_what_was_stored_before(disk, on_disk):
    aivcs = on_disk
    aivcs.ok("init")
    aivcs.ok("config", "set", "core.durability", "none")
    run("sync", "-f", aivcs.folder)
    spec = aivcs.put(b"spec one\n")
    run_id = aivcs.begin()
    aivcs.ok("config", "unset", "core.durability")
    aivcs.ok("run", "log", run_id, "k")
    aivcs.ok("release", "promote", "bot", spec)
    before = judge(aivcs.store)

    def look(root):
        assert judge(root / "project/.aivcs") == before

    disk.after_power_cut(disk.copy("copy"), look)


def test_batched_events_are_there_once_the_run_is_finished(disk, on_disk):
    aivcs = on_disk
    aivcs.ok("init")
    aivcs.ok("config", "set", "core.durability", "batch")
    run_id = aivcs.begin()
    run("sync", "-f", aivcs.folder)
    for number in range(3):
        aivcs.ok("run", "log", run_id, "k", f"n={number}")
    early = disk.copy("early")
    aivcs.ok("run", "finish", run_id)
    late = disk.copy("late")
    before = judge(aivcs.store)
    # Of the events some may be missing, from the end; nothing is damaged.
    disk.after_power_cut(early, lambda root: judge(root / "project/.aivcs"))

    def look(root):
        assert judge(root / "project/.aivcs") == before

    disk.after_power_cut(late, look)


SERIES = r"""
n=0
while :; do
  n=$((n + 1))
  spec=$(head -c $((n % 7 * 20000 + n)) /dev/zero | tr '\0' x | aivcs blob put -) || exit 1
  echo "blob $spec" >>"$ACKS"
  run=$(aivcs run start --agent "bot-$((n % 3))" --spec "$spec") || exit 1
  echo "run $run" >>"$ACKS"
  for i in 1 2 3; do
    aivcs run log "$run" step i:=$i || exit 1
    echo "event $run $i" >>"$ACKS"
  done
  yes '{"kind":"many","payload":{"text":"some words to fill the line"}}' | head -n 200 |
    aivcs run log --stdin "$run" || exit 1
  echo "event $run 203" >>"$ACKS"
  aivcs release promote "team/bot-$((n % 3))" "$spec" >/dev/null 2>&1 || exit 1
  echo "release team/bot-$((n % 3)) $spec" >>"$ACKS"
  aivcs run finish "$run" || exit 1
  echo "end $run" >>"$ACKS"
done
"""


@pytest.mark.parametrize("cuts", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_power_cuts_at_random_moments_damage_nothing_and_lose_nothing(disk, on_disk, outside, cuts):
    aivcs = on_disk
    aivcs.ok("init")
    acks = outside.home / "acks"
    acks.touch()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    command = " ".join(COMMAND)
    series = subprocess.Popen(
        ["bash", "-c", f'aivcs() {{ {command} "$@"; }}\n{SERIES}'],
        cwd=aivcs.folder,
        env=aivcs.environment(ACKS=str(acks)),
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    try:
        for cut in range(cuts):
            time.sleep(chance.uniform(0.05, 0.6))
            assert series.poll() is None, series.stderr.read()  # type: ignore[union-attr]
            os.killpg(series.pid, signal.SIGSTOP)
            wait_until_stopped(series.pid)
            copy = disk.copy(f"copy-{cut}")
            acknowledged = acks.read_text().splitlines()
            disk.after_power_cut(copy, lambda root, acks=acknowledged: has_all(root, acks))
            # Only now: or a fast machine fills the disk while a slow reader looks at it.
            os.killpg(series.pid, signal.SIGCONT)
    finally:
        try:
            os.killpg(series.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself, which the test has complained about
        series.wait()
        series.stderr.close()  # type: ignore[union-attr]
    print(f"{cuts} power cuts on {disk.kind}, {len(acks.read_text().splitlines())} answers")
    assert acks.read_text()


def wait_until_stopped(group):
    """Waits until no process of a group runs or waits for the disk any more."""
    while True:
        states = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                states.append(fields[0])
        if set(states) <= {"T", "Z"}:
            return
        time.sleep(0.001)


def has_all(root, acknowledged):
    found = judge(root / "project/.aivcs")
    for line in acknowledged:
        what, name, *more = line.split()
        if what == "blob":
            assert name in found.blobs, line
        elif what == "run":
            assert name in found.runs, line
        elif what == "event":
            assert len(found.events(name)) >= int(more[0]), line
        elif what == "end":
            assert found.ended(name), line
        else:
            assert more[0] in {spec for _, _, spec in found.history(name)}, line
