"""Formats a comparison of two runs as Markdown: what differs of their ends and of their calls."""

from __future__ import annotations

from aivcs.cli.render.markdown import code, table
from aivcs.present.run_comparison import KINDS, Row, facts, rows, summary
from aivcs.trace.tool_calls import SAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.run.diff import RunComparison

_MAX_ROWS = 60
_ALWAYS = frozenset({"run", "agent", "spec", "status", "duration"})


def markdown(found: RunComparison, *, title: str = "Two runs") -> str:
    """Returns a comparison as Markdown."""
    return f"### {title}\n\n{''.join(_parts(found))}"


def _parts(found: RunComparison) -> Iterator[str]:
    told = [fact for fact in facts(found) if fact.a != fact.b or fact.name in _ALWAYS]
    cells = (
        (fact.name if " " not in fact.name else code(fact.name), code(fact.a), code(fact.b))
        for fact in told
    )
    yield table(("", "A", "B"), cells)
    yield f"\nCalls: {summary(found)}.\n"
    differing = [row for row in rows(found) if isinstance(row, Row) and row.kind != SAME]
    if differing:
        yield "\n"
        yield table(("call", "A", "B"), map(_cells, differing[:_MAX_ROWS]))
    if len(differing) > _MAX_ROWS:
        yield f"\n… and {len(differing) - _MAX_ROWS} more calls\n"


def _cells(row: Row) -> tuple[str, str, str]:
    sides: list[str] = []
    for side, call in enumerate((row.a, row.b)):
        said = [] if call is None else [code(call)]
        said += [
            code(f"{change[0]}: {change[1 + side]}")
            for change in row.changes
            if change[1 + side] is not None
        ]
        sides.append("<br>".join(said))
    return KINDS[row.kind], sides[0], sides[1]
