"""The shown steps of a run: the first, the last, and the failed ones between them. No I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from aivcs.present.words import count
from aivcs.trace.timeline import CALL, MESSAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.trace.timeline import Step


class Gap(NamedTuple):
    """Steps that are not shown.

    Attributes:
        number: How many.
        first: The seq of the first.
        last: The seq of the last.
    """

    number: int
    first: int
    last: int

    def __str__(self) -> str:
        """Tells of the gap: `1,200 steps left out, seq 41 to 1240`."""
        return f"{count(self.number, 'step')} left out, seq {self.first} to {self.last}"


class Totals:
    """How many steps of a run there were.

    Attributes:
        calls: Calls of tools.
        messages: Messages.
        errors: Steps with an error.
        steps: All steps.
    """

    __slots__ = ("calls", "errors", "messages", "steps")

    def __init__(self) -> None:
        """Begins with none."""
        self.calls = self.messages = self.errors = self.steps = 0

    def counted(self, found: Iterable[Step]) -> Iterator[Step]:
        """Yields steps, and counts them."""
        for step in found:
            self.steps += 1
            self.calls += step.what == CALL
            self.messages += step.what == MESSAGE
            self.errors += step.error is not None
            yield step


def fold(
    found: Iterable[Step], *, first: int, last: int, failed: int | None = None
) -> Iterator[Step | Gap]:
    """Yields the steps to show, with gaps in the place of others; holds `last` of them.

    Args:
        found: The steps of a run.
        first: How many are shown from the beginning.
        last: How many are shown from the end.
        failed: How many failed ones are shown between them, at most; None is all.
    """
    kept: deque[Step] = deque()
    gap: Gap | None = None
    for position, step in enumerate(found):
        if position < first:
            yield step
            continue
        kept.append(step)
        if len(kept) <= last:
            continue
        oldest = kept.popleft()
        if oldest.error is None or failed == 0:
            gap = Gap(gap.number + 1 if gap else 1, gap.first if gap else oldest.seq, oldest.seq)
            continue
        if failed is not None:
            failed -= 1
        if gap is not None:
            yield gap
            gap = None
        yield oldest
    if gap is not None:
        yield gap
    yield from kept
