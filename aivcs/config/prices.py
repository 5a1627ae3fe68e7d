"""Prices of models, from the configuration: `prices.MODEL.input`, `.output`, `.cached_input`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.config.keys import key_path
from aivcs.errors import UsageError
from aivcs.trace.usage import Price

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.config.keys import Config


def prices(layers: Sequence[tuple[str, Config]]) -> dict[str, Price]:
    """Returns the prices by model, the strongest file first.

    Raises:
        UsageError: A model has a price for tokens read and none for tokens written, or the reverse.
    """
    found: dict[str, dict[str, float]] = {}
    places: dict[str, str] = {}
    for place, values in layers:
        for key, value in values.items():
            if key.startswith("prices."):
                _, model, what = key_path(key)
                found.setdefault(model, {}).setdefault(what, value)
                places.setdefault(model, place)
    result = {}
    for model, told in found.items():
        for what in ("input", "output"):
            if what not in told:
                raise UsageError(
                    f"{places[model]}: prices.{model} has no {what}: say what a million tokens "
                    f"cost: aivcs config set 'prices.{model}.{what}' DOLLARS"
                )
        cached = told.get("cached_input", told["input"])
        result[model] = Price(told["input"], told["output"], cached)
    return result
