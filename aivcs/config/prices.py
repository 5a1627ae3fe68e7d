"""Prices of models, from the configuration: `prices.MODEL.input`, `.output`, `.cached_input`."""

from __future__ import annotations

from aivcs.config.keys import key_path
from aivcs.trace.usage import Price

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.config.keys import Config


def prices(layers: Sequence[tuple[str, Config]]) -> dict[str, Price]:
    """Returns the complete prices by model, the strongest file first; without incomplete ones."""
    return {
        model: Price(told["input"], told["output"], told.get("cached_input", told["input"]))
        for model, told in _told(layers).items()
        if not _missing(told)
    }


def incomplete_prices(layers: Sequence[tuple[str, Config]]) -> dict[str, list[str]]:
    """Returns what is missing of the prices of models, of `input` and `output`."""
    found = {model: _missing(told) for model, told in _told(layers).items()}
    return {model: missing for model, missing in found.items() if missing}


def _told(layers: Sequence[tuple[str, Config]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for _, values in layers:
        for key, value in values.items():
            if key.startswith("prices."):
                _, model, what = key_path(key)
                found.setdefault(model, {}).setdefault(what, value)
    return found


def _missing(told: dict[str, float]) -> list[str]:
    return [what for what in ("input", "output") if what not in told]
