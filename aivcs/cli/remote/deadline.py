"""A limit of time for a copy, by the alarm clock of the process."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aivcs.errors import BackendError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_S = 86_400


class LateError(BackendError):
    """The time is up; what was copied until then is there, and copying again goes on."""


@contextmanager
def deadline(seconds: float | None, what: str) -> Iterator[None]:
    """Returns a block that may take a time at most.

    Args:
        seconds: The time; None for any.
        what: What takes it, for the message.

    Raises:
        UsageError: The time is not between 0 and a day.
        LateError: The time is up.
    """
    if seconds is None:
        yield
        return
    if not 0 < seconds <= _MAX_S:
        raise UsageError(f"--timeout takes seconds, more than 0 and {_MAX_S} at most")

    def ring(*_: object) -> None:
        raise LateError(f"{what} took longer than {seconds:g} s; do it again to go on")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
