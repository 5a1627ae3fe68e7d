"""`aivcs run` at the terminal."""

from aivcs.codec.json import encode_trusted
from aivcs.commands.run import run as commands
from aivcs.errors import UsageError
from aivcs.model import RunStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.errors import StorageError
    from aivcs.model import RunRecord


def start(
    context: "Context",
    agent: str,
    spec: "str | None",
    spec_file: "str | None",
    git_sha: "str | None",
    tags: "list[str]",
    allow_missing_spec: bool,
    owner_pid: "int | None",
    github_env: bool,
    dotenv: "str | None",
) -> None:
    """Prints the id of the new run."""
    handovers = []
    if github_env or dotenv is not None:  # before anything is done
        from aivcs.cli.session.ci_files import Handover

        if github_env:
            handovers.append(Handover.named_by(context, "--github-env", "GITHUB_ENV"))
        if dotenv is not None:
            handovers.append(Handover(dotenv))
    if git_sha is None:
        from aivcs.cli.session.git_identity import commit

        git_sha = commit(context)
    run_id = commands.start(
        context.repository(),
        agent=agent,
        spec=spec,
        spec_file=spec_file,
        git_sha=git_sha,
        tags=tags,
        allow_missing_spec=allow_missing_spec,
        owner_pid=owner_pid,
        surroundings=surroundings(context),
    )
    context.write(f"{run_id}\n")
    for handover in handovers:
        from aivcs.cli.session.ci_tags import assignment

        handover.append(assignment("AIVCS_RUN", run_id))


def surroundings(context: "Context") -> "dict[str, str] | None":
    """Returns what a CI system says of its job, as tags."""
    if "GITHUB_ACTIONS" not in context.environment and "GITLAB_CI" not in context.environment:
        return None
    from aivcs.cli.session.ci_tags import tags_of

    return tags_of(context.environment)


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
    """Prints nothing, or the seqs of what was stored."""
    run = context.run_operand(run)
    if stdin:
        if kind is not None or seq is not None or timestamp is not None or files or blobs:
            raise UsageError("with --stdin every line is an event; give nothing but RUN")

        def stored(seqs: "list[int]") -> None:
            if print_seq:
                context.write("".join(f"{number}\n" for number in seqs))
                context.flush()

        commands.log_stream(
            context.repository(), run, context.stdin(), atomic=atomic, stored=stored
        )
        return
    if kind is None:
        raise UsageError("KIND is missing: aivcs run log RUN KIND [PAYLOAD…]")
    if kind[:1] == "-":
        raise UsageError(
            f"KIND {kind[:60]!a} reads as an option; options stand before RUN: "
            "aivcs run log [OPTIONS] RUN KIND [PAYLOAD…]"
        )
    if atomic:
        raise UsageError("--atomic goes with --stdin")
    number = commands.log(
        context.repository(),
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
    github_annotations: bool,
) -> None:
    """Prints nothing."""
    repo, run = context.repository(), context.run_operand(run)
    commands.finish(
        repo,
        run,
        status=status,
        exit_code=exit_code,
        if_running=if_running,
        state=state,
        state_file=state_file,
        duration_ms=duration_ms,
    )
    if github_annotations:
        record = commands.show(repo, run)
        code = record.summary.exit_code if record.summary else None
        annotate(context, record.run_id, record.metadata.agent_name, record.status.lower(), code)


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
    context.tell(annotation(level, f"{agent} {what}", f"run {run_id} of {agent} {what}{code}"))


def show(context: "Context", run: str, as_json: bool, github_summary: bool) -> None:
    """Prints the record of a run, and for a person what it did."""
    from aivcs.cli.render import output as render

    repo = context.repository()
    record = commands.show(repo, context.run_operand(run))
    if github_summary:
        from aivcs.cli.session.ci_files import Handover
        from aivcs.cli.session.ci_tags import run_summary

        handover = Handover.named_by(context, "--github-summary", "GITHUB_STEP_SUMMARY")
        handover.append(run_summary(record))
    if as_json:
        context.write(render.json_line(record.to_json()))
        return
    from aivcs.cli.run import view as views

    if context.is_terminal():
        views.print_run(context, record, commands.events(repo, record.run_id))
    else:
        render.fields(context, views.fields(record))


def events(context: "Context", run: str, kind: "str | None", follow: bool, as_json: bool) -> None:
    """Prints the events of a run, a line each."""
    from aivcs.cli.render import output as render

    found = commands.events(
        context.repository(),
        context.run_operand(run),
        kind=kind,
        follow=context.wait_for_reader if follow else None,
    )
    if as_json:
        for event in found:
            context.write(render.json_line(event.to_json()))
            if follow:
                context.flush()
        return
    from aivcs.cli.run.view import event_line

    with render.output(context, streaming=follow) as out:
        for event in found:
            out.write(event_line(out, event))
            if follow:
                context.flush()


def list_(
    context: "Context",
    agent: "str | None",
    spec: "str | None",
    status: "str | None",
    tags: "list[str]",
    since: "str | None",
    limit: "int | None",
    as_json: bool,
) -> int:
    """Prints the runs that fit, newest first; not 0 if some cannot be read."""
    unread: list[StorageError] = []
    moment = None
    if since is not None:
        from aivcs.cli.render.time_format import parse_since

        moment = parse_since(since)
    records = commands.list_(
        context.repository(),
        agent=agent,
        spec=spec,
        status=None if status is None else RunStatus(status.upper()),
        tags=tags,
        since=moment,
        limit=limit,
        unreadable=lambda _, error: unread.append(error),
    )
    if as_json:
        for record in records:
            context.write(encode_trusted(record.to_json()) + "\n")
    elif not context.is_terminal() and context.color != "always":
        # What scripts read: no table, and none of what it takes to draw one.
        for record in records:
            context.write(_run_line(record))
    else:
        from aivcs.cli.run.view import print_list

        print_list(context, records)
        if agent is not None:
            _tell_likely_agent(context, agent)
    if not unread:
        return 0
    from aivcs.cli.exit_codes import report_unread

    return report_unread(context, unread)


def stats(
    context: "Context", agent: "str | None", spec: "str | None", since: "str | None", as_json: bool
) -> int:
    """Prints how the runs of each agent went; not 0 if some cannot be read."""
    from aivcs.cli.exit_codes import report_unread
    from aivcs.cli.render import output as render
    from aivcs.cli.render.time_format import parse_since
    from aivcs.cli.run import view as views
    from aivcs.commands.run import stats as run_statistics

    unread: list[StorageError] = []
    found = run_statistics.stats(
        context.repository(),
        agent=agent,
        spec=spec,
        since=None if since is None else parse_since(since),
        unreadable=lambda _, error: unread.append(error),
    )
    if as_json:
        for statistics in found:
            context.write(render.json_line(statistics.to_json()))
    elif context.is_terminal():
        views.print_statistics(context, found)
    else:
        for statistics in found:
            context.write(views.statistics_line(statistics))
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
) -> int:
    """Prints how two runs differ; 1 if they do and that was asked for."""
    from aivcs.cli.render import output as render
    from aivcs.cli.run import comparison_view as view
    from aivcs.commands.run.diff import compare_runs

    repo = context.repository()
    a, b = (repo.resolve_run(context.run_operand(run)) for run in (before, after))
    found = compare_runs(repo, a, b, ignored)
    if as_json:
        context.write(render.json_line(view.as_json(found)))
    else:
        render.lines(context, view.plain(found), lambda color: view.shown(found, color=color))
    return int(exit_code and not found.is_equal)


def reap(
    context: "Context", runs: "list[str]", older_than: "str | None", dry_run: bool, as_json: bool
) -> int:
    """Prints the ids of the runs that were reaped, and says why; 15 or 14 if one was refused."""
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
            context.tell(render.escape(f"{outcome.run_id}: {outcome.reason}"))
    if left and not as_json:
        context.tell(
            f"{left} running {'run' if left == 1 else 'runs'} left alone: nothing proves that "
            f"{'it is an orphan' if left == 1 else 'they are orphans'}"
        )
    return code


def _tell_likely_agent(context: "Context", agent: str) -> None:
    """Tells a person who sees no runs of a mistyped agent that there is another."""
    from aivcs.cli.hints import nearest_agent
    from aivcs.cli.render.output import escape

    near = nearest_agent(context.repository(), agent)
    if near:
        context.tell(f"hint: no runs of {escape(agent)}; did you mean {escape(near)}?")
