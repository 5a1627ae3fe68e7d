"""The longest common subsequence of two sequences, in bounded time and memory. No I/O.

The dynamic programming table is computed row by row, each row as one integer whose bits mark where
the length grows (Crochemore, Iliopoulos, Pinzon, Reid: A fast and practical bit-vector algorithm
for the longest common subsequence problem, 2001; in the form of Hyyrö, 2004). It takes
n·m / (bits of a machine word) steps for any content: neither many matches (slow for Hunt and
Szymanski) nor many differences (slow for Myers) matter. For the way back each √m-th row is kept,
and the rows between are computed again.
"""

from __future__ import annotations

from math import isqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

_CACHE_BITS_FROM = 64
"""Occurrences of an item from which the bits of its positions are cached."""


def align(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Returns the longest list of pairs of positions of equal items, ascending on both sides.

    It takes about 50 ms for 10,000 items on each side, and memory for some hundred rows of bits.
    """
    shorter = min(len(a), len(b))
    head = 0
    while head < shorter and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < shorter - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    pairs = [(place, place) for place in range(head)]
    middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
    pairs += ((head + i, head + j) for i, j in _longest(middle_a, middle_b))
    pairs += ((len(a) - left, len(b) - left) for left in range(tail, 0, -1))
    return pairs


def _longest(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    in_a, in_b = set(a), set(b)
    columns = [i for i, item in enumerate(a) if item in in_b]
    rows = [j for j, item in enumerate(b) if item in in_a]
    if not columns:
        return []
    grid = _Grid([a[i] for i in columns], [b[j] for j in rows])
    return [(columns[i], rows[j]) for i, j in grid.walk()]


class _Grid:
    """The table, whose bit `i` of row `j` is 0 where a[i] makes the subsequence longer."""

    def __init__(self, a: list[Hashable], b: list[Hashable]) -> None:
        self._a = a
        self._b = b
        self._all = (1 << len(a)) - 1
        self._places: dict[Hashable, list[int]] = {}
        for place, item in enumerate(a):
            self._places.setdefault(item, []).append(place)
        self._kept = {
            item: _bits(places)
            for item, places in self._places.items()
            if len(places) >= _CACHE_BITS_FROM
        }

    def walk(self) -> list[tuple[int, int]]:
        """The pairs of one longest common subsequence."""
        stride = isqrt(len(self._b)) + 1
        row = self._all
        starts = []
        for j in range(len(self._b)):
            if j % stride == 0:
                starts.append(row)
            row = self._next(row, j)
        pairs = []
        i = len(self._a)
        for block in range(len(starts) - 1, -1, -1):
            first = block * stride
            rows = [starts[block]]
            for j in range(first, min(first + stride, len(self._b))):
                rows.append(self._next(rows[-1], j))
            j = len(rows) - 1
            while i and j:
                if self._a[i - 1] == self._b[first + j - 1]:
                    i, j = i - 1, j - 1
                    pairs.append((i, first + j))
                elif rows[j] >> (i - 1) & 1:
                    i -= 1  # a[i - 1] adds nothing here
                else:
                    j -= 1
        pairs.reverse()
        return pairs

    def _next(self, row: int, j: int) -> int:
        item = self._b[j]
        matches = self._kept.get(item)
        if matches is None:
            matches = _bits(self._places[item])
        growing = row & matches
        return (row + growing | row - growing) & self._all


def _bits(places: list[int]) -> int:
    bits = bytearray(places[-1] // 8 + 1)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")
