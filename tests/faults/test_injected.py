"""A system call fails: nothing is half done, nothing is passed over, and the command says so.

Each call of each command that concerns the store fails in turn, with the error that its kind of
call is known for.
"""

import pytest
from crash.harness import Tracer, copy_of, in_parallel, judge
from faults.conftest import READERS, STDIN, WRITERS, Victim, most_are_slow

pytestmark = pytest.mark.usefixtures("strace")
SOME_WRITERS = most_are_slow(
    WRITERS, {"blob put", "run log", "release promote (first)", "config unset"}
)
SOME_READERS = most_are_slow(
    [*READERS, "release promote (next)", "run log", "blob put"],
    {"blob get", "run events", "release current", "release list"},
)
READING = ["read", "pread64", "readv", "openat", "getdents64", "lstat", "newfstatat", "statx"]


def fail_each(victim, tmp_path, arguments, names, error, check, choose=lambda call: True):
    """Lets each chosen call fail, each in a copy of the store, and checks what came of it."""
    trial = copy_of(victim.aivcs, tmp_path / "trial")
    calls, _ = Tracer(trial).calls(*arguments, stdin=STDIN, names=names, inject=())
    chosen = [call for call in calls if "/.aivcs" in call.text and choose(call)]

    def one(numbered):
        number, call = numbered
        here = Victim(copy_of(victim.aivcs, tmp_path / f"at-{number}"), victim.facts)
        made, done = Tracer(here.aivcs).fail(
            f"{call.name}:error={error}:when={call.number}", *arguments, stdin=STDIN, trace=names
        )
        assert any("INJECTED" in call.text for call in made), f"{call} did not come"
        check(here, call, made, done)

    in_parallel(one, enumerate(chosen))
    return chosen


def require_done(here, call, done):
    """The command did what it was told to, since it failed at what that does not depend on."""
    aside = "O_TMPFILE" in call.text or "(deleted)" in call.text  # a file that nobody else sees
    if not aside:  # how the change that was made had best be undone is for a person to know
        assert "O_RDONLY" in call.text, (call, done)
        assert here.aivcs.ok("release", "current", "team/bot").out == done.stdout, (call, done)
    judge(here.aivcs.store)
    here.require_no_temporaries()


def is_no_space_left_refused(error, victim, tmp_path, name):
    def check(here, call, made, done):
        if done.returncode == 0:
            require_done(here, call, done)
        else:
            here.require_unharmed(done, code=16)

    return fail_each(victim, tmp_path, victim.arguments(WRITERS[name]), ["write"], error, check)


@pytest.mark.parametrize("name", SOME_WRITERS)
def test_without_space_for_a_write_nothing_is_stored(name, victim, tmp_path):
    is_no_space_left_refused("ENOSPC", victim, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EDQUOT", "EIO", "EFBIG"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_write_that_fails_stores_nothing(name, error, victim, tmp_path):
    is_no_space_left_refused(error, victim, tmp_path, name)


@pytest.mark.parametrize("error", ["ENOSYS", "EXDEV", "EIO"])
def test_what_the_kernel_does_not_copy_is_read_and_written(error, victim, tmp_path, files):
    digest = files.sha256((victim.aivcs.folder / "large").read_bytes())

    def check(here, call, made, done):
        assert (done.returncode, done.stdout.decode().strip()) == (0, digest), (call, done)
        assert judge(here.aivcs.store).blobs == here.before.blobs | {digest}
        here.require_no_temporaries()

    names = ["copy_file_range"]
    assert fail_each(victim, tmp_path, ["blob", "put", "large"], names, error, check)


@pytest.mark.parametrize("name", SOME_WRITERS)
def test_a_failed_sync_is_reported_as_unknown_and_never_tried_again(name, victim, tmp_path):
    def check(here, call, made, done):
        assert done.returncode == 17, (call, done)
        assert b"the system could not confirm that" in done.stderr, done
        assert done.stderr.count(b"\n") == 1, done
        failed = next(at for at, made in enumerate(made) if "INJECTED" in made.text)
        assert not made[failed + 1 :], "something was synced after a sync had failed"
        judge(here.aivcs.store)  # done or not, it is whole
        here.require_no_temporaries()

    chosen = fail_each(
        victim, tmp_path, victim.arguments(WRITERS[name]), ["fsync", "fdatasync"], "EIO", check
    )
    assert chosen, "it acknowledges without having synced anything"


@pytest.mark.parametrize("name", SOME_WRITERS)
def test_a_name_that_cannot_be_given_changes_nothing(name, victim, tmp_path):
    def check(here, call, made, done):
        here.require_unharmed(done, code=16)

    names = ["rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat"]
    fail_each(victim, tmp_path, victim.arguments(WRITERS[name]), names, "EIO", check)


@pytest.mark.parametrize("name", SOME_WRITERS)
def test_a_file_that_cannot_be_opened_changes_nothing(name, victim, tmp_path):
    def check(here, call, made, done):
        if "O_DIRECTORY" in call.text:
            # It was to be synced: what had been done by then is there, but may not stay.
            assert done.returncode in {16, 17}, (call, done)
            judge(here.aivcs.store)
        elif done.returncode == 0:
            require_done(here, call, done)
        else:
            here.require_unharmed(done, code=16)

    fail_each(victim, tmp_path, victim.arguments(WRITERS[name]), ["openat"], "EMFILE", check)


@pytest.mark.parametrize("name", SOME_READERS)
def test_what_cannot_be_read_is_not_taken_for_absent(name, victim, tmp_path):
    trusting = victim.aivcs(*victim.arguments({**READERS, **WRITERS}[name]), stdin=STDIN)

    def check(here, call, made, done):
        if done.returncode == 0:
            # Only where it makes no difference: a look that was for nothing.
            # The index, a cache, is compared by looks at logs that were read before.
            assert name != "verify" or call.name == "newfstatat", call
            there = str(victim.aivcs.folder).encode()
            here = str(here.aivcs.folder).encode()
            assert done.stdout == trusting.out.replace(there, here), (call, done)
            return
        if name == "verify":
            assert done.returncode in {14, 16}, (call, done)
            assert done.stdout or done.returncode == 16, done
        elif name in {"run list", "status"}:
            assert done.returncode in {14, 16}, (call, done)
        elif "O_DIRECTORY" in call.text:
            assert done.returncode in {16, 17}, (call, done)
            return
        else:
            assert done.returncode == 16, (call, done)
        assert b"Traceback" not in done.stderr
        if name == "status" and done.returncode == 14:
            assert b"cannot be read; see: aivcs verify" in done.stdout, done
        else:
            assert done.stderr.startswith(b"aivcs: ") or name == "verify", done
        assert judge(here.aivcs.store) == here.before

    arguments = victim.arguments({**READERS, **WRITERS}[name])
    victim = Victim(victim.aivcs, victim.facts)
    fail_each(
        victim,
        tmp_path,
        arguments,
        READING,
        "EIO",
        check,
        # Python itself reads a module's source where its compiled form cannot be read.
        lambda call: "= -1" not in call.text and "/__pycache__/" not in call.text,
    )


MANY = ["new", "old", "large"]
"""Files of `lived_in`, of which one is in the store."""


@pytest.mark.parametrize(
    ("names", "error", "codes"),
    [
        (["write"], "ENOSPC", {16}),
        (["fsync", "fdatasync"], "EIO", {17}),
        (["rename", "mkdir"], "EIO", {16}),
        (["openat"], "EMFILE", {16, 17}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_of_many_what_was_acknowledged_is_there_and_nothing_lies_about(
    names, error, codes, victim, tmp_path, files
):
    wanted = [
        files.sha256((victim.aivcs.folder / name).read_bytes()) for name in MANY
    ]  # in the order in which they are given back

    def check(here, call, made, done):
        assert done.returncode in codes, (call, done)
        told = done.stdout.decode().split()
        assert told == wanted[: len(told)]
        are = "is" if len(told) == 1 else "are"
        assert done.stderr.decode().endswith(f"; {len(told)} before it {are} stored\n"), done
        assert done.stderr.count(b"\n") == 1, done
        now = judge(here.aivcs.store)
        assert here.before.blobs | set(told) <= now.blobs <= here.before.blobs | set(wanted)
        assert (now.runs, now.releases) == (here.before.runs, here.before.releases)
        here.require_no_temporaries()
        if error == "EIO" and "fsync" in names:
            failed = next(at for at, made in enumerate(made) if "INJECTED" in made.text)
            assert not made[failed + 1 :], "something was synced after a sync had failed"

    assert fail_each(
        victim,
        tmp_path,
        ["blob", "put", *MANY],
        names,
        error,
        check,
        lambda call: "/.aivcs/format" not in call.text and "/.aivcs/config" not in call.text,
    )


def test_many_are_synced_no_more_when_one_could_not_be(victim, files):
    """Threads sync at once, while the next are written: those that are under way may end, and then
    no other begins. (Where the whole file system cannot be synced, since a sandbox forbids it.)"""
    for number in range(600):
        (victim.aivcs.folder / f"n{number}").write_bytes(b"%d" % number)
    names = [f"n{number}" for number in range(600)]
    made, done = Tracer(victim.aivcs).calls(
        "blob",
        "put",
        *names,
        names=["fdatasync", "fsync", "rename", "syncfs"],
        code=None,
        inject=[
            "-f",
            "-e",
            "inject=syncfs:error=ENOSYS",
            "-e",
            "inject=fdatasync:error=EIO:when=2",
        ],
    )
    assert done.returncode == 17, done
    assert not done.stdout
    assert not [call for call in made if call.name in {"rename", "fsync"}]
    assert len(made) < 100, "it went on"
    assert judge(victim.aivcs.store) == victim.before
    victim.require_no_temporaries()
