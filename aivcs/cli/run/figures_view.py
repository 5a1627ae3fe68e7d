"""Formats tokens, cost and scores of runs, for lists and comparisons."""

from __future__ import annotations

from aivcs.cli.render.output import Cell
from aivcs.cli.render.table import Column
from aivcs.trace.usage import cost_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.trace.usage import Figures

COLUMNS = [
    Column("TOKENS", right=True), Column("COST", right=True), Column("SCORE", right=True),
]  # fmt: skip
"""The columns of `cells`."""


def cells(told: Figures | None) -> list[Cell | str]:
    """Returns the cells of `COLUMNS`; None has no figures."""
    if told is None:
        return ["-", "-", "-"]
    cost = told.cost_usd
    about = "~" if told.is_estimated else ""
    return [
        "-" if told.tokens is None else f"{told.tokens:,}",
        "-" if cost is None else f"{about}{cost_text(cost)}",
        number(told.score),
    ]


def texts(told: Figures | None) -> list[str]:
    """Returns for programs: tokens read, tokens written, US dollars, `estimated`, score; or `-`."""
    if told is None:
        return ["-"] * 5
    return [
        "-" if told.input_tokens is None else str(told.input_tokens),
        "-" if told.output_tokens is None else str(told.output_tokens),
        number(told.cost_usd),
        "estimated" if told.is_estimated else "-",
        number(told.score),
    ]


def number(value: float | None) -> str:
    """Returns a number without needless digits; `-` for none."""
    return "-" if value is None else f"{value:.10g}"
