"""One release: who made it live and why, what supports it, and what was checked."""

from __future__ import annotations

from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from aivcs.commands.release.audit import FAILED, OK, verify
from aivcs.commands.release.history import show
from aivcs.model.release_entries import Approval, Block, Signature
from aivcs.policy.evidence import evidence_for
from aivcs.present.words import moment
from aivcs.tui.listing import ItemListing, Progress, rows_listing
from aivcs.tui.pages.difference import SpecDifferencePage
from aivcs.tui.pages.page import Action, Page, Source
from aivcs.tui.pages.run import RunPage
from aivcs.tui.pages.runs import RunsPage
from aivcs.tui.pages.spec import SpecPage
from aivcs.tui.row import BAD, BOLD, DIM, GOOD, MARK, PLAIN, WARN, Row, fact, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.release.history import HistoryEntry
    from aivcs.model.release import ReleaseRecord


class ReleasePage(Page):
    """All that is told of a release."""

    def __init__(self, source: Source, name: str, seq: int) -> None:
        """Takes the name and the seq of the entry."""
        super().__init__(source)
        self.name, self.seq = name, seq
        self.title = f"@{seq}"
        self.actions = {
            "d": Action("changes", lambda *_: self._difference()),
            "r": Action("runs", lambda *_: self._runs()),
        }
        self._record: ReleaseRecord | None = None
        self._before: ReleaseRecord | None = None

    def read(self, cells: int, progress: Progress) -> ItemListing:
        """As `Page.read`."""
        del cells, progress
        shown = show(self.repo, self.name, f"@{self.seq}")
        if shown.told is None:
            return rows_listing(self._mark_rows(shown.sealed.value))
        older = self.repo.releases.iter_history(self.name)
        self._record = shown.told.record
        self._before = next((each for each in older if each.seq < self.seq), None)
        return rows_listing(self._rows(shown.told, shown.blocks, shown.signatures))

    def _mark_rows(self, mark: object) -> Iterator[Row]:
        yield fact("entry", f"{self.name}@{self.seq}", BOLD)
        if not isinstance(mark, (Block, Approval)):
            return
        yield fact("action", mark.mark, WARN)
        yield fact("by", mark.by)
        if isinstance(mark, Approval):
            yield fact("reason", mark.notes or "-")
            yield fact("key", mark.fingerprint)
        else:
            yield fact("reason", mark.reason)
        yield fact("at", f"{moment(mark.created_at)} UTC")
        yield Row(
            [("spec       ", DIM), (mark.spec_digest, PLAIN), ("  ▸", MARK)],
            partial(SpecPage, self.source, mark.spec_digest),
        )

    def _rows(self, told: HistoryEntry, blocks: list, signatures: list) -> Iterator[Row]:  # type: ignore[type-arg]
        record, metadata = told.record, told.record.metadata
        label = metadata.version_label
        yield fact("release", f"{record.name}@{record.seq}{f' {label}' if label else ''}", BOLD)
        state = told.shown_state
        style = BAD if told.is_blocked else GOOD if told.is_live else PLAIN
        if state == "current" and not told.is_live:
            state = "current; it became live again later"
        yield fact("state", state, style)
        yield fact("action", record.action, WARN if record.action == "rollback" else PLAIN)
        yield fact("by", metadata.promoted_by)
        yield fact("reason", metadata.notes or "-")
        yield fact("at", f"{moment(record.created_at)} UTC")
        if record.forced:
            yield fact("forced", "against the policy", BAD)
        yield Row(
            [("spec       ", DIM), (record.spec_digest, PLAIN), ("  ▸", MARK)],
            partial(SpecPage, self.source, record.spec_digest),
        )
        if self._before is not None:
            yield Row(
                [("changed    ", DIM), (f"what differs from @{self._before.seq}", PLAIN),
                 ("  ▸", MARK)],
                self._difference,
            )  # fmt: skip
        yield Row([("runs       ", DIM), ("of this spec", PLAIN), ("  ▸", MARK)], self._runs)
        below = self.repo.releases.iter_history(self.name)
        for run in evidence_for(record, (each for each in below if each.seq < record.seq)):
            yield Row(
                [("evidence   ", DIM), (run.run_id, PLAIN),
                 (f", as of its line {run.head.lines}", DIM), ("  ▸", MARK)],
                partial(RunPage, self.source, run.run_id),
            )  # fmt: skip
        if record.policy is not None:
            yield Row(
                [("policy     ", DIM), (record.policy, PLAIN), ("  ▸", MARK)],
                partial(SpecPage, self.source, record.policy),
            )
        for mark in signatures:
            assert isinstance(mark, Signature)
            yield fact("signature", f"@{mark.seq} {mark.fingerprint}")
        for block in blocks:
            yield fact(block.mark, f"@{block.seq} by {block.by}: {block.reason}", WARN)
        yield line("")
        yield from self._checks()
        yield from self._commands(told)

    def _checks(self) -> Iterator[Row]:
        yield line("Checks, made now", BOLD)
        styles = {OK: ("✓ ", GOOD), FAILED: ("✗ ", BAD)}
        for check in verify(
            self.repo,
            self.name,
            seqs={self.seq},
            verifier=self.source.verifier,
            environment=self.source.environment,
            erasers=self.source.erasers,
        ):
            sign, style = styles.get(check.result, ("? ", WARN))
            yield Row([(sign, style), (f"{check.check:<18} ", PLAIN), (check.detail, DIM)])

    def _difference(self) -> Page:
        if self._record is None or self._before is None:
            raise LookupError("This is the first entry: nothing was before it.")
        return SpecDifferencePage(self.source, self._before, self._record)

    def _runs(self) -> Page:
        if self._record is None:
            raise LookupError("This entry is not a release.")
        label = self._record.metadata.version_label or self._record.spec_digest.short
        return RunsPage(self.source, spec=self._record.spec_digest, label=label)

    def _commands(self, told: HistoryEntry) -> Iterator[Row]:
        """Yields the commands that would change what is live; the browser runs none."""
        name = quote(told.record.name)
        if not told.is_live:
            yield line("")
            yield line("To make it live again:", DIM)
            yield line(f"  aivcs release rollback {name} @{told.record.seq} --reason TEXT", MARK)
        elif self._before is not None:
            yield line("")
            yield line("To return to the release before it:", DIM)
            yield line(f"  aivcs release rollback {name} --reason TEXT", MARK)
