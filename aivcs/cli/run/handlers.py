"""Handlers of the commands that write runs: each calls its command and prints the result."""

from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


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
    if git_sha in {None, "HEAD"}:
        from aivcs.cli.session.git_identity import commit

        git_sha = commit(context, is_required=git_sha is not None)
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
    variables = ""
    if ci_files:
        from aivcs.cli.session.ci_tags import assignment

        store = context.name_of(repo)
        if "://" in store:
            from aivcs.config.trust import refuse_password

            refuse_password(store, "the file of a CI system")
        # What follows may be elsewhere in the file system, and would find another store or none.
        variables = assignment("AIVCS_STORE", store)
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
        try:
            ci_file.append(assignment("AIVCS_RUN", run_id) + variables)
        except BackendError as error:
            end = f"aivcs run finish {run_id}"
            raise BackendError(f"{error}; the run was started, and ends by: {end}") from error


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
    """Does nothing: the push at the end of the run replaces the push after each append."""


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
