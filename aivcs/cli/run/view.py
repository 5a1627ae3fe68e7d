"""Formats runs: a record, lists, and figures of many."""

from __future__ import annotations

from aivcs.cli.render import output as render
from aivcs.cli.render.output import Cell, escape
from aivcs.cli.render.table import Column, paint
from aivcs.cli.render.text_width import pad, width, wrap
from aivcs.cli.render.time_format import age, ago, short_duration
from aivcs.cli.run import figures_view
from aivcs.cli.run.timeline_view import Timeline
from aivcs.codec.json import encode_trusted
from aivcs.commands.run.stats import PERCENTILES
from aivcs.log.annotation import merged_tags
from aivcs.model.annotation import NOTE
from aivcs.model.run import RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.present.words import count, duration, short_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from aivcs.cli.render.output import Output
    from aivcs.cli.session.context import Context
    from aivcs.commands.run.stats import AgentStatistics
    from aivcs.model.annotation import Annotation, StoredAnnotation
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunEvent, RunRecord
    from aivcs.trace.usage import Figures, Price

STATUS_STYLE = {
    RunStatus.RUNNING: "bold", RunStatus.COMPLETED: "green", RunStatus.FAILED: "red",
    RunStatus.CANCELLED: "magenta",
}  # fmt: skip
"""Colours that can be read on a dark and on a light background."""
COLUMNS = [
    Column("RUN"), Column("AGENT", cuts=True), Column("STATUS"), Column("AGE", right=True),
    Column("SPEC", leaves=3), Column("EVENTS", right=True, leaves=2),
    Column("TOOK", right=True, leaves=1), Column("RELEASE", cuts=True, leaves=4),
    Column("TAGS", cuts=True, leaves=5),
]  # fmt: skip
STATISTICS_COLUMNS = [
    Column("AGENT", cuts=True), Column("RUNS", right=True), Column("NOW", right=True, leaves=2),
    Column("FAILED", right=True, leaves=6), Column("SUCCESS", right=True),
    Column("P50", right=True), Column("P90", right=True, leaves=3),
    Column("P99", right=True, leaves=4), Column("LAST 14 DAYS", leaves=5),
]  # fmt: skip
_BAR_CHARS = "▁▂▃▄▅▆▇█"
_FEW = 5
"""The number of steps shown from each end of a run that another one started."""
_MAX_PAYLOAD_CHARS = 2000
"""The maximum number of characters of a payload shown on a terminal."""


def row(record: RunRecord, released: Mapping[ContentDigest, str], tags: Any) -> list[Cell | str]:
    """Returns the cells of `COLUMNS`.

    Args:
        record: The run.
        released: The NAME@LABEL of each live spec.
        tags: The tags of the run, with those of its annotations.
    """
    summary = record.summary
    took = summary.duration_ms if summary else None
    return [
        Cell(record.run_id, short_run(record.run_id)),
        record.metadata.agent_name,
        Cell(record.status, record.status.lower(), STATUS_STYLE[record.status]),
        Cell(record.created_at, age(record.created_at)),
        Cell(record.spec_digest, record.spec_digest.short),
        str(summary.total_events) if summary else "-",
        Cell("-", "-") if took is None else Cell(str(took), short_duration(took * 1000)),
        released.get(record.spec_digest, ""),
        Cell(encode_trusted(tags), _tags(tags), "dim"),
    ]


def print_list(
    context: Context,
    records: Iterable[RunRecord],
    released: Mapping[ContentDigest, str],
    tags_of: Callable[[RunRecord], Any],
    figures_of: Callable[[RunRecord], Figures | None] | None = None,
) -> int:
    """Prints a table of runs and the number of each status. Returns the number of runs.

    Args:
        context: The call.
        records: The runs.
        released: The NAME@LABEL of each live spec.
        tags_of: Returns the tags of a run, with those of its annotations.
        figures_of: Returns the figures of a run, or None; None shows none.
    """
    counts = dict.fromkeys(STATUS_STYLE, 0)

    def counted() -> Iterator[list[Cell | str]]:
        for record in records:
            counts[record.status] += 1
            told = [] if figures_of is None else figures_view.cells(figures_of(record))
            yield [*row(record, released, tags_of(record)), *told]

    def footer() -> str:
        total = sum(counts.values())
        parts = [f"{number} {status.lower()}" for status, number in counts.items() if number]
        return f"\n{count(total, 'run')}: {', '.join(parts)}\n" if total else "\nno runs\n"

    columns = COLUMNS if figures_of is None else [*COLUMNS, *figures_view.COLUMNS]
    render.table(context, columns, counted(), footer=footer)
    return sum(counts.values())


def print_statistics(
    context: Context,
    found: Iterable[AgentStatistics],
    figures: Mapping[str, Figures] | None = None,
) -> None:
    """Prints a table of figures by agent, and below it their meaning.

    Args:
        context: The call.
        found: The statistics of each agent.
        figures: Tokens, cost and score of each agent's runs; None shows none.
    """
    total = agents = 0

    def rows() -> Iterator[list[Cell | str]]:
        nonlocal total, agents
        for statistics in found:
            total, agents = total + statistics.runs, agents + 1
            told: list[Cell | str] = []
            if figures is not None:
                told = figures_view.cells(figures.get(statistics.agent_name))
            yield [*_statistics_row(statistics), *told]

    def footer() -> str:
        if not agents:
            return "\nno runs\n"
        text = (
            f"{count(agents, 'agent')}, {count(total, 'run')}; NOW are running, SUCCESS is of "
            "those that completed or failed, P50, P90 and P99 are how long runs took"
        )
        return "\n" + "".join(f"{line}\n" for line in wrap(text, max(render.screen_width(), 8)))

    columns = STATISTICS_COLUMNS
    if figures is not None:
        columns = [*STATISTICS_COLUMNS, *figures_view.COLUMNS]
    render.table(context, columns, rows(), footer=footer)


def statistics_line(statistics: AgentStatistics) -> str:
    """Formats the figures of an agent as a line for a program.

    Agent, runs, running, completed, failed, cancelled, success rate from 0 to 1, the three
    percentiles in milliseconds, and when the newest run was started; "-" for a missing figure.
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
    # Rounded down: an agent that failed once in ten thousand runs must not show 100 %.
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
    """Returns a bar for each number, the greatest being the highest; a dot for zero."""
    most = max(numbers)
    return "".join(
        _BAR_CHARS[(number * len(_BAR_CHARS) - 1) // most] if number else "·" for number in numbers
    )


def fields(
    record: RunRecord,
    annotations: Sequence[StoredAnnotation],
    figures: Figures | None = None,
    *,
    untrusted: str | None = None,
) -> list[tuple[str, Cell | str]]:
    """Returns the fields of a run and its annotations, for a program.

    Args:
        record: The run.
        annotations: Its annotations, the oldest first.
        figures: Its figures, if they are to be shown.
        untrusted: The label of the untrusted source that it came from, or None.
    """
    tags = merged_tags(record.metadata.tags, (each.value for each in annotations))
    pairs: list[tuple[str, Cell | str]] = [
        ("run", record.run_id),
        ("agent", record.metadata.agent_name),
        ("status", record.status),
        ("spec", record.spec_digest),
        ("git commit", record.metadata.git_sha or "-"),
        ("tags", encode_trusted(tags)),
        ("created", record.created_at),
        ("completed", record.completed_at or "-"),
    ]
    if untrusted is not None:
        pairs.append(("untrusted", untrusted))
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
    if figures is not None:
        names = "input tokens", "output tokens", "cost in US dollars", "cost is", "score"
        pairs += zip(names, figures_view.texts(figures), strict=True)
        for name, score in figures.scores.items():
            pairs.append((f"score {name}", figures_view.number(score)))
    for each in annotations:
        value = each.value
        told = f"{value.created_at} {value.by} {value.kind} {encode_trusted(value.payload)}"
        pairs.append(("annotation", told))
    return pairs


def print_run(
    context: Context,
    record: RunRecord,
    events: Iterable[RunEvent],
    annotations: Sequence[StoredAnnotation],
    children: Iterable[tuple[RunRecord, Iterable[RunEvent], Callable[[RunEvent], str]]] = (),
    *,
    prices: Mapping[str, Price] | None = None,
    untrusted: str | None = None,
    erased: Callable[[RunEvent], str] | None = None,
) -> None:
    """Prints a run for a person: its record, then its timeline, through a pager if long.

    Args:
        context: The call.
        record: The run.
        events: Its events by seq; read as they are printed.
        annotations: Its annotations, the oldest first.
        children: The runs that it started, with their events, and what says who erased one: shown
            below it, in short.
        prices: Prices by model, for calls that tell no cost.
        untrusted: The label of the untrusted source that it came from, or None.
        erased: Says who erased an event, when and why.
    """
    with render.output(context) as out:
        screen = render.screen_width()
        for line in _header(record, annotations, screen, color=out.color, untrusted=untrusted):
            out.write(line + "\n")
        timeline = Timeline(
            record, screen, color=out.color, prices=prices, remarks=annotations, erased=erased
        )
        started = list(children)  # few, and the events of each are read when it is their turn
        for line in timeline.lines(events, [child for child, _, _ in started]):
            out.write(line + "\n")
        for child, told, saying in started:
            bar = paint("│ ", "dim") if out.color else "│ "
            out.write(f"\n┌ {_title(child, color=out.color)}\n")
            inner = Timeline(
                child, screen - 2, color=out.color, first=_FEW, last=_FEW, prices=prices,
                erased=saying,
            )  # fmt: skip
            for line in inner.lines(told):
                out.write(f"{bar}{line}".rstrip() + "\n")


def _title(record: RunRecord, *, color: bool) -> str:
    """The line above the timeline of a run that another one started."""
    status = record.status.lower()
    summary = record.summary
    took = summary.duration_ms if summary else None
    lasted = "" if took is None else f", took {duration(took)}"
    style = STATUS_STYLE[record.status]
    name = escape(record.metadata.agent_name)
    shown = paint(status, style) if color else status
    return f"{name}  {shown}{lasted}  run {record.run_id}"


def event_line(out: Output, event: RunEvent, erased: str | None = None) -> str:
    """Formats an event as a line: seq, time, kind, payload, or in its place who erased it."""
    payload = escape(encode_trusted(event.payload) if erased is None else erased)
    kind = escape(event.kind)
    if not out.for_person:
        return f"{event.seq}\t{event.timestamp}\t{kind}\t{payload}\n"
    if len(payload) > _MAX_PAYLOAD_CHARS:
        payload = f"{payload[:_MAX_PAYLOAD_CHARS]}… ({len(payload)} characters; --json has all)"
    clock = (event.timestamp or "")[11:23]
    if out.color:
        return f"\x1b[2m{event.seq:>5}  {clock}\x1b[0m  \x1b[1m{kind}\x1b[0m  {payload}\n"
    return f"{event.seq:>5}  {clock}  {kind}  {payload}\n"


def _header(
    record: RunRecord,
    annotations: Sequence[StoredAnnotation],
    screen: int,
    *,
    color: bool,
    untrusted: str | None,
) -> Iterator[str]:
    """Returns the fields of a run and its annotations, for a person."""
    summary = record.summary
    metadata = record.metadata
    status = record.status.lower()
    if summary is not None and summary.exit_code is not None:
        status += f" (exit code {summary.exit_code})"
    pairs = [("run", record.run_id), ("agent", metadata.agent_name), ("status", status)]
    if untrusted is not None:
        pairs.append(("untrusted", f"from {untrusted}: it does not count as evidence"))
    pairs.append(("spec", record.spec_digest))
    if metadata.git_sha:
        pairs.append(("git commit", metadata.git_sha))
    tags = merged_tags(metadata.tags, (each.value for each in annotations))
    if tags:
        pairs.append(("tags", _tags(tags)))
    pairs.append(("started", f"{_clock(record.created_at)} ({ago(record.created_at)})"))
    if summary is not None:
        pairs += [("took", duration(summary.duration_ms)), ("events", str(summary.total_events))]
        if summary.final_state_digest:
            pairs.append(("final state", summary.final_state_digest))
    if record.owner is not None:
        pairs.append(("owner", f"process {record.owner.pid} on {record.owner.host}"))
    pairs += [("annotation", _remark(each.value)) for each in annotations]
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


def _remark(annotation: Annotation) -> str:
    """Returns an annotation in words: what it says, who, when."""
    payload, words = annotation.payload, []
    if annotation.kind != NOTE:
        words.append(annotation.kind)
    if isinstance(payload, dict):
        if isinstance(payload.get("text"), str):
            words.append(payload["text"])
        rest = {name: value for name, value in payload.items() if name not in {"text", "tags"}}
        words += [_tags(part) for part in (rest, annotation.tags) if part]
    else:
        words.append(encode_trusted(payload))
    signed = ", signed" if annotation.signature is not None else ""
    told = " ".join(words)[:_MAX_PAYLOAD_CHARS]
    return f"{told} ({annotation.by}, {ago(annotation.created_at)}{signed})"


def _tags(tags: object) -> str:
    if not isinstance(tags, dict):
        return encode_trusted(tags)
    return " ".join(
        f"{name}={value if isinstance(value, str) else encode_trusted(value)}"
        for name, value in tags.items()
    )


def _clock(moment: Timestamp) -> str:
    return f"{moment[:10]} {moment[11:19]} UTC"
