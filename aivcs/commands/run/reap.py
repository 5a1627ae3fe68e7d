"""`aivcs run reap`: ends runs whose owner can no longer end them.

`aivcs.trace.liveness` decides which runs are orphans. The last event, with the reason, and the end
are appended together. A run that ends or continues in the meantime is left alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.store.clock import agreed_now
from aivcs.errors import (
    AivcsError,
    ConflictError,
    InvalidRunStateError,
    OutcomeUnknownError,
    RunNotFoundError,
    StorageError,
)
from aivcs.model.run import RunEvent, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.sync.homes import unmark_copy
from aivcs.trace.liveness import GONE, LEAVE, Verdict, judge_owner, judge_run
from aivcs.trace.process_identity import find_process, here

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aivcs.model.record import Head
    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.trace.liveness import Place

ORPHANED_KIND = "orphaned"
"""The kind of the last event of a reaped run."""


class Outcome(NamedTuple):
    """The result for one run.

    Attributes:
        run_id: The run.
        is_orphan: Whether it was found to be an orphan.
        is_reaped: Whether it was ended; not with a dry run.
        reason: Why, as the end of a sentence.
        error: Why a named run was not reaped, or why a run cannot be read.
    """

    run_id: RunId
    is_orphan: bool
    is_reaped: bool
    reason: str
    error: AivcsError | None = None


def reap(
    repo: Repository,
    runs: Sequence[str] = (),
    *,
    older_than: Timestamp | None = None,
    dry_run: bool = False,
) -> Iterator[Outcome]:
    """Ends orphaned runs as FAILED. Yields the result for each RUNNING run.

    Args:
        repo: The repository.
        runs: The runs to look at; none for all. A run that is named needs no proof.
        older_than: Runs without a sign of life since this time need no proof either.
        dry_run: Report only, change nothing.

    Raises:
        RunNotFoundError: A named run does not exist. Nothing was changed.
    """
    place = here()
    named = list(dict.fromkeys(repo.resolve_run(run) for run in runs))
    for run_id in named:
        repo.runs.get_run(run_id)
    return _outcomes(repo, named, place, older_than, dry_run=dry_run)


def _outcomes(
    repo: Repository,
    named: list[RunId],
    place: Place,
    older_than: Timestamp | None,
    *,
    dry_run: bool,
) -> Iterator[Outcome]:
    for run_id, error in ((run_id, None) for run_id in named) if named else _running(repo):
        if error is not None:
            yield Outcome(run_id, False, False, str(error), error)
            continue
        try:
            outcome = _look_at(
                repo, run_id, place, older_than, is_named=bool(named), dry_run=dry_run
            )
        except RunNotFoundError:
            continue  # gone since
        except OutcomeUnknownError:
            raise
        except StorageError as failure:  # one run that cannot be read or locked is not all of them
            if failure.is_store_away:
                raise
            outcome = Outcome(run_id, False, False, str(failure), failure)
        if outcome is not None:
            yield outcome


def _running(repo: Repository) -> Iterator[tuple[RunId, StorageError | None]]:
    """Yields the RUNNING runs, and the unreadable ones with the error."""
    unread: list[tuple[RunId, StorageError]] = []
    records = repo.runs.iter_runs(
        status=RunStatus.RUNNING,
        unreadable=lambda run_id, error: unread.append((run_id, error)),
    )
    for record in records:
        yield from unread
        unread.clear()
        yield record.run_id, None
    yield from unread


def _look_at(
    repo: Repository,
    run_id: RunId,
    place: Place,
    older_than: Timestamp | None,
    *,
    is_named: bool,
    dry_run: bool,
) -> Outcome | None:
    """Judges one run and ends it if it is an orphan; None if it is over and was not named."""
    record = repo.runs.get_run(run_id)
    if record.status.is_terminal:
        if is_named:
            raise InvalidRunStateError(run_id, record.status, RunStatus.RUNNING)
        return None
    is_copy = repo.home_of(run_id) is not None
    if is_copy and older_than is None and not is_named:
        older_than = _lost_since(repo)
    owner = None
    if record.owner is not None and not is_copy:  # its owner was on another machine
        owner = judge_owner(record.owner, place, find_process(record.owner.pid))
    head = last_sign = None
    if older_than is not None and (owner is None or owner.what != GONE):
        # The head first: it reveals lines that are appended after it was read.
        head = repo.runs.head(run_id)
        last_sign = _last_sign(repo, record)
    verdict = judge_run(owner, is_named=is_named, last_sign=last_sign, older_than=older_than)
    if verdict.what == LEAVE:
        refused = ConflictError(f"run {run_id} was left alone: {verdict.reason}")
        return Outcome(run_id, False, False, verdict.reason, refused if is_named else None)
    if dry_run:
        return Outcome(run_id, True, False, verdict.reason)
    try:
        if is_copy:
            unmark_copy(repo, run_id)
        _end(repo, run_id, verdict, head)
    except (ConflictError, InvalidRunStateError) as error:
        return Outcome(run_id, False, False, str(error), error if is_named else None)
    return Outcome(run_id, True, True, verdict.reason)


def require_lost(repo: Repository, run_id: RunId) -> None:
    """Requires that the copy of a run, which goes on elsewhere, has heard nothing for long.

    Raises:
        BackendError: The store's clock and this machine's differ too much to tell.
        ConflictError: It was heard of within the setting `run.lost_after`, and may still go on.
    """
    last_sign = _last_sign(repo, repo.runs.get_run(run_id))
    if last_sign < _lost_since(repo):
        return
    raise ConflictError(
        f"run {run_id} was heard of at {last_sign} and may still go on at its home, "
        f"{repo.home_of(run_id)}. It counts as lost after {repo.store.settings.lost_after:g} s "
        f"(run.lost_after). If you know that it is: aivcs run reap {run_id}"
    )


def _lost_since(repo: Repository) -> Timestamp:
    """Returns the time since which a copy must have heard nothing to count as lost."""
    lost_after = timedelta(seconds=repo.store.settings.lost_after)
    return Timestamp.from_datetime(datetime.fromtimestamp(agreed_now(repo), UTC) - lost_after)


def _end(repo: Repository, run_id: RunId, verdict: Verdict, head: Head | None) -> None:
    event = RunEvent(ORPHANED_KIND, {"reason": verdict.reason})
    repo.runs.fail_run(run_id, RunSummary(success=False), event=event, expect=head)


def _last_sign(repo: Repository, record: RunRecord) -> Timestamp:
    """Returns the latest time in the run's log: timestamps of events may be long ago."""
    latest = record.created_at
    for event in repo.runs.iter_events(record.run_id):
        if event.timestamp is not None and event.timestamp > latest:
            latest = event.timestamp
    return latest
