"""The first page: the names with their live releases, and the agents that have runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.commands.release.list import list_
from aivcs.model.run import RunStatus
from aivcs.present.words import count, moment
from aivcs.tui.listing import ItemListing, Progress
from aivcs.tui.pages.page import Action, Page, Source
from aivcs.tui.row import BAD, BOLD, DIM, GOOD, MARK, Row, column, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.release.history import HistoryEntry


class NamesPage(Page):
    """The live releases, and the agents that have runs."""

    title = "what is live"

    def __init__(self, source: Source) -> None:
        """Takes what is read."""
        super().__init__(source)
        self.actions = {"r": Action("runs", self._runs)}
        self._listing: ItemListing | None = None

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del cells, progress
        self._listing = ItemListing(self._items(), self._draw)
        return self._listing

    def _items(self) -> Iterator[HistoryEntry | Row]:
        yield Row([("▸ ", MARK), ("all runs", BOLD)], self._all_runs)
        yield line("")
        live, damaged = list_(self.repo)
        if not live and not damaged:
            yield line("Nothing was released. See: aivcs help release promote", DIM)
        yield from live
        for error in damaged:
            yield line(f"Cannot be read: {error}", BAD)
        yield line("")
        counts = self.repo.runs.count_runs(unreadable=lambda *_: None)
        told = ", ".join(
            f"{number:,} {status.lower()}" for status, number in counts.items() if number
        )
        total = f"{count(sum(counts.values()), 'run')}{f': {told}' if told else ''}"
        if counts.get(RunStatus.FAILED):
            yield Row([(total, DIM), ("  ▸", MARK)], partial(self._all_runs, only_failed=True))
        else:
            yield line(total, DIM)

    def _draw(self, told: HistoryEntry, cells: int) -> Row:
        record = told.record
        name_cells = max(min(32, cells // 4), 12)
        label = record.metadata.version_label or record.spec_digest.short
        spans = [
            ("● ", BAD if told.is_blocked else GOOD),
            (column(record.name, name_cells), BOLD),
            (f" {column(label, 10)} ", ""),
        ]
        if cells >= 60:
            spans.append((f"{moment(record.created_at)[: 16 if cells >= 100 else 10]}  ", DIM))
        if told.is_blocked:
            spans.append(("blocked  ", BAD))
        spans.append((record.metadata.promoted_by.partition(" <")[0], ""))
        if record.metadata.notes:
            spans.append((f": {record.metadata.notes}", DIM))
        return Row(spans, lambda: self._history(record.name))

    # The other pages are loaded when one is opened: the first screen shall not wait for them.

    def _history(self, name: str) -> Page:
        from aivcs.tui.pages.history import HistoryPage

        return HistoryPage(self.source, name)

    def _all_runs(self, agent: str | None = None, *, only_failed: bool = False) -> Page:
        from aivcs.tui.pages.runs import RunsPage

        return RunsPage(self.source, agent=agent, only_failed=only_failed)

    def _runs(self, index: int, progress: Progress) -> Page:
        del progress
        item = None if self._listing is None else self._listing.item(index)
        if item is None or isinstance(item, Row):
            return self._all_runs()
        return self._all_runs(item.record.name)
