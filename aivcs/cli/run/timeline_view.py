"""Formats a run's timeline: one line per step, shortened where it is long.

Of a long run, the first and last steps are shown, and the failed ones between them; of a long text,
its beginning and its size. `aivcs run events` prints everything. `aivcs.trace.timeline` computes
the steps.
"""

from __future__ import annotations

from aivcs.cli.render.output import escape
from aivcs.cli.render.table import paint
from aivcs.cli.render.text_width import cut, pad, width, wrap
from aivcs.cli.render.time_format import short_duration
from aivcs.cli.run.figures_view import number
from aivcs.codec.json import encode_trusted
from aivcs.model.run import RunStatus
from aivcs.present.timeline import Gap, Totals, fold
from aivcs.present.words import count, short_run, size
from aivcs.trace.timeline import BRIEF, CALL, MESSAGE, OTHER, RESULT, THINKING, Step, steps
from aivcs.trace.usage import KIND, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.run import RunEvent, RunRecord
    from aivcs.trace.usage import Price

FIRST = 40
"""The number of steps shown from the beginning of a run."""
LAST = 40
"""The number of steps shown from the end of a run."""
_MIN_COLUMNS_FOR_ONE_LINE = 60
"""The terminal width, in cells, below which a step takes two lines."""
_MIN_COLUMNS_FOR_SEQ = 100
"""The terminal width, in cells, from which the seq of a step is shown."""
_MAX_ERROR_LINES = 4
"""The maximum number of lines of an error that are shown."""


class Timeline:
    """The timeline of one run."""

    def __init__(
        self,
        record: RunRecord,
        screen: int,
        *,
        color: bool,
        first: int = FIRST,
        last: int = LAST,
        prices: Mapping[str, Price] | None = None,
        remarks: Sequence[StoredAnnotation] = (),
        erased: Callable[[RunEvent], str] | None = None,
    ) -> None:
        """Takes a run.

        Args:
            record: The run.
            screen: The width of the terminal, in cells.
            color: Whether to use colour.
            first: The number of steps to show from the beginning.
            last: The number of steps to show from the end.
            prices: Prices by model, for calls that tell no cost.
            remarks: Annotations, whose scores count, too.
            erased: Says who erased an event, when and why.
        """
        self._first, self._last = first, last
        self._usage = Usage(prices)
        self._remarks = remarks
        self._erased = erased
        tags = record.metadata.tags
        source = tags.get("import.format") if isinstance(tags, dict) else None
        self._raw = f"{source}." if isinstance(source, str) else "\0"
        self._record = record
        self._screen = screen
        self._color = color
        self._start: int | None = None
        self._events = self._bytes = 0

    def lines(self, events: Iterable[RunEvent], begun: Sequence[RunRecord] = ()) -> Iterator[str]:
        """Yields lines for the shown steps, for the omitted ones, and for the totals.

        Args:
            events: The events of the run by seq; none is kept.
            begun: The runs that it started: a line for each, where it began.

        Raises:
            StorageError: The events cannot be read to the end.
        """
        seen = Totals()
        found = self._merged(seen.counted(steps(self._counted(events), erased=self._erased)))
        parts = fold(found, first=self._first, last=self._last)
        for part in _with_children(parts, begun):
            if isinstance(part, Step):
                yield from self._step(part)
            elif not isinstance(part, Gap):
                yield self._begin(part)
            else:
                has_all = f"aivcs run events {short_run(self._record.run_id)} has all"
                for text in wrap(f"… {part}; {has_all}", max(self._screen - 3, 8)):
                    yield "   " + self._paint(text, "dim")
        totals = [
            count(self._events, "event"),
            count(seen.calls, "tool call"),
            count(seen.messages, "message"),
            size(self._bytes),
        ]
        line = ", ".join(part for part in totals if part[:2] != "0 ")
        trouble = count(seen.errors, "error")
        if seen.errors:
            line += f", {trouble}"
        if self._events:
            yield ""
        for text in wrap(line if self._events else "no events", max(self._screen, 8)):
            yield text.replace(trouble, self._paint(trouble, "bold red"))
        for each in self._remarks:
            self._usage.add(each.value.kind, each.value.payload)
        told = self._usage.figures()
        if self._usage.calls:
            calls = count(self._usage.calls, "model call")
            yield from wrap(f"{calls}: {told}" if str(told) else calls, max(self._screen, 8))
        elif str(told):
            yield from wrap(str(told), max(self._screen, 8))
        scores = told.scores or ({"": told.score} if told.score is not None else {})
        if scores:
            line = ", ".join(f"{name} {number(score)}".strip() for name, score in scores.items())
            yield from wrap(f"score: {escape(line)}", max(self._screen, 8))

    def _counted(self, events: Iterable[RunEvent]) -> Iterator[RunEvent]:
        for event in events:
            assert event.timestamp is not None
            if self._start is None:
                # Events that were taken over from elsewhere may be older than the run.
                self._start = min(event.timestamp, self._record.created_at).microseconds()
            self._events += 1
            self._usage.add(event.kind, event.payload)
            self._bytes += len(encode_trusted(event.payload).encode())
            yield event

    def _merged(self, found: Iterable[Step]) -> Iterator[Step]:
        """Yields the steps, with neighbours in one that are thoughts, or records of the source."""
        kept: list[Step] = []
        for step in found:
            if kept and self._sort(step) != self._sort(kept[0]):
                yield _one_of(kept)
                kept = []
            if self._sort(step):
                kept.append(step)
            else:
                yield step
        if kept:
            yield _one_of(kept)

    def _sort(self, step: Step) -> str:
        """The name of a step that may share a line with its neighbours; empty for any other."""
        if step.what != OTHER or step.error is not None:
            return ""
        if step.kind == THINKING:
            return THINKING
        return "records" if step.kind.startswith(self._raw) else ""

    def _step(self, step: Step) -> Iterator[str]:
        """Yields the lines of one step: when, how long, who or which tool, and its subject."""
        since = step.at - (self._start or 0)
        sign = "-" if since <= -1000 else "+"  # less than a millisecond counts as zero
        offset = sign + short_duration(abs(since))
        took = "" if step.took is None else short_duration(step.took)
        mark = " " if step.error is None else self._paint("✗", "bold red")
        style = "bold red" if step.error else "bold" if step.what == MESSAGE else ""
        times = f"{offset:>8} {took:>6}"
        if self._screen < _MIN_COLUMNS_FOR_ONE_LINE:
            name = cut(escape(step.name), max(self._screen - 18, 4))
            yield f"{self._paint(times, 'dim')} {mark} {self._paint(name, style)}"
            for line in self._details(step, max(self._screen - 3, 8)):
                yield f"   {line}"
            return
        room = 16 if self._screen < _MIN_COLUMNS_FOR_SEQ else 20
        name = self._paint(pad(cut(escape(step.name), room), room), style)
        if self._screen >= _MIN_COLUMNS_FOR_SEQ:
            times = f"{step.seq:>6} {times}"
        begin = f"{self._paint(times, 'dim')} {mark} {name}  "
        indent = " " * (len(times) + 3 + room + 2)
        for line in self._details(step, self._screen - len(indent)) or [""]:
            yield (begin + line).rstrip()
            begin = indent

    def _begin(self, child: RunRecord) -> str:
        """The line that says where a run began that this one started."""
        start = self._record.created_at.microseconds() if self._start is None else self._start
        since = child.created_at.microseconds() - start
        offset = ("-" if since <= -1000 else "+") + short_duration(abs(since))
        seq = " " * 7 if self._screen >= _MIN_COLUMNS_FOR_SEQ else ""
        times = self._paint(f"{seq}{offset:>8} {'':>6}", "dim")
        name = f"{escape(child.metadata.agent_name)}  run {short_run(child.run_id)}"
        return f"{times} ┌ {cut(name, max(self._screen - len(seq) - 18, 8))}"

    def _details(self, step: Step, room: int) -> list[str]:
        """The details of a step, in lines of a width in cells."""
        text = escape(step.text)
        if step.error is not None:
            error = "" if step.error == step.name else escape(step.error)
            given = text if step.what in {CALL, OTHER} else ""
            if given and width(given) + 3 + width(error) <= room:
                return [f"{given} → {self._paint(error, 'red')}"]
            lines = list(wrap(error, room))
            if len(lines) > _MAX_ERROR_LINES:
                lines[_MAX_ERROR_LINES - 1 :] = [cut(lines[_MAX_ERROR_LINES - 1] + " …", room)]
            wrong = [self._paint(line, "red") for line in lines]
            return [_beginning(given, step.size, room), *wrong] if given else wrong
        if step.what not in {CALL, RESULT}:
            text = _beginning(text, step.size, room) if text else ""
            quiet = self._sort(step) or step.kind == KIND
            return [self._paint(text, "dim") if quiet else text] if text else []
        if step.result is None:
            end = "→ no result"
            if self._record.status is RunStatus.RUNNING:
                end = "→ no result yet"
            text = _beginning(text, step.size, room - width(end) - 1)
            return [f"{text} {self._paint(end, 'dim')}".lstrip(" ")]
        end = f"→ {size(step.result_size)}"
        result = escape(step.result)
        # The parameters get the room that the result does not need, and at least half.
        half = max(room // 2, room - width(end) - 3 - width(result))
        text = _beginning(text, step.size, min(half, room - width(end) - 1))
        left = room - width(text) - width(end) - 3
        if left >= 8 and result:
            end += f"  {cut(result, left)}"
        return [f"{text} {self._paint(end, 'dim')}".lstrip(" ")]

    def _paint(self, text: str, style: str) -> str:
        return paint(text, style) if self._color else text


def _with_children(
    parts: Iterable[Step | Gap], begun: Sequence[RunRecord]
) -> Iterator[Step | Gap | RunRecord]:
    """Yields the parts of a timeline with the runs that it started, by when they began."""
    waiting = sorted(begun, key=lambda child: child.created_at, reverse=True)
    for part in parts:
        while isinstance(part, Step) and waiting:
            if waiting[-1].created_at.microseconds() > part.at:
                break
            yield waiting.pop()
        yield part
    yield from reversed(waiting)


def _one_of(steps: list[Step]) -> Step:
    """One step for several neighbours."""
    first = steps[0]
    if len(steps) == 1:
        return first
    if first.kind == THINKING:
        first.text = " ".join(step.text for step in steps if step.text)
        first.size = sum(step.size for step in steps)
    else:
        kinds = dict.fromkeys(step.kind for step in steps)
        first.name = count(len(steps), "record")
        first.text = ", ".join(kinds)
        first.size = len(first.text)
    taken = [step.took for step in steps if step.took is not None]
    first.took = sum(taken) if taken else None
    return first


def _beginning(text: str, whole: int, room: int) -> str:
    """The beginning of a text, and how large the whole is where something is missing."""
    if width(text) <= room and len(text) < BRIEF:
        return text
    end = f"… {size(whole)}"
    return cut(text, max(room - width(end) + 1, 0)).removesuffix("…").rstrip() + end
