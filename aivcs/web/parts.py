"""View models as markup: histories, timelines, comparisons. Nothing recorded becomes markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.present.history import FAILED, OK
from aivcs.present.run_comparison import KINDS, Row, facts, rows, summary
from aivcs.present.timeline import Gap
from aivcs.present.words import cost, count, duration, moment, number, size
from aivcs.trace.timeline import CALL, MESSAGE, RESULT
from aivcs.web.html import Markup, begin, end, join, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.commands.run.diff import RunComparison
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.run import RunRecord
    from aivcs.present.history import ReleaseEntry
    from aivcs.present.spec_difference import Line
    from aivcs.trace.timeline import Step
    from aivcs.trace.usage import Figures
    from aivcs.web.sections import Links

    Mask = Callable[[str], str]

_MAX_NAME, _MAX_TEXT, _MAX_RESULT, _MAX_LINE = 100, 320, 200, 500
"""Characters shown of a step's name, of its subject, its result, and of a line of a difference."""
_MAX_OUTPUT = 500
"""Characters shown of the result of a step that failed."""
_STYLES = {"COMPLETED": "ok", "FAILED": "bad", "CANCELLED": "warn", "RUNNING": "dim"}
_SIGNS = {"COMPLETED": "✓", "FAILED": "✗", "CANCELLED": "■", "RUNNING": "…"}
_RESULTS = {OK: ("ok", "✓ "), FAILED: ("bad", "✗ ")}
_PREFIXES = {"added": "+ ", "removed": "- ", "same": "  ", "hunk": "", "note": "  "}


def words(value: str) -> Markup:
    """Returns a recorded text, whose direction of writing has no effect on its surroundings."""
    return tag("bdi", value)


def mono(value: str) -> Markup:
    """Returns a digest or an id."""
    return tag("span", value, class_="mono")


def status(record: RunRecord) -> Markup:
    """Returns the status of a run."""
    shown = f"{_SIGNS[record.status]} {record.status.lower()}"
    return tag("span", shown, class_=_STYLES[record.status])


def result(name: str) -> Markup:
    """Returns the result of a check."""
    style, sign = _RESULTS.get(name, ("warn", "? "))
    return tag("span", sign + name, class_=style)


def table(headings: Iterable[str], lines: Iterable[Iterable[str]], label: str) -> Markup:
    """Returns a table; a heading that begins with `#` is of numbers."""
    return join([table_begin(headings, label), *map(row, lines), table_end()])


def table_begin(headings: Iterable[str], label: str) -> Markup:
    """Returns the beginning of a table, with its headings."""
    head = [
        tag("th", name.lstrip("#"), scope="col", class_="num" if name[:1] == "#" else None)
        for name in headings
    ]
    region = begin("div", class_="scroll", role="region", aria_label=label, tabindex=0)
    return join([region, begin("table"), tag("thead", tag("tr", *head)), begin("tbody")])


def table_end() -> Markup:
    """Returns the end of a table."""
    return join([end("tbody"), end("table"), end("div")])


def row(cells: Iterable[str], **attributes: str | None) -> Markup:
    """Returns a row of a table; a cell that is an element `td` already is taken as it is."""
    made = (
        cell if type(cell) is Markup and cell.startswith(("<td", "<th")) else tag("td", cell)
        for cell in cells
    )
    return tag("tr", *made, **attributes)


def name_cell(value: str) -> Markup:
    """Returns a cell with a name, which is not squeezed."""
    return tag("td", words(value), class_="name")


def reason(value: str) -> Markup:
    """Returns a cell with a reason, cut where it is as long as a letter."""
    return tag("td", words(_cut(value, 0, _MAX_TEXT)), class_="why")


def figure(value: str) -> Markup:
    """Returns a cell with a number."""
    return tag("td", value, class_="num")


def short(value: str) -> Markup:
    """Returns a cell that is not broken into lines."""
    return tag("td", value, class_="short")


def pairs(told: Iterable[tuple[str, str]]) -> Markup:
    """Returns names with their values."""
    return tag("dl", *(join([tag("dt", name), tag("dd", value)]) for name, value in told))


def note(text: str, *, is_bad: bool = False) -> Markup:
    """Returns a remark that is not to be overlooked."""
    return tag("p", text, class_="note bad" if is_bad else "note")


def spec_name(record: ReleaseRecord, mask: Mask) -> Markup:
    """Returns label and digest of a release."""
    label = record.metadata.version_label
    digest = tag("span", record.spec_digest.short, class_="mono brief")
    return digest if label is None else join([tag("strong", words(mask(label))), digest], " ")


def entry_facts(
    entry: ReleaseEntry, mask: Mask, links: Links, link: Callable[[str], Markup]
) -> Markup:
    """Returns everything that is told of a release: its grounds, and what was checked.

    Args:
        entry: The release.
        mask: Masks a text.
        links: Where links lead.
        link: Returns a run's id, as a link if the page has the run.
    """
    record = entry.record
    told: list[tuple[str, str]] = [
        ("spec", links.spec(record.spec_digest)),
        ("by", words(mask(record.metadata.promoted_by))),
        ("reason", words(mask(record.metadata.notes or "-"))),
        ("at", f"{record.created_at}"),
    ]
    if record.forced:
        told.append(("forced", tag("strong", "against the policy", class_="bad")))
    if record.policy is not None:
        told.append(("policy", links.blob(record.policy)))
    told += [
        ("evidence", join([link(run.run_id), f" as of its line {run.head.lines}"]))
        for run in entry.evidence
    ]
    checks = table(
        ("check", "result", "found"),
        ((check.check, result(check.result), words(mask(check.detail))) for check in entry.checks),
        f"Checks of {record.name}@{record.seq}",
    )
    return join([pairs(told), checks if entry.checks else ""])


def run_cells(record: RunRecord, told: Figures, name: Markup, mask: Mask) -> Iterator[Markup]:
    """Yields the cells of a run in a list; `RUN_HEADINGS` names them."""
    summary = record.summary
    yield short(name)
    yield name_cell(mask(record.metadata.agent_name))
    yield short(status(record))
    yield short(moment(record.created_at))
    yield figure(duration(summary.duration_ms if summary else None))
    yield figure(number(summary.total_events if summary else None))
    yield figure(number(told.tokens))
    yield figure(cost(told.cost_usd))
    yield figure(number(told.score))
    yield short(mono(record.spec_digest.short))


RUN_HEADINGS = (
    "run", "agent", "status", "started (UTC)", "#duration", "#events", "#tokens", "#cost",
    "#score", "spec",
)  # fmt: skip
"""The headings of `run_cells`."""


def steps(
    found: Iterable[Step | Gap],
    record: RunRecord,
    prefix: str,
    event: Callable[[int], str | None],
) -> Iterator[Markup]:
    """Yields the steps of a timeline as items of a list.

    Args:
        found: The steps to show.
        record: Their run.
        prefix: What the ids of the items begin with.
        event: Returns the address of an event, by its seq; None if it has none.
    """
    start: int | None = None
    for step in found:
        if isinstance(step, Gap):
            yield tag("li", f"… {step}", class_="gap")
            continue
        if start is None:
            start = min(step.at, record.created_at.microseconds())
        yield tag(
            "li",
            tag("span", _offset(step.at - start), class_="t"),
            tag("span", "" if step.took is None else duration(step.took // 1000), class_="t"),
            tag("span", *_name(step, event(step.seq))),
            tag("span", *_subject(step), class_="what"),
            id=f"{prefix}:e{step.seq}",
        )


def failures(found: Iterable[Step], number: int, prefix: str) -> Markup:
    """Returns the failed steps of a run, or the first of them, each as a link to the step.

    Args:
        found: The steps that are named.
        number: How many there are.
        prefix: What the ids of the steps begin with.
    """
    lines = []
    for step in found:
        said = words(_cut(step.error or "", 0, _MAX_RESULT))
        link = tag("a", words(_cut(step.name, 0, _MAX_NAME)), href=f"#{prefix}:e{step.seq}")
        about = [" ", words(_cut(step.text, 0, _MAX_RESULT))] if step.what == CALL else []
        about += [": ", said] if step.error != step.name else []
        lines.append(tag("li", f"#{step.seq} ", link, *about))
    more = [tag("li", f"and {number - len(lines):,} more")] if number > len(lines) else []
    told = tag("strong", f"{count(number, 'step')} failed", class_="bad")
    return tag("div", told, tag("ul", *lines, *more), class_="note bad")


def _offset(microseconds: int) -> str:
    sign = "-" if microseconds <= -1000 else "+"
    return sign + duration(abs(microseconds) // 1000).replace(" ", "")


def _name(step: Step, address: str | None) -> Iterator[Markup]:
    if step.error is not None:
        yield tag("span", "✗ ", class_="bad")
        yield tag("span", "error: ", class_="bad")
    style = "strong" if step.what == MESSAGE else None
    name = words(_cut(step.name, 0, _MAX_NAME))
    yield tag("span" if address is None else "a", name, href=address, class_=style)


def _subject(step: Step) -> Iterator[Markup]:
    if step.text:
        yield words(_cut(step.text, step.size, _MAX_TEXT))
    if step.error is not None and step.error != step.name:
        yield tag("span", " → " if step.text else "", words(step.error), class_="bad")
        if step.result and step.result not in step.error:
            # An exit code does not tell what went wrong, but what was printed does.
            told = f" → {size(step.result_size)}  "
            yield tag("span", told, words(_cut(step.result, 0, _MAX_OUTPUT)), class_="dim")
    elif step.what in {CALL, RESULT}:
        if step.result is None:
            yield tag("span", " → no result", class_="dim")
        else:
            told = f" → {size(step.result_size)}  "
            text = _cut(step.result, 0, _MAX_RESULT)
            yield tag("span", told, words(text), class_="dim")


def _cut(text: str, whole: int, limit: int) -> str:
    """The beginning of a text, and how large the whole is where something is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()}… {size(whole)}" if whole else f"{text[:limit].rstrip()}…"


def difference(lines: Iterable[Line], limit: int) -> Markup:
    """Returns the lines of a difference, at most `limit`."""
    shown: list[Markup] = []
    for line in lines:
        if len(shown) == limit:
            shown.append(tag("span", f"… more than {limit} lines; see: aivcs spec diff"))
            break
        line_text = _cut(line.text, len(line.text.encode("utf-8", "surrogatepass")), _MAX_LINE)
        shown.append(tag("span", _PREFIXES.get(line.kind, ""), line_text, class_=line.kind))
    return tag("pre", *shown, class_="diff", tabindex=0)


def comparison(
    found: RunComparison, mask: Mask, limit: int, link: Callable[[str], Markup]
) -> Iterator[Markup]:
    """Yields two runs side by side: what is told of both, and their calls.

    Args:
        found: The runs.
        mask: Masks a text.
        limit: Rows of calls, at most.
        link: Returns a run's id, as a link if the page has the run.
    """
    a, b = found.a.record, found.b.record
    label = f"{a.run_id} and {b.run_id}"
    told = (
        row(
            [
                tag("th", fact.name, scope="row"),
                *(link(v) if fact.name == "run" else words(mask(v)) for v in (fact.a, fact.b)),
            ],
            class_="param_changed" if fact.a != fact.b and fact.name != "run" else None,
        )
        for fact in facts(found)
    )
    heading = tag("tr", *(tag("th", name, scope="col") for name in ("what", "A", "B")))
    yield _scroll(tag("table", tag("thead", heading), tag("tbody", *told), class_="sides"), label)
    lines: list[Markup] = []
    for line in rows(found):
        if len(lines) >= limit:
            lines.append(row([tag("td", f"… more than {limit} rows", colspan=3)]))
            break
        if isinstance(line, Row):
            lines.append(_call_row(line, mask))
        else:
            lines.append(row([tag("td", f"… {count(line, 'call')} alike …", colspan=3)]))
    heading = tag("tr", *(tag("th", name, scope="col") for name in ("calls", "A", "B")))
    body = tag("tbody", *lines)
    yield _scroll(tag("table", tag("thead", heading), body, class_="sides"), f"calls of {label}")
    yield tag("p", f"Calls: {summary(found)}.")


def _call_row(line: Row, mask: Mask) -> Markup:
    cells = []
    for side, call in enumerate((line.a, line.b)):
        said: list[Markup] = [] if call is None else [tag("div", words(mask(call)))]
        for change in line.changes:
            value = change[1 + side]
            if value is not None:
                name = tag("span", mask(change[0]), ": ", class_="dim")
                said.append(tag("div", name, mono(mask(value))))
        cells.append(join(said))
    return row([KINDS[line.kind], *cells], class_=line.kind)


def _scroll(content: Markup, label: str) -> Markup:
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex=0)
