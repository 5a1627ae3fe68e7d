"""A spec: its commit, its parts and their files. Any other blob is shown as its text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.model.digest import ContentDigest
from aivcs.specs.spec import Spec, find, parts_of
from aivcs.tui.listing import Listing, Progress, rows_listing
from aivcs.tui.pages.page import Page, Source
from aivcs.tui.pages.payload import BlobPage
from aivcs.tui.row import BAD, BOLD, DIM, MARK, PLAIN, Row, fact, line

if TYPE_CHECKING:
    from collections.abc import Iterator


class SpecPage(Page):
    """What an agent is made of."""

    def __init__(self, source: Source, digest: str) -> None:
        """Takes the digest."""
        super().__init__(source)
        self._digest = ContentDigest(digest)
        self.title = f"spec {self._digest.short}"

    def read(self, cells: int, progress: Progress) -> Listing:
        """As `Page.read`."""
        fields = find(self.repo, self._digest)
        if fields is None:
            return BlobPage(self.source, self._digest).read(cells, progress)
        return rows_listing(self._rows(Spec(self._digest, fields)))

    def _rows(self, spec: Spec) -> Iterator[Row]:
        yield fact("spec", spec.digest, BOLD)
        if "git_sha" in spec.fields:
            yield fact("commit", spec.fields["git_sha"])
        for part in parts_of(self.repo, spec):
            yield line("")
            if not part.is_stored or part.digest is None:
                missing = spec.fields[f"{part.name}_digest"]
                yield Row([(part.name, BOLD), (f"  {missing} is not in this store", BAD)])
            elif part.kind == "file":
                yield self._file(part.name, part.digest, BOLD)
            else:
                yield Row([(part.name, BOLD), (f"  {part.digest.short}", DIM)])
                for file in part.files:
                    yield self._file(f"  {part.path_of(file)}", file.digest, PLAIN)

    def _file(self, name: str, digest: ContentDigest, style: str) -> Row:
        opens = partial(BlobPage, self.source, digest, name.strip())
        return Row([(name, style), (f"  {digest.short}", DIM), ("  ▸", MARK)], opens)
