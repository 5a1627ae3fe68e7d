"""Tokens, cost and scores of a run, where its events tell them. No I/O.

Read are `model_called` events (tokens and `cost_usd` of one call, which are added up), totals of a
whole run as some agents log them at its end (`total_cost_usd`; `model_stats` of SWE-agent), which
count instead of a sum, and `evaluation` events (`score`), of which the last one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HINTS = (b"_tokens", b"tokens_", b"cost", b'"score"')
"""Bytes of which one is in every line that holds a figure: other lines need not be parsed."""
_INPUT = ("input_tokens", "gen_ai.usage.input_tokens", "prompt_tokens")
_OUTPUT = ("output_tokens", "gen_ai.usage.output_tokens", "completion_tokens")
_COST = ("cost_usd", "gen_ai.usage.cost_usd")


class Figures(NamedTuple):
    """The figures of a run; None where no event tells one.

    Attributes:
        input_tokens: The tokens that models read, cached ones included.
        output_tokens: The tokens that models wrote.
        cost_usd: The cost in US dollars.
        score: The last score of an evaluation.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    score: float | None = None

    @property
    def tokens(self) -> int | None:
        """All tokens, read and written."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)


def figures(events: Iterable[tuple[str, Any]]) -> Figures:
    """Returns the figures in the kinds and payloads of some events, in their order."""
    sums: dict[str, float] = {}
    totals: dict[str, float] = {}
    score: float | None = None
    for kind, payload in events:
        if not isinstance(payload, dict):
            continue
        if kind == "evaluation":
            score = score if (found := _number(payload, ("score",))) is None else found
        elif kind == "model_called":
            usage = payload.get("usage")
            for name, members in (("input", _INPUT), ("output", _OUTPUT), ("cost", _COST)):
                found = _number(payload, members)
                if found is None and isinstance(usage, dict):
                    found = _number(usage, members)
                if found is not None:
                    sums[name] = sums.get(name, 0) + found
        else:
            totals |= _totals(payload)
    told = sums | totals
    return Figures(_whole(told.get("input")), _whole(told.get("output")), told.get("cost"), score)


def _totals(payload: Mapping[str, Any]) -> dict[str, float]:
    """The totals of a whole run that an event tells."""
    stats = payload.get("model_stats")
    if not isinstance(stats, dict):
        stats = {}
    told = {
        "input": _number(stats, ("tokens_sent",)),
        "output": _number(stats, ("tokens_received",)),
        "cost": _number(payload, ("total_cost_usd",)),
    }
    if told["cost"] is None:
        told["cost"] = _number(stats, ("total_cost", "instance_cost"))
    # Where nothing was counted, programs write 0.
    return {name: value for name, value in told.items() if value}


def _number(values: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """The first of some members that is a number which can be a figure."""
    for name in names:
        value = values.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
            return value
    return None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
