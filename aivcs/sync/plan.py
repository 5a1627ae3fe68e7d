"""Plans a copy: compares the logs of both sides, and decides what to do with each. No I/O.

A run is its id and its log; a log is its head. Lines have the same bytes everywhere, so two logs
with one head are equal, and one is a beginning of the other if it has the other's hash at its last
line. All else has diverged: nothing is merged, and nothing is overwritten.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from aivcs.log import chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.model.record import Head

    HashAt = Callable[[int], str]
    """Returns the hash of the line with a number."""

NEW, EXTENDED, SAME, BEHIND, DIVERGED = "new", "extended", "same", "behind", "diverged"
"""The actions of a copy: `NEW` creates the log, `EXTENDED` appends to it. The others change
nothing: both are equal, the source is a beginning of the target, or their lines differ."""


def compare(
    source: Head, target: Head | None, source_hash_at: HashAt, target_hash_at: HashAt
) -> str:
    """Returns what copying a log does.

    Args:
        source: The head of the log to copy.
        target: The head of the log of that name where it is copied to; None if there is none.
        source_hash_at: Reads a line of the log to copy; called only if the target is shorter.
        target_hash_at: Reads a line of the other log; called only if the source is shorter.
    """
    if target is None or not target.lines:
        return NEW
    if target.lines == source.lines:
        return SAME if target.hash == source.hash else DIVERGED
    if target.lines < source.lines:
        return EXTENDED if source_hash_at(target.lines) == target.hash else DIVERGED
    return BEHIND if target_hash_at(source.lines) == source.hash else DIVERGED


def hash_at(lines: Callable[[], Iterator[bytes]]) -> HashAt:
    """Returns a function for `compare`: the hash of a line by its number, empty without one.

    Args:
        lines: Reads the lines of the log from its beginning.
    """
    return lambda number: chain.hash_of(next(islice(lines(), number - 1, None), b"")) or ""


class Candidate(NamedTuple):
    """A run of the source that may have to be copied.

    Attributes:
        run_id: The run.
        is_there: Whether the target has a run with this id.
    """

    run_id: str
    is_there: bool


def candidates(
    source: Iterable[str], target: Iterable[str], settled: Iterable[str]
) -> Iterator[Candidate]:
    """Yields the runs of the source whose logs have to be looked at, in order.

    A settled run that the target has needs no look: it had ended, and both logs were equal. Memory
    does not grow with the number of runs.

    Args:
        source: The ids of the runs to copy, in order.
        target: The ids of all runs of the target, in order.
        settled: The ids of the runs that were found equal and over, in order.
    """
    there, known = SortedMembership(target), SortedMembership(settled)
    for run_id in source:
        is_there = there.has(run_id)
        if not (is_there and known.has(run_id)):
            yield Candidate(run_id, is_there)


class SortedMembership:
    """Tests ascending texts for membership in a sorted iterable, in one pass."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Takes the others."""
        self._rest = iter(texts)
        self._next = next(self._rest, None)

    def has(self, text: str) -> bool:
        """Tells whether a text, not before the one asked for last, is among the others."""
        while self._next is not None and self._next < text:
            self._next = next(self._rest, None)
        return self._next == text


def merged(
    before: Iterable[tuple[str, Head]], found: Iterable[tuple[str, Head]]
) -> Iterator[tuple[str, Head]]:
    """Yields the heads of two lists that are in the order of names; the second has precedence."""
    old, new = iter(before), iter(found)
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one
            one = next(old, None)
        else:
            if one is not None and one[0] == other[0]:
                one = next(old, None)
            yield other
            other = next(new, None)
