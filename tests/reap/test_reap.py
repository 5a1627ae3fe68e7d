"""`aivcs run reap` on runs of real processes that live, end, and are taken for others."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aivcs.trace.process_identity import find_process, owner_of

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are told apart by /proc"
)
pytestmark = needs_proc


@pytest.fixture
def sleeper():
    """A process that does nothing; ended when the test ends."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def owned(aivcs, sleeper):
    """A run that belongs to the sleeper."""
    return aivcs.begin("bot", b"a spec\n", "--owner-pid", str(sleeper.pid))


def end(process):
    process.kill()
    process.wait()


def forge(aivcs, files, run, **changes):
    """Writes the first line of a run anew, with other words about its owner."""
    log = aivcs.run_log(run)
    entries = files.read_chain(log)
    for entry in entries:
        del entry["hash"]
    entries[0]["owner"] |= changes
    log.write_bytes(files.seal(entries))


class TestAnOwner:
    def test_is_recorded_in_the_first_line_before_the_hash(self, aivcs, files, sleeper, owned):
        (entry,) = files.read_chain(aivcs.run_log(owned))
        assert list(entry)[-2:] == ["owner", "hash"]
        assert list(entry["owner"]) == [
            "host", "machine_id", "boot_id", "pid_namespace", "pid", "start_time",
        ]  # fmt: skip
        assert entry["owner"]["pid"] == sleeper.pid
        assert entry["owner"]["host"] == os.uname().nodename
        stat = Path(f"/proc/{sleeper.pid}/stat").read_text()
        assert entry["owner"]["start_time"] == int(stat.rpartition(")")[2].split()[19])

    def test_is_shown(self, aivcs, sleeper, owned):
        assert aivcs.record(owned)["owner"]["pid"] == sleeper.pid
        assert f"owner\tprocess {sleeper.pid} on " in aivcs.ok("run", "show", owned).text

    def test_is_not_there_unless_it_was_named(self, aivcs, files):
        run = aivcs.begin()
        assert "owner" not in aivcs.record(run)
        assert "owner" not in files.read_chain(aivcs.run_log(run))[0]

    def test_does_not_give_away_the_id_of_the_machine(self, aivcs, owned):
        try:
            machine = Path("/etc/machine-id").read_text().strip()
        except OSError:
            pytest.skip("this machine has no id")
        assert len(machine) == 32
        assert machine.encode() not in aivcs.run_log(owned).read_bytes()

    def test_is_the_shell_that_says_so(self, aivcs):
        spec = aivcs.put(b"a spec\n")
        done = aivcs.shell(
            'run=$(aivcs run start --agent a --spec "$1" --owner-pid $$); echo $run $$', spec
        )
        run, pid = done.text.split()
        assert aivcs.record(run)["owner"]["pid"] == int(pid)
        assert aivcs.ok("run", "reap").lines == [run]

    @pytest.mark.parametrize("pid", ["0", "4194305", "99999999999", "-1", "", "x", "1.5"])
    def test_must_be_there(self, aivcs, unchanged, pid):
        spec = aivcs.put(b"a spec\n")
        with unchanged:
            done = aivcs("run", "start", "--agent", "a", "--spec", spec, f"--owner-pid={pid}")
            assert done.code == 2

    def test_that_has_ended_already_is_refused(self, aivcs):
        spec = aivcs.put(b"a spec\n")
        process = subprocess.Popen(["true"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, but not taken notice of
        aivcs(
            "run", "start", "--agent", "a", "--spec", spec, "--owner-pid", str(process.pid), code=2
        )
        process.wait()

    @pytest.mark.parametrize("owner", [1, "me", None, [], {}, {"pid": 1}, {"host": "", "pid": 1}])
    def test_in_words_of_another_program_is_none(self, aivcs, files, owned, owner):
        log = aivcs.run_log(owned)
        (entry,) = files.read_chain(log)
        del entry["hash"]
        log.write_bytes(files.seal([entry | {"owner": owner}]))
        assert "owner" not in aivcs.record(owned)
        assert aivcs.ok("run", "reap").lines == []
        aivcs.ok("run", "log", owned, "x")
        aivcs.ok("verify")


class TestReap:
    def test_leaves_a_run_whose_owner_is_alive(self, aivcs, unchanged, owned):
        with unchanged:
            done = aivcs.ok("run", "reap")
            assert done.lines == []
            assert b"1 running run left alone" in done.err

    @pytest.mark.parametrize("options", [(), ("--older-than", "0s")])
    def test_refuses_a_run_whose_owner_is_alive_though_it_is_named(
        self, aivcs, unchanged, sleeper, owned, options
    ):
        with unchanged:
            done = aivcs("run", "reap", *options, owned, code=15)
            assert f"process {sleeper.pid}" in done.complaint
            assert "is alive" in done.complaint
            assert done.out == b""

    def test_leaves_a_run_whose_owner_is_alive_however_old(self, aivcs, unchanged, owned):
        with unchanged:
            assert aivcs.ok("run", "reap", "--older-than", "0s").lines == []

    def test_ends_a_run_whose_owner_was_killed(self, aivcs, files, sleeper, owned):
        aivcs.ok("run", "log", owned, "step")
        end(sleeper)
        done = aivcs.ok("run", "reap")
        assert done.lines == [owned]
        assert f"{owned}: its owner, process {sleeper.pid} on " in done.err.decode()
        record = aivcs.record(owned)
        assert record["status"] == "FAILED"
        assert record["summary"]["success"] is False
        assert record["summary"]["total_events"] == 2
        entries = files.read_chain(aivcs.run_log(owned))
        assert [entry["type"] for entry in entries] == ["run", "event", "event", "end"]
        assert entries[2]["kind"] == "orphaned"
        assert f"process {sleeper.pid}" in entries[2]["payload"]["reason"]
        assert aivcs.ok("verify").out == b""

    def test_ends_a_run_whose_owner_nobody_waited_for(self, aivcs, sleeper, owned):
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert find_process(sleeper.pid).is_over
        assert aivcs.ok("run", "reap").lines == [owned]

    def test_ends_it_once(self, aivcs, sleeper, owned, unchanged):
        end(sleeper)
        assert aivcs.ok("run", "reap").lines == [owned]
        with unchanged:
            assert aivcs.ok("run", "reap").lines == []
            assert "is FAILED, not RUNNING" in aivcs("run", "reap", owned, code=15).complaint

    def test_ends_a_run_whose_owner_has_its_number_no_more(self, aivcs, files, owned):
        forge(aivcs, files, owned, start_time=1)  # as if an earlier process had had the number
        done = aivcs.ok("run", "reap")
        assert done.lines == [owned]
        assert b"another process has its number now" in done.err

    def test_leaves_a_run_of_another_host(self, aivcs, files, sleeper, owned):
        forge(aivcs, files, owned, host="elsewhere")
        end(sleeper)
        assert aivcs.ok("run", "reap").lines == []
        assert aivcs.ok("run", "reap", "--older-than", "1h").lines == []
        assert aivcs.ok("run", "reap", owned).lines == [owned]

    def test_leaves_a_run_of_another_machine_of_that_name(self, aivcs, files, sleeper, owned):
        forge(aivcs, files, owned, boot_id="another", machine_id="another")
        end(sleeper)
        assert aivcs.ok("run", "reap").lines == []

    def test_ends_a_run_from_before_the_machine_was_started(self, aivcs, files, sleeper, owned):
        if aivcs.record(owned)["owner"]["machine_id"] is None:
            pytest.skip("this machine has no id")
        # Whoever has the number now, it is not the owner: the sleeper lives all the while.
        forge(aivcs, files, owned, boot_id="another")
        assert aivcs.ok("run", "reap").lines == [owned]

    def test_leaves_a_run_without_an_owner(self, aivcs, unchanged):
        aivcs.begin()
        with unchanged:
            assert aivcs.ok("run", "reap").lines == []

    def test_ends_a_run_without_an_owner_that_is_named(self, aivcs):
        run, other = aivcs.begin(), aivcs.begin()
        assert aivcs.ok("run", "reap", run[:8]).lines == [run]
        assert aivcs.record(other)["status"] == "RUNNING"

    def test_ends_the_run_that_at_means(self, aivcs):
        run = aivcs.begin()
        assert aivcs.ok("run", "reap", "@", env={"AIVCS_RUN": run}).lines == [run]

    def test_ends_what_was_not_heard_of_for_long(self, aivcs):
        run = aivcs.begin()
        assert aivcs.ok("run", "reap", "--older-than", "1h").lines == []
        aivcs("run", "reap", "--older-than", "1h", run, code=15)
        assert aivcs.ok("run", "reap", "--older-than", "0s").lines == [run]

    def test_takes_an_event_for_a_sign_of_life(self, aivcs):
        run, silent = aivcs.begin(), aivcs.begin()
        time.sleep(0.01)
        cut = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            + f".{time.time_ns() // 1000 % 10**6:06}Z"
        )
        aivcs.ok("run", "log", run, "step")
        aivcs.ok("run", "log", "--timestamp", "2001-01-01T00:00:00Z", run, "an old one, told late")
        assert aivcs.ok("run", "reap", "--older-than", cut).lines == [silent]

    def test_only_says_what_it_would_do_in_a_dry_run(self, aivcs, unchanged, sleeper, owned):
        end(sleeper)
        with unchanged:
            done = aivcs.ok("run", "reap", "--dry-run")
            assert done.lines == [owned]
            assert b"has ended" in done.err
            assert aivcs.ok("run", "reap", "--dry-run", "--json").json["reaped"] is False

    def test_says_it_as_json(self, aivcs, sleeper, owned):
        end(sleeper)
        answer = aivcs.ok("run", "reap", "--json").json
        assert list(answer) == ["run_id", "reaped", "reason"]
        assert (answer["run_id"], answer["reaped"]) == (owned, True)

    def test_does_nothing_if_one_that_is_named_is_not_there(self, aivcs, unchanged):
        run = aivcs.begin()
        with unchanged:
            aivcs("run", "reap", run, "00000000-0000-4000-8000-000000000000", code=12)
            aivcs("run", "reap", run, "", code=2)
            aivcs("run", "reap", "--older-than", "soon", run, code=2)

    def test_goes_on_behind_one_that_is_refused(self, aivcs, sleeper, owned):
        run = aivcs.begin()
        done = aivcs("run", "reap", owned, run, run[:10], code=15)
        assert done.lines == [run]
        assert "is alive" in done.err.decode().split("\n")[0]

    def test_says_of_each_that_is_refused_why(self, aivcs, sleeper, owned):
        over = aivcs.begin()
        aivcs.ok("run", "finish", over)
        lines = aivcs("run", "reap", owned, over, code=15).err.decode().splitlines()
        assert [owned in lines[0], "is alive" in lines[0]] == [True, True]
        assert [over in lines[1], "is COMPLETED" in lines[1]] == [True, True]

    def test_goes_on_behind_one_that_somebody_holds(self, aivcs, sleeper):
        import fcntl

        runs = [aivcs.begin("bot", b"a spec\n", "--owner-pid", str(sleeper.pid)) for _ in "ab"]
        end(sleeper)
        with aivcs.run_log(min(runs)).open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            done = aivcs("--lock-timeout", "0.1", "run", "reap", code=11)
        assert done.lines == [max(runs)]

    def test_goes_on_behind_one_that_is_damaged(self, aivcs, sleeper, owned):
        damaged = aivcs.begin()
        log = aivcs.run_log(damaged)
        log.write_bytes(log.read_bytes().replace(b'"bot"', b'"BOT"'))
        end(sleeper)
        done = aivcs("run", "reap", code=14)
        assert done.lines == [owned]
        assert "is damaged" in done.err.decode()

    def test_leaves_no_run_half_reaped_when_the_disk_is_full(self, aivcs, sleeper, owned):
        if shutil.which("strace") is None:
            pytest.skip("there is no strace to make a disk look full")
        end(sleeper)
        log = aivcs.run_log(owned)
        before = log.read_bytes()
        done = subprocess.run(
            [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write",
                "-P", str(log), "-e", "inject=write:error=ENOSPC:when=1",
                sys.executable, "-m", "aivcs", "run", "reap",
            ],
            cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 16, done.stderr
        assert log.read_bytes() == before
        assert aivcs.ok("run", "reap").lines == [owned]

    def test_eight_reapers_end_each_run_once(self, aivcs, files, sleeper):
        runs = {aivcs.begin("bot", b"a spec\n", "--owner-pid", str(sleeper.pid)) for _ in range(4)}
        end(sleeper)
        reapers = [aivcs.start("run", "reap", stdout=subprocess.PIPE) for _ in range(8)]
        said = [line for reaper in reapers for line in reaper.communicate()[0].decode().split()]
        assert {reaper.returncode for reaper in reapers} == {0}
        assert sorted(said) == sorted(runs)
        for run in runs:
            assert len(files.read_chain(aivcs.run_log(run))) == 3

    def test_a_run_that_finishes_meanwhile_is_left_alone(self, aivcs, files, sleeper):
        end(sleeper)
        for _ in range(5):
            run = aivcs.begin()
            ways = [("run", "finish", run, "--status", "completed"), ("run", "reap", run)]
            processes = [
                aivcs.start(*way, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for way in ways
            ]
            for process in processes:
                process.communicate()
            assert sorted(process.returncode for process in processes) == [0, 15]
            entries = files.read_chain(aivcs.run_log(run))
            finished = processes[0].returncode == 0
            assert len(entries) == (2 if finished else 3)
            assert entries[-1]["status"] == ("COMPLETED" if finished else "FAILED")

    @pytest.mark.parametrize("mounted", [True, False], ids=["its own /proc", "the /proc outside"])
    def test_a_container_does_not_reap_for_those_outside(self, aivcs, sleeper, owned, mounted):
        command = ["unshare", "-Urpf", *(["--mount-proc"] if mounted else [])]
        if (
            shutil.which("unshare") is None
            or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            pytest.skip("no PID namespace can be made here")
        end(sleeper)
        done = subprocess.run(
            [*command, sys.executable, "-m", "aivcs", "run", "reap"],
            cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        assert aivcs.ok("run", "reap").lines == [owned]

    def test_a_run_of_a_container_is_not_reaped_from_outside(self, aivcs):
        command = ["unshare", "-Urpf", "--mount-proc"]
        if (
            shutil.which("unshare") is None
            or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            pytest.skip("no PID namespace can be made here")
        script = f'"{sys.executable}" -m aivcs run start --agent a --spec "$1" --owner-pid $$'
        done = subprocess.run(
            [*command, "bash", "-c", script, "-", aivcs.put(b"a spec\n")],
            cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        run = done.stdout.decode().strip()
        assert aivcs.record(run)["owner"]["pid"] == 1
        assert aivcs.ok("run", "reap").lines == []
        assert b"PID namespace" in aivcs.ok("run", "reap", run).err


class TestStartedFromPython:
    def test_a_run_may_belong_to_this_process(self, aivcs):
        from aivcs import Repository

        repo = Repository.open(str(aivcs.store))
        spec = repo.blobs.put(b"a spec\n")
        run = repo.start_run(spec, agent_name="bot", owner=owner_of(os.getpid()))
        assert aivcs.ok("run", "reap").lines == []
        assert run.record().owner.pid == os.getpid()

    def test_an_event_that_comes_while_its_age_is_judged_saves_a_run(self, aivcs, monkeypatch):
        from aivcs import Repository
        from aivcs.commands.run import reap
        from aivcs.model import Timestamp

        repo = Repository.open(str(aivcs.store))
        run = repo.start_run(repo.blobs.put(b"a spec\n"), agent_name="bot")
        look = reap._last_sign

        def look_slowly(repo, record):
            sign = look(repo, record)
            run.log("a sign of life")
            return sign

        monkeypatch.setattr(reap, "_last_sign", look_slowly)
        later = Timestamp("9999-01-01T00:00:00Z")
        (outcome,) = reap.reap(repo, older_than=later)
        assert (outcome.is_reaped, outcome.error) == (False, None)
        assert run.record().status == "RUNNING"
