"""Fairness between the writers of one log: a writer that wins often waits for the others.

The winner knows the end of the log and needs one request to append again; a loser needs more. Tried
again at once, one writer of eight stored nearly everything. So a writer that lost waits longer
between its appends from then on, and collects more events for each meanwhile; without losses the
wait shrinks until it is gone.
"""

from __future__ import annotations

import random
from time import monotonic, sleep

_FIRST_S = 0.05
"""Seconds to wait between appends after the first lost race."""
_LONGEST_S = 2.0
"""Seconds to wait between appends, at most."""
_TURNS = 16
"""Appends of others that a wait leaves time for, at most."""
_GROWTH = 1.6
_DECAY = 0.9


class Contention:
    """The other writers of one log, as one opening has seen them."""

    __slots__ = ("_began", "_duration", "_linger", "_stored_at")

    def __init__(self) -> None:
        """Begins alone."""
        self._linger = 0.0
        self._stored_at = 0.0
        self._began = 0.0
        self._duration = _FIRST_S

    def wait(self) -> None:
        """Waits before an append, if others append, too."""
        if self._linger:
            pause = self._stored_at + self._linger * random.uniform(0.75, 1.25) - monotonic()  # noqa: S311
            if pause > 0:
                sleep(pause)
        self._began = monotonic()

    def lost(self, times: int, limit: float) -> None:
        """Records a lost race, and pauses before the next attempt.

        Args:
            times: The races lost in a row.
            limit: Seconds to pause at most.
        """
        longest = min(_LONGEST_S, self._duration * _TURNS)
        self._linger = min(max(self._linger * _GROWTH, _FIRST_S), longest)
        if times > 1:
            pause = min(_FIRST_S * 2 ** min(times - 2, 4), limit)
            sleep(max(0.0, random.uniform(0, pause)))  # noqa: S311
        self._began = monotonic()

    def won(self) -> None:
        """Records an append."""
        self._stored_at = monotonic()
        self._duration += (self._stored_at - self._began - self._duration) / 4
        self._linger = self._linger * _DECAY if self._linger * _DECAY > _FIRST_S / 4 else 0.0
