"""A limit to the time of one tool: a regular expression may take for ever on a long text."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aivcs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20.0
"""Seconds that a search with a regular expression may take."""


@contextmanager
def time_limit(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Ends the block after some seconds, also within a match of a regular expression.

    Python looks for signals while it matches. In another thread than the first, where none arrive,
    nothing is limited.

    Args:
        what: What is done, for the message.
        seconds: The limit.

    Raises:
        UsageError: The time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(*_: object) -> None:
        raise UsageError(f"{what} took longer than {seconds:g} s; ask for less")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
