"""`aivcs release`: what is live under each name."""

from aivcs.errors import ReleaseNotFoundError, StorageError, UsageError
from aivcs.model import ReleaseMetadata, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model import ReleaseRecord
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

    Raises:
        InvalidNameError: Name or label break the rules.
        NotFoundError: The spec is not in the store.
        ConflictError: Something else than expected is live.
    """
    check_release_name(name)
    metadata = ReleaseMetadata(by, version_label=label, notes=notes)
    with repo.hold():
        digest = repo.resolve_spec(spec, allow_missing=allow_missing_spec)
        expected = None if expect is None else repo.resolve_expectation(expect)
        seen = repo.releases.current(name)
        after = repo.releases.promote(name, digest, metadata, expect=expected)
    return _before(repo, seen, after), after


def rollback(
    repo: "Repository",
    name: str,
    *,
    by: str,
    to: "str | None" = None,
    reason: "str | None" = None,
    expect: "str | None" = None,
) -> "tuple[ReleaseRecord | None, ReleaseRecord]":
    """Makes an earlier release live again; returns what was live, and the new entry.

    Args:
        repo: Where.
        name: The agent's name.
        by: Who rolls back.
        to: What to return to, as for `Repository.resolve_target`; None is the previous release.
        reason: Why.
        expect: What must be live now, as for `Repository.resolve_expectation`.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name, or never the target.
        NoPreviousReleaseError: There is nothing below the live release.
        ConflictError: Something else than expected is live.
    """
    check_release_name(name)
    metadata = ReleaseMetadata(by, notes=reason)
    with repo.hold():
        target = None if to is None else repo.resolve_target(name, to)
        expected = None if expect is None else repo.resolve_expectation(expect)
        seen = repo.releases.current(name)
        after = repo.releases.rollback(name, to=target, metadata=metadata, expect=expected)
    return _before(repo, seen, after), after


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
        raise ReleaseNotFoundError(name)
    return record


def history(
    repo: "Repository", name: str, *, limit: "int | None" = None
) -> "Iterator[ReleaseRecord]":
    """Yields the entries of a name, newest first.

    Raises:
        ReleaseNotFoundError: Nothing was released under the name.
        UsageError: The limit is negative.
    """
    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of entries, 0 or more")
    count = 0
    for record in repo.releases.iter_history(name):
        count += 1
        if limit is not None and count > limit:
            return
        yield record
    if not count:
        raise ReleaseNotFoundError(name)


def list_(repo: "Repository") -> "tuple[list[ReleaseRecord], list[StorageError]]":
    """Returns what is live under each name, by name, and what is wrong where it cannot be read."""
    records: list[ReleaseRecord] = []
    damaged: list[StorageError] = []
    for name in repo.releases.list_names():
        try:
            record = repo.releases.current(name)
        except StorageError as error:
            damaged.append(error)
            continue
        if record is not None:
            records.append(record)
    return records, damaged
