"""`aivcs report`: one HTML file that needs nothing else, written as it is made.

The same store, options and moment give the same bytes. Memory holds the releases of one name, and
a few figures of each run that is listed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

from aivcs import __version__
from aivcs.commands.store.head import compute
from aivcs.errors import RunNotFoundError, StorageError
from aivcs.model.run import RunStatus
from aivcs.present.words import cost, count, duration, number
from aivcs.trace.usage import Figures
from aivcs.web import parts
from aivcs.web.charts import bars
from aivcs.web.html import DOCTYPE, NEWLINE, Markup, begin, end, join, raw_style, tag
from aivcs.web.sections import MAX_LINES, Links, Sections
from aivcs.web.style import CSS, POLICY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aivcs.model.run import RunRecord
    from aivcs.model.timestamp import Timestamp
    from aivcs.web.source import Source

MAX_RUNS = 1000
"""Runs that are listed, unless another number is asked for."""
_MAX_FAILED = 8
"""Failed runs whose timeline is shown, the newest ones."""
_MAX_COMPARED = 3
"""Names whose live release is compared with the one it replaced."""
_CHART_RUNS = 100
"""Runs in a chart, the newest ones."""
_MAX_CHARTED = 6
"""Agents with charts, those with the most runs."""
_STEPS = 25
"""Steps of a timeline shown from its beginning, from its end, and failed ones between."""


class Wanted(NamedTuple):
    """What a report is about.

    Attributes:
        now: The moment that the report names as its own.
        title: Its title.
        agents: Runs and releases of these names only; empty is all.
        since: Runs created at or after this time.
        limit: How many runs are listed, the newest ones.
        runs: Runs whose timeline is wanted, besides the failed ones.
        compared: Two runs to be compared, if any.
    """

    now: Timestamp
    title: str = "aivcs report"
    agents: Sequence[str] = ()
    since: Timestamp | None = None
    limit: int = MAX_RUNS
    runs: Sequence[str] = ()
    compared: tuple[str, str] | None = None


class _Bar(NamedTuple):
    """A run in a chart."""

    status: RunStatus
    duration: int | None
    told: Figures


def report(source: Source, wanted: Wanted) -> Iterator[Markup]:
    """Yields a report, piece by piece.

    Args:
        source: The store.
        wanted: What it is about.

    Raises:
        RunNotFoundError: A run that is wanted does not exist.
        StorageError: The store cannot be read at all.
    """
    yield from _Report(source, wanted).pieces()


class _Report:
    """A report that is being written."""

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self._source, self._wanted = source, wanted
        repo = source.repo
        self._mask = source.mask
        self._chosen = list(dict.fromkeys(repo.resolve_run(run) for run in wanted.runs))
        # Before anything is written: a run that does not exist leaves no half of a page.
        self._compared = wanted.compared and (
            repo.resolve_run(wanted.compared[0]), repo.resolve_run(wanted.compared[1])
        )  # fmt: skip
        self._failed: list[str] = []
        self._bars: dict[str, deque[_Bar]] = defaultdict(lambda: deque(maxlen=_CHART_RUNS))
        self._names = [
            name
            for name in repo.releases.list_names()
            if not wanted.agents or name in wanted.agents
        ]
        self._find_failed()
        shown = frozenset(self._shown_runs())
        self._sections = Sections(
            source,
            Links(
                lambda run_id: f"#run-{run_id}" if run_id in shown else None,
                lambda name: f"#release-{name}",
            ),
        )

    def pieces(self) -> Iterator[Markup]:
        yield self._head()
        yield self._top()
        yield begin("main", id="content")
        yield from self._releases()
        yield tag("h2", "Agents", id="agents")
        wanted = self._wanted
        yield from self._sections.statistics(wanted.now, wanted.agents, wanted.since)
        yield from self._runs()
        yield from self._comparisons()
        yield from self._timelines()
        yield from self._unread()
        yield end("main")
        made = f"Made by aivcs {__version__}. Times are in UTC. What was recorded is shown as text"
        masked = " and with secrets masked." if self._source.is_masked else ", secrets included."
        yield tag("footer", tag("p", made, masked))
        yield join([end("body"), end("html"), NEWLINE])

    def _head(self) -> Markup:
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", self._wanted.title),
            raw_style(CSS),
        )
        return join([DOCTYPE, begin("html", lang="en"), head, begin("body")])

    def _top(self) -> Markup:
        links = [("releases", "Releases"), ("agents", "Agents"), ("runs", "Runs")]
        links += [("compared", "Compared")] if self._names or self._compared else []
        links += [("timelines", "Timelines")] if self._shown_runs() else []
        menu = tag("ul", *(tag("li", tag("a", shown, href=f"#{place}")) for place, shown in links))
        told: list[tuple[str, str]] = [("made at", f"{self._wanted.now}")]
        try:
            taken = compute(self._source.repo)
        except StorageError as error:
            self._source.note("there is no head", error)
            told.append(("verified", tag("strong", "no, see below", class_="bad")))
        else:
            logs = count(taken.logs, "log")
            told.append(("head", parts.mono(taken.digest)))
            told.append(
                ("verified at", f"{self._wanted.now}: the hash chains of {logs} were computed anew")
            )
        if self._wanted.agents:
            told.append(("only", parts.words(", ".join(self._wanted.agents))))
        if self._wanted.since is not None:
            told.append(("since", f"{self._wanted.since}"))
        return join(
            [
                tag("a", "To the content", href="#content", class_="skip"),
                tag("header", tag("h1", self._wanted.title), parts.pairs(told)),
                tag("nav", menu, aria_label="Sections"),
            ]
        )

    def _find_failed(self) -> None:
        """Finds the newest failed runs, whose timelines are shown."""
        for record in self._listed():
            if record.status is RunStatus.FAILED and record.run_id not in self._chosen:
                self._failed.append(record.run_id)
                if len(self._failed) == _MAX_FAILED:
                    return

    def _listed(self) -> Iterator[RunRecord]:
        wanted = self._wanted
        return self._source.runs(agents=wanted.agents, since=wanted.since, limit=wanted.limit)

    def _shown_runs(self) -> list[str]:
        return [*self._chosen, *self._failed]

    def _releases(self) -> Iterator[Markup]:
        yield tag("h2", "Releases", id="releases")
        if not self._names:
            yield tag("p", "Nothing was released.", class_="dim")
            return
        yield self._sections.live(self._names)
        for name in self._names:
            history = self._sections.history(name)
            if history is not None:
                yield from self._sections.releases(history)

    def _runs(self) -> Iterator[Markup]:
        yield tag("h2", "Runs", id="runs")
        yield parts.table_begin(parts.RUN_HEADINGS, "Runs")
        shown = 0
        for record in self._listed():
            shown += 1
            try:
                told = self._source.figures(record)
            except StorageError as error:
                self._source.note(f"run {record.run_id}", error)
                told = Figures()
            took = record.summary.duration_ms if record.summary else None
            chart = self._bars[record.metadata.agent_name]
            if len(chart) < _CHART_RUNS:
                chart.append(_Bar(record.status, took, told))
            yield parts.row(
                parts.run_cells(record, told, self._sections.link(record.run_id), self._mask)
            )
        yield parts.table_end()
        if shown == self._wanted.limit:
            yield tag("p", f"The newest {shown:,} runs; all: aivcs run list", class_="dim")
        yield from self._charts()

    def _charts(self) -> Iterator[Markup]:
        ranked = sorted(self._bars.items(), key=lambda item: (-len(item[1]), item[0]))
        for agent, newest_first in ranked[:_MAX_CHARTED]:
            runs = list(reversed(newest_first))
            if len(runs) < 2:
                continue
            styles = [
                {RunStatus.FAILED: "bad", RunStatus.COMPLETED: "bar"}.get(run.status, "dim")
                for run in runs
            ]
            charts = [
                bars("duration", [run.duration for run in runs], styles,
                     lambda value: duration(int(value))),
                bars("tokens", [run.told.tokens for run in runs], styles, number),
                bars("cost", [run.told.cost_usd for run in runs], styles, cost),
                bars("score", [run.told.score for run in runs], styles, number),
            ]  # fmt: skip
            if any(charts):
                said = f"The last {count(len(runs), 'run')} of "
                yield tag("h3", said, parts.words(self._mask(agent)))
                yield tag("p", "The newest is on the right; failed runs are red.", class_="dim")
                yield tag("div", *charts, class_="charts")

    def _comparisons(self) -> Iterator[Markup]:
        if not self._names and self._compared is None:
            return
        yield tag("h2", "Compared", id="compared")
        shown = 0
        if self._compared is not None:
            found = self._source.compare(*self._compared)
            shown += 1
            yield tag("h3", "Two runs")
            yield from parts.comparison(found, self._mask, MAX_LINES, self._sections.link)
        for name in self._names[: _MAX_COMPARED if not shown else 0]:
            live = self._source.compare_live(name)
            if live is not None:
                shown += 1
                yield tag("h3", f"{name}: a run of what is live (B), and of what it replaced (A)")
                yield from parts.comparison(live, self._mask, MAX_LINES, self._sections.link)
        if not shown:
            yield tag("p", "No two releases of a name have runs to be compared.", class_="dim")

    def _timelines(self) -> Iterator[Markup]:
        if not self._shown_runs():
            return
        yield tag("h2", "Timelines", id="timelines")
        yield tag("p", "Of the chosen runs, and of the newest that failed.", class_="dim")
        for run_id in self._shown_runs():
            try:
                yield from self._sections.timeline(run_id, _STEPS)
            except RunNotFoundError:
                continue  # removed meanwhile
            except StorageError as error:
                self._source.note(f"run {run_id}", error)

    def _unread(self) -> Iterator[Markup]:
        if self._source.unread:
            yield tag("h2", "Not read", id="unread")
            for what in self._source.unread:
                yield parts.note(self._mask(what), is_bad=True)


def as_bytes(pieces: Iterable[Markup]) -> Iterator[bytes]:
    """Yields markup as UTF-8."""
    for piece in pieces:
        yield piece.encode()
