"""The pages of `aivcs web`, each at an address of its own, and as JSON beside it.

/                       what is live, and figures of each agent
/release/NAME           the history of a name, with grounds and differences
/runs                   the runs, a hundred a page; ?agent=NAME&status=failed&before=TIME~RUN
/run/ID                 the timeline of a run; ?steps=1000, and ?follow=1 while it runs
/run/ID/SEQ             an event, whole
/run/A..B               two runs side by side
/spec/DIGEST            the parts of a spec, and their files
/blob/DIGEST            the text of a blob
….json                  the same as JSON
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from aivcs.codec.json import encode_trusted
from aivcs.errors import (
    AivcsError,
    AmbiguousError,
    InvalidNameError,
    NotFoundError,
    ReleaseNotFoundError,
    RunNotFoundError,
    StorageError,
    UsageError,
)
from aivcs.model.run import RUN_STATUSES, RunId, RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.present.run_comparison import Row, facts, rows
from aivcs.trace.usage import Figures
from aivcs.web import parts
from aivcs.web.blobs import blob_link, blob_page, spec_link, spec_page
from aivcs.web.events import event_page
from aivcs.web.html import DOCTYPE, Markup, begin, end, join, raw_style, tag
from aivcs.web.sections import MAX_LINES, Links, Sections
from aivcs.web.style import CSS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aivcs.commands.run.diff import RunComparison
    from aivcs.model.run import RunRecord
    from aivcs.web.source import History, Source

PAGE_RUNS = 100
"""Runs of a page of the list."""
_STEPS, _MAX_STEPS = 100, 5000
"""Steps of a timeline shown from its beginning and end, and at most on request."""
_REFRESH_SECONDS = 3
_NOT_FOUND = (NotFoundError, ReleaseNotFoundError, RunNotFoundError, InvalidNameError)


class Response(NamedTuple):
    """An answer.

    Attributes:
        status: The status.
        type: The media type.
        body: The content.
    """

    status: int
    type: str
    body: bytes


def respond(source: Source, target: str) -> Response:
    """Returns the page at an address; what cannot be read is an answer, too.

    Args:
        source: The store.
        target: The target of the request, path and query.
    """
    url = urlsplit(target)
    path = unquote(url.path)
    is_json = path.endswith(".json")
    try:
        found = _Pages(source).find(path.removesuffix(".json"), parse_qs(url.query))
        if found is None:
            raise RunNotFoundError(path) if path.startswith("/run/") else NotFoundError("", "")
        if is_json:
            return Response(200, "application/json", f"{encode_trusted(found.data)}\n".encode())
        return Response(200, "text/html; charset=utf-8", found.html().encode())
    except _NOT_FOUND as error:
        return _failure(404, source, str(error) or "There is no such page.")
    except (UsageError, AmbiguousError) as error:
        return _failure(400, source, str(error))
    except StorageError as error:
        return _failure(503 if error.is_store_away else 500, source, str(error))


def _failure(status: int, source: Source, text: str) -> Response:
    said = source.mask(source.without_path(text))
    page = _Page("aivcs", [parts.note(said, is_bad=True)], None)
    return Response(status, "text/html; charset=utf-8", page.html().encode())


class _Page:
    """A page and its data."""

    def __init__(self, title: str, content: list[Markup], data: Any, *, renews: bool = False):
        self.title, self.content, self.data, self._renews = title, content, data, renews

    def html(self) -> Markup:
        """Returns the page as HTML."""
        head = [
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", f"{self.title} · aivcs"),
            raw_style(CSS),
        ]
        if self._renews:
            head.insert(1, tag("meta", http_equiv="refresh", content=_REFRESH_SECONDS))
        links = tag(
            "ul",
            tag("li", tag("a", "Live", href="/")),
            tag("li", tag("a", "Runs", href="/runs")),
        )
        return join(
            [
                DOCTYPE,
                begin("html", lang="en"),
                tag("head", *head),
                begin("body"),
                tag("a", "To the content", href="#content", class_="skip"),
                tag("nav", links, aria_label="Pages"),
                tag("main", tag("h1", self.title), *self.content, id="content"),
                end("body"),
                end("html"),
            ]
        )


class _Pages:
    """Finds and makes pages."""

    def __init__(self, source: Source) -> None:
        self._source = source
        links = Links(
            lambda run: f"/run/{run}",
            lambda name: f"/release/{quote(name)}",
            _runs_of,
            lambda run, seq: f"/run/{run}/{seq}",
            spec_link,
            blob_link,
        )
        self._sections = Sections(source, links, heads=False)

    def find(self, path: str, query: Mapping[str, list[str]]) -> _Page | None:
        """Returns the page of a path, or None."""
        if path in {"/", "/index"}:
            return self._index()
        if path == "/runs":
            return self._runs({name: values[-1] for name, values in query.items()})
        kind, _, rest = path[1:].partition("/")
        if kind == "release" and rest:
            return self._release(rest)
        if kind in {"spec", "blob"}:
            shown = (spec_page if kind == "spec" else blob_page)(self._source, rest)
            return self._page(*shown)
        if kind != "run" or not rest:
            return None
        run, slash, seq = rest.partition("/")
        if slash:
            return self._event(run, seq)
        a, dots, b = rest.partition("..")
        if dots:
            return self._comparison(a, b)
        return self._run(
            rest, query.get("steps", [str(_STEPS)])[-1], follows=query.get("follow") == ["1"]
        )

    def _index(self) -> _Page:
        names = list(self._source.repo.releases.list_names())
        content = [tag("h2", "Releases")]
        content.append(
            self._sections.live(names) if names else tag("p", "Nothing was released.", class_="dim")
        )
        content.append(tag("h2", "Agents"))
        content += self._sections.statistics(Timestamp.now())
        live = (self._source.repo.releases.current(name) for name in names)
        data = [self._source.mask(record.to_json()) for record in live if record is not None]
        return self._page("What is live", content, data)

    def _release(self, name: str) -> _Page:
        self._source.repo.releases.head(name)  # which raises if there is none
        found = self._sections.history(name)
        content = list(self._sections.releases(found)) if found is not None else []
        return self._page(f"Releases of {name}", content, found and self._history_json(found))

    def _history_json(self, found: History) -> list[dict[str, Any]]:
        return [
            {
                **self._source.mask(entry.record.to_json()),
                "state": entry.state,
                "result": entry.result,
                "checks": [self._source.mask(check._asdict()) for check in entry.checks],
            }
            for entry in found.entries
        ]

    def _runs(self, query: Mapping[str, str]) -> _Page:
        before = _place(query["before"]) if query.get("before") else None
        agents = [query["agent"]] if query.get("agent") else []
        status = query.get("status", "").upper()
        statuses = [known for known in RUN_STATUSES if known == status]
        if status and not statuses:
            raise UsageError("status is one of running, completed, failed, cancelled")
        found = self._source.runs(
            agents=agents,
            statuses=statuses,
            before=before,
            limit=PAGE_RUNS + 1,
        )
        records = list(found)
        lines, data = [], []
        for record in records[:PAGE_RUNS]:
            try:
                told = self._source.figures(record)
            except StorageError as error:
                self._source.note(f"run {record.run_id}", error)
                told = Figures()
            link = self._sections.link(record.run_id)
            lines.append(parts.run_cells(record, told, link, self._source.mask))
            data.append({**self._source.mask(record.to_json()), **told._asdict()})
        content = [self._filters(query), parts.table(parts.RUN_HEADINGS, lines, "Runs")]
        content.append(_neighbours(query, records))
        return self._page("Runs", content, data)

    def _filters(self, query: Mapping[str, str]) -> Markup:
        kept = {"agent": query["agent"]} if query.get("agent") else {}
        chosen = query.get("status", "").lower()
        links = []
        for name in ("", *(status.lower() for status in RUN_STATUSES)):
            address = f"/runs?{urlencode({**kept, 'status': name} if name else kept)}"
            current = "true" if name == chosen else None
            links.append(tag("a", name or "all", href=address, aria_current=current))
        of = [parts.words(self._source.mask(kept["agent"])), ": "] if kept else []
        return tag("p", *of, join(links, " · "))

    def _run(self, text: str, steps: str, *, follows: bool) -> _Page:
        each = int(steps) if steps.isascii() and steps.isdigit() and len(steps) < 7 else _STEPS
        run_id = self._source.repo.resolve_run(text)
        record = self._source.repo.runs.get_run(run_id)
        content = list(self._sections.timeline(run_id, min(each, _MAX_STEPS)))
        more = tag("a", "Show more steps", href=f"/run/{run_id}?steps={_MAX_STEPS}")
        if each < _MAX_STEPS:
            content.append(tag("p", more))
        is_running = record.status is RunStatus.RUNNING
        if is_running and follows:
            content.insert(0, tag("p", tag("a", "Stop following", href=f"/run/{run_id}")))
        elif is_running:
            # Only on request: a page that renews itself gets in the way of who reads it slowly.
            follow = tag("a", "Follow the run", href=f"/run/{run_id}?follow=1")
            content.insert(0, tag("p", follow))
        content.insert(0, self._near(record))
        data = self._source.mask(record.to_json())
        data |= self._source.figures(record).to_json()
        return self._page(f"Run {run_id[:8]}", content, data, renews=is_running and follows)

    def _event(self, run: str, seq: str) -> _Page | None:
        if not (seq.isascii() and seq.isdigit() and len(seq) < 20):
            return None
        record = self._source.repo.runs.get_run(self._source.repo.resolve_run(run))
        return self._page(*event_page(self._source, record, int(seq)))

    def _near(self, record: RunRecord) -> Markup:
        """Returns links to the runs and releases that a run is seen beside."""
        agent, place = record.metadata.agent_name, (record.created_at, record.run_id)
        shown = self._source.mask(agent)
        links = [tag("a", f"All runs of {shown}", href=_runs_of(agent))]
        good = self._source.runs(
            agents=[agent], statuses=[RunStatus.COMPLETED], before=place, limit=1
        )
        for other in good:
            address = f"/run/{other.run_id}..{record.run_id}"
            links.append(tag("a", "Compare with the last completed run before it", href=address))
        return tag("p", join(links, " · "))

    def _comparison(self, a: str, b: str) -> _Page:
        found = self._source.compare(a, b)
        content = list(parts.comparison(found, self._source.mask, MAX_LINES, self._sections.link))
        return self._page("Two runs", content, self._comparison_json(found))

    def _comparison_json(self, found: RunComparison) -> Any:
        told = {
            "equal": found.is_equal,
            "facts": [fact._asdict() for fact in facts(found)],
            "calls": [
                row._asdict() if isinstance(row, Row) else {"kind": "same", "number": row}
                for row in rows(found)
            ],
        }
        return self._source.mask(_plain(told))

    def _page(self, title: str, content: list[Markup], data: Any, *, renews: bool = False) -> _Page:
        unread = map(self._source.mask, self._source.unread)
        content.extend(parts.note(what, is_bad=True) for what in unread)
        return _Page(title, content, data, renews=renews)


def _runs_of(agent: str, status: RunStatus | None = None) -> str:
    """Returns the address of the runs of an agent, or of those with a status."""
    query = {"agent": agent} if status is None else {"agent": agent, "status": status.lower()}
    return f"/runs?{urlencode(query)}"


def _place(text: str) -> tuple[str, str]:
    """Returns the time and the id of the run behind which a page begins, from its address.

    Raises:
        UsageError: The text names no such place.
    """
    moment, _, run = text.partition("~")
    try:
        return Timestamp(moment), RunId(run)
    except AivcsError as error:
        raise UsageError("before is TIME~RUN, as in the link to older runs") from error


def _neighbours(query: Mapping[str, str], records: Sequence[RunRecord]) -> Markup:
    """Returns the links from a page of runs to the newest ones, and to the older ones."""
    kept = {name: query[name] for name in ("agent", "status") if query.get(name)}
    links = []
    if query.get("before"):
        links.append(tag("a", "Newest runs", href=f"/runs?{urlencode(kept)}"))
    if len(records) > PAGE_RUNS:
        last = records[PAGE_RUNS - 1]
        older = urlencode({**kept, "before": f"{last.created_at}~{last.run_id}"})
        links.append(tag("a", "Older runs", href=f"/runs?{older}"))
    return tag("p", join(links, " · ")) if links else Markup("")


def _plain(value: Any) -> Any:
    """Returns a value with lists in place of tuples."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
