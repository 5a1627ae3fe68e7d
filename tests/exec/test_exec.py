"""`aivcs run exec`: a command as a run, of which neither it nor its caller notices anything."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aivcs.api import Repository
from aivcs.backends.fs import FileBackend
from aivcs.backends.fs.objects import FileCasStore
from aivcs.commands.run.exec import BLOBS, Recording
from aivcs.errors import BackendError
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunMetadata


def wait_until(condition):
    """Waits, not longer than anything could take, until something is so."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it does not come to be so"
        time.sleep(0.02)


class TestWhatIsRecorded:
    def test_start_lines_and_end_in_order(self, execute):
        done = execute("sh", "-c", "echo one; echo zwölf; echo bad >&2; printf end; exit 3", code=3)
        assert (done.out, done.err) == ("one\nzwölf\nend".encode(), b"bad\n")
        events = execute.events
        assert events[0] == (
            "exec_started",
            {
                "argv": ["sh", "-c", "echo one; echo zwölf; echo bad >&2; printf end; exit 3"],
                "cwd": str(execute.aivcs.folder),
            },
        )
        assert [p for k, p in events if k == "output" and p["stream"] == "stdout"] == [
            {"stream": "stdout", "text": "one"},
            {"stream": "stdout", "text": "zwölf"},
            {"stream": "stdout", "text": "end", "newline": False},
        ]
        assert ("output", {"stream": "stderr", "text": "bad"}) in events
        kind, payload = events[-1]
        duration = payload.pop("duration_ms")
        assert kind == "exec_finished"
        assert payload == {"exit_code": 3, "bytes": {"stderr": 4, "stdout": 14}}
        record = execute.record
        assert record["status"] == "FAILED"
        assert record["summary"]["exit_code"] == 3
        assert record["summary"]["duration_ms"] == duration
        assert record["metadata"]["agent_name"] == "bot"

    def test_what_it_logs_itself_is_part_of_the_run(self, execute):
        execute("sh", "-c", 'cd / && aivcs run log @ step n:=1 && test "$AIVCS_STORE"', code=0)
        assert ("step", {"n": 1}) in execute.events
        assert len(execute.aivcs.ok("run", "list").lines) == 1

    def test_bytes_that_are_no_text_are_kept(self, execute):
        execute("printf", r"\377\000x\n\n\303\n", code=0)
        assert execute.output == [
            {"stream": "stdout", "text": "\ufffd\0x", "base64": "/wB4"},
            {"stream": "stdout", "text": ""},
            {"stream": "stdout", "text": "\ufffd", "base64": "ww=="},
        ]

    @pytest.mark.parametrize("capture", ["lines", "blobs"])
    def test_any_output_can_be_put_together_again(self, execute, capture, tmp_path):
        data = os.urandom(1_000_000) + b"x" * 200_000 + "ü\r\n".encode() * 50_000 + b"\n\nend"
        (tmp_path / "data").write_bytes(data)
        done = execute("cat", str(tmp_path / "data"), options=["--capture", capture], code=0)
        assert done.out == data
        assert execute.recorded("stdout") == data

    def test_a_blob_for_each_stream(self, execute, files):
        execute("sh", "-c", "echo a; echo b >&2; echo c", options=["--capture=blobs"], code=0)
        assert sorted(execute.output, key=str) == [
            {"stream": "stderr", "blob": {"$blob": files.sha256("b\n")}, "bytes": 2},
            {"stream": "stdout", "blob": {"$blob": files.sha256("a\nc\n")}, "bytes": 4},
        ]

    def test_with_no_capture_the_command_writes_where_we_would(self, execute, tmp_path):
        with open(tmp_path / "out", "wb") as out:
            execute("readlink", "/proc/self/fd/1", options=["--capture", "none"], stdout=out)
        assert (tmp_path / "out").read_text() == f"{tmp_path}/out\n"
        assert [kind for kind, _ in execute.events] == ["exec_started", "exec_finished"]

    @pytest.mark.slow
    def test_beyond_many_lines_the_rest_is_a_blob(self, execute):
        done = execute("seq", "120000", code=0)
        kept = execute.output
        assert len(kept) == 100_001
        assert kept[99_999] == {"stream": "stdout", "text": "100000"}
        assert kept[100_000]["blob"]
        assert execute.recorded("stdout") == done.out
        assert done.out == b"".join(b"%d\n" % n for n in range(1, 120_001))

    def test_beyond_many_bytes_the_rest_is_a_blob(self, execute, tmp_path):
        data = b"%s\n" % (b"x" * 65_000) * 280
        (tmp_path / "data").write_bytes(data)
        execute("cat", str(tmp_path / "data"), code=0)
        assert [*execute.output[-1]] == ["stream", "blob", "bytes"]
        assert execute.recorded("stdout") == data

    def test_arguments_that_are_no_text_reach_it_as_they_are(self, execute):
        done = execute("printf", "%s", os.fsdecode(b"\xff--"), "", "--", "-x", code=0)
        assert done.out == b"\xff-----x"
        assert execute.events[0][1]["argv"] == ["printf", "%s", "\ufffd--", "", "--", "-x"]

    def test_long_arguments_are_a_blob(self, execute):
        words = ["x" * 100_000] * 8
        execute("true", *words, code=0)
        digest = execute.events[0][1]["argv"]["$blob"]
        assert json.loads(execute.aivcs.ok("blob", "get", digest).out) == ["true", *words]

    def test_the_run_of_a_killed_aivcs_is_reaped(self, execute):
        process = execute.start("sleep", "300")
        wait_until(lambda: execute.run and len(execute.events) == 1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (sleeper,) = [c for c in children if Path(f"/proc/{c}/comm").read_text() == "sleep\n"]
        assert execute.aivcs.ok("run", "reap").out == b""
        process.kill()
        process.wait()
        os.kill(int(sleeper), signal.SIGKILL)
        assert execute.aivcs.ok("run", "reap").text == execute.run


class TestHowItEnds:
    @pytest.mark.parametrize(
        ("script", "code", "status"),
        [
            ("exit 0", 0, "COMPLETED"),
            ("exit 1", 1, "FAILED"),
            ("exit 255", 255, "FAILED"),
            ("kill -TERM $$", 143, "CANCELLED"),
            ("kill -INT $$", 130, "CANCELLED"),
            ("kill -KILL $$", 137, "FAILED"),
            ("kill -PIPE $$; exit 9", 141, "FAILED"),
        ],
    )
    def test_its_exit_code_is_ours(self, execute, script, code, status):
        assert execute("sh", "-c", script).code == code
        assert execute.ending == (status, code)
        name = {143: "SIGTERM", 130: "SIGINT", 137: "SIGKILL", 141: "SIGPIPE"}.get(code)
        assert execute.events[-1][1].get("signal") == name

    def test_what_cannot_be_executed_fails_as_env_says(self, execute, tmp_path):
        (tmp_path / "plain").write_text("echo not executable\n")
        for command in ("no-such-command", str(tmp_path / "plain"), str(tmp_path), "./x/y", ""):
            by_env = subprocess.run(["env", "--", command], capture_output=True, check=False)
            done = execute(command, code=by_env.returncode)
            assert done.complaint.startswith(f"cannot execute {command!r}: ")
            assert execute.ending == ("FAILED", by_env.returncode)

    def test_a_script_without_a_first_line_is_one_of_the_shell(self, execute, tmp_path):
        (tmp_path / "script").write_text("echo $0 $1\n")
        (tmp_path / "script").chmod(0o755)
        assert execute(str(tmp_path / "script"), "a").out.decode() == f"{tmp_path}/script a\n"

    def test_our_own_failure_is_125_and_nothing_is_executed(self, execute, outside, tmp_path):
        mark = ["touch", str(tmp_path / "mark")]
        done = execute(*mark, options=["--spec", "0" * 64], code=125)
        assert "is not in this store" in done.complaint
        assert execute(*mark, cwd="/", code=125).complaint.startswith("no .aivcs in /")
        assert execute(*mark, options=["--tag", "x"], code=125).complaint
        assert not (tmp_path / "mark").exists()
        assert execute.aivcs.ok("run", "list").out == b""

    def test_without_a_command_it_is_a_usage_error(self, execute):
        assert execute.aivcs(*execute.words, code=2)
        assert execute.aivcs(*execute.words, "--", code=2)

    def test_a_run_that_the_command_ends_stays_as_it_made_it(self, execute):
        done = execute("sh", "-c", "aivcs run finish @ --status cancelled; echo more", code=0)
        assert done.out == b"more\n"
        assert "ended by the command itself" in done.complaint
        assert execute.record["status"] == "CANCELLED"

    @pytest.mark.parametrize(("own", "code"), [(0, 125), (4, 4)])
    @pytest.mark.parametrize("capture", ["lines", "blobs"])
    def test_a_store_that_fails_does_not_harm_the_command(self, execute, own, code, capture):
        script = f'rm -r "$AIVCS_STORE"/runs "$AIVCS_STORE"/tmp; seq 300000; exit {own}'
        done = execute("sh", "-c", script, options=["--capture", capture], code=code)
        assert done.out == b"".join(b"%d\n" % n for n in range(1, 300_001))
        assert "is not recorded to its end" in done.err.decode()

    def test_output_that_was_lost_is_said_in_the_record(self, execute):
        # For a while the log is not there.
        script = 'cd "$AIVCS_STORE" && mv runs x; seq 3000; sleep 1; mv x runs'
        done = execute("sh", "-c", script, code=125)
        assert done.out.endswith(b"\n3000\n")
        assert execute.run in execute.events[-1][1]["lost"]
        assert execute.ending == ("COMPLETED", 0)


class TestWithoutMeans:
    """No thread or process to be had, at whichever of those that are needed."""

    FEWER = """
import _thread, os
left = [int(os.environ.pop("HOW_MANY"))]
def fewer(start, error):
    def replaced(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return start(*arguments)
    return replaced
_thread.start_new_thread = fewer(_thread.start_new_thread, RuntimeError("can't start new thread"))
late = os.environ.get("LATE")
if late:
    # The leader of a session fails only after its child waits at the gate.
    import time
    start = _thread.start_new_thread
    def slow(*arguments):
        time.sleep(float(late))
        return start(*arguments)
    _thread.start_new_thread = slow
os.fork = fewer(os.fork, BlockingIOError(11, "Resource temporarily unavailable"))
"""

    @pytest.mark.parametrize(("at_terminal", "late"), [(False, ""), (True, ""), (True, "0.2")])
    def test_nothing_is_executed_or_everything_is_recorded(
        self, execute, tmp_path, at_terminal, late
    ):
        (tmp_path / "sitecustomize.py").write_text(self.FEWER)
        mark = tmp_path / "mark"
        script = f"echo done; : >{mark}; exit 3"
        for number in range(20):
            env = {"PYTHONPATH": str(tmp_path), "HOW_MANY": str(number), "LATE": late}
            if at_terminal:
                own = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
                words = ["env", *(f"{name}={value}" for name, value in env.items())]
                words += [execute.program, *execute.words, "--", "sh", "-c", script]
                done = execute.aivcs.shell('"$@" </dev/null', sys.executable, "-c", own, *words)
            else:
                done = execute("sh", "-c", script, env=env)
            assert execute.ending == ("FAILED", done.code)
            if mark.exists():
                break
            assert done.code == 125
            assert b"no further process or thread" in done.err + done.out
        assert done.code == 3
        assert number > 2
        assert [p["text"].strip() for p in execute.output] == ["done"]


class TestStoreThatFails:
    """With --best-effort the command is executed whatever the store does, and that is said."""

    def test_does_not_keep_the_command_from_being_executed(self, execute):
        (execute.aivcs.store / "runs").rmdir()
        (execute.aivcs.store / "runs").write_text("in the way")
        command = ("sh", "-c", 'echo "${AIVCS_RUN-none}"; exit 3')
        assert execute(*command, code=125).out == b""
        env = {"AIVCS_RUN": "that-of-somebody"}
        done = execute(*command, options=["--best-effort"], env=env, code=3)
        assert done.out == b"none\n"
        assert "nothing of it is recorded" in done.err.decode().splitlines()[-1]

    def test_does_not_change_its_exit_code(self, execute):
        script = 'rm -r "$AIVCS_STORE"/runs; echo done'
        done = execute("sh", "-c", script, options=["--best-effort"], code=0)
        assert done.out == b"done\n"
        assert "is not recorded to its end" in done.err.decode()

    def test_does_not_excuse_a_mistake(self, execute):
        execute("true", options=["--best-effort", "--spec", "0" * 64], code=125)
        execute("true", options=["--best-effort", "--tag", "x"], code=125)


class TestWhichRun:
    def test_is_in_a_file_and_the_last(self, execute, tmp_path):
        file = tmp_path / "id"
        file.write_text("of another run, which had a longer name than any run can have\n")
        out = execute("cat", str(file), options=["--id-file", str(file)], code=0).text
        assert out == execute.run
        assert execute.record["run_id"] == out
        show = execute.aivcs.ok("run", "show", "--json")
        assert show.json == execute.aivcs.record("@last") == execute.record
        older = execute.aivcs.begin()
        newer = execute.aivcs.begin()
        assert execute.aivcs.record("@last")["run_id"] == newer
        env = {"AIVCS_RUN": older}
        assert execute.aivcs.ok("run", "show", "--json", env=env).json["run_id"] == older
        os.chown(execute.aivcs.run_log(newer), 54321, -1)
        assert execute.aivcs.record("@last")["run_id"] == older

    def test_fails_where_its_file_cannot_be_written(self, execute):
        done = execute("echo", "x", options=["--id-file", "/dev/full"], code=125)
        assert done.out == b""
        assert f"run {execute.run} was started, and has ended as failed" in done.err.decode()
        assert execute.ending == ("FAILED", 125)

    def test_is_recorded_anyway_where_its_file_cannot_be_written(self, execute):
        done = execute("echo", "x", options=["--id-file", "/dev/full", "--best-effort"], code=0)
        assert done.out == b"x\n"
        assert f"as run {execute.run}" in done.err.decode()
        assert [p["text"] for p in execute.output] == ["x"]
        assert execute.ending == ("COMPLETED", 0)

    def test_does_not_go_on_where_its_start_cannot_be_recorded(self, execute):
        done = execute.shell(
            "trap '' XFSZ; ulimit -f 2; for i in '' --best-effort; do\n"
            f"exec_ $i -- echo x {'y' * 1900} | head -c 1; echo ${{PIPESTATUS[0]}}; done"
        )
        assert done.out.decode().splitlines() == ["125", "x0"]
        assert "nothing of it is recorded" in done.err.decode()
        runs = execute.aivcs.ok("run", "list", "--json").text.splitlines()
        assert [json.loads(run)["status"] for run in runs] == ["FAILED", "FAILED"]

    def test_is_not_said_where_there_is_none(self, execute, tmp_path, outside):
        (tmp_path / "id").write_text("of another run\n")
        options = ["--id-file", str(tmp_path / "id"), "--spec", "0" * 64]
        execute("true", options=options, code=125)
        assert (tmp_path / "id").read_text() == ""
        execute("true", options=["--id-file", str(tmp_path / "no/file")], code=125)
        assert execute.aivcs.ok("run", "list").out == b""
        complaint = execute.aivcs("run", "show", code=12).complaint
        assert "you have started none" in complaint


class TestStreams:
    def test_standard_input_is_the_command_s_own(self, execute):
        script = "(exec_ -- sh -c 'read x; echo \"got $x\"'; cat)"
        done = execute.shell(f"printf 'one\\ntwo\\n' | {script}")
        assert done.out == b"got one\ntwo\n"

    def test_a_reader_that_goes_away_ends_the_command_as_without_us(self, execute):
        done = execute.shell('exec_ -- yes | head -1; echo "${PIPESTATUS[@]}"')
        assert done.out == b"y\n141 0\n"
        assert execute.events[-1][1]["signal"] == "SIGPIPE"

    def test_it_learns_of_that_at_its_next_write(self, execute):
        script = 'echo one; read x <gone; sleep 1; echo two; trap "" PIPE; echo x || exit 7'
        reader = "(head -1; exec <&-; echo >gone)"
        done = execute.shell(
            f"mkfifo gone; exec_ -- sh -c '{script}' | {reader}; echo ${{PIPESTATUS[0]}}"
        )
        assert done.lines[1] == "141"

    def test_output_that_cannot_be_written_is_said(self, execute):
        done = execute.shell("exec_ -- echo x >/dev/full")
        assert done.code == 125
        assert b"No space left" in done.err
        assert execute.ending == ("COMPLETED", 0)

    def test_closed_streams_are_closed_to_the_command(self, execute):
        done = execute.shell("exec_ -- sh -c 'echo x 2>/dev/null || exit 5' >&-")
        assert done.code == 5
        done = execute.shell("exec_ -- sh -c 'cat 2>/dev/null || exit 6' <&-")
        assert done.code == 6

    def test_other_descriptors_are_inherited(self, execute, tmp_path):
        execute.shell(f"exec_ -- sh -c 'echo x >&7' 7>{tmp_path}/seven")
        assert (tmp_path / "seven").read_text() == "x\n"

    def test_what_it_leaves_in_the_background_is_not_waited_for(self, execute):
        chatter = "while :; do echo y; sleep 0.02; done"
        for leave in ("sleep 300 & echo $!", f"{chatter} & echo $! >&2", "sleep 300 >&2 & echo $!"):
            done = execute("sh", "-c", f"exec 3>&1; {leave}", stdout=subprocess.PIPE)
            assert done.code == 0
            found = re.search(rb"^(\d+)$", done.out + b"\n" + done.err, re.MULTILINE)
            try:
                os.kill(int(found[1]), signal.SIGKILL)  # type: ignore[index]
            except ProcessLookupError:
                assert leave.startswith("while")  # SIGPIPE came first

    def test_what_was_written_before_the_end_arrives_however_slow_the_reader(self, execute):
        script = "exec_ -- head -c 300000 /dev/zero | (sleep 3; wc -c)"
        assert execute.shell(script).out == b"300000\n"

    def test_a_slow_reader_of_one_stream_does_not_hold_the_other_up(self, execute):
        process = execute.start(
            "sh", "-c", "head -c 3000000 /dev/zero & echo here >&2; wait",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr.readline() == b"here\n"
        assert len(process.communicate()[0]) == 3_000_000

    def test_a_pipe_that_does_not_wait_gets_everything(self, execute):
        source, sink = os.pipe()
        os.set_blocking(sink, False)
        process = execute.start("head", "-c", "1000000", "/dev/zero", stdout=sink)
        os.close(sink)
        size = 0
        while data := os.read(source, 4096):
            size += len(data)
        os.close(source)
        assert (process.wait(), size) == (0, 1_000_000)


class TestSignals:
    SCRIPT = "trap 'echo {0}; exit {1}' {0}; echo ready; while :; do sleep 0.05; done"

    def told(self, execute, name, code):
        process = execute.start("sh", "-c", self.SCRIPT.format(name, code), stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, f"SIG{name}"))
        out, _ = process.communicate(timeout=30)
        assert out == f"{name}\n".encode()
        assert process.returncode == code

    @pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"])
    def test_reach_the_command(self, execute, name):
        self.told(execute, name, 9)
        assert execute.ending == ("CANCELLED" if name in {"INT", "TERM"} else "FAILED", 9)

    def test_a_command_that_ends_well_when_told_to_is_completed(self, execute):
        self.told(execute, "TERM", 0)
        assert execute.ending == ("COMPLETED", 0)

    @pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"])
    @pytest.mark.parametrize("also_alone", [False, True])
    def test_to_the_whole_group_reach_the_command_once(self, execute, name, also_alone):
        """Also from who signals us first and then the group, as timeout(1) does."""
        count = (
            "import os, signal, sys, time\n"
            "def take(number, _): os.write(1, b'got\\n')\n"
            f"signal.signal(signal.SIG{name}, take)\n"
            "os.write(1, b'ready\\n')\nsys.stdin.read()\n"
        )
        process = execute.start(
            sys.executable, "-c", count,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0,
        )  # fmt: skip
        assert process.stdout.readline() == b"ready\n"
        number = getattr(signal, f"SIG{name}")
        if also_alone:
            process.send_signal(number)
        os.killpg(process.pid, number)
        assert process.stdout.readline() == b"got\n"
        time.sleep(0.5)  # in which a second one would come
        assert process.communicate(timeout=30)[0] == b""
        assert process.returncode == 0

    def test_by_timeout_reach_the_command_once(self, execute):
        script = "trap 'echo got; sleep .5; exit 5' TERM; while :; do sleep 0.05; done"
        done = execute.aivcs.shell(f'timeout 3 "$1" {" ".join(execute.words)} -- sh -c "$2"',
                             execute.program, script)  # fmt: skip
        assert done.out == b"got\n"
        assert execute.ending == ("CANCELLED", 5)

    def test_what_is_adopted_is_reaped(self, execute):
        """Here because the children of a shell stay children behind its exec; as process 1, too."""
        script = "while kill -0 $1 2>/dev/null; do sleep 0.02; done; echo reaped"
        done = execute.aivcs.shell(
            f'sleep 0.3 & exec "$1" {" ".join(execute.words)} -- sh -c "$2" - $!',
            execute.program, script,
        )  # fmt: skip
        assert done.out == b"reaped\n"

    def test_those_ignored_by_our_caller_are_ignored_by_the_command(self, execute):
        done = execute.shell("trap '' HUP; exec_ -- sh -c 'kill -HUP $$; echo survived'")
        assert done.out == b"survived\n"

    def test_a_caller_that_ignores_the_end_of_children_still_learns_how_it_ended(self, execute):
        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        failing = execute("sh", "-c", "exit 7", preexec_fn=ignore)
        assert (failing.code, execute.ending) == (7, ("FAILED", 7))
        ignored = execute("grep", "SigIgn", "/proc/self/status", preexec_fn=ignore)
        assert int(ignored.out.split()[1], 16) & 1 << signal.SIGCHLD - 1

    def test_the_command_has_none_blocked_that_was_not(self, execute):
        def blocked(text):
            return re.findall(r"^SigBlk:\s*(\w+)$", text, re.MULTILINE)

        status = execute("cat", "/proc/self/status").out.decode()
        assert blocked(status) == blocked(Path("/proc/self/status").read_text())

    def test_stopping_and_continuing_reach_the_command(self, execute):
        # In a group of its own: one that has nobody to make it go on would not be stopped.
        process = execute.start(
            "sh", "-c", "echo $$; exec sleep 300", stdout=subprocess.PIPE, process_group=0
        )
        command = int(process.stdout.readline())

        def state(pid):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

        process.send_signal(signal.SIGTSTP)
        # Ours, too: as a shell does not make a job go on before all of it has stopped.
        wait_until(lambda: state(command) == state(process.pid) == "T")
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: state(command) == "S")
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 143


def test_jq_puts_the_lines_together_as_the_manual_says(execute):
    done = execute("printf", r"a\n\nb", code=0)
    program = """
        select(.kind == "output").payload | .text + if .newline == false then "" else "\\n" end
    """
    asked = subprocess.run(
        ["jq", "-j", program],
        input=execute.aivcs.ok("run", "events", execute.run, "--json").out,
        capture_output=True, check=True,
    )  # fmt: skip
    assert asked.stdout == done.out
    assert json.loads(execute.aivcs.ok("run", "show", execute.run, "--json").out)


def test_an_opening_for_a_blob_that_cannot_be_stored_is_closed(tmp_path, monkeypatch):
    def refuse(self, readable):
        raise BackendError("no space left")

    repo = Repository.init(tmp_path)
    metadata = RunMetadata("bot", git_sha=None, tags={})
    run_id = repo.runs.create_run(ContentDigest.from_bytes(b"spec"), metadata)
    closed: list[str] = []
    monkeypatch.setattr(FileCasStore, "put_stream", refuse)
    monkeypatch.setattr(FileBackend, "close", lambda self: closed.append(self.url))
    recording = Recording(repo, run_id, BLOBS)
    recording.listen()
    recording.take("stdout", b"text")
    recording.close()
    assert "no space left" in str(recording.failure)
    assert closed == [repo.path]
