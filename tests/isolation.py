"""Keeps the machine and whoever started the tests from deciding how they end.

A shell that starts a job in the background has it ignore SIGINT; nohup ignores SIGHUP; a desk may
have a system-wide configuration of aivcs, a CI system sets variables that `run start` reads. A
process hands all of that to its children, so the tests undo it in their own process first, and
the environments that they make for a command lead to no configuration of the machine.
"""

import os
import signal

NO_SYSTEM = {"XDG_CONFIG_DIRS": "/nonexistent/xdg"}
"""What keeps a command from the configuration that the machine has for all its users."""
_ASKED = {
    "AIVCS_REQUIRE_ALL", "AIVCS_TEST_TRACES", "AIVCS_TEST_SESSIONS", "AIVCS_TEST_MLFLOW",
    "AIVCS_TEST_POSTGRES", "AIVCS_ARTIFACTS",
}  # fmt: skip
"""The variables that are addressed to the tests themselves."""
_OF_PYTHON = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}
"""What may be needed to find or to start the interpreter."""
_FOREIGN = (
    "AIVCS_", "CI_", "GITHUB_", "GITLAB_", "GIT_", "PYTHON", "SSH_", "XDG_",
)  # fmt: skip


def reset_signals():
    """Gives every signal that is ignored or blocked back its default, as at a fresh login."""
    of_python = {signal.SIGPIPE, signal.SIGXFSZ}  # Python itself ignores these, in every process
    for number in signal.valid_signals() - of_python:
        if signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def reset_environment():
    """Takes out of the environment what would reach a command or git through it."""
    for name in [*os.environ]:
        if name.startswith(_FOREIGN) and name not in _ASKED | _OF_PYTHON:
            del os.environ[name]
    os.environ.update(NO_SYSTEM)
