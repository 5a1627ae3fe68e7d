"""A limit of time, by the alarm clock of the process."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager

from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.errors import AivcsError

_MAX_S = 86_400
"""Seconds that `--timeout` takes, at most."""


class LateError(BackendError):
    """The time is up; what was copied until then is there, and copying again goes on."""


class _Alarm(BaseException):
    """The time is up: no error of a store, which code within the block may catch and go on."""


@contextmanager
def deadline(
    seconds: float | None,
    what: str,
    *,
    error: type[AivcsError] = LateError,
    advice: str = "do it again to go on",
) -> Iterator[None]:
    """Returns a block with a time limit, which also interrupts a match of a regular expression.

    Outside the main thread, where no signals arrive, nothing is limited.

    Args:
        seconds: The time; None for any.
        what: What takes it, for the message.
        error: The class of the error when the time is up.
        advice: What to do then, for the message.

    Raises:
        UsageError: The time is not between 0 and a day.
        AivcsError: The time is up.
    """
    if seconds is not None and not 0 < seconds <= _MAX_S:
        raise UsageError(f"--timeout takes seconds, more than 0 and {_MAX_S} at most")
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Alarm:
        raise error(f"{what} took longer than {seconds:g} s; {advice}") from None
    finally:
        signal.signal(signal.SIGALRM, before)
