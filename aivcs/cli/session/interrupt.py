"""Ends the process after Ctrl-C.

A shell takes a Ctrl-C as its own only if the command dies of SIGINT: after an exit with 130 the
loop around the command would continue. `$?` is 130 in both cases.
"""

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enumerations, which cost a third of a start


def end_by_interrupt(*, whole_group: bool = False) -> None:
    """Ends this process by SIGINT, as Ctrl-C would: so a loop in a shell ends, too.

    Args:
        whole_group: Whether Ctrl-C has yet to reach the rest of our process group.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if whole_group:
        os.kill(0, signal.SIGINT)
    # To this thread: a signal to the process goes to the thread that waits for signals.
    signal.pthread_kill(_thread.get_ident(), signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
