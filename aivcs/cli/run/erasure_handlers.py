"""Handlers of the commands that erase: each prints a line for each record."""

from __future__ import annotations

from aivcs.cli.render import output as render
from aivcs.cli.run.erasure_view import counted, write_pruned, write_records
from aivcs.cli.session import spooled_runs
from aivcs.cli.session.git_identity import actor
from aivcs.errors import UsageError
from aivcs.model.erasure import BLOB
from aivcs.model.record import parse_seq
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.model.erasure import StoredErasure
    from aivcs.model.run import RunStatus
    from aivcs.repository import Repository
    from aivcs.store.statements import Signer


def redact(
    context: Context,
    run: str,
    seqs: list[str],
    match: str | None,
    pointer: str | None,
    reason: str,
    with_blobs: bool,
    keep_masked: bool,
    force: bool,
    by: str | None,
    sign: bool,
    signing_key: str | None,
    as_json: bool,
) -> None:
    """Prints a line for each record; what to do next on stderr."""
    from aivcs.commands.run.redact import redact

    run = context.run_operand(run)
    numbers = [_seq(text) for text in seqs]
    spooled = spooled_runs.find_spooled(context, run)
    repo, releases = context.repository() if spooled is None or not spooled.waits else None, None
    if repo is None:
        assert spooled is not None
        repo = spooled.day
        if with_blobs and not force:
            releases = spooled_runs.store_with_releases(context, spooled, is_needed=True)
    done = redact(
        repo,
        run if spooled is None else spooled.run_id,
        numbers,
        by=actor(context) if by is None else by,
        reason=reason,
        match=match,
        pointer=pointer,
        keep_masked=keep_masked,
        with_blobs=with_blobs,
        force=force,
        signer=signer_of(context, repo, signing_key, sign=sign),
        releases=releases,
    )
    write_records(context, done.records, as_json=as_json)
    if spooled is not None and repo is spooled.day:
        spooled_runs.push_erasures(context, spooled)
    elif spooled is not None:
        spooled_runs.erase_copy(spooled, repo, done.records)
    for sentence in done.left:
        context.warn(f"aivcs: warning: {render.escape(sentence)}")
    if not done.records:
        context.warn("nothing to do: it was redacted before")
        return
    context.warn(
        f"erased {counted(done.records)}. The kept hash confirms a guess, and there may be other "
        "copies: replace the secret"
    )


def rm(
    context: Context,
    runs: list[str],
    reason: str,
    with_blobs: bool,
    force: bool,
    by: str | None,
    sign: bool,
    signing_key: str | None,
    as_json: bool,
) -> None:
    """Prints a line for each run and blob; how many blobs stay on stderr."""
    from aivcs.commands.erasing import ErasureRequest
    from aivcs.commands.run.rm import erased_log, rm

    by = actor(context) if by is None else by
    left = 0

    def erase_in(
        repo: Repository, names: list[str], releases: Repository | None = None
    ) -> list[StoredErasure]:
        nonlocal left
        request = ErasureRequest(by, reason, signer_of(context, repo, signing_key, sign=sign))
        done, others = rm(
            repo, names, request, with_blobs=with_blobs, force=force, releases=releases
        )
        left += others
        logs = [one for one in done if one.value.what != BLOB]
        write_records(context, logs, as_json=as_json)
        if not as_json:
            write_records(context, done[: -len(logs)], as_json=False)
        return done

    waiting, there = spooled_runs.divide(context, [context.run_operand(run) for run in runs])
    for spooled in waiting:
        erased_log(spooled.day, spooled.run_id)  # all are checked before any is erased
    if there:
        repo = context.repository()
        done = erase_in(repo, list(there))
        for copy in filter(None, there.values()):
            spooled_runs.erase_copy(copy, repo, done)
    for spooled in waiting:
        releases = None
        if not force:
            releases = spooled_runs.store_with_releases(context, spooled, is_needed=with_blobs)
        erase_in(spooled.day, [spooled.run_id], releases)
        spooled_runs.push_erasures(context, spooled)
    if left:
        context.warn(
            f"{count(left, 'other blob')} that the runs named {'is' if left == 1 else 'are'} still "
            "here: aivcs gc --grace 0s deletes what nothing else names; --with-blobs erases such "
            "blobs with the run"
        )


def prune(
    context: Context,
    older_than: str | None,
    keep_last: int | None,
    agents: list[str],
    statuses: list[str],
    tags: list[str],
    most: int | None,
    reason: str | None,
    force: bool,
    dry_run: bool,
    by: str | None,
    sign: bool,
    signing_key: str | None,
    as_json: bool,
) -> None:
    """Prints the id of each run; on stderr how many they are, and their bytes."""
    from aivcs.cli.render.time_format import parse_duration
    from aivcs.commands.erasing import ErasureRequest
    from aivcs.commands.run.list import list_
    from aivcs.commands.run.prune import Rules, prune

    seconds = None if older_than is None else parse_duration("--older-than", older_than)
    repo = context.repository()
    among = None
    if agents or statuses or tags:
        among = list_(
            repo,
            agents=agents,
            statuses=[_status(status) for status in statuses],
            tags=tags,
            unreadable=lambda run_id, error: context.warn(f"aivcs: warning: {run_id}: {error}"),
        )
    said = "" if older_than is None else f" older than {older_than}"
    said += "" if keep_last is None else f" beyond the last {keep_last} of an agent"
    request = ErasureRequest(
        actor(context) if by is None else by,
        f"pruned runs{said}" if reason is None else reason,
        signer_of(context, repo, signing_key, sign=sign),
    )
    done = prune(
        repo,
        Rules(seconds, keep_last),
        request,
        among=among,
        most=most,
        force=force,
        dry_run=dry_run,
    )
    write_pruned(context, done, dry_run=dry_run, as_json=as_json)


def prune_by_retention(context: Context, repo: Repository, *, dry_run: bool, as_json: bool) -> None:
    """Erases the runs that the store's `retention.*` lets go, and prints as `prune`.

    Raises:
        UsageError: It has no rule, or not a valid one.
    """
    from aivcs.config.layers import parse_config
    from aivcs.repository import CONFIG

    # The user's file does not count: what goes from a store is for the store to say.
    own, _ = repo.store.documents.read(CONFIG) or (b"", "")
    found: dict[str, Any] = {
        key.removeprefix("retention."): value
        for key, value in parse_config(own, f"{repo.path}/{CONFIG}").items()
        if key.startswith("retention.")
    }
    age, last = found.get("older_than") or None, found.get("keep_last")
    if age is None and last is None:
        raise UsageError(
            "nothing says which runs go: aivcs config set retention.older_than 90d, "
            "or retention.keep_last N"
        )
    prune(
        context, age, last, found.get("agents", []), found.get("statuses", []),
        found.get("tags", []), None, None, False, dry_run, None, False, None, as_json,
    )  # fmt: skip


def signer_of(
    context: Context, repo: Repository, signing_key: str | None, *, sign: bool
) -> Signer | None:
    """Returns what signs the records; None if nothing does."""
    if not sign and signing_key is None:
        return None
    from aivcs.config.signers import signer

    return signer(context.config_layers(repo), context.environment, signing_key)


def _status(text: str) -> RunStatus:
    from aivcs.errors import InvalidDigestError, SerializationError
    from aivcs.model.run import RunStatus

    try:
        return RunStatus(text.upper())
    except (ValueError, SerializationError, InvalidDigestError) as error:
        raise UsageError(
            f"{text[:80]!a} is not a status: completed, failed or cancelled"
        ) from error


def _seq(text: str) -> int:
    number = parse_seq(text)
    if number is None:
        raise UsageError(f"{text[:80]!a} is not the seq of an event: write a whole number")
    return number
