"""Handler of `aivcs run exec`: executes a command and records it as a run."""

import os
import sys

from aivcs.cli.exec import CommandRunner, Outcome
from aivcs.cli.exec.process import AIVCS_FAILED, StartError
from aivcs.cli.exec.signals import Signals, require_signals
from aivcs.cli.run.handlers import annotate, ci_tags, lineage
from aivcs.cli.session.interrupt import end_by_interrupt
from aivcs.commands.run.exec import NONE, OVER_BUDGET, Recording
from aivcs.commands.run.finish import status_of
from aivcs.commands.run.start import start
from aivcs.errors import InvalidRunStateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.exec.budget import Budget
    from aivcs.cli.session.ci_files import CiFile
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository
    from aivcs.trace.budget import Exceeded, Limits

_USAGE_EXIT_CODES = {2, 12, 13, 15}
"""Exit codes of errors in the call, as opposed to failures of the store."""


def exec_(
    context: "Context",
    command: "list[str]",
    agent: str,
    spec: "str | None",
    spec_file: "str | None",
    git_sha: "str | None",
    tags: "list[str]",
    allow_missing_spec: bool,
    parent: "str | None",
    origin: "str | None",
    capture: str,
    events: "str | None",
    max_cost: "float | None",
    max_tokens: "int | None",
    max_time: "str | None",
    max_repeats: "int | None",
    no_redact: bool,
    id_file: "str | None",
    best_effort: bool,
    github_annotations: bool,
) -> int:
    """Executes a command, records it as a run, and exits with the command's exit code."""
    begun: Recording | None = None
    recording: Recording | None = None
    signals: Signals | None = None
    environment = dict(context.environment)
    # A command that is not recorded is not part of a surrounding run either.
    environment.pop("AIVCS_RUN", None)
    environment.pop("AIVCS_PARENT", None)
    try:
        require_signals()
        limits = _limits(max_cost, max_tokens, max_time, max_repeats)
        written = _id_file(id_file)
    except Exception as error:  # noqa: BLE001 our own exit codes must not pass for the command's
        _report(context, error)
        return AIVCS_FAILED
    try:
        begun = _start(
            context,
            capture,
            events,
            no_redact=no_redact,
            agent=agent,
            spec=spec,
            spec_file=spec_file,
            git_sha=git_sha,
            tags=tags,
            allow_missing_spec=allow_missing_spec,
            **lineage(context, parent, origin),
        )
        signals = Signals()
        begun.begin(command, context.working_directory())
        environment |= {"AIVCS_RUN": begun.run_id, "AIVCS_STORE": context.name_of(begun.repo)}
        environment["AIVCS_PARENT"] = begun.run_id  # of the runs that the command starts
        recording = begun
        if written is not None:
            written.replace(f"{begun.run_id}\n")
    except Exception as error:  # noqa: BLE001 as above
        is_refused = _report(context, error) in _USAGE_EXIT_CODES or not best_effort
        if begun is not None and (is_refused or recording is None):
            _abandon(context, begun, error)
        if is_refused:
            return AIVCS_FAILED
        told = f"as run {recording.run_id}" if recording else "and nothing of it is recorded"
        context.warn(f"aivcs: the command runs anyway, {told}")
    budget = None
    if limits is not None:
        from aivcs.cli.run.exec_budget import open_budget

        budget = open_budget(context, limits, recording)
    # The threads that pass output on must not wait long for those that store it.
    sys.setswitchinterval(0.0005)
    outcome = Outcome()
    try:
        take = None
        if recording is not None and not (capture == NONE and events is None):
            take = recording.take
        runner = CommandRunner(take, may_end=budget is not None)
        outcome = runner.run(
            command,
            environment,
            signals or Signals(),
            started=lambda: _listen(recording, budget, runner),
        )
    except StartError as error:
        context.warn(f"aivcs: {error}")
        outcome.exit_code = error.exit_code
    except OSError as error:
        context.warn(f"aivcs: cannot execute {command[0]!a}: {error.strerror}")
        outcome.exit_code = AIVCS_FAILED
    code = _conclude(context, recording, outcome, budget, best_effort=best_effort)
    if recording is not None and github_annotations:
        annotate(context, recording.run_id, agent, _status(outcome), code)
    if outcome.is_interrupted:
        end_by_interrupt(whole_group=runner.has_session)
    return code


def _start(
    context: "Context",
    capture: str,
    events: "str | None",
    *,
    no_redact: bool,
    git_sha: "str | None",
    **what: "Any",
) -> Recording:
    """Starts a run, and returns what records it."""
    repo = context.recorder()
    if context.spool is not None:
        from aivcs.cli.session import spooling

        repo, what["spec"], is_away = spooling.prepare(
            context, repo, what["agent"], what["spec"], None
        )
        what["allow_missing_spec"] |= is_away
        what["relatives"] = context.recorder
    if git_sha in {None, "HEAD"}:
        from aivcs.cli.session.git_identity import commit

        git_sha = commit(context, is_required=git_sha is not None)
    context.working_directory()  # fails if it was removed
    secrets = None if no_redact else _secrets(context, repo)
    masker = None
    if events is not None:
        from aivcs.cli.run.import_handlers import masker_of
        from aivcs.formats.registry import find_format

        events = events if events == "auto" else find_format(events).name
        masker = None if no_redact else masker_of(context, context.config_layers(repo))
    run_id = start(
        repo, git_sha=git_sha, owner_pid=os.getpid(), default_tags=ci_tags(context), **what
    )
    return Recording(repo, run_id, capture, secrets, events=events, masker=masker)


def _abandon(context: "Context", begun: Recording, error: Exception) -> None:
    """Ends a run whose command is not executed, or not recorded, as failed."""
    begun.failure = error
    try:
        begun.finish("failed", AIVCS_FAILED, "", 0)
    except InvalidRunStateError:
        pass  # it was ended by somebody else
    except Exception:  # noqa: BLE001 the error before says why
        context.warn(f"aivcs: {_still_running(f'run {begun.run_id}', begun, AIVCS_FAILED)}")
    else:
        context.warn(f"aivcs: run {begun.run_id} was started, and has ended as failed")


def _still_running(name: str, recording: Recording, exit_code: int) -> str:
    end = f"aivcs run finish {recording.run_id} --exit-code {exit_code}"
    return f"{name} is still running there, and ends by: {end}"


def _id_file(path: "str | None") -> "CiFile | None":
    if path is None:
        return None
    from aivcs.cli.session.ci_files import CiFile

    file = CiFile(path, "--id-file")
    file.replace("")  # an old id must not pass for this run's, should it fail to start
    return file


def _limits(
    cost: "float | None", tokens: "int | None", time: "str | None", repeats: "int | None"
) -> "Limits | None":
    if (cost, tokens, time, repeats) == (None, None, None, None):
        return None
    from aivcs.cli.run.exec_budget import limits_of

    return limits_of(cost, tokens, time, repeats)


def _listen(recording: "Recording | None", budget: "Budget | None", runner: CommandRunner) -> None:
    """Starts the threads that record the command and watch its budget."""
    if recording is not None:
        recording.listen()
    if budget is not None:
        budget.listen(runner.end)


def _conclude(
    context: "Context",
    recording: "Recording | None",
    outcome: Outcome,
    budget: "Budget | None",
    *,
    best_effort: bool,
) -> int:
    """Ends the recording, tells of an exceeded budget, and returns the exit code."""
    exceeded = None
    if budget is not None:
        from aivcs.cli.run.exec_budget import report_budget

        budget.close()
        exceeded = budget.exceeded if outcome.is_ended else None
        report_budget(context, budget, exceeded, outcome.survivors)
    code = outcome.exit_code
    if recording is not None:
        code = _finish(context, recording, outcome, exceeded, best_effort=best_effort)
        if context.spool is not None:
            from aivcs.cli.session.spooling import push_at_end

            push_at_end(context)
    return code if exceeded is None else OVER_BUDGET


def _report(context: "Context", error: Exception) -> int:
    from aivcs.cli.exit_codes import report

    return report(context, error)


def _secrets(context: "Context", repo: "Repository") -> "dict[bytes, str]":
    """Returns the values to mask, named by the patterns of aivcs and of all configuration files."""
    from aivcs.trace.redaction import PATTERNS, find_secrets

    patterns = list(PATTERNS)
    for _, values in context.config_layers(repo):
        patterns += values.get("exec.redact", [])
    return find_secrets(context.environment, patterns)


def _status(outcome: Outcome) -> str:
    status = status_of(outcome.exit_code)
    if outcome.is_ended:
        return "failed"
    return "cancelled" if outcome.was_told and status == "failed" else status


def _finish(
    context: "Context",
    recording: Recording,
    outcome: Outcome,
    exceeded: "Exceeded | None",
    *,
    best_effort: bool,
) -> int:
    """Ends the run, reports failures of aivcs, and returns the exit code."""
    name = ""
    if outcome.signal:
        from signal import Signals as Names

        name = Names(outcome.signal).name
    recording.close()
    failure = recording.failure
    has_ended = False
    try:
        recording.finish(_status(outcome), outcome.exit_code, name, outcome.duration_ms, exceeded)
        has_ended = True
    except Exception as error:  # noqa: BLE001 reported below
        failure = failure or error
    failed = False
    if isinstance(failure, InvalidRunStateError):  # the command did as it pleased
        context.warn(
            f"aivcs: run {recording.run_id} was ended by the command itself; "
            "the rest is not recorded"
        )
    elif failure is not None:
        if getattr(failure, "is_store_away", False):  # without the advice to do it all again
            context.warn(f"aivcs: cannot reach {failure.store}: {failure.reason}", is_error=True)  # type: ignore[attr-defined]
        else:
            _report(context, failure)
        rest = "" if has_ended else f"; {_still_running('it', recording, outcome.exit_code)}"
        context.warn(f"aivcs: run {recording.run_id} is not recorded to its end{rest}")
        failed = not best_effort
    if outcome.failure is not None:
        context.warn(f"aivcs: cannot write the output of the command: {outcome.failure.strerror}")
        failed = True
    return outcome.exit_code or (AIVCS_FAILED if failed else 0)
