"""`aivcs run diff`: compares two runs by their tool calls and results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.run.annotated import Annotated
from aivcs.errors import UsageError
from aivcs.trace.tool_calls import KIND, SAME, calls_in, compare_calls
from aivcs.trace.usage import Figures, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.run import RunEvent, RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.trace.tool_calls import Call, Step
    from aivcs.trace.usage import Price


class Side(NamedTuple):
    """One of two compared runs.

    Attributes:
        record: The run.
        kinds: The number of events of each kind, in the order of their first events.
        calls: The number of its tool calls.
        figures: Tokens, cost and scores, also those that annotations tell.
        annotations: Its annotations, the oldest first.
    """

    record: RunRecord
    kinds: dict[str, int]
    calls: int
    figures: Figures
    annotations: Sequence[StoredAnnotation]

    @property
    def events(self) -> int:
        """The number of events."""
        return sum(self.kinds.values())

    @property
    def outcome(self) -> tuple[object, ...]:
        """How it ended: status, exit code, final state."""
        summary = self.record.summary
        if summary is None:
            return (self.record.status, None, None)
        return (self.record.status, summary.exit_code, summary.final_state_digest)


class RunComparison(NamedTuple):
    """The differences of two runs.

    Attributes:
        a: The first run.
        b: The second run.
        steps: The calls of tools of both, aligned.
    """

    a: Side
    b: Side
    steps: list[Step]

    @property
    def is_equal(self) -> bool:
        """Whether both made the same calls and ended alike. Durations do not count."""
        return (
            all(step.kind == SAME for step in self.steps)
            and self.a.kinds == self.b.kinds
            and self.a.outcome == self.b.outcome
        )


def compare_runs(
    repo: Repository,
    a: RunId,
    b: RunId,
    ignored: Sequence[str] = (),
    prices: Mapping[str, Price] | None = None,
) -> RunComparison:
    """Compares two runs: their tool calls, their ends, their numbers of events.

    Args:
        repo: The repository.
        a: The first run.
        b: The second run.
        ignored: Members of the calls' payloads to ignore.
        prices: Prices by model, for calls of models that tell no cost.

    Raises:
        RunNotFoundError: No run has this id.
        UsageError: The name of a member is empty.
        IntegrityError: The stored data is damaged.
    """
    if "" in ignored:
        raise UsageError("the KEY of --ignore is empty; is a variable unset?")
    left_out = frozenset(ignored)
    side_a, calls_a = _read(repo, a, left_out, prices)
    side_b, calls_b = _read(repo, b, left_out, prices)
    return RunComparison(side_a, side_b, compare_calls(calls_a, calls_b))


def _read(
    repo: Repository, run_id: RunId, ignored: frozenset[str], prices: Mapping[str, Price] | None
) -> tuple[Side, list[Call]]:
    record = repo.runs.get_run(run_id)
    kinds: Counter[str] = Counter()
    usage = Usage(prices)

    def counted() -> Iterator[RunEvent]:
        for event in repo.runs.iter_events(run_id):
            kinds[event.kind] += 1
            usage.add(event.kind, event.payload)
            yield event

    calls = calls_in(counted(), ignored)
    notes = Annotated(repo).of(record)
    for each in notes:
        usage.add(each.value.kind, each.value.payload)
    return Side(record, dict(kinds), kinds[KIND], usage.figures(), notes), calls
