"""Something runs out, or may not be written to: disk, inodes, descriptors, file size, output."""

import os
import resource
import subprocess

import pytest
from crash.harness import COMMAND, judge
from faults.conftest import READERS, STDIN, WRITERS, Victim

LONG = "x" * 100_000
OUTPUT_OF_WRITERS = ("blob put", "run start", "release promote (next)", "release rollback")


def limited(kind, number):
    return lambda: resource.setrlimit(kind, (number, number))


@pytest.fixture
def small_disk(mounted, lived_in, files):
    """A store on a disk of 1 MiB, of which 32 KiB are free."""
    aivcs = mounted("size=1m")
    aivcs.ok("init")
    victim = Victim(aivcs, {})
    victim.facts["spec"] = aivcs.put(b"spec one\n")
    victim.facts["run"] = aivcs.begin()
    aivcs.ok("run", "log", victim.facts["run"], "first")
    fill(aivcs.folder, leave=32 << 10)
    victim.before = judge(aivcs.store)
    return victim


def fill(folder, leave):
    state = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(state.f_bavail * state.f_frsize - leave))


def completed(aivcs, *arguments, stdin=b"", **options):
    """As calling the command, but as the process module tells it, whatever came of it."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=aivcs.folder,
        env=aivcs.environment(),
        input=stdin,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        **options,
    )


def test_on_a_full_disk_nothing_is_stored_and_with_space_again_all_goes_on(small_disk):
    aivcs, run = small_disk.aivcs, small_disk.facts["run"]
    (aivcs.home / "large").write_bytes(LONG.encode())
    stream = b'{"kind":"k","payload":"%s"}\n' % LONG.encode()
    for arguments in (
        ["run", "log", run, "k", f"pad={LONG}"],
        ["run", "log", "--stdin", run],
        ["run", "log", "--stdin", "--atomic", run],
        ["run", "log", "--blob", f"file={aivcs.home / 'large'}", run, "k"],
        ["blob", "put", str(aivcs.home / "large")],
        ["run", "start", "--agent", "bot", "--spec-file", str(aivcs.home / "large")],
        ["release", "promote", "bot", small_disk.facts["spec"], "--notes", LONG],
    ):
        size = aivcs.run_log(run).stat().st_size
        done = completed(aivcs, *arguments, stdin=stream)
        assert done.returncode == 16, (arguments[:3], done)
        assert b"No space left on device" in done.stderr
        assert aivcs.run_log(run).stat().st_size == size
        small_disk.require_unharmed(done, code=16)
    assert [event["kind"] for event in aivcs.events(run)] == ["first"]
    (aivcs.folder / "filler").unlink()
    aivcs.ok("run", "log", run, "k", f"pad={LONG}")
    aivcs.ok("blob", "put", str(aivcs.home / "large"))
    judge(aivcs.store)


def test_without_inodes_nothing_is_stored_but_what_needs_none(mounted):
    aivcs = mounted("size=1m,nr_inodes=32")
    aivcs.ok("init")
    victim = Victim(aivcs, {"run": aivcs.begin()})
    made = 0
    while True:
        try:
            (aivcs.folder / f"filler-{made}").touch()
        except OSError:
            break
        made += 1
    assert made
    spec = next(iter(victim.before.blobs))
    for arguments in (
        ["blob", "put", "-"],
        ["run", "start", "--agent", "bot", "--spec", spec],
        ["release", "promote", "team/bot", spec],
        ["config", "set", "core.lock_timeout", "3"],
    ):
        done = completed(aivcs, *arguments, stdin=b"new")
        victim.require_unharmed(done, code=16)
    aivcs.ok("run", "log", victim.facts["run"], "k")  # an append makes no file
    for number in range(made):
        (aivcs.folder / f"filler-{number}").unlink()
    aivcs.ok("release", "promote", "team/bot", spec)


def test_at_the_limit_of_a_file_s_size_nothing_is_stored(victim):
    (victim.aivcs.folder / "large").write_bytes(bytes(3 << 20))
    for arguments in (
        ["run", "log", victim.facts["run"], "k", f"pad={LONG}"],
        ["blob", "put", "large"],
    ):
        done = completed(
            victim.aivcs, *arguments, preexec_fn=limited(resource.RLIMIT_FSIZE, 50_000)
        )
        assert b"File too large" in done.stderr
        victim.require_unharmed(done, code=16)


def test_a_long_content_that_the_disk_refuses_on_the_way_is_not_there(victim):
    aivcs = victim.aivcs
    (aivcs.folder / "long").write_bytes(bytes(40 << 20))
    for limit in (12 << 20, 30 << 20, (40 << 20) - 1):
        refused = completed(
            aivcs, "blob", "put", "long", preexec_fn=limited(resource.RLIMIT_FSIZE, limit)
        )
        assert b"File too large" in refused.stderr
        victim.require_unharmed(refused, code=16)
    digest = aivcs.ok("blob", "put", "long").text
    for limit in (12 << 20, 30 << 20, (40 << 20) - 1):
        refused = completed(
            aivcs, *("blob", "get", digest, "-o", "out"),
            preexec_fn=limited(resource.RLIMIT_FSIZE, limit),
        )  # fmt: skip
        assert refused.returncode == 16
        assert b"File too large" in refused.stderr
        assert not [path for path in aivcs.folder.iterdir() if path.name.startswith("out")]
    aivcs.ok("blob", "get", digest, "-o", "out")
    assert (aivcs.folder / "out").read_bytes() == bytes(40 << 20)


@pytest.mark.parametrize("name", ["blob put", "run log", "release promote (first)", "run events"])
def test_with_any_number_of_descriptors_a_command_is_done_or_not_begun(name, victim):
    arguments = victim.arguments({**WRITERS, **READERS}[name])
    for number in range(3, 12):
        done = completed(
            victim.aivcs, *arguments, preexec_fn=limited(resource.RLIMIT_NOFILE, number)
        )
        now = judge(victim.aivcs.store)
        if done.returncode == 0:
            break
        assert now == victim.before or done.returncode == 17
    else:
        raise AssertionError(done)
    assert number > 3
    victim.require_no_temporaries()


def test_on_a_read_only_file_system_reading_works_and_writing_is_refused(mounted, lived_in, files):
    aivcs = mounted("size=16m")
    victim = Victim(aivcs, lived_in(aivcs, files.sha256))
    subprocess.run(["mount", "-o", "remount,ro", str(aivcs.folder)], check=True)
    for command in READERS.values():
        aivcs.ok(*victim.arguments(command))
    for name, command in WRITERS.items():
        done = completed(aivcs, *victim.arguments(command), stdin=STDIN)
        assert b"Read-only file system" in done.stderr, (name, done)
        victim.require_unharmed(done, code=16)


PRINTING = {
    **{name: WRITERS[name] for name in OUTPUT_OF_WRITERS},
    **{name: command for name, command in READERS.items() if name != "blob has"},
    "run log --print-seq": "run log --print-seq {run} k",
    "run log --stdin --print-seq": "run log --stdin --print-seq {run}",
    "init": "init elsewhere",
    "--version": "--version",
    "--help": "--help",
}


def closed():
    os.close(1)


@pytest.mark.parametrize("how", ["full", "closed"])
def test_an_answer_that_cannot_be_printed_is_no_success(how, victim):
    (victim.aivcs.store / "tmp/stray").touch()  # so that verify has something to say
    for name, command in PRINTING.items():
        with open("/dev/full", "wb") as full:
            done = completed(
                victim.aivcs,
                *victim.arguments(command),
                stdin=STDIN,
                stdout=full,
                preexec_fn=closed if how == "closed" else None,
            )
        assert done.returncode not in {0, 1, 70}, (name, done)
        assert b"Traceback" not in done.stderr, (name, done)
        start = '{"error": "OutputError"' if "--json" in command else "aivcs: cannot write"
        assert done.stderr.decode().splitlines()[-1].startswith(start), (name, done)
    judge(victim.aivcs.store)


def test_with_all_streams_closed_nothing_of_a_message_gets_into_the_store(victim):
    def close_all():
        for descriptor in (0, 1, 2):
            os.close(descriptor)

    for name, command in {**PRINTING, **WRITERS}.items():
        done = completed(victim.aivcs, *victim.arguments(command), preexec_fn=close_all)
        if name in PRINTING and name != "verify":  # which has nothing to say here
            assert done.returncode != 0, name
    judge(victim.aivcs.store)
