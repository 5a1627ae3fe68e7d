"""How runs look: the record of one, its timeline, lists of them.

A timeline is folded: of a long run the beginning and the end are shown, and between them what went
wrong. `aivcs run events` has all of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aivcs import timeline
from aivcs.cli import render
from aivcs.cli.cells import cut, pad, width, wrap
from aivcs.cli.grid import paint
from aivcs.cli.moments import age, ago, duration, short_duration
from aivcs.cli.render import Cell, Column, escape
from aivcs.commands.run_statistics import PERCENTILES
from aivcs.log.jsontext import encode_trusted
from aivcs.model import RunStatus, Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aivcs.cli.context import Context
    from aivcs.cli.render import Output
    from aivcs.commands.run_statistics import AgentStatistics
    from aivcs.model import RunEvent, RunRecord

FIRST = 40
"""Steps of a run that are shown of its beginning."""
LAST = 40
"""Steps that are shown of its end."""
STATUS_STYLE = {
    RunStatus.RUNNING: "bold", RunStatus.COMPLETED: "green", RunStatus.FAILED: "red",
    RunStatus.CANCELLED: "magenta",
}  # fmt: skip
"""Colours that can be read on a dark and on a light background."""
COLUMNS = [
    Column("RUN"), Column("AGENT", cuts=True), Column("STATUS"), Column("AGE", right=True),
    Column("SPEC", leaves=3), Column("EVENTS", right=True, leaves=2),
    Column("TOOK", right=True, leaves=1),
]  # fmt: skip
STATISTICS_COLUMNS = [
    Column("AGENT", cuts=True), Column("RUNS", right=True), Column("NOW", right=True, leaves=2),
    Column("FAILED", right=True, leaves=6), Column("SUCCESS", right=True),
    Column("P50", right=True), Column("P90", right=True, leaves=3),
    Column("P99", right=True, leaves=4), Column("LAST 14 DAYS", leaves=5),
]  # fmt: skip
_BARS = "▁▂▃▄▅▆▇█"
_NARROW = 60
"""Cells below which a step takes two lines."""
_WIDE = 100
"""Cells from which on there is room for the seq of a step, too."""
_LINES_OF_ERROR = 4
"""Lines of what went wrong that are shown, at most."""
_SHOWN_PAYLOAD = 2000
"""Characters of a payload shown on a terminal."""


def row(record: RunRecord) -> list[Cell | str]:
    """Returns the cells of `COLUMNS`."""
    summary = record.summary
    took = summary.duration_ms if summary else None
    return [
        Cell(record.run_id, record.run_id[:8]),
        record.metadata.agent_name,
        Cell(record.status, record.status.lower(), STATUS_STYLE[record.status]),
        Cell(record.created_at, age(record.created_at)),
        Cell(record.spec_digest, record.spec_digest.short),
        str(summary.total_events) if summary else "-",
        Cell("-", "-") if took is None else Cell(str(took), short_duration(took * 1000)),
    ]


def print_list(context: Context, records: Iterable[RunRecord]) -> None:
    """Prints a table of runs, and below it how many there are of each status."""
    counts = dict.fromkeys(STATUS_STYLE, 0)

    def counted() -> Iterator[list[Cell | str]]:
        for record in records:
            counts[record.status] += 1
            yield row(record)

    def footer() -> str:
        total = sum(counts.values())
        parts = [f"{number} {status.lower()}" for status, number in counts.items() if number]
        return f"\n{_count(total, 'run')}: {', '.join(parts)}\n" if total else "\nno runs\n"

    render.table(context, COLUMNS, counted(), footer=footer)


def print_statistics(context: Context, found: Iterable[AgentStatistics]) -> None:
    """Prints a table of agents and how their runs went, and below it what the figures are."""
    total = agents = 0

    def rows() -> Iterator[list[Cell | str]]:
        nonlocal total, agents
        for statistics in found:
            total, agents = total + statistics.runs, agents + 1
            yield _statistics_row(statistics)

    def footer() -> str:
        if not agents:
            return "\nno runs\n"
        text = (
            f"{_count(agents, 'agent')}, {_count(total, 'run')}; NOW are running, SUCCESS is of "
            "those that completed or failed, P50, P90 and P99 are how long runs took"
        )
        return "\n" + "".join(f"{line}\n" for line in wrap(text, max(render.screen_width(), 8)))

    render.table(context, STATISTICS_COLUMNS, rows(), footer=footer)


def statistics_line(statistics: AgentStatistics) -> str:
    """Returns the figures of an agent as a line for a program.

    Agent, runs, running, completed, failed, cancelled, success rate from 0 to 1, the three
    percentiles in milliseconds, and when the newest run was started; "-" for what there is not.
    """
    rate = statistics.success_rate
    cells = (
        statistics.agent_name,
        statistics.runs,
        *statistics.counts.values(),
        None if rate is None else f"{rate:.4f}",
        *map(statistics.percentile, PERCENTILES),
        statistics.last_created_at,
    )
    return "\t".join("-" if cell is None else str(cell) for cell in cells) + "\n"


def _statistics_row(statistics: AgentStatistics) -> list[Cell | str]:
    rate = statistics.success_rate
    # Rounded down: of an agent that failed once in ten thousand nobody should read 100 %.
    shown = "-" if rate is None else f"{int(rate * 1000) / 10}%"
    counts = statistics.counts
    return [
        statistics.agent_name,
        str(statistics.runs),
        str(counts[RunStatus.RUNNING] or "-"),
        str(counts[RunStatus.FAILED] or "-"),
        Cell(shown, shown, "red" if rate is not None and rate < 0.5 else ""),
        *(
            "-" if took is None else short_duration(took * 1000)
            for took in map(statistics.percentile, PERCENTILES)
        ),
        _sparkline(statistics.runs_per_day),
    ]


def _sparkline(numbers: Sequence[int]) -> str:
    """Bars for numbers, the greatest being the highest; a dot for none."""
    most = max(numbers)
    return "".join(
        _BARS[(number * len(_BARS) - 1) // most] if number else "·" for number in numbers
    )


def fields(record: RunRecord) -> list[tuple[str, Cell | str]]:
    """Returns what there is to say about a run, for a program."""
    pairs: list[tuple[str, Cell | str]] = [
        ("run", record.run_id),
        ("agent", record.metadata.agent_name),
        ("status", record.status),
        ("spec", record.spec_digest),
        ("git commit", record.metadata.git_sha or "-"),
        ("tags", encode_trusted(record.metadata.tags)),
        ("created", record.created_at),
        ("completed", record.completed_at or "-"),
    ]
    if record.owner is not None:
        pairs.append(("owner", f"process {record.owner.pid} on {record.owner.host}"))
    summary = record.summary
    if summary is not None:
        pairs += [
            ("events", str(summary.total_events)),
            ("final state", summary.final_state_digest or "-"),
            ("duration", f"{summary.duration_ms} ms"),
            ("success", "yes" if summary.success else "no"),
        ]
        if summary.exit_code is not None:
            pairs.append(("exit code", str(summary.exit_code)))
    return pairs


def print_run(context: Context, record: RunRecord, events: Iterable[RunEvent]) -> None:
    """Prints a run for a person: its record, then its timeline, through a pager if that is long.

    Args:
        context: Where to.
        record: The run.
        events: Its events by seq; read as they are printed.
    """
    with render.output(context) as out:
        screen = render.screen_width()
        for line in _header(record, screen, color=out.color):
            out.write(line + "\n")
        printer = _Timeline(record, screen, color=out.color)
        for line in printer.lines(events):
            out.write(line + "\n")


def event_line(out: Output, event: RunEvent) -> str:
    """Returns an event as a line: seq, time, kind, payload."""
    payload = escape(encode_trusted(event.payload))
    kind = escape(event.kind)
    if not out.for_person:
        return f"{event.seq}\t{event.timestamp}\t{kind}\t{payload}\n"
    if len(payload) > _SHOWN_PAYLOAD:
        payload = f"{payload[:_SHOWN_PAYLOAD]}… ({len(payload)} characters; --json has all)"
    clock = (event.timestamp or "")[11:23]
    if out.color:
        return f"\x1b[2m{event.seq:>5}  {clock}\x1b[0m  \x1b[1m{kind}\x1b[0m  {payload}\n"
    return f"{event.seq:>5}  {clock}  {kind}  {payload}\n"


def size(number: int) -> str:
    """Returns a number of bytes for a person: `12 B`, `1.2 KiB`, `34 MiB`."""
    if number < 1024:
        return f"{number} B"
    amount, unit = number / 1024, "KiB"
    if amount >= 1024:
        amount, unit = amount / 1024, "MiB"
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"


def _header(record: RunRecord, screen: int, *, color: bool) -> Iterator[str]:
    """What there is to say about a run, for a person."""
    summary = record.summary
    metadata = record.metadata
    status = record.status.lower()
    if summary is not None and summary.exit_code is not None:
        status += f" (exit code {summary.exit_code})"
    pairs = [("run", record.run_id), ("agent", metadata.agent_name), ("status", status)]
    pairs.append(("spec", record.spec_digest))
    if metadata.git_sha:
        pairs.append(("git commit", metadata.git_sha))
    if metadata.tags:
        pairs.append(("tags", _tags(metadata.tags)))
    pairs.append(("started", f"{_clock(record.created_at)} ({ago(record.created_at)})"))
    if summary is not None:
        pairs += [("took", duration(summary.duration_ms)), ("events", str(summary.total_events))]
        if summary.final_state_digest:
            pairs.append(("final state", summary.final_state_digest))
    if record.owner is not None:
        pairs.append(("owner", f"process {record.owner.pid} on {record.owner.host}"))
    label = max(len(name) for name, _ in pairs) + 2
    for name, value in pairs:
        text = escape(value)
        room = max(screen - label, 8)
        if name in {"run", "spec", "git commit", "final state"} and width(text) > room:
            text = text[: 8 if name == "run" else 12]  # a prefix will do to find it by
        style = STATUS_STYLE[record.status] if name == "status" else ""
        for number, line in enumerate(wrap(text, room)):
            shown = pad("" if number else name, label)
            yield (paint(shown, "dim") + paint(line, style)) if color else shown + line
    yield ""


class _Timeline:
    """Makes the lines of a timeline."""

    def __init__(self, record: RunRecord, screen: int, *, color: bool) -> None:
        self._record = record
        self._screen = screen
        self._color = color
        self._start: int | None = None
        self._events = self._bytes = 0

    def lines(self, events: Iterable[RunEvent]) -> Iterator[str]:
        """The lines: of each step that is shown, of what is left out, and the totals."""
        counts = dict.fromkeys((timeline.CALL, timeline.MESSAGE, "error"), 0)

        def counted() -> Iterator[timeline.Step]:
            for step in timeline.steps(self._counted(events)):
                if step.what in counts:
                    counts[step.what] += 1
                counts["error"] += step.error is not None
                yield step

        for part in _folded(counted()):
            if isinstance(part, timeline.Step):
                yield from self._step(part)
            else:
                has_all = f"aivcs run events {self._record.run_id[:8]} has all"
                for text in wrap(f"… {part}; {has_all}", max(self._screen - 3, 8)):
                    yield "   " + self._paint(text, "dim")
        totals = [
            _count(self._events, "event"),
            _count(counts[timeline.CALL], "tool call"),
            _count(counts[timeline.MESSAGE], "message"),
            size(self._bytes),
        ]
        line = ", ".join(part for part in totals if part[:2] != "0 ")
        trouble = _count(counts["error"], "error")
        if counts["error"]:
            line += f", {trouble}"
        if self._events:
            yield ""
        for text in wrap(line if self._events else "no events", max(self._screen, 8)):
            yield text.replace(trouble, self._paint(trouble, "bold red"))

    def _counted(self, events: Iterable[RunEvent]) -> Iterator[RunEvent]:
        for event in events:
            assert event.timestamp is not None
            if self._start is None:
                # Events that were taken over from elsewhere may be older than the run.
                self._start = min(event.timestamp, self._record.created_at).microseconds()
            self._events += 1
            self._bytes += len(encode_trusted(event.payload).encode())
            yield event

    def _step(self, step: timeline.Step) -> Iterator[str]:
        """The lines of one step: when, how long, who or what, and what it was about."""
        since = step.at - (self._start or 0)
        offset = (
            f"+{short_duration(max(since, 0))}" if since > -1000 else f"-{short_duration(-since)}"
        )
        took = "" if step.took is None else short_duration(step.took)
        mark = " " if step.error is None else self._paint("✗", "bold red")
        style = "bold red" if step.error else "bold" if step.what == timeline.MESSAGE else ""
        times = f"{offset:>8} {took:>6}"
        if self._screen < _NARROW:
            name = cut(escape(step.name), max(self._screen - 18, 4))
            yield f"{self._paint(times, 'dim')} {mark} {self._paint(name, style)}"
            for line in self._details(step, max(self._screen - 3, 8)):
                yield f"   {line}"
            return
        room = 16 if self._screen < _WIDE else 20
        name = self._paint(pad(cut(escape(step.name), room), room), style)
        if self._screen >= _WIDE:
            times = f"{step.seq:>6} {times}"
        begin = f"{self._paint(times, 'dim')} {mark} {name}  "
        indent = " " * (len(times) + 3 + room + 2)
        for line in self._details(step, self._screen - len(indent)) or [""]:
            yield (begin + line).rstrip()
            begin = indent

    def _details(self, step: timeline.Step, room: int) -> list[str]:
        """What a step was about, in lines of so many cells at most."""
        text = escape(step.text)
        if step.error is not None:
            error = "" if step.error == step.name else escape(step.error)
            given = text if step.what in {timeline.CALL, timeline.OTHER} else ""
            if given and width(given) + 3 + width(error) <= room:
                return [f"{given} → {self._paint(error, 'red')}"]
            lines = list(wrap(error, room))
            if len(lines) > _LINES_OF_ERROR:
                lines[_LINES_OF_ERROR - 1 :] = [cut(lines[_LINES_OF_ERROR - 1] + " …", room)]
            wrong = [self._paint(line, "red") for line in lines]
            return [_fold(given, step.size, room), *wrong] if given else wrong
        if step.what not in {timeline.CALL, timeline.RESULT}:
            return [_fold(text, step.size, room)] if text else []
        if step.result is None:
            end = "→ no result"
            if self._record.status is RunStatus.RUNNING:
                end = "→ no result yet"
            return [f"{_fold(text, step.size, room - width(end) - 1)} {self._paint(end, 'dim')}"]
        end = f"→ {size(step.result_size)}"
        result = escape(step.result)
        # The parameters may take what the beginning of the result does not need, and at least half.
        half = max(room // 2, room - width(end) - 3 - width(result))
        text = _fold(text, step.size, min(half, room - width(end) - 1))
        left = room - width(text) - width(end) - 3
        if left >= 8 and result:
            end += f"  {cut(result, left)}"
        return [f"{text} {self._paint(end, 'dim')}" if text else self._paint(end, "dim")]

    def _paint(self, text: str, style: str) -> str:
        return paint(text, style) if self._color else text


def _folded(steps: Iterable[timeline.Step]) -> Iterator[timeline.Step | str]:
    """The steps to show, and in the place of others how many they are; holds `LAST` of them."""
    kept: deque[timeline.Step] = deque()
    left_out: list[timeline.Step] = []  # the first and the last
    number = shown = 0
    for step in steps:
        if shown < FIRST:
            shown += 1
            yield step
            continue
        kept.append(step)
        if len(kept) <= LAST:
            continue
        oldest = kept.popleft()
        if oldest.error is None:
            left_out[number > 0 :] = [oldest]
            number += 1
            continue
        if number:
            yield _left_out(left_out, number)
            number, left_out = 0, []
        yield oldest
    if number:
        yield _left_out(left_out, number)
    yield from kept


def _left_out(ends: list[timeline.Step], number: int) -> str:
    return f"{_count(number, 'step')} left out, seq {ends[0].seq} to {ends[-1].seq}"


def _fold(text: str, whole: int, room: int) -> str:
    """The beginning of a text, and how large the whole is where something is missing."""
    if width(text) <= room and len(text) < timeline.BRIEF:
        return text
    end = f"… {size(whole)}"
    return cut(text, max(room - width(end) + 1, 0)).removesuffix("…").rstrip() + end


def _tags(tags: object) -> str:
    if not isinstance(tags, dict):
        return encode_trusted(tags)
    return " ".join(
        f"{name}={value if isinstance(value, str) else encode_trusted(value)}"
        for name, value in tags.items()
    )


def _clock(moment: Timestamp) -> str:
    return f"{moment[:10]} {moment[11:19]} UTC"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
