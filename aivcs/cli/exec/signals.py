"""Signals, taken by a thread that waits for them, so that none interrupts anything.

They are blocked for the whole process before the command is started, which gets the mask that was.
"""

import _thread
import os

from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
else:
    import _signal as signal  # without the enumerations, which cost a third of a start

TAKEN = {
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH,
}  # fmt: skip
"""The signals that are the command's."""


def require_signals() -> None:
    """Refuses to go on where a signal does not tell who sent it, as on macOS.

    Raises:
        BackendError: It does not here.
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
        """Blocks them; they wait for `listen`."""
        # Not to be stopped when we set the terminal's mode, or give the command the terminal.
        blocked = {*TAKEN, signal.SIGTTOU}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        # Some parents have it ignored, and then the system keeps no status for us to wait for.
        self._of_children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def restore(self) -> None:
        """Makes them in this process, which is to become the command, what they were."""
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, in its own interest
            signal.signal(ignored, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, self._of_children)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def listen(self, tell: "Callable[[int, bool], None]") -> None:
        """Tells, in a thread, of each signal, and whether the system itself sent it.

        What the keys of a terminal send comes from the system, and to the whole process group.
        """
        _thread.start_new_thread(self._wait, (tell,))

    def _wait(self, tell: "Callable[[int, bool], None]") -> None:
        while True:
            found = signal.sigwaitinfo(TAKEN)
            if found.si_pid == os.getpid() and found.si_code <= 0:
                continue  # meant for the others of our process group
            tell(found.si_signo, found.si_code > 0)


def stop(*, whole_group: bool) -> None:
    """Stops this process as the terminal would; returns when it goes on.

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
