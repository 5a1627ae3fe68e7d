"""A run: what is told of it, and its timeline."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aivcs.codec.json import encode_trusted
from aivcs.commands.run.annotated import Annotated
from aivcs.commands.run.lineage import origin_of
from aivcs.log.annotation import merged_tags
from aivcs.model.run import RunStatus
from aivcs.present.words import count, duration, moment, size
from aivcs.trace.timeline import CALL, MESSAGE, RESULT
from aivcs.tui.listing import Progress
from aivcs.tui.pages.page import Action, Page, Source
from aivcs.tui.pages.payload import AnnotationsPage, EventPage
from aivcs.tui.pages.spec import SpecPage
from aivcs.tui.row import BAD, BOLD, DIM, GOOD, MARK, PLAIN, WARN, Row, column, fact, line
from aivcs.tui.run_log import Broken, RunLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.run import RunRecord
    from aivcs.present.event_rows import EventRow

STATUS_STYLES = {"COMPLETED": GOOD, "FAILED": BAD, "CANCELLED": WARN, "RUNNING": MARK}
"""The styles of statuses."""
_FIRST_EVENTS, _LAST_EVENTS = 2000, 400
"""Events among which the first, and the last, error is looked for when a run is opened."""
_MIN_TOOK, _MIN_SIZE = 10_000, 1024
"""Microseconds, and bytes, below which duration and size of an event are not worth a column."""
_MAX_TAGS = 6
"""Tags that are shown before the timeline; the others are told by their number."""


class RunPage(Page):
    """A run and its timeline."""

    def __init__(self, source: Source, run_id: str, seq: int | None = None) -> None:
        """Takes the run.

        Args:
            source: What is read.
            run_id: The run.
            seq: The event to begin at; None is the beginning.
        """
        super().__init__(source)
        self.run_id = run_id
        self.title = f"run {run_id[:8]}"
        self._seq = seq
        self._log: RunLog | None = None
        self._start = 0
        self.actions = {
            "e": Action("next error", partial(self._error, 1)),
            "E": Action("error before", partial(self._error, -1)),
            "a": Action("annotations", lambda *_: AnnotationsPage(self.source, self.run_id)),
        }

    def read(self, cells: int, progress: Progress) -> RunLog:
        """As `Page.read`."""
        del cells
        record = self.repo.runs.get_run(self.run_id)
        self._start = record.created_at.microseconds()
        self._log = log = RunLog(self.repo, self.run_id, [], self._draw)
        log.head.extend(self._head(record))
        log.head.append(fact("events", f"{log.events:,}"))
        log.head.extend(self._errors(log, progress))
        log.head.append(line("─" * 40, DIM))
        if self._seq is not None:
            found = log.find_seq(self._seq, progress)
            self.start = 0 if found is None else found
        return log

    def _head(self, record: RunRecord) -> Iterator[Row]:
        annotations = Annotated(self.repo).of(record)
        summary, metadata = record.summary, record.metadata
        yield fact("run", record.run_id, BOLD)
        status = record.status.lower()
        if summary is not None:
            status += f" after {duration(summary.duration_ms)}"
            if summary.exit_code is not None:
                status += f", exit code {summary.exit_code}"
        yield Row(
            [("status     ", DIM), (status, STATUS_STYLES[record.status]),
             (f"  {metadata.agent_name}", BOLD),
             (f"  {moment(record.created_at)} UTC", DIM)]
        )  # fmt: skip
        yield Row(
            [("spec       ", DIM), (record.spec_digest, PLAIN), ("  ▸", MARK)],
            partial(SpecPage, self.source, record.spec_digest),
        )
        origin = origin_of(record)
        if origin is not None:
            yield Row(
                [("comes from ", DIM), (origin.run_id, PLAIN), ("  ▸", MARK)],
                partial(RunPage, self.source, origin.run_id),
            )
        tags = merged_tags(metadata.tags, (each.value for each in annotations))
        told = []
        if metadata.git_sha:
            told.append(f"commit={metadata.git_sha}")
        if isinstance(tags, dict):
            for name, value in list(tags.items())[:_MAX_TAGS]:
                text = value if isinstance(value, str) else encode_trusted(value)
                told.append(f"{name}={text[:60]}")
            if len(tags) > _MAX_TAGS:
                told.append(f"and {len(tags) - _MAX_TAGS} more")
        if told:
            yield fact("tags", "  ".join(told))
        if annotations:
            yield Row(
                [("remarks    ", DIM), (count(len(annotations), "annotation"), PLAIN),
                 ("  ▸", MARK)],
                partial(AnnotationsPage, self.source, self.run_id),
            )  # fmt: skip
        if record.status is RunStatus.RUNNING:
            yield fact("", "it is running: R reads it again", MARK)

    def _errors(self, log: RunLog, progress: Progress) -> list[Row]:
        """Returns the lines that lead to the first and to the last event with an error."""
        first = log.first_error(_FIRST_EVENTS, progress)
        last = log.last_error(_LAST_EVENTS)
        found = [each for each in (first, last) if each is not None]
        if first is not None and last is not None and first[0] == last[0]:
            found.pop()
        is_cut = first is None and log.events > _FIRST_EVENTS
        begin = len(log.head) + is_cut + len(found) + 1  # the rule is before the events
        rows = [
            Row(
                [
                    ("error      " if each is first else "last error ", DIM),
                    (f"#{event.seq} ", DIM),
                    *([(f"{event.name}: ", BOLD)] if event.error != event.name else []),
                    (event.error or "", BAD),
                    ("  ▸", MARK),
                ],
                jump=begin + number,
            )
            for each in found
            for number, event in [each]
        ]
        if is_cut:
            told = f"none among the first {_FIRST_EVENTS:,} events; look on"
            rows.insert(0, Row([("error      ", DIM), (told, PLAIN), ("  ▸", MARK)], acts="e"))
        return rows

    def _draw(self, event: EventRow | Broken, cells: int) -> Row:
        if isinstance(event, Broken):
            return line(f"✗ cannot be read: {event.why}", BAD)
        spans = []
        if cells >= 60:
            spans.append((f"{event.seq:>6} {_offset(event.at - self._start):>8} ", DIM))
        spans.append(("✗ " if event.error else "  ", BAD))
        name_cells = 10 if cells < 60 else 16 if cells < 100 else 22
        arrow = "↳ " if event.what == RESULT else ""
        style = BAD if event.error else BOLD if event.what in {MESSAGE, CALL} else DIM
        spans.append((f"{column(arrow + event.name, name_cells)} ", style))
        if event.took is not None and event.took >= _MIN_TOOK and cells >= 60:
            spans.append((f"{duration(event.took // 1000)} ", DIM))
        if event.size >= _MIN_SIZE:
            spans.append((f"{size(event.size)} ", DIM))
        if event.is_redacted:
            spans.append(("erased on purpose", WARN))
        elif event.error and event.error != event.name:
            shown = f"{event.text} → " if event.what == CALL and event.text else ""
            spans += [(shown, PLAIN), (event.error, BAD)]
            if event.what == RESULT and event.text and event.text not in event.error:
                # An exit code does not tell what went wrong, but what was printed does.
                spans.append((f"  {event.text}", DIM))
        else:
            spans.append((event.text, DIM if event.what == RESULT else PLAIN))
        return Row(spans, partial(EventPage, self.source, self._whole_event, event.seq))

    def _whole_event(self, seq: int, progress: Progress):  # type: ignore[no-untyped-def]
        """Reads an event of the timeline as a whole."""
        assert self._log is not None
        found = self._log.find_seq(seq, progress)
        return None if found is None else self._log.event(found, progress)

    def _error(self, step: int, index: int, progress: Progress) -> int | str:
        assert self._log is not None
        found = self._log.find_error(index, step, progress)
        return (
            f"There is no error {'after' if step > 0 else 'before'} this."
            if found is None
            else found
        )


def _offset(microseconds: int) -> str:
    """Formats the time since the beginning of the run: `+4.2s`, `+1:05:09`."""
    sign = "-" if microseconds <= -1000 else "+"
    seconds = abs(microseconds) / 1e6
    if seconds < 100:
        return f"{sign}{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{sign}{minutes}:{rest:02}"
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{rest:02}"
