"""`aivcs run exec` at a terminal: the command has one, and the keys do what they always did."""

import os
import resource
import signal
from pathlib import Path

import pytest


def test_the_command_has_a_terminal_of_the_same_size_and_settings(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("stty -echoe; stty -a >before; $E sh -c 'stty -a >after; test -t 2; echo $?'\r")
    it.wait_for("\n0\r\n")
    it.wait_for("READY> ")
    folder = execute.aivcs.folder
    assert (folder / "after").read_text() == (folder / "before").read_text()
    assert "rows 30; columns 100" in (folder / "after").read_text()
    assert execute.output == [{"stream": "terminal", "text": "0\r"}]


def test_it_learns_of_a_new_size(desk):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E bash -c 'trap \"stty size; exit\" WINCH; echo up; while :; do sleep 0.1; done'\r")
    it.wait_for("\nup")
    it.resize(50, 132)
    it.wait_for("50 132")


def test_what_is_typed_reaches_it_and_the_end_of_input_does(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo up; read x; echo got $x; cat >/dev/null; echo over'\r")
    it.wait_for("\nup")
    it.type("hello\r")
    it.wait_for("got hello")
    it.type("\x04")
    it.wait_for("over")
    it.wait_for("READY> ")
    assert it.is_canonical()
    assert execute.ending == ("COMPLETED", 0)


def test_what_is_typed_reaches_it_however_many_files_are_open(desk, execute):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1200:
        pytest.skip("so many files cannot be open")
    # Numbers up to 1100 are taken, so that what the command opens has those above.
    (execute.aivcs.folder / "many").write_text(
        'ulimit -S -n 1200 && for ((i = 3; i < 1100; i++)); do eval "exec $i</dev/null"; done\n'
        "exec $E sh -c 'echo up; read x; echo got $x'\n"
    )
    it = desk("bash", "-c", ". ./many")
    it.wait_for("up")
    it.type("hello\r")
    it.wait_for("got hello")


def test_ctrl_z_stops_the_job_and_fg_goes_on(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo up; read x; echo got $x'\r")
    it.wait_for("\nup")
    it.type("\x1a")
    it.wait_for("Stopped")
    it.wait_for("READY> ")
    assert it.is_canonical()
    it.type("fg\r")
    it.wait_for("echo got $x'")
    it.type("hello\r")
    it.wait_for("got hello")
    it.wait_for("READY> ")
    assert execute.ending == ("COMPLETED", 0)


def test_ctrl_c_reaches_the_command_once_and_ends_a_loop_of_the_shell(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    for way in ("", "</dev/null", "| cat"):
        it.type(f"for i in 1 2 3; do $E sleep 300 {way}; done; echo rc $?\r")
        it.wait_for("\n")
        while "sleep" not in str(execute_events(execute, way)):
            pass
        it.type("\x03")
        it.wait_for("READY> ")
        assert execute.ending == ("CANCELLED", 130)
    assert len(execute.aivcs.ok("run", "list").lines) == 3
    # Once it is told, it leaves a second one time to come.
    script = "trap 'echo C; told=1' INT; echo up; until [ $told ]; do sleep 0.1; done; sleep 1"
    (execute.aivcs.folder / "script").write_text(f"{script}; echo end\n")
    it.type("$E sh script </dev/null\r")
    it.wait_for("\nup")
    it.type("\x03")
    assert it.wait_for("end").count("C\r") == 1


def execute_events(execute, way):
    """The events of the run that is on, once there is one."""
    wanted = ["", "</dev/null", "| cat"].index(way) + 1
    runs = execute.aivcs.ok("run", "list").lines
    return execute.events if len(runs) == wanted else []


def test_the_terminal_is_as_before_even_if_aivcs_is_killed(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo pid $PPID; sleep 300'\r")
    it.wait_for("\npid ")
    monitor = it.wait_for("\r\n")
    assert not it.is_canonical()
    fields = Path(f"/proc/{monitor}/stat").read_text().rpartition(")")[2].split()
    os.kill(int(fields[1]), signal.SIGKILL)
    it.wait_for("Killed")
    it.wait_for("READY> ")
    it.type("stty -a | grep -o ' icanon'\r")
    it.wait_for("\n icanon")


def test_at_its_end_nothing_is_left_that_could_change_the_terminal(desk):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo $PPID >monitor'; kill -0 $(cat monitor); echo rc=$?\r")
    it.wait_for("rc=1\r\n")


def test_in_the_background_it_leaves_the_terminal_alone(desk):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo up; read x; echo got $x' &\r")
    it.wait_for("up\r")
    assert it.is_canonical()
    it.type("echo $((40 + 2))\r")
    it.wait_for("42\r\n")
    it.wait_for("READY> ")
    it.type("fg\r")
    it.wait_for("got $x'")
    it.type("hello\r")
    it.wait_for("got hello")


def test_with_another_input_the_keyboard_is_at_the_terminal(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("echo in | $E sh -c 'cat; stty size <&1; echo up; read x </dev/tty; echo got $x'\r")
    it.wait_for("\nin\r\n30 100\r\nup")
    it.type("\x1a")
    it.wait_for("Stopped")
    it.type("fg\r")
    it.wait_for("got $x'")
    it.type("hello\r")
    it.wait_for("got hello")
    it.wait_for("READY> ")
    assert it.is_canonical()
    assert execute.recorded("terminal").startswith(b"in\r\n30 100\r\nup\r\n")


def test_a_pipeline_stops_and_goes_on_as_a_whole(desk, execute):
    fifo = execute.aivcs.folder / "go"
    os.mkfifo(fifo)
    go = os.open(fifo, os.O_RDWR)  # which does not wait for a reader
    it = desk()
    it.wait_for("READY> ")
    it.type("(echo a; read x <go; echo b) | $E sh -c 'cat; echo over'\r")
    # By this `cat` has been executed: a shell that starts it by vfork(2) cannot be stopped before,
    # and waits for a child that has been, whoever executes it.
    it.wait_for("\na\r\n")
    it.type("\x1a")
    it.wait_for("Stopped")
    it.type("fg\r")
    it.wait_for("echo over'\r\n")
    os.write(go, b"\n")
    os.close(go)
    it.wait_for("b\r\nover\r\n")


def test_a_command_that_stops_itself_when_told_to_is_noticed(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    script = "trap 'echo tidy; kill -STOP $$; echo back; exit' TSTP; echo up; while :; do :; done"
    (execute.aivcs.folder / "script").write_text(script)
    it.type("$E bash script\r")
    it.wait_for("\nup")
    it.type("\x1a")
    it.wait_for("Stopped")
    it.type("fg\r")
    it.wait_for("\nback")
    it.wait_for("READY> ")
    assert it.is_canonical()


def test_messages_alone_may_go_to_a_terminal(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'test -t 2 && stty size <&2 >&2; echo x; read x; echo got $x >&2' | cat\r")
    it.wait_for("\n30 100\r\n")
    it.type("hello\r")
    it.wait_for("got hello\r\n")
    it.wait_for("READY> ")
    assert execute.recorded("terminal") == b"30 100\ngot hello\n"
    assert execute.recorded("stdout") == b"x\n"


def test_an_errors_stream_that_is_none_stays_apart(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo out; echo err >&2' 2>errors\r")
    it.wait_for("\nout\r\n")
    it.wait_for("READY> ")
    assert (execute.aivcs.folder / "errors").read_text() == "err\n"
    assert execute.recorded("stderr") == b"err\n"


def test_what_cannot_be_executed_leaves_the_terminal_as_it_was(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E no-such-command; echo rc=$?\r")
    it.wait_for("rc=127")
    it.wait_for("READY> ")
    assert it.is_canonical()
    assert execute.ending == ("FAILED", 127)


def test_commands_that_end_at_once_are_noticed(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("for i in 1 2 3 4 5 6 7 8; do $E true; done; echo $((40 + 2))\r")
    it.wait_for("42")
    assert len(execute.aivcs.ok("run", "list", "--status", "completed").lines) == 8


def test_a_command_that_lets_go_of_its_terminal_can_be_interrupted(desk, execute):
    it = desk()
    it.wait_for("READY> ")
    it.type("$E sh -c 'echo up; exec sleep 300 </dev/null >/dev/null 2>&1'; echo rc=$?\r")
    it.wait_for("\nup")
    it.type("\x03")
    it.wait_for("READY> ")
    assert execute.ending == ("CANCELLED", 130)
