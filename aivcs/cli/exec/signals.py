"""Takes signals in a thread that waits for them, so that none interrupts a system call.

The signals are blocked in the whole process before the command starts. The command gets the mask
that this process was started with.
"""

import _thread
import os
import select
from time import monotonic, sleep

from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import NoReturn
else:
    import _signal as signal  # without the enumerations, which cost a third of a start

FORWARDED = {
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH,
}  # fmt: skip
"""The signals that are the command's."""
_GROUP_DELAY_S = 0.05
"""Seconds between a signal to us and to our whole group by one sender, such as timeout(1)."""
_SAME_SIGNAL_S = 0.1
"""Seconds within which equal signals to us and to our group count as one."""
_WITNESS_TIMEOUT_MS = 1000
"""Milliseconds to wait for an answer of the witness, which may be stopped."""


def require_signals() -> None:
    """Refuses systems where a signal does not tell its sender, such as macOS.

    Raises:
        BackendError: It does not on this system.
    """
    if not hasattr(signal, "sigwaitinfo"):
        raise BackendError(
            "run exec needs sigwaitinfo, which this system does not have; record what you execute "
            "with: aivcs run start, run log and run finish"
        )


class Signals:
    """The signals of this process, blocked.

    The command gets them as we got them, by `restore`.
    """

    def __init__(self) -> None:
        """Blocks the signals until `listen`."""
        # Not to be stopped when we set the terminal's mode, or give the command the terminal.
        blocked = {*FORWARDED, signal.SIGTTOU}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        # Some parents have it ignored, and then the system keeps no status for us to wait for.
        self._of_children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def restore(self) -> None:
        """Restores the signals as this process got them, before it becomes the command."""
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, in its own interest
            signal.signal(ignored, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, self._of_children)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def listen(self, report: "Callable[[int, bool], None]") -> None:
        """Reports each signal, in a thread, and whether the system itself sent it.

        Signals from the keys of a terminal come from the system and reach the whole process group.

        What the keys of a terminal send comes from the system, and to the whole process group.
        """
        _thread.start_new_thread(self._wait, (report,))

    def _wait(self, report: "Callable[[int, bool], None]") -> None:
        while True:
            found = signal.sigwaitinfo(FORWARDED)
            if found.si_pid == os.getpid() and found.si_code <= 0:
                continue  # meant for the others of our process group
            report(found.si_signo, found.si_code > 0)


class Witness:
    """A process of our group that only notices the signals sent to the whole group.

    Without it, a signal sent to this process alone, which must be passed on to the command, looks
    the same as one that the command has got already: as a member of the group (timeout, a shell, a
    CI runner) or of a service (systemd signals every process in it).

    Nothing else tells what was sent to us alone, and is to be passed on to the command, from what
    the command has got already: as one of the group (timeout, a shell, the runner of a CI job) or
    of a service (systemd signals every process in it).
    """

    def __init__(self) -> None:
        """Starts the process, which ends when this one does.

        Raises:
            OSError: The system has no further process.
        """
        heard, hears = os.pipe()
        ask, self._asks = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            _witness(ask, hears)
        os.close(hears)
        os.close(ask)
        self._heard = heard
        self._seen: dict[int, float] = {}

    def has_seen(self, number: int) -> bool:
        """Whether a signal went to the whole group. Waits for senders that signal one by one.

        A witness that was stopped or killed has seen nothing.

        A witness that is stopped or gone has seen nothing.
        """
        if monotonic() - self._seen.get(number, -_SAME_SIGNAL_S) < _SAME_SIGNAL_S:
            return True
        sleep(_GROUP_DELAY_S)
        try:
            os.write(self._asks, b".")
        except OSError:
            return False
        answers = select.poll()
        answers.register(self._heard, select.POLLIN)
        while answers.poll(_WITNESS_TIMEOUT_MS):
            heard = os.read(self._heard, 256)
            # It answers 0 after its signals: a process handles pending signals first.
            self._seen.update(dict.fromkeys(heard, monotonic()))
            if not heard or 0 in heard:
                break
        return monotonic() - self._seen.get(number, -_SAME_SIGNAL_S) < _SAME_SIGNAL_S

    def dismiss(self) -> None:
        """Ends the witness."""
        os.close(self._asks)
        os.close(self._heard)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # it was reaped with the others


def _witness(ask: int, hears: int) -> "NoReturn":
    """Writes the number of each signal that arrives, and 0 when asked, until nobody reads."""
    try:
        # Where others wait for the end of a pipe it must not be this process that keeps it open.
        low = 0
        for descriptor in sorted((ask, hears)):
            os.closerange(low, descriptor)
            low = descriptor + 1
        os.closerange(low, os.sysconf("SC_OPEN_MAX"))
        os.set_blocking(hears, False)
        signal.set_wakeup_fd(hears, warn_on_full_buffer=False)
        for number in FORWARDED:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        while os.read(ask, 1):
            os.write(hears, b"\0")
    finally:
        os._exit(0)


def stop(*, whole_group: bool) -> None:
    """Stops this process as the terminal would. Returns when it continues.

    Returns at once if nobody could continue it: the system does not stop an orphaned process group.

    At once, if nobody could make it go on: the system does not stop an orphaned process group.

    Args:
        whole_group: Whether Ctrl-Z has yet to reach the rest of our process group.
    """
    if whole_group:
        os.kill(0, signal.SIGTSTP)
    # To this thread: sent to the process, it could be taken by the one that waits for signals.
    signal.pthread_kill(_thread.get_ident(), signal.SIGTSTP)
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTSTP])
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
