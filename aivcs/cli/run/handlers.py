"""Handlers of `aivcs run`: each calls its command and prints the result."""

from aivcs.codec.json import encode_trusted
from aivcs.errors import UsageError

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


def start(
    context: "Context",
    agent: str,
    spec: "str | None",
    spec_file: "str | None",
    git_sha: "str | None",
    tags: "list[str]",
    allow_missing_spec: bool,
    parent: "str | None",
    origin: "str | None",
    owner_pid: "int | None",
    key: "str | None",
    at: "str | None",
    github_env: bool,
    dotenv: "str | None",
) -> None:
    """Prints the id of the new run."""
    from aivcs.commands.run.start import start

    ci_files = []
    if github_env or dotenv is not None:  # before anything is done
        from aivcs.cli.session.ci_files import CiFile

        if github_env:
            ci_files.append(
                CiFile.named_by(context, "--github-env", "GITHUB_ENV", is_for_steps=True)
            )
        if dotenv is not None:
            ci_files.append(CiFile(dotenv))
    if git_sha is None:
        from aivcs.cli.session.git_identity import commit

        git_sha = commit(context)
    relatives = None
    if at is not None:
        from aivcs.cli.remote.home import send_spec_to

        repo, spec = send_spec_to(context, at, spec)
    else:
        repo = context.recorder()
        if context.spool is not None:
            from aivcs.cli.session import spooling

            repo, spec, is_away = spooling.prepare(context, repo, agent, spec, key)
            allow_missing_spec = allow_missing_spec or is_away
            relatives = context.recorder
    store = context.name_of(repo)
    if ci_files and "://" in store:
        from aivcs.config.trust import refuse_password

        refuse_password(store, "the file of a CI system")
    run_id = start(
        repo,
        agent=agent,
        spec=spec,
        spec_file=spec_file,
        git_sha=git_sha,
        tags=tags,
        allow_missing_spec=allow_missing_spec,
        owner_pid=owner_pid,
        default_tags=ci_tags(context),
        key=key,
        relatives=relatives,
        **lineage(context, parent, origin),
    )
    context.write(f"{run_id}\n")
    for ci_file in ci_files:
        from aivcs.cli.session.ci_tags import assignment

        text = assignment("AIVCS_RUN", run_id)
        # What follows may be elsewhere in the file system, and would find another store or none.
        text += assignment("AIVCS_STORE", store)
        ci_file.append(text)


def lineage(
    context: "Context", parent: "str | None", origin: "str | None"
) -> "dict[str, str | None]":
    """Returns where a new run comes from, as `aivcs.commands.run.start.start` takes it."""
    if origin is not None and (origin == "@" or origin[:2] == "@@"):
        origin = context.run_operand("@") + origin[1:]
    return {
        "parent": None if parent is None else context.run_operand(parent),
        "origin": origin,
        "inside": context.environment.get("AIVCS_PARENT"),
    }


def ci_tags(context: "Context") -> "dict[str, str] | None":
    """Returns the tags that describe a job of a CI system; None outside one."""
    if "GITHUB_ACTIONS" not in context.environment and "GITLAB_CI" not in context.environment:
        return None
    from aivcs.cli.session.ci_tags import tags_of

    path = context.environment.get("GITHUB_EVENT_PATH", "")
    if not path:
        return tags_of(context.environment)
    from aivcs.cli.session.ci_files import read_event

    return tags_of(context.environment, read_event(path))


def log(
    context: "Context",
    run: str,
    kind: "str | None",
    payload: "list[str]",
    stdin: bool,
    atomic: bool,
    print_seq: bool,
    seq: "int | None",
    timestamp: "str | None",
    files: "list[str]",
    blobs: "list[str]",
) -> None:
    """Prints nothing, or the seq of each stored event."""
    from aivcs.commands.run.log import check_operands, log, log_stream

    run = context.run_operand(run)
    if stdin:
        if kind is not None or seq is not None or timestamp is not None or files or blobs:
            raise UsageError("with --stdin every line is an event: give RUN only")

        def stored(seqs: "list[int]") -> None:
            if print_seq:
                context.write("".join(f"{number}\n" for number in seqs))
                context.flush()

        log_stream(context.recorder(run), run, context.stdin(), atomic=atomic, stored=stored)
        return
    repo = context.recorder(run)
    check_operands(repo, run, kind)
    assert kind is not None
    if atomic:
        raise UsageError("--atomic goes with --stdin")
    number = log(
        repo,
        run,
        kind,
        payload,
        files=files,
        blobs=blobs,
        stdin=context.stdin(),
        seq=seq,
        timestamp=timestamp,
    )
    if print_seq:
        context.write(f"{number}\n")


def finish(
    context: "Context",
    run: str,
    status: "str | None",
    exit_code: "int | None",
    if_running: bool,
    state: "str | None",
    state_file: "str | None",
    duration_ms: "int | None",
    here: bool,
    github_annotations: bool,
) -> None:
    """Prints nothing."""
    from aivcs.commands.run.finish import finish

    run = context.run_operand(run)
    repo = context.recorder(run)
    if context.spool is not None:
        context.spool.appended = _nothing  # it is pushed below
    finish(
        repo,
        run,
        status=status,
        exit_code=exit_code,
        if_running=if_running,
        state=state,
        state_file=state_file,
        duration_ms=duration_ms,
        here=here,
    )
    if context.spool is not None:
        from aivcs.cli.session.spooling import push_at_end

        push_at_end(context)
    if github_annotations:
        from aivcs.commands.run.show import show

        record = show(repo, run)
        code = record.summary.exit_code if record.summary else None
        annotate(context, record.run_id, record.metadata.agent_name, record.status.lower(), code)


def _nothing() -> None:
    """Does nothing, where nobody need be told of an append."""


def annotate(
    context: "Context", run_id: str, agent: str, status: str, exit_code: "int | None"
) -> None:
    """Shows in a job of GitHub Actions that a run failed or was cancelled."""
    if status not in {"failed", "cancelled"}:
        return
    from aivcs.cli.session.ci_tags import annotation

    what = "failed" if status == "failed" else "was cancelled"
    code = "" if exit_code is None else f" with exit code {exit_code}"
    level = "error" if status == "failed" else "warning"
    # The job's runner reads standard error as it does the data on standard output.
    context.warn(annotation(level, f"{agent} {what}", f"run {run_id} of {agent} {what}{code}"))


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


def reap(
    context: "Context", runs: "list[str]", older_than: "str | None", dry_run: bool, as_json: bool
) -> int:
    """Prints the ids of the reaped runs, and the reasons on stderr. 15 or 14 if one was refused."""
    from aivcs.cli.exit_codes import report
    from aivcs.cli.render import output as render
    from aivcs.cli.render.time_format import parse_since
    from aivcs.commands.run.reap import reap

    code = left = 0
    for outcome in reap(
        context.repository(),
        [context.run_operand(run) for run in runs],
        older_than=None if older_than is None else parse_since(older_than, "--older-than"),
        dry_run=dry_run,
    ):
        if outcome.error is not None:
            failed = report(context, outcome.error)
            code = code or failed
        elif not outcome.is_orphan:
            left += 1
        elif as_json:
            fields = {
                "run_id": outcome.run_id,
                "reaped": outcome.is_reaped,
                "reason": outcome.reason,
            }
            context.write(render.json_line(fields))
        else:
            context.write(f"{outcome.run_id}\n")
            context.flush()
            context.warn(render.escape(f"{outcome.run_id}: {outcome.reason}"))
    if left and not as_json:
        context.warn(
            f"{left} running {'run' if left == 1 else 'runs'} left alone: no proof that "
            f"{'it is an orphan' if left == 1 else 'they are orphans'}"
        )
    return code


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
