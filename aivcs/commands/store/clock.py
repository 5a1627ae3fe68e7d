"""The store's time, for what is removed or ended because it is old."""

from __future__ import annotations

from time import time

from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.repository import Repository

MAX_SKEW_S = 600
"""Seconds by which this machine's clock may differ from the store's."""


def agreed_now(repo: Repository) -> float:
    """Returns the time by the store's clock, in POSIX seconds, if this machine's agrees.

    One of two clocks that differ is wrong, and by a server's that is ahead everything is old.

    Raises:
        BackendError: They differ by more than ten minutes.
    """
    now = repo.store.now()
    skew = now - time()
    if abs(skew) > MAX_SKEW_S:
        raise BackendError(
            f"the store's clock is {abs(skew):,.0f} seconds {'ahead of' if skew > 0 else 'behind'} "
            "that of this machine, so how old anything is, is not certain; nothing was done. "
            "Set the one that is wrong"
        )
    return now
