"""What calls of a model used, by events of kind `model_called`: tokens and cost. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "model_called"
"""The kind of events that are calls of a model."""
_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


class Usage:
    """A sum over calls of models.

    Attributes:
        calls: The number of calls.
        figures: The sums of `input_tokens`, `cached_input_tokens`, `output_tokens`,
            `reasoning_tokens` and `cost_usd`; those that no call names are absent.
    """

    __slots__ = ("calls", "figures")

    def __init__(self) -> None:
        """Begins with no call."""
        self.calls = 0
        self.figures: dict[str, float] = {}

    def add(self, kind: str, payload: Any) -> None:
        """Adds an event, if it is a call of a model."""
        if kind != KIND or not isinstance(payload, dict):
            return
        self.calls += 1
        for name, number in _figures(payload).items():
            self.figures[name] = self.figures.get(name, 0) + number

    def __str__(self) -> str:
        """Tells the sums: `1,007 tokens in (400 cached), 40 out, $0.25`."""
        return _told(self.figures)


def model_call(payload: Mapping[str, Any]) -> str:
    """Returns the text for one call: the model, its tokens, its cost, and why it ended."""
    parts = [payload["model"]] if isinstance(payload.get("model"), str) else []
    if told := _told(_figures(payload)):
        parts.append(told)
    reason = payload.get("stop_reason")
    if isinstance(reason, str) and reason not in {"tool_use", "end_turn", "stop", "tool_calls"}:
        parts.append(reason)
    return "  ".join(parts)


def _figures(payload: Mapping[str, Any]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name in (*_TOKENS, "cost_usd"):
        number = payload.get(name)
        if isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number < 1e15:
            figures[name] = number
    return figures


def _told(figures: Mapping[str, float]) -> str:
    parts = []
    if "input_tokens" in figures:
        cached = figures.get("cached_input_tokens", 0)
        of_them = f" ({cached:,.0f} cached)" if cached else ""
        parts.append(f"{figures['input_tokens']:,.0f} tokens in{of_them}")
    if "output_tokens" in figures:
        tokens = "" if parts else " tokens"
        parts.append(f"{figures['output_tokens']:,.0f}{tokens} out")
    if figures.get("cost_usd"):
        cost = figures["cost_usd"]
        parts.append(f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}".rstrip("0").rstrip("."))
    return ", ".join(parts)
