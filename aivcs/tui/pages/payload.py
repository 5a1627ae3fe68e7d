"""What is read whole only when it is opened: an event, the annotations of a run, a blob."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.present.words import size
from aivcs.tui.listing import ItemListing, Progress, rows_listing
from aivcs.tui.pages.page import Page, Source
from aivcs.tui.pages.text import text_rows, value_rows
from aivcs.tui.row import BAD, BOLD, DIM, WARN, Row, fact, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunEvent

_MAX_BLOB = 8 << 20
"""Bytes of a blob that are shown, at most."""
_BINARY = 4096
"""Bytes among which one that no text has makes a blob binary."""


class BlobPage(Page):
    """The text of a blob."""

    def __init__(self, source: Source, digest: ContentDigest, name: str = "") -> None:
        """Takes the digest, and a name for the title."""
        super().__init__(source)
        self._digest = digest
        self.title = name or f"blob {digest.short}"

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del progress
        with self.repo.blobs.open(self._digest) as stream:
            data = stream.read(_MAX_BLOB + 1)
        return rows_listing(self._rows(data, cells))

    def _rows(self, data: bytes, cells: int) -> Iterator[Row]:
        yield fact("blob", self._digest, BOLD)
        is_cut = len(data) > _MAX_BLOB
        yield fact("size", f"more than {size(_MAX_BLOB)}" if is_cut else size(len(data)))
        yield line("")
        if b"\0" in data[:_BINARY]:
            yield line(f"It is binary. Its bytes: aivcs blob get {self._digest.short}", DIM)
            return
        yield from text_rows(data[:_MAX_BLOB].decode(errors="backslashreplace"), cells)
        if is_cut:
            yield line(f"… all of it: aivcs blob get {self._digest.short}", DIM)


class EventPage(Page):
    """An event with its whole payload."""

    def __init__(
        self, source: Source, find: Callable[[int, Progress], RunEvent | None], seq: int
    ) -> None:
        """Takes the event.

        Args:
            source: What is read.
            find: Reads the event with a seq.
            seq: The seq of the event.
        """
        super().__init__(source)
        self._find, self._seq = find, seq
        self.title = f"seq {seq}"

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        event = self._find(self._seq, progress)
        if event is None:
            return rows_listing([line(f"There is no event {self._seq}.", BAD)])
        return rows_listing(self._rows(event, cells))

    def _rows(self, event: RunEvent, cells: int) -> Iterator[Row]:
        yield fact("seq", str(event.seq), BOLD)
        yield fact("kind", event.kind, BOLD)
        yield fact("at", str(event.timestamp))
        yield line("")
        if event.redacted:
            yield line("Its content was erased on purpose.", WARN)
            return
        yield from value_rows(event.payload, cells, partial(BlobPage, self.source))


class AnnotationsPage(Page):
    """The annotations of a run, the oldest first."""

    title = "annotations"

    def __init__(self, source: Source, run_id: str) -> None:
        """Takes the run."""
        super().__init__(source)
        self._run_id = run_id

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del progress
        return rows_listing(self._rows(cells))

    def _rows(self, cells: int) -> Iterator[Row]:
        found = self.repo.annotations.of_run(self._run_id)
        if not found:
            yield line("There are none. See: aivcs help run annotate", DIM)
        for stored in found:
            value = stored.value
            signed = "" if value.signature is None else ", signed"
            yield Row([(value.kind, BOLD), (f"  by {value.by}{signed}, {value.created_at}", DIM)])
            for row in value_rows(value.payload, cells - 2, partial(BlobPage, self.source)):
                yield Row([("  ", ""), *row.spans], row.opens)
            yield line("")
