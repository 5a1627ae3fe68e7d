"""What differs between two releases, or between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.commands.run.diff import compare_runs
from aivcs.commands.spec.diff import compare_specs
from aivcs.present import spec_difference
from aivcs.present.run_comparison import KINDS, Row as CallRow, facts, rows, summary
from aivcs.present.words import count, short_run
from aivcs.trace.tool_calls import ADDED, CHANGED, MOVED, REMOVED
from aivcs.tui.listing import ItemListing, Progress, rows_listing
from aivcs.tui.pages.page import Page, Source
from aivcs.tui.row import BAD, BOLD, DIM, GOOD, MARK, PLAIN, WARN, Row, column, line, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.run.diff import RunComparison
    from aivcs.model.release import ReleaseRecord

_STYLES = {
    spec_difference.FIELD: ("", MARK), spec_difference.FILE: ("", BOLD),
    spec_difference.HUNK: ("", MARK), spec_difference.ADDED: ("+ ", GOOD),
    spec_difference.REMOVED: ("- ", BAD), spec_difference.SAME: ("  ", PLAIN),
    spec_difference.NOTE: ("  ", DIM),
}  # fmt: skip
_CALL_STYLES = {
    ADDED: ("+ ", GOOD),
    REMOVED: ("- ", BAD),
    CHANGED: ("~ ", WARN),
    MOVED: ("> ", MARK),
}


class SpecDifferencePage(Page):
    """What differs between the specs of two releases."""

    def __init__(self, source: Source, a: ReleaseRecord, b: ReleaseRecord) -> None:
        """Takes the release before, and the one after."""
        super().__init__(source)
        self._a, self._b = a, b
        self.title = f"@{a.seq} → @{b.seq}"

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del progress
        found = compare_specs(self.repo, self._a.spec_digest, self._b.spec_digest)

        def lines() -> Iterator[Row]:
            for sign, release in (("- ", self._a), ("+ ", self._b)):
                label = release.metadata.version_label or ""
                told = f"{sign}{release.name}@{release.seq} {label}  {release.spec_digest.short}"
                yield line(told, BAD if sign == "- " else GOOD)
            yield line("")
            if found.is_equal:
                yield line("They have the same spec.", DIM)
            for each in spec_difference.lines(found):
                if each.kind == spec_difference.FILE:
                    yield line("")
                sign, style = _STYLES[each.kind]
                for part in wrapped(each.text.expandtabs(4), max(cells - 2, 8)):
                    yield line(sign + part, style)

        return rows_listing(lines())


class RunDifferencePage(Page):
    """Two runs: what is told of both, and which calls differ."""

    def __init__(self, source: Source, a: str, b: str) -> None:
        """Takes the two runs."""
        super().__init__(source)
        self._a, self._b = a, b
        self.title = f"{short_run(a)} → {short_run(b)}"

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del progress
        found = compare_runs(
            self.repo, self.repo.resolve_run(self._a), self.repo.resolve_run(self._b)
        )
        return rows_listing(_run_rows(found, cells))


def _run_rows(found: RunComparison, cells: int) -> Iterator[Row]:
    """Yields the lines of a comparison of runs."""
    half = max((cells - 22) // 2, 8)
    for fact in facts(found):
        differs = fact.a != fact.b and fact.name != "run"
        yield Row(
            [(column(fact.name, 20) + " ", DIM), (column(fact.a, half) + " ", PLAIN),
             (fact.b, WARN if differs else PLAIN)]
        )  # fmt: skip
    yield line("")
    yield line(f"Calls: {summary(found)}", BOLD)
    yield line("")
    for row in rows(found):
        if isinstance(row, CallRow):
            yield from _call_rows(row)
        else:
            yield line(f"  … {count(row, 'call')} alike …", DIM)


def _call_rows(row: CallRow) -> Iterator[Row]:
    sign, style = _CALL_STYLES.get(row.kind, ("  ", PLAIN))
    shown = row.a if row.b is None else row.b
    told = f"  ({KINDS[row.kind]})" if row.kind in {CHANGED, MOVED} else ""
    yield Row([(sign, style), (shown or "", style), (told, DIM)])
    for name, a, b in row.changes:
        if a is not None:
            yield Row([(f"    {name}: ", DIM), (f"- {a}", BAD)])
        if b is not None:
            yield Row([(f"    {name}: ", DIM), (f"+ {b}", GOOD)])
