"""The history of a name: each entry with its present state and its reason."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.commands.release.history import CURRENT, ROLLED_BACK, history
from aivcs.model.release_entries import Approval, Signature
from aivcs.present.history import shown_state
from aivcs.present.words import moment
from aivcs.tui.listing import ItemListing, Progress
from aivcs.tui.pages.difference import SpecDifferencePage
from aivcs.tui.pages.page import Action, Page, Source
from aivcs.tui.pages.release import ReleasePage
from aivcs.tui.pages.runs import RunsPage
from aivcs.tui.row import BAD, BOLD, DIM, GOOD, MARK, PLAIN, WARN, Row, column, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.release.history import HistoryEntry
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Mark


class HistoryPage(Page):
    """All entries of a name, newest first."""

    def __init__(self, source: Source, name: str) -> None:
        """Takes the name."""
        super().__init__(source)
        self.name = name
        self.title = name
        self.actions = {
            "d": Action("changes", self._difference),
            "m": Action("mark", self._mark),
            "r": Action("runs", self._runs),
        }
        self._marked: ReleaseRecord | None = None
        self._listing: ItemListing | None = None

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del cells
        listing = self._listing = ItemListing(self._items(), self._draw)
        listing.reach(0, 0, progress)
        # Signatures may follow the release that is live.
        is_release = (not isinstance(listing.item(n), Row) for n in range(listing.count))
        self.start = next((n for n, found in enumerate(is_release) if found), 0)
        return listing

    def _items(self) -> Iterator[HistoryEntry | Row]:
        marks: list[Mark] = []
        for told in history(self.repo, self.name, mark=marks.append):
            yield from map(self._mark_row, marks)
            marks.clear()
            yield told
        yield from map(self._mark_row, marks)

    def _draw(self, told: HistoryEntry, cells: int) -> Row:
        record, metadata = told.record, told.record.metadata
        state = shown_state(told.shown_state, is_live=told.is_live)
        style = BAD if told.is_blocked else GOOD if told.state == CURRENT else DIM
        if told.state == ROLLED_BACK and not told.is_blocked:
            style = WARN
        is_marked = self._marked is not None and self._marked.seq == record.seq
        sign = ("▶ ", MARK) if is_marked else ("● " if told.is_live else "  ", GOOD)
        spans = [sign, (f"{f'@{record.seq}':<5}", BOLD if told.is_live else PLAIN)]
        if cells >= 60:
            action = WARN if record.action == "rollback" else PLAIN
            spans.append((f"{record.action:<9}", action))
            spans.append((f"{column(metadata.version_label or '-', 10)} ", BOLD))
            if cells >= 100:
                spans.append((f"{record.spec_digest.short} ", DIM))
        else:
            spans.append((f"{column(metadata.version_label or record.spec_digest, 8)} ", BOLD))
        spans.append((f"{state:<11} ", style))
        if cells >= 60:
            spans.append((f"{moment(record.created_at)[:10]} ", DIM))
        if record.forced:
            spans.append(("forced ", BAD))
        spans.append((metadata.promoted_by.partition(" <")[0], PLAIN))
        spans.append((f": {metadata.notes}" if metadata.notes else "", DIM))
        return Row(spans, partial(ReleasePage, self.source, self.name, record.seq))

    def _entry(self, index: int) -> ReleaseRecord | None:
        item = None if self._listing is None else self._listing.item(index)
        return None if item is None or isinstance(item, Row) else item.record

    def _mark(self, index: int, progress: Progress) -> str:
        del progress
        record = self._entry(index)
        if record is None:
            return "Only a release can be marked."
        if self._marked is not None and self._marked.seq == record.seq:
            self._marked = None
            return "The mark is removed."
        self._marked = record
        return f"@{record.seq} is marked: go to another entry, and press d."

    def _difference(self, index: int, progress: Progress) -> Page | str:
        del progress
        record = self._entry(index)
        if record is None:
            return "Go to a release first."
        other = self._marked
        if other is None or other.seq == record.seq:
            before = self.repo.releases.iter_history(self.name)
            other = next((each for each in before if each.seq < record.seq), None)
        if other is None:
            return f"@{record.seq} is the first entry: nothing was before it."
        old, new = sorted((other, record), key=lambda each: each.seq)
        return SpecDifferencePage(self.source, old, new)

    def _runs(self, index: int, progress: Progress) -> Page:
        del progress
        record = self._entry(index)
        if record is None:
            return RunsPage(self.source, agent=self.name)
        label = record.metadata.version_label or record.spec_digest.short
        return RunsPage(self.source, spec=record.spec_digest, label=label)

    def _mark_row(self, mark: Mark) -> Row:
        """Returns a block, a signature or an approval as a line between the releases."""
        if isinstance(mark, Signature):
            text, seq = f"signature of @{mark.signed_seq}, by {mark.fingerprint}", mark.signed_seq
        else:
            why = mark.notes or "" if isinstance(mark, Approval) else mark.reason
            text = f"{mark.mark} {mark.spec_digest.short} by {mark.by}: {why}"
            seq = mark.seq
        opens = partial(ReleasePage, self.source, self.name, seq)
        return line(f"  @{mark.seq:<4}{text}", DIM, opens)
