"""Tokens, cost and scores of runs: of their events, and of annotations that came later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.commands.run.annotated import Annotated
from aivcs.errors import StorageError
from aivcs.log.run import read_event
from aivcs.trace.usage import HINTS, Figures, figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.trace.usage import Price


class RunFigures:
    """The figures of a store's runs, read as they are asked for."""

    def __init__(self, repo: Repository, prices: Mapping[str, Price] | None = None) -> None:
        """Takes the repository, and prices by model for calls that tell no cost."""
        self._repo = repo
        self._prices = prices
        self._annotated = Annotated(repo)

    def of(self, record: RunRecord) -> Figures:
        """Returns the figures of a run; parses only lines that may hold one.

        Raises:
            StorageError: The run, or an annotation of it, cannot be read.
        """
        return figures(self._telling(record), self._prices)

    def annotations(self, record: RunRecord) -> int:
        """Returns the number of annotations of a run."""
        return len(self._annotated.of(record))

    def _telling(self, record: RunRecord) -> Iterator[tuple[str, Any]]:
        for line, _ in self._repo.store.logs.read(f"run/{record.run_id}"):
            if any(hint in line for hint in HINTS):
                event = read_event(line)
                if event is not None:
                    yield event.kind, event.payload
        for each in self._annotated.of(record):
            yield each.value.kind, each.value.payload


class Mean(NamedTuple):
    """The means of the figures of several runs, each of those that have the figure.

    Attributes:
        runs: The number of runs.
        score: The mean of their scores.
        scores: That of each evaluation with a name.
        tokens: That of their tokens.
        cost_usd: That of their costs in US dollars.
        is_estimated: Whether a part of a cost was estimated from prices.
        duration_ms: That of their durations in milliseconds.
    """

    runs: int
    score: float | None
    scores: Mapping[str, float]
    tokens: float | None
    cost_usd: float | None
    is_estimated: bool
    duration_ms: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns the means by name; `cost_estimated` only where it is so."""
        fields = self._asdict()
        if fields.pop("is_estimated"):
            fields["cost_estimated"] = True
        return fields


def mean(found: Iterable[tuple[RunRecord, Figures]]) -> Mean:
    """Returns the means of the figures of runs."""
    runs = list(found)
    names = dict.fromkeys(name for _, told in runs for name in told.scores)
    summaries = [record.summary for record, _ in runs]
    return Mean(
        len(runs),
        _mean(told.score for _, told in runs),
        {name: _mean(told.scores.get(name) for _, told in runs) or 0.0 for name in sorted(names)},
        _mean(told.tokens for _, told in runs),
        _mean(told.cost_usd for _, told in runs),
        any(told.is_estimated for _, told in runs),
        _mean(summary.duration_ms for summary in summaries if summary is not None),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    from math import fsum

    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None


class Total:
    """The figures of several runs added up, and the mean of their scores."""

    __slots__ = ("_figures", "_scores")

    def __init__(self) -> None:
        """Begins without runs."""
        self._figures = Figures()
        self._scores: list[float] = []

    def add(self, told: Figures) -> None:
        """Adds the figures of a run."""
        own = self._figures
        self._figures = Figures(
            _sum(own.input_tokens, told.input_tokens),
            _sum(own.cached_input_tokens, told.cached_input_tokens),
            _sum(own.output_tokens, told.output_tokens),
            _sum(own.reasoning_tokens, told.reasoning_tokens),
            _sum(own.cost_usd, told.cost_usd),
            own.is_estimated or told.is_estimated,
        )
        if told.score is not None:
            self._scores.append(told.score)

    def figures(self) -> Figures:
        """Returns the sums; the score is the mean of the last scores of the runs."""
        return self._figures._replace(score=_mean(self._scores))


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


def total_by_agent(
    records: Iterable[RunRecord],
    read: RunFigures,
    unreadable: Callable[[RunId, StorageError], None],
) -> dict[str, Figures]:
    """Returns the total of the figures of each agent's runs.

    Args:
        records: The runs.
        read: Reads their figures.
        unreadable: Called for each run that cannot be read.
    """
    found: dict[str, Total] = {}
    for record in records:
        try:
            told = read.of(record)
        except StorageError as error:
            if error.is_store_away:
                raise
            unreadable(record.run_id, error)
            continue
        found.setdefault(record.metadata.agent_name, Total()).add(told)
    return {agent: total.figures() for agent, total in found.items()}
