"""Threads that begin at the same moment, and what came of each."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Outcomes(Generic[T]):
    """The results and the exceptions of the calls of a race.

    Attributes:
        returned: The values, in the order of the calls' numbers.
        raised: The exceptions, likewise.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.returned: list[T] = []
        self.raised: list[Exception] = []


def race(number: int, call: Callable[[int], T]) -> Outcomes[T]:
    """Calls `call(0)` to `call(number - 1)` in threads that begin together, and waits for all."""
    barrier = Barrier(number)
    slots: list[list[T | Exception]] = [[] for _ in range(number)]

    def enter(index: int) -> None:
        barrier.wait()
        try:
            slots[index].append(call(index))
        except Exception as error:  # noqa: BLE001 the test asks which ones there were
            slots[index].append(error)

    threads = [Thread(target=enter, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = Outcomes[T]()
    for (outcome,) in slots:
        if isinstance(outcome, Exception):
            outcomes.raised.append(outcome)
        else:
            outcomes.returned.append(outcome)
    return outcomes
