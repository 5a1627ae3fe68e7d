"""The events and annotations that hold a text, in the runs of a list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.commands.run.search import Match, search
from aivcs.present.words import short_run
from aivcs.search.query import Query
from aivcs.tui.listing import ItemListing, Progress, Stopped
from aivcs.tui.pages.page import Page, Source
from aivcs.tui.pages.payload import AnnotationsPage
from aivcs.tui.pages.run import RunPage
from aivcs.tui.row import BAD, BOLD, DIM, MARK, PLAIN, Row, column, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from aivcs.errors import StorageError
    from aivcs.model.run import RunId, RunRecord


class SearchPage(Page):
    """What was found in runs."""

    def __init__(self, source: Source, text: str, filters: Mapping[str, Any]) -> None:
        """Takes the question.

        Args:
            source: What is read.
            text: The text; upper and lower case are the same unless it has a capital letter.
            filters: Which runs are searched, as for `aivcs.commands.run.search.search`.
        """
        super().__init__(source)
        self._text, self._filters = text, filters
        self.title = f"“{text}”"
        self._listing: ItemListing | None = None

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del cells, progress
        self._listing = ItemListing(self._items(), self._draw)
        return self._listing

    def _items(self) -> Iterator[Match | Row]:
        query = Query(text=self._text, ignore_case=self._text == self._text.lower())
        bad: list[Row] = []

        def unreadable(run_id: RunId, error: StorageError) -> None:
            bad.append(line(f"✗ {run_id} cannot be read: {error}", BAD))

        is_empty = True
        try:
            for match in search(
                self.repo, query, self._filters, unreadable=unreadable, searched=self._count
            ):
                yield from bad
                bad.clear()
                is_empty = False
                yield match
        except Stopped:
            yield line("Stopped here. R searches again.", DIM)
            return
        yield from bad
        if is_empty:
            yield line("Nothing was found.", DIM)

    def _count(self, record: RunRecord) -> None:
        del record
        assert self._listing is not None
        self._listing.progress.add(1)

    def _draw(self, match: Match, cells: int) -> Row:
        record, passage = match.record, match.passage
        spans = [(f"{column(short_run(record.run_id), 8)} ", BOLD)]
        if cells >= 60:
            spans.append((f"{column(record.metadata.agent_name, 14)} ", PLAIN))
        seq = "remark" if match.event.seq is None else f"{match.event.seq}"
        spans.append((f"{seq:>6} {column(match.event.kind, 14)} ", DIM))
        begin, end = passage.begin or 0, passage.end or 0
        # The match shall be on the screen.
        begun = max(begin - 12, 0)
        spans += [
            (passage.text[begun:begin], PLAIN),
            (passage.text[begin:end], MARK),
            (passage.text[end:], PLAIN),
        ]
        if match.annotation is not None:
            return Row(spans, partial(AnnotationsPage, self.source, record.run_id))
        return Row(spans, partial(RunPage, self.source, record.run_id, match.event.seq))
