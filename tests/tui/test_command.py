"""`aivcs browse` as a process: in a terminal, and where there is none."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from command import COMMAND
from tui.conftest import fill

from aivcs import Repository

SECONDS = 30


class Window:
    """A terminal of tmux with a program in it, as a person has one."""

    def __init__(self, folder, environment, columns=80, lines=24):
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", os.devnull]
        self._environment = environment
        self._size = ["-x", str(columns), "-y", str(lines)]
        self._log = folder / "ended"

    def start(self, *words, cwd):
        script = f'"$@"; echo $? > {self._log}; sleep 60'
        self._do("new-session", "-d", *self._size, "sh", "-c", script, "sh", *words, cwd=cwd)

    def _do(self, *words, cwd=None):
        return subprocess.run(
            [*self._tmux, *words], cwd=cwd, env=self._environment, check=True, capture_output=True,
            text=True, timeout=SECONDS,
        ).stdout  # fmt: skip

    def type(self, *keys):
        self._do("send-keys", *keys)

    def wait_for(self, text):
        """Returns the screen as soon as it has a text."""
        deadline = time.monotonic() + SECONDS
        while text not in (screen := self._do("capture-pane", "-p")):
            assert time.monotonic() < deadline, screen
            time.sleep(0.05)
        return screen

    def code(self):
        """Returns the exit code, once the program has ended."""
        deadline = time.monotonic() + SECONDS
        while not self._log.exists() or not self._log.read_text().strip():
            assert time.monotonic() < deadline, self._do("capture-pane", "-p")
            time.sleep(0.05)
        return int(self._log.read_text())

    def pid(self):
        """Returns the id of the program in the terminal."""
        shell = self._do("display-message", "-p", "#{pane_pid}").strip()
        return int(
            subprocess.run(
                ["ps", "-o", "pid=", "--ppid", shell], check=True, capture_output=True, text=True
            ).stdout.split()[0]
        )

    def close(self):
        with suppress(subprocess.CalledProcessError):
            self._do("kill-server")


@pytest.fixture
def store(aivcs):
    fill(Repository.open(aivcs.store))
    return aivcs


@pytest.fixture
def window(store, tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    opened = Window(tmp_path, store.environment(TERM="xterm-256color"))
    yield opened
    opened.close()


class TestTerminal:
    def test_person_goes_from_what_is_live_to_the_failing_step_and_out(self, window, store):
        window.start(*COMMAND, "browse", cwd=store.folder)
        assert "eve: it broke the collection" in window.wait_for("3 runs")
        window.type("j", "j", "Enter")
        window.wait_for("rolled back")
        window.type("Enter")
        window.wait_for("aivcs release rollback coder --reason TEXT")
        window.type("q", "r")
        window.wait_for("runs of v1")
        window.type("q", "q", "g", "Enter")
        window.wait_for("exit code 3")
        window.type("f", "Enter")
        window.wait_for("error      #")
        window.type("e", "Enter")
        window.wait_for("exit_code: 3")
        window.type("Q")
        assert window.code() == 0

    def test_interrupt_ends_it_as_any_command(self, window, store):
        window.start(*COMMAND, "release", "history", "coder", "-i", cwd=store.folder)
        window.wait_for("rolled back")
        window.type("C-c")
        assert window.code() == 130

    def test_a_person_leaves_it_for_the_shell_and_comes_back(self, window, store):
        shell = 'set -m; "$@"; jobs >jobs; read -r; fg'
        window.start("bash", "-c", shell, "bash", *COMMAND, "browse", cwd=store.folder)
        window.wait_for("3 runs")
        window.type("C-z")
        deadline = time.monotonic() + SECONDS
        while "3 runs" in window._do("capture-pane", "-p"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        window.type("Enter")
        window.wait_for("3 runs")
        assert "keys" in window.wait_for("what is live")
        assert "Stopped" in (store.folder / "jobs").read_text()
        window.type("Q")
        assert window.code() == 0

    def test_terminal_is_restored_when_it_is_ended_from_outside(self, window, store):
        window.start(*COMMAND, "browse", cwd=store.folder)
        window.wait_for("3 runs")
        os.kill(window.pid(), signal.SIGTERM)
        assert window.code() == 143
        assert "3 runs" not in window._do("capture-pane", "-p")


@pytest.mark.parametrize("words", [["browse"], ["release", "history", "coder", "-i"]])
class TestWithoutTerminal:
    def test_says_so_in_a_line(self, store, words):
        result = store(*words, code=2)
        assert result.out == b""
        assert result.err.count(b"\n") == 1
        assert b"needs a terminal" in result.err

    def test_says_how_to_get_what_is_missing(self, store, words, tmp_path):
        (tmp_path / "textual.py").write_text("raise ImportError('no textual here')\n")
        import pty

        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "aivcs", *words], cwd=store.folder, stdin=slave, stdout=slave,
            stderr=subprocess.PIPE,
            env=store.environment(PYTHONPATH=str(tmp_path), TERM="xterm-256color"),
        )  # fmt: skip
        _, err = process.communicate(timeout=SECONDS)
        os.close(master)
        os.close(slave)
        assert process.returncode == 16
        assert b"pip install 'aivcs-cli[tui]'" in err.replace(b"\n       ", b" ")


def test_begins_with_what_is_named(store, tmp_path):
    from tui.conftest import source_of

    from aivcs.cli.browse.handlers import _page_of
    from aivcs.cli.session.context import Context

    repo = Repository.open(store.store)
    run = next(repo.runs.iter_runs(limit=1)).run_id
    source, context = source_of(repo), Context(store.environment())
    assert _page_of(context, source, "coder").title == "coder"
    assert _page_of(context, source, "coder@v2").title == "@2"
    assert _page_of(context, source, run[:8]).title == f"run {run[:8]}"


@pytest.mark.parametrize("what", ["nobody", "nobody@v1", "zz", ""])
def test_what_does_not_exist_is_said_before_a_screen_is_drawn(store, what):
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "browse", what], cwd=store.folder, stdin=slave, stdout=slave,
        stderr=subprocess.PIPE, env=store.environment(TERM="xterm-256color"),
    )  # fmt: skip
    _, err = process.communicate(timeout=SECONDS)
    os.close(master)
    os.close(slave)
    assert process.returncode == (2 if what == "" else 12), err
    assert b"Traceback" not in err


@pytest.mark.parametrize("is_ignored", [False, True])
def test_it_ends_with_its_terminal(store, is_ignored):
    """Also where whoever started it, as nohup does, ignores the signal that says so."""
    import pty
    from select import select

    environment = store.environment(TERM="xterm-256color")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(store.folder)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
        os.execve(COMMAND[0], [*COMMAND, "browse"], environment)
    seen = b""
    while b"3 runs" not in seen:
        assert select([master], [], [], SECONDS)[0]
        seen += os.read(master, 1 << 16)
    os.close(master)
    until = time.monotonic() + SECONDS
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
        time.sleep(0.05)
    if ended == (0, 0):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended[1]) == 129
