"""The runs, newest first: of the whole store, of an agent, or of a spec."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.commands.run.list import list_
from aivcs.model.run import RunStatus
from aivcs.present.words import duration, moment, number, short_run
from aivcs.tui.listing import ItemListing, Progress
from aivcs.tui.pages.difference import RunDifferencePage
from aivcs.tui.pages.page import Action, Page, Source
from aivcs.tui.pages.run import STATUS_STYLES, RunPage
from aivcs.tui.row import BAD, BOLD, DIM, MARK, PLAIN, Row, column, line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.errors import StorageError
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId, RunRecord

_SIGNS = {"COMPLETED": "✓ ", "FAILED": "✗ ", "CANCELLED": "■ ", "RUNNING": "… "}


class RunsPage(Page):
    """A list of runs."""

    def __init__(
        self,
        source: Source,
        *,
        agent: str | None = None,
        spec: ContentDigest | None = None,
        label: str = "",
        only_failed: bool = False,
    ) -> None:
        """Takes the filters.

        Args:
            source: What is read.
            agent: Only runs of this agent.
            spec: Only runs of this spec.
            label: The name of the spec in the title.
            only_failed: Whether it begins with the failed ones.
        """
        super().__init__(source)
        self._agent, self._spec, self._label = agent, spec, label
        self._only_failed = only_failed
        self._marked: RunId | None = None
        self._listing: ItemListing | None = None
        self.actions = {
            "f": Action("failed only", self._toggle_failed),
            "m": Action("mark", self._mark),
            "d": Action("diff", self._difference),
        }
        self._name()

    def _name(self) -> None:
        of = f" of {self._agent}" if self._agent else f" of {self._label}" if self._label else ""
        self.title = f"{'failed ' if self._only_failed else ''}runs{of}"

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del cells, progress
        self._listing = ItemListing(self._items(), self._draw)
        return self._listing

    @property
    def filters(self) -> dict[str, Any]:
        """Which runs are listed, as for `aivcs.commands.run.list.list_`."""
        return {
            "agents": [self._agent] if self._agent else [],
            "specs": [self._spec] if self._spec else [],
            "statuses": [RunStatus.FAILED] if self._only_failed else [],
        }

    def _items(self) -> Iterator[RunRecord | Row]:
        bad: list[Row] = []

        def unreadable(run_id: RunId, error: StorageError) -> None:
            bad.append(line(f"✗ {run_id} cannot be read: {error}", BAD))

        is_empty = True
        for record in list_(self.repo, **self.filters, unreadable=unreadable):
            yield from bad
            bad.clear()
            is_empty = False
            yield record
        yield from bad
        if is_empty and not bad:
            yield line("There are no such runs.", DIM)

    def _draw(self, record: RunRecord, cells: int) -> Row:
        style = STATUS_STYLES[record.status]
        summary = record.summary
        shown = short_run(record.run_id)
        sign = ("▶ ", MARK) if record.run_id == self._marked else (_SIGNS[record.status], style)
        spans = [sign, (f"{column(shown, 8 if cells < 60 else 12 if cells < 100 else 24)} ", BOLD)]
        if cells >= 60:
            spans.append((f"{record.status.lower():<10}", style))
            spans.append((f"{moment(record.created_at)[:16]} ", DIM))
            spans.append((f"{duration(summary.duration_ms if summary else None):>10} ", PLAIN))
        if cells >= 100:
            events = number(summary.total_events if summary else None)
            spans.append((f"{events:>9} events  ", DIM))
        spans.append((record.metadata.agent_name, PLAIN))
        if summary is not None and summary.exit_code:
            spans.append((f"  exit code {summary.exit_code}", BAD))
        return Row(spans, partial(RunPage, self.source, record.run_id))

    def _run(self, index: int) -> RunId | None:
        item = None if self._listing is None else self._listing.item(index)
        return None if item is None or isinstance(item, Row) else item.run_id

    def _toggle_failed(self, index: int, progress: Progress) -> Page:
        del index, progress
        self._only_failed = not self._only_failed
        self._name()
        return self

    def _mark(self, index: int, progress: Progress) -> str:
        del progress
        found = self._run(index)
        self._marked = None if found == self._marked else found
        if self._marked is None:
            return "No run is marked."
        return "The run is marked: go to another, and press d."

    def _difference(self, index: int, progress: Progress) -> Page | str:
        del progress
        found = self._run(index)
        if self._marked is None or found is None or found == self._marked:
            return "Mark a run with m, go to another, and press d."
        return RunDifferencePage(self.source, self._marked, found)
