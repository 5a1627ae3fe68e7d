"""`aivcs run exec` at the terminal."""

import os
import sys

from aivcs.cli.exec import Execution, Outcome
from aivcs.cli.exec.process import StartError
from aivcs.cli.exec.signals import Signals, require_signals
from aivcs.cli.run.handlers import annotate, surroundings
from aivcs.cli.session.interrupt import end_by_interrupt
from aivcs.commands.run import run as commands
from aivcs.commands.run.record import NONE, Recording
from aivcs.errors import InvalidRunStateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository

FAILED = 125
"""What `env`, `timeout` and `nohup` exit with, too, when it is they who failed."""


def exec_(
    context: "Context",
    command: "list[str]",
    agent: str,
    spec: "str | None",
    spec_file: "str | None",
    git_sha: "str | None",
    tags: "list[str]",
    allow_missing_spec: bool,
    capture: str,
    no_redact: bool,
    github_annotations: bool,
) -> int:
    """Executes a command, records it as a run, and exits as it did."""
    try:
        require_signals()
        repo = context.repository()
        if git_sha is None:
            from aivcs.cli.session.git_identity import commit

            git_sha = commit(context)
        folder = context.working_directory()
        secrets = None if no_redact else _secrets(context, repo)
        run_id = commands.start(
            repo,
            agent=agent,
            spec=spec,
            spec_file=spec_file,
            git_sha=git_sha,
            tags=tags,
            allow_missing_spec=allow_missing_spec,
            owner_pid=os.getpid(),
            surroundings=surroundings(context),
        )
        signals = Signals()
        recording = Recording(repo, run_id, capture, secrets)
        recording.begin(command, folder)
    except Exception as error:  # noqa: BLE001 none of our own exit codes may pass for the command's
        from aivcs.cli.exit_codes import report

        report(context, error)
        return FAILED
    environment = {**context.environment, "AIVCS_RUN": run_id, "AIVCS_STORE": repo.path}
    # Whoever passes output on must not wait long for whoever makes events of it.
    sys.setswitchinterval(0.0005)
    outcome = Outcome()
    try:
        execution = Execution(None if capture == NONE else recording.take)
        outcome = execution.run(command, environment, signals, started=recording.listen)
    except StartError as error:
        context.tell(f"aivcs: {error}")
        outcome.exit_code = error.exit_code
    except OSError as error:
        context.tell(f"aivcs: cannot execute {command[0]!a}: {error.strerror}")
        outcome.exit_code = FAILED
    code = _finish(context, recording, outcome)
    if github_annotations:
        annotate(context, run_id, agent, _status(outcome), code)
    if outcome.is_interrupted:
        end_by_interrupt(whole_group=execution.has_session)
    return code


def _secrets(context: "Context", repo: "Repository") -> "dict[bytes, str]":
    """The values that are not to be recorded, by all that any configuration says."""
    from aivcs.trace.redaction import PATTERNS, find_secrets

    patterns = list(PATTERNS)
    for _, values in context.config_layers(repo):
        patterns += values.get("exec.redact", [])
    return find_secrets(context.environment, patterns)


def _status(outcome: Outcome) -> str:
    status = commands.status_of(outcome.exit_code)
    return "cancelled" if outcome.was_told and status == "failed" else status


def _finish(context: "Context", recording: Recording, outcome: Outcome) -> int:
    """Ends the run, says what went wrong on our side, and returns the exit code."""
    name = ""
    if outcome.signal:
        from signal import Signals as Names

        name = Names(outcome.signal).name
    recording.close()
    failure = recording.failure
    try:
        recording.finish(_status(outcome), outcome.exit_code, name, outcome.duration_ms)
    except Exception as error:  # noqa: BLE001 reported below
        failure = failure or error
    failed = False
    if isinstance(failure, InvalidRunStateError):  # the command did as it pleased
        context.tell(
            f"aivcs: run {recording.run_id} was ended by the command itself; "
            "what came afterwards is not recorded"
        )
    elif failure is not None:
        from aivcs.cli.exit_codes import report

        report(context, failure)
        context.tell(f"aivcs: run {recording.run_id} is not recorded to its end")
        failed = True
    if outcome.failure is not None:
        context.tell(f"aivcs: cannot write the output of the command: {outcome.failure.strerror}")
        failed = True
    return outcome.exit_code or (FAILED if failed else 0)
