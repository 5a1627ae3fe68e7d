"""Pauses between attempts to reach a server."""

from __future__ import annotations

from random import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def backoff(first: float, most: float) -> Iterator[float]:
    """Yields the seconds of each pause, without end.

    They double, and each has a random part, from half of that to one and a half: many clients of a
    server that comes back do not arrive at once.

    Args:
        first: Seconds of the first pause, without its random part.
        most: Seconds of every pause, at most, without its random part.
    """
    seconds = first
    while True:
        yield seconds * (0.5 + random())  # noqa: S311 against collisions, not attackers
        seconds = min(most, seconds * 2)
