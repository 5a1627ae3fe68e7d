"""`aivcs release`: what is live under each name."""

from aivcs import errors
from aivcs.errors import StorageError, UsageError
from aivcs.model import ContentDigest, Evidence, ReleaseMetadata, check_release_name
from aivcs.repository import MIN_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.commands.release.history import HistoryEntry
    from aivcs.marks import BlockMark
    from aivcs.model import ReleaseRecord
    from aivcs.policy.enforce import GuardedReleases
    from aivcs.repository import Repository


def promote(
    repo: "Repository",
    name: str,
    spec: str,
    *,
    by: str,
    label: "str | None" = None,
    notes: "str | None" = None,
    expect: "str | None" = None,
    allow_missing_spec: bool = False,
    evidence: "Sequence[str]" = (),
    force: bool = False,
    dry_run: bool = False,
    guard: "GuardedReleases | None" = None,
) -> "tuple[ReleaseRecord | None, ReleaseRecord]":
    """Makes a spec live; returns what was live, and the new entry.

    Args:
        repo: Where.
        name: The agent's name.
        spec: What is to be live, as for `Repository.resolve_spec`.
        by: Who promotes.
        label: A name for the release.
        notes: Why.
        expect: What must be live now, as for `Repository.resolve_expectation`.
        allow_missing_spec: Whether the spec need not be stored.
        evidence: Runs that speak for it, as for `Repository.resolve_run`; all must be over.
        force: Whether policies may be overridden; then notes must say why. No block is. It is
            recorded only where there was a rule that was broken.
        dry_run: Whether nothing is to be changed: the new entry is what would be.
        guard: The policies and the signer that it has to pass, if there are any.

    Raises:
        UsageError: A reason is missing.
        InvalidNameError: Name or label break the rules.
        NotFoundError: The spec is not in the store.
        RunNotFoundError: A run that is to be evidence is not there.
        InvalidRunStateError: It is not over, so that nobody can say what it will have shown.
        ConflictError: Something else than expected is live, or the spec is blocked.
    """
    check_release_name(name)
    if force and not (notes or "").strip():
        raise UsageError("--force needs --notes, which are recorded")
    metadata = ReleaseMetadata(by, version_label=label, notes=notes)
    with repo.hold():
        digest = repo.resolve_spec(spec, allow_missing=allow_missing_spec)
        expected = None if expect is None else repo.resolve_expectation(expect)
        runs = _evidence(repo, evidence) if evidence else ()
        seen = repo.releases.current(name)
        after = (guard or repo.releases).promote(
            name,
            digest,
            metadata,
            expect=expected,
            evidence=runs,
            forced=force and guard is not None,
            dry_run=dry_run,
        )
    return _before(repo, seen, after), after


def rollback(
    repo: "Repository",
    name: str,
    *,
    by: str,
    to: "str | None" = None,
    reason: "str | None" = None,
    expect: "str | None" = None,
    block: bool = False,
    force: bool = False,
    dry_run: bool = False,
    guard: "GuardedReleases | None" = None,
) -> "tuple[ReleaseRecord | None, ReleaseRecord]":
    """Makes an earlier release live again; returns what was live, and the new entry.

    Args:
        repo: Where.
        name: The agent's name.
        by: Who rolls back.
        to: What to return to, as for `Repository.resolve_target`; None is the previous release.
        reason: Why.
        expect: What must be live now, as for `Repository.resolve_expectation`.
        block: Whether to block what was live; then a reason must be given.
        force: As for `promote`; then a reason must be given.
        dry_run: Whether nothing is to be changed: the new entry is what would be.
        guard: As for `promote`.

    Raises:
        UsageError: A reason is missing.
        ReleaseNotFoundError: Nothing was released under the name, or never the target.
        NoPreviousReleaseError: There is nothing below the live release.
        ConflictError: Something else than expected is live, or what would be is blocked.
    """
    check_release_name(name)
    if (block or force) and not (reason or "").strip():
        raise UsageError(f"{'--block' if block else '--force'} needs a --reason, which is recorded")
    metadata = ReleaseMetadata(by, notes=reason)
    with repo.hold():
        target = None if to is None else repo.resolve_target(name, to)
        expected = None if expect is None else repo.resolve_expectation(expect)
        seen = repo.releases.current(name)
        after = (guard or repo.releases).rollback(
            name,
            to=target,
            metadata=metadata,
            expect=expected,
            block=block,
            forced=force and guard is not None,
            dry_run=dry_run,
        )
    return _before(repo, seen, after), after


def block(repo: "Repository", name: str, target: str, *, by: str, reason: str) -> "BlockMark":
    """Marks a spec as bad under a name; returns the mark.

    Args:
        repo: Where.
        name: The agent's name.
        target: The spec, as for `resolve_released`.
        by: Who blocks it.
        reason: Why.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: Nothing was released under the name, or not the target.
        AmbiguousError: A prefix fits several releases of the name.
        InvalidNameError: The reason or the actor is empty.
    """
    return repo.releases.block(name, resolve_released(repo, name, target), by=by, reason=reason)


def unblock(repo: "Repository", name: str, target: str, *, by: str, reason: str) -> "BlockMark":
    """Takes a block back; returns the mark.

    Args:
        repo: Where.
        name: The agent's name.
        target: The spec, as for `resolve_released`, or the prefix of one that is blocked.
        by: Who takes it back.
        reason: Why.

    Raises:
        UsageError: The target is empty.
        ReleaseNotFoundError: Nothing was released under the name, or not the target.
        AmbiguousError: A prefix fits several that are blocked, or several releases.
        ConflictError: It is not blocked.
    """
    blocked = sorted(mark.spec_digest for mark in repo.releases.blocks(name))
    fitting = [d for d in blocked if len(target) >= MIN_PREFIX and d.startswith(target.lower())]
    if len(fitting) > 1:
        raise errors.AmbiguousError("digest", target, list(map(str, fitting)))
    digest = fitting[0] if fitting else resolve_released(repo, name, target)
    return repo.releases.unblock(name, digest, by=by, reason=reason)


def resolve_released(repo: "Repository", name: str, text: str) -> "ContentDigest":
    """Returns the spec that @SEQ, a label, `current`, or a digest or its prefix names.

    A whole digest need not have been released.

    Raises:
        UsageError: The text is empty.
        ReleaseNotFoundError: Nothing was released under the name, or not this.
        AmbiguousError: A prefix fits several releases of the name.
    """
    from aivcs.log.release import find_release

    check_release_name(name)
    if len(text) == 64:
        try:
            return ContentDigest(text)
        except errors.InvalidDigestError:
            pass  # a long label
    live = current(repo, name)
    if text == "current":
        return live.spec_digest
    try:
        target = repo.resolve_target(name, text)
    except errors.ReleaseNotFoundError as error:
        raise errors.ReleaseNotFoundError(
            name,
            f"{name} has no release {text}; "
            "a spec that was never released is named by its whole digest",
        ) from error
    if isinstance(target, ContentDigest):
        return target
    return find_release(name, repo.releases.iter_history(name), target).spec_digest


def _evidence(repo: "Repository", runs: "Sequence[str]") -> "tuple[Evidence, ...]":
    """The runs with the heads of their logs, which change no more."""
    found: dict[str, Evidence] = {}
    for text in runs:
        run_id = repo.resolve_run(text)
        record = repo.runs.get_run(run_id)
        if not record.status.is_terminal:
            raise errors.InvalidRunStateError(
                run_id,
                record.status,
                "over",
                f"run {run_id} is still running, so it is no evidence yet; "
                f"end it with: aivcs run finish {run_id}",
            )
        found[run_id] = Evidence(run_id, repo.runs.head(run_id))
    return tuple(found.values())


def _before(
    repo: "Repository", seen: "ReleaseRecord | None", after: "ReleaseRecord"
) -> "ReleaseRecord | None":
    """What was live when an entry was made, given what was seen to be live just before.

    The change is made: that it cannot be told exactly what it replaced must not look like failure.
    """
    if after.seq == (seen.seq if seen else 0) + 1:
        return seen
    try:
        return next((r for r in repo.releases.iter_history(after.name) if r.seq < after.seq), None)
    except StorageError:
        return seen


def current(repo: "Repository", name: str) -> "ReleaseRecord":
    """Returns the entry that says what is live.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name.
    """
    record = repo.releases.current(name)
    if record is None:
        raise errors.ReleaseNotFoundError(name)
    return record


def is_blocked(repo: "Repository", record: "ReleaseRecord") -> bool:
    """Tells whether a release's spec is blocked, so that no rollback can return to it.

    What cannot be read is taken for not blocked: whoever tries the rollback is told.
    """
    try:
        return repo.releases.find_block(record.name, record.spec_digest) is not None
    except StorageError:
        return False


def list_(repo: "Repository") -> "tuple[list[HistoryEntry], list[StorageError]]":
    """Returns what is live under each name, by name, and what is wrong where it cannot be read."""
    from aivcs.commands.release.history import CURRENT, HistoryEntry

    live: list[HistoryEntry] = []
    damaged: list[StorageError] = []
    for name in repo.releases.list_names():
        try:
            record = repo.releases.current(name)
            if record is None:
                continue
            is_blocked = repo.releases.find_block(name, record.spec_digest) is not None
        except StorageError as error:
            damaged.append(error)
            continue
        live.append(HistoryEntry(record, CURRENT, is_live=True, is_blocked=is_blocked))
    return live, damaged
