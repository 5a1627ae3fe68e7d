"""The sections that report and page share: what is live, a history, figures, a timeline."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.run.stats import fold as fold_outcomes
from aivcs.errors import StorageError
from aivcs.model.run import RunStatus
from aivcs.present.timeline import Gap, Totals, fold
from aivcs.present.words import count, duration, moment, number, percent
from aivcs.trace.timeline import Step
from aivcs.web import parts
from aivcs.web.html import Markup, begin, end, join, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aivcs.model.release import ReleaseRecord
    from aivcs.model.timestamp import Timestamp
    from aivcs.present.history import ReleaseEntry
    from aivcs.web.source import History, Source

MAX_ENTRIES = 50
"""Releases of a name that are shown."""
_MAX_DIFFERENCES = 10
"""Differences of neighbouring releases that are shown for a name."""
_MAX_NAMED = 5
"""Failed steps of a run that are named before all of its steps."""
MAX_LINES = 200
"""Lines of a difference, and rows of a comparison, that are shown."""


class Links(NamedTuple):
    """Where links lead.

    Attributes:
        run: Returns the address of a run; None if it has none here.
        release: Returns the address of a name's releases.
        agent: Returns the address of an agent's runs, or of those with a status; None if they have
            none here.
        event: Returns the address of an event of a run, by its seq; None if it has none here.
        spec: Returns the digest of a spec, as a link where it has a page.
        blob: Returns the digest of a blob, as a link where it has a page.
    """

    run: Callable[[str], str | None]
    release: Callable[[str], str]
    agent: Callable[[str, RunStatus | None], str | None] = lambda *_: None
    event: Callable[[str, int], str | None] = lambda *_: None
    spec: Callable[[str], Markup] = parts.mono
    blob: Callable[[str], Markup] = parts.mono


class Sections:
    """Makes sections of a store."""

    def __init__(self, source: Source, links: Links, *, heads: bool = True) -> None:
        """Takes the store.

        Args:
            source: The store.
            links: Where links lead.
            heads: Whether a history and a timeline get a heading; a page of their own has one.
        """
        self._source, self._links, self._heads = source, links, heads
        self._mask = source.mask

    def link(self, run_id: str) -> Markup:
        """Returns a run's id, as a link if the run is shown somewhere."""
        address = self._links.run(run_id)
        if address is None:
            return parts.mono(run_id)
        return tag("a", run_id, href=address, class_="mono")

    def _agent(self, name: str) -> Markup:
        """Returns the name of an agent, as a link where its runs are shown."""
        address = self._links.agent(name, None)
        said = parts.words(self._mask(name))
        return said if address is None else tag("a", said, href=address)

    def _outcome(self, agent: str, status: RunStatus, found: int) -> Markup:
        """Returns a number of runs, which leads to those that failed or are not over."""
        address = self._links.agent(agent, status)
        if not found or status is RunStatus.COMPLETED or address is None:
            return parts.figure(number(found))
        return parts.figure(tag("a", number(found), href=address))

    def history(self, name: str, limit: int = MAX_ENTRIES) -> History | None:
        """Returns the newest releases of a name; None, with a note, if they cannot be read."""
        try:
            return self._source.history(name, limit)
        except StorageError as error:
            self._source.note(f"the releases of {name}", error)
            return None

    def live(self, names: Sequence[str]) -> Markup:
        """Returns what is live under some names."""
        return parts.table(
            ("name", "live", "who", "why", "since (UTC)", "state", "evidence", "signature"),
            self._live_rows(names),
            "What is live",
        )

    def _live_rows(self, names: Sequence[str]) -> Iterator[list[str]]:
        for name in names:
            history = self.history(name, 1)
            if history is None:
                continue
            link = tag("td", tag("a", name, href=self._links.release(name)), class_="name")
            if not history.entries:
                yield [link, tag("span", "nothing yet", class_="dim"), *[""] * 6]
                continue
            (entry,) = history.entries
            record = entry.record
            evidence = count(len(entry.evidence), "run") if entry.evidence else "none"
            signer = next((c.detail for c in entry.signatures if c.result == "ok"), "")
            signed: str = tag("span", "✓ ", self._mask(signer), class_="ok")
            if not entry.is_signed:
                unknown = any("not signed" not in check.detail for check in entry.signatures)
                signed = tag("span", "by somebody unknown" if unknown else "none", class_="dim")
            yield [
                link,
                parts.spec_name(record, self._mask),
                parts.name_cell(self._mask(record.metadata.promoted_by)),
                parts.reason(self._mask(record.metadata.notes or "")),
                parts.short(moment(record.created_at)),
                parts.short(
                    tag("span", entry.state, class_="bad" if "blocked" in entry.state else "ok")
                ),
                evidence,
                signed,
            ]

    def releases(self, history: History) -> Iterator[Markup]:
        """Yields the history of a name: its releases, their grounds, and what changed."""
        if self._heads:
            yield tag("h3", history.name, id=f"release-{history.name}")
        for problem in history.problems:
            yield parts.note(f"The log is wrong: {self._mask(problem)}", is_bad=True)
        if not history.entries:
            yield tag("p", "Nothing was released yet; an approval waits.", class_="dim")
            return
        yield parts.table_begin(
            ("entry", "action", "release", "state", "who", "why", "when (UTC)", "checks"),
            f"Releases of {history.name}",
        )
        for entry in history.entries:
            yield self._entry_row(entry)
        yield parts.table_end()
        if not history.is_whole:
            yield tag("p", f"Older releases: aivcs release history {history.name}", class_="dim")
        yield from self._differences(history)
        for entry in history.entries:
            details = parts.entry_facts(entry, self._mask, self._links, self.link)
            title = f"{self._named(entry.record)}: grounds and checks"
            yield tag("details", tag("summary", title), details)

    def _entry_row(self, entry: ReleaseEntry) -> Markup:
        record = entry.record
        name: str = f"@{record.seq}"
        style = {"current": "ok", "superseded": "dim", "live again": "dim"}.get(
            entry.shown_state, "warn"
        )
        return parts.row(
            [
                tag("strong", name) if entry.is_live else name,
                join([record.action, tag("strong", " forced", class_="bad")])
                if record.forced
                else parts.short(record.action),
                parts.spec_name(record, self._mask),
                parts.short(tag("span", entry.shown_state, class_=style)),
                parts.name_cell(self._mask(record.metadata.promoted_by)),
                parts.reason(self._mask(record.metadata.notes or "")),
                parts.short(moment(record.created_at)),
                parts.short(parts.result(entry.result)),
            ],
            id=f"release-{record.name}@{record.seq}",
        )

    def _differences(self, history: History) -> Iterator[Markup]:
        shown = 0
        for entry in history.entries:
            before, after = entry.before, entry.record
            if before is None or before.spec_digest == after.spec_digest:
                continue
            if shown == _MAX_DIFFERENCES:
                return
            shown += 1
            title = f"What changed from {self._named(before)} to {self._named(after)}"
            try:
                lines = self._source.spec_difference(before, after)
                content = parts.difference(lines, MAX_LINES)
            except StorageError as error:
                self._source.note(f"the specs of {title}", error)
                content = parts.note("They cannot be compared; see the end of this page.")
            yield tag("details", tag("summary", title), content)

    def _named(self, record: ReleaseRecord) -> str:
        """Returns the number of an entry, and its label if it has one."""
        label = record.metadata.version_label
        return f"@{record.seq}" if label is None else f"{self._mask(label)} (@{record.seq})"

    def statistics(
        self, now: Timestamp, agents: Sequence[str] = (), since: Timestamp | None = None
    ) -> Iterator[Markup]:
        """Yields the figures of each agent."""
        outcomes = self._source.outcomes(agents=agents, since=since)
        found = fold_outcomes(outcomes, datetime.fromisoformat(now))
        if not found:
            yield tag("p", "There are no runs.", class_="dim")
            return
        yield parts.table(
            ("agent", "#runs", "#completed", "#failed", "#cancelled", "#running", "#success",
             "#median", "#90 %", "last started (UTC)"),
            (
                [
                    tag("td", self._agent(agent.agent_name), class_="name"),
                    parts.figure(number(agent.runs)),
                    *(
                        self._outcome(agent.agent_name, status, agent.counts[status])
                        for status in (
                            RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED,
                            RunStatus.RUNNING,
                        )
                    ),
                    parts.figure(percent(agent.success_rate)),
                    parts.figure(duration(agent.percentile(50))),
                    parts.figure(duration(agent.percentile(90))),
                    parts.short(moment(agent.last_created_at or "-")),
                ]
                for agent in found
            ),
            "Figures of each agent",
        )  # fmt: skip

    def timeline(self, run_id: str, each: int) -> Iterator[Markup]:
        """Yields a run: what is told of it, and its steps.

        Args:
            run_id: The run.
            each: How many steps are shown from its beginning, from its end, and failed ones.

        Raises:
            RunNotFoundError: No run has this id.
            StorageError: The run cannot be read.
        """
        record = self._source.repo.runs.get_run(run_id)
        summary = record.summary
        if self._heads:
            yield tag("h3", parts.mono(run_id), id=f"run-{run_id}")
        told: list[tuple[str, str]] = [
            ("agent", self._agent(record.metadata.agent_name)),
            ("status", parts.status(record)),
            ("started", f"{record.created_at}"),
            ("spec", self._links.spec(record.spec_digest)),
        ]
        if summary is not None:
            told.insert(3, ("took", duration(summary.duration_ms)))
            if summary.exit_code is not None:
                told.insert(2, ("exit code", str(summary.exit_code)))
        told += [(name, parts.words(value)) for name, value in self._source.tags(record)]
        if not self._heads:
            told.insert(0, ("run", parts.mono(run_id)))
        yield parts.pairs(told)
        totals = Totals()
        found: list[Step | Gap] = []
        failure: StorageError | None = None
        steps = totals.counted(self._source.steps(record.run_id))
        try:
            found.extend(fold(steps, first=each, last=each, failed=each))
        except StorageError as error:
            failure = error  # what was read is shown first
        said = [
            count(totals.steps, "step"), count(totals.calls, "tool call"),
            count(totals.messages, "message"), count(totals.errors, "error"),
        ]  # fmt: skip
        yield tag("p", ", ".join(said), f"; all of it: aivcs run events {run_id}", class_="dim")
        failed = [step for step in found if isinstance(step, Step) and step.error is not None]
        if failed:
            yield parts.failures(failed[:_MAX_NAMED], totals.errors, f"run-{run_id}")
        yield begin("ol", class_="steps")
        event = partial(self._links.event, run_id)
        yield from parts.steps(found, record, f"run-{run_id}", event)
        yield end("ol")
        if failure is not None:
            raise failure
