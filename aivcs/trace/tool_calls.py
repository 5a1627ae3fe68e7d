"""Compares the tool calls of two runs: added, removed, moved and changed calls. No I/O.

Calls are aligned by the names of their tools, as many as possible without changing the order
(`aivcs.compare.alignment`). Calls left over on both sides with the same name have moved; the rest
were added or removed. So the number of added or removed calls of a tool is the difference of its
numbers of calls, whichever of several alignments was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.compare.alignment import align
from aivcs.compare.json_difference import comparable, compare_json

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from aivcs.compare.json_difference import Change
    from aivcs.model.run import RunEvent

KIND = "tool_called"
"""The kind of events that are tool calls."""
IDS = frozenset({"tool_call_id", "call_id", "tool_use_id", "agent_id", "parent_tool_use_id"})
"""Members that identify one call, new in every run: not parameters."""
SAME, CHANGED, MOVED, ADDED, REMOVED = "same", "param_changed", "reordered", "added", "removed"
"""The kinds of steps of a comparison."""


class Call(NamedTuple):
    """A tool call.

    Attributes:
        seq: The seq of its event.
        tool: The tool's name; empty if the event names none.
        parameters: The other members of the payload, or a payload that is not an object.
    """

    seq: int
    tool: str
    parameters: Any


class Step(NamedTuple):
    """A call in one run or in both.

    Attributes:
        kind: `SAME`, `CHANGED`, `MOVED`, `ADDED` or `REMOVED`.
        a: The call in A; None if it was added.
        b: The call in B; None if it was removed.
        changes: The differences of their parameters.
    """

    kind: str
    a: Call | None
    b: Call | None
    changes: list[Change]

    @property
    def tool(self) -> str:
        """The tool's name."""
        call = self.a or self.b
        assert call is not None
        return call.tool


def calls_in(events: Iterable[RunEvent], ignored: frozenset[str] = frozenset()) -> list[Call]:
    """Returns the calls of tools among some events, in order.

    Args:
        events: The events of a run.
        ignored: Members of the payload that do not count as parameters (a number of a step, an id).
    """
    calls = []
    for event in events:
        if event.kind != KIND:
            continue
        assert event.seq is not None
        payload, tool = event.payload, ""
        if isinstance(payload, dict):
            if isinstance(payload.get("tool_name"), str):
                tool = payload["tool_name"]
            left_out = ignored | IDS | {"tool_name"} if tool else ignored | IDS
            payload = {key: value for key, value in payload.items() if key not in left_out}
        calls.append(Call(event.seq, tool, payload))
    return calls


def compare_calls(a: list[Call], b: list[Call]) -> list[Step]:
    """Returns all calls of both runs, each pair once, in the order of A and, in between, of B.

    A moved call has its place in B; moved calls with the same parameters are paired first.
    """
    keys_a, keys_b = _keys(a), _keys(b)
    pairs = _prefer_equal(align([c.tool for c in a], [c.tool for c in b]), keys_a, keys_b)
    partners = _moved(a, b, keys_a, keys_b, pairs)
    origins = {j: i for i, j in partners.items()}
    steps = []
    i = j = 0
    for at_a, at_b in [*pairs, (len(a), len(b))]:
        steps += [Step(REMOVED, a[k], None, []) for k in range(i, at_a) if k not in partners]
        for place in range(j, at_b):
            if place in origins:
                steps.append(_pair(MOVED, a[origins[place]], b[place]))
            else:
                steps.append(Step(ADDED, None, b[place], []))
        if at_a < len(a) and at_b < len(b):
            equal = keys_a[at_a] == keys_b[at_b]
            steps.append(_pair(SAME if equal else CHANGED, a[at_a], b[at_b]))
        i, j = at_a + 1, at_b + 1
    return steps


def _keys(calls: list[Call]) -> list[Hashable]:
    """Keys that are equal for calls of one tool with the same parameters."""
    return [(call.tool, comparable(call.parameters)) for call in calls]


def _pair(kind: str, a: Call, b: Call) -> Step:
    return Step(kind, a, b, [] if kind == SAME else compare_json(a.parameters, b.parameters))


def _prefer_equal(
    pairs: list[tuple[int, int]], a: list[Hashable], b: list[Hashable]
) -> list[tuple[int, int]]:
    """As many pairs, with an unpaired neighbour in the place of one whose parameters differ.

    Each pair may go as far as its neighbours let it, so the order stays, and nothing is looked at
    more than a few times.
    """
    better: list[tuple[int, int]] = []
    for at, (i, j) in enumerate(pairs):
        if a[i] != b[j]:
            before_a, before_b = better[-1] if better else (-1, -1)
            after_a, after_b = pairs[at + 1] if at + 1 < len(pairs) else (len(a), len(b))
            free_a = (k for k in range(before_a + 1, after_a) if a[k] == b[j])
            free_b = (k for k in range(before_b + 1, after_b) if b[k] == a[i])
            if (k := next(free_a, None)) is not None:
                i = k
            elif (k := next(free_b, None)) is not None:
                j = k
        better.append((i, j))
    return better


def _moved(
    a: list[Call],
    b: list[Call],
    keys_a: list[Hashable],
    keys_b: list[Hashable],
    pairs: list[tuple[int, int]],
) -> dict[int, int]:
    """Calls of the same tool that are left over on both sides, equal ones first."""
    left_a = sorted(set(range(len(a))) - {i for i, _ in pairs})
    left_b = sorted(set(range(len(b))) - {j for _, j in pairs})
    moved: dict[int, int] = {}
    taken: set[int] = set()
    tools: tuple[list[Hashable], list[Hashable]] = ([c.tool for c in a], [c.tool for c in b])
    for names_a, names_b in ((keys_a, keys_b), tools):
        waiting: dict[Hashable, list[int]] = {}
        for j in reversed(left_b):
            if j not in taken:
                waiting.setdefault(names_b[j], []).append(j)
        for i in left_a:
            if i not in moved and waiting.get(names_a[i]):
                moved[i] = waiting[names_a[i]].pop()
                taken.add(moved[i])
    return moved
