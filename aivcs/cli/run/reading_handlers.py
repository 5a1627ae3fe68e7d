"""Handlers of the commands that read runs: each calls its command and prints the result."""

from aivcs.codec.json import encode_trusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.commands.run.erased_events import ErasedEvents
    from aivcs.commands.run.figures import RunFigures
    from aivcs.errors import StorageError
    from aivcs.model.run import RunEvent, RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.trace.usage import Figures, Price


_MIN_COLUMNS_FOR_RELEASES = 100
"""The terminal width, in cells, from which a list of runs shows the releases of their specs."""


def show(
    context: "Context", run: "str | None", figures: bool, as_json: bool, github_summary: bool
) -> None:
    """Prints the record of a run; for a person also its steps."""
    from aivcs.cli.render import output as render
    from aivcs.commands.run.show import show

    if run is None:
        from aivcs.short_names import LAST

        run = "@" if context.environment.get("AIVCS_RUN") else LAST
    run = context.run_operand(run)
    repo = context.recorder(run, reads=True)
    record = show(repo, run)
    from aivcs.commands.run.annotated import Annotated, as_json as annotated_json

    annotations = Annotated(repo).of(record)
    told = _read_figures(context, repo).of(record) if figures else None
    if github_summary:
        from aivcs.cli.session.ci_files import CiFile
        from aivcs.cli.session.ci_tags import run_summary

        ci_file = CiFile.named_by(context, "--github-summary", "GITHUB_STEP_SUMMARY")
        ci_file.append(run_summary(record))
    if as_json:
        members = annotated_json(record, annotations)
        if told is not None:
            members["figures"] = told.to_json()
        if (source := repo.untrusted_source(record.run_id)) is not None:
            members["untrusted"] = source
        context.write(render.json_line(members))
        return
    from aivcs.cli.run import view as views

    source = repo.untrusted_source(record.run_id)

    if context.for_person():
        from aivcs.commands.run.events import events
        from aivcs.commands.run.show import children

        runs = (
            (child, events(repo, child.run_id), _saying(repo, child.run_id))
            for child in children(repo, record.run_id)
        )
        views.print_run(
            context, record, events(repo, record.run_id), annotations, runs,
            prices=_prices(context, repo), untrusted=source,
            erased=_saying(repo, record.run_id),
        )  # fmt: skip
    else:
        render.fields(context, views.fields(record, annotations, told, untrusted=source))


def _saying(repo: "Repository", run_id: "RunId") -> "Callable[[RunEvent], str]":
    """Returns what says who erased an event of a run."""
    from aivcs.commands.run.erased_events import ErasedEvents

    return ErasedEvents(repo, run_id).said


def _prices(context: "Context", repo: "Repository") -> "dict[str, Price]":
    """Returns the configured prices of models."""
    from aivcs.config.prices import prices

    return prices(context.config_layers(repo))


def _read_figures(context: "Context", repo: "Repository") -> "RunFigures":
    from aivcs.commands.run.figures import RunFigures

    return RunFigures(repo, _prices(context, repo))


def events(context: "Context", run: str, kinds: "list[str]", follow: bool, as_json: bool) -> None:
    """Prints the events of a run, one per line."""
    from aivcs.cli.render import output as render
    from aivcs.commands.run.events import events

    run = context.run_operand(run)
    repo = context.recorder(run, reads=True)
    found = events(repo, run, kinds=kinds, follow=context.wait_for_reader if follow else None)
    erased: ErasedEvents | None = None
    if as_json:
        for event in found:
            if event.redacted:
                erased = erased or _erased_events(repo, run)
                context.write(render.json_line(erased.to_json(event)))
            else:
                context.write(render.json_line(event.to_json()))
            if follow:
                context.flush()
        return
    from aivcs.cli.run.view import event_line

    with render.output(context, streaming=follow) as out:
        for event in found:
            said = None
            if event.redacted:
                erased = erased or _erased_events(repo, run)
                said = erased.said(event)
            out.write(event_line(out, event, said))
            if follow:
                context.flush()


def _erased_events(repo: "Repository", run: str) -> "ErasedEvents":
    from aivcs.commands.run.erased_events import ErasedEvents

    return ErasedEvents(repo, repo.resolve_run(run))


def list_(
    context: "Context", limit: "int | None", figures: bool, as_json: bool, **filters: "Any"
) -> int:
    """Prints the matching runs, newest first. Exit code 14 or 16 if some cannot be read."""
    from aivcs.cli.run.filters import selection
    from aivcs.commands.run.list import list_, live_specs

    unread: list[StorageError] = []
    repo = context.repository()
    records = list_(
        repo,
        limit=limit,
        unreadable=lambda _, error: unread.append(error),
        **selection(context, **filters),
    )
    read = _read_figures(context, repo) if figures else None

    def told(record: "RunRecord") -> "Figures | None":
        from aivcs.errors import StorageError

        try:
            return None if read is None else read.of(record)
        except StorageError as error:
            if error.is_store_away:
                raise
            unread.append(error)
            return None

    found = False
    if as_json:
        from aivcs.commands.run.annotated import Annotated, as_json as annotated_json

        annotated = Annotated(repo)
        for record in records:
            members = annotated_json(record, annotated.of(record))
            if read is not None:
                found_figures = told(record)
                members["figures"] = None if found_figures is None else found_figures.to_json()
            context.write(encode_trusted(members) + "\n")
        found = True  # programs that ask for JSON are told nothing else
    elif not context.for_person():
        # Scripts read this: without a table, its modules are not loaded.
        for record in records:
            line = _run_line(record)
            if read is not None:
                from aivcs.cli.run.figures_view import texts

                line = "\t".join([line[:-1], *texts(told(record))]) + "\n"
            context.write(line)
            found = True
    else:
        from aivcs.cli.render.output import screen_width
        from aivcs.cli.run.view import print_list

        # A narrow terminal has no room for it: the releases need not be read.
        released = live_specs(repo) if screen_width() >= _MIN_COLUMNS_FOR_RELEASES else {}
        from aivcs.commands.run.annotated import Annotated

        shown = None if read is None else told
        found = print_list(context, records, released, Annotated(repo).tags, shown) > 0
    if not found:
        _explain_empty_list(context, filters["agents"])
    if not unread:
        return 0
    from aivcs.cli.exit_codes import report_unread

    return report_unread(context, unread)


def stats(
    context: "Context",
    agents: "list[str]",
    specs: "list[str]",
    since: "str | None",
    figures: bool,
    as_json: bool,
) -> int:
    """Prints figures of each agent's runs. Exit code 14 or 16 if some cannot be read."""
    from aivcs.cli.exit_codes import report_unread
    from aivcs.cli.render import output as render
    from aivcs.cli.render.time_format import parse_since
    from aivcs.cli.run import view as views
    from aivcs.commands.run.stats import stats

    unread: list[StorageError] = []
    repo = context.repository()
    found = stats(
        repo,
        agents=agents,
        specs=specs,
        since=None if since is None else parse_since(since),
        unreadable=lambda _, error: unread.append(error),
    )
    totals: "dict[str, Figures] | None" = None
    if figures:
        from aivcs.commands.run.figures import total_by_agent
        from aivcs.commands.run.list import list_

        records = list_(
            repo,
            agents=agents,
            specs=specs,
            since=None if since is None else parse_since(since),
            unreadable=lambda _run, _error: None,  # told above
        )
        read = _read_figures(context, repo)
        totals = total_by_agent(records, read, lambda _, error: unread.append(error))
    if as_json:
        for statistics in found:
            members = statistics.to_json()
            if totals is not None:
                total = totals.get(statistics.agent_name)
                members["figures"] = None if total is None else total.to_json()
            context.write(render.json_line(members))
    elif context.for_person():
        views.print_statistics(context, found, totals)
    else:
        for statistics in found:
            line = views.statistics_line(statistics)
            if totals is not None:
                from aivcs.cli.run.figures_view import texts

                line = "\t".join([line[:-1], *texts(totals.get(statistics.agent_name))]) + "\n"
            context.write(line)
    if not found and not as_json:
        _explain_empty_list(context, agents)
    return report_unread(context, unread)


def _run_line(record: "RunRecord") -> str:
    summary = record.summary
    cells = (
        record.run_id,
        record.metadata.agent_name,
        record.status,
        record.created_at,
        record.spec_digest,
        str(summary.total_events) if summary else "-",
        str(summary.duration_ms) if summary else "-",
    )
    # The agent's name, the only text of a user's making, is printable as it is.
    return "\t".join(cells) + "\n"


def diff(
    context: "Context",
    before: str,
    after: str,
    ignored: "list[str]",
    exit_code: bool,
    as_json: bool,
    markdown: bool,
    github_summary: bool,
) -> int:
    """Prints the differences of two runs. Exit code 1 with `--exit-code` if there are any."""
    from aivcs.cli.render import output as render
    from aivcs.cli.render.markdown import Target
    from aivcs.cli.run import comparison_view as view
    from aivcs.commands.run.diff import compare_runs

    target = Target(context, markdown=markdown, github_summary=github_summary, as_json=as_json)
    repo = context.repository()
    a, b = (repo.resolve_run(context.run_operand(run)) for run in (before, after))
    found = compare_runs(repo, a, b, ignored, _prices(context, repo))
    if target.is_wanted:
        from aivcs.cli.run.comparison_markdown import markdown as as_markdown

        target.write(as_markdown(found))
    if as_json:
        context.write(render.json_line(view.as_json(found)))
    elif not markdown:
        render.lines(context, view.plain(found), lambda color: view.shown(found, color=color))
    return int(exit_code and not found.is_equal)


def _explain_empty_list(context: "Context", agents: "list[str]") -> None:
    """Explains an empty list, where a filter names an agent that no run has."""
    from aivcs.cli.hints import likely_agent
    from aivcs.cli.render.output import escape

    context.flush()
    for agent in agents:
        unknown, near = likely_agent(context.repository(), agent)
        if unknown:
            suggestion = f"; did you mean {escape(near)}?" if near else ""
            context.warn(f"hint: no agent {escape(agent)}{suggestion}")
