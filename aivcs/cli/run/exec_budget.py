"""The budget of `aivcs run exec`: its options, and the message when it is exceeded."""

from __future__ import annotations

from aivcs.cli.exec.budget import Budget
from aivcs.cli.render.time_format import parse_duration
from aivcs.config.prices import prices
from aivcs.errors import AivcsError, UsageError
from aivcs.trace.budget import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.commands.run.exec import Recording
    from aivcs.trace.budget import Exceeded

_MAX_LIMIT = 1e12
"""A limit is less than this."""
_MOST_SHOWN = 10
"""Processes that are named, at most."""


def limits_of(
    cost: float | None, tokens: int | None, time: str | None, repeats: int | None
) -> Limits:
    """Returns the limits that options give.

    Raises:
        UsageError: One of them cannot be a limit.
    """
    seconds = None
    if time is not None:
        seconds = float(parse_duration("--max-time", time))
    for option, value, least in (
        ("--max-cost", cost, 0), ("--max-tokens", tokens, 0), ("--max-time", seconds, 0),
        ("--max-repeats", repeats, 2),
    ):  # fmt: skip
        if value is not None and not least <= value < _MAX_LIMIT:
            raise UsageError(f"{option} takes a number, {least} or more, not {value:g}")
    return Limits(cost, tokens, repeats, seconds)


def open_budget(context: Context, limits: Limits, recording: Recording | None) -> Budget:
    """Returns what watches the limits."""
    if recording is None:
        if limits.needs_events:
            context.warn("aivcs: warning: nothing is recorded, so only --max-time is watched")
        return Budget(limits, {})
    repo, found = recording.repo, {}
    if limits.cost is not None:
        try:
            found = prices(context.config_layers(repo))
        except AivcsError as error:  # the run has begun, and its command is to be executed
            context.warn(f"aivcs: warning: the prices of models cannot be read: {error}")
    return Budget(limits, found, repo, recording.run_id, context.warn)


def report_budget(
    context: Context, budget: Budget, exceeded: Exceeded | None, survivors: list[int]
) -> None:
    if exceeded is not None:
        option = f"--{exceeded.limit.replace('_', '-')}"
        context.warn(f"aivcs: the command was ended: {exceeded.text} ({option})", is_error=True)
    if survivors:
        shown = ", ".join(map(str, survivors[:_MOST_SHOWN]))
        more = ", …" if len(survivors) > _MOST_SHOWN else ""
        context.warn(f"aivcs: warning: processes of it may still run: {shown}{more}")
    if budget.failure is not None:
        context.warn(f"aivcs: warning: not all limits were watched: {budget.failure}")
    if costless := budget.costless:
        context.warn(
            f"aivcs: warning: --max-cost could not work: {costless} calls of models tell tokens "
            "and no cost, and there is no price: aivcs config set 'prices.MODEL.input' DOLLARS, "
            "and .output"
        )
