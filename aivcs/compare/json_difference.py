"""Compares two texts line by line, and two JSON values member by member.

Built on `aivcs.compare.alignment`, so that the reported changes are as few as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json_pointer import make_pointer
from aivcs.compare.alignment import align

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

CONTEXT = 3
"""Unchanged lines shown around changed ones."""
Place = tuple[str | int, ...]
"""A path in a JSON value: names of members and positions in lists, from the outside in."""


class Change(NamedTuple):
    """A difference of two JSON values.

    Attributes:
        op: `add`, `remove` or `replace`.
        place: The path in A, or in B for an added value; positions differ where a list grew.
        a: The value in A; None where it was added.
        b: The value in B; None where it was removed.
    """

    op: str
    place: Place
    a: Any
    b: Any

    def to_json(self) -> dict[str, Any]:
        """Returns the change with its place as a JSON pointer, without a side without a value."""
        fields = {"op": self.op, "path": make_pointer(self.place), "a": self.a, "b": self.b}
        if self.op in {"add", "remove"}:
            del fields["a" if self.op == "add" else "b"]
        return fields


def dotted(place: Place) -> str:
    """Returns a place as people write it: `a.b[0]`, and `a["b.c"]` where a name needs quotes."""
    text = ""
    for name in place:
        if isinstance(name, int):
            text += f"[{name}]"
        elif name and all(c.isalnum() or c in "_-$" for c in name):
            text += f".{name}" if text else name
        else:
            from aivcs.codec.json import encode_trusted

            text += f"[{encode_trusted(name)}]"
    return text


def compare_json(a: Any, b: Any) -> list[Change]:
    """Returns the differences of two JSON values; an empty list if they are equal.

    The order of members does not count; `1` equals `1.0` but not `true`. Items of lists are aligned
    first, so an inserted item is one change and not a change of all later items.
    """
    return list(_compare((), a, b))


def comparable(value: Any) -> Hashable:
    """Returns a hashable that is equal for equal JSON values only."""
    if isinstance(value, dict):
        return dict, frozenset((name, comparable(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return list, tuple(map(comparable, value))
    if isinstance(value, bool):
        return bool, value
    hashable: Hashable = value
    return hashable


def unified(a: str, b: str, name_a: str, name_b: str) -> Iterator[str]:
    r"""Yields the lines of a unified diff (POSIX, diff -u), without newlines; none if equal.

    Only `\n` ends a line. A last line without one is followed by the usual remark.

    Args:
        a: The text before.
        b: The text after.
        name_a: What to call A in the first line.
        name_b: What to call B in the second.
    """
    if a == b:
        return
    old, new = _lines(a), _lines(b)
    yield f"--- {name_a}"
    yield f"+++ {name_b}"
    steps = list(_steps(align(old, new), len(old), len(new)))
    for first, last in _hunks([at for at, (sign, _, _) in enumerate(steps) if sign != " "]):
        hunk = steps[max(0, first - CONTEXT) : last + CONTEXT + 1]
        _, i, j = hunk[0]
        count_a = sum(sign != "+" for sign, _, _ in hunk)
        count_b = sum(sign != "-" for sign, _, _ in hunk)
        yield f"@@ -{i + (count_a > 0)},{count_a} +{j + (count_b > 0)},{count_b} @@"
        for sign, i, j in hunk:
            line = new[j] if sign == "+" else old[i]
            yield sign + line.removesuffix("\n")
            if not line.endswith("\n"):
                yield "\\ No newline at end of file"


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _steps(pairs: list[tuple[int, int]], end_a: int, end_b: int) -> Iterator[tuple[str, int, int]]:
    """Each line of a diff: its sign, and the number of lines of both texts before it."""
    i = j = 0
    for at_a, at_b in [*pairs, (end_a, end_b)]:
        yield from (("-", removed, j) for removed in range(i, at_a))
        yield from (("+", at_a, added) for added in range(j, at_b))
        i, j = at_a, at_b
        if i < end_a and j < end_b:
            yield " ", i, j
        i, j = i + 1, j + 1


def _hunks(changed: list[int]) -> Iterator[tuple[int, int]]:
    """The first and last change of each hunk: changes whose context lines touch."""
    first = last = changed[0]
    for at in changed[1:]:
        if at - last > 2 * CONTEXT:
            yield first, last
            first = at
        last = at
    yield first, last


def _compare(place: Place, a: Any, b: Any) -> Iterator[Change]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in a:
            if name in b:
                yield from _compare((*place, name), a[name], b[name])
            else:
                yield Change("remove", (*place, name), a[name], None)
        for name in b:
            if name not in a:
                yield Change("add", (*place, name), None, b[name])
    elif isinstance(a, list) and isinstance(b, list):
        yield from _compare_lists(place, a, b)
    elif comparable(a) != comparable(b):
        yield Change("replace", place, a, b)


def _compare_lists(place: Place, a: list[Any], b: list[Any]) -> Iterator[Change]:
    pairs = align([comparable(item) for item in a], [comparable(item) for item in b])
    i = j = 0
    for at_a, at_b in [*pairs, (len(a), len(b))]:
        while i < at_a and j < at_b:  # one changed into the other, as far as one can tell
            yield from _compare((*place, i), a[i], b[j])
            i, j = i + 1, j + 1
        yield from (Change("remove", (*place, at), a[at], None) for at in range(i, at_a))
        yield from (Change("add", (*place, at), None, b[at]) for at in range(j, at_b))
        i, j = at_a + 1, at_b + 1
