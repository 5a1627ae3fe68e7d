"""Retries with backoff and jitter, for stores on a network."""

from __future__ import annotations

from random import uniform
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

from aivcs.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    Result = TypeVar("Result")

_FIRST_PAUSE_S = 0.1
"""Seconds before the second attempt, at most."""
_MAX_PAUSE_S = 5.0
"""Seconds between two later attempts, at most."""


def retry(
    attempt: Callable[[], Result],
    seconds: float,
    *,
    notify: Callable[[str], None] | None = None,
    clock: Callable[[], float] = monotonic,
    pause: Callable[[float], None] = sleep,
) -> Result:
    """Calls a function until it does not raise `UnreachableError`; returns its result.

    The pauses double, to 5 s, and each is between half of that and all of it at random, so that
    many clients of a server that comes back do not arrive at once. The last attempt begins when
    the time is over.

    Args:
        attempt: The function. It must raise `UnreachableError` only if nothing was done.
        seconds: The time for all attempts; with 0 there is one.
        notify: Called once, with a sentence, before the first pause.
        clock: Returns seconds.
        pause: Waits for a number of seconds.

    Raises:
        UnreachableError: No attempt succeeded; names the last reason and the number of attempts.
    """
    deadline = clock() + seconds
    longest = _FIRST_PAUSE_S
    attempts = 0
    while True:
        try:
            return attempt()
        except UnreachableError as error:
            attempts += 1
            left = deadline - clock()
            if left <= 0:
                if attempts == 1:
                    raise
                reason = f"{error.reason} ({attempts} attempts in {seconds:g} s)"
                raise UnreachableError(error.store, reason) from error
            if attempts == 1 and notify is not None:
                notify(f"cannot reach {error.store}: {error.reason}; trying for {seconds:g} s")
            wanted = max(uniform(longest / 2, longest), error.retry_after)  # noqa: S311
        pause(min(wanted, left))
        longest = min(longest * 2, _MAX_PAUSE_S)
