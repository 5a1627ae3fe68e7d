"""Erases for all commands: stores the records first, then removes the content."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.release.history import ROLLED_BACK, states
from aivcs.commands.run.session import KIND
from aivcs.errors import ConflictError, IntegrityError
from aivcs.log.run import read_event
from aivcs.log.verify_run import blobs_in
from aivcs.model.digest import ContentDigest
from aivcs.model.erasure import StoredErasure
from aivcs.store.erasing import all_of, begin, carry_out, erasing, pending
from aivcs.store.erasures import compose
from aivcs.sync.references import declared, parts, skip_seen, spec_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aivcs.model.erasure import Target
    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository
    from aivcs.store.erasing import Pending
    from aivcs.store.statements import Signer


ORIGINAL = "is the original"
"""How a run names the session that it was imported from."""


class ErasureRequest(NamedTuple):
    """Who wants something erased, and why: what each record of the erasure says.

    Attributes:
        by: Who erases.
        reason: Why.
        signer: What signs the records; None leaves them unsigned.
    """

    by: str
    reason: str
    signer: Signer | None = None


def erase(
    repo: Repository,
    targets: Iterable[Target],
    request: ErasureRequest,
    *,
    at_once: int | None = None,
) -> list[StoredErasure]:
    """Records erasures and carries them out, with all that is pending; returns the records.

    All are signed before any is stored. An interruption after the first record leaves the rest
    pending.

    Args:
        repo: The repository.
        targets: What to erase; a record for each.
        request: Who wants it, and why.
        at_once: The number of records that are stored before the first of them is carried out;
            None is all.

    Raises:
        ConflictError: The store cannot erase.
        StorageError: Something could not be recorded or erased.
    """
    erasing(repo.store)
    by, reason, signer = request
    made = [compose(target, by=by, reason=reason, signer=signer) for target in targets]
    records: list[StoredErasure] = []
    with repo.staying():  # a record that goes with its store would say nothing to the next one
        step = at_once or max(len(made), 1)
        for first in range(0, len(made), step):
            some = made[first : first + step]
            for erasure in some:
                begin(repo.store, erasure)
            stored = [StoredErasure(repo.erasures.add(erasure), erasure) for erasure in some]
            carry_out(repo.store, [item for one in stored for item in all_of(one)])
            records += stored
        complete(repo)  # once: it looks at all runs
    return records


def complete(repo: Repository) -> list[Pending]:
    """Carries out the erasures that are recorded and were interrupted; returns them.

    Raises:
        ConflictError: The store cannot erase.
        StorageError: Something could not be erased.
    """
    erasures = repo.erasures.load()
    if not erasures:
        return []
    found = list(pending(repo.store, erasures))
    carry_out(repo.store, found)
    return found


def standing(repo: Repository) -> Iterator[ReleaseRecord]:
    """Yields the releases that are live, and those that a rollback can return to.

    Raises:
        IntegrityError: A release log is damaged, so that it is not known what stands.
    """
    for name in repo.releases.list_names():
        for record, state in states(repo.releases.iter_history(name)):
            if state != ROLLED_BACK:
                yield record


def evidence_of(repo: Repository) -> dict[str, str]:
    """Returns the runs that are evidence of standing releases, each with one of these.

    Raises:
        IntegrityError: A release log is damaged, so that it is not known what stands.
    """
    found: dict[str, str] = {}
    for record in standing(repo):
        for item in (*record.evidence, *record.baseline):
            found.setdefault(item.run_id, f"release {record.name}@{record.seq}")
    return found


def named_blobs(
    repo: Repository, run_id: str, *, lenient: bool = False
) -> Iterator[tuple[ContentDigest, str]]:
    """Yields the blobs that a run names beside its spec, each with how, as a clause.

    Raises:
        IntegrityError: An annotation is damaged, or, unless `lenient`, a line of the log.
    """
    for note in repo.annotations.of_run(run_id):
        where = ORIGINAL if note.value.kind == KIND else f"annotation {note.digest[:12]} names"
        yield from ((ContentDigest(text), where) for text in blobs_in(note.value.payload))
    with suppress(IntegrityError) if lenient else nullcontext():
        for line, _ in repo.store.logs.read(f"run/{run_id}"):
            if found := [] if spec_of(line) else list(declared(line)):
                event = read_event(line)
                where = f"event {event.seq} names" if event else "is the final state"
                yield from ((digest, where) for digest in found)


def require_unreleased(
    repo: Repository, digests: Collection[ContentDigest], *, force: bool
) -> None:
    """Requires that no standing release is made of some blobs.

    Raises:
        ConflictError: One is.
    """
    if force or not digests:
        return
    seen: set[ContentDigest] = set()
    for record in standing(repo):
        for part in parts(repo.blobs, [record.spec_digest], skip_seen(seen)):
            if part in digests:
                raise ConflictError(
                    f"release {record.name}@{record.seq} is made of blob {part}; nothing was "
                    "erased. --force erases it anyway"
                )
