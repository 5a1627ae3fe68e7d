"""Whoever starts the suite, and the machine it runs on, do not decide how it ends."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
PROBE = """
import os, subprocess, sys
import pytest

def test_signals_reach_commands_that_are_started():
    of_python = 1 << 12 | 1 << 24  # SIGPIPE and SIGXFSZ
    status = open("/proc/self/status").read()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    assert (ignored & ~of_python, blocked) == (0, 0)
    script = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == -2, done

def test_no_configuration_of_the_machine_is_read(aivcs):
    aivcs.ok("config", "list")
    assert not {"AIVCS_STORE", "GIT_DIR", "CI_JOB_ID"} & os.environ.keys()

@pytest.mark.parametrize("case", [1, 2, 3])
def test_needs_a_tool(case):
    pytest.skip("there is no such tool")
"""
START = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


def test_signals_configuration_and_variables_are_undone_and_skipped_tests_are_named(tmp_path):
    (tmp_path / "test_probe.py").write_text(PROBE)
    machine = tmp_path / "xdg" / "aivcs" / "config.toml"
    machine.parent.mkdir(parents=True)
    machine.write_text("this is not TOML")
    options = ["-p", "conftest", "-n", "0", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", START, *options, "test_probe.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
            "AIVCS_STORE": "/nonexistent",
            "GIT_DIR": "/nonexistent",
            "CI_JOB_ID": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed, 3 skipped" in done.stdout
    _, _, end = done.stdout.partition("skipped tests, and why")
    lines = end.splitlines()[1:3]
    assert lines == [
        "there is no such tool: 3 skipped",
        "    test_probe.py::test_needs_a_tool (3 times)",
    ]
