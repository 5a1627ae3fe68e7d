"""Formats a comparison of two releases: both entries, their specs, and a run of each."""

from __future__ import annotations

from aivcs.cli.render.output import escape
from aivcs.cli.run import comparison_view as runs
from aivcs.cli.run.figures_view import number
from aivcs.cli.spec import comparison_view as specs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.commands.release.diff import ReleaseComparison


def plain(found: ReleaseComparison) -> Iterator[str]:
    """Yields lines for a program: the entries, then the lines of `spec diff` and `run diff`."""
    yield from ("\t".join(row) for row in _entries(found))
    yield from specs.lines(found.specs)
    if found.runs is not None:
        yield from runs.plain(found.runs)


def shown(found: ReleaseComparison, *, color: bool) -> Iterator[str]:
    """Yields lines for a person, fitted to the terminal."""
    for name, a, b in _entries(found):
        yield f"{name:<9}{' ' * (len(name) > 8)}{a} → {b}"
    yield ""
    yield from specs.shown(found.specs, color=color)
    if found.runs is not None:
        yield ""
        yield from runs.shown(found.runs, color=color)


def as_json(found: ReleaseComparison) -> dict[str, Any]:
    """Returns the comparison as a JSON value."""
    return {
        "a": found.a.to_json(),
        "b": found.b.to_json(),
        "equal": found.is_equal,
        "specs": specs.as_json(found.specs),
        "figures": {"a": found.figures[0].to_json(), "b": found.figures[1].to_json()},
        "runs": None if found.runs is None else runs.as_json(found.runs),
    }


def _entries(found: ReleaseComparison) -> Iterator[tuple[str, str, str]]:
    a, b = found.a, found.b
    labels = [escape(side.metadata.version_label or "-") for side in (a, b)]
    yield "release", f"{a.name}@{a.seq}", f"{b.name}@{b.seq}"
    yield "label", labels[0], labels[1]
    yield "spec", a.spec_digest, b.spec_digest
    yield from facts(found)


def facts(found: ReleaseComparison) -> Iterator[tuple[str, str, str]]:
    """Yields the means of the evidence of both: runs, scores, tokens, cost, duration."""
    a, b = found.figures
    if not a.runs and not b.runs:
        return
    yield "runs", str(a.runs), str(b.runs)
    rows = [("score", a.score, b.score)]
    names = dict.fromkeys([*a.scores, *b.scores])
    rows += [(f"score {name}", a.scores.get(name), b.scores.get(name)) for name in names]
    rows += [
        ("tokens", a.tokens, b.tokens),
        ("cost", a.cost_usd, b.cost_usd),
        ("ms", a.duration_ms, b.duration_ms),
    ]
    for name, before, after in rows:
        if before is not None or after is not None:
            yield escape(name), number(before), number(after)
